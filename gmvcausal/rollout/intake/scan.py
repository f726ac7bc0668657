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

from gmvcausal.frames.columns import flags, identifiers, numeric
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.table import Table, quote
from gmvcausal.rollout.intake.gathered import NO_OUTCOME, SAMPLE, Ask, Codes, Rows
from gmvcausal.rollout.intake.layout import IntArray, Layout, sparse
from gmvcausal.rollout.intake.memory import weights_of
from gmvcausal.rollout.intake.opened import IDS, WHOLE, Located, dictionary, open_rows, parts_of, refuse_larger
from gmvcausal.rollout.intake.summed import AGGREGATE

BUFFERS = 256 * 2**20  # of DuckDB's own buffers; beyond, it spills to temporary files

_BATCH = 2**18


def by_row(ask: Ask) -> list[str]:
    """Options that need the rows one by one: what they ask for is not streamed."""
    found = [f"{name}=" for name in ("stack", "covariates", "dose", "eligible", "dedupe") if getattr(ask, name)]
    return [*found, "unit=None"] if ask.unit is None else found


def scan(located: Located, ask: Ask) -> Rows | None:
    """Stream the rows of files or of a relation.

    Parameters
    ----------
    located : Located
        Its engine lives as long as the further columns may be asked for.
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
    units = _units(located, ask.unit)
    opened = open_rows(located, ask)
    if opened is None:
        return None
    calendar, grid, when, n = opened.calendar, opened.grid, opened.when, located.n
    width = len(grid.values)
    joined = [opened.time.joined("t", opened.column)]
    wanted = {"t": "t.c", "y": f"s.{quote(ask.outcome)}"}
    if ask.treated is not None:
        wanted["d"] = f"s.{quote(ask.treated)}"
    if opened.first is not None and opened.date is not None:
        joined.append(opened.first.joined("f", opened.date))
        wanted["f"] = "f.c"
    if ask.weights is not None:
        wanted["w"] = f"s.{quote(ask.weights)}"
    n_units = len(units.labels)
    if n == 1 or sparse(n, n_units * width):
        return None
    refuse_larger(
        located.space,
        f"{n_units:,} units x {width:,} periods, absent ones among them,",
        16 * n_units * width,
        AGGREGATE,
    )
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
        columns=tuple(located.types),
        layout=Layout(None, y.shape, units.labels, np.arange(n_units), None, None, grid, None),
        calendar=calendar,
        when=when,
        y=y,
        total=total,
        filled=filled,
        spacing=spacing,
        on=on,
        first=None if opened.dates is None else opened.dates[began.values],
        weight=None if ask.weights is None else weight.values,
        parts=parts_of(located),
        further=FileColumns(units, located),
        never=None if opened.word is not None else ask.never,
        word=opened.word,
    )


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


def _units(located: Located, column: str) -> Units:
    q, space, source, kind = quote(column), located.space, located.source, located.types[column]
    if kind in WHOLE:
        n, present, low, high = space.row(f"SELECT count(*), count({q}), min({q}), max({q}) FROM {source}")
        if n and present == n and int(high) - int(low) < n + 1024:
            # Numbers that lie close together are counted off; no table of them is needed.
            expression = f"CAST({q} AS BIGINT) - ({int(low)})"
            seen = np.zeros(int(high) - int(low) + 1, dtype=bool)
            for batch in space.batches(f"SELECT {expression} FROM {source}", _BATCH):
                seen[batch.column(0).to_numpy()] = True
            rank = None if seen.all() else np.cumsum(seen, dtype=np.int32) - 1
            return Units(space, source, column, kind, np.flatnonzero(seen) + int(low), expression, rank=rank)
    found = dictionary(located, column)
    assert found is not None  # there is no limit to the number of units
    codes = identifiers(found.table, column, "unit")
    return Units(space, source, column, kind, codes.labels, "u.c", found.joined("u", codes.codes))


@dataclass(frozen=True)
class FileColumns:
    """The further columns of files, each read in a pass of its own when somebody asks."""

    units: Units
    located: Located

    @property
    def columns(self) -> Sequence[str]:
        """Names of all columns."""
        return list(self.located.types)

    def codes(self, column: str, role: str) -> Codes:
        """One column by units."""
        found = dictionary(self.located, column)
        assert found is not None  # there is no limit to the number of values
        code = found.joined("c", identifiers(found.table, column, role).codes)
        out = OnePerUnit(len(self.units.labels), np.int32)
        for unit, batch in self.units.batches({"k": "c.c"}, [code]):
            out.take(unit, batch["k"].to_numpy())
        return Codes(out.values.astype(np.int64), out.several, [])

    def sample(self, columns: Sequence[str]) -> tuple[Table, IntArray] | None:
        """The rows of the first units."""
        u = self.units
        held = [c for c in columns if self.located.types[c] in IDS]
        if not held or u.kind not in WHOLE:
            return None
        last = u.labels[min(SAMPLE, len(u.labels)) - 1]
        listed = ", ".join(map(quote, [u.column, *held]))
        some = u.space.arrow(f"SELECT {listed} FROM {u.source} WHERE {quote(u.column)} <= {int(last)}")
        table = Table(nw.from_native(some, eager_only=True), "data", len(some))
        return table, identifiers(table, u.column, "unit").codes


def _one(batch: pa.RecordBatch, name: str, column: str) -> Table:
    """One column of a batch as a table, for the readers of columns."""
    frame = nw.from_native(pa.table({column: batch[name]}), eager_only=True)
    return Table(frame, "data", batch.num_rows)
