"""Whether a covariate moves both steps, from treatment to mediator and on to the outcome, which biases their product.

With one step for everybody an indirect effect is a mean times a mean; where both steps are large for the same people
the mean of the product is more, and what is missing turns up as a direct effect that is none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.pathways.along import along_of
from gmvcausal.mechanism.pathways.equations import Equation, fit
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.system import System
from gmvcausal.mechanism.pathways.within import within
from gmvcausal.stats.inference import wald
from gmvcausal.stats.multiplicity import holm

FloatArray = NDArray[np.float64]

_TOLD = 1e-9  # of a product's squares, below which the regression tells it


class Varying(NamedTuple):
    """The covariate that most surely moves both steps.

    Attributes
    ----------
    covariate, mediator : str
    column : int
        Of the covariates.
    p : float
        Larger of the p-values of both steps, by Holm over covariates and mediators.
    tests : int
    """

    covariate: str
    mediator: str
    column: int
    p: float
    tests: int


class Moved(NamedTuple):
    """What the part that moves most does where both steps are left free.

    Attributes
    ----------
    part : str
    was, now : float
    errors : float
        The move in standard errors of the part.
    """

    part: str
    was: float
    now: float
    errors: float


def varying(system: System) -> Varying | None:
    """Score tests, one covariate at a time; None where no covariate is left to test.

    The first step: treatment x covariate in the mediator's mean. The second: mediator x covariate and treatment x
    covariate in the outcome's model. A covariate counts with the larger of both p-values.
    """
    rows = system.rows
    p = rows.x.shape[1]
    if not p:
        return None
    products = np.column_stack([rows.t[:, None] * rows.x, *(m[:, None] * rows.x for m in rows.m.T)])
    if rows.fixed:
        moved = within(products, rows.fixed)
        assert moved is not None  # the rows were refused otherwise
        products = moved
    by_outcome = [_scores(eq, products, rows) for eq in system.outcome]
    found, places = [], []
    for j in range(system.k):
        eq = system.first[j]
        if eq.kind != "linear":  # what is taken times a slope of the outcome is the mean of the mediator
            straight = fit("linear", eq.x, rows.m[:, j])
            assert straight is not None  # least squares has one
            eq = straight
        one = _scores(eq, products[:, :p], rows)
        for c in range(p):
            if not one[:, c].any():
                continue
            first = _p(one[:, [c]])
            second = min(_p(own[:, [c, p * (1 + j) + c]]) for own in by_outcome) * len(by_outcome)
            found.append(min(max(first, second), 1.0))
            places.append((j, c))
    if not found:
        return None
    adjusted = holm(found)
    best = int(np.argmin(adjusted))
    j, c = places[best]
    return Varying(rows.covariates[c], rows.mediators[j], c, float(adjusted[best]), len(found))


def left_free(system: System, column: int) -> Moved | None:
    """The parts with both steps free along one more covariate; None where that has no estimate."""
    rows, model = system.rows, system.model
    w = rows.x[:, [column]]
    if system.along is not None:
        w = np.column_stack([system.along.w, w])
    try:
        free = fit_system(rows, model, along_of(rows, w, model.crossed))
    except (DesignError, np.linalg.LinAlgError):
        return None
    now = np.asarray(free.means([eq.beta for eq in free.equations], np.ones(rows.n)), dtype=np.float64)
    was, influence = system.found
    error = np.sqrt((rows.by_unit(influence) ** 2).sum(axis=0))
    size = np.divide(np.abs(now - was), error, out=np.zeros(len(was)), where=error > 0)
    at = 1 + int(np.argmax(size[1:]))
    part = "the direct effect" if at < 3 else f"the effect by way of {rows.mediators[(at - 3) // 2]!r}"
    return Moved(part, float(was[at]), float(now[at]), float(size[at]))


def _scores(eq: Equation, products: FloatArray, rows: Rows) -> FloatArray:
    """What each row (cluster) adds to the score of every product; 0 of those that the regression tells."""
    weighted = eq.x if eq.curve is None else eq.x * eq.curve[:, None]
    left = products - eq.x @ (eq.bread @ (weighted.T @ products))
    told = (left * left).sum(axis=0) <= _TOLD * (products * products).sum(axis=0)
    left[:, told] = 0.0
    return rows.by_unit(left * eq.residual[:, None])


def _p(own: FloatArray) -> float:
    live = own[:, own.any(axis=0)]
    if not live.shape[1]:
        return 1.0
    p = wald(live.sum(axis=0), live.T @ live, len(live))[1]
    return 1.0 if np.isnan(p) else p
