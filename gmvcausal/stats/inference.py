"""Critical values, p-values, joint tests, simultaneous bands, Fieller's ratio: plain functions on arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvcausal.frames.params import one_of

FloatArray = NDArray[np.float64]

# Standard errors beyond the critical value that an effect must have to be found with 80 % power.
POWER_80 = 0.8416212335729143
_DRAWS = 9_999
SSC_CHOICES = ("nested", "full", "none")


def critical_value(level: float, df: float = math.inf) -> float:
    """Two-sided critical value of the normal (``df=inf``) or t distribution at `level`, for example .95."""
    return float(critical_values(level, np.array([df]))[0])


def critical_values(level: float, df: FloatArray) -> FloatArray:
    """`critical_value` for every number of degrees of freedom, shape (a,); NaN where there are none."""
    from scipy import special

    tail, out = 0.5 + level / 2, np.empty(len(df))
    normal = np.isinf(df)
    out[normal] = special.ndtri(tail)
    out[~normal] = special.stdtrit(np.where(df[~normal] > 0, df[~normal], np.nan), tail)
    return out


def root_of_diagonal(cov: FloatArray) -> FloatArray:
    """Standard errors from a covariance (or its diagonal); rounding may leave a variance of zero slightly below it."""
    variance = np.diag(cov) if cov.ndim == 2 else cov
    return np.asarray(np.sqrt(np.where(variance < 0, 0.0, variance)), dtype=float)


def power_factor(level: float, df: float = math.inf, power: float = 0.8) -> float:
    """How many standard errors an effect must have to be found with `power`: about 2.8 at 95 % and 80 %."""
    from scipy import special

    return critical_value(level, df) + float(special.ndtri(power))


def chi_square(counts: ArrayLike, expected: ArrayLike) -> float:
    """P-value of Pearson's test that `counts` follow the `expected` ones, which have the same sum."""
    from scipy import special

    counts, expected = np.asarray(counts, dtype=float), np.asarray(expected, dtype=float)
    return float(special.chdtrc(len(counts) - 1, float(((counts - expected) ** 2 / expected).sum())))


def p_value(estimate: FloatArray, std_error: FloatArray, df: float | FloatArray = math.inf) -> FloatArray:
    """Two-sided p-values of estimate / std_error = 0; NaN where the standard error is missing or zero."""
    from scipy import special

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(np.where(std_error > 0, estimate / std_error, np.nan))
    df = np.broadcast_to(np.asarray(df, dtype=float), z.shape)
    df = np.where(df > 0, df, np.nan)
    return np.asarray(2 * np.where(np.isinf(df), special.ndtr(-z), special.stdtr(df, -z)), dtype=float)


def standard_draws(cov: FloatArray, seed: int, draws: int = _DRAWS) -> FloatArray:
    """Draws of normal terms with mean zero, variance one and the correlations of `cov`, shape (draws, terms).

    Terms with zero variance are left out.
    """
    sd = root_of_diagonal(cov)
    live = np.flatnonzero(np.isfinite(sd) & (sd > 0))
    if not len(live):
        return np.empty((draws, 0))
    corr = cov[np.ix_(live, live)] / np.outer(sd[live], sd[live])
    values, vectors = np.linalg.eigh((corr + corr.T) / 2)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    keep = values > 1e-12
    rng = np.random.default_rng(seed)
    return np.asarray(rng.standard_normal((draws, int(keep.sum()))) @ root[:, keep].T)


def sup_t(cov: FloatArray, level: float, seed: int, df: float = math.inf, draws: int = _DRAWS) -> float:
    """Critical value of max |t| over the terms of `cov`: the simultaneous band (Montiel Olea, Plagborg-Møller 2019).

    The multiplier bootstrap with Gaussian multipliers has exactly this law given the data, so draws are made from the
    small covariance instead of from the units: the cost does not grow with the data.

    Parameters
    ----------
    cov : ndarray, shape (k, k)
        Covariance of the terms; terms with zero variance are left out.
    level : float
    seed : int
        Of a generator of its own; the global random state is not touched.
    df : float
        Degrees of freedom of the t distribution; ``inf`` for the normal.
    draws : int
        Default 9,999: the Monte Carlo error of the critical value is then below .02.

    Returns
    -------
    float
        At least the pointwise value; NaN if no term has a positive variance.
    """
    found = standard_draws(cov, seed, draws)
    if not found.shape[1]:
        return math.nan
    top = np.abs(found).max(axis=1)
    if math.isfinite(df):
        top /= np.sqrt(np.random.default_rng([seed, 1]).chisquare(df, draws) / df)
    return max(float(np.quantile(top, level)), critical_value(level, df))


def band(normal_value: float, df: FloatArray) -> FloatArray:
    """A simultaneous critical value of normal terms, as each term's t distribution has it.

    The joint value is first read as the level at which one normal term would have it; each term is then given its own
    t quantile at that level, so that one cohort of few clusters does not widen the band of all.
    """
    from scipy import stats

    return critical_values(1.0 - 2.0 * float(stats.norm.sf(normal_value)), df)


def sidak(level: float, terms: int, df: float = math.inf) -> float:
    """Critical value that bounds max |t| over `terms` terms whatever their correlation (Sidak 1967)."""
    return critical_value(level ** (1 / terms), df)


def wald(estimate: FloatArray, cov: FloatArray, clusters: float) -> tuple[float, float, int]:
    """Joint test that all terms are zero, with the F reference that so many equal, independent clusters support.

    Parameters
    ----------
    estimate : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        May be singular; the rank is found and used.
    clusters : float
        Independent clusters behind the covariance, or its degrees of freedom and one more where clusters are unequal
        (`small_sample.joint_df`). The statistic is scaled as Hotelling's.

    Returns
    -------
    statistic, p_value, rank : float, float, int
        NaN p-value where there are no more clusters than terms.
    """
    from scipy import stats

    sd = root_of_diagonal(cov)
    live = sd > 0
    if not live.any():
        return math.nan, math.nan, 0
    z = estimate[live] / sd[live]
    corr = cov[np.ix_(live, live)] / np.outer(sd[live], sd[live])
    values, vectors = np.linalg.eigh((corr + corr.T) / 2)
    keep = values > 1e-9
    rank = int(keep.sum())
    w = float((((vectors[:, keep].T @ z) ** 2) / values[keep]).sum())
    df2 = clusters - rank
    if not df2 > 0:
        return w, math.nan, rank
    return w, float(stats.f.sf(w * df2 / (rank * max(clusters - 1, 1)), rank, df2)), rank


def equal_effects(estimate: FloatArray, variance: FloatArray, df: FloatArray) -> tuple[float, float, float, float]:
    """Test that independent estimates have one expectation, with variances of their own (Welch 1951).

    Parameters
    ----------
    estimate, variance, df : ndarray, shape (k,)
        Estimates, their variances, and the degrees of freedom of these; estimates without variance are left out.

    Returns
    -------
    statistic, df1, df2, p_value : float
        F; NaN with fewer than two estimates. With two it is the square of Welch's t.

    Examples
    --------
    >>> f, one, two, p = equal_effects(np.array([1.0, 4.0]), np.array([1.0, 1.25]), np.array([9.0, 9.0]))
    >>> f, one, round(two, 3)
    (4.0, 1.0, 17.78)
    """
    from scipy import stats

    live = variance > 0
    k = int(live.sum())
    if k < 2:
        return math.nan, math.nan, math.nan, math.nan
    weight = 1 / variance[live]
    share = weight / weight.sum()
    gap = estimate[live] - estimate[live][0]  # about one of them, so that a common size costs no digits
    spread = float((weight * (gap - share @ gap) ** 2).sum()) / (k - 1)
    slack = float(((1 - share) ** 2 / df[live]).sum())
    statistic = spread / (1 + 2 * (k - 2) / (k * k - 1) * slack)
    df2 = (k * k - 1) / (3 * slack) if slack > 0 else math.inf
    p = stats.f.sf(statistic, k - 1, df2) if math.isfinite(df2) else stats.chi2.sf(statistic * (k - 1), k - 1)
    return statistic, float(k - 1), df2, float(p)


def small_sample_factor(ssc: Any, n: int, k_regressors: int, k_outside: int, k_nested: int, clusters: int) -> float:
    """Factor on a cluster-robust covariance.

    Parameters
    ----------
    ssc : {"nested", "full", "none"}
        "nested": G/(G-1) * (N-1)/(N-K), K counting the regressors and only the fixed effects that are not nested
        within clusters (as reghdfe and fixest do by default); "full": K counts all effects; "none": 1.
    n, k_regressors, k_outside, k_nested, clusters : int
        Observations; regressors; effects not nested in clusters; effects nested in them; clusters.
    """
    ssc = one_of("ssc", ssc, SSC_CHOICES)
    if ssc == "none":
        return 1.0
    k = k_regressors + k_outside + (k_nested if ssc == "full" else 0)
    return clusters / (clusters - 1) * (n - 1) / max(n - k, 1)


def fieller(
    numerator: float, denominator: float, var_num: float, var_den: float, cov: float, critical: float
) -> tuple[float, float]:
    """Confidence interval of numerator / denominator (Fieller 1954).

    Returns
    -------
    low, high : float
        NaN, NaN where the denominator is not distinguishable from zero (the set is then not an interval).

    Examples
    --------
    >>> low, high = fieller(10.0, 5.0, 1.0, 0.0, 0.0, 1.96)
    >>> round(low, 3), round(high, 3)
    (1.608, 2.392)
    """
    c2 = critical**2
    a = denominator**2 - c2 * var_den
    if a <= 0:
        return math.nan, math.nan
    b = numerator * denominator - c2 * cov
    c = numerator**2 - c2 * var_num
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def unrelated(moved: FloatArray, x: FloatArray, cluster: NDArray[np.int64] | None = None) -> tuple[float, int]:
    """P-value of the test that a lot is unrelated to the column of `x` that it goes with most, and that column.

    Parameters
    ----------
    moved : ndarray, shape (n,)
        What was drawn: an arm as 0/1, an instrument.
    x : ndarray, shape (n, p)
    cluster : ndarray of int, shape (n,), optional

    Notes
    -----
    The score of each column over the root of its sum of squares, rows or clusters, held against the t distribution
    with one degree of freedom less than these.

    Examples
    --------
    >>> lot, age = np.array([0.0, 1, 0, 1] * 25), np.arange(100.0)
    >>> p, column = unrelated(lot, np.column_stack([age, age + 100 * lot]))
    >>> p < 1e-6, column
    (True, 1)
    """
    from scipy import special

    moved = moved - moved.mean()
    top = float(np.abs(moved).max())
    scores = (x - x.mean(axis=0)) * (moved / top if top > 0 else moved)[:, None]
    if cluster is not None:
        groups = int(cluster.max()) + 1
        scores = np.column_stack([np.bincount(cluster, c, minlength=groups) for c in scores.T])
    spread = np.sqrt(np.einsum("ij,ij->j", scores, scores))
    z = np.abs(scores.sum(axis=0)) / np.where(spread > 0, spread, 1.0)
    p = 2 * special.stdtr(max(len(scores) - 1, 1), -z)
    j = int(np.argmin(p))
    return float(p[j]), j
