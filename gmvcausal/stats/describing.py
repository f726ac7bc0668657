"""What a descriptive table needs of numbers: summaries, correlations, variance inflation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_PART = 1e-8  # of a standardised column, below which it has no part in a combination


class Summary(NamedTuple):
    """One column of numbers in numbers; NaN where there are too few values."""

    n: int
    missing: int
    mean: float
    sd: float
    low: float
    p25: float
    median: float
    p75: float
    high: float
    zeros: float


def summary(values: FloatArray) -> Summary:
    """Count, mean, standard deviation (over n - 1), quartiles (interpolated), ends and share of zeros of a column.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where missing.

    Examples
    --------
    >>> found = summary(np.array([0.0, 2.0, np.nan, 4.0]))
    >>> found.n, found.missing, found.mean, found.sd, found.median, round(found.zeros, 3)
    (3, 1, 2.0, 2.0, 2.0, 0.333)
    """
    live = values[~np.isnan(values)]
    n, missing = len(live), len(values) - len(live)
    if not n:
        return Summary(0, missing, *(math.nan,) * 8)
    apart = live - live[0]  # a common size costs no digits
    mean = float(apart.mean())
    sd = float(np.sqrt(((apart - mean) ** 2).sum() / (n - 1))) if n > 1 else math.nan
    quarters = np.quantile(apart, (0.25, 0.5, 0.75)) + live[0]
    ends = float(live.min()), float(live.max())
    p25, median, p75 = (float(q) for q in quarters)
    return Summary(n, missing, mean + float(live[0]), sd, ends[0], p25, median, p75, ends[1], float((live == 0).mean()))


class Pairs(NamedTuple):
    """Correlations of columns, two at a time: coefficient, p-value and rows behind each, shape (p, p) all."""

    r: FloatArray
    p: FloatArray
    n: IntArray


def correlations(x: FloatArray, ranked: bool = False) -> Pairs:
    """Correlations of columns (Pearson's, or Spearman's of ranks), each on the rows that have both.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN where missing.
    ranked : bool
        Whether ranks are correlated, ties at their mean; ranks are those among the rows of the pair.

    Returns
    -------
    Pairs
        P-values by the t distribution with n - 2 degrees of freedom; NaN where a column does not vary, or with fewer
        than three rows.

    Examples
    --------
    >>> found = correlations(np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 4.0], [4.0, 3.0], [5.0, np.nan]]))
    >>> found.r[0, 1].round(6), found.p[0, 1].round(6), int(found.n[0, 1])
    (np.float64(0.6), np.float64(0.4), 4)
    """
    from scipy import special, stats

    p = x.shape[1]
    seen = ~np.isnan(x)
    r, count = np.full((p, p), np.nan), np.zeros((p, p), dtype=np.int64)
    for i in range(p):
        for j in range(i + 1):
            both = seen[:, i] & seen[:, j]
            a, b = x[both, i], x[both, j]
            if ranked:
                a, b = stats.rankdata(a), stats.rankdata(b)
            count[i, j] = count[j, i] = len(a)
            r[i, j] = r[j, i] = _correlation(a, b)
    df = np.maximum(count - 2, 0).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = r * np.sqrt(df / np.maximum(1 - r * r, 0.0))
    p_value = np.where(df > 0, 2 * special.stdtr(np.where(df > 0, df, 1.0), -np.abs(t)), np.nan)
    return Pairs(r, p_value, count)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    if len(a) < 2:
        return math.nan
    a, b = (_centred(v) for v in (a, b))
    size = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return min(1.0, max(-1.0, float(a @ b) / size)) if size > 0 else math.nan


def _centred(values: FloatArray) -> FloatArray:
    """Less the mean, over the largest distance from it; zeros where nothing but rounding varies."""
    apart = values - values[0]
    apart = apart - apart.mean()
    top = float(np.abs(apart).max())
    if top <= 1e-13 * float(np.abs(values).max()):
        return np.zeros(len(values))
    return np.asarray(apart / top)


class Inflation(NamedTuple):
    """Variance inflation of columns.

    Attributes
    ----------
    vif : ndarray, shape (p,)
        1 / (1 - R2) of each column on the others and a constant; infinite where the others give it exactly, NaN where
        it does not vary.
    combinations : list of (int, list of int)
        A column, and those before it that give it exactly.
    """

    vif: FloatArray
    combinations: list[tuple[int, list[int]]]


def inflation(x: FloatArray) -> Inflation:
    """Variance inflation factors, with a constant in every regression.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Without gaps.

    Examples
    --------
    >>> x = np.array([[1.0, 2, 3], [2, 1, 3], [3, 5, 8], [4, 4, 8.5], [5, 7, 12]])
    >>> inflation(x[:, :2]).vif.round(6).tolist()
    [3.864407, 3.864407]
    >>> inflation(np.column_stack([x[:, :2], x[:, 0] + x[:, 1]])).combinations
    [(2, [0, 1])]
    """
    scaled = np.column_stack([_centred(column) for column in x.T])
    size = np.sqrt((scaled * scaled).sum(axis=0))
    varies = size > 0
    scaled = scaled / np.where(varies, size, 1.0)
    keep = independent(scaled) & varies
    vif = np.where(varies, np.inf, np.nan)
    within = np.zeros(x.shape[1], dtype=bool)  # part of a combination
    combinations = []
    for j in np.flatnonzero(~keep & varies):
        before = np.flatnonzero(keep[:j])
        slopes = np.linalg.lstsq(scaled[:, before], scaled[:, j], rcond=None)[0]
        parts = before[np.abs(slopes) > _PART]
        within[parts] = within[j] = True
        combinations.append((int(j), [int(k) for k in parts]))
    used = np.flatnonzero(keep)
    if len(used) and len(x) > len(used):
        back = np.linalg.inv(np.linalg.qr(scaled[:, used], mode="r"))
        vif[used] = np.where(within[used], np.inf, (back * back).sum(axis=1))
    return Inflation(vif, combinations)
