"""A validated panel: what every estimator of this room is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments, from_arrays
from gmvcausal.rollout.intake.cohorts import UNTREATED, Cohorts
from gmvcausal.rollout.intake.covariates import Covariates
from gmvcausal.rollout.intake.facts import Facts, MatrixFacts
from gmvcausal.rollout.intake.grid import Grid
from gmvcausal.rollout.intake.summed import Summed

if TYPE_CHECKING:
    from gmvcausal.rollout.intake.winsor import Cut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOT_LATER = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Panel:
    """A validated panel.

    Attributes
    ----------
    y : ndarray of float64, shape (R, T)
        Outcome; NaN where the cell is absent. `Summed` where only sums are held: the rows are then groups of units.
    on : ndarray of float64, shape (R, T), or None
        1 where the tactic is on, 0 where off, NaN where absent (only where `treated=` was given).
    start : ndarray of int64, shape (R,)
        Column of first treatment, `UNTREATED` or `ALWAYS`.
    cluster : ndarray of int64, shape (R,)
        Dense code of each row's cluster.
    cluster_name : str
    weight : ndarray of float64, shape (R,), or None
    grid : Grid
    offset, stack, stack_labels
        See `Layout`; None without `stack=`.
    other : ndarray of float64, shape (R, T), or None
        1 where another campaign is active (from a column ``other_tactic`` of a stacked frame).
    rows, columns : int
        Shape of the data as they came.
    coarser : tuple of str
        Unused columns within which treatment does not vary, though they are coarser than the cluster.
    parts : float
        Shorter periods averaged in each row (a column ``parts`` that `Logs.panel` writes with ``per=``), 1 without;
        NaN where rows differ.
    has_parts : bool
        Whether the frame has that column.
    moving : dict of str to int
        Columns that name a place (`COARSER`) -> units that occur under more than one: one id for two units, perhaps.
    covariates : Covariates or None
    notes : list of str
    dropped : dict
    meta : dict
        What `Logs` wrote about the frame; empty for a plain frame.
    size : ndarray, shape (R,), or None
        Members of each row's unit, where `size=` was given.
    dose : ndarray, shape (R,), or None
        Dose of each treated unit, 0 for the others, where `dose=` was given.
    eligible : ndarray of bool, shape (R,), or None
        Whom the tactic is meant for, where `eligible=` was given.
    later : ndarray of int64, shape (R,), or None
        With `eligible=`: the date of units that start after the last period, `NOT_LATER` for all others.
    crossed : bool
        Whether every unit is a person seen once (repeated cross-sections, ``unit=None``).
    row_of : ndarray of int64, shape (rows,), or None
        With `crossed`: the unit of each row of the data.
    cut : Cut or None
        Where outcomes were capped, with ``winsorise=``.
    place : ndarray, shape (R, 2), or None
        Latitude and longitude in degrees, where `coordinates=` was given.
    people : bool
        Whether units are people: no id of theirs is shown, and no group of fewer than ten (see `holds_people`).
    exposed : ndarray of int64, shape (R,), or None
        Column in which a unit not yet treated was first exposed to others' treatment, `UNTREATED` where it never was,
        `ALWAYS` where it is left out. Units that are exposed and never treated have `ALWAYS` in `start`: they are
        nobody's controls.
    """

    y: FloatArray
    on: FloatArray | None
    start: IntArray
    unit: NDArray[Any]
    unit_code: IntArray
    cluster: IntArray
    cluster_name: str
    weight: FloatArray | None
    grid: Grid
    offset: IntArray | None
    stack: IntArray | None
    stack_labels: NDArray[Any] | None
    other: FloatArray | None
    cohorts: Cohorts | None
    rows: int
    columns: int
    spacing: float
    moving: dict[str, int] = field(default_factory=dict)
    coarser: tuple[str, ...] = ()
    parts: float = 1.0
    has_parts: bool = False
    covariates: Covariates | None = None
    notes: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    size: FloatArray | None = None
    place: FloatArray | None = None
    cut: Cut | None = None
    dose: FloatArray | None = None
    eligible: NDArray[np.bool_] | None = None
    later: IntArray | None = None
    exposed: IntArray | None = None
    crossed: bool = False
    row_of: IntArray | None = None
    people: bool = False

    def names(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What the units of these rows are called on paper: their labels, people by their place in sorted order.

        Parameters
        ----------
        rows : ndarray of bool or int
        """
        if not self.people:
            return np.asarray(self.unit[rows])
        place = np.arange(len(self.unit))[rows] + 1
        return np.array([f"number {k:,} of {len(self.unit):,} in sorted order" for k in place], dtype=object)

    @property
    def taken(self) -> NDArray[np.bool_]:
        """Rows that a comparison may take: treated, untreated, or exposed to others' treatment; shape (R,)."""
        used = self.start >= UNTREATED
        return used if self.exposed is None else used | (self.exposed >= 0)

    @property
    def summed(self) -> Summed | None:
        """The sums, where only they are held."""
        held: Any = self.y
        return held if isinstance(held, Summed) else None

    def units(self, rows: NDArray[np.bool_] | None = None) -> int:
        """Units behind the marked rows, default all; rows of a stack count one by one."""
        if self.summed is not None:
            return int((self.summed.behind if rows is None else self.summed.behind[rows]).sum())
        return len(self.start) if rows is None else int(np.count_nonzero(rows))

    def cohort_sizes(self, rows: NDArray[np.bool_] | None = None) -> IntArray:
        """Units first treated in every column, shape (T,), of the marked rows, default all."""
        inside = self.start >= 0 if rows is None else rows & (self.start >= 0)
        behind = None if self.summed is None else self.summed.behind[inside]
        return np.bincount(self.start[inside], behind, len(self.grid.values)).astype(np.int64)

    @property
    def alone(self) -> bool:
        """Whether every unit is a cluster of its own."""
        if self.summed is not None:
            return self.summed.moments.cells is None
        return int(self.cluster.max()) + 1 == len(self.cluster)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self.units() if self.summed is not None and self.alone else int(self.cluster.max()) + 1

    @cached_property
    def facts(self) -> Facts:
        """What the audit reads from the outcomes besides their moments."""
        return MatrixFacts(self.y) if self.summed is None else self.summed.tally

    @property
    def deviation(self) -> float:
        """Standard deviation of the outcome over all unit-periods."""
        moments = self.moments
        if moments is None or moments.weighted is not None:
            return float(self.y[np.isfinite(self.y)].std())
        n, mean = moments.n[:, None], moments.mean + moments.rest
        cells = float(n.sum()) * mean.shape[1]
        between = (n * (mean - (n * mean).sum() / cells) ** 2).sum()
        return float(np.sqrt((between + np.trace(moments.cross, axis1=1, axis2=2).sum()) / cells))

    @property
    def reach(self) -> float:
        """At most the largest outcome in size, and at least that over the root of how many there are."""
        moments = self.moments
        if moments is None or moments.weighted is not None:
            return float(np.nanmax(np.abs(self.y)))
        return max(float(np.abs(moments.mean + moments.rest).max()), self.deviation)

    @cached_property
    def moments(self) -> Moments | None:
        """Moments of every cohort, the keys being the codes in `start`; None where cells are absent.

        Made once, whatever is estimated from them. By clusters where they lie above the unit; weights of mean 1.
        """
        if self.summed is not None:
            return self.summed.moments
        if self.stack is not None or not np.isfinite(self.y.sum()):
            return None
        return cohort_moments(self.y, self.start, self.cluster, self.weight)


def cohort_moments(y: FloatArray, start: IntArray, cluster: IntArray, weight: FloatArray | None) -> Moments:
    """Moments of a complete panel by start.

    Parameters
    ----------
    y, start, cluster, weight
        As in `Panel`.

    Returns
    -------
    Moments
        Keys are the codes that occur in `start`, in ascending order.
    """
    # Counting and a look-up instead of sorting: starts are columns or one of a few negative codes.
    lowest = int(start.min(initial=0))
    codes = np.flatnonzero(np.bincount(start - lowest)) + lowest
    place = np.zeros(int(start.max(initial=0)) - lowest + 1, dtype=np.int64)
    place[codes - lowest] = np.arange(len(codes))
    above = int(cluster.max()) + 1 < len(cluster)
    scaled = None if weight is None else weight / weight.mean()
    return from_arrays(y, place[start - lowest], tuple(codes.tolist()), cluster if above else None, scaled)
