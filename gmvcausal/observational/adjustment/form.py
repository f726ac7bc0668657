"""Does the answer of a regression hang on its straight lines? It is asked again with lines that may bend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.observational.adjustment.intake import Sample
from gmvcausal.observational.adjustment.learn import learn
from gmvcausal.observational.adjustment.numbers import ESTIMATORS, Found, spread_of
from gmvcausal.observational.graphs.frontdoor import FrontDoor, front_door
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.logit import independent
from gmvcausal.stats.nuisance.bends import bent

FloatArray = NDArray[np.float64]

# Estimators that rest on a form which bends can contradict; matching jumps, so that the error of a change is not known.
TESTED = ("regression", "ipw")
ASSUMED = {
    "regression": "the outcome follows straight lines in the covariates within either arm",
    "ipw": "the log odds of the treatment follow a straight line in the covariates",
    "matching": "the log odds of the treatment follow a straight line in the covariates",
}
# Rows of the smaller arm for each bend, and the most bends: with more the change has an error that its own influences
# understate.
_EACH, _MOST = 15, 24
_FEW = 8  # values of a mediator that are all taken


class Change(NamedTuple):
    """What bends change.

    Attributes
    ----------
    estimate : float
        With bends.
    gap : float
        Less the estimate without them.
    p_value : float
        Of the test that both estimate the same (Hausman 1978).
    errors : float
        The gap in standard errors of the estimate without bends.
    """

    estimate: float
    gap: float
    p_value: float
    errors: float


def change(s: Sample, found: Found, estimator: str, estimand: str) -> Change | None:
    """The estimate again, with hinges and products beside the covariates.

    The variance of the change is that of the difference of influences, row by row or cluster by cluster.

    Returns
    -------
    Change or None
        None where nothing can bend, rows are too few, or bends separate the arms.
    """
    wider = bending(s)
    if wider is None:
        return None
    try:
        other = ESTIMATORS[estimator](wider, learn(wider, False, 2, 0, 1), estimand)
    except DesignError:
        return None
    own, _ = spread_of(s, found.influence, found.used, found.adjusted)
    variance, spread = spread_of(s, other.influence - found.influence, other.used, found.adjusted)
    gap = other.estimate - found.estimate
    error = float(np.sqrt(variance))
    if not error > 1e-9 * np.sqrt(own) > 0:
        return None
    p = float(p_value(np.array([gap]), np.array([error]), float(spread.df[0]))[0])
    return Change(other.estimate, gap, p, abs(gap) / float(np.sqrt(own)))


def through_mediators(s: Sample, m: FloatArray, plain: FrontDoor) -> Change | None:
    """The front door again, the outcome following hinges of the mediators as well; all values of those with few."""
    knots = min(int(s.sizes.min()) // _EACH // m.shape[1], 4)
    parts = [m]
    for column in m.T:
        values = np.unique(column)
        at = (
            values[1:-1]
            if len(values) <= _FEW
            else np.unique(np.quantile(column, np.arange(1, knots + 1) / (knots + 1)))
        )
        at = at[(at > values[0]) & (at < values[-1])] if knots else at[:0]
        parts.append(np.maximum(column[:, None] - at, 0.0))
    whole = np.column_stack(parts)
    if whole.shape[1] == m.shape[1]:
        return None
    other = front_door(s.y, s.treated.astype(float), whole, tilted=m.shape[1])
    own, _ = spread_of(s, plain.influence)
    variance, spread = spread_of(s, other.influence - plain.influence)
    gap = other.estimate - plain.estimate
    if not variance > 1e-18 * own > 0:
        return None
    p = float(p_value(np.array([gap]), np.array([variance**0.5]), float(spread.df[0]))[0])
    return Change(other.estimate, gap, p, abs(gap) / own**0.5)


def bending(s: Sample) -> Sample | None:
    """The rows with bends of the covariates beside them: those that say something in both arms."""
    fewest = int(s.sizes.min()) if s.cluster is None else min(int(s.sizes.min()), int(s.cluster.max()) + 1)
    x: Any = np.asarray(s.x, dtype=np.float32)
    added = bent(x, (), room=min(max(fewest // _EACH - s.x.shape[1], 0), _MOST))[:, s.x.shape[1] :].astype(np.float64)
    if not added.shape[1]:
        return None
    spread = added.std(axis=0)
    added = added[:, spread > 0]
    added = (added - added.mean(axis=0)) / added.std(axis=0)
    whole = np.column_stack([s.design, added])
    keep = independent(whole[s.treated]) & independent(whole[~s.treated])
    keep[: s.x.shape[1] + 1] = True
    if keep.sum() == s.x.shape[1] + 1:
        return None
    names = (*s.names, *(f"bend {k}" for k in range(added.shape[1])))
    kept = tuple(name for name, on in zip(names, keep[1:], strict=True) if on)
    return replace(s, x=np.asfortranarray(whole[:, 1:][:, keep[1:]]), names=kept, source=kept)
