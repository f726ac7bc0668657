"""From a panel to what synthetic comparisons need: the paths of the controls, and of every cohort that starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.rollout.fitted import no_stack
from gmvcausal.rollout.intake.cohorts import UNTREATED, check_variation
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.synthetic.paths import BoolArray, FloatArray, IntArray, Method, Weighted


@dataclass(frozen=True)
class Design:
    """Complete paths, ready for a method.

    Attributes
    ----------
    controls : ndarray, shape (N, T)
        Paths of the units never treated, less `centre`.
    treated : ndarray, shape (k, T)
        Paths of the treated units, less `centre`.
    cohort : ndarray of int, shape (k,)
        Cohort of every treated unit: a row of `before` and `after`.
    before, after : ndarray of bool, shape (G, T)
        Per cohort, the periods fitted on and the periods averaged over.
    starts : ndarray of int, shape (G,)
        Column in which each cohort starts.
    centre : float
        Taken off all outcomes, so that a large constant costs no digits.
    """

    controls: FloatArray
    treated: FloatArray
    cohort: IntArray
    before: BoolArray
    after: BoolArray
    starts: IntArray
    centre: float = 0.0

    @cached_property
    def sizes(self) -> IntArray:
        """Treated units of every cohort, shape (G,)."""
        return np.bincount(self.cohort, minlength=len(self.starts))

    @cached_property
    def paths(self) -> FloatArray:
        """Mean path of every cohort, shape (G, T)."""
        return np.stack([self.treated[self.cohort == g].mean(axis=0) for g in range(len(self.starts))])


@dataclass(frozen=True)
class Answer:
    """Every cohort's comparison, and their mean by treated unit-periods.

    Attributes
    ----------
    cohorts : tuple of Weighted
    share : ndarray, shape (G,)
        Weight of every cohort: its treated unit-periods over all; adds up to 1 (Clarke and others 2023).
    """

    cohorts: tuple[Weighted, ...]
    share: FloatArray

    @property
    def estimate(self) -> float:
        """Mean effect over the treated unit-periods."""
        return float(self.share @ [w.estimate for w in self.cohorts])

    @property
    def scale(self) -> float:
        """How far the gaps lie from zero before the start: what the estimate is measured by in placebo runs."""
        return float(np.sqrt(np.sum((self.share * [w.rmspe_before for w in self.cohorts]) ** 2)))


def shares(design: Design, sizes: IntArray | None = None) -> FloatArray:
    """Treated unit-periods of every cohort over all of them, shape (G,)."""
    cells = (design.sizes if sizes is None else sizes) * design.after.sum(axis=1)
    return np.asarray(cells / cells.sum())


def compare(design: Design, method: Method) -> Answer:
    """The method, cohort by cohort, against the units never treated."""
    found = tuple(
        method(design.controls, path, int(size), before, after)
        for path, size, before, after in zip(design.paths, design.sizes, design.before, design.after, strict=True)
    )
    return Answer(found, shares(design))


def design_of(panel: Panel, anticipation: int) -> Design:
    """Check that the panel can be compared path by path, and take it apart.

    Raises
    ------
    InputError
        Absent unit-periods (with their number), weights, a treatment that was assigned above the unit.
    DesignError
        No control unit.
    """
    no_stack(panel)
    check_variation(panel.start, "first_treated", panel.cohorts)
    if panel.weight is not None:
        raise InputError(
            "weights= has no meaning for synthetic comparisons, which find their own weights", remedy="leave it out"
        )
    used = panel.start >= UNTREATED
    if panel.n_clusters < len(panel.y):
        raise InputError(
            f"the {len(panel.y):,} units lie in {panel.n_clusters:,} clusters (by {panel.cluster_name}), and synthetic "
            "comparisons weigh the units that the treatment was given to",
            column=panel.cluster_name,
            remedy=f"sum to one row per {panel.cluster_name} and period, for example with Logs.panel(unit=...)",
        )
    y, start = panel.y[used], panel.start[used]
    absent = ~np.isfinite(y)
    if absent.any():
        units = int(absent.any(axis=1).sum())
        raise InputError(
            f"{int(absent.sum()):,} unit-periods of {units:,} units are absent, and synthetic comparisons need "
            "complete paths",
            remedy="supply the rows (a period without sales is a zero), leave out these units, or use the default "
            "estimator, which takes gaps",
        )
    control = start == UNTREATED
    if not control.any():
        raise DesignError(
            "no unit is untreated throughout, so there is nothing to weigh",
            remedy="supply units that never got the tactic, or take control='not_yet_treated' of the default estimator",
        )
    starts, cohort = np.unique(start[~control], return_inverse=True)
    position, columns = panel.grid.position, np.arange(y.shape[1])
    before = position < position[starts][:, None] - anticipation
    if not before.any(axis=1).all():
        raise DesignError(
            "anticipation= leaves a cohort no period before its start", remedy="supply earlier periods, or lower it"
        )
    centre = float(y[control].mean())
    return Design(
        y[control] - centre,
        y[~control] - centre,
        cohort.astype(np.int64),
        before,
        columns >= starts[:, None],
        starts,
        centre,
    )
