"""Random-effects meta-analysis: the variance between studies, the pooled mean, its interval, prediction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_LARGEST = 1e12  # times the variances at hand, where the search for a variance between studies ends


@dataclass(frozen=True, eq=False)
class Pool:
    """A pooled mean.

    Attributes
    ----------
    estimate, std_error, df : float
        Of the mean over studies; t with `df` degrees of freedom (inf: normal).
    tau2 : float
        Variance of the effects between studies.
    weight : ndarray, shape (k,)
        They add up to 1.
    spread : float
        Hartung and Knapp's factor on the variance, before the guard; 1 where it is not used.
    q, q_p : float
        Cochran's statistic, chi-square with k - 1 degrees of freedom where there is one effect, and its p-value.
    i2 : float
        tau2 / (tau2 + the typical variance within studies).
    common, common_error : float
        The fixed-effect estimate.
    """

    estimate: float
    std_error: float
    df: float
    tau2: float
    weight: FloatArray
    spread: float
    q: float
    q_p: float
    i2: float
    common: float
    common_error: float

    @property
    def prediction_error(self) -> float:
        """Standard error of the effect in a further study."""
        return math.sqrt(self.tau2 + self.std_error**2)


def pool(y: FloatArray, v: FloatArray, method: str, knapp: bool, guard: bool) -> Pool:
    """Pool estimates `y` with variances `v`, shape (k,) each.

    Parameters
    ----------
    y, v : ndarray, shape (k,)
    method : {"reml", "dl", "pm"}
    knapp : bool
        Hartung and Knapp's variance and t with k - 1 degrees of freedom; else 1 / sum of weights and the normal.
    guard : bool
        Whether their factor may only widen: at least 1.
    """
    from scipy import special

    k = len(y)
    tau2 = METHODS[method](y, v)
    w = 1 / (v + tau2)
    mean = _mean(y, w)
    spread = float(w @ (y - mean) ** 2) / (k - 1) if knapp else 1.0
    factor = max(1.0, spread) if guard else spread
    fixed = 1 / v
    q = cochran(y, v, 0.0)
    typical = typical_variance(v)
    return Pool(
        mean,
        math.sqrt(factor / w.sum()),
        float(k - 1) if knapp else math.inf,
        tau2,
        w / w.sum(),
        spread,
        q,
        float(special.chdtrc(k - 1, q)),
        tau2 / (tau2 + typical),
        _mean(y, fixed),
        1 / math.sqrt(fixed.sum()),
    )


def _mean(y: FloatArray, w: FloatArray) -> float:
    # About one of them, so that a common size costs no digits.
    return float(y[0] + w @ (y - y[0]) / w.sum())


def typical_variance(v: FloatArray) -> float:
    """The variance within studies that I2 is made of (Higgins and Thompson 2002)."""
    w = 1 / v
    return float((len(v) - 1) * w.sum() / (w.sum() ** 2 - w @ w))


def cochran(y: FloatArray, v: FloatArray, tau2: float) -> float:
    """The weighted sum of squares about the weighted mean, weights being 1 / (v + tau2)."""
    w = 1 / (v + tau2)
    return float(w @ (y - _mean(y, w)) ** 2)


def dersimonian_laird(y: FloatArray, v: FloatArray) -> float:
    """The moment estimator of DerSimonian and Laird (1986)."""
    w = 1 / v
    return max(0.0, (cochran(y, v, 0.0) - (len(y) - 1)) / float(w.sum() - (w @ w) / w.sum()))


def paule_mandel(y: FloatArray, v: FloatArray) -> float:
    """The variance at which Cochran's statistic is k - 1 (Paule and Mandel 1982)."""
    return _where_q_is(y, v, len(y) - 1.0)


def reml(y: FloatArray, v: FloatArray) -> float:
    """The maximum of the restricted likelihood (Viechtbauer 2005), which may have several peaks: the highest."""
    grid = np.concatenate([[0.0], _scale(y, v) * np.geomspace(1e-8, 1e3, 400)])
    best = int(np.argmax(restricted(y, v, grid)))
    if best == 0 and _score(y, v, 0.0) <= 0:
        return 0.0
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    return _root(lambda t: _score(y, v, t), low, high)


METHODS: dict[str, Callable[[FloatArray, FloatArray], float]] = {
    "reml": reml,
    "dl": dersimonian_laird,
    "pm": paule_mandel,
}


def restricted(y: FloatArray, v: FloatArray, tau2: FloatArray) -> FloatArray:
    """Restricted log likelihood of every tau2, up to a constant."""
    w = 1 / (v + tau2[:, None])
    total, moved = w.sum(axis=1), y - y[0]
    rest = moved - (w @ moved / total)[:, None]
    return np.asarray(np.log(w).sum(axis=1) - np.log(total) - (w * rest**2).sum(axis=1)) / 2


def _score(y: FloatArray, v: FloatArray, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(-w.sum() + (w @ w) / w.sum() + (w * w) @ (y - _mean(y, w)) ** 2)


def _scale(y: FloatArray, v: FloatArray) -> float:
    return float(y.var(ddof=1) + v.mean())


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    from scipy import optimize

    if f(low) == 0:
        return low
    return float(optimize.brentq(f, low, high, xtol=1e-14 * high, rtol=1e-14, maxiter=500))


def _where_q_is(y: FloatArray, v: FloatArray, target: float) -> float:
    """The tau2 at which Cochran's statistic, which falls in it, is `target`; 0 where it is below that already."""
    if cochran(y, v, 0.0) <= target:
        return 0.0
    high = _scale(y, v)
    while cochran(y, v, high) > target and high < _LARGEST * _scale(y, v):
        high *= 4
    return _root(lambda t: cochran(y, v, t) - target, 0.0, high)


def q_profile(y: FloatArray, v: FloatArray, level: float) -> tuple[float, float]:
    """Confidence interval of tau2 by the profile of Cochran's statistic (Viechtbauer 2007)."""
    from scipy import stats

    tail, k = (1 - level) / 2, len(y)
    return (
        _where_q_is(y, v, float(stats.chi2.isf(tail, k - 1))),
        _where_q_is(y, v, float(stats.chi2.isf(1 - tail, k - 1))),
    )


def egger(y: FloatArray, v: FloatArray) -> float:
    """P-value that small studies find the same effects as large ones (Egger et al. 1997); NaN without variation."""
    from scipy import special

    s = np.sqrt(v)
    if np.ptp(s) <= 1e-9 * s.max():
        return math.nan
    design = np.column_stack([np.ones(len(y)), 1 / s])
    slope, *_ = np.linalg.lstsq(design, y / s, rcond=None)
    rest = y / s - design @ slope
    df = len(y) - 2
    error = math.sqrt(float(rest @ rest) / df * float(np.linalg.inv(design.T @ design)[0, 0]))
    return 2 * float(special.stdtr(df, -abs(float(slope[0])) / error)) if error > 0 else math.nan
