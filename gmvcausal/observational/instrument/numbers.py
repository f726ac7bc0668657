"""Two-stage least squares, LIML and what stands beside them, from variables of which covariates were taken out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.instrument.errors import Errors, Part, parts
from gmvcausal.observational.instrument.partial import Partial
from gmvcausal.observational.instrument.sets import Region
from gmvcausal.stats.fraction import Fraction, Piece
from gmvcausal.stats.small_sample import welch_df

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BIAS = 0.10  # of the worst case, that an effective F is held against
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Fit:
    """Everything that was estimated, in the units of the data.

    Attributes
    ----------
    two_stage, liml, plain : float
        Two-stage least squares, limited information maximum likelihood, ordinary least squares.
    kappa : float
        Of LIML; 1 with one instrument.
    reduced, first : ndarray, shape (k,)
        Effects of the instruments on outcome and treatment.
    parts : list of Part
        Of the covariance of (two_stage, liml, plain, *reduced, *first).
    effect : Fraction or Region
        The ratio with its Anderson-Rubin set: of one instrument, and of several.
    strength, bound : float
        Effective F (Montiel Olea and Pflueger 2013), and the value it must pass for a bias below `BIAS`.
    joint : (float, float)
        F of all instruments on the treatment (Wald's over k), and its p-value.
    endogenous : (float, float)
        Wu-Hausman: squared t of the first stage's residual, and its p-value; NaN where there is none.
    over : (float, int, float)
        Hansen's J (Sargan's where unadjusted), degrees of freedom, p-value; NaN with one instrument.
    influence : ndarray, shape (n,)
        Of every row on `two_stage` (or on `liml`, where that was asked for).
    """

    two_stage: float
    liml: float
    plain: float
    kappa: float
    reduced: FloatArray
    first: FloatArray
    parts: list[Part]
    effect: Fraction | Region
    strength: float
    bound: float
    joint: tuple[float, float]
    endogenous: tuple[float, float]
    over: tuple[float, int, float]
    influence: FloatArray

    @property
    def cov(self) -> FloatArray:
        """Of (two_stage, liml, plain, *reduced, *first)."""
        return np.asarray(sum(one.cov for one in self.parts))

    @property
    def df(self) -> FloatArray:
        """Degrees of freedom of each of them."""
        variance = np.array([np.diag(one.cov) for one in self.parts])
        df = [one.df for one in self.parts]
        return np.array([welch_df(list(zip(v.tolist(), df, strict=True))) for v in variance.T])


def estimate(v: Partial, how: Errors, liml: bool) -> Fit:
    """Everything at once; `v` must have an instrument that moves the treatment.

    Parameters
    ----------
    v : Partial
    how : Errors
    liml : bool
        Whether `influence` is that of LIML.
    """
    k, p = v.k, v.p
    top, bottom = v.z.T @ v.y, v.z.T @ v.d
    strength = float(bottom @ bottom)
    yy, yd, dd = float(v.y @ v.y), float(v.y @ v.d), float(v.d @ v.d)
    two = float(top @ bottom) / strength
    plain = yd / dd
    kappa = _kappa(np.array([[yy, yd], [yd, dd]]), np.array([[top @ top, top @ bottom], [top @ bottom, strength]]))
    if k == 1:
        kappa = 1.0
    power = (1 - kappa) * dd + kappa * strength
    limited = two if k == 1 else ((1 - kappa) * yd + kappa * float(top @ bottom)) / power
    fitted, off = v.z @ bottom, v.d - v.z @ bottom
    rest = v.y - v.z @ top
    # Columns: two-stage, LIML, least squares, the control function, effects on the outcome, on the treatment.
    weight = np.column_stack([fitted / strength, fitted / power, v.d / dd, np.zeros(v.n), v.z, v.z])
    residual = np.empty_like(weight)
    leverage = np.empty_like(weight)
    seen = v.lev + fitted**2 / strength
    residual[:, 0], residual[:, 1], residual[:, 2] = v.y - two * v.d, v.y - limited * v.d, v.y - plain * v.d
    leverage[:, 0] = leverage[:, 1] = seen
    leverage[:, 2] = v.lev + v.d**2 / dd
    left = float(off @ off)
    endogenous = left > 1e-16 * dd
    if not endogenous:  # what rounding leaves is no variance
        off = np.zeros(v.n)
    gap = 0.0
    residual[:, 3], leverage[:, 3] = 0.0, 0.0
    if endogenous:
        slope = float(off @ v.y) / left
        gap = slope - two
        weight[:, 3] = off / left - fitted / strength
        residual[:, 3] = v.y - two * fitted - slope * off
        leverage[:, 3] = seen + off**2 / left
    influence = weight[:, int(liml)] * residual[:, int(liml)] * (v.y_scale / v.d_scale)
    if how.kind == "unadjusted":  # its variance is that of the k-class, s^2 / power
        weight[:, 1] *= math.sqrt(max(power, 0.0) / strength)
    residual[:, 4 : 4 + k], residual[:, 4 + k :] = rest[:, None], off[:, None]
    leverage[:, 4:] = (v.lev + np.einsum("ij,ij->i", v.z, v.z))[:, None]
    size = np.array([p + 2, p + 2, p + 2, p + 3] + [p + 1 + k] * (2 * k), dtype=np.int64)
    found = parts(weight, residual, leverage, size, how, p)
    whole = np.asarray(sum(one.cov for one in found))
    forms = whole[4:, 4:]
    scale = v.y_scale / v.d_scale
    effect: Fraction | Region
    if k == 1:
        s, t = v.y_scale / v.back[0, 0], v.d_scale / v.back[0, 0]
        pieces = tuple(
            Piece(float(c[4, 4]) * s * s, float(c[4, 5]) * s * t, float(c[5, 5]) * t * t, df)
            for c, df in ((one.cov, one.df) for one in found)
        )
        effect = Fraction(float(top[0]) * s, float(bottom[0]) * t, pieces)
    else:
        free = found[0].df - (k - 1 if how.cluster is None else 0)  # of the regression on all instruments
        effect = Region(top, bottom, forms, free, scale)
    turn = np.linalg.solve(v.back, np.eye(k))
    linear = np.zeros((3 + 2 * k, 4 + 2 * k))
    linear[0, 0] = linear[1, 1] = linear[2, 2] = scale
    linear[3 : 3 + k, 4 : 4 + k], linear[3 + k :, 4 + k :] = turn * v.y_scale, turn * v.d_scale
    variance = float(whole[3, 3])
    df = welch_df([(float(one.cov[3, 3]), one.df) for one in found]) - (0 if how.cluster is not None else 1)
    return Fit(
        two * scale, limited * scale, plain * scale, kappa, turn @ top * v.y_scale, turn @ bottom * v.d_scale,
        [Part(linear @ one.cov @ linear.T, one.df) for one in found], effect,
        _over(strength, float(np.trace(forms[k:, k:]))), critical_f(forms[k:, k:], BIAS, LEVEL),
        _joint(bottom, forms[k:, k:], effect), _squared_t(gap, variance, df) if endogenous else (math.nan, math.nan),
        _overidentified(v, two, how) if k > 1 else (math.nan, 0, math.nan), influence,
    )  # fmt: skip


def critical_f(cov: FloatArray, bias: float, level: float) -> float:
    """What an effective F must pass so that the bias is below a share of the worst case (Montiel Olea, Pflueger 2013).

    Their conservative value, which needs the covariance of the first stage alone. With one instrument and a tenth it is
    23.1.

    Parameters
    ----------
    cov : ndarray, shape (k, k)
        Covariance of the effects of orthonormal instruments on the treatment.
    bias, level : float

    Examples
    --------
    >>> round(critical_f(np.eye(1), 0.1, 0.05), 2), round(critical_f(np.eye(1), 0.05, 0.05), 2)
    (23.11, 37.42)
    """
    from scipy import stats

    total = float(np.trace(cov))
    if not total > 0:
        return math.nan
    x, w = 1 / bias, cov / total
    free = (1 + 2 * x) / (float(np.trace(w.T @ w)) + 2 * x * float(np.linalg.eigvalsh(w)[-1]))
    return float(stats.ncx2.ppf(1 - level, free, x * free)) / free


def _kappa(whole: FloatArray, explained: FloatArray) -> float:
    """Least ratio of what constant and covariates leave of y - b d to what the instruments leave of it."""
    from scipy import linalg

    left = whole - explained
    # The inverse ratio has its largest value there, and the matrix below is never singular.
    try:
        share = float(linalg.eigh(left, whole, eigvals_only=True)[-1])
    except np.linalg.LinAlgError:
        return 1.0
    return 1 / share if share > 0 else math.inf


def _over(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else math.inf


def _joint(bottom: FloatArray, cov: FloatArray, effect: Fraction | Region) -> tuple[float, float]:
    if isinstance(effect, Region):
        from scipy import stats

        k, value = len(bottom), effect.statistic(math.inf)
        left = effect.df - k + 1
        p = stats.chi2.sf(value, k) if math.isinf(effect.df) else stats.f.sf(value * left / (k * effect.df), k, left)
        return value / k, float(p)
    variance, df = effect.spread(math.inf)
    return _squared_t(effect.bottom, variance, df)


def _squared_t(value: float, variance: float, df: float) -> tuple[float, float]:
    from scipy import stats

    if not variance > 0:
        return (math.inf, 0.0) if value else (math.nan, math.nan)
    t = abs(value) / math.sqrt(variance)
    return t * t, float(2 * (stats.norm.sf(t) if math.isinf(df) else stats.t.sf(t, df)))


def _overidentified(v: Partial, two: float, how: Errors) -> tuple[float, int, float]:
    """Hansen's J of two-step GMM, with covariates weighted along; Sargan's where errors are taken as alike."""
    from scipy import stats

    u = v.y - two * v.d
    rest = v.z.T @ u
    if how.kind == "unadjusted":
        value = float(rest @ rest) / float(u @ u) * v.n
        return value, v.k - 1, float(stats.chi2.sf(value, v.k - 1))
    every = np.column_stack([np.ones(v.n), v.x, v.z])
    moments = every * u[:, None]
    if how.cluster is not None:
        groups = int(how.cluster.max()) + 1
        if groups <= every.shape[1]:
            return math.nan, v.k - 1, math.nan
        moments = np.column_stack([np.bincount(how.cluster, c, minlength=groups) for c in moments.T])
    regressors = np.column_stack([every[:, : v.p + 1], v.d])
    slopes, target = every.T @ regressors, every.T @ v.y
    try:
        weighted = np.linalg.solve(moments.T @ moments, np.column_stack([slopes, target]))
        b = np.linalg.solve(slopes.T @ weighted[:, :-1], slopes.T @ weighted[:, -1])
    except np.linalg.LinAlgError:
        return math.nan, v.k - 1, math.nan
    left = target - slopes @ b
    value = float(left @ (weighted[:, -1] - weighted[:, :-1] @ b))
    return value, v.k - 1, float(stats.chi2.sf(value, v.k - 1))
