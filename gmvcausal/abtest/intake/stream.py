"""The rows of a test of which most are zero in most columns, as blocks, from wherever DuckDB can read them.

Only the others are read: pass one counts all rows by arm and by the values of
the columns that are not mostly zero (whole numbers of a short range: visits), pass two reads the rows in which a mostly
zero column is not zero, and what remains of the counts is the rows that were not read. The sums over those are exact: a
row of their block stands for all its equals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake.blocks import Block, Col
from gmvcausal.abtest.intake.single import Stats
from gmvcausal.frames.table import quote
from gmvcausal.frames.texts import quote_text

IntArray = NDArray[np.int64]

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FRACTIONS = ("FLOAT", "DOUBLE")
MOST_ARMS = 100

_SAMPLE = 16_384  # rows that tell which columns are mostly zero; a table of fewer is read as it is
_MOSTLY, _READ = 0.5, 0.4  # share of zeros of a mostly zero column; share of rows up to which they are read apart
_COMBINATIONS = 2**20  # of the values of the other columns
HELD = 512 * 2**20  # bytes of rows that are kept (some 25 million rows); beyond, every pass reads them again
_BATCH = 2**16


@dataclass(eq=False)
class Stream:
    """Blocks of the rows of a test.

    Attributes
    ----------
    base : DuckDB relation
    arm : str
        The arm in SQL.
    columns : dict of str to str
        Columns of numbers -> their SQL types.
    labels : tuple
        Labels of the arms, sorted.
    sizes : ndarray of int, shape (arms,)
    where : str
        Which rows are read, in SQL.
    stats : dict of str to Stats
    gone : dict of str to int
        Missing values of each column; they count as zeros.
    rest : list of Block
        The rows that are not read.
    held : list of Block or None
        The rows that were read, where they are few enough.
    shorter : dict of str to str
        Columns of whole numbers -> the shortest type of SQL that holds them, where their range is known.
    """

    base: Any
    arm: str
    columns: dict[str, str]
    labels: tuple[Any, ...]
    sizes: IntArray
    where: str
    stats: dict[str, Stats] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    rest: list[Block] = field(default_factory=list)
    held: list[Block] | None = None
    shorter: dict[str, str] = field(default_factory=dict)

    def blocks(self) -> Iterator[Block]:
        """All rows."""
        yield from self.rest
        yield from self.read() if self.held is None else self.held

    def code(self) -> str:
        """The arm as its position among the labels, in SQL."""
        whens = " ".join(f"WHEN {self.arm} = {label_text(v)} THEN {i}" for i, v in enumerate(self.labels))
        return f"CAST(CASE {whens} END AS TINYINT)"

    def read(self) -> Iterator[Block]:
        """The rows that `where` selects, from where they lie."""
        chosen = self.base.filter(self.where)
        numbers = [native(c, kind) for c, kind in self.columns.items()]
        listed = [
            f"CAST({x} AS {self.shorter[c]}) AS n{i}" if c in self.shorter else f"{x} AS n{i}"
            for i, (c, x) in enumerate(zip(self.columns, numbers, strict=True))
        ]
        self.gone = dict.fromkeys(self.columns, 0)
        gathered: list[list[NDArray[Any]]] = []
        for batch in chosen.project(", ".join([f"{self.code()} AS a", *listed])).to_arrow_reader(_BATCH):
            # A row group ends a batch: so few rows at a time would cost more in calls than in sums.
            gathered.append([np.from_dlpack(batch.column(0)), *self._columns(batch)])
            if sum(len(own[0]) for own in gathered) >= _BATCH:
                yield from self._by_arm(gathered)
                gathered = []
        if gathered:
            yield from self._by_arm(gathered)

    def _columns(self, batch: Any) -> Iterator[NDArray[Any]]:
        """The columns of a batch; a missing value is counted, and zero."""
        for i, c in enumerate(self.columns, 1):
            stored = batch.column(i)
            if stored.null_count:
                self.gone[c] += stored.null_count
                stored = stored.fill_null(0)
            x = _short(np.from_dlpack(stored))  # to_numpy would load pandas
            if x.dtype.kind == "f" and (absent := np.isnan(x)).any():
                self.gone[c] += int(absent.sum())
                x = np.where(absent, x.dtype.type(0), x)
            yield x

    def _by_arm(self, gathered: list[list[NDArray[Any]]]) -> Iterator[Block]:
        """Blocks of the rows of some batches."""
        arms, *columns = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        order = np.argsort(arms, kind="stable")
        ends = np.cumsum(np.bincount(arms, minlength=len(self.labels)))
        columns = [x[order] for x in columns]
        for a, (low, high) in enumerate(zip([0, *ends], ends, strict=False)):
            if high > low:
                yield Block(a, {Col(c): x[low:high] for c, x in zip(self.columns, columns, strict=True)})


def open_stream(
    base: Any, arm: str, columns: dict[str, str], flags: set[str], limit: int | None = None
) -> Stream | None:
    """Read the rows of a test once, and keep what they sum up to.

    Parameters
    ----------
    base : DuckDB relation
    arm : str
        The arm in SQL.
    columns : dict of str to str
        Columns of numbers -> their SQL types.
    flags : set of str
        Columns that should hold 0 and 1 only; what else they hold is counted (`Stats.strange`).
    limit : int, optional
        Bytes, of which half may be rows.

    Returns
    -------
    Stream or None
        None where reading rows apart does not pay, as few are zero in most columns or the others have too many values;
        where the arm or one of those others is missing somewhere; where there are too few arms or too many.
    """
    sparse, dense = _split(base, columns)
    if not sparse:
        return None
    ranges = _ranges(base, columns)
    known = [ranges[c] for c in dense if c in ranges]
    if len(known) < len(dense) or math.prod(high - low + 1 for low, high in known) > _COMBINATIONS:
        return None
    counted = _count(base, arm, columns, dense)
    if counted is None:
        return None
    lows, widths = [ranges[c][0] for c in dense], [ranges[c][1] - ranges[c][0] + 1 for c in dense]
    found, at = np.unique(counted[0], return_inverse=True)
    if not 2 <= len(found) <= MOST_ARMS:
        return None
    labels = tuple(int(v) if isinstance(v, np.integer | int) else str(v) for v in found)
    table = np.zeros((len(labels), math.prod(widths)), dtype=np.int64)
    np.add.at(table, (at, _code(list(counted[1:-1]), lows, widths, len(at))), counted[-1].astype(np.int64))
    where = " OR ".join(f"{quote(c)} IS DISTINCT FROM {_zero(columns[c])}" for c in sparse)
    stream = Stream(base, arm, columns, labels, table.sum(axis=1), where)
    stream.shorter = {c: kind for c, ends in ranges.items() if (kind := _shortest(*ends))}
    most = HELD if limit is None else min(HELD, limit // 2)
    _take(stream, flags, sparse, dense, table, lows, widths, most)
    return stream


def _count(base: Any, arm: str, columns: dict[str, str], dense: list[str]) -> list[NDArray[Any]] | None:
    """Pass one: the arm, the columns, and how many rows have these values; None where a value is missing."""
    keys = ["a", *(f"n{i}" for i in range(len(dense)))]
    listed = [f"{arm} AS a", *(f"{native(c, columns[c])} AS n{i}" for i, c in enumerate(dense))]
    grouped = base.project(", ".join(listed)).aggregate(", ".join([*keys, "count(*) AS k"]), ", ".join(keys))
    found = [np.ma.asarray(x) for x in grouped.fetchnumpy().values()]
    return None if any(np.ma.is_masked(x) for x in found) else [np.ma.getdata(x) for x in found]


def _take(
    stream: Stream,
    flags: set[str],
    sparse: list[str],
    dense: list[str],
    table: IntArray,
    lows: list[int],
    widths: list[int],
    most: int,
) -> None:
    """Pass two: the rows that are read, and by difference those that are not."""
    stream.stats = {c: Stats() for c in stream.columns}
    size, held = 0, []
    for block in stream.read():
        for c, found in stream.stats.items():
            found.take(block, Col(c), c in flags)
        n = len(next(iter(block.columns.values())))
        code = _code([block.columns[Col(c)] for c in dense], lows, widths, n)
        table[block.arm] -= np.bincount(code, minlength=table.shape[1])
        size += sum(x.nbytes for x in block.columns.values())
        if size <= most:
            held.append(block)
        else:
            held.clear()
    stream.held = held if size <= most else None
    for a, row in enumerate(table):
        (code,) = np.nonzero(row)
        if not len(code):
            continue
        columns: dict[Col, NDArray[Any]] = {Col(c): np.zeros(len(code), dtype=np.int8) for c in sparse}
        left = code
        for c, low, width in zip(dense[::-1], lows[::-1], widths[::-1], strict=True):
            columns[Col(c)] = left % width + low
            left = left // width
        stream.rest.append(Block(a, columns, row[code].astype(float)))
    for block in stream.rest:
        for c, found in stream.stats.items():
            found.take(block, Col(c), c in flags)


def _split(base: Any, columns: dict[str, str]) -> tuple[list[str], list[str]]:
    """The mostly zero columns, and the others; no mostly zero ones where reading these apart does not pay."""
    listed = list(columns)
    head = base.limit(_SAMPLE).project(", ".join(f"{native(c, columns[c])} AS n{i}" for i, c in enumerate(listed)))
    found = head.fetchnumpy()
    if len(found["n0"]) < _SAMPLE:
        return [], listed
    live = {c: np.ma.filled(found[f"n{i}"], 0) != 0 for i, c in enumerate(listed)}
    union, sparse = np.zeros(_SAMPLE, dtype=bool), []
    for c in sorted(listed, key=lambda c: float(live[c].mean())):
        if live[c].mean() <= 1 - _MOSTLY and (union | live[c]).mean() <= _READ:
            union |= live[c]
            sparse.append(c)
    dense = [c for c in listed if c not in sparse]
    return (sparse, dense) if all(columns[c] in (*WHOLE, "BOOLEAN") for c in dense) else ([], listed)


def _ranges(base: Any, columns: dict[str, str]) -> dict[str, tuple[int, int]]:
    """The least and the largest value of each column of whole numbers; a parquet file knows both."""
    listed = {c: native(c, kind) for c, kind in columns.items() if kind in (*WHOLE, "BOOLEAN")}
    if not listed:
        return {}
    ends = base.aggregate(", ".join(f"min({x}), max({x})" for x in listed.values())).fetchall()[0]
    pairs = zip(listed, ends[::2], ends[1::2], strict=True)
    return {c: (int(low), int(high)) for c, low, high in pairs if low is not None}


def _shortest(low: int, high: int) -> str | None:
    """The shortest type of SQL that holds a range; None for the longest."""
    for bits, kind in ((7, "TINYINT"), (15, "SMALLINT"), (31, "INTEGER")):
        if -(2**bits) <= low and high < 2**bits:
            return kind
    return None


def _code(columns: list[NDArray[Any]], lows: list[int], widths: list[int], n: int) -> IntArray:
    """The combination of values of each row as one number."""
    code = np.zeros(n, dtype=np.int64)
    for x, low, width in zip(columns, lows, widths, strict=True):
        code *= width
        code += x
        code -= low
    return code


def _short(x: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in as few bytes as they need."""
    if x.dtype.kind not in "iu" or x.itemsize == 1 or not len(x):
        return x
    low, high = int(x.min()), int(x.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return x.astype(kind, copy=False)
    return x


def native(column: str, kind: str) -> str:
    """A column as numpy has it, in SQL."""
    if kind in (*WHOLE, *FRACTIONS):
        return quote(column)
    return f"CAST({quote(column)} AS {'TINYINT' if kind == 'BOOLEAN' else 'DOUBLE'})"


def _zero(kind: str) -> str:
    return "FALSE" if kind == "BOOLEAN" else "0"


def label_text(value: Any) -> str:
    """The label of an arm, in SQL."""
    return str(value) if isinstance(value, int) else quote_text(value)
