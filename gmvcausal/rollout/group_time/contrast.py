"""Group-time effects of a triple difference: those among the eligible less those among the ineligible.

Both sides are cells of one set of group-time effects, so the covariance between them, which clusters that hold
eligible and ineligible units bring about, is that of one list of comparisons. Its groups are the cohorts of the
eligible, those of the ineligible, and the ineligible and the eligible that are never treated, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.group_time.cells import Cells, make_cells
from gmvcausal.rollout.group_time.effects import grouped
from gmvcausal.rollout.group_time.from_moments import FromMoments
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.stats.small_sample import Spread, groups_of_clusters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_CELLS_AT_ONCE = 250


@dataclass(frozen=True)
class Contrast:
    """Effects among the eligible less effects among the ineligible.

    Attributes
    ----------
    cells : Cells
        Of the eligible; the K of the ineligible follow them in `both`.
    both : FromMoments or FromUnits
        2K cells.
    """

    cells: Cells
    both: FromMoments | FromUnits

    @property
    def group(self) -> IntArray:
        """Group of every unit in `both`, negative where left out."""
        return self.both.group

    @property
    def n(self) -> FloatArray:
        """Eligible units: of every cohort, and last the untreated."""
        return np.append(self.both.n[: len(self.cells.starts)], self.both.n[-1])

    @property
    def cell_units(self) -> FloatArray:
        """Eligible treated units behind every cell, shape (K,)."""
        return self.both.cell_units[: len(self.cells.cohort)]

    @property
    def shares(self) -> FloatArray:
        """Share of each cohort's eligible units among all units used, shape (G,)."""
        return self.both.shares[: len(self.cells.starts)]

    @property
    def att(self) -> FloatArray:
        """Difference of the two sides' effects, shape (K,)."""
        eligible, ineligible = self.both.att.reshape(2, -1)
        return np.asarray(eligible - ineligible)

    def ineligible(self, rows: FloatArray) -> FloatArray:
        """The same aggregates of the effects among the ineligible alone, as rows of `both`; shares count as fixed."""
        k = len(self.cells.cohort)
        out = np.zeros((len(rows), 2 * k + len(self.both.shares)))
        out[:, k : 2 * k] = rows[:, :k]
        return out

    def _rows(self, rows: FloatArray) -> FloatArray:
        k, g = len(self.cells.cohort), len(self.cells.starts)
        out = np.zeros((len(rows), 2 * k + len(self.both.shares)))
        out[:, :k], out[:, k : 2 * k] = rows[:, :k], -rows[:, :k]
        out[:, 2 * k : 2 * k + g] = rows[:, k:]
        return out

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of ``rows @ [att, shares]`` by clusters, shape (a, a), and how intervals are made from it."""
        return self.both.uncertainty(self._rows(rows))

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Covariance of ``rows @ [att, shares]``, shape (a, a)."""
        return self.uncertainty(rows)[0]

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one aggregate, shape (N,)."""
        return self.both.influence(self._rows(row[None, :])[0])

    def variances(self) -> FloatArray:
        """Variance of every cell without their joint covariance, shape (K,)."""
        k, out = len(self.cells.cohort), np.empty(len(self.cells.cohort))
        for low in range(0, k, _CELLS_AT_ONCE):
            at = np.arange(low, min(low + _CELLS_AT_ONCE, k))
            rows = np.zeros((len(at), k + len(self.cells.starts)))
            rows[at - low, at] = 1.0
            out[at] = np.diag(self.covariance(rows))
        return out

    def rebased(self, position: IntArray, base_period: str, anticipation: int) -> Contrast:
        """The same data with another base period."""
        cells = make_cells(self.cells.starts, position, True, "never_treated", base_period, anticipation)
        whole = both_sides(cells)
        if isinstance(self.both, FromUnits):
            return _drop_empty(cells, replace(self.both, cells=whole, listed=whole))
        return Contrast(cells, replace(self.both, cells=whole))

    @property
    def lost(self) -> BoolArray:
        """Treated units that no post comparison reaches, shape (N,)."""
        return self.both.lost if isinstance(self.both, FromUnits) else np.zeros(len(self.group), dtype=bool)


def both_sides(cells: Cells) -> Cells:
    """The comparisons among the eligible, then those among the ineligible, in the groups of a triple difference."""
    k, g = len(cells.cohort), len(cells.starts)
    controls = np.zeros((2 * k, 2 * g + 2), dtype=bool)
    controls[:k, 2 * g + 1] = True
    controls[k:, 2 * g] = True
    return Cells(
        np.concatenate([cells.cohort, cells.cohort + g]),
        np.tile(cells.period, 2),
        np.tile(cells.base, 2),
        controls,
        np.tile(cells.event, 2),
        np.concatenate([cells.starts, cells.starts, [UNTREATED]]),
    )


def contrast(
    y: FloatArray, start: IntArray, eligible: BoolArray, cluster: IntArray, weight: FloatArray | None,
    position: IntArray, base_period: str, anticipation: int,
) -> Contrast:  # fmt: skip
    """Triple differences of a panel, by cohort and period.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        NaN where a cell is absent.
    start : ndarray, shape (N,)
        Column of first treatment of the unit's place, eligible or not; negative codes as in `cohorts`. Every cohort,
        and the untreated, hold eligible and ineligible units.
    eligible : ndarray of bool, shape (N,)
    cluster, weight, position, base_period, anticipation
        See `group_time`.
    """
    starts = np.unique(start[start >= 0])
    g = len(starts)
    place = np.searchsorted(starts, start)
    group = np.where(start >= 0, place + np.where(eligible, 0, g), np.where(eligible, 2 * g + 1, 2 * g))
    group = np.where(start < UNTREATED, -1, group).astype(np.int64)
    cells = make_cells(starts, position, True, "never_treated", base_period, anticipation)
    whole = both_sides(cells)
    kin = None
    if (groups_of_clusters(group, cluster, 2 * g + 2) > 2 * g + 1).any():
        kin = np.concatenate([np.arange(g), np.arange(g), [g, g]])
    made = grouped(whole, group, y, cluster, weight, kin)
    return _drop_empty(cells, made) if isinstance(made, FromUnits) else Contrast(cells, made)


def _drop_empty(cells: Cells, both: FromUnits) -> Contrast:
    """Leave out comparisons for which one of the four groups has no unit in both periods."""
    keep = np.asarray(np.isfinite(both.att).reshape(2, -1).all(axis=0))
    if keep.all():
        return Contrast(cells, both)
    return Contrast(cells.keep(keep), replace(both, cells=both.cells.keep(np.tile(keep, 2))))
