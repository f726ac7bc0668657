"""Where parquet data lie: one file, a pattern, a folder (also of key=value folders), or a list of any of these."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.files import Files, find_files
from gmvcausal.frames.texts import quote_text


def is_path(data: Any) -> bool:
    """Whether `data` names files: a path (str or path-like), a list of paths, or files already found."""
    if isinstance(data, list | tuple):
        return len(data) > 0 and all(isinstance(part, str | os.PathLike) for part in data)
    return isinstance(data, str | os.PathLike | Files)


def parquet_source(data: Any, name: str, needed: Sequence[str] = ()) -> str:
    """The files as a table function of SQL.

    Where there are several, their columns are matched by name, and numbers take the widest of their types: a part with
    whole amounts must not round those of the others.

    Parameters
    ----------
    data : path, list of paths, or Files
        A file, a pattern, or a folder, whose ``*.parquet`` files are read at any depth; names like ``day=2025-01-01``
        of its folders are columns. `Files` give every pass the same files.
    name : str
        What messages call it.
    needed : sequence of str
        Columns that are used.

    Raises
    ------
    InputError
        No such file; a name that is none of a parquet file; a file that is not whole; a needed column that is not the
        same in all files.
    """
    files = find_files(data, name)
    files.check(needed)
    listed = ", ".join(quote_text(glob.escape(path)) for path in files.paths)
    matched = "" if files.alike else ", union_by_name = true"
    return f"read_parquet([{listed}]{matched}, hive_partitioning = {str(files.keyed).lower()})"


def stored_names(data: Any) -> list[str]:
    """Column names as the (first) file has them; DuckDB renames those that differ only in case."""
    try:
        return list(find_files(data, "").footers[0].types)
    except InputError:
        return []  # what is wrong with the file is told by its reader
