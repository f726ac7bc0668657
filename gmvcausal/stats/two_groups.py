"""Are two groups alike: Welch's t, Pearson's chi-square, and one test of all columns together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Gap(NamedTuple):
    """Two groups in one column: means, standard deviations, difference and how it stands to its uncertainty."""

    n: tuple[int, int]
    mean: tuple[float, float]
    sd: tuple[float, float]
    difference: float
    standardised: float
    statistic: float
    df: float
    p_value: float


def welch(values: FloatArray, treated: BoolArray) -> Gap:
    """Difference of the means of a column, treated less others, with Welch's t test.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where missing; these rows are left out.
    treated : ndarray of bool, shape (n,)

    Returns
    -------
    Gap
        `standardised` is over the root of the mean of both variances (as in Austin 2009), NaN where neither varies.

    Examples
    --------
    >>> found = welch(np.array([1.0, 2, 3, 4, 6]), np.array([False, False, False, True, True]))
    >>> found.difference, round(found.statistic, 4), round(found.df, 4), round(found.p_value, 4)
    (3.0, 2.5981, 1.6842, 0.1444)
    """
    from scipy import special

    live = ~np.isnan(values)
    start = float(values[live][0]) if live.any() else 0.0
    parts = [values[live & side] - start for side in (~treated, treated)]
    n = [len(part) for part in parts]
    mean = [float(part.mean()) if len(part) else math.nan for part in parts]
    var = [float(part.var(ddof=1)) if len(part) > 1 else math.nan for part in parts]
    difference = mean[1] - mean[0]
    pooled = math.sqrt((var[0] + var[1]) / 2)
    own = [v / k if k else math.nan for v, k in zip(var, n, strict=True)]
    error = math.sqrt(sum(own))
    t = df = p = math.nan
    if error > 0:
        t = difference / error
        df = sum(own) ** 2 / sum(v * v / (k - 1) for v, k in zip(own, n, strict=True))
        p = float(2 * special.stdtr(df, -abs(t)))
    return Gap(
        (n[0], n[1]), (mean[0] + start, mean[1] + start), (math.sqrt(var[0]), math.sqrt(var[1])), difference,
        difference / pooled if pooled > 0 else 0.0 if difference == 0 else math.nan, t, df, p,
    )  # fmt: skip


def alike(counts: FloatArray) -> tuple[float, int, float]:
    """Pearson's test that rows of a table of counts have the same shares: statistic, degrees of freedom, p-value.

    Parameters
    ----------
    counts : ndarray, shape (levels, groups)
        Levels that nobody has are left out.

    Examples
    --------
    >>> x, df, p = alike(np.array([[10.0, 20.0], [30.0, 20.0]]))
    >>> round(x, 4), df, round(p, 4)
    (5.3333, 1, 0.0209)
    """
    from scipy import stats

    used = counts[counts.sum(axis=1) > 0]
    if len(used) < 2 or (used.sum(axis=0) == 0).any():
        return math.nan, 0, math.nan
    found = stats.chi2_contingency(used, correction=False)
    return float(found.statistic), int(found.dof), float(found.pvalue)


def together(x: FloatArray, treated: BoolArray) -> tuple[float, int, int, float]:
    """The F test that no column helps to tell who is treated, least squares of the group on all columns.

    With normal columns it is Hotelling's T2; for the regression of a lot its errors are those of no relation at all.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Without gaps; columns that do not vary or depend on others are left out.
    treated : ndarray of bool, shape (n,)

    Returns
    -------
    statistic, df1, df2, p_value : float, int, int, float
        NaN where nothing can be tested.

    Examples
    --------
    >>> x = np.array([[1.0], [2], [3], [4], [6]])
    >>> f, one, two, p = together(x, np.array([False, False, False, True, True]))
    >>> round(f, 4), one, two, round(p, 4)
    (8.1, 1, 3, 0.0653)
    """
    from scipy import stats

    centred = x - x[:1]
    centred = centred - centred.mean(axis=0)
    size = np.sqrt((centred * centred).sum(axis=0))
    varies = size > 1e-13 * np.sqrt(len(x)) * np.abs(x).max(axis=0, initial=0.0)
    centred = centred[:, varies] / size[varies]
    centred = centred[:, independent(centred)]
    rank, rest = centred.shape[1], len(x) - centred.shape[1] - 1
    y = treated - treated.mean()
    if not rank or rest < 1 or not (y @ y) > 0:
        return math.nan, rank, max(rest, 0), math.nan
    q = np.linalg.qr(centred)[0]
    told = float(((q.T @ y) ** 2).sum())
    left = float(((y - q @ (q.T @ y)) ** 2).sum())
    if left <= 1e-20 * float(y @ y):
        return math.inf, rank, rest, 0.0
    f = told / rank / (left / rest)
    return f, rank, rest, float(stats.f.sf(f, rank, rest))
