"""Few doses: every cohort and dose is a group of its own, compared with the controls of its cohort.

The slope at a dose is the step from the next lower dose of the same cohort (from no dose, for the lowest), divided by
its height: cohorts that start at different times are never compared with each other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import counted
from gmvcausal.rollout.dose.rows import Doses, Row, series, weighted
from gmvcausal.rollout.fitted import Options, Series
from gmvcausal.rollout.group_time.cells import Cells, make_cells
from gmvcausal.rollout.group_time.effects import Effects, compared, drop_empty
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.group_time.tables import sides_of, units_behind
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.small_sample import groups_of_clusters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def saturated(panel: Panel, options: Options, control: str) -> Doses:
    """Effects of every cohort, dose and period, and their means by dose."""
    start, dose = panel.start, panel.dose
    assert dose is not None
    treated = start >= 0
    pairs, code = np.unique(np.column_stack([start[treated], dose[treated]]), axis=0, return_inverse=True)
    group = np.where(start == UNTREATED, len(pairs), -1)
    group[treated] = code
    starts, doses = pairs[:, 0].astype(np.int64), pairs[:, 1]

    def cells_on(base: str) -> Cells:
        made = make_cells(
            starts, panel.grid.position, bool((start == UNTREATED).any()), control, base, options.anticipation
        )
        # Units of the same start and another dose are no controls, before the start either.
        controls = made.controls.copy()
        controls[:, :-1] &= starts != starts[made.cohort][:, None]
        return replace(made, controls=controls).keep(np.asarray(controls.any(axis=1)))

    kin = None
    if (groups_of_clusters(group, panel.cluster, len(pairs) + 1) > len(pairs)).any():
        kin = np.append(np.unique(starts, return_inverse=True)[1], len(np.unique(starts)))
    effects = compared(cells_on(options.base_period), group, panel.y, panel.cluster, panel.weight, kin)
    if isinstance(effects, FromUnits) and effects.lost.any():
        # Units that no comparison reaches weigh in no mean over doses.
        left = np.where(effects.lost, -1, group)
        effects = compared(cells_on(options.base_period), left, panel.y, panel.cluster, panel.weight, kin)
    table = _Table(effects, starts, doses, panel)
    at = np.unique(doses[np.unique(effects.cells.cohort[effects.cells.event >= 0])])

    def trend() -> Series | None:
        cells = cells_on("universal")
        if isinstance(effects, FromUnits):
            other: Effects = drop_empty(replace(effects, cells=cells, listed=cells))
        else:
            other = replace(effects, cells=cells)
        return _Table(other, starts, doses, panel).trend()

    note = f"{counted(len(at), 'dose')}, each with an effect of its own"
    return Doses(
        at, effects, tuple(table.level(d) for d in at), tuple(table.slope(d) for d in at), table.average(at), trend,
        saturated=True, notes=(note,),
    )  # fmt: skip


class _Table:
    """Rows of the tables by dose."""

    def __init__(self, effects: Effects, starts: IntArray, doses: FloatArray, panel: Panel) -> None:
        self.effects, self.starts, self.doses, self.panel = effects, starts, doses, panel
        cells = effects.cells
        self.post = cells.event >= 0
        self.dose = doses[cells.cohort]
        self.width = len(cells.cohort) + len(effects.shares)
        # The cell of the next lower dose of the same cohort in the same period, -1 for the lowest.
        self.lower = np.full(len(cells.cohort), -1)
        order = np.lexsort((self.dose, cells.period, starts[cells.cohort]))
        key = np.column_stack([starts[cells.cohort], cells.period])[order]
        follows = np.flatnonzero((key[1:] == key[:-1]).all(axis=1)) + 1
        self.lower[order[follows]] = order[follows - 1]

    def _counts(self, cells: IntArray, controls: bool) -> int:
        """Clusters behind cells, or among their controls."""
        return int(sides_of(self.effects, [cells], self.panel.cluster)[controls][0])

    def _units(self, cells: IntArray) -> int:
        return units_behind(self.effects, cells)

    def level(self, dose: float) -> Row:
        """ATT at a dose: all post cells of units with it, by their number."""
        from scipy.sparse import csr_array

        at = np.flatnonzero(self.post & (self.dose == dose))
        k = len(self.dose)
        load = csr_array((np.ones(len(at)), (np.arange(len(at)), at)), shape=(len(at), k))
        estimate, row = weighted(self.effects, load, self.effects.cells.cohort[at], self.width)
        return Row(estimate, row, self._units(at), min(self._counts(at, False), self._counts(at, True)))

    def slope(self, dose: float) -> Row:
        """What one more unit of dose adds between the next lower dose and this one."""
        at = np.flatnonzero(self.post & (self.dose == dose))
        below = self.lower[at]
        least = self._counts(at, False)
        if (below >= 0).any():
            least = min(least, self._counts(below[below >= 0], False))
        if (below < 0).any():
            least = min(least, self._counts(at[below < 0], True))
        return self._steps(at, least)

    def average(self, at: FloatArray) -> Row:
        """The slope averaged over all treated units."""
        return self._steps(np.flatnonzero(self.post), min(self.slope(d).clusters for d in at))

    def _steps(self, at: IntArray, clusters: int) -> Row:
        from scipy.sparse import csr_array

        below = self.lower[at]
        has = below >= 0
        height = self.dose[at] - np.where(has, self.dose[below], 0.0)
        place = np.arange(len(at))
        load = csr_array(
            (np.concatenate([1 / height, -1 / height[has]]),
             (np.concatenate([place, place[has]]), np.concatenate([at, below[has]]))),
            shape=(len(at), len(self.dose)),
        )  # fmt: skip
        estimate, row = weighted(self.effects, load, self.effects.cells.cohort[at], self.width)
        return Row(estimate, row, self._units(at), clusters)

    def trend(self) -> Series | None:
        """Slope of the leads on the dose, by event time: the line through the doses of every cohort and period."""
        from scipy.sparse import csr_array

        effects, cells = self.effects, self.effects.cells
        rows, events = [], []
        for event in np.unique(cells.event[~self.post]):
            data, line, column, of = list[float](), list[int](), list[int](), list[int]()
            used = np.flatnonzero(~self.post & (cells.event == event))
            for start in np.unique(self.starts[cells.cohort[used]]):
                at = used[self.starts[cells.cohort[used]] == start]
                share = effects.shares[cells.cohort[at]]
                distance = self.dose[at] - share @ self.dose[at] / share.sum()
                spread = float(share @ distance**2)
                if len(at) < 2 or spread <= 0:
                    continue
                data += (share * distance / spread).tolist()
                line += [len(of)] * len(at)
                column += at.tolist()
                of.append(int(cells.cohort[at[np.argmax(share)]]))
            if of:
                load = csr_array((data, (line, column)), shape=(len(of), len(self.dose)))
                estimate, row = weighted(effects, load, np.array(of), self.width)
                row[len(self.dose) :] = 0.0  # the weights of the test count as fixed
                at = np.array(column)
                levels = [self._counts(at[self.dose[at] == d], False) for d in np.unique(self.dose[at])]
                rows.append(Row(estimate, row, self._units(at), sum(levels)))
                events.append(int(event))
        return series(effects, np.array(events), tuple(rows)) if rows else None
