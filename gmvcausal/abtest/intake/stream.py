"""The rows of a test as blocks, from wherever DuckDB can read them, with as few rows as the sums need.

Where most rows are zero in most columns, only the others are read: pass one counts all rows by arm and by the values of
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

from gmvcausal.abtest.intake.passes import Block, Col, Stats
from gmvcausal.frames.table import quote, quote_text

IntArray = NDArray[np.int64]

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FRACTIONS = ("FLOAT", "DOUBLE")
MOST_ARMS = 100

_SAMPLE = 50_000  # rows that tell which columns are mostly zero; a table of fewer is read as it is
_MOSTLY, _READ = 0.5, 0.4  # share of zeros of a mostly zero column; share of rows up to which they are read apart
_COMBINATIONS = 2**20  # of the values of the other columns
_HELD = 128 * 2**20  # bytes of rows that are kept; beyond, every pass reads them again
_BATCH = 2**17


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
        Which rows are read, in SQL; empty for all.
    stats : dict of str to Stats
    gone : dict of str to int
        Missing values of each column; they count as zeros.
    rest : list of Block
        The rows that are not read.
    held : list of Block or None
        The rows that were read, where they are few enough.
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
        chosen = self.base.filter(self.where) if self.where else self.base
        listed = [f"{native(c, kind)} AS n{i}" for i, (c, kind) in enumerate(self.columns.items())]
        self.gone = dict.fromkeys(self.columns, 0)
        for batch in chosen.project(", ".join([f"{self.code()} AS a", *listed])).to_arrow_reader(_BATCH):
            arms = batch.column(0).to_numpy()
            order = np.argsort(arms, kind="stable")
            ends = np.cumsum(np.bincount(arms, minlength=len(self.labels)))
            columns = {}
            for i, c in enumerate(self.columns, 1):
                stored = batch.column(i)
                if stored.null_count:
                    self.gone[c] += stored.null_count
                    stored = stored.fill_null(0)
                x = _short(stored.to_numpy())[order]
                if x.dtype.kind == "f" and (absent := np.isnan(x)).any():
                    self.gone[c] += int(absent.sum())
                    x[absent] = 0.0
                columns[Col(c)] = x
            for a, (low, high) in enumerate(zip([0, *ends], ends, strict=False)):
                if high > low:
                    yield Block(a, {c: x[low:high] for c, x in columns.items()})


def open_stream(base: Any, arm: str, columns: dict[str, str], flags: set[str]) -> Stream | None:
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

    Returns
    -------
    Stream or None
        None where the arm has no labels, a missing one, or too many to be arms.
    """
    sparse, dense = _split(base, columns)
    lows, widths = _ranges(base, columns, dense) if sparse else ([], [])
    if math.prod(widths) > _COMBINATIONS:
        sparse = []
    counted = _count(base, arm, columns, dense if sparse else [])
    if counted is None and sparse:
        sparse = []  # a missing value among those counted
        counted = _count(base, arm, columns, [])
    if counted is None:
        return None
    if not sparse:
        dense, lows, widths = [], [], []
    found, at = np.unique(counted[0], return_inverse=True)
    if not 2 <= len(found) <= MOST_ARMS:
        return None
    labels = tuple(int(v) if isinstance(v, np.integer | int) else str(v) for v in found)
    table = np.zeros((len(labels), math.prod(widths)), dtype=np.int64)
    np.add.at(table, (at, _code(list(counted[1:-1]), lows, widths, len(at))), counted[-1].astype(np.int64))
    where = " OR ".join(f"{quote(c)} IS DISTINCT FROM {_zero(columns[c])}" for c in sparse)
    stream = Stream(base, arm, columns, labels, table.sum(axis=1), where)
    _take(stream, flags, sparse, dense, table, lows, widths)
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
        if size <= _HELD:
            held.append(block)
        else:
            held.clear()
    stream.held = held if size <= _HELD else None
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


def _ranges(base: Any, columns: dict[str, str], dense: list[str]) -> tuple[list[int], list[int]]:
    """The least value of each column, and how many whole numbers its range holds; a parquet file knows both."""
    if not dense:
        return [], []
    ends = base.aggregate(", ".join(f"min({x}), max({x})" for x in (native(c, columns[c]) for c in dense))).fetchall()
    low, high = ends[0][::2], ends[0][1::2]
    if None in ends[0]:
        return [0], [_COMBINATIONS + 1]
    return [int(a) for a in low], [int(b) - int(a) + 1 for a, b in zip(low, high, strict=True)]


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
