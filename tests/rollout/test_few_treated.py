"""`did` where a handful of rooms is treated: the interval comes from the other rooms, or the reason why not is told."""

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.rollout.chance.placebo import MIN_BEFORE


def rooms(
    treated: int = 2, n: int = 40, weeks: int = 12, start: float = 6, effect: float = 0.0, seed: int = 0
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    gmv = 100 + 5 * rng.normal(size=(n, 1)) + rng.normal(size=weeks) + rng.normal(size=(n, weeks))
    gmv[:treated, int(start) :] += effect
    unit, week = np.repeat(np.arange(n), weeks), np.tile(np.arange(weeks), n)
    first = np.where(np.arange(n) < treated, start, np.nan)
    return pd.DataFrame({"unit": unit, "period": week, "gmv": gmv.ravel(), "first_treated": first[unit]})


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_by_two", "twfe"])
@pytest.mark.parametrize("treated", [1, 2, 9])
def test_an_effect_is_found_and_no_standard_error_is_made_up(estimator: str, treated: int) -> None:
    result = gc.did(rooms(treated, effect=8.0), estimator=estimator)
    low, high = result.conf_int()
    assert 0 < low < 8 < high and result.p_value < 0.05
    assert np.isnan(result.std_error)
    assert (result.to_frame()[["conf_low", "conf_high", "p_value"]].notna()).all(axis=None)
    check = result.audit["few_clusters"]
    assert check.status == "warned" and "placebo runs" in check.message and result.audit.credible
    assert result.detectable > 0 and "gain" in result.summary()


def test_the_protocol_holds_without_a_standard_error(tmp_path) -> None:
    assert_protocol(gc.did(rooms(2, effect=8.0)), tmp_path)
    assert_protocol(gc.did(rooms(2, effect=8.0)).incremental_gmv(cost=3, cost_is="other", gmv_is="paid"))


def test_by_hand_with_one_treated_room() -> None:
    """The p-value is the rank of the room's ratio among all 25: nothing but means and standard deviations."""
    frame = rooms(1, n=25, effect=1.5)
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    change, path = y[:, 6:].mean(axis=1) - y[:, 5], y - y[1:].mean(axis=0)
    scale = path[:, :6].std(axis=1, ddof=1)
    # The scale of a difference: the room's own, and that of the mean of the others.
    own = np.sqrt(scale[0] ** 2 + (scale[1:] ** 2).sum() / 24**2)
    ratio = [abs(change[0] - change[1:].mean()) / own]
    for c in range(1, 25):
        rest, beside = np.delete(change, [0, c]).mean(), np.delete(scale, [0, c])
        ratio.append(abs(change[c] - rest) / np.sqrt(scale[c] ** 2 + (beside**2).sum() / 23**2))
    result = gc.did(frame)
    assert result.p_value == pytest.approx(np.mean(np.array(ratio) >= ratio[0]), rel=1e-9)
    # 25 ratios: at 80 % the fifth largest of the 24 placebos bounds the interval.
    half = np.sort(ratio[1:])[-5] * own
    assert result.conf_int(0.8) == pytest.approx((result.estimate - half, result.estimate + half), rel=1e-9)
    assert result.conf_int(0.99) == (-np.inf, np.inf)


def test_row_order_and_units_of_money_change_nothing() -> None:
    frame = rooms(3, effect=1.0)
    plain = gc.did(frame)
    for other, scale in (
        (frame.sample(frac=1, random_state=1), 1),
        (frame.assign(gmv=frame["gmv"] * 100), 100),
        (frame.assign(gmv=frame["gmv"] + 1e7), 1),
    ):
        again = gc.did(other)
        assert again.p_value == plain.p_value
        np.testing.assert_allclose(again.conf_int(), np.array(plain.conf_int()) * scale, rtol=1e-6)
    renamed = frame.assign(unit="room " + ((frame["unit"] * 17) % 40).astype(str))
    assert gc.did(renamed).conf_int() == pytest.approx(plain.conf_int(), rel=1e-12)
    same = gc.did(frame.sample(frac=1, random_state=2))
    np.testing.assert_allclose(same.conf_int(), plain.conf_int(), rtol=1e-12)


def test_users_inside_few_treated_rooms() -> None:
    """Users within rooms: the room is what was treated, so rooms are what chance is learnt from."""
    rng = np.random.default_rng(3)
    frame = rooms(2, n=30, effect=3.0).rename(columns={"unit": "room"})
    users = pd.concat([frame.assign(unit=frame["room"] * 10 + k) for k in range(3)], ignore_index=True)
    users["gmv"] += rng.normal(0, 0.5, len(users))
    result = gc.did(users, cluster="room")
    assert result.audit["few_clusters"].message.startswith("2 treated and 28 control clusters (by room)")
    low, high = result.conf_int()
    assert low < 3 < high


def test_several_starts_have_a_headline_interval_alone() -> None:
    frame = pd.concat([rooms(4, effect=5.0), rooms(1, n=1, start=8, effect=5.0, seed=9).assign(unit=99)])
    result = gc.did(frame)
    table = result.to_frame().set_index("term")
    assert np.isfinite(table.loc["overall", "conf_low"])
    assert table.loc["event-time average":, "conf_low"].isna().all()
    assert "only the headline" in result.estimates.withheld
    assert gc.did(frame, control="not_yet_treated").estimates.withheld


REFUSED = {
    "too few controls": (lambda: rooms(2, n=15), {}, "20 control clusters"),
    "too few periods": (lambda: rooms(2, start=MIN_BEFORE - 1), {}, "3 periods before the start, and there are 2"),
    "absent rows": (lambda: rooms(2).drop(index=[77]), {}, "without absent rows"),
    "nothing moved": (lambda: rooms(2).assign(gmv=lambda f: f["gmv"].where(f["unit"] > 1, 7.0)), {}, "did not vary"),
    "staggered regression": (
        lambda: pd.concat([rooms(2), rooms(1, n=1, start=8).assign(unit=99)]),
        {"estimator": "twfe"},
        "only where all start together",
    ),
    "mixed clusters": (
        lambda: rooms(2).assign(city=lambda f: (f["unit"] + 1) // 2),
        {"cluster": "city"},
        "start at different times, or never",
    ),
    "unequal and too many": (
        lambda: rooms(14, n=36).assign(w=lambda f: np.where(f["unit"] == 0, 500.0, 1.0)),
        {"weights": "w"},
        "twice as many controls as treated, and there are 14 and 22",
    ),
    "few controls only": (lambda: rooms(35, n=40), {}, "20 control clusters"),
    "idle controls": (
        lambda: rooms(2, n=30).assign(gmv=lambda f: f["gmv"].where(f["unit"] < 20, 0.0)),
        {},
        "20 control clusters that varied before the start, and there are 18",
    ),
    "lot of few drawings": (
        lambda: rooms(1, n=12),
        {"assignment": "random"},
        "11 other drawings of the lot cannot reject at 0.05",
    ),
    "a level out of reach": (lambda: rooms(1, n=60), {"alpha": 0.01}, "59 placebo runs cannot reject at 0.01"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_it_does_not_hold_the_reason_is_told(case: str) -> None:
    make, options, why = REFUSED[case]
    result = gc.did(make(), **options)
    assert np.isnan([result.p_value, *result.conf_int()]).all()
    assert why in result.estimates.withheld
    assert result.audit["few_clusters"].status == "failed"


def test_a_declared_lot_is_drawn_again() -> None:
    frame = rooms(2, effect=4.0)
    lot, runs = gc.did(frame, assignment="random"), gc.did(frame)
    assert "permutation of the lot" in lot.audit["few_clusters"].message
    assert lot.p_value < 0.05 and lot.conf_int() != runs.conf_int()
    assert lot.manifest.options["assignment"] == "random"
    many = rooms(20, effect=4.0)
    assert gc.did(many, assignment="random").conf_int() == gc.did(many).conf_int()
    with pytest.raises(gc.InputError, match="assignment must be None, 'random', but is 'lot'"):
        gc.did(frame, assignment="lot")


def test_money_follows_the_interval_of_the_effect() -> None:
    result = gc.did(rooms(2, effect=4.0))
    cells = result.fitted.treated_cells
    money = result.incremental_gmv(cost=30, cost_is="other", gmv_is="paid", margin=0.5).to_frame().set_index("term")
    low, high = (cells * x for x in result.conf_int())
    assert tuple(money.loc["incremental_gmv", ["conf_low", "conf_high"]]) == pytest.approx((low, high))
    assert tuple(money.loc["profit", ["conf_low", "conf_high"]]) == pytest.approx((low / 2 - 30, high / 2 - 30))
    assert tuple(money.loc["roi", ["conf_low", "conf_high"]]) == pytest.approx(
        ((low / 2 - 30) / 30, (high / 2 - 30) / 30)
    )
    assert money.loc["incremental_gmv", "p_value"] == result.p_value and np.isnan(money.loc["profit", "p_value"])


def test_a_line_before_the_start_is_told_from_persistence() -> None:
    drift = rooms(3)
    drift["gmv"] += np.where(drift["unit"] < 3, 0.8 * drift["period"], 0.0)
    assert gc.did(drift).audit["pre_trend_slope"].status == "failed"
    assert gc.did(rooms(3)).audit["pre_trend_slope"].status == "passed"


def test_ten_treated_have_welch_s_degrees_of_freedom() -> None:
    """One start, complete panel: the estimate is a difference of two means, and so is its interval."""
    from scipy import stats

    frame = rooms(10, n=60)
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    for estimator, change in (
        ("callaway_santanna", y[:, 6:].mean(axis=1) - y[:, 5]),
        ("twfe", y[:, 6:].mean(axis=1) - y[:, :6].mean(axis=1)),
    ):
        expected = stats.ttest_ind(change[:10], change[10:], equal_var=False)
        result = gc.did(frame, estimator=estimator, ssc="none" if estimator == "twfe" else "nested")
        assert result.p_value == pytest.approx(expected.pvalue, rel=1e-6)
        assert result.conf_int() == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-6)
    # The published standard error stays what it is.
    z = y[:, 6:].mean(axis=1) - y[:, 5]
    printed = np.sqrt(z[:10].var() / 10 + z[10:].var() / 50)
    assert gc.did(frame).std_error == pytest.approx(printed, rel=1e-9)


def test_one_giant_room_among_twelve_is_no_twelve_clusters() -> None:
    """Weights or users inside: where one room holds nearly everything, the t distribution is given up."""
    frame = rooms(12, n=60)
    frame["w"] = np.where(frame["unit"] == 0, 500.0, 1.0)
    result = gc.did(frame, weights="w")
    assert np.isnan(result.std_error) and "placebo runs" in result.audit["few_clusters"].message
    even = gc.did(frame.assign(w=2.0), weights="w")
    assert even.conf_int() == pytest.approx(gc.did(frame).conf_int(), rel=1e-9)


def test_cohorts_of_one_room_each_have_no_standard_error() -> None:
    """Twelve rooms that start in twos: six spreads to pool. Twelve that start one by one: none, on any road."""
    controls = rooms(0, n=40, weeks=20)
    treated = [rooms(1, n=1, start=4 + k, seed=k, weeks=20).assign(unit=100 + k) for k in range(12)]
    twos = [part.assign(first_treated=4.0 + k // 2) for k, part in enumerate(treated)]
    assert np.isfinite(gc.did(pd.concat([controls, *twos])).std_error)
    frame = pd.concat([controls, *treated])
    for options in ({}, {"weights": "w"}, {"estimator": "twfe"}):
        result = gc.did(frame.assign(w=1.0), **options)
        assert np.isnan(result.std_error)
    assert "alone in their cohort" in gc.did(frame, control="not_yet_treated").estimates.withheld
