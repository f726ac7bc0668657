"""Average effects of a treatment given covariates: five estimators, each with what every row adds to its error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.adjustment.intake import Sample
from gmvcausal.observational.adjustment.learn import Nuisances, fit_arm, kept_away, two
from gmvcausal.observational.nearest import with_replacement
from gmvcausal.stats.nuisance.aipw import averages, by_groups, mean_outcomes
from gmvcausal.stats.small_sample import Spread, Trust, equal, welch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Found(NamedTuple):
    """An average effect.

    Attributes
    ----------
    estimate : float
    influence : ndarray, shape (n,)
        What each row adds to the estimate less the truth.
    weight : ndarray, shape (n,)
        How much each row of an arm counts for its mean, as far as weights are concerned.
    value : float
        Mean outcome without the treatment of those whom the effect is about.
    trimmed : float
        Share of the rows whose chance was moved away from 0 or 1.
    used : int
        Coefficients of the regression in an arm; they cost degrees of freedom.
    adjusted : bool
        Whether squares of `influence` carry the factor that makes their sum unbiased already (HC2, CR2).
    difference : ndarray, shape (m,)
        Of every treated row less its match; empty but for matching.
    df : float or None
        Degrees of freedom, where they are not those of the arms.
    """

    estimate: float
    influence: FloatArray
    weight: FloatArray
    value: float
    trimmed: float = 0.0
    used: int = 1
    adjusted: bool = False
    difference: FloatArray = np.zeros(0)
    df: float | None = None


def weights(treated: BoolArray, chance: FloatArray, estimand: str) -> FloatArray:
    """What makes both arms alike those whom the effect is about, shape (n,): inverse chances, odds, or overlap.

    Examples
    --------
    >>> weights(np.array([True, False]), np.array([0.25, 0.25]), "ate").round(4).tolist()
    [4.0, 1.3333]
    >>> weights(np.array([True, False]), np.array([0.25, 0.25]), "overlap").tolist()
    [0.75, 0.25]
    """
    if estimand == "att":
        return np.where(treated, 1.0, chance / (1 - chance))
    if estimand == "overlap":
        return np.where(treated, 1 - chance, chance)
    return 1 / np.where(treated, chance, 1 - chance)


def aipw(s: Sample, known: Nuisances, estimand: str) -> Found:
    """Augmented inverse probability weighting (Robins, Rotnitzky and Zhao 1994), cross-fitted."""
    chance, trimmed = kept_away(known.chance, estimand)
    found = averages(s.y, s.arm, two(chance), known.mu, estimand=estimand, cluster=s.cluster, known=known.flat)
    level = mean_outcomes(s.y, s.arm, two(chance), known.mu, estimand)
    estimate = float(found.estimate[0])
    value = float(level[1]) - estimate if estimand == "att" else float(level[0])
    return Found(estimate, found.influence[:, 0], weights(s.treated, chance, estimand), value, trimmed)


def dml(s: Sample, known: Nuisances, estimand: str) -> Found:
    """Residual on residual (Robinson 1988), cross-fitted: one number for an effect that may vary.

    Where it does vary, rows count by e (1 - e): it is the effect weighted by overlap.
    """
    chance, _ = kept_away(known.chance, "overlap")
    off = s.treated - chance
    rest = s.y - (chance * known.mu[:, 1] + (1 - chance) * known.mu[:, 0])
    total = float(off @ off)
    estimate = float(off @ rest) / total
    influence = off * (rest - estimate * off) / total
    w = chance * (1 - chance)
    value = float(w @ known.mu[:, 0] / w.sum())
    return Found(estimate, influence, weights(s.treated, chance, "overlap"), value)


def ipw(s: Sample, known: Nuisances, estimand: str) -> Found:
    """Difference of weighted means (Hajek), whose error knows that the chances were estimated.

    The logistic regression and both means are solved for together, so that the standard error is that of the stacked
    estimating equations (Lunceford and Davidian 2004).
    """
    assert known.logit is not None
    level = float(np.median(s.y))  # from a middle value on, so that an outcome that does not vary leaves exactly 0
    d, e, y = s.treated.astype(float), known.chance, s.y - level
    w = weights(s.treated, e, estimand)
    total = np.array([float(w[~s.treated].sum()), float(w[s.treated].sum())])
    mean = np.array([float(w[~s.treated] @ y[~s.treated]), float(w[s.treated] @ y[s.treated])]) / total
    sign = np.where(s.treated, 1.0, -1.0)
    own = s.treated.astype(np.int64)
    rest = sign * (y - mean[own]) / total[own]
    influence = w * rest
    # How the weights move with the log odds.
    moved = {
        "ate": np.where(s.treated, -(1 - e) / e, e / (1 - e)),
        "att": np.where(s.treated, 0.0, e / (1 - e)),
        "overlap": np.where(s.treated, -1.0, 1.0) * e * (1 - e),
    }[estimand]
    design = s.design
    slope = (design.T @ (moved * rest)) @ known.logit.bread
    influence = influence + (design @ slope) * (d - e)
    return Found(float(mean[1] - mean[0]), influence, w, float(mean[0]) + level, used=1)


def regression(s: Sample, known: Nuisances, estimand: str) -> Found:
    """Regression with all interactions, evaluated at the covariates' means (Lin 2013); additive for overlap.

    HC2 residuals, CR2 (Bell and McCaffrey 2002) where rows are clustered.
    """
    design = s.design
    if estimand == "overlap":
        return _additive(s, known, design)
    about = s.treated if estimand == "att" else np.ones(s.n, dtype=bool)
    target = design[about].mean(axis=0)
    gap = known.mu[:, 1] - known.mu[:, 0]
    estimate = float(gap[about].mean())
    influence = np.where(about, gap - estimate, 0.0) / about.sum()
    for on, sign in ((True, 1.0), (False, -1.0)):
        rows = s.treated == on
        cluster = None if s.cluster is None else s.cluster[rows]
        rest = s.y[rows] - known.mu[rows, int(on)]
        influence[rows] += sign * scores(design[rows], rest, target, cluster)
    value = float(known.mu[about, 0].mean())
    w = weights(s.treated, kept_away(known.chance, estimand)[0], estimand)
    return Found(estimate, influence, w, value, used=design.shape[1], adjusted=True)


def _additive(s: Sample, known: Nuisances, design: FloatArray) -> Found:
    whole = np.column_stack([design, s.treated.astype(float)])
    middle = float(s.y.mean())
    beta = np.linalg.lstsq(whole, s.y - middle, rcond=None)[0]
    target = np.zeros(whole.shape[1])
    target[-1] = 1.0
    influence = scores(whole, s.y - middle - whole @ beta, target, s.cluster)
    w = weights(s.treated, known.chance, "overlap")
    value = float(np.average(s.y[~s.treated], weights=w[~s.treated]))
    return Found(float(beta[-1]), influence, w, value, used=whole.shape[1], adjusted=True)


def scores(z: FloatArray, rest: FloatArray, target: FloatArray, cluster: IntArray | None) -> FloatArray:
    """What each row adds to target'beta of a least squares regression, shape (n,), with HC2 or CR2 residuals.

    Parameters
    ----------
    z : ndarray, shape (n, k)
    rest : ndarray, shape (n,)
        Residuals.
    target : ndarray, shape (k,)
    cluster : ndarray of int, shape (n,), optional
        Under CR2 rows are a cluster's residuals times (I - H)^-1/2, H its block of the hat matrix.

    Examples
    --------
    >>> z = np.ones((3, 1))
    >>> own = scores(z, np.array([-1.0, 0, 1]), np.ones(1), None)
    >>> round(float(own @ own), 9)  # s2 / n
    0.333333333
    """
    values, vectors = np.linalg.eigh(z.T @ z)
    half = vectors / np.sqrt(values)  # half half' is the inverse of z'z
    u = z @ half
    if cluster is None:
        leverage = np.minimum(np.einsum("ij,ij->i", u, u), 1 - 1e-9)
        return np.asarray((u @ (half.T @ target)) * rest / np.sqrt(1 - leverage))
    return np.asarray((u @ (half.T @ target)) * without_leverage(u, rest, cluster))


def without_leverage(u: FloatArray, values: FloatArray, cluster: IntArray) -> FloatArray:
    """(I - H)^-1/2 times each cluster's part of `values`, H = u u' being its block of the hat matrix."""
    out = values.copy()
    order = np.argsort(cluster, kind="stable")
    ends = np.flatnonzero(np.diff(cluster[order], append=-1)) + 1
    for at in np.split(order, ends[:-1]):
        left, size, _ = np.linalg.svd(u[at], full_matrices=False)
        grow = 1 / np.sqrt(np.maximum(1 - size**2, 1e-9)) - 1
        out[at] += left @ (grow * (left.T @ values[at]))
    return out


def matching(s: Sample, known: Nuisances, estimand: str) -> Found:
    """Nearest neighbour on the log odds, with replacement, what the covariates still differ in taken off.

    The bias correction is Abadie and Imbens's (2011), the variance theirs of 2006 with the squared residuals of that
    regression (over 1 - leverage) for the outcome's variance given covariates. Given treatments and covariates the
    estimated chances are fixed, so that their estimation does not enter.
    """
    assert known.logit is not None
    odds, treated = known.logit.odds, s.treated
    design = s.design
    times = np.zeros(s.n)
    _, times[~treated] = with_replacement(odds[treated], odds[~treated], np.inf)
    if estimand == "ate":
        _, times[treated] = with_replacement(odds[~treated], odds[treated], np.inf)
    about = treated if estimand == "att" else np.ones(s.n, dtype=bool)
    weight = about + times
    n = int(about.sum())
    mu = np.empty((s.n, 2))
    rest = np.zeros(s.n)
    for on in (False, True) if estimand == "ate" else (False,):
        rows = treated == on
        mu[:, int(on)] = design @ fit_arm(design, s, on, np.where(rows, weight, 0.0))
        used = np.flatnonzero(rows & (weight > 0))
        z = design[used] * np.sqrt(weight[used])[:, None]
        leverage = np.einsum("ij,ij->i", z @ np.linalg.inv(z.T @ z), z)
        rest[used] = (s.y[used] - mu[used, int(on)]) / np.sqrt(1 - np.minimum(leverage, 1 - 1e-9))
    if estimand == "att":
        gain = s.y[treated] - mu[treated, 0]
        estimate = float(gain.mean())
        influence = -weight * rest / n
        influence[treated] = (gain - estimate) / n
    else:
        gain = mu[:, 1] - mu[:, 0]
        estimate = float(gain.mean())
        influence = (gain - estimate + np.where(treated, 1.0, -1.0) * weight * rest) / n
    difference = _pairs(s, odds, mu[:, 0])
    return Found(estimate, influence, weight, float(mu[about, 0].mean()), difference=difference)


def _pairs(s: Sample, odds: FloatArray, mu: FloatArray) -> FloatArray:
    """Each treated row less its nearest control, what the covariates explain taken off both (for Rosenbaum's odds)."""
    treated = s.treated
    rest = s.y - mu
    order = np.argsort(odds[~treated], kind="stable")
    values, own = odds[~treated][order], rest[~treated][order]
    place = np.searchsorted(values, odds[treated])
    above, below = np.minimum(place, len(values) - 1), np.maximum(place - 1, 0)
    near = np.where(np.abs(values[above] - odds[treated]) < np.abs(odds[treated] - values[below]), above, below)
    return np.asarray(rest[treated] - own[near])


ESTIMATORS = {"aipw": aipw, "regression": regression, "ipw": ipw, "matching": matching, "dml": dml}


def spread_of(s: Sample, influence: FloatArray, used: int = 1, adjusted: bool = False) -> tuple[float, Spread]:
    """Variance of an estimate from its influences, and the t distribution that goes with it.

    Parameters
    ----------
    s : Sample
    influence : ndarray, shape (n,)
    used : int
        Coefficients of the regression in an arm.
    adjusted : bool
        Whether their squares need no factor any more.

    Returns
    -------
    variance : float
        Sum over arms of squared influences (of rows or clusters), times n / (n - 1) unless `adjusted`.
    spread : Spread
        Welch's degrees of freedom over the arms.
    """
    by_group, trust = by_groups(influence[:, None], s.arm, 2, s.cluster)
    own = by_group[:, 0, 0]
    if s.cluster is None and used > 1:
        trust = equal(np.maximum(s.sizes - used + 1.0, 2.0))
    if adjusted:
        trust = Trust(trust.df, np.ones_like(trust.factor), trust.alone)
    variance = float((own * trust.factor).sum())
    return variance, welch(own[None, :], trust, given=np.array([variance]))
