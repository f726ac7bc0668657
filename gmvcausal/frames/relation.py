"""Any input to a view of role-named, typed columns on an engine, or an error that names the rows.

The rules are those of `frames.columns`, in the same sentences. A frame in memory goes through `frames.columns` itself;
what lies in files or on Spark is never loaded: one scan of SQL aggregates checks every rule, and only where one is
broken does a second query look for the first rows.

In the view a role is a column of the role's name; a further column asked for by its own name is called ``=name``,
so that the two can never be confused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from gmvcausal.errors import InputError
from gmvcausal.frames import columns, rules, sql, times
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.engines.ibis_table import is_ibis
from gmvcausal.frames.table import Table, is_relation, open_table, quote
from gmvcausal.frames.texts import printable, safe

_EXAMPLES = 2  # rows that are shown where rows have no positions
Spec = dict[str, tuple[str, str]]
Measure = sql.Measure


@dataclass(frozen=True)
class Relation:
    """A checked input as a view on an engine.

    Attributes
    ----------
    space : Engine
    name : str
        What messages call it.
    view : str
        The view with role-named columns (quoted where it is used).
    n : int
        Number of rows.
    roles : dict
        Role to the user's column.
    kinds : dict
        Role to what the column holds in the view: "int", "text", "number", "time" or "flag".
    zones : dict
        Role to the time zone the column carried (only those that carried one).
    spacing : dict
        Role to the largest distance between neighbouring numbers of the source dtype (0 where exact).
    available : tuple of str
        All columns of the input.
    measured : dict
        What the scan that checked the columns was asked to find besides.
    """

    space: Engine
    name: str
    view: str
    n: int
    roles: dict[str, str]
    kinds: dict[str, str]
    available: tuple[str, ...]
    zones: dict[str, str] = field(default_factory=dict)
    spacing: dict[str, float] = field(default_factory=dict)
    source: str = ""
    select: dict[str, str] = field(default_factory=dict)
    table: Table | None = None
    arrow: Any = None
    origin: Any = None
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The view's quoted name."""
        return quote(self.view)

    def first_rows(self, condition: str) -> list[int] | list[str]:
        """Positions of the first rows of the view where `condition` (SQL over the view's columns) holds.

        Where rows have no positions: when the first of them were and what they hold, and never whose they are.
        """
        if self.space.positions:
            return sql.first_rows(self.space, self.sql, condition, self.name)
        shown = [role for role, kind in self.kinds.items() if kind in ("time", "number")]
        if not shown:
            return []
        shown.sort(key=lambda role: self.kinds[role] != "time")
        listed = ", ".join(map(quote, shown))
        found = self.space.rows(
            f"SELECT {listed} FROM {self.sql} WHERE {condition} ORDER BY {listed} LIMIT {_EXAMPLES}", self.name
        )
        held = [[(self.roles[role], v) for role, v in zip(shown, row, strict=True) if v is not None] for row in found]
        return [", ".join(f"{column} {value}" for column, value in row) for row in held]


def open_relation(
    space: Engine,
    data: Any,
    name: str,
    spec: Spec,
    *,
    timezone: str | None = None,
    extra: Sequence[str] = (),
    measure: Measure | None = None,
) -> Relation:
    """Open any input as a checked `Relation`.

    Parameters
    ----------
    space : Engine
    data : frame, path or relation
        pandas, polars, pyarrow (and what narwhals takes eagerly), a path to parquet files, a DuckDB relation, a Spark
        frame, or an Ibis table.
    name : str
        What messages call it.
    spec : dict
        ``{role: (column, kind)}``; kind is one of id, number, time, text, flag; with a trailing ``?`` missing values
        are allowed.
    timezone : str, optional
        Convert zoned times to this zone's wall clock.
    extra : sequence of str
        Further columns, taken as they are and called ``=name`` in the view.
    measure : callable, optional
        Given the SQL of each role and what it holds, aggregates by name, for `Relation.measured`.

    Returns
    -------
    Relation

    Raises
    ------
    InputError
        As `frames.columns`, and where the file cannot be read.
    """
    needed = list(dict.fromkeys([*(column for column, _ in spec.values()), *extra]))
    source = space.source(data, name, needed)
    if source is not None:
        # What was copied holds the needed columns alone; the rest is fetched from where it came when it is asked for.
        origin = data if is_relation(data) or is_ibis(data) else None
        return _open_source(space, source, name, spec, timezone, extra, measure, origin)
    table = open_table(data, name)
    opened = _open_table(space, table, spec, timezone, extra)
    return opened if measure is None else replace(opened, measured=measured(opened, measure))


def measured(relation: Relation, measure: Measure) -> dict[str, Any]:
    """The aggregates that `measure` asks for, in a scan of their own."""
    asked = measure({role: quote(role) for role in relation.kinds}, relation.kinds)
    row = relation.space.row(f"SELECT {', '.join(asked.values())} FROM {relation.sql}", relation.name)
    return dict(zip(asked, row, strict=True))


def column_names(space: Engine, data: Any, name: str) -> list[str]:
    """Names of the columns of any input, without reading its rows."""
    found = space.names(data, name)
    return open_table(data, name).columns if found is None else found


def with_extra(relation: Relation, wanted: Sequence[str], role: str) -> Relation:
    """The same relation with further columns of the user's, called ``=name`` in the view."""
    new = [c for c in dict.fromkeys(wanted) if f"={c}" not in relation.select]
    for column in new:
        if column not in relation.available:
            raise rules.no_such_column(column, relation.available, role, relation.name)
    if not new:
        return relation
    if relation.table is not None:
        arrow = relation.arrow
        for column in new:
            arrow = arrow.append_column(f"={column}", _as_it_is(relation.table, column))
        return _register(replace(relation, arrow=arrow), {f"={c}": quote(f"={c}") for c in new})
    if relation.origin is not None:
        held = [*relation.roles.values(), *(s[1:] for s in relation.select if s.startswith("=")), *new]
        source = relation.space.source(relation.origin, relation.name, list(dict.fromkeys(held)))
        relation = replace(relation, source=str(source))
    return _create(replace(relation, select={**relation.select, **{f"={c}": quote(c) for c in new}}))


# --- frames in memory ---------------------------------------------------------------------------------------------
def _open_table(space: Engine, table: Table, spec: Spec, timezone: str | None, extra: Sequence[str]) -> Relation:
    for column in table.columns:
        if str(column) != printable(column):
            raise InputError(
                f"{table.name} has a column whose name is no text",
                column=printable(column),
                remedy="rename it: the name holds half of a surrogate pair",
            )
    arrays: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    zones: dict[str, str] = {}
    spacing: dict[str, float] = {}
    for role, (column, kind) in spec.items():
        label = f"{role} ({table.name})"
        optional = kind.endswith("?")
        kind = kind.rstrip("?")
        if kind == "id" or kind == "text":
            arrays[role], kinds[role] = _ids(table, column, label, optional)
        elif kind == "number":
            found = columns.numeric(table, column, label, missing=None if optional else sql.remedy_missing(role))
            arrays[role] = pa.array(found.values, from_pandas=True)
            kinds[role], spacing[role] = "number", found.spacing
        elif kind == "flag":
            arrays[role], kinds[role] = pa.array(columns.flags(table, column, label)), "flag"
        else:
            read = times.times(table, column, label, timezone=timezone, allow_missing=optional)
            if not read.is_date and not read.missing.all():
                raise sql.not_a_date(column, label)
            arrays[role] = pa.array(read.values.view("datetime64[us]"), mask=read.missing)
            kinds[role] = "time"
            if read.zone is not None:
                zones[role] = read.zone
    for column in extra:
        arrays[f"={column}"] = _as_it_is(table, column)
    relation = Relation(
        space,
        table.name,
        space.new_name(table.name),
        table.n,
        {r: c for r, (c, _) in spec.items()},
        kinds,
        tuple(table.columns),
        zones,
        spacing,
        table=table,
        arrow=pa.table(arrays) if arrays else None,
    )
    return _register(relation, {c: quote(c) for c in arrays})


def _ids(table: Table, column: str, label: str, optional: bool) -> tuple[Any, str]:
    """An id column as an Arrow array of whole numbers or text; where `optional`, nulls stay null."""
    series = table.series(column, label)
    missing = np.asarray(series.is_null().to_numpy(), dtype=bool)
    if series.dtype.is_float():
        missing = missing | np.isnan(np.asarray(series.to_numpy(), dtype=np.float64))
    if not (optional and missing.any()):
        return _arrow_ids(columns.id_values(table, column, label), column, label)
    present = ~missing
    part = table.frame.filter([bool(v) for v in present])
    values = columns.id_values(Table(part, table.name, len(part)), column, label) if len(part) else np.array([], object)
    array, kind = _arrow_ids(values, column, label)
    index = np.where(present, np.cumsum(present) - 1, 0)
    return array.take(pa.array(index, mask=missing)), kind


def _arrow_ids(values: np.ndarray[Any, Any], column: str, label: str) -> tuple[Any, str]:
    if values.dtype.kind in "iu":
        if values.dtype.kind == "u" and len(values) and int(values.max()) > np.iinfo(np.int64).max:
            raise sql.too_large(column, label)
        return pa.array(values.astype(np.int64, copy=False)), "int"
    return _texts(values.tolist()), "text"


def _texts(values: list[str | None]) -> Any:
    try:
        return pa.array(values, type=pa.string())
    except UnicodeEncodeError:
        return pa.array([None if v is None else safe(v) for v in values], type=pa.string())


def _as_it_is(table: Table, column: str) -> Any:
    """A column as Arrow, with its own dtype; what Arrow cannot hold becomes text."""
    series = table.series(column, "a further column")
    try:
        return series.to_arrow()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return _texts([None if v is None else str(v) for v in series.to_list()])


def _register(relation: Relation, select: dict[str, str]) -> Relation:
    source = relation.space.new_name("memory")
    relation.space.register(source, relation.arrow, relation.name)
    return _create(replace(relation, source=quote(source), select={**relation.select, **select}))


def _create(relation: Relation) -> Relation:
    listed = ", ".join(f"{expression} AS {quote(name)}" for name, expression in relation.select.items())
    relation.space.view(relation.view, f"SELECT {listed} FROM {relation.source}", relation.name)
    return relation


# --- files and relations ------------------------------------------------------------------------------------------
def _open_source(
    space: Engine,
    source: str,
    name: str,
    spec: Spec,
    timezone: str | None,
    extra: Sequence[str],
    measure: Measure | None,
    origin: Any = None,
) -> Relation:
    types = space.schema(source, name)
    checked = sql.check_columns(space, source, name, spec, types, timezone, measure)
    if origin is None:
        space.files.whole(name, checked.n)
    for column in extra:
        if column not in types:
            raise rules.no_such_column(column, list(types), "a further column", name)
    select = {**checked.select, **{f"={c}": quote(c) for c in extra}}
    relation = Relation(
        space,
        name,
        space.new_name(name),
        checked.n,
        {r: c for r, (c, _) in spec.items()},
        checked.kinds,
        tuple(types if origin is None else origin.columns),
        checked.zones,
        checked.spacing,
        source,
        select,
        origin=origin,
        measured=checked.measured,
    )
    return _create(relation)
