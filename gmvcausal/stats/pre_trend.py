"""What a test of the leads can see: the drift that it finds with a stated power, and what an unseen one does (Roth
2022)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_DRAWS = 20_000


def joint_power(leads: FloatArray, cov: FloatArray, clusters: float, alpha: float) -> float:
    """Power of the joint test of the leads (`stats.inference.wald`) where their true values are `leads`.

    Parameters
    ----------
    leads : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
    clusters : float
        Behind the covariance; more than k.
    alpha : float
    """
    from scipy import stats

    k = len(leads)
    df = clusters - k
    critical = stats.f.ppf(1 - alpha, k, df)
    return float(stats.ncf.sf(critical, k, df, float(leads @ np.linalg.solve(cov, leads))))


def detectable_slope(distance: FloatArray, cov: FloatArray, clusters: float, alpha: float, power: float) -> float:
    """Slope of a straight drift through the base that the joint test finds with `power`.

    Parameters
    ----------
    distance : ndarray, shape (k,)
        Periods from the base to each lead, negative.
    cov, clusters, alpha
        As for `joint_power`.
    power : float
        Above `alpha`.
    """
    from scipy import optimize

    # Standardised, so that the search starts near the answer whatever the unit of the outcome is.
    size = 1.0 / math.sqrt(float(distance @ np.linalg.solve(cov, distance)))

    def short(x: float) -> float:
        return joint_power(x * size * distance, cov, clusters, alpha) - power

    high = 2.0
    while short(high) < 0:
        high *= 2
    return size * float(optimize.brentq(short, 0.0, high, xtol=1e-10))


def mean_if_passed(leads: FloatArray, cov: FloatArray, clusters: float, alpha: float, seed: int) -> FloatArray:
    """Mean of the estimated leads over the samples that the joint test passes, shape (k,).

    By simulation, each draw used with both signs; the F reference enters through its critical value.
    """
    from scipy import stats

    k = len(leads)
    df = clusters - k
    critical = stats.f.ppf(1 - alpha, k, df) * k * (clusters - 1) / df
    root = np.linalg.cholesky(cov)
    noise = np.random.default_rng(seed).standard_normal((_DRAWS, k))
    found = leads + np.concatenate([noise, -noise]) @ root.T
    inverse = np.linalg.inv(root)
    passed = ((found @ inverse.T) ** 2).sum(axis=1) <= critical
    return np.asarray(found[passed].mean(axis=0)) if passed.any() else np.full(k, np.nan)
