"""Pseudonyms in parquet files: read batch by batch, written as one file, in the order of the rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.files import find_files
from gmvcausal.frames.outputs import refuse_output
from gmvcausal.frames.table import duck_errors, open_relation
from gmvcausal.frames.written import need_folder, told, whole_file

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 262_144


def write(
    data: Any,
    names: list[str],
    to: Any,
    replaced: Callable[[Any, str], pa.Array],
    warn: Callable[[dict[Any, list[Any]], list[str]], None],
    looked_at: int,
) -> Path:
    """Write the files that `data` names as one parquet file at `to`, the columns `names` replaced.

    Columns that repeat the ids at the head of the files (so many rows `looked_at`) are told to `warn`; pandas keeps an
    index of ids in a column as well (``__index_level_0__``).

    Raises
    ------
    InputError
        No `to`; one that is an input or lies where the next read would find it; a column that is not there.
    """
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(to, str | os.PathLike):
        raise InputError("to must name the parquet file to write", remedy="write to='orders-safe.parquet'")
    files = find_files(data, "data")
    refuse_output(os.fspath(to), "to", files)
    try:
        relation = open_relation(files, "data", dict.fromkeys(names, "columns"))
        batches = relation.to_arrow_reader(_BATCH)
        fields = [pa.field(f.name, pa.string()) if f.name in names else f for f in batches.schema]
        schema = pa.schema(fields)
        with told(to):
            need_folder(to)
            with whole_file(to) as beside, pq.ParquetWriter(beside, schema) as out:
                start = 0
                for batch in batches:
                    if not start:
                        head = batch.slice(0, looked_at)
                        warn({f.name: head.column(i).to_pylist() for i, f in enumerate(schema)}, names)
                    arrays = [
                        _at(start, replaced, batch.column(i), f.name) if f.name in names else batch.column(i)
                        for i, f in enumerate(schema)
                    ]
                    start += batch.num_rows
                    out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                files.unchanged()
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None
    return Path(to)


def _at(start: int, replaced: Callable[[Any, str], pa.Array], values: Any, name: str) -> pa.Array:
    """The pseudonyms of a batch; what is refused is told by its position in the files."""
    try:
        return replaced(values, name)
    except InputError as error:
        rows = [row if isinstance(row, str) else row + start for row in error.rows]
        raise InputError(error.rule, column=error.column, count=error.count, rows=rows, remedy=error.remedy) from None
