"""Curves of the dose where clusters lie above the unit: degrees of freedom against matrices written out, coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.dose.basis import fit_basis
from gmvcausal.rollout.dose.leverage import common_part, trusted


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("periods", [1, 3])
def test_against_matrices_written_out(rho: float, periods: int) -> None:
    """The covariance of the scores of clusters, V = sum over periods of L' M S M' L, in full."""
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(12), rng.integers(1, 5, 12))
    n = len(cluster)
    dose, weight = np.sort(rng.gamma(3, 3, n)), rng.uniform(0.5, 2, n)
    b = fit_basis(0, np.arange(n), dose, weight, 12)
    own = rng.normal(size=(b.psi.shape[1], periods))
    member = (cluster[:, None] == np.arange(12)).astype(float)
    counted = np.arange(12) != 5
    errors = (1 - rho) * np.diag(1 / weight) + rho * member @ member.T
    left = np.eye(n) - b.psi @ b.fit
    loads = [(own[:, t] @ b.fit)[:, None] * member[:, counted] for t in range(periods)]
    v = sum(x.T @ left @ errors @ left.T @ x for x in loads)
    whole = sum(np.trace(x.T @ errors @ x) for x in loads)
    df, factor, size = trusted(b, weight, cluster, counted, own @ own.T, rho)
    assert df == pytest.approx(np.trace(v) ** 2 / np.trace(v @ v), rel=1e-8)
    assert factor == pytest.approx(whole / np.trace(v), rel=1e-8)
    assert size == pytest.approx(whole, rel=1e-8)


def test_common_part() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(3_000), 4)
    made = math.sqrt(0.3) * rng.normal(size=(3_000, 2))[cluster] + math.sqrt(0.7) * rng.normal(size=(12_000, 2))
    assert common_part(made, cluster) == pytest.approx(0.3, abs=0.02)
    assert common_part(made, np.arange(12_000)) == 0.0
    assert common_part(np.array([[1.0], [-1.0]]), np.zeros(2, dtype=int)) == 0.0


def places(seed: int) -> pd.DataFrame:
    """No effect; one dose for each of 60 places of one to eight units, whose outcomes move together."""
    rng = np.random.default_rng(seed)
    size, periods = rng.integers(1, 9, 60), 6
    place = np.repeat(np.arange(60), size)
    start = np.where(np.arange(60) < 36, 4.0, np.nan)[place]
    dose = np.where(np.isfinite(start), np.round(rng.gamma(3, 3, 60), 3)[place], 0.0)
    y = rng.normal(size=(len(place), periods)) + 0.6 * rng.normal(size=(60, periods))[place]
    return pd.DataFrame({
        "unit": np.repeat(np.arange(len(place)), periods), "period": np.tile(np.arange(1, periods + 1), len(place)),
        "gmv": y.ravel(), "first_treated": np.repeat(start, periods), "d": np.repeat(dose, periods),
        "place": np.repeat(place, periods),
    })  # fmt: skip


def test_ends_of_the_curve_are_less_certain_and_covered() -> None:
    call: dict[str, Any] = {"estimator": "dose", "dose": "d", "cluster": "place"}
    held, factors = [], []
    for seed in range(60):
        result = gc.did(places(seed), **call)
        doses = result.fitted.doses
        spread = doses.series(doses.slope).spread
        factors.append(spread.factor[-1] / spread.factor[9])
        end = result.by_dose().iloc[-1]
        if math.isfinite(end["slope_conf_low"]):
            held.append(end["slope_conf_low"] <= 0 <= end["slope_conf_high"])
        else:
            assert spread.df[-1] < 4
    assert np.median(factors) > 1.1  # residuals there are smaller than errors
    assert len(held) > 30
    assert np.mean(held) >= 0.95 - 2.5 * math.sqrt(0.05 * 0.95 / len(held))


def test_towns_of_treated_and_others_follow_the_curve_too() -> None:
    """Starts and doses by unit, clusters that hold both sorts: the ends of the curve cost as they do elsewhere."""
    rng = np.random.default_rng(1)
    frame = places(1)
    n = frame["unit"].nunique()
    start = np.where(rng.random(n) < 0.6, 4.0, np.nan)
    dose = np.where(np.isfinite(start), np.round(rng.gamma(3, 3, n), 3), 0.0)
    town = rng.integers(0, 25, n)
    of = frame["unit"].to_numpy()
    mixed = frame.assign(first_treated=start[of], d=dose[of], place=town[of])
    doses = gc.did(mixed, estimator="dose", dose="d", cluster="place").fitted.doses
    spread = doses.series(doses.level).spread
    assert spread.df[[0, -1]].min() < 0.9 * spread.df[9]
    assert spread.factor[[0, -1]].max() > spread.factor[9]
