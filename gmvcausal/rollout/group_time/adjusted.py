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

All of it is linear in d, so each unit has one influence a period, whatever the effects are then added up to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
class Sides:
    """Who is compared with whom: what the audit asks of a comparison given covariates.

    Attributes
    ----------
    units : ndarray, shape (m,)
        Positions in the panel, ascending.
    treated : ndarray of bool, shape (m,)
    x : ndarray, shape (m, p)
        A constant first.
    beside : ndarray, shape (m,)
        Weight of the controls, 0 elsewhere.
    chance : ndarray, shape (m,), or None
        The propensity, where one was fitted.
    trimmed : int
        Controls whose propensity is too near 1 to count.
    """

    units: IntArray
    treated: BoolArray
    x: FloatArray
    beside: FloatArray
    chance: FloatArray | None
    trimmed: int


@dataclass(frozen=True)
class Blend(Sides):
    """The weights of one comparison; they serve every period. `beside` is c above and adds up to 1, `chance` is pi.

    Attributes
    ----------
    weight : ndarray, shape (m,)
    own : ndarray, shape (m,)
        w / W1 of the cohort, 0 elsewhere.
    odds : ndarray, shape (m,)
        o / W0 of the controls, 0 elsewhere.
    solve : ndarray, shape (p, p)
        Q above. Zero for "ipw".
    score : ndarray, shape (m, p)
        w (D - pi) x' H / W0 times W0, so that it is taken times m in units of `odds`. Zero for "regression".
    """

    weight: FloatArray
    own: FloatArray
    odds: FloatArray
    solve: FloatArray
    score: FloatArray

    @cached_property
    def change(self) -> FloatArray:
        """What a unit's change counts in the estimate, shape (m,)."""
        return self.own - self.beside

    @cached_property
    def parts(self) -> FloatArray:
        """What else the influence of a unit is made of, by b, e1, e0 and m: shape (m, 2 p + 2)."""
        return np.column_stack([self.x * self.change[:, None], self.own, self.odds, self.score])


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
    solve, score = np.zeros((x.shape[1], x.shape[1])), np.zeros_like(x)
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
        score = x @ logit.bread
        score *= (weight * (treated - chance))[:, None]
    if adjustment != "ipw":
        solve = _inverse(x, w0, control, who)
        beside = odds + w0 * (x @ (solve @ (x.T @ (own - odds))))
    return Blend(units, treated, x, beside, chance, trimmed, weight, own, odds, solve, score)


def _inverse(x: FloatArray, w0: FloatArray, control: BoolArray, who: str) -> FloatArray:
    count = int(control.sum())
    found = inverse_gram((w0[:, None] * x).T @ x, count)
    if found is None:
        raise DesignError(
            f"the {count:,} control units of {who} cannot tell {x.shape[1] - 1} covariates apart: some value or "
            "level occurs among the treated only",
            remedy="use fewer covariates or coarser categories, or control='not_yet_treated'",
        )
    return found


def inverse_gram(gram: FloatArray, count: int) -> FloatArray | None:
    """Inverse of the products of covariates over `count` rows; None where these do not tell the covariates apart."""
    scale = np.sqrt(np.diag(gram))
    if count <= len(gram) or (scale <= 0).any():
        return None
    alike = gram / np.outer(scale, scale)
    if float(np.linalg.eigvalsh(alike).min()) < _SINGULAR:
        return None
    return np.asarray(np.linalg.inv(alike) / np.outer(scale, scale))


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
    controls = np.where(a.treated, 0.0, a.weight)
    # One product gives every sum: those of the outcomes and those of x, by each kind of weight.
    loads = np.vstack([a.x.T * controls, a.x.T * a.odds, a.own, a.odds, a.change])
    p, sums = a.x.shape[1], loads @ y
    of_x = loads[p : 2 * p + 2] @ a.x
    b = a.solve @ sums[:p]
    e1, e0 = sums[2 * p : 2 * p + 2] - of_x[p:] @ b
    m = sums[p : 2 * p] - of_x[:p] @ b - np.outer(of_x[p + 1], e0)
    return Means(b, sums[-1], e1, e0, m)


def by_period(a: Blend, s: Means, at: IntArray, y: FloatArray) -> FloatArray:
    """Influence of units on the weighted sum of the outcomes of every period, shape (c, T).

    Up to a constant in each unit, so only differences between periods are influences on effects.

    Parameters
    ----------
    at : ndarray, shape (c,)
        Positions within the blend.
    y : ndarray, shape (c, T)
        The units' outcomes.
    """
    # What does not hang on the unit's own outcomes is one product.
    return a.change[at, None] * y - a.parts[at] @ np.vstack([s.b, s.e1, -s.e0, s.m])
