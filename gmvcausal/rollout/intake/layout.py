"""From rows of any order to a unit x period matrix, each cell filled once or the duplicates named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import Codes, identifiers
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import Times
from gmvcausal.rollout.intake.grid import Grid, distinct_times, make_grid

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EMPTY_SHARE = 0.02
_EMPTY_CELLS = 1_000_000


@dataclass(frozen=True)
class Layout:
    """Where each row of the table goes.

    Attributes
    ----------
    cell : ndarray of int64, shape (n,), or None
        row * T + column of the matrix; None where the rows already are the matrix in order.
    shape : (int, int)
        Units (or stack-units) by periods.
    unit : ndarray, shape (R,)
        Label of each matrix row's unit.
    stack : ndarray of int64, shape (R,), or None
        Code of each matrix row's stack.
    stack_labels : ndarray or None
    grid : Grid
        Of calendar time.
    offset : ndarray of int64, shape (R,), or None
        First column of each stacked row on the calendar grid: column c is period ``offset + c``.
    keep : ndarray of int64 or None
        Row positions kept after exact duplicates were dropped; None for all.
    """

    cell: IntArray | None
    shape: tuple[int, int]
    unit: NDArray[Any]
    unit_code: IntArray
    stack: IntArray | None
    stack_labels: NDArray[Any] | None
    grid: Grid
    offset: IntArray | None
    keep: IntArray | None = None

    def matrix(self, values: NDArray[Any], fill: Any = np.nan) -> NDArray[Any]:
        """Scatter one value per row into the matrix; a copy, never a view of the user's data."""
        if self.cell is None:
            return np.array(values).reshape(self.shape)
        if self.keep is not None:
            values = values[self.keep]
        out = np.full(self.shape, fill, dtype=values.dtype)
        out.reshape(-1)[self.cell] = values
        return out

    def per_row(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The value of each unit (in its first row), and which table rows disagree with it."""
        if self.cell is None:
            body = values.reshape(self.shape)
            # One pass along memory shows whether anything disagrees, which is rare; the rest is for naming the rows.
            steps = values[1:] != values[:-1]
            steps[self.shape[1] - 1 :: self.shape[1]] = False  # from one unit to the next
            if not steps.any():
                return body[:, 0].copy(), np.zeros(len(values), dtype=bool)
            return body[:, 0].copy(), (body != body[:, :1]).reshape(-1)
        if self.keep is None and len(values) == self.shape[0] * self.shape[1]:
            # Complete: one scatter shows whether anything disagrees, which is rare; the rest is for naming the rows.
            body = self.matrix(values, 0)
            if (body == body[:, :1]).all():
                return body[:, 0].copy(), np.zeros(len(values), dtype=bool)
        if self.keep is not None:
            values = values[self.keep]
        row = self.cell // self.shape[1]
        first = np.empty(self.shape[0], dtype=values.dtype)
        first[row[::-1]] = values[::-1]
        differs = values != first[row]
        if self.keep is None or not differs.any():
            return first, differs
        full = np.zeros(int(self.keep.max()) + 1, dtype=bool)
        full[self.keep[differs]] = True
        return first, full

    def rows_of(self, unit_mask: NDArray[np.bool_]) -> list[int]:
        """First table rows of the units where `unit_mask` holds, for messages."""
        if self.cell is None:
            return [int(i) * self.shape[1] for i in np.flatnonzero(unit_mask)[:5]]
        inside = np.flatnonzero(unit_mask[self.cell // self.shape[1]])
        _, first = np.unique(self.cell[inside] // self.shape[1], return_index=True)
        found = np.sort(inside[first])[:5]
        return [int(i) for i in (found if self.keep is None else self.keep[found])]


def lay_out(
    table: Table, unit: str, time: str, when: Times, stack: str | None, dedupe: str | None, compare: list[NDArray[Any]]
) -> Layout:
    """Find each row's place.

    Parameters
    ----------
    table : Table
    unit, time, stack : str
        Columns.
    when : Times
        The time column, read.
    dedupe : {None, "exact"}
        None refuses every repeated key; "exact" keeps one of rows that agree in `compare` and refuses the others.
    compare : list of ndarray
        The other columns used, for telling exact from conflicting duplicates.

    Raises
    ------
    InputError
        Missing or repeated keys, fewer than two periods, or a time column that holds moments instead of periods.
    """
    if stack is None and table.frame[unit].dtype.is_integer():
        fast = _already_matrix(table, unit, time, when)
        if fast is not None:
            return fast
    units = identifiers(table, unit, "unit")
    distinct, column = distinct_times(when.values)
    grid = make_grid(distinct, when.is_date, time)
    if stack is None:
        row, labels, stack_of, stack_labels, offset, width = units.codes, units.labels, None, None, None, len(distinct)
        unit_code = np.arange(len(labels))
    else:
        stacks = identifiers(table, stack, "stack")
        first = np.full(len(stacks.labels), len(distinct), dtype=np.int64)
        np.minimum.at(first, stacks.codes, column)
        column = column - first[stacks.codes]
        width = int(column.max()) + 1
        row, unit_code, stack_of, labels = _stacked_rows(units, stacks)
        offset, stack_labels = first[stack_of], stacks.labels
    n_rows = len(labels)
    if sparse(table.n, n_rows * width):
        raise InputError(
            f"time has {len(distinct):,} distinct values for {table.n:,} rows, so it looks like moments, not periods",
            column=time,
            remedy="sum to days or weeks first, for example with gc.Logs(...).panel(freq='W')",
        )
    cell = row * width + column
    hint = ""
    if stack is None and "stack" in table.columns:
        hint = "the frame holds several campaigns: pass estimator='stacked', stack='stack', treated='treated'"
    cell, keep = _unique_cells(cell, (n_rows, width), dedupe, compare, stack is not None, hint)
    return Layout(cell, (n_rows, width), labels, unit_code, stack_of, stack_labels, grid, offset, keep)


def units_touched(layout: Layout, row_mask: NDArray[np.bool_]) -> int:
    """How many units the marked table rows belong to."""
    rows = np.flatnonzero(row_mask)
    if layout.cell is None:
        return len(np.unique(rows // layout.shape[1]))
    if layout.keep is not None:
        rows = np.searchsorted(layout.keep, rows)
    # In a stack a unit has a matrix row for every campaign.
    return len(np.unique(layout.unit_code[layout.cell[rows] // layout.shape[1]]))


def sparse(rows: int, cells: int) -> bool:
    """Whether so few of many cells would be filled that periods must be moments."""
    return cells > _EMPTY_CELLS and rows < _EMPTY_SHARE * cells


def _stacked_rows(units: Codes, stacks: Codes) -> tuple[IntArray, IntArray, IntArray, NDArray[Any]]:
    key = stacks.codes * len(units.labels) + units.codes
    distinct, row = np.unique(key, return_inverse=True)
    code = distinct % len(units.labels)
    return row, code, distinct // len(units.labels), units.labels[code]


def _already_matrix(table: Table, unit: str, time: str, when: Times) -> Layout | None:
    """Rows sorted by unit and time with every cell present are the matrix already: checked in two cheap passes."""
    ids = np.asarray(table.series(unit, "unit").to_numpy())
    if ids.dtype.kind not in "iu":
        return None
    width = int(np.searchsorted(ids[: min(len(ids), 100_000)], ids[0], side="right"))
    if width < 2 or len(ids) % width:
        return None
    body, stamps = ids.reshape(-1, width), when.values.reshape(-1, width)
    labels = body[:, 0]
    if not (np.diff(stamps[0]) > 0).all() or not (labels[1:] > labels[:-1]).all():
        return None
    if not (body[:, -1] == labels).all():
        return None
    # Along memory: ids never descend, and begin and end alike within a unit; periods come again after `width` rows.
    if not ((ids[1:] >= ids[:-1]).all() and (when.values[width:] == when.values[:-width]).all()):
        return None
    grid = make_grid(stamps[0].copy(), when.is_date, time)
    return Layout(None, (len(labels), width), labels.copy(), np.arange(len(labels)), None, None, grid, None)


def _unique_cells(
    cell: IntArray, shape: tuple[int, int], dedupe: str | None, compare: list[NDArray[Any]], stacked: bool, hint: str
) -> tuple[IntArray, IntArray | None]:
    seen = np.zeros(shape[0] * shape[1], dtype=bool)
    seen[cell] = True
    if int(np.count_nonzero(seen)) == len(cell):
        return cell, None
    counts = np.bincount(cell, minlength=len(seen))
    _, first = np.unique(cell, return_index=True)
    is_first = np.zeros(len(cell), dtype=bool)
    is_first[first] = True
    what = ("stack-unit-periods" if stacked else "unit-periods") if (counts > 1).sum() != 1 else "unit-period"
    place = np.empty(len(seen), dtype=np.int64)
    place[cell[first]] = first
    origin = place[cell]
    conflict = np.zeros(len(cell), dtype=bool)
    for values in compare:
        same = values == values[origin]
        if values.dtype.kind == "f":
            same |= np.isnan(values) & np.isnan(values[origin])
        conflict |= ~same
    if dedupe is None:
        n_bad = int((counts > 1).sum())
        remedy = hint or (
            "the repeats disagree: find out which row is right, or sum them if they are parts of one period"
            if conflict.any()
            else "the repeats are identical: read an appended file once, or pass dedupe='exact' to keep one of each"
        )
        raise rules.duplicated(what, None, n_bad, np.flatnonzero(~is_first)[:5], remedy)
    if conflict.any():
        bad = np.unique(cell[conflict])
        raise InputError(
            f"{len(bad):,} {what} occur more than once with different values, which dedupe='exact' cannot settle",
            rows=np.flatnonzero(conflict)[:5],
            remedy="find out which row is right, or sum the parts of one period",
        )
    keep = np.flatnonzero(is_first)
    return cell[keep], keep
