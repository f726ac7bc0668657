"""Tables of Ibis: a DuckDB relation, a Spark frame, or, from any other back end, a parquet file of our own.

An Ibis table is an expression. DuckDB and Spark run it themselves whenever it is read, where its rows lie. What another
back end answers is streamed once to a temporary file, which goes away with the object that stands for it.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.facts import with_optional
from gmvcausal.frames.files import find_files
from gmvcausal.frames.scratch import scratch

_HERE = ("duckdb", "pyspark")  # back ends that our own statements run on
_ROWS = 2**18  # of a batch
_REMEDY = "check that the expression runs by itself: table.head().execute()"


def is_ibis(data: Any) -> bool:
    """Whether `data` is a table of Ibis (checked without importing it)."""
    kind = type(data)
    return kind.__module__.startswith("ibis.") and any(k.__name__ == "Table" for k in kind.__mro__)


def on_spark(data: Any) -> bool:
    """Whether the rows of an Ibis table lie on Spark."""
    return is_ibis(data) and _backend(data, "the data").name == "pyspark"


def native(
    data: Any,
    name: str = "data",
    needed: Sequence[str] | Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
) -> Any:
    """What stands behind an Ibis table; anything else is returned as it is.

    Parameters
    ----------
    data : Any
    name : str
        What messages call it.
    needed : sequence of str, or mapping of str to str, optional
        Columns to fetch (and what for) where rows have to be fetched; default: all that a verb can read.
    optional : sequence of str
        Further columns to fetch where they exist, whatever their case (`facts.folded`).

    Returns
    -------
    DuckDB relation, Spark frame or Files
        The first two of the user's own connection or session, and not yet run; `Files` of the temporary file, which is
        removed when they go away.

    Raises
    ------
    InputError
        Tables of no back end or of two, a missing column, or an expression that fails.
    """
    if not is_ibis(data):
        return data
    backend = _backend(data, name)
    if backend.name not in _HERE:
        return _streamed(data, backend.name, name, needed, optional)
    try:
        # Tables in memory and functions of the user's own are made known to the back end, as on every run of Ibis.
        backend._run_pre_execute_hooks(data)
        found = (backend.con.sql if backend.name == "duckdb" else backend.raw_sql)(backend.compile(data, limit=None))
    except Exception as error:  # noqa: BLE001  # every back end has errors of its own
        raise _failed(error, name) from None
    # Ibis forgets a table in memory as soon as nobody holds the expression.
    weakref.finalize(found, _hold, data).atexit = False
    return found


def said_of_copy(data: Any, name: str) -> list[str]:
    """The note on an Ibis table whose rows had to be fetched; nothing for all others."""
    if not is_ibis(data):
        return []
    backend = _backend(data, name).name
    return [] if backend in _HERE else [_note(backend, name)]


def _note(backend: str, name: str) -> str:
    return f"the rows of {name} were fetched from {backend} by Ibis into a temporary file"


def _backend(data: Any, name: str) -> Any:
    try:
        return data.get_backend()
    except Exception as error:  # noqa: BLE001  # see above
        raise InputError(
            f"{name} is an Ibis table that no single back end can run: {_first_line(error)}",
            remedy="make it from tables of one connection, for example ibis.duckdb.connect().read_parquet(path)",
        ) from None


def _streamed(
    data: Any, backend: str, name: str, needed: Sequence[str] | Mapping[str, str] | None, optional: Sequence[str]
) -> Any:
    import pyarrow.parquet as pq

    for column in needed or ():
        if column not in data.columns:
            role = needed[column] if isinstance(needed, Mapping) else "this verb"
            raise rules.no_such_column(column, list(data.columns), role, name)
    wanted = with_optional(needed or (), data.columns, optional)
    if needed is None:
        wanted = [column for column, kind in data.schema().items() if _flat(kind)]
    scratched = scratch()
    path = os.path.join(scratched.path, "rows.parquet")
    try:
        reader = data.select(*wanted).to_pyarrow_batches(limit=None, chunk_size=_ROWS)
        # Read as what `Logs` writes about a frame is (`facts.frame_facts`).
        facts = {"attributes": {"gmvcausal": {"notes": [_note(backend, name)]}}}
        schema = reader.schema.with_metadata({"pandas": json.dumps(facts)})
        with pq.ParquetWriter(path, schema) as writer:
            for batch in reader:
                if backend == "sqlite":
                    _refuse_rounded(batch, name)
                writer.write_batch(batch)
        found = find_files(path, name)
    except InputError:
        scratched.remove()
        raise
    except Exception as error:  # noqa: BLE001  # see above
        scratched.remove()
        raise _failed(error, name) from None
    weakref.finalize(found, scratched.remove)
    return found


def _flat(kind: Any) -> bool:
    """Whether a verb can read the type; JSON, arrays or places on a map are not worth the way."""
    return any((kind.is_primitive(), kind.is_decimal(), kind.is_string(), kind.is_timestamp(), kind.is_uuid()))


def _refuse_rounded(batch: Any, name: str) -> None:
    """Ibis fetches from SQLite by way of pandas, where a whole number beside a missing value becomes a double."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for column, values in zip(batch.schema.names, batch.columns, strict=True):
        if not pa.types.is_integer(values.type) or not values.null_count:
            continue
        large = pc.sum(pc.greater_equal(pc.abs_checked(values.cast("int64")), 2**53)).as_py()
        if large:
            raise InputError(
                f"{name} holds whole numbers beyond 2^53 beside missing values, which Ibis rounds when it fetches them "
                "from SQLite",
                column=column,
                count=large,
                remedy=f"leave out the rows without a value, table.filter(table[{column!r}].notnull()), or cast the "
                "column to text in the expression",
            )


def _failed(error: Exception, name: str) -> InputError:
    return InputError(f"{name} could not be read by Ibis: {_first_line(error)}", remedy=_REMEDY)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _hold(expression: Any) -> None:
    """Called when what stands for the expression goes away; until then the expression is held."""
