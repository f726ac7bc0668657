"""Data that lie in files or with an engine, opened: how many rows, which periods, which dates of first treatment."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules, sql
from gmvcausal.frames.columns import numeric
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import Table, open_relation, quote
from gmvcausal.frames.times import Times, each_its_row, times
from gmvcausal.rollout.intake.cohorts import word_of_never
from gmvcausal.rollout.intake.gathered import NEVER, NO_PARTS, OPTIONAL, Ask
from gmvcausal.rollout.intake.grid import Grid, make_grid
from gmvcausal.rollout.intake.memory import same_clock

IntArray = NDArray[np.int64]

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
IDS = (*WHOLE, "VARCHAR")
_MOST = 100_000  # periods, or dates of first treatment: more are moments
_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of Linux
_ELSEWHERE = 2**29  # bytes that are fetched from an engine whose rows do not lie on this machine


def room(space: Engine) -> int:
    """Bytes that a panel may take in this process: half of the machine's where nobody set a limit."""
    if space.holds is not None:
        return space.holds
    if not space.positions:
        return _ELSEWHERE
    return machine_memory() // 2


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that it is; where that cannot be told, no limit at all."""
    found = [sys.maxsize]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in _CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
            found.append(int(Path(limit).read_text(encoding="ascii")))
    return min(found)


class LargerThanMemory(InputError):
    """What is wrong is the size: reading the rows in memory instead would not help."""


def size_text(size: float) -> str:
    """Bytes in words.

    Examples
    --------
    >>> size_text(16e9), size_text(3.2e6)
    ('16 GB', '3.2 MB')
    """
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.0f} TB"


def refuse_larger(space: Engine, what: str, size: float, remedy: str, column: str | None = None) -> None:
    """Refuse what takes more bytes than there are.

    Raises
    ------
    LargerThanMemory
    """
    if size > room(space):
        raise LargerThanMemory(
            f"{what} take {size_text(size)} in memory, more than the {size_text(room(space))} there are for them",
            column=column,
            remedy=remedy,
        )


@dataclass(frozen=True)
class Located:
    """Where the rows lie.

    Attributes
    ----------
    source : str
        What may stand after FROM.
    types : dict of str to str
        Of all columns.
    n : int
        Rows.
    """

    space: Engine
    source: str
    types: dict[str, str]
    n: int

    @property
    def fits(self) -> bool:
        """Whether a matrix of them, and a copy, fit into memory."""
        return 16 * self.n <= room(self.space)


def locate(space: Engine, data: Any, ask: Ask) -> Located:
    """Find the rows.

    Raises
    ------
    InputError
        No such file or column.
    """
    source, types = _source(space, data, ask)
    return Located(space, source, types, int(space.row(f"SELECT count(*) FROM {source}")[0]))


def _source(space: Engine, data: Any, ask: Ask) -> tuple[str, dict[str, str]]:
    """Where the rows lie, and the types of all columns."""
    if is_spark(data):
        source = str(space.source(data, "data"))
        types = space.schema(source, "data")
        for column, role in ask.needed.items():
            if column not in types:
                raise rules.no_such_column(column, list(types), role, "data")
        return source, types
    if not is_path(data):
        space.names(data, "data")  # which says in our words that the user's connection was closed
    found = open_relation(data, "data", ask.needed)
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    held = [c for c in types if c in (*ask.needed, *OPTIONAL) or types[c] in IDS]
    return str(space.source(data, "data", list(ask.needed) if is_path(data) else held)), types


@dataclass(frozen=True)
class Dictionary:
    """The distinct values of a column.

    Attributes
    ----------
    table : Table
        One column of the user's name.
    """

    located: Located
    column: str
    table: Table
    arrow: pa.ChunkedArray

    def joined(self, alias: str, codes: NDArray[Any], expression: str | None = None) -> str:
        """The clause that gives every row the code of its value, as ``alias.c``; rows are ``s``."""
        view = self.located.space.new_name("values")
        self.located.space.register(view, pa.table({"v": self.arrow, "c": pa.array(codes.astype(np.int32))}))
        return f"JOIN {view} AS {alias} ON {expression or f's.{quote(self.column)}'} IS NOT DISTINCT FROM {alias}.v"

    def seen(self, bad: NDArray[np.bool_]) -> tuple[int, list[int]]:
        """How many rows hold the values of a mask, and the first positions of these; see `times`."""
        located, q = self.located, quote(self.column)
        if located.fits:
            return each_its_row(bad)  # said again by who reads all rows in memory
        space, values = located.space, self.arrow.filter(pa.array(bad))
        view = space.new_name("bad")
        space.register(view, pa.table({"v": values.drop_null()}))
        where = f"({q} IN (SELECT v FROM {view}){f' OR {q} IS NULL' if values.null_count else ''})"
        count = int(space.row(f"SELECT count(*) FROM {located.source} WHERE {where}")[0])
        return count, sql.first_rows(space, located.source, where, "data") if space.positions else []


@dataclass(frozen=True)
class Opened:
    """Periods and dates of first treatment.

    Attributes
    ----------
    time, first : Dictionary
        `first` is None with ``treated=``.
    calendar, when : Times
        What they hold.
    grid : Grid
    column : ndarray of int
        Column of the grid of each value of `time`.
    dates : ndarray of int64
        Distinct dates of first treatment, `NEVER` among them.
    date : ndarray of int
        Code in `dates` of each value of `first`.
    word : str or None
        The text that was read as never.
    """

    located: Located
    time: Dictionary
    calendar: Times
    grid: Grid
    column: IntArray
    first: Dictionary | None = None
    when: Times | None = None
    dates: IntArray | None = None
    date: IntArray | None = None
    word: str | None = None


def open_rows(located: Located, ask: Ask) -> Opened | None:
    """Read the periods and the dates of first treatment; None where they are too many to be such.

    Raises
    ------
    InputError
        Something is wrong with one of the two columns.
    """
    time = dictionary(located, ask.time, _MOST)
    if time is None:
        return None
    calendar = times(time.table, ask.time, "time", seen=time.seen)
    grid = make_grid(np.unique(calendar.values), calendar.is_date, ask.time)
    opened = Opened(located, time, calendar, grid, np.searchsorted(grid.values, calendar.values))
    if ask.treated is not None:
        return opened
    first = dictionary(located, ask.first_treated, _MOST)
    if first is None:
        return None
    word = word_of_never(ask.never, first.table.series(ask.first_treated, "first_treated"))
    when = times(first.table, ask.first_treated, "first_treated", allow_missing=True, word=word, seen=first.seen)
    same_clock(calendar, when, ask.time, ask.first_treated)
    dates, date = np.unique(np.where(when.missing, NEVER, when.values), return_inverse=True)
    return replace(opened, first=first, when=when, dates=dates, date=date, word=word)


def dictionary(located: Located, column: str, most: int | None = None) -> Dictionary | None:
    """The distinct values of a column; None where they are more than `most`."""
    limit = "" if most is None else f" LIMIT {most + 1}"
    arrow = located.space.arrow(f"SELECT DISTINCT {quote(column)} AS v FROM {located.source}{limit}")
    if most is not None and len(arrow) > most:
        return None
    table = Table(nw.from_native(arrow.rename_columns([column]), eager_only=True), "data", len(arrow))
    return Dictionary(located, column, table, arrow["v"])


def parts_of(located: Located) -> float:
    """Shorter periods averaged in each row, see `Panel`."""
    if "parts" not in located.types:
        return 1.0
    found = dictionary(located, "parts")
    assert found is not None  # there is no limit to the number of values
    values = numeric(found.table, "parts", "parts", missing=NO_PARTS).values
    return float(values[0]) if len(values) == 1 else np.nan
