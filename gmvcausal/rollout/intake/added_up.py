"""Rows that pass by in the order of their units, added up: moments by cohort, and what else the audit will ask for.

What is made of disjoint units merges, so that an engine may do this in as many streams as it has workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import numeric
from gmvcausal.frames.table import Table
from gmvcausal.moments import Moments, from_arrays, merge
from gmvcausal.rollout.intake.facts import Tally, early_periods, tally

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROWS = 2**18  # of one piece
_NAMED = 5


@dataclass(frozen=True)
class Plan:
    """What is to be added up.

    Attributes
    ----------
    outcome : str
        The user's column, for messages.
    remedy : str or None
        What to do about missing outcomes; None takes them for 0.
    width : int
        Periods.
    start : ndarray of int, shape (dates,)
        Column of first treatment for the code of every date, or a negative code; see `Panel`.
    clustered : bool
        Whether clusters lie above the unit.
    """

    outcome: str
    remedy: str | None
    width: int
    start: IntArray
    clustered: bool

    @property
    def starts(self) -> list[int]:
        """The starts that occur, ascending."""
        return [int(s) for s in np.unique(self.start)]


@dataclass(frozen=True)
class Sums:
    """Sums over disjoint units.

    Attributes
    ----------
    moments : Moments or None
        Keys are pairs of start and whether a unit was active early; None before any unit.
    tally : Tally or None
    dates : ndarray of int, shape (dates,)
        Units by the code of their date of first treatment.
    total, spacing : float
        Sum of the outcome, and see `Numbers`.
    filled : int
        Missing outcomes that count as 0.
    repeated, alike, absent : int
        Rows of a unit-period that was there before, those of them that hold the same, and unit-periods without a row.
    moved, torn : int
        Units with several dates of first treatment, and with several clusters.
    bad : tuple
        The first units with which something is wrong, for finding their rows.
    error : InputError or None
        What is wrong with an outcome.
    """

    moments: Moments | None
    tally: Tally | None
    dates: IntArray
    total: float = 0.0
    spacing: float = 0.0
    filled: int = 0
    repeated: int = 0
    alike: int = 0
    absent: int = 0
    moved: int = 0
    torn: int = 0
    bad: tuple[Any, ...] = ()
    error: InputError | None = None

    def __add__(self, other: Sums) -> Sums:
        if self.moments is None or other.moments is None:
            moments = other.moments if self.moments is None else self.moments
        else:
            moments = merge(self.moments, other.moments)
        tallies = [t for t in (self.tally, other.tally) if t is not None]
        return Sums(
            moments,
            tallies[0] + tallies[1] if len(tallies) == 2 else next(iter(tallies), None),
            self.dates + other.dates,
            self.total + other.total,
            max(self.spacing, other.spacing),
            self.filled + other.filled,
            self.repeated + other.repeated,
            self.alike + other.alike,
            self.absent + other.absent,
            self.moved + other.moved,
            self.torn + other.torn,
            (*self.bad, *other.bad)[:_NAMED],
            self.error or other.error,
        )


def add_up(plan: Plan, batches: Iterable[pa.RecordBatch]) -> Sums:
    """Sums of rows that are sorted by unit and period.

    Parameters
    ----------
    plan : Plan
    batches : iterable of RecordBatch
        Columns u (unit), t (column of the grid), f (code of the date of first treatment), y, and c (code of the
        cluster) where there are clusters.
    """
    out = Sums(None, None, np.zeros(len(plan.start), dtype=np.int64))
    for piece in _pieces(batches):
        try:
            out = out + _of_piece(plan, piece, out.tally is None or out.tally.cents)
        except InputError as error:
            return replace(out, error=error.with_traceback(None))
    return out


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in pieces of whole units."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows < _ROWS:
            continue
        whole = pa.Table.from_batches(held).combine_chunks()
        last = int(np.flatnonzero(_begins(whole))[-1])  # that unit may go on
        if last:
            yield whole.slice(0, last)
        held = whole.slice(last).to_batches()
        rows = whole.num_rows - last
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()


def _begins(rows: pa.Table) -> NDArray[np.bool_]:
    """Which rows are the first of their unit."""
    unit = rows["u"].combine_chunks()
    unit = unit.chunk(0) if isinstance(unit, pa.ChunkedArray) else unit
    out = np.ones(len(unit), dtype=bool)
    out[1:] = pc.not_equal(unit[1:], unit[:-1]).to_numpy(zero_copy_only=False)
    return out


def _of_piece(plan: Plan, rows: pa.Table, cents: bool) -> Sums:
    width = plan.width
    read = numeric(_column(rows, "y", plan.outcome), plan.outcome, "outcome", missing=plan.remedy)
    gaps = np.isnan(read.values)
    y = np.where(gaps, 0.0, read.values) if gaps.any() else read.values
    t, date = _whole(rows, "t"), _whole(rows, "f")
    begins = _begins(rows)
    edges = np.flatnonzero(begins)
    length = np.diff(np.append(edges, len(y)))
    unit = np.cumsum(begins) - 1
    again = np.zeros(len(y), dtype=bool)
    again[1:] = ~begins[1:] & (t[1:] == t[:-1])
    doubled = np.bincount(unit[again], minlength=len(edges))
    lacking = width - (length - doubled)
    moved = _varies(date, edges)
    cluster = _whole(rows, "c") if plan.clustered else None
    torn = np.zeros(len(edges), dtype=bool) if cluster is None else _varies(cluster, edges)
    wrong = (doubled > 0) | (lacking > 0) | moved | torn
    good = np.flatnonzero(~wrong)
    values = y.reshape(-1, width) if len(good) == len(edges) else y[edges[good][:, None] + np.arange(width)]
    first = date[edges[good]]
    early = (values[:, : early_periods(width) + 1] != 0).any(axis=1)
    place = np.searchsorted(plan.starts, plan.start)
    keys = tuple((start, half) for start in plan.starts for half in (False, True))
    moments = from_arrays(values, 2 * place[first] + early, keys, None if cluster is None else cluster[edges[good]])
    named = np.flatnonzero(wrong)[:_NAMED]
    return Sums(
        moments,
        tally(values, cents),
        np.bincount(first, minlength=len(plan.start)).astype(np.int64),
        float(y.sum()),
        read.spacing,
        int(gaps.sum()),
        int(doubled.sum()),
        int((again & _as_before(y, date, cluster)).sum()) if doubled.any() else 0,
        int(lacking.sum()),
        int(moved.sum()),
        int(torn.sum()),
        tuple(rows["u"].take(pa.array(edges[named])).to_pylist()),
    )


def _varies(values: IntArray, edges: IntArray) -> NDArray[np.bool_]:
    """Which units hold several values."""
    return np.asarray(np.maximum.reduceat(values, edges) != np.minimum.reduceat(values, edges))


def _as_before(*columns: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Which rows hold what the row before them holds."""
    held = [c for c in columns if c is not None]
    return np.append(False, np.logical_and.reduce([c[1:] == c[:-1] for c in held]))


def _whole(rows: pa.Table, name: str) -> IntArray:
    return np.asarray(rows[name].to_numpy(), dtype=np.int64)


def _column(rows: pa.Table, name: str, column: str) -> Table:
    """One column as a table, for the readers of columns."""
    frame = nw.from_native(pa.table({column: rows[name]}), eager_only=True)
    return Table(frame, "data", rows.num_rows)
