"""Of people no share, bin or cohort of fewer than ten is shown where nobody drew lots."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.balance import rare
from gmvcausal.observational.discontinuity.bins import apart, binned, filled_bins
from gmvcausal.observational.notch.grid import Grid, unshown
from gmvcausal.present.chinese import translate

NUMBERS = ["treated_before", "control_before", "smd_before", "ks_before", "p_before", "treated_after", "smd_after"]


def users(black: int, unit: str = "user", n: int = 400) -> pd.DataFrame:
    """Three tiers, one of them of a few users; a flag that few have."""
    rng = np.random.default_rng(6)
    coupon = (np.arange(n) % 2).astype(int)
    tier = np.where(rng.random(n) < 0.4, "gold", "new").astype(object)
    tier[:black] = "black"
    age = rng.normal(40, 9, n).round(1) + coupon
    gmv = rng.exponential(20, n).round(2) + 3 * coupon
    return pd.DataFrame({unit: np.arange(n), "coupon": coupon, "tier": tier, "age": age, "gmv": gmv})


def test_shares_of_few_in_the_balance_of_an_adjusted_comparison() -> None:
    shown = {}
    for black in (3, 4, 8):
        r = gc.adjust(users(black), "gmv", "coupon", ["tier", "age"], estimator="ipw", unit="user")
        shown[black] = r.balance().set_index("covariate")
        # The base level is that of a few: what is left of the other two would be it, so one of these is hidden.
        assert shown[black].loc["tier = gold", NUMBERS].isna().all()
        assert shown[black].loc["age", NUMBERS].notna().all()
        note = next(n for n in r.manifest.notes if n.startswith("balance()"))
        assert "不予显示" in translate(note)
        assert np.isnan(r.curves("love").lines[0].y).sum() == shown[black]["smd_before"].isna().sum() > 0
        assert r.sample.people


def test_rooms_are_shown_whole() -> None:
    r = gc.adjust(users(4, "room"), "gmv", "coupon", ["tier", "age"], estimator="ipw", unit="room")
    assert r.balance()[NUMBERS].notna().all().all() and not any("balance()" in n for n in r.manifest.notes)
    m = gc.match(users(4, "room"), "coupon", ["tier", "age"], control=0, unit="room")
    assert m.balance()[NUMBERS].notna().all().all()


def test_estimates_are_what_they_were() -> None:
    """Of users and of rooms: the same numbers, whatever is shown beside them."""
    both = [
        gc.adjust(users(4, unit), "gmv", "coupon", ["tier", "age"], estimator="ipw", unit=unit)
        for unit in ("user", "room")
    ]
    assert both[0].estimate == both[1].estimate and both[0].std_error == both[1].std_error


def test_balance_after_matching() -> None:
    m = gc.match(users(5), "coupon", ["tier", "age"], control=0)
    frame = m.balance().set_index("covariate")
    assert frame.loc["tier = gold"].isna().all() and frame.loc["age"].notna().all()
    assert "are not shown" in m.cells()[2] and "are not shown" in m.summary()
    assert "are not shown" not in translate(m.cells()[2]) and "不予显示" in translate(m.cells()[2])
    at = m.audit["balance"]
    if "tier" in at.message:
        assert at.value is None and not any(c.isdigit() for c in at.message.split("tier")[0])


def test_a_level_that_few_lost_in_matching() -> None:
    """Fifteen have it, four of them are left out: before less after would count these."""
    x = np.r_[np.ones(15), np.zeros(85), np.ones(40), np.zeros(60)][:, None]
    treated, used = np.arange(200) < 100, np.ones(200, dtype=bool)
    sides = lambda used: [s & u for s in (treated, ~treated) for u in (used, ~used)]  # noqa: E731  used twice below
    assert not rare(["vip"], x, sides(used))[0]
    used[:4] = False
    assert rare(["vip"], x, sides(used))[0]


def with_children(many: int, unit: str) -> pd.DataFrame:
    """Nobody untreated has two children, and `many` of the treated have."""
    rng = np.random.default_rng(many)
    n = 600
    coupon, children = np.arange(n) % 2, rng.integers(0, 2, n)
    children[np.flatnonzero(coupon)[:many]] = 2
    gmv, age = rng.gamma(1, 30, n).round(2), rng.normal(30, 5, n)
    return pd.DataFrame({unit: np.arange(n), "coupon": coupon, "age": age, "children": children, "gmv": gmv})


@pytest.mark.parametrize("many", [3, 6])
def test_a_number_of_few_values_that_few_of_an_arm_have(many: int) -> None:
    """Means, difference and ratio of variances are three equations of the counts."""
    row = {}
    for unit in ("user", "room"):
        table = with_children(many, unit)
        m = gc.match(table, "coupon", ["age", "children"], control=0, unit=unit)
        row[unit] = m.balance().set_index("covariate").loc["children"]
        if unit == "user":
            assert m.balance().set_index("covariate").loc["age"].notna().all()
            assert np.isnan(m.curves("love").lines[0].y[1]) and "are not shown" in m.summary()
    room = row["room"]
    gap = room["treated_before"] - room["control_before"]
    both = 2 * (gap / room["smd_before"]) ** 2
    treated = both * room["variance_ratio_before"] / (1 + room["variance_ratio_before"])
    squares = treated * 299 + 300 * room["treated_before"] ** 2
    assert (squares - 300 * room["treated_before"]) / 2 == pytest.approx(many)
    assert row["user"].isna().all()


def test_a_number_of_few_values_in_an_adjusted_comparison() -> None:
    for estimator in ("ipw", "regression"):
        ask = {"outcome": "gmv", "treatment": "coupon", "covariates": ["age", "children"], "estimator": estimator}
        r, room = (gc.adjust(with_children(5, u), **ask, unit=u) for u in ("user", "room"))
        shown = r.balance().set_index("covariate")
        assert shown.loc["children"].isna().all() and shown.loc["age"].notna().all()
        assert room.balance().notna().all().all() and room.estimate == r.estimate
        if "children" in r.audit["balance"].message:
            assert r.audit["balance"].value is None


def test_a_dummy_does_not_follow_from_the_others() -> None:
    """Three flags that add up to one, as columns of their own: what two of them leave is the third."""
    tier = users(4).assign(new=lambda d: d["tier"] == "new", gold=lambda d: d["tier"] == "gold")
    tier["black"] = (tier["tier"] == "black").astype(int)
    tier[["new", "gold"]] = tier[["new", "gold"]].astype(int)
    names = ["new", "gold", "black", "age"]
    x = tier[names].to_numpy(float)
    sides = [tier["coupon"].to_numpy() == k for k in (0, 1)]
    assert rare(names, x, sides).tolist() == [False, True, True, False]
    odds = np.column_stack([x, x @ [0.1, 0.3, 0.2, 0.02]])
    assert rare([*names[:2], "other", "age", "odds"], odds, sides, last=1).tolist() == [False, True, True, False, False]
    assert rare(["new", "black", "age"], x[:, [0, 2, 3]], sides).tolist() == [False, True, False]
    m = gc.match(tier, "coupon", ["gold", "black", "age"], control=0)
    assert m.balance().set_index("covariate").isna().all(axis=1).to_dict() == {
        "gold": False, "black": True, "age": False, "log odds of treatment": False,
    }  # fmt: skip


def test_values_of_a_number_are_counted_side_by_side() -> None:
    """Orders 0 to 9 in one arm, 0 to 2 in the other: there, three have 2; and GMV of an arm in which four bought."""
    treated = np.arange(400) < 200
    orders = np.where(treated, np.arange(400) % 2, np.arange(400) % 10).astype(float)
    spent = np.where(treated, 0.0, np.arange(400) % 10 + 0.5)
    sides = [treated, ~treated]
    assert not rare(["orders"], orders[:, None], sides)[0]
    orders[:3], spent[:4] = 2, [7.5, 60, 31, 8]
    assert rare(["orders", "spent", "age"], np.column_stack([orders, spent, np.arange(400) % 50]), sides).tolist() == [
        True, True, False,
    ]  # fmt: skip
    # A gap filled by the mean makes no third value of which the counts would be safe.
    flag = np.where(np.arange(400) < 6, 1.0, 0.0)
    flag[100:140] = flag[np.r_[0:100, 140:400]].mean()
    assert rare(["flag"], flag[:, None], sides)[0]


def test_cohorts_of_few() -> None:
    rng = np.random.default_rng(2)
    n = 300
    start = np.full(n, np.nan)
    start[:4], start[4:40], start[40:90] = 5, 6, 7
    panel = pd.DataFrame({"user": np.repeat(np.arange(n), 8), "week": np.tile(np.arange(1, 9), n)})
    panel["cohort"], panel["age"] = np.repeat(start, 8), np.repeat(rng.normal(40, 9, n), 8)
    m = gc.match(panel, "cohort", ["age"], unit="user", time="week")
    table = m.balance_by_cohort()
    gone = table["n"].isna()
    assert table.loc[gone, "cohort"].nunique() == 2 and table.loc[gone, ["treated", "smd", "p"]].isna().all().all()
    assert table.loc[~gone, "n"].min() >= 10
    room = gc.match(panel.rename(columns={"user": "room"}), "cohort", ["age"], unit="room", time="week")
    assert room.balance_by_cohort()["n"].min() == 4


def test_bins_of_a_threshold_hold_ten() -> None:
    rng = np.random.default_rng(9)
    for n in (150, 400):
        spent = rng.uniform(100, 500, n)
        table = pd.DataFrame({"spent": spent, "gmv": 20 + 0.1 * spent + 9 * (spent >= 300) + rng.normal(0, 5, n)})
        r, room = gc.threshold(table, "gmv", "spent", 300), None
        h = r.found.widths.h
        for line, side in zip(r.curves("threshold").lines[::2], (spent < 300, spent >= 300), strict=True):
            edges, place = binned(np.abs(spent[side & (np.abs(spent - 300) <= 2 * h)] - 300), 2 * h, True)
            size = np.bincount(place, minlength=len(edges) - 1)
            assert len(line.x) == len(size)
            assert (size[np.isfinite(line.y)] >= 10).all() and (np.isfinite(line.y) == (size >= 10)).all()
        assert any("bins of the figure are merged" in note for note in r.manifest.notes)
        room = gc.threshold(table.assign(unit=np.arange(n)), "gmv", "spent", 300)
        assert len(room.curves("threshold").lines[0].x) == 20 and r.estimate == room.estimate
        counts = r.bandwidths()["n_below"].dropna().to_numpy(float)
        apart_by = np.abs(counts[:, None] - counts)
        assert (counts >= 10).all() and not ((apart_by > 0) & (apart_by < 10)).any()


def test_a_heap_of_few_is_not_counted() -> None:
    rng = np.random.default_rng(1)
    spent = np.r_[rng.uniform(100, 500, 600).round(1), np.full(7, 300.0)]
    table = pd.DataFrame({"spent": spent, "gmv": rng.normal(30, 5, len(spent))})
    r = gc.threshold(table, "gmv", "spent", 300)
    said = r.audit["heap_at_cutoff"].message
    assert said.startswith("fewer than 10 rows lie at 300 itself") and "不足 10 行" in translate(said)
    note = next(n for n in r.manifest.notes if "exactly at 300" in n)
    assert note.startswith("fewer than 10 rows") and "不足 10 行" in translate(note)
    whole = gc.threshold(table.assign(unit=np.arange(len(spent))), "gmv", "spent", 300)
    assert whole.audit["heap_at_cutoff"].message.startswith("7 rows lie")


@pytest.mark.parametrize("seed", range(20))
def test_merged_bins_and_nested_counts(seed) -> None:
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 15, 20)
    edges = filled_bins(size).astype(int)
    assert edges[0] == 0 and edges[-1] == 20 and (np.diff(edges) > 0).all()
    held = np.add.reduceat(size, edges[:-1])
    assert held.sum() == size.sum() and ((held >= 10).all() or len(held) == 1)
    counts = np.sort(rng.integers(1, 60, 5)).astype(float)
    counts[2] += 10 * (counts[2] < 10)
    counts = np.sort(counts)
    shown = apart(counts, 2)
    if counts[2] >= 10:
        left = shown[~np.isnan(shown)]
        between = np.abs(left[:, None] - left)
        assert (left >= 10).all() and not ((between > 0) & (between < 10)).any()


def orders(few: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    basket = rng.gamma(6, 45, 4_000).round(1)
    basket = basket[(basket < 120) | (basket >= 125)]
    return pd.DataFrame({"basket": np.r_[basket, np.full(few, 122.0), np.full(300, 301.0)]})


def test_bins_of_few_orders() -> None:
    shown = {}
    for few in (1, 2, 7):
        r = gc.bunching(orders(few), "basket", 300, reps=99, seed=1)
        frame = r.counterfactual()
        at = int(np.flatnonzero(frame["basket_from"] == 120)[0])
        assert frame["orders"].isna()[at]
        left = frame["orders"].dropna()
        assert not ((left > 0) & (left < 10)).any()
        assert np.isnan(r.curves("bunching").lines[0].y[at]) and r.seen[at] == few
        inside = frame["in_window"] & frame["orders"].isna()
        assert inside.sum() != 1
        note = next(n for n in r.manifest.notes if n.startswith("bins of fewer"))
        assert "不予显示" in translate(note)
        shown[few] = frame["orders"]
    pd.testing.assert_series_equal(shown[1], shown[2])
    pd.testing.assert_series_equal(shown[1], shown[7])


def test_bins_expected_from_a_comparison_of_few() -> None:
    grid = Grid(300.0, 5.0, 4, 4, 2, 6)
    few, none = np.array([50.0, 3, 40, 60, 50, 30, 12, 80]), np.array([50.0, 0, 40, 4, 50, 30, 12, 80])
    assert np.flatnonzero(unshown(few, grid)).tolist() == [1, 6]
    assert np.flatnonzero(unshown(none, grid)).tolist() == [3, 5]


@pytest.mark.parametrize("seed", [0, 4])
def test_compliers_with_a_flag_that_few_takers_have(seed: int) -> None:
    """Thirteen have it, fewer than ten on either side of the lot: both means count those who did not take it."""
    rng = np.random.default_rng(seed)
    n = 800
    table = pd.DataFrame({"lot": np.arange(n) % 2, "gmv": rng.gamma(1, 30, n)})
    table["got"], table["sick"], table["even"] = table["lot"] * (rng.random(n) < 0.7), 0, rng.random(n) < 0.5
    table.loc[rng.choice(n, 13, replace=False), "sick"] = 1
    frame = {}
    for unit in ("user", "room"):
        data = table.assign(**{unit: np.arange(n)})
        frame[unit] = gc.iv(data, "gmv", "got", "lot", covariates=["sick", "even"], unit=unit).compliers()
        frame[unit] = frame[unit].set_index("covariate")
    shown = frame["room"].loc["sick"]
    left = 400 * (shown["everybody"] - shown["compliers"] * table["got"].sum() / 400)
    assert left == pytest.approx((table["sick"] * table["lot"] * (1 - table["got"])).sum()) and 0 < left < 10
    assert frame["user"].loc["sick"].isna().all() and frame["user"].loc["even"].notna().all()


def test_compliers_of_a_rare_level() -> None:
    table = users(4).assign(lot=np.arange(400) % 2)
    table["coupon"] = ((np.arange(400) % 2 == 1) & (np.arange(400) % 5 > 0)).astype(int)
    r = gc.iv(table, "gmv", "coupon", "lot", covariates=["tier", "age"], unit="user")
    frame = r.compliers().set_index("covariate")
    assert frame.loc["tier = gold"].isna().all() and frame.loc["age"].notna().all()
    rooms = table.rename(columns={"user": "room"})
    whole = gc.iv(rooms, "gmv", "coupon", "lot", covariates=["tier", "age"], unit="room")
    assert whole.compliers().notna().all().all() and whole.estimate == r.estimate
