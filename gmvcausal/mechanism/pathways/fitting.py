"""Every regression of a mediation, fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.pathways.along import Along
from gmvcausal.mechanism.pathways.equations import Equation, fit
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.system import Model, System
from gmvcausal.mechanism.pathways.within import within

FloatArray = NDArray[np.float64]


def fit_system(rows: Rows, model: Model, along: Along | None = None) -> System:
    """Fit every regression, with the products of `along` where every step varies.

    Raises
    ------
    DesignError
        A likelihood without a maximum: treatment, mediators and covariates tell some outcomes (mediators) exactly.
    """
    one, t, k = np.ones(rows.n), rows.t, rows.m.shape[1]
    crossed = [t * rows.m[:, j] for j in model.crossed]
    free = [np.zeros((rows.n, 0))] * 2 if along is None else [
        along.columns(terms, t, rows.m) for terms in (along.outcome, along.first)
    ]  # fmt: skip
    x_out = np.column_stack([one, t, rows.m, *crossed, rows.x, free[0]])
    x_first = np.column_stack([one, t, rows.x, free[1]])
    y, m = rows.y, rows.m
    if rows.fixed:
        whole = within(np.column_stack([y, x_out[:, 1:], x_first[:, 1:]]), rows.fixed)
        if whole is None:
            raise DesignError(
                "the means of fixed= do not settle: its columns nearly tell each other",
                remedy="name one of them, or numbers of coarser groups",
            )
        y, x_out, x_first = np.split(whole, [1, x_out.shape[1]], axis=1)
        y, m = y[:, 0], x_out[:, 1 : 1 + k]
    gone = rows.absorbed
    first = [_fitted(kind, x_first, rows.m[:, j] if kind == "logit" else m[:, j], rows.mediators[j], gone=gone)
             for j, kind in enumerate(model.mediators)]  # fmt: skip
    chain: list[Equation] = []
    if model.ordered:
        at = 0 if rows.fixed else 1
        for j in range(k):
            x = np.column_stack([x_first[:, : at + 1], m[:, :j], x_first[:, at + 1 :]])
            chain.append(_fitted("linear", x, m[:, j], rows.mediators[j], gone=gone))
    name = rows.outcome
    outcome: tuple[Equation, ...]
    if model.outcome == "hurdle":
        some = rows.y > 0
        outcome = (_fitted("logit", x_out, some.astype(float), name), _fitted("log", x_out, rows.y, name, some))
    else:
        kind = {"poisson": "log"}.get(model.outcome, model.outcome)
        outcome = (_fitted(kind, x_out, y, name, gone=gone),)
    return System(rows, model, outcome, tuple(first), tuple(chain), along)


def _fitted(
    kind: str, x: FloatArray, y: FloatArray, name: str, keep: NDArray[np.bool_] | None = None, gone: int = 0
) -> Equation:
    found = fit(kind, x, y, keep, gone)
    if found is None:
        raise DesignError(
            f"the {kind} regression of {name!r} has no estimate: treatment, mediators and covariates tell some of its "
            "values exactly",
            column=name,
            remedy="use fewer covariates, or least squares: outcome_model='linear', mediator_model='linear'",
        )
    return found
