"""What a check of a roll-out may look at, and how it runs the estimator again on changed data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Estimates
from gmvcausal.rollout.fitted import Fitted, Options, Series
from gmvcausal.rollout.intake.naive_means import Naive
from gmvcausal.rollout.intake.panel import Panel


@dataclass(frozen=True)
class Case:
    """What a check may look at.

    Attributes
    ----------
    rerun : callable
        From a changed panel to its estimates.
    event : Series or None
    naive : Naive
        Means with and without treatment.
    """

    panel: Panel
    fitted: Fitted
    options: Options
    rerun: Callable[[Panel], Estimates]
    event: Series | None
    naive: Naive


def subset(panel: Panel, rows: NDArray[np.bool_]) -> Panel:
    """The panel of the marked rows."""
    return replace(
        panel,
        y=panel.y[rows],
        on=None if panel.on is None else panel.on[rows],
        start=panel.start[rows],
        unit=panel.unit[rows],
        unit_code=panel.unit_code[rows],
        cluster=np.unique(panel.cluster[rows], return_inverse=True)[1],
        weight=None if panel.weight is None else panel.weight[rows],
        offset=None if panel.offset is None else panel.offset[rows],
        stack=None if panel.stack is None else panel.stack[rows],
        other=None if panel.other is None else panel.other[rows],
        size=None if panel.size is None else panel.size[rows],
        cut=None,
        place=None if panel.place is None else panel.place[rows],
        dose=None if panel.dose is None else panel.dose[rows],
        eligible=None if panel.eligible is None else panel.eligible[rows],
        later=None if panel.later is None else panel.later[rows],
        exposed=None if panel.exposed is None else panel.exposed[rows],
        covariates=None if panel.covariates is None else panel.covariates.take(rows),
        row_of=None,
        notes=[],
        dropped={},
    )


def retry(case: Case, panel: Panel) -> str:
    """The headline on a changed panel, in words; a rerun that cannot be made says why."""
    try:
        again = case.rerun(panel)
    except GmvCausalError as error:
        return f"the rerun is not possible ({error.rule})"
    estimate, se = float(again.estimate[0]), float(again.std_error[0])
    return f"{estimate:+.4g}" + (f" ({se:.4g})" if math.isfinite(se) else "")


def p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
