"""Whether scores pile up on one side of the threshold: local polynomial densities (Cattaneo, Jansson and Ma 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from gmvcausal.observational.discontinuity.local import FloatArray, IntArray

_P = 2  # order of the polynomial through the distribution; the test is one order higher
_LOCAL = 20 + _P + 1


@dataclass(frozen=True)
class Density:
    """Density of the score at the threshold, from below and from above, and the test that they are one.

    Attributes
    ----------
    below, above : float
        Per unit of the score.
    difference_error : float
        Standard error of their difference (jackknife).
    statistic, p_value : float
    widths : (float, float)
        Bandwidths below and above.
    inside : (int, int)
        Rows within them.
    """

    below: float
    above: float
    difference_error: float
    statistic: float
    p_value: float
    widths: tuple[float, float]
    inside: tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Scores:
    """Ascending scores less the threshold, their distribution function, first row and number of each value's rows."""

    x: FloatArray
    rank: FloatArray
    first: IntArray
    group: IntArray
    values: FloatArray

    @property
    def n(self) -> int:
        return len(self.x)


def density_test(score: FloatArray, cutoff: float) -> Density | None:
    """Test for a jump of the density at `cutoff`, unrestricted, with the median of three bandwidths.

    Parameters
    ----------
    score : ndarray, shape (n,)
    cutoff : float

    Returns
    -------
    Density or None
        None where the densities cannot be fitted.
    """
    from scipy import stats

    x = np.sort(score - cutoff)
    unit = float(x.std(ddof=1))
    x = x / unit
    values, first, group = np.unique(x, return_index=True, return_inverse=True)
    # Rows of one value share the distribution function at the last of them.
    last = np.append(first[1:], len(x)) - 1
    scores = _Scores(x, (last / (len(x) - 1))[group], first, group, values)
    low, high = _widths(scores)
    if not (min(low, high) > 0 and math.isfinite(low) and math.isfinite(high)):
        return None
    found = _fit(scores, low, high, _P + 1, 1)
    if found is None:
        return None
    slope, cov, _, inside = found
    variance = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    if not variance > 0:
        return None
    t = float(slope[1] - slope[0]) / math.sqrt(variance)
    return Density(
        float(slope[0]) / unit, float(slope[1]) / unit, math.sqrt(variance) / unit, t, float(2 * stats.norm.sf(abs(t))),
        (low * unit, high * unit), inside,
    )  # fmt: skip


def _fit(
    s: _Scores, low: float, high: float, order: int, nu: int
) -> tuple[FloatArray, FloatArray, FloatArray, tuple[int, int]] | None:
    """Slopes of the distribution on both sides, their covariance, coefficients `nu`, and rows inside."""
    keep = (s.x >= -low) & (s.x <= high)
    x = s.x[keep]
    left = x < 0
    width = np.where(left, low, high)
    u = x / width
    w = (1 - np.abs(u)) / width
    wide = np.vander(u, order + 1, increasing=True)
    design = np.hstack([wide * left[:, None], wide * ~left[:, None]])
    weighted = design * w[:, None]
    try:
        inverse = np.linalg.inv(weighted.T @ design)
    except np.linalg.LinAlgError:
        return None
    at = np.array([nu, order + 1 + nu])
    scale = np.array([low, high])
    beta = inverse @ (weighted.T @ s.rank[keep])
    # Every score moves the distribution function at all others that are as large or larger.
    tail = np.cumsum(weighted[::-1], axis=0)[::-1] / (s.n - 1)
    _, first, group = np.unique(x, return_index=True, return_inverse=True)
    influence = (tail - weighted / (s.n - 1))[first][group] @ inverse
    ones = np.array([1, order + 2])
    cov = influence[:, ones].T @ influence[:, ones] / np.outer(scale, scale)
    return beta[ones] / scale, cov, beta[at] / scale**nu, (int(left.sum()), int((~left).sum()))


@cache
def _bias_constant() -> float:
    """Second element of S^-1 C for the triangular kernel on [0, 1], with S and C its moments."""
    p = _P
    moment = [1 / (k + 1) - 1 / (k + 2) for k in range(2 * p + 2)]
    s = np.array([[moment[i + j] for j in range(p + 1)] for i in range(p + 1)])
    c = np.array([moment[i + p + 1] for i in range(p + 1)])
    return float(np.linalg.solve(s, c)[1])


def _hermite(x: float, order: int) -> float:
    return float(np.polynomial.hermite_e.hermeval(x, [0.0] * order + [1.0]))


def _widths(s: _Scores) -> tuple[float, float]:
    """Bandwidths below and above: the median of those best for each side, for the difference and for the sum."""
    n, p = s.n, _P
    centre = float(s.x.mean())  # scores have the standard deviation 1
    normal = math.exp(-centre * centre / 2) / math.sqrt(2 * math.pi)
    with np.errstate(divide="ignore"):
        curve = float(1 / np.float64(_hermite(centre, p + 2) ** 2 * normal))
        slope = float(1 / np.float64(_hermite(centre, p) ** 2 * normal))
    # Constants of the triangular kernel at p = 2, as rddensity has them.
    b = ((2 * p + 1) / 4 * curve * 3430865.4551236177795 / n) ** (1 / (2 * p + 5))
    c = (1 / (2 * p) * slope * 548.57142857155463389 / n) ** (1 / (2 * p + 1))
    furthest = float(np.abs(s.values).max())
    sides = [[-s.x[s.x < 0][::-1], s.x[s.x >= 0]], [-s.values[s.values < 0][::-1], s.values[s.values >= 0]]]

    def least(count: int, side: int) -> float:
        return max(float(of[side][min(count, len(of[side])) - 1]) for of in sides)

    def floor(count: int) -> float:
        return max(least(count, 0), least(count, 1))

    b = max(min(b, furthest), floor(_LOCAL + 2))
    c = max(min(c, furthest), floor(_LOCAL))
    high, low = _fit(s, b, b, p + 2, p + 1), _fit(s, c, c, p, 1)
    if high is None or low is None:
        return math.nan, math.nan
    bias = high[2] * _bias_constant() * np.array([(-1.0) ** p, 1.0])
    cov = low[1]
    spread = n * c * np.array([cov[0, 0], cov[1, 1], cov.trace() - 2 * cov[0, 1], cov.trace() + 2 * cov[0, 1]])
    square = np.array([bias[0], bias[1], bias[1] - bias[0], bias[1] + bias[0]]) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        best = (spread / (2 * p) / square / n) ** (1 / (2 * p + 1))
    best = np.nan_to_num(np.where(spread < 0, 0.0, best), nan=0.0)
    best = np.minimum(best, [-s.x[0], s.x[-1], furthest, furthest])
    best = np.maximum(best, [least(_LOCAL, 0), least(_LOCAL, 1), floor(_LOCAL), floor(_LOCAL)])
    return float(np.median(best[[0, 2, 3]])), float(np.median(best[[1, 2, 3]]))
