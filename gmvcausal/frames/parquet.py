"""Where parquet data lie: one file, a pattern, a folder (also of key=value folders), or a list of any of these."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.texts import quote_text

_ENDINGS = (".parquet", ".parq", ".pq")


def is_path(data: Any) -> bool:
    """Whether `data` names files: a path (str or path-like), or a list of paths."""
    if isinstance(data, list | tuple):
        return len(data) > 0 and all(isinstance(part, str | os.PathLike) for part in data)
    return isinstance(data, str | os.PathLike)


def parquet_source(data: Any, name: str, needed: Sequence[str] = ()) -> str:
    """The files as a table function of SQL.

    Where there are several, their columns are matched by name, and numbers take the widest of their types: a part with
    whole amounts must not round those of the others.

    Parameters
    ----------
    data : path or list of paths
        A file, a pattern, or a folder, whose ``*.parquet`` files are read at any depth; names like ``day=2025-01-01``
        of its folders are columns.
    name : str
        What messages call it.
    needed : sequence of str
        Columns that are used.

    Raises
    ------
    InputError
        No such file; a name that is none of a parquet file; a needed column that only some of the files have.
    """
    parts = data if isinstance(data, list | tuple) else [data]
    patterns = [_pattern(str(os.fspath(part)), name) for part in parts]
    files = sum(len(glob.glob(p, recursive=True)) for p in patterns)
    listed = "[" + ", ".join(map(quote_text, patterns)) + "]"
    if files == 1:
        return f"read_parquet({listed})"
    _refuse_uneven(listed, files, name, needed)
    return f"read_parquet({listed}, union_by_name = true)"


def stored_names(data: Any) -> list[str]:
    """Column names as the (first) file has them; DuckDB renames those that differ only in case."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = data[0] if isinstance(data, list | tuple) else data
    try:
        return list(pq.read_schema(sorted(glob.glob(_pattern(str(os.fspath(first)), ""), recursive=True))[0]).names)
    except (InputError, OSError, IndexError, pa.ArrowException):
        return []  # what is wrong with the file is told by its reader


def _pattern(text: str, name: str) -> str:
    """A path as a pattern that finds its files and no others."""
    if os.path.isdir(text):
        inside = os.path.join(glob.escape(text), "**", "*.parquet")
        if not glob.glob(inside, recursive=True):
            raise InputError(f"{name} names the folder {text!r}, which holds no .parquet file", remedy="check the path")
        return inside
    if not text.lower().endswith(_ENDINGS):
        raise InputError(
            f"{name} is the path {text!r}, which does not end in .parquet",
            remedy="read other formats into a frame first, or convert the file to parquet",
        )
    if os.path.exists(text):
        return glob.escape(text)
    if not glob.glob(text, recursive=True):
        raise InputError(f"{name} names the file {text!r}, which does not exist", remedy="check the path")
    return text


def _refuse_uneven(listed: str, files: int, name: str, needed: Sequence[str]) -> None:
    """A column that only some files have would read as missing in the others: as never treated, for example."""
    import duckdb

    if not needed:
        return
    only = f"name IN ({', '.join(map(quote_text, needed))})"
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT name, count(DISTINCT file_name) FROM parquet_schema({listed}) WHERE {only} GROUP BY name"
        ).fetchall()
    for column, count in found:
        if count < files:
            raise InputError(
                f"{files - count:,} of the {files:,} files of {name} lack a column that the others have",
                column=str(column),
                remedy="write it in all of them, or name only the files that belong together",
            )
