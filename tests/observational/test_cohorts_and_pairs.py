"""Matching where units start at different times, and standard errors of pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.balance import balance_by_cohort
from gmvcausal.observational.nearest import pairs


def rooms(n: int = 300, seed: int = 0, by_size: bool = True) -> pd.DataFrame:
    """Rooms start in 4 or 9, the large ones first (or by lot); large rooms grow faster; the effect is 2."""
    rng = np.random.default_rng(seed)
    size, t = rng.normal(size=n), np.arange(1, 13)
    early, late = np.exp(-2 + 1.2 * size), np.exp(-2 - 1.2 * size)
    if not by_size:
        early = late = (early + late) / 2
    draw = rng.random(n) * (1 + early + late)
    start = np.where(draw < early, 4.0, np.where(draw < early + late, 9.0, np.nan))
    y = 10 + 0.3 * size[:, None] * t + rng.normal(0, 2, (n, 1)) + rng.normal(size=(n, 12)) + 2 * (t >= start[:, None])
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), 12), "period": np.tile(t, n), "gmv": y.ravel(), "size": np.repeat(size, 12),
        "first_treated": np.repeat(start, 12)})  # fmt: skip


def test_cohorts_that_are_unlike_the_weighted_controls_fail() -> None:
    m = gc.match(rooms(), "first_treated", ["size"], unit="unit", time="period")
    check = m.audit["balance_by_cohort"]
    assert m.audit["balance"].status == "passed" and check.status == "failed" and "covariates=" in check.remedy
    result = gc.did(m.frame, weights="weight")
    assert result.audit["balance_by_cohort"].status == "failed" and not result.audit.credible
    table = m.balance_by_cohort()
    assert set(table["cohort"]) == {"4", "9"} and check.value == pytest.approx(table["smd"].abs().max())
    # cohort by cohort it is right
    frame, found = rooms(seed=1), []
    for start in (4.0, 9.0):
        own = frame[frame["first_treated"].isna() | (frame["first_treated"] == start)]
        one = gc.match(own, "first_treated", ["size"], unit="unit", time="period")
        assert "balance_by_cohort" not in {c.name for c in one.audit}
        found.append(gc.did(one.frame, weights="weight"))
    for one in found:
        low, high = one.conf_int()
        assert low < 2 < high


def test_cohorts_by_lot_pass() -> None:
    frame = rooms(by_size=False)
    status = gc.match(frame, "first_treated", ["size"], unit="unit", time="period").audit["balance_by_cohort"].status
    flags = frame.assign(on=(frame["period"] >= frame["first_treated"]).astype(int))
    same = gc.match(flags, "on", ["size"], unit="unit", time="period").audit["balance_by_cohort"].status
    assert status == same == "passed"
    days = frame.assign(
        period=pd.Timestamp("2025-01-01") + pd.to_timedelta(frame["period"], unit="D"),
        first_treated=pd.Timestamp("2025-01-01") + pd.to_timedelta(frame["first_treated"], unit="D"),
    )
    table = gc.match(days, "first_treated", ["size"], unit="unit", time="period").balance_by_cohort()
    assert set(table["cohort"]) == {"2025-01-05", "2025-01-10"}


def test_balance_of_cohorts_by_hand() -> None:
    x = np.array([[3.0], [5.0], [9.0], [4.0], [6.0]])
    on, weight = np.array([True, True, True, False, False]), np.array([1.0, 1, 1, 2, 1])
    table = balance_by_cohort(["x"], x, np.array(["1", "1", "2", "", ""]), on, weight)
    spread = np.sqrt((np.var([3, 5, 9], ddof=1) + np.var([4, 6], ddof=1)) / 2)
    assert table["smd"].tolist() == pytest.approx([(4 - 14 / 3) / spread, (9 - 14 / 3) / spread])
    assert table["n"].tolist() == [2, 1] and table["cohort"].tolist() == ["1", "2"]


def test_pairs_by_hand() -> None:
    distance, partner = pairs(np.array([1.0, 2.0, -9.0]), np.array([1.8, 1.1, 0.0]), 0.5)
    np.testing.assert_allclose(distance, [0.1, 0.2, np.nan])
    assert partner.tolist() == [1, 0, -1]


def one_start(seed: int, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size, t = rng.normal(size=n), np.arange(1, 9)
    on = rng.random(n) < 1 / (1 + np.exp(1.2 - size))
    y = 50 + 0.8 * size[:, None] * t + rng.normal(0, 2, (n, 8)) + 3 * (on[:, None] & (t >= 5))
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), 8), "period": np.tile(t, n), "gmv": y.ravel(), "size": np.repeat(size, 8),
        "first_treated": np.repeat(np.where(on, 5.0, np.nan), 8)})  # fmt: skip


def test_pairs_are_columns_of_the_matched_frame() -> None:
    frame = one_start(0)
    m = gc.match(frame, "first_treated", ["size"], unit="unit", time="period", replace=False)
    units = m.frame.drop_duplicates("unit")
    assert (units.groupby("pair")["first_treated"].agg(lambda s: s.notna().sum()) == 1).all()
    assert (units.groupby("pair").size() == 2).all() and units["pair"].max() == m.counts["matched_treated"]
    assert "cluster='pair'" in m.summary()
    assert any(
        "too wide" in note and "cluster='pair'" in note for note in gc.did(m.frame, weights="weight").manifest.notes
    )
    assert "pair" not in gc.match(frame, "first_treated", ["size"], unit="unit", time="period").frame
    with pytest.raises(gc.InputError, match="'pair' already"):
        gc.match(frame.assign(pair=1), "first_treated", ["size"], unit="unit", time="period", replace=False)


def test_the_standard_error_of_pairs_by_hand() -> None:
    """The sum of squares of what each pair's difference is from the mean difference."""
    m = gc.match(one_start(1), "first_treated", ["size"], unit="unit", time="period", replace=False)
    result = gc.did(m.frame, weights="weight", cluster="pair")
    wide = m.frame.pivot(index="unit", columns="period", values="gmv")
    change = wide[[5, 6, 7, 8]].mean(axis=1) - wide[4]
    about = m.frame.drop_duplicates("unit").set_index("unit")
    on = about["first_treated"].notna()
    gap = change[on].groupby(about["pair"][on]).first() - change[~on].groupby(about["pair"][~on]).first()
    assert result.estimate == pytest.approx(gap.mean(), rel=1e-9)
    assert result.std_error == pytest.approx(np.sqrt(((gap - gap.mean()) ** 2).sum()) / len(gap), rel=1e-9)


def test_intervals_of_pairs_cover() -> None:
    """Clustered by unit 98 % of intervals hold the truth, and they are a fifth wider."""
    hits, ratio = 0, []
    for seed in range(60):
        m = gc.match(one_start(seed, 200), "first_treated", ["size"], unit="unit", time="period", replace=False)
        result = gc.did(m.frame, weights="weight", cluster="pair")
        low, high = result.conf_int()
        hits += low <= 3 <= high
        ratio.append(gc.did(m.frame, weights="weight").std_error / result.std_error)
    assert hits >= 52 and np.mean(ratio) > 1.1
