"""One value for each unit from a further column of the data: a segment, a size, a place on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.table import Table, open_table
from gmvcausal.frames.times import Times, times
from gmvcausal.rollout.intake.cohorts import word_of_never
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.summed import refuse_rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def numbers_of(
    data: Any, panel: Panel, unit: str | None, column: str, role: str, outcome: str | None = None
) -> FloatArray:
    """A number for every row of the panel, shape (R,); `outcome` is a column by which changed data are recognised.

    Raises
    ------
    InputError
        The column is missing, holds gaps or no numbers, or varies within units; the data have changed.
    """
    table = _again(data, panel, unit, column, role, outcome)
    if outcome is not None:
        _refuse_changed(table, panel, unit, outcome)
    values = numeric(table, column, role, missing="give every row of a unit the same number").values
    return np.asarray(_constant(table, panel, unit, column, role, values), dtype=float)


def labels_of(
    data: Any, panel: Panel, unit: str | None, column: str, role: str, outcome: str
) -> tuple[IntArray, NDArray[Any]]:
    """A dense code for every row of the panel, shape (R,), and the labels in sorted order; raises as `numbers_of`.

    `outcome` is a column by which changed data are recognised.
    """
    table = _again(data, panel, unit, column, role, outcome)
    _refuse_changed(table, panel, unit, outcome)
    codes = identifiers(table, column, role)
    inside, dense = np.unique(_constant(table, panel, unit, column, role, codes.codes), return_inverse=True)
    return dense.astype(np.int64), np.asarray(codes.labels)[inside]


def dates_of(
    data: Any, panel: Panel, unit: str, column: str, role: str, never: Any
) -> tuple[Times, IntArray, str | None]:
    """A date, or none, for every row of the panel, and the first row of the data of each; raises as `numbers_of`.

    Last comes `never` where it is a word that the column holds: it was read as no date.
    """
    table = _again(data, panel, unit, column, role)
    word = word_of_never(never, table.series(column, role))
    found = times(table, column, role, allow_missing=True, word=word)
    values = np.where(found.missing, np.iinfo(np.int64).min, found.values)
    first = np.unique(identifiers(table, unit, "unit").codes, return_index=True)[1]
    one = _constant(table, panel, unit, column, role, values)
    missing = one == np.iinfo(np.int64).min
    place = _constant(table, panel, unit, column, role, first[identifiers(table, unit, "unit").codes])
    return Times(one, missing, found.is_date, found.zone), place, word


def _refuse_changed(table: Table, panel: Panel, unit: str | None, outcome: str) -> None:
    """Units whose outcomes add up to something else than when the effect was estimated: ids or rows have moved."""
    if unit is None or panel.dropped.get("exact duplicates"):
        return  # rows have no ids; what was dropped counts again here
    units = identifiers(table, unit, "unit")
    values = np.nan_to_num(numeric(table, outcome, "outcome").values)
    y = np.nan_to_num(panel.y if panel.cut is None else panel.cut.whole)
    place = pd.Index(np.asarray(units.labels)).get_indexer(pd.Index(panel.unit))
    if (place < 0).any():
        return  # told by name later
    then = np.bincount(place, y.sum(axis=1), minlength=len(units.labels))
    now = np.bincount(units.codes, values, minlength=len(units.labels))
    moved = np.abs(then - now) > 1e-9 * max(float(np.abs(values).max(initial=0.0)) * y.shape[1], 1e-300)
    if moved.any():
        raise InputError(
            f"{int(moved.sum()):,} units have other outcomes in the data now than when the effect was estimated",
            column=unit,
            remedy="call did on the data as they are now",
        )


def _again(data: Any, panel: Panel, unit: str | None, column: str, role: str, outcome: str | None = None) -> Table:
    if panel.summed is not None:
        refuse_rows(f"{role}=")
    roles = {outcome: "outcome", column: role, unit: "unit"}
    table = open_table(data, needed={name: what for name, what in roles.items() if name is not None})
    if table.n != panel.rows:
        raise InputError(
            f"the data had {panel.rows:,} rows when the effect was estimated, and have {table.n:,} now",
            remedy="call did on the data as they are now",
        )
    return table


def _constant(
    table: Table, panel: Panel, unit: str | None, column: str, role: str, values: NDArray[Any]
) -> NDArray[Any]:
    if unit is None:
        assert panel.row_of is not None  # kept where rows are people
        own = np.empty(len(panel.unit), dtype=values.dtype)
        own[panel.row_of] = values
        return own
    units = identifiers(table, unit, "unit")
    one = np.empty(len(units.labels), dtype=values.dtype)
    one[units.codes] = values
    varies = one[units.codes] != values
    if varies.any():
        raise rules.not_constant(
            column,
            role,
            "units",
            len(np.unique(units.codes[varies])),
            first_rows(varies),
            "give each unit one value, for example that of before the start",
        )
    place = pd.Index(np.asarray(units.labels)).get_indexer(pd.Index(panel.unit))
    if (place < 0).any():
        raise InputError(
            f"{int((place < 0).sum()):,} units of the estimate are not in the data any more",
            column=unit,
            remedy="call did on the data as they are now",
        )
    return np.asarray(one[place])
