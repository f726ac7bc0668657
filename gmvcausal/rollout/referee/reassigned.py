"""The headline under other dates of treatment, or without some clusters, from sums: the units are read once.

Where all rows are there, an estimator of this room gives units of one cohort one weight in every period, so the panel
of cohort means, weighted by their sizes, has the same point estimate. It has a handful of rows whatever the number of
units, and takes milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalError
from gmvcausal.rollout.audit.case import subset
from gmvcausal.rollout.fitted import FloatArray, IntArray, Options
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.methods import METHODS

BoolArray = NDArray[np.bool_]
_EXACT = 1e-9


@dataclass(frozen=True, eq=False)
class Lots:
    """What is assigned as one: clusters, or units where treatment varies within clusters.

    Attributes
    ----------
    panel : Panel
    options : Options
        Without requests for other inference: only the point is looked at.
    of_row : ndarray of int, shape (R,)
        The lot of every row of the panel.
    start : ndarray of int, shape (C,)
    total : ndarray, shape (C, T)
        Weighted sums of the outcome.
    size : ndarray, shape (C,)
    by_means : bool
        Whether the means of cohorts give the estimate.
    """

    panel: Panel
    options: Options
    of_row: IntArray
    start: IntArray
    total: FloatArray
    size: FloatArray
    by_means: bool

    @property
    def order(self) -> IntArray:
        """An order of lots by what they did, so that neither names nor rows decide what is drawn."""
        return np.lexsort((*self.total.T, self.size))

    def headline(self, start: IntArray, use: BoolArray | None = None) -> float:
        """The estimate if lots had started at `start`, from the lots marked by `use`.

        Raises
        ------
        GmvCausalError
            As the estimator does for such a panel.
        """
        use = np.ones(len(start), dtype=bool) if use is None else use
        if not self.by_means:
            rows = use[self.of_row]
            panel = replace(self.panel, start=start[self.of_row], on=None)
            return _point(panel if rows.all() else subset(panel, rows), self.options)
        starts, group = np.unique(start[use], return_inverse=True)
        # Most lots are controls, as a rule: the largest group is what the others leave of the whole.
        size = np.asarray(np.bincount(group, self.size[use], minlength=len(starts)), dtype=float)
        total, most = np.zeros((len(starts), self.total.shape[1])), int(np.bincount(group).argmax())
        place = np.flatnonzero(use)
        for h in range(len(starts)):
            if h != most:
                total[h] = self.total[place[group == h]].sum(axis=0)
        rest = self._whole - self.total[~use].sum(axis=0) if not use.all() else self._whole
        total[most] = rest - total.sum(axis=0)
        return _point(_of_means(self.panel, starts, total / size[:, None], size), self.options)

    @property
    def _whole(self) -> FloatArray:
        return np.asarray(self.total.sum(axis=0))


def lots_of(panel: Panel, options: Options, estimate: float, asked: str = "treatment cannot be assigned anew") -> Lots:
    """Sums of the lots of a panel.

    Parameters
    ----------
    estimate : float
        The headline as it was estimated, which the means of cohorts have to give too.
    asked : str
        What a refusal says cannot be done.

    Raises
    ------
    DesignError
        Stacked campaigns, a treatment that switches off, an estimator without a control group, or one that compares
        single units.
    """
    refuse(panel, options, asked)
    options = replace(options, inference=None, assignment=None)
    if panel.dose is not None:
        # The headline is that of the default; units that are treated in name only have no dose.
        panel, options = replace(panel, dose=None), replace(options, estimator="callaway_santanna")
    first = np.full(panel.n_clusters, ALWAYS - 1, dtype=np.int64)
    first[panel.cluster] = panel.start
    whole = bool((first[panel.cluster] == panel.start).all())
    of_row = panel.cluster if whole else np.arange(len(panel.start))
    n = int(of_row.max()) + 1
    start = np.empty(n, dtype=np.int64)
    start[of_row] = panel.start
    weight = np.ones(len(of_row)) if panel.weight is None else panel.weight
    full = bool(np.isfinite(panel.y.sum())) and panel.covariates is None and panel.eligible is None
    level = float(panel.y[np.isfinite(panel.y)].mean())  # effects are differences: a common level costs only digits
    rows = weight[:, None] * (np.nan_to_num(panel.y, nan=level) - level)
    if n == len(of_row) and (of_row == np.arange(n)).all():
        total = rows
    else:
        total = np.zeros((n, rows.shape[1]))
        np.add.at(total, of_row, rows)
    size = np.asarray(np.bincount(of_row, weight), dtype=float)
    made = Lots(panel, options, of_row, start, total, size, full)
    if not full:
        return made
    span = max(float(np.abs(panel.y - level).max()), abs(estimate))
    try:
        same = abs(made.headline(start) - estimate) <= _EXACT * span
    except GmvCausalError:
        same = False
    return made if same else replace(made, by_means=False)


def refuse(panel: Panel, options: Options, asked: str) -> None:
    """Refuse designs without dates of treatment that could be other dates; `asked` is what they cannot have."""
    why, remedy = "", "use estimator='callaway_santanna' or 'twfe'"
    if panel.stack is not None:
        why, remedy = "campaigns are stacked", "call did on the rows of one campaign, without stack="
    elif options.estimator == "naive":
        why = "the naive comparison has no control group"
    elif options.estimator.endswith(("synthetic_control", "synthetic_did")):
        why = "synthetic comparisons have placebo runs of their own, placebos()"
    elif panel.on is not None and not absorbing(panel):
        why = "the treatment switches off again"
        remedy = (
            "give the first start of each unit as first_treated=, in place of treated=: that is the effect of having "
            "started, whatever came after"
        )
    if why:
        raise DesignError(f"{asked}, because {why}", remedy=remedy)


def absorbing(panel: Panel) -> bool:
    """Whether treatment, once on, stays on."""
    assert panel.on is not None
    after = (np.arange(panel.on.shape[1]) >= panel.start[:, None]) & (panel.start[:, None] >= 0)
    after |= panel.start[:, None] == ALWAYS
    return bool((np.isnan(panel.on) | (panel.on == after)).all())


def _point(panel: Panel, options: Options) -> float:
    return float(METHODS[options.estimator].run(panel, options).estimates.estimate[0])


def _of_means(panel: Panel, starts: IntArray, mean: FloatArray, size: FloatArray) -> Panel:
    h = np.arange(len(starts))
    return replace(
        panel, y=mean, on=None, start=starts, unit=h, unit_code=h, cluster=h, weight=size, offset=None, other=None,
        size=None, place=None, exposed=None, notes=[], dropped={},
    )  # fmt: skip


def cut(panel: Panel, columns: IntArray) -> Panel:
    """The panel in some of its periods: units treated later are untreated there, those treated from the first drop out.

    Parameters
    ----------
    columns : ndarray of int
        In ascending order.
    """
    g, x = panel.grid, panel.covariates
    place = g.position[columns] - g.position[columns[0]]
    moved = np.searchsorted(columns, panel.start)
    start = np.where(panel.start < 0, panel.start, np.where(moved == len(columns), UNTREATED, moved))
    start = np.where((panel.start >= 0) & (moved == 0), ALWAYS, start)
    late = panel.later
    if late is not None:
        gone = (panel.start >= 0) & (moved == len(columns))
        late = np.where(gone, g.values[np.maximum(panel.start, 0)], late)
    exposed = panel.exposed
    if exposed is not None:
        start, exposed = _reached_in(columns, start, exposed)
    return replace(
        panel,
        later=late,
        y=panel.y[:, columns],
        on=None if panel.on is None else panel.on[:, columns],
        other=None if panel.other is None else panel.other[:, columns],
        start=start,
        exposed=exposed,
        covariates=replace(x, x=x.x[:, columns]) if x is not None and x.moving else x,
        grid=replace(g, values=g.values[columns], position=place),
        cut=None if panel.cut is None else replace(panel.cut, whole=panel.cut.whole[:, columns]),
    )


def _reached_in(columns: IntArray, start: IntArray, exposed: IntArray) -> tuple[IntArray, IntArray]:
    """Starts and exposures where only `columns` are seen: units first exposed later are clean there."""
    moved = np.where(exposed >= 0, np.searchsorted(columns, exposed), exposed)
    later, first = moved == len(columns), (exposed >= 0) & (moved == 0)
    start = np.where((start == ALWAYS) & later, UNTREATED, np.where(first, ALWAYS, start))
    return start, np.where(later, UNTREATED, np.where(first, ALWAYS, moved))
