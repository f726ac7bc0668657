"""What an engine's failure means for the user: a file that is not whole or moved, a full disk, too little memory."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence

from gmvcausal.errors import InputError
from gmvcausal.frames.files import Files
from gmvcausal.frames.footers import not_whole
from gmvcausal.frames.table import duck_errors, quote
from gmvcausal.frames.texts import quote_text

_LESS = "take longer periods or fewer columns"


def explained(
    error: Exception,
    name: str,
    read: Iterable[tuple[Files, list[str]]],
    directory: str = ".tmp",
    memory: str = "80 % of this machine's memory",
) -> InputError:
    """Our own error for a failure of DuckDB.

    Parameters
    ----------
    error : duckdb.Error, or what Arrow makes of it
    name : str
        What messages call the data.
    read : iterable of (Files, sequence of str)
        Files that were being read, and the columns used.
    directory : str
        Where DuckDB spills to; its own default.
    memory : str
        The limit of its buffers, in words; its own default.

    Returns
    -------
    InputError
        A file that changed or cannot be read to its end is named; it is looked for only now.
    """
    import duckdb

    text = str(error)
    full = re.search(r"failed to offload data block.*?\(([^)]*)\)", text)
    if full or "No space left on device" in text or "File too large" in text:
        used = f" ({full[1]})" if full else ""
        return InputError(
            f"the disk is full{used}: what of {name} does not fit into {memory} of memory goes to {directory!r}",
            remedy=f"set TMPDIR to a larger disk, raise memory_limit=, or {_LESS}",
        )
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory Error" in text:
        return InputError(
            f"{name} needs more memory than the {memory} that DuckDB may take",
            remedy=f"raise memory_limit=, or {_LESS}",
        )
    if isinstance(error, duckdb.ProgrammingError) and not isinstance(error, duckdb.InvalidInputException):
        return duck_errors(error, name)  # about the statement, not about a file
    for files, columns in read:
        try:
            files.unchanged(added=False)
        except InputError as moved:
            return moved
        found = broken(files, text, columns)
        if found is not None:
            return found
    return duck_errors(error, name)


def broken(files: Files, text: str, columns: Sequence[str] = ()) -> InputError | None:
    """The error of the first file that cannot be read to its end; those that the message `text` names come first."""
    import duckdb

    for file in sorted(files.files, key=lambda one: repr(one.path)[1:-1] not in text):
        listed = ", ".join(quote(c) for c in columns) or "COLUMNS(*)"
        path = quote_text(glob.escape(file.path))
        try:
            with duckdb.connect() as connection:
                connection.execute(
                    f"SELECT max(hash({listed})) FROM read_parquet([{path}], hive_partitioning = true)"
                ).fetchall()
        except duckdb.Error as error:
            return not_whole(file.path, files.name, str(error).strip().splitlines()[0])
    return None
