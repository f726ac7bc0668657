"""The verb `describe`: the tables that open an empirical chapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.arms import find_control, place_of_assignment
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.facts import COARSER, TIME_NAMES, UNIT_NAMES, named_unit
from gmvcausal.frames.params import check, column_name
from gmvcausal.frames.table import Table, open_table
from gmvcausal.results.describing.meanings import meanings_of
from gmvcausal.results.describing.read import read_columns
from gmvcausal.results.describing.result import Described, Groups
from gmvcausal.results.describing.small_groups import describes_people


def describe(
    data: Any,
    columns: Sequence[str] | str | None = None,
    *,
    definitions: Mapping[str, str | tuple[str, str]] | None = None,
    by: str | None = None,
    control: Any = None,
) -> Described:
    """Describe the columns of a table, as the first tables of an empirical chapter do.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        pandas, polars or pyarrow; not changed.
    columns : sequence of str, optional
        What to describe, in the order of the table. Default all that can be: columns of ids, and text of more than 50
        values, are left out and named.
    definitions : mapping of str to str, or to (str, str), optional
        Column -> what it means, or meaning and unit of measurement; for `definitions()`.
    by : str, optional
        Column of groups (the arms of a test, treated and controls), for `balance()`.
    control : scalar, optional
        The group that the others are compared with; may be left out only where the groups are 0/1 or booleans.

    Returns
    -------
    Described
        `to_frame()` (n, missing, mean, sd, min, p25, median, p75, max, zeros), `definitions()`, `levels()`,
        `correlations()`, `vif()`, `balance()`: each prints, goes into `gmvcausal.report`, and has `to_docx`,
        `to_latex`, `to_html` and `to_csv`.

    Raises
    ------
    InputError
        No such column; infinite values; numbers or dates written as text, text of more than 50 values (where named);
        groups without a name of their control.

    Notes
    -----
    Nothing is dropped for another column's sake: each line counts the rows that have a value. Correlations say whether
    they are pairwise or listwise, VIF and the joint test of balance are listwise and say how many rows that costs.
    Where a column of users shows that rows belong together, or groups do not vary within rooms or cities, rows are not
    independent, and no p-value or star is given.

    Numbers that rest on fewer than ten people, or from which so few could be counted, are not shown; rows are taken for
    people unless a column of units, or of places that tell all rows apart, says that they are none.

    References
    ----------
    Austin (2009), Statistics in Medicine 28 (standardised differences).

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> users = pd.DataFrame({"gmv": 10 * [0.0] + 10 * [5.0, 8.0], "orders": 10 * [0] + 10 * [1, 2]})
    >>> found = gc.describe(users).to_frame()
    >>> found.loc[0, ["mean", "median", "zeros"]].round(3).tolist()
    [4.333, 5.0, 0.333]
    """
    named = None if columns is None else check("keep", columns, called="columns")
    by = column_name("by", by, optional=True)
    if by is None and control is not None:
        raise InputError("control= is the control of the groups, and there is no by=", remedy="pass by=")
    wanted = None if named is None else _wanted(named, by, definitions)
    table = open_table(data, needed=wanted, optional=(*UNIT_NAMES, *COARSER, *TIME_NAMES))
    meanings, units = meanings_of(definitions, table.columns)
    found, left = read_columns(table, named, [] if by is None else [by])
    groups = None if by is None else _groups(table, by, control)
    people = describes_people(table, data)
    return Described(tuple(found), table.n, tuple(left), meanings, units, groups, _dependent(table, groups), people)


def _wanted(named: Sequence[str], by: str | None, definitions: Any) -> list[str]:
    defined = definitions if isinstance(definitions, Mapping) else ()
    return list(dict.fromkeys([*named, *([] if by is None else [by]), *map(str, defined)]))


def _groups(table: Table, by: str, control: Any) -> Groups:
    codes = identifiers(table, by, "by")
    labels = tuple(codes.labels.tolist())
    first = find_control(by, labels, control)
    place = np.array([0 if k == first else k + 1 if k < first else k for k in range(len(labels))], dtype=np.int64)
    order = [first, *(k for k in range(len(labels)) if k != first)]
    return Groups(by, tuple(str(labels[k]) for k in order), place[codes.codes])


def _dependent(table: Table, groups: Groups | None) -> str:
    """Why rows are not independent of each other; empty where nothing says so."""
    unit = named_unit(table.columns)
    if unit is not None and not table.series(unit, "unit").is_null().any():
        repeated = table.n - len(identifiers(table, unit, "unit").labels)
        if repeated:
            return f"{repeated:,} rows repeat an earlier one in {unit!r}, so rows are not independent"
    if groups is not None:
        place = place_of_assignment(table, groups.code, [groups.column])
        if place is not None:
            return f"{groups.column!r} does not vary within {place[0]!r}, so rows are not independent"
    return ""
