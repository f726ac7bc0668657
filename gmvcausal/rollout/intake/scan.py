"""The rows of parquet files or of a DuckDB relation, streamed: held is one number for each unit and period.

Units, periods and dates of first treatment become small whole numbers inside DuckDB, by joining the few distinct values
that the readers of columns have read; so every rule on them is that of a frame in memory. Rows may lie in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.frames import rules
from gmvcausal.frames.columns import flags, identifiers, numeric
from gmvcausal.frames.engines.choose import is_spark
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import Table, open_relation, quote
from gmvcausal.frames.times import times
from gmvcausal.rollout.intake.cohorts import word_of_never
from gmvcausal.rollout.intake.gathered import NEVER, NO_OUTCOME, NO_PARTS, OPTIONAL, SAMPLE, Ask, Codes, Rows
from gmvcausal.rollout.intake.grid import make_grid
from gmvcausal.rollout.intake.layout import IntArray, Layout, sparse
from gmvcausal.rollout.intake.memory import same_clock, weights_of

BUFFERS = 256 * 2**20  # of DuckDB's own buffers; beyond, it spills to temporary files

_BATCH = 2**18
_MOST = 100_000  # periods, or dates of first treatment: more are moments
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_IDS = (*_WHOLE, "VARCHAR")


def by_row(ask: Ask) -> list[str]:
    """Options that need the rows one by one: what they ask for is not streamed."""
    found = [f"{name}=" for name in ("stack", "covariates", "dose", "eligible", "dedupe") if getattr(ask, name)]
    return [*found, "unit=None"] if ask.unit is None else found


def scan(space: Engine, data: Any, ask: Ask) -> Rows | None:
    """Stream the rows of files or of a relation.

    Parameters
    ----------
    space : Engine
        Lives as long as the further columns may be asked for.
    data : path, list of paths, or DuckDB relation
    ask : Ask

    Returns
    -------
    Rows or None
        None where something is wrong that names rows.

    Raises
    ------
    InputError
        Something is wrong with a column; what is said of rows is then of some of them only.
    """
    if ask.unit is None or len({ask.outcome, ask.unit, ask.time}) < 3:
        return None
    source, types = _open(space, data, ask)
    units = _units(space, source, ask.unit, types[ask.unit])
    time = _dictionary(space, source, ask.time, _MOST)
    if time is None:
        return None
    calendar = times(time.table, ask.time, "time")
    grid = make_grid(np.unique(calendar.values), calendar.is_date, ask.time)
    width = len(grid.values)
    joined = [time.joined("t", np.searchsorted(grid.values, calendar.values))]
    wanted = {"t": "t.c", "y": f"s.{quote(ask.outcome)}"}
    dates, when, word = np.zeros(0, dtype=np.int64), None, None
    if ask.treated is not None:
        wanted["d"] = f"s.{quote(ask.treated)}"
    else:
        first = _dictionary(space, source, ask.first_treated, _MOST)
        if first is None:
            return None
        word = word_of_never(ask.never, first.table.series(ask.first_treated, "first_treated"))
        when = times(first.table, ask.first_treated, "first_treated", allow_missing=True, word=word)
        same_clock(calendar, when, ask.time, ask.first_treated)
        dates, code = np.unique(np.where(when.missing, NEVER, when.values), return_inverse=True)
        joined.append(first.joined("f", code))
        wanted["f"] = "f.c"
    if ask.weights is not None:
        wanted["w"] = f"s.{quote(ask.weights)}"
    n_units = len(units.labels)
    n = int(space.row(f"SELECT count(*) FROM {source}")[0])
    if n == 1 or sparse(n, n_units * width):
        return None
    y = np.full((n_units, width), np.nan)
    on = np.full((n_units, width), np.nan) if ask.treated is not None else None
    began, weight = OnePerUnit(n_units, np.int32), OnePerUnit(n_units, np.float64)
    total, filled, spacing = 0.0, 0, 0.0
    remedy = NO_OUTCOME if ask.missing == "raise" else None
    for row, batch in units.batches(wanted, joined):
        cell = row * width + batch["t"].to_numpy()
        read = numeric(_one(batch, "y", ask.outcome), ask.outcome, "outcome", missing=remedy)
        values, spacing = read.values, max(spacing, read.spacing)
        total += float(np.nansum(values))
        gaps = np.isnan(values)
        if gaps.any():
            filled += int(gaps.sum())
            values = np.where(gaps, 0.0, values)
        if ask.ratios and (values < 0).any():
            return None
        y.reshape(-1)[cell] = values
        if on is not None:
            on.reshape(-1)[cell] = flags(_one(batch, "d", str(ask.treated)), str(ask.treated), "treated")
        if when is not None:
            began.take(row, batch["f"].to_numpy())
        if ask.weights is not None:
            weight.take(row, weights_of(_one(batch, "w", ask.weights), ask.weights))
    if sum(int(np.isfinite(part).sum()) for part in np.array_split(y, 16)) != n:
        return None  # some unit-periods are repeated
    if began.several or weight.several:
        return None
    return Rows(
        n=n,
        columns=tuple(types),
        layout=Layout(None, y.shape, units.labels, np.arange(n_units), None, None, grid, None),
        calendar=calendar,
        when=when,
        y=y,
        total=total,
        filled=filled,
        spacing=spacing,
        on=on,
        first=None if when is None else dates[began.values],
        weight=None if ask.weights is None else weight.values,
        parts=_parts(space, source, types),
        further=FileColumns(units, types),
        never=None if word is not None else ask.never,
        word=word,
    )


def _open(space: Engine, data: Any, ask: Ask) -> tuple[str, dict[str, str]]:
    """Where the rows lie, and the types of all columns."""
    if is_spark(data):
        source = str(space.source(data, "data"))
        types = space.schema(source, "data")
        for column, role in ask.needed.items():
            if column not in types:
                raise rules.no_such_column(column, list(types), role, "data")
        return source, types
    found = open_relation(data, "data", ask.needed)
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    held = [c for c in types if c in (*ask.needed, *OPTIONAL) or types[c] in _IDS]
    return str(space.source(data, "data", list(ask.needed) if is_path(data) else held)), types


class OnePerUnit:
    """One value for each unit, and which units have several.

    Parameters
    ----------
    n : int
    dtype : type
        Values are at least 0.
    """

    def __init__(self, n: int, dtype: type) -> None:
        self.values: NDArray[Any] = np.full(n, -1, dtype=dtype)
        self._marked = np.zeros(n, dtype=bool)

    def take(self, unit: IntArray, values: NDArray[Any]) -> None:
        """Values of some rows."""
        before = self.values[unit]
        self.values[unit] = values
        differs = ((before >= 0) & (before != values)) | (self.values[unit] != values)
        if differs.any():
            self._marked[unit[differs]] = True

    @property
    def several(self) -> int:
        """Units that have several values."""
        return int(self._marked.sum())


@dataclass(frozen=True)
class Dictionary:
    """The distinct values of a column.

    Attributes
    ----------
    table : Table
        One column of the user's name.
    """

    space: Engine
    column: str
    table: Table
    arrow: pa.ChunkedArray

    def joined(self, alias: str, codes: NDArray[Any]) -> str:
        """The clause that gives every row the code of its value, as ``alias.c``."""
        view = self.space.new_name("values")
        self.space.register(view, pa.table({"v": self.arrow, "c": pa.array(codes.astype(np.int32))}))
        return f"JOIN {view} AS {alias} ON s.{quote(self.column)} IS NOT DISTINCT FROM {alias}.v"


def _dictionary(space: Engine, source: str, column: str, most: int | None = None) -> Dictionary | None:
    """The distinct values of a column; None where they are more than `most`."""
    limit = "" if most is None else f" LIMIT {most + 1}"
    arrow = space.arrow(f"SELECT DISTINCT {quote(column)} AS v FROM {source}{limit}")
    if most is not None and len(arrow) > most:
        return None
    table = Table(nw.from_native(arrow.rename_columns([column]), eager_only=True), "data", len(arrow))
    return Dictionary(space, column, table, arrow["v"])


@dataclass(frozen=True)
class Units:
    """The units, and the rows of the data as they come.

    Attributes
    ----------
    column, kind : str
        The column of the unit and its type in SQL.
    labels : ndarray, shape (R,)
        In sorted order.
    expression, join : str
        What leads to each row's unit, in SQL.
    rank : ndarray of int, or None
        From the expression to the unit; None where it is the unit.
    """

    space: Engine
    source: str
    column: str
    kind: str
    labels: NDArray[Any]
    expression: str
    join: str = ""
    rank: NDArray[Any] | None = None

    def batches(self, wanted: dict[str, str], joined: Sequence[str] = ()) -> Iterator[tuple[IntArray, pa.RecordBatch]]:
        """Units and further expressions of all rows, in pieces."""
        listed = ", ".join(f"{expression} AS {name}" for name, expression in wanted.items())
        text = f"SELECT {self.expression} AS u, {listed} FROM {self.source} AS s {self.join} {' '.join(joined)}"
        for batch in self.space.batches(text, _BATCH):
            unit = batch["u"].to_numpy()
            yield (unit if self.rank is None else self.rank[unit]).astype(np.int64, copy=False), batch


def _units(space: Engine, source: str, column: str, kind: str) -> Units:
    q = quote(column)
    if kind in _WHOLE:
        n, present, low, high = space.row(f"SELECT count(*), count({q}), min({q}), max({q}) FROM {source}")
        if n and present == n and int(high) - int(low) < n + 1024:
            # Numbers that lie close together are counted off; no table of them is needed.
            expression = f"CAST({q} AS BIGINT) - ({int(low)})"
            seen = np.zeros(int(high) - int(low) + 1, dtype=bool)
            for batch in space.batches(f"SELECT {expression} FROM {source}", _BATCH):
                seen[batch.column(0).to_numpy()] = True
            rank = None if seen.all() else np.cumsum(seen, dtype=np.int32) - 1
            return Units(space, source, column, kind, np.flatnonzero(seen) + int(low), expression, rank=rank)
    found = _dictionary(space, source, column)
    assert found is not None  # there is no limit to the number of units
    codes = identifiers(found.table, column, "unit")
    return Units(space, source, column, kind, codes.labels, "u.c", found.joined("u", codes.codes))


@dataclass(frozen=True)
class FileColumns:
    """The further columns of files, each read in a pass of its own when somebody asks."""

    units: Units
    types: dict[str, str]

    @property
    def columns(self) -> Sequence[str]:
        """Names of all columns."""
        return list(self.types)

    def codes(self, column: str, role: str) -> Codes:
        """One column by units."""
        found = _dictionary(self.units.space, self.units.source, column)
        assert found is not None  # there is no limit to the number of values
        code = found.joined("c", identifiers(found.table, column, role).codes)
        out = OnePerUnit(len(self.units.labels), np.int32)
        for unit, batch in self.units.batches({"k": "c.c"}, [code]):
            out.take(unit, batch["k"].to_numpy())
        return Codes(out.values.astype(np.int64), out.several, [])

    def sample(self, columns: Sequence[str]) -> tuple[Table, IntArray] | None:
        """The rows of the first units."""
        u = self.units
        held = [c for c in columns if self.types[c] in _IDS]
        if not held or u.kind not in _WHOLE:
            return None
        last = u.labels[min(SAMPLE, len(u.labels)) - 1]
        listed = ", ".join(map(quote, [u.column, *held]))
        some = u.space.arrow(f"SELECT {listed} FROM {u.source} WHERE {quote(u.column)} <= {int(last)}")
        table = Table(nw.from_native(some, eager_only=True), "data", len(some))
        return table, identifiers(table, u.column, "unit").codes


def _parts(space: Engine, source: str, types: dict[str, str]) -> float:
    """Shorter periods averaged in each row, see `Panel`."""
    if "parts" not in types:
        return 1.0
    found = _dictionary(space, source, "parts")
    assert found is not None  # there is no limit to the number of values
    values = numeric(found.table, "parts", "parts", missing=NO_PARTS).values
    return float(values[0]) if len(values) == 1 else np.nan


def _one(batch: pa.RecordBatch, name: str, column: str) -> Table:
    """One column of a batch as a table, for the readers of columns."""
    frame = nw.from_native(pa.table({column: batch[name]}), eager_only=True)
    return Table(frame, "data", batch.num_rows)
