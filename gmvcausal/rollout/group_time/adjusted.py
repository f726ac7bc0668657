"""One cohort beside one set of controls, given covariates: regression, weighting, or both (doubly robust).

Notation of Sant'Anna and Zhao (2020), panel case. With D = 1 for the cohort, x the covariates and a constant, d the
change of the outcome from base to period, w weights, W1 the weight of the cohort:

- b is the least-squares fit of d on x among the controls; zero for "ipw".
- o = w pi(x) / (1 - pi(x)) of the controls, pi the logit of D on x, W0 their sum; zero for "regression". Controls with
  pi >= .995 have o = 0, as in the authors' software: they look like nobody but the treated, and one of them would
  outweigh all others.

All three estimates are one sum of changes, with weights that depend on x alone:

    ATT = sum over cohort of w d / W1  -  sum over controls of c d,
    c = o / W0 + w x' Q (M1 / W1 - M0 / W0),   Q = (sum over controls of w x x')^-1,  M1, M0 = sums of w x and of o x.

So one logit and one Q serve every period. The influence of a unit, with r = d - x'b, e1 and e0 the means of r over the
cohort and (by o) the controls, H the inverse information of the logit and m = sum of o (r - e0) x:

    cohort  w (r - e1) / W1,   controls  - c r + o e0 / W0,   and for both  - w (D - pi) x' H m / W0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.stats.logit import fit_logit, independent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

TRIM = 0.995
_SINGULAR = 1e-10


@dataclass(frozen=True)
class Blend:
    """The weights of one comparison; they serve every period.

    Attributes
    ----------
    units : ndarray, shape (m,)
        Positions in the panel, ascending.
    treated : ndarray of bool, shape (m,)
    x : ndarray, shape (m, p)
        A constant first.
    own : ndarray, shape (m,)
        w / W1 of the cohort, 0 elsewhere.
    odds : ndarray, shape (m,)
        o / W0 of the controls, 0 elsewhere.
    beside : ndarray, shape (m,)
        c of the controls, 0 elsewhere; they add up to 1.
    fit : ndarray, shape (m, p)
        w x' Q of the controls: what a change adds to b. Zero for "ipw".
    score : ndarray, shape (m, p)
        w (D - pi) x' H / W0 times W0, so that it is taken times m in units of `odds`. Zero for "regression".
    chance : ndarray, shape (m,), or None
        pi.
    trimmed : int
    """

    units: IntArray
    treated: BoolArray
    x: FloatArray
    own: FloatArray
    odds: FloatArray
    beside: FloatArray
    fit: FloatArray
    score: FloatArray
    chance: FloatArray | None
    trimmed: int


def blend(units: IntArray, treated: BoolArray, x: FloatArray, weight: FloatArray, adjustment: str, who: str) -> Blend:
    """Fit the propensity and the Gram matrix of one comparison.

    Parameters
    ----------
    units, treated : ndarray, shape (m,)
    x : ndarray, shape (m, p)
        Covariates on one scale, without a constant.
    weight : ndarray, shape (m,)
    adjustment : {"doubly_robust", "regression", "ipw"}
    who : str
        The cohort, for messages.

    Raises
    ------
    DesignError
        The covariates separate the cohort from its controls, or the controls are too few for them.
    """
    x = np.column_stack([np.ones(len(units)), x])
    x = np.ascontiguousarray(x[:, independent(x)])
    control = ~treated
    w1, w0 = np.where(treated, weight, 0.0), np.where(control, weight, 0.0)
    own = w1 / w1.sum()
    odds = beside = np.zeros(len(units))
    fit = score = np.zeros_like(x)
    chance, trimmed = None, 0
    if adjustment != "regression":
        logit = fit_logit(x, treated, weight)
        if logit is None:
            raise DesignError(
                f"the covariates separate {who} from all of its control units, so nobody compares with it",
                remedy="use fewer covariates or coarser categories, a wider group of controls, or "
                "adjustment='regression', which extrapolates",
            )
        chance = logit.chance
        high = control & (chance >= TRIM)
        trimmed = int(high.sum())
        raw = np.where(control & ~high, weight * np.exp(np.minimum(logit.odds, 50.0)), 0.0)
        if not raw.sum() > 0:
            raise DesignError(
                f"every control unit of {who} has a propensity of {TRIM} or more, so nobody compares with it",
                remedy="use fewer covariates, or a wider group of controls",
            )
        odds = raw / raw.sum()
        beside = odds
        score = ((weight * (treated - chance))[:, None] * x) @ logit.bread
    if adjustment != "ipw":
        fit = (w0[:, None] * x) @ _inverse_gram(x, w0, control, who)
        beside = odds + fit @ (x.T @ (own - odds))
    return Blend(units, treated, x, own, odds, beside, fit, score, chance, trimmed)


def _inverse_gram(x: FloatArray, w0: FloatArray, control: BoolArray, who: str) -> FloatArray:
    gram = (w0[:, None] * x).T @ x
    scale = np.sqrt(np.diag(gram))
    p = x.shape[1]
    if int(control.sum()) <= p or (scale <= 0).any():
        flat = True
    else:
        flat = float(np.linalg.eigvalsh(gram / np.outer(scale, scale)).min()) < _SINGULAR
    if flat:
        raise DesignError(
            f"the {int(control.sum()):,} control units of {who} cannot tell {p - 1} covariates apart: some value or "
            "level occurs among the treated only",
            remedy="use fewer covariates or coarser categories, or control='not_yet_treated'",
        )
    return np.asarray(np.linalg.inv(gram / np.outer(scale, scale)) / np.outer(scale, scale))


@dataclass(frozen=True)
class Means:
    """What the influence of the units needs besides their own changes, for outcomes of T periods.

    Attributes
    ----------
    b : ndarray, shape (p, T)
    effect : ndarray, shape (T,)
        The weighted sum of the outcomes itself; differences of its entries are effects.
    e1, e0 : ndarray, shape (T,)
    m : ndarray, shape (p, T)
    """

    b: FloatArray
    effect: FloatArray
    e1: FloatArray
    e0: FloatArray
    m: FloatArray


def means(a: Blend, y: FloatArray) -> Means:
    """Everything linear in the outcomes, for all periods at once.

    Parameters
    ----------
    y : ndarray, shape (m, T)
    """
    b = a.fit.T @ y
    e1 = a.own @ y - (a.own @ a.x) @ b
    tilt = a.odds @ a.x
    e0 = a.odds @ y - tilt @ b
    m = (a.odds[:, None] * a.x).T @ y - ((a.odds[:, None] * a.x).T @ a.x) @ b - np.outer(tilt, e0)
    return Means(b, (a.own - a.beside) @ y, e1, e0, m)


def influence(a: Blend, s: Means, at: IntArray, changes: FloatArray, load: FloatArray) -> FloatArray:
    """Influence of units on weighted sums of effects, shape (c, a).

    Parameters
    ----------
    at : ndarray, shape (c,)
        Positions within the blend.
    changes : ndarray, shape (c, a)
        The units' outcomes times `load`; used up.
    load : ndarray, shape (a, T)
        Weights of the periods in each sum of effects; each row adds up to 0.
    """
    changes -= a.x[at] @ (s.b @ load.T)
    changes *= (a.own[at] - a.beside[at])[:, None]
    # What is left is one product: of the shares and the score with what they are worth.
    parts = np.column_stack([a.own[at], a.odds[at], a.score[at]])
    changes -= parts @ np.vstack([load @ s.e1, -(load @ s.e0), s.m @ load.T])
    return changes
