"""`gc.describe` where rows are people: what rests on fewer than ten is not shown, and follows from nothing shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.results.describing.small_groups import hidden_pairs, without_pairs
from gmvcausal.stats.small_columns import of_few

UNSHOWN = "rests on fewer than 10 rows, or would count so few, is not shown"


def users(flagged: int = 4, n: int = 120) -> pd.DataFrame:
    """Users of two arms, of whom the last `flagged` carry a flag."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"age": rng.normal(30, 6, n), "gmv": rng.gamma(2.0, 40.0, n), "member": np.arange(n) % 3 == 0})
    frame["arm"] = np.where(np.arange(n) % 2, "coupon", "none")
    frame["vip"] = (np.arange(n) >= n - flagged).astype(int)
    return frame


def everything(data: pd.DataFrame) -> str:
    """All that is shown of a table."""
    d = gc.describe(data, by="arm", control="none")
    tables = [d, d.correlations(), d.correlations("spearman", missing="listwise"), d.vif(), d.balance()]
    frames = [t.to_frame() for t in tables] + [d.balance().joint_test(), d.correlations().pairs()]
    return "\n".join([*(f.to_csv() for f in frames), *(t.to_html() for t in tables), *map(str, tables)])


def test_a_rare_flag_shows_no_count_and_one_more_person_changes_nothing() -> None:
    d = gc.describe(users(), by="arm", control="none")
    row = d.to_frame().set_index("variable").loc["vip"]
    assert row[["mean", "sd", "zeros"]].isna().all() and (row["n"], row["missing"], row["max"]) == (120, 0, 1)
    assert d.to_frame().set_index("variable").loc[["age", "gmv"]].notna().all(axis=None)
    assert UNSHOWN in " ".join(d.printed().split())
    # Whatever is worked out from all that is shown is the same for three, four and five.
    assert everything(users(3)) == everything(users(4)) == everything(users(5))
    assert everything(users(10)) != everything(users(4))
    # Mostly ones is as rare.
    turned = gc.describe(users().assign(vip=lambda f: 1 - f["vip"])).to_frame().set_index("variable")
    assert turned.loc["vip", ["mean", "sd", "zeros"]].isna().all()


def test_gmv_of_a_few_buyers_is_not_summed_up() -> None:
    one, other = users(), users()
    one["gmv"], other["gmv"] = 0.0, 0.0
    one.loc[[3, 8, 12], "gmv"], other.loc[[3, 8, 12, 17], "gmv"] = [10.0, 20.0, 90.0], [70.0, 80.0, 90.0, 1.0]
    assert everything(one) == everything(other)
    assert "Zero in more than half" not in gc.describe(one).summary()
    assert gc.describe(one).to_frame().set_index("variable").loc["gmv", "max"] == 90


def test_a_column_that_few_have_is_not_described() -> None:
    data = users().assign(refund=lambda f: f["gmv"].where(f.index < 5))
    row = gc.describe(data).to_frame().set_index("variable").loc["refund"]
    assert (row["n"], row["missing"]) == (5, 115) and row.drop(["n", "missing"]).isna().all()


def test_few_whole_numbers_do_not_give_their_counts() -> None:
    def orders(counts: list[int]) -> pd.Series:
        data = users().assign(orders=np.repeat([0, 1, 2], counts))
        return gc.describe(data).to_frame().set_index("variable").loc["orders"]

    row = orders([80, 35, 5])
    assert row[["sd", "zeros"]].isna().all() and row["mean"] == pytest.approx(45 / 120)
    # The mean alone has several counts; all that is shown is that of other counts, of which the small cell is another.
    pd.testing.assert_series_equal(row, orders([81, 33, 6]))
    assert orders([70, 30, 20]).notna().all()


def test_few_whole_numbers_of_an_arm_do_not_give_their_counts() -> None:
    data = users()
    data["orders"] = np.where(data["arm"] == "none", np.arange(120) // 2 % 3, (np.arange(120) > 60).astype(int))
    data.loc[data.index[data["arm"] == "coupon"][:4], "orders"] = 2
    d = gc.describe(data, ["age", "orders"], by="arm", control="none")
    # 24 of all have two orders, and four of one arm: n, mean and SD of the arm are three equations in three counts.
    assert d.to_frame().set_index("variable").loc["orders"].notna().all()
    line = d.balance().to_frame().set_index("variable").loc["orders"]
    assert line[["mean_control", "mean", "sd", "standardised", "statistic"]].isna().all()
    assert d.balance().untested == ("orders",)


def test_two_flags_have_no_small_cell_in_their_correlation() -> None:
    n = 120
    first, second = np.arange(n) < 40, (np.arange(n) >= 36) & (np.arange(n) < 90)
    data = users(n=n).drop(columns=["vip", "member"]).assign(first=first, second=second)
    found = gc.describe(data).correlations()
    r = found.to_frame().set_index("variable")
    assert np.isnan(r.loc["first", "second"]) and np.isfinite(r.loc["first", "age"])
    assert UNSHOWN in " ".join(found.printed().split()) and "Of 5 correlations" in " ".join(found.sentences())
    # VIF are worked out from correlations, and give them back.
    vif = gc.describe(data).vif()
    assert set(vif.names) == {"age", "gmv", "second"} and vif.unshown == ("first",)
    assert "relations of theirs rest on fewer than 10 rows: first" in " ".join(vif.sentences())
    with pytest.raises(gc.InputError, match="1 column of numbers can be shown, and relations need two"):
        gc.describe(data, ["first", "second"]).vif()
    apart = data.assign(second=~first)  # no cell but empty ones: nobody is in a small group
    assert np.isfinite(gc.describe(apart).correlations().to_frame().set_index("variable").loc["first", "second"])


def test_what_is_hidden_between_columns() -> None:
    few, half, gap = np.repeat([0.0, 1], [95, 5]), np.tile([0.0, 1], 50), np.where(np.arange(100) < 5, 1.0, np.nan)
    assert hidden_pairs(np.column_stack([few, half, np.arange(100.0)]))[0].tolist() == [False, True, True]
    assert without_pairs(np.column_stack([half, few, np.arange(100.0)])) == [0, 2]
    assert of_few(gap) and not of_few(half) and not of_few(np.arange(10.0)) and not of_few(np.full(40, np.nan))


def test_a_cell_that_one_arm_hides_no_other_arm_shows() -> None:
    n = 180
    arm = np.array(["none", "coupon", "push"])[np.arange(n) % 3]
    flag = np.zeros(n, dtype=int)
    for label, many in (("none", 20), ("coupon", 30), ("push", 4)):
        flag[np.flatnonzero(arm == label)[:many]] = 1
    d = gc.describe(pd.DataFrame({"age": np.arange(n) % 37, "flag": flag, "arm": arm}), by="arm", control="none")
    lines = d.balance().to_frame().query("variable == 'flag'")
    assert len(lines) == 2 and lines[["mean_control", "mean", "difference", "statistic"]].isna().all(axis=None)
    # The share of all is shown: had one line been left, the arm of four would follow.
    assert d.to_frame().set_index("variable").loc["flag", "mean"] == pytest.approx(0.3)
    assert d.balance().joint_test()["df1"].tolist() == [1, 1] and "not shown in full: flag" in d.balance().printed()


def test_a_group_of_few_is_not_compared_nor_one_that_gives_it_away() -> None:
    data = users(n=200).assign(arm=lambda f: np.repeat(["none", "coupon", "push", "staff"], [100, 60, 34, 6]))
    found = gc.describe(data, ["age", "gmv"], by="arm", control="none").balance()
    assert set(found.to_frame()["group"]) == {"coupon"} and found.left == ("push", "staff")
    assert "are not shown: push, staff" in " ".join(found.printed().split())
    moved = data.assign(arm=lambda f: f["arm"].where(f.index != 190, "staff"))
    again = gc.describe(moved, ["age", "gmv"], by="arm", control="none").balance()
    assert str(found) == str(again)
    two = gc.describe(data[data["arm"].isin(["none", "staff"])], ["age"], by="arm", control="none")
    with pytest.raises(gc.InputError, match="the groups of 'arm' are of fewer than 10 rows"):
        two.balance()


def test_a_report_stands_where_no_group_can_be_compared(tmp_path: Path) -> None:
    data = users(n=60).assign(arm=lambda f: np.where(f.index < 3, "coupon", "none"))
    d = gc.describe(data, ["age", "gmv"], by="arm", control="none")
    answer = gc.ab_test(users(), arm="arm", control="none", metrics=["gmv"])
    for language, told in (("en", "No balance: the groups of"), ("zh", "无平衡性检验")):
        page = gc.report([answer, d], tmp_path / f"{language}.html", language=language).read_text(encoding="utf-8")
        assert told in page and "Balance by arm" not in page


@pytest.mark.parametrize("kind", ["unit", "logs", "grid", "rooms"])
def test_tables_of_rooms_are_shown_whole(kind: str) -> None:
    rooms = [f"r{k:02d}" for k in range(30)]
    data = pd.DataFrame({"room": rooms, "treated": [1] * 3 + [0] * 27, "gmv": np.arange(30.0)})
    data["tier"] = ["big"] * 4 + ["small"] * 26
    if kind in ("unit", "logs"):
        data = data.rename(columns={"room": "unit"})
    if kind == "logs":
        data.attrs["gmvcausal"] = {"unit": "room"}
    if kind == "grid":
        data = pd.concat([data.assign(week=w) for w in (1, 2)])
    d = gc.describe(data, ["treated", "gmv", "tier"], by=None)
    assert d.to_frame().set_index("variable").loc["treated", "mean"] == pytest.approx(0.1)
    assert d.levels().to_frame()["n"].notna().all() and "not shown" not in d.printed()
    assert np.isfinite(d.correlations().to_frame()["gmv"]).all()


@pytest.mark.parametrize("kind", ["user", "logs", "nothing", "city"])
def test_tables_of_users_are_not(kind: str) -> None:
    data = users()
    if kind == "user":
        data["user_id"] = range(120)
    if kind == "logs":
        data["unit"] = range(120)
        data.attrs["gmvcausal"] = {"unit": "user"}
    if kind == "city":  # where they live, and the day on which they came: no grid of places
        data["city"] = [f"c{k % 20}" for k in range(120)]
        data["day"] = range(120)
    d = gc.describe(data, ["age", "vip"])
    assert np.isnan(d.to_frame().set_index("variable").loc["vip", "mean"])


def test_a_column_that_tells_the_arms_apart_is_not_silent_where_it_is_hidden() -> None:
    rng = np.random.default_rng(2)
    arm = np.where(rng.random(600) < 0.5, "a", "b")
    host = ((arm == "b") & (rng.random(600) < 0.12)) | (rng.random(600) < 0.01)
    frame = pd.DataFrame({"user": range(600), "arm": arm, "age": rng.normal(40, 9, 600), "was_host": host.astype(int)})
    balance = gc.describe(frame, ["age", "was_host"], by="arm", control="a").balance()
    told = " ".join(balance.sentences())
    assert "b and a are not told apart by the columns tested together" in told
    assert "With was_host, of which not all numbers are shown, they are told apart at 5 %." in told


def test_the_correlations_of_few_whole_numbers_do_not_give_their_counts() -> None:
    rng = np.random.default_rng(3)
    n, secret = 300, 3
    refunds = rng.permutation(np.repeat([0, 1, 2], [200, 100 - secret, secret]))
    data = pd.DataFrame({"refunds": refunds, "city": (rng.random(n) < 0.5).astype(int), "gmv": rng.gamma(1, 30, n)})
    d = gc.describe(data)
    # The mean is shown; with the SD, which a correlation with a flag gives, it counts those who have two.
    assert d.to_frame().set_index("variable").loc["refunds", "mean"] == pytest.approx(refunds.mean())
    for method in ("pearson", "spearman"):
        r = d.correlations(method).to_frame().set_index("variable")
        assert np.isnan(r.loc["refunds", ["city", "gmv"]].astype(float)).all() and np.isfinite(r.loc["city", "gmv"])
    assert set(d.vif().names) == {"city", "gmv"} and d.vif().unshown == ("refunds",)
    many = data.assign(refunds=rng.permutation(np.repeat([0, 1, 2], [200, 90, 10])))
    assert np.isfinite(gc.describe(many).correlations().to_frame().set_index("variable")).all(axis=None)


def tiers(sizes: tuple[int, ...] = (250, 134, 12, 4)) -> pd.DataFrame:
    """A category with its dummies, a number, and two arms."""
    tier = np.repeat(["new", "silver", "gold", "black"], sizes)
    n = len(tier)
    dummies = pd.get_dummies(pd.Series(tier), dtype=int)
    return dummies.assign(
        tier=tier, gmv=np.random.default_rng(0).gamma(1, 30, n), age=np.arange(n) % 37, arm=np.arange(n) % 2
    )


@pytest.mark.parametrize("left_out", [[], ["tier"], ["gold"], ["new", "silver"], ["black"]])
def test_flags_that_make_up_a_whole_with_a_category_are_levels_of_it(left_out: list[str]) -> None:
    def table(sizes: tuple[int, ...]) -> str:
        d = gc.describe(tiers(sizes).drop(columns=left_out), by="arm", control=0)
        frames = [d, d.correlations(), d.vif(), d.balance()] + ([] if "tier" in left_out else [d.levels()])
        return "\n".join(f.to_frame().to_csv() for f in frames)

    d = gc.describe(tiers().drop(columns=left_out))
    mean = d.to_frame().set_index("variable")["mean"]
    shown = {name for name in ("new", "silver", "gold", "black") if name in mean and np.isfinite(mean[name])}
    assert shown == {"new", "silver"} - set(left_out)
    assert table((250, 134, 12, 4)) == table((250, 134, 10, 6)) != table((250, 132, 12, 6))


def test_what_follows_from_other_columns_is_hidden_with_them() -> None:
    n = 200
    few, some = np.arange(n) < 4, (np.arange(n) >= 4) & (np.arange(n) < 44)
    flags = pd.DataFrame({"few": few, "some": some, "either": few | some, "half": np.arange(n) % 2 == 0})
    found = gc.describe(flags).to_frame().set_index("variable")["mean"]
    # 44 less 40 would be the four: the smaller of both goes.
    assert found.isna().to_dict() == {"few": True, "some": True, "either": False, "half": False}
    amounts = pd.DataFrame({"app": np.arange(n) % 7, "shop": np.where(few, 50.0, 0.0)})
    amounts["whole"] = amounts["app"] + amounts["shop"]
    found = gc.describe(amounts).to_frame().set_index("variable")["mean"]
    assert found.isna().sum() == 2 and np.isnan(found["shop"])
    apart = gc.describe(flags.drop(columns="either")).to_frame().set_index("variable")["mean"]
    assert apart.isna().to_dict() == {"few": True, "some": False, "half": False}


def test_cells_of_a_flag_and_all_dummies_of_a_whole_are_hidden_in_twos() -> None:
    n = 400
    tier = np.arange(n) % 4
    flag = np.zeros(n, dtype=int)
    flag[np.concatenate([np.flatnonzero(tier == k)[:many] for k, many in enumerate((4, 30, 40, 50))])] = 1
    data = pd.DataFrame({"flag": flag, "gmv": np.arange(n) % 89} | {f"t{k}": (tier == k).astype(int) for k in range(4)})
    r = gc.describe(data).correlations().to_frame().set_index("variable")["flag"]
    # The flag's covariances with all four add up to none, so one hidden alone would follow from three.
    assert r.isna().to_dict() == {"flag": False, "gmv": False, "t0": True, "t1": True, "t2": False, "t3": False}


def test_dummies_within_an_arm_do_not_give_a_small_cell() -> None:
    n = 400
    arm, tier = np.arange(n) % 2, np.repeat([0, 1, 2], [200, 150, 50])
    arm[(tier == 2)] = (np.arange(50) >= 5).astype(int)  # five of them in one arm
    data = pd.DataFrame({f"t{k}": (tier == k).astype(int) for k in range(3)} | {"gmv": np.arange(n) % 89, "arm": arm})
    d = gc.describe(data, by="arm", control=0)
    hidden = d.balance().to_frame().set_index("variable")["mean_control"].isna()
    assert hidden.to_dict() == {"t0": False, "t1": True, "t2": True, "gmv": False}
    assert d.balance().untested == ("t1", "t2")


@pytest.mark.parametrize("columns", [["vip", "score", "age", "buy"], ["buy", "age", "score", "vip"]])
def test_vif_leaves_out_the_rare_flag_and_not_what_it_crosses(columns: list[str]) -> None:
    """Of vip, which eighteen are, and buy, which half do, a cell is small; buy and score are nearly the same."""
    rng = np.random.default_rng(3)
    buy = (rng.random(900) < 0.5).astype(float)
    vip = np.zeros(900)
    vip[np.flatnonzero(buy == 1)[:15]] = vip[np.flatnonzero(buy == 0)[:3]] = 1
    frame = pd.DataFrame({"buy": buy, "vip": vip, "score": buy + rng.normal(0, 0.1, 900), "age": rng.normal(size=900)})
    vif = gc.describe(frame[columns]).vif()
    assert vif.unshown == ("vip",) and "score" in vif.sentences()[0] and vif.to_frame()["vif"].max() > 10
