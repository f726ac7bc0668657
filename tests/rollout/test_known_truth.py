"""Coverage, standard errors, bands and test sizes where the truth is known. Seeds are fixed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.effects import group_time, rebase
from gmvcausal.rollout.regression.within import fit
from gmvcausal.stats.inference import sup_t, wald

REPS = 1_000
T = 6
STARTS = np.array([2, 4])  # columns of first treatment


def draw(
    rng: np.random.Generator, n: int, growing: bool = True, per_cluster: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, start, and cluster: persistent errors, heavy tails, effects that grow and differ by cohort."""
    clusters = n // per_cluster
    start_of = rng.choice([2, 4, -1], clusters, p=[0.3, 0.3, 0.4])
    cluster = np.repeat(np.arange(clusters), per_cluster)
    start = start_of[cluster]
    shock = rng.normal(size=(clusters, T)) * (0.6 if per_cluster > 1 else 0.0)
    error = np.cumsum(rng.standard_t(6, size=(n, T)), axis=1) * 0.5 + rng.normal(size=(n, 1)) + shock[cluster]
    event = np.arange(T) - start[:, None]
    on = (start >= 0)[:, None] & (event >= 0)
    effect = np.where(on, (1.0 + event) * np.where(start == 2, 2.0, 0.5)[:, None], 0.0) if growing else 0.0
    return 5 + 0.3 * np.arange(T) + error + effect, start, cluster


# With cohorts equally likely: cells of cohort 2 at event times 0..3 are 2, 4, 6, 8; of cohort 4, 0 and 1: .5, 1.
TRUTH = (2 + 4 + 6 + 8 + 0.5 + 1.0) / 6
EVENTS = {0: (2 + 0.5) / 2, 1: (4 + 1) / 2, 2: 6.0, 3: 8.0}


def off_by(share: float, target: float, reps: int) -> float:
    """How many Monte Carlo standard errors a share lies from its target."""
    return abs(share - target) / math.sqrt(target * (1 - target) / reps)


@pytest.fixture(scope="module", params=[(600, 1), (2_500, 10)], ids=["by unit", "by cluster above the unit"])
def runs(request: pytest.FixtureRequest) -> pd.DataFrame:
    """One row per simulated roll-out."""
    n, per_cluster = request.param
    rng = np.random.default_rng(20251111)
    rows = []
    for _ in range(REPS):
        y, start, cluster = draw(rng, n, per_cluster=per_cluster)
        effects = group_time(y, start, cluster, None, np.arange(T), "never_treated", "varying", 0)
        simple = aggregate.simple(effects)
        universal = rebase(effects, np.arange(T), "never_treated", "universal", 0)
        event = aggregate.by_event(universal)
        cov = universal.covariance(event.rows)
        se = np.sqrt(np.diag(cov))
        truth = np.array([EVENTS.get(int(e), 0.0) for e in event.at])
        band = sup_t(cov, 0.95, 0, draws=1_999)
        lead = event.at < -1
        clusters = min(len(np.unique(cluster[start >= 0])), len(np.unique(cluster[start < 0])))
        rows.append({
            "estimate": simple.estimate[0], "se": math.sqrt(effects.covariance(simple.rows)[0, 0]),
            "path": bool((np.abs(event.estimate - truth) <= band * se).all()),
            "pointwise": bool((np.abs(event.estimate - truth) <= 1.96 * se).all()),
            "pre_trend": wald(event.estimate[lead], cov[np.ix_(lead, lead)], float(clusters))[1],
            **_twfe(y, start, cluster),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _twfe(y: np.ndarray, start: np.ndarray, cluster: np.ndarray) -> dict[str, float]:
    on = ((start >= 0)[:, None] & (np.arange(T) >= start[:, None])).astype(float)
    found = fit(y, [on], np.zeros(len(y), dtype=np.int64), cluster, None, "nested")
    return {"twfe": float(found.beta[0]), "twfe_se": math.sqrt(float(found.cov[0, 0]))}


def test_the_interval_covers_and_that_of_two_way_fixed_effects_does_not(runs: pd.DataFrame) -> None:
    covered = ((runs["estimate"] - TRUTH).abs() <= 1.96 * runs["se"]).mean()
    assert off_by(covered, 0.95, REPS) < 3
    assert ((runs["twfe"] - TRUTH).abs() <= 1.96 * runs["twfe_se"]).mean() < 0.5
    bias = runs["estimate"].mean() - TRUTH
    assert abs(bias) < 3 * runs["estimate"].std() / math.sqrt(REPS)


def test_the_standard_error_is_the_standard_deviation(runs: pd.DataFrame) -> None:
    ratio = runs["se"].mean() / runs["estimate"].std(ddof=1)
    # The relative error of a standard deviation from R draws of light tails is about 1 / sqrt(2 R).
    assert abs(ratio - 1) < 3 / math.sqrt(2 * REPS)


def test_the_band_holds_the_whole_path(runs: pd.DataFrame) -> None:
    assert off_by(runs["path"].mean(), 0.95, REPS) < 3
    assert runs["pointwise"].mean() < 0.9  # what a reader of pointwise intervals would get


@pytest.mark.parametrize("size", [0.05, 0.01])
def test_the_pre_trend_test_has_its_size(runs: pd.DataFrame, size: float) -> None:
    assert off_by((runs["pre_trend"] < size).mean(), size, REPS) < 3


def test_pre_trend_has_power() -> None:
    """The same design with a real divergence before the start is found out."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(40):
        y, start, cluster = draw(rng, 240)
        y = y + 0.4 * np.arange(T) * (start >= 0)[:, None]
        event_effects = group_time(y, start, cluster, None, np.arange(T), "never_treated", "universal", 0)
        event = aggregate.by_event(event_effects)
        lead = event.at < -1
        cov = event_effects.covariance(event.rows[lead])
        found.append(wald(event.estimate[lead], cov, 90.0)[1])
    assert np.mean(np.array(found) < 0.05) > 0.9


def panel(y: np.ndarray, start: np.ndarray) -> pd.DataFrame:
    n = len(y)
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), T), "period": np.tile(np.arange(T), n), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(start >= 0, start, np.nan), T),
    })  # fmt: skip


def test_a_roll_out_drawn_at_random_passes_its_audit() -> None:
    """No check may cry wolf: 5 % of random roll-outs may fail at most (pre_trend alone fails 1 %)."""
    rng = np.random.default_rng(5)
    credible, reps = 0, 400
    for _ in range(reps):
        y, start, _ = draw(rng, 200)
        credible += gc.did(panel(y, start)).audit.credible
    assert credible / reps >= 0.95


def test_a_trend_that_runs_on_fails_its_audit() -> None:
    """No effect at all, only a line through the start: the slope check says so, however significant the estimate."""
    rng = np.random.default_rng(6)
    failed = 0
    for _ in range(20):
        y, start, _ = draw(rng, 300, growing=False)
        result = gc.did(panel(y + 0.7 * np.arange(T) * (start >= 0)[:, None], start))
        assert result.p_value < 0.01
        failed += result.audit["pre_trend_slope"].status == "failed"
        assert not result.audit.credible
    assert failed >= 19


def test_twfe_and_two_by_two_cover_where_they_should() -> None:
    """One common start, constant effect: all three estimators hold their level."""
    rng = np.random.default_rng(9)
    reps, inside = 250, {"twfe": 0, "two_by_two": 0, "callaway_santanna": 0}
    for _ in range(reps):
        y, start, _ = draw(rng, 80, growing=False)
        start = np.where(start == 2, 3, np.where(start == 4, 3, -1))
        y = y + 1.0 * ((start >= 0)[:, None] & (np.arange(T) >= 3))
        frame = panel(y, start)
        for estimator in inside:
            low, high = gc.did(frame, estimator=estimator).conf_int()
            inside[estimator] += low <= 1.0 <= high
    for estimator, count in inside.items():
        assert off_by(count / reps, 0.95, reps) < 3, estimator
