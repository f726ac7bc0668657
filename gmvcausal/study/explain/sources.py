"""Tables from footers alone: rows, row groups, bytes of the columns as stored, and ranges where they are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import narwhals as nw

from gmvcausal.frames.files import Files
from gmvcausal.frames.table import open_table
from gmvcausal.study.explain.plan import Source

if TYPE_CHECKING:
    import pyarrow as pa

_THREADS = 16  # reading a footer is waiting for the disk
CSV_HEAD = 1_000  # lines of a CSV that tell its columns and the length of a row


def of_parquet(files: Files, name: str, shown: str) -> Source:
    """A table in parquet files.

    Parameters
    ----------
    files : Files
    name, shown : str
        What the plan calls it, and its path as the study names it.

    Raises
    ------
    InputError
        A file that is not whole.
    """
    import pyarrow.parquet as pq

    types: dict[str, str] = {}
    for footer in files.footers:  # what is not whole is named here
        types |= dict.fromkeys((c for c in footer.types if c not in types), "other")
    with ThreadPoolExecutor(min(_THREADS, len(files.paths))) as pool:
        footers = list(pool.map(pq.read_metadata, files.paths))
    stored: dict[str, int] = {}
    ends: dict[str, list[Any]] = {}
    groups = 0
    for footer in footers:
        types |= {field.name: _kind(field.type) for field in footer.schema.to_arrow_schema()}
        for g in range(footer.num_row_groups):
            group = footer.row_group(g)
            groups += 1
            for c in range(group.num_columns):
                chunk = group.column(c)
                column = chunk.path_in_schema.partition(".")[0]
                stored[column] = stored.get(column, 0) + chunk.total_compressed_size
                ends.setdefault(column, []).append(_ends(chunk.statistics))
    types |= {key: "text" for file in files.files for key, _ in file.keys} if files.keyed else {}
    ranges = {c: both for c, of in ends.items() if all(of) and (both := _range(of)) is not None}
    return Source(name, shown, "parquet", len(files.paths), files.rows, groups, files.bytes, stored, types, ranges)


def of_csv(name: str, shown: str, path: str, head: Any) -> Source:
    """A CSV from its first lines: it is read whole when the study runs."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        lines = [len(line) for line, _ in zip(file, range(CSV_HEAD + 1), strict=False)]
    whole = len(lines) <= CSV_HEAD
    rows = len(head) if whole else round((size - lines[0]) / (sum(lines[1:]) / (len(lines) - 1)))
    return Source(name, shown, "csv", 1, rows, 0, size, {}, _types_of(head, name))


def of_frame(name: str, shown: str, frame: Any) -> Source:
    """A table that lies in memory already."""
    table, types = open_table(frame, name), _types_of(frame, name)
    ranges = {}
    for column, kind in types.items():
        if kind in ("whole", "time"):
            ends = (table.frame[column].min(), table.frame[column].max())
            ranges[column] = tuple(end.item() if hasattr(end, "item") else end for end in ends)
    return Source(name, shown, "memory", 0, table.n, 0, 0, {}, types, ranges)


def _types_of(frame: Any, name: str) -> Mapping[str, str]:
    table = open_table(frame, name)
    found = {}
    for column, dtype in table.frame.schema.items():
        found[column] = (
            "flag" if dtype == nw.Boolean
            else "whole" if dtype.is_integer()
            else "number" if dtype.is_numeric()
            else "time" if dtype.is_temporal()
            else "text"
        )  # fmt: skip
    return found


def _ends(statistics: Any) -> tuple[Any, Any] | None:
    return None if statistics is None or not statistics.has_min_max else (statistics.min, statistics.max)


def _range(ends: Any) -> tuple[Any, Any] | None:
    try:
        return min(end[0] for end in ends), max(end[1] for end in ends)
    except TypeError:  # text beside numbers, or times with and without a zone: refused by name where it is used
        return None


def _kind(kind: pa.DataType) -> str:
    from pyarrow import types as t

    if t.is_dictionary(kind):
        return _kind(kind.value_type)
    told = (
        ("flag", t.is_boolean), ("whole", t.is_integer), ("number", t.is_floating), ("number", t.is_decimal),
        ("time", t.is_timestamp), ("time", t.is_date), ("text", t.is_string), ("text", t.is_large_string),
        ("text", t.is_string_view),
    )  # fmt: skip
    return next((words for words, holds in told if holds(kind)), "other")
