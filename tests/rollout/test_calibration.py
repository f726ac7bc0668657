"""Checks that must not cry wolf on clean data, and intervals that must not depend on names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc
from gmvcausal.rollout.audit.of_trend import leads_of
from gmvcausal.rollout.audit.of_trend import tested as taken
from gmvcausal.stats.inference import wald
from gmvcausal.stats.small_sample import joint_df


def clean(
    seed: int, n: int, sizes: tuple[int, ...], starts: tuple[int, ...], periods: int = 10, **columns: np.ndarray
) -> pd.DataFrame:
    """Autocorrelated outcomes without any effect; `sizes` units start at `starts`."""
    rng = np.random.default_rng(seed)
    first = np.full(n, np.nan)
    first[: sum(sizes)] = np.repeat(np.array(starts, dtype=float), sizes)
    e = rng.normal(size=(n, periods))
    for t in range(1, periods):
        e[:, t] += 0.5 * e[:, t - 1]
    out = {
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(1, periods + 1), n),
        "gmv": 10 + e.ravel(), "first_treated": np.repeat(first, periods),
    }  # fmt: skip
    return pd.DataFrame(out | {k: np.repeat(v, periods) for k, v in columns.items()})


# --- leads ------------------------------------------------------------------------------------------------------
def test_far_leads_on_a_small_late_cohort_do_not_refuse_a_clean_roll_out() -> None:
    p = [gc.did(clean(s, 200, (40, 10), (3, 10), 12)).audit["pre_trend"].value for s in range(40)]
    assert sum(v < 0.05 for v in p) <= 6 and sum(v < 0.01 for v in p) <= 2


def test_leads_on_many_clusters_are_still_tested_together() -> None:
    """Leads -2 to -5 stand on 50 units, those from -6 on on the ten that start late."""
    result = gc.did(clean(0, 200, (40, 10), (6, 12), 14))
    leads = leads_of(result.event_series)
    made = taken(leads)
    assert leads.clusters.tolist() == [10] * 6 + [50] * 4
    assert 4 <= len(made.leads.at) < len(leads.at) and made.leads.at.max() == -2
    assert (
        f"the nearest of {len(leads.at)}, as the {made.clusters:.0f} equal clusters"
        in result.audit["pre_trend"].message
    )


def test_a_drift_is_found_by_the_leads_on_many_clusters() -> None:
    frame = clean(0, 200, (40, 10), (6, 12), 14)
    frame["gmv"] += 0.4 * frame["period"] * (frame["first_treated"] == 6)
    assert gc.did(frame).audit["pre_trend"].value < 0.01


def test_the_degrees_of_freedom_of_leads_by_hand() -> None:
    """Weights: each lead's Welch df, the Hotelling statistic of Pustejovsky and Tipton with their joint df."""
    w = np.random.default_rng(1).lognormal(0, 1, 120)
    result = gc.did(clean(3, 120, (30,), (7,), w=w), weights="w")
    made = taken(leads_of(result.event_series))
    q, df = len(made.leads.at), made.leads.spread.df
    joint = q * (q + 1) / ((1 / df).sum() + (1 / np.sqrt(df)).sum() ** 2)
    assert made.clusters == pytest.approx(joint + 1) and made.clusters < 30
    b = made.leads.estimate
    wide = made.leads.spread.factor
    statistic = b @ np.linalg.solve(made.leads.cov * np.outer(wide, wide), b)
    p = stats.f.sf((joint - q + 1) / (joint * q) * statistic, q, joint - q + 1)
    assert result.audit["pre_trend"].value == pytest.approx(p, rel=1e-9)
    assert wald(b, made.cov, made.clusters)[1] == pytest.approx(p, rel=1e-9)


def test_the_joint_df_is_never_above_the_one_of_the_wishart_sums() -> None:
    """Two groups of clusters with covariances of any shape: the formula with all of them, and the bound."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        q = int(rng.integers(1, 6))
        share = rng.random(q)
        d = rng.uniform(5, 60, 2)
        parts = [np.diag(share), np.diag(1 - share)]
        full = q * (q + 1) / sum((np.trace(v @ v) + np.trace(v) ** 2) / k for v, k in zip(parts, d, strict=True))
        own = 1 / (share**2 / d[0] + (1 - share) ** 2 / d[1])
        assert joint_df(own) <= full * (1 + 1e-12)


def test_leads_that_few_equal_clusters_stand_behind_are_not_tested() -> None:
    w = np.r_[200.0, np.ones(11), np.ones(48)]
    result = gc.did(clean(0, 60, (12,), (7,), w=w), weights="w")
    check = result.audit["pre_trend"]
    assert check.status == "not_run" and "so unequal that fewer than 4 degrees of freedom" in check.message
    with pytest.raises(gc.DesignError, match="leads have no interval"):
        result.pre_trend_power()


# --- the largest unit -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("sizes", "starts", "n"), [((12,), (6,), 60), ((10, 10, 10), (5, 7, 8), 120)])
def test_one_of_a_dozen_alike_units_is_no_whale(sizes: tuple[int, ...], starts: tuple[int, ...], n: int) -> None:
    warned = sum(gc.did(clean(s, n, sizes, starts)).audit["leverage"].status == "warned" for s in range(30))
    assert warned <= 5


def test_a_whale_among_a_dozen_is_seen() -> None:
    frame = clean(0, 60, (12,), (6,))
    frame.loc[(frame["unit"] == 4) & (frame["period"] >= 6), "gmv"] += 30
    check = gc.did(frame).audit["leverage"]
    assert check.status == "warned" and check.value > 0.8
    # by hand: the largest of 12 has at most this share of their squares in 39 of 40 samples, theirs is nearly all
    assert check.threshold == pytest.approx(stats.beta.ppf(1 - 0.025 / 12, 0.5, 5.5), rel=0.05)


# --- other rooms ------------------------------------------------------------------------------------------------
def test_the_cap_does_not_look_at_sales_in_anticipation() -> None:
    frame = clean(0, 120, (60,), (6,))
    more = frame.assign(gmv=np.where((frame["unit"] < 60) & (frame["period"] == 5), 10, 1) * frame["gmv"])
    ends = [gc.did(f, winsorise=0.95, anticipation=1).panel.cut.at for f in (frame, more)]
    assert ends[0] == ends[1] < gc.did(more, winsorise=0.95).panel.cut.at
    pool = frame[~((frame["unit"] < 60) & (frame["period"] >= 5))]["gmv"].sort_values().to_numpy()
    assert ends[0] == pool[int(np.ceil(0.95 * len(pool))) - 1]


@pytest.mark.parametrize(
    "options",
    [
        {"inference": "wild"},
        {"inference": "wild", "estimator": "twfe"},
        {"inference": "ferman_pinto", "size": "size"},
        {"inference": "conley_taber"},
    ],
)
def test_names_of_units_do_not_move_an_interval(options: dict[str, str]) -> None:
    few = options["inference"] != "wild"
    sizes = (3, 2) if few else (12, 11)
    frame = clean(2, 60, sizes, (5, 7), size=10.0 + np.arange(60) % 17)
    name = np.random.default_rng(0).permutation(60)
    if options.get("estimator") == "twfe":
        frame = frame[frame["first_treated"] != 7]
    a, b = gc.did(frame, **options), gc.did(frame.assign(unit=name[frame["unit"]]), **options)
    assert b.conf_int() == pytest.approx(a.conf_int(), rel=1e-9) and b.p_value == a.p_value


def test_robustness_is_silent_where_nothing_happens() -> None:
    warned = 0
    for seed in range(25):
        check = gc.did(clean(seed, 80, (30,), (6,))).robustness(progress=False).audit["robustness"]
        warned += check.status == "warned"
    assert warned <= 4


# --- covariates -------------------------------------------------------------------------------------------------
def with_covariates(seed: int, n: int, k: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k))
    on = rng.random(n) < 1 / (1 + np.exp(1 - 0.7 * x[:, 0] - 0.2 * x[:, 1:].sum(axis=1)))
    t = np.arange(1, 9)
    y = 0.4 * x[:, [0]] * t + rng.normal(0, 2, (n, 1)) + rng.normal(size=(n, 8)) + (on[:, None] & (t >= 5))
    frame = pd.DataFrame({
        "unit": np.repeat(np.arange(n), 8), "period": np.tile(t, n), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(on, 5.0, np.nan), 8)})  # fmt: skip
    return frame.assign(**{f"x{j}": np.repeat(x[:, j], 8) for j in range(k)})


def moments_of(share: np.ndarray) -> tuple[float, float]:
    """Mean and twice the degrees' share of a sum of squares about a weighted mean, of clusters that vary alike."""
    centred = np.diag(share) @ (np.eye(len(share)) - np.outer(np.ones(len(share)), share))
    own = centred @ centred.T
    return float(np.trace(own)), float((own**2).sum())


@pytest.mark.parametrize("adjustment", ["doubly_robust", "ipw", "regression"])
def test_controls_count_by_the_weights_of_the_comparison(adjustment: str) -> None:
    """Degrees of freedom by matrices, from the weights that controls have in the estimate."""
    frame = with_covariates(0, 80, 3)
    given = {"covariates": ["x0", "x1", "x2"], "adjustment": adjustment}
    result = gc.did(frame, **given)
    blend = result.fitted.effects.blocks[0].blend
    psi = result.fitted.influence()[blend.units]
    variance, df = [], []
    for side, share in ((blend.treated, blend.own), (~blend.treated, np.abs(blend.beside))):
        w = share[side] / share[side].sum()
        mean, square = moments_of(w)
        variance.append((psi[side] ** 2).sum() * (w @ w) / mean)
        df.append(mean**2 / square)
    welch = sum(variance) ** 2 / sum(v**2 / d for v, d in zip(variance, df, strict=True))
    assert result.estimates.t.df[0] == pytest.approx(welch, rel=1e-9)
    assert result.estimates.t.factor[0] == pytest.approx(np.sqrt(sum(variance)) / result.std_error, rel=1e-9)


def test_intervals_given_covariates_cover_in_small_samples() -> None:
    """Eighty units, four covariates, doubly robust: 92 to 93 % where every control counted as one."""
    hits, n = 0, 150
    for seed in range(n):
        low, high = gc.did(with_covariates(seed, 80, 4), covariates=["x0", "x1", "x2", "x3"]).conf_int()
        hits += low <= 1 <= high
    assert 0.92 <= hits / n <= 0.99
