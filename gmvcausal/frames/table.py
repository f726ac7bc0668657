"""Open any input as a table of named columns; nothing is copied and nothing of the user's is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.engines.ibis_table import is_ibis, native
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.facts import with_optional
from gmvcausal.frames.files import find_files
from gmvcausal.frames.footers import unread
from gmvcausal.frames.parquet import is_path, parquet_source, stored_names

_KINDS = "a pandas, polars or pyarrow frame, a path to parquet files, a DuckDB relation, a Spark frame or an Ibis table"


@dataclass(frozen=True)
class Table:
    """Named columns of one length.

    Attributes
    ----------
    frame : narwhals.DataFrame
        The eager frame behind the columns.
    name : str
        What messages call this table ("data", "orders", ...).
    n : int
        Number of rows.
    """

    frame: nw.DataFrame[Any]
    name: str
    n: int

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.frame.columns)

    def series(self, column: str, role: str) -> nw.Series[Any]:
        """Return the column, or raise `InputError` with the nearest name."""
        if column not in self.frame.columns:
            index = getattr(getattr(self.frame.to_native(), "index", None), "names", ())
            raise rules.no_such_column(column, self.columns, role, self.name, in_index=column in index)
        return self.frame[column]


def quote(name: str) -> str:
    """Quote a name as an SQL identifier; no name ever enters a statement without it."""
    return '"' + str(name).replace('"', '""') + '"'


def literal(x: Any) -> str:
    """A number as a DOUBLE of SQL, with all its digits."""
    text = repr(float(x))
    return f"({text})" if "e" in text else f"({text}e0)"


def is_relation(data: Any) -> bool:
    """Whether `data` is a DuckDB relation (checked without importing DuckDB)."""
    kind = type(data)
    return kind.__name__ == "DuckDBPyRelation" and kind.__module__.partition(".")[0].strip("_") == "duckdb"


def lies_elsewhere(data: Any) -> bool:
    """Whether the rows of `data` lie in files or with an engine, and no frame in memory holds them."""
    return is_path(data) or is_relation(data) or is_spark(data) or is_ibis(data)


def duck_errors(error: Exception, name: str) -> InputError:
    """Turn a DuckDB failure on a user's file into one of our own; the first line says what DuckDB saw."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(f"{unread(name)}: {first}", remedy="check that the file is whole and is parquet")


def open_table(
    data: Any,
    name: str = "data",
    needed: Sequence[str] | Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
) -> Table:
    """Open a frame, a parquet path or a DuckDB relation as a `Table`.

    Parameters
    ----------
    data : frame, path or relation
        pandas, polars, pyarrow (and what narwhals takes eagerly), a parquet path, a DuckDB relation, a Spark frame, or
        an Ibis table.
    name : str
        What messages call it.
    needed : sequence of str, or mapping of str to str, optional
        Columns to fetch from a path or relation (and what for); a frame already in memory is taken as it is.
    optional : sequence of str
        Further columns to fetch where they exist, whatever their case (`facts.folded`).

    Returns
    -------
    Table

    Raises
    ------
    InputError
        Unknown kind of input, duplicate or MultiIndex column names, or no rows.
    """
    data = native(data, name, needed, optional)
    if is_spark(data):
        from gmvcausal.frames.engines.spark import fetch

        data = fetch(data, name, needed, optional)
    elif is_path(data) or is_relation(data):
        data = _fetch(data, name, needed, optional)
    _check_pandas_columns(data, name)
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise InputError(f"{name} is a {type(data).__name__}, which is no table", remedy=f"pass {_KINDS}") from None
    except Exception as error:  # noqa: BLE001  # narwhals reports duplicate names through the errors of each back end
        raise InputError(f"{name} could not be read: {str(error).splitlines()[0]}", remedy=f"pass {_KINDS}") from None
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    names = Counter(frame.columns)
    twice = [c for c, k in names.items() if k > 1]
    if twice:
        raise _duplicate_names(twice[0], name)
    if len(frame) == 0:
        raise InputError(f"{name} has no rows", remedy="check the filter that made it")
    return Table(frame, name, len(frame))


def _duplicate_names(column: object, name: str) -> InputError:
    return InputError(f"{name} has more than one column called {str(column)!r}", remedy="rename one of them")


def _check_pandas_columns(data: Any, name: str) -> None:
    """Refuse MultiIndex and duplicate column names before narwhals sees them."""
    # The kind first: asking a lazy frame for its columns would run its query.
    if not type(data).__module__.startswith(("pandas", "modin", "cudf")) or not hasattr(data, "columns"):
        return
    columns = data.columns
    if getattr(columns, "nlevels", 1) > 1:
        raise InputError(
            f"{name} has MultiIndex columns",
            remedy="flatten them, for example df.columns = ['_'.join(c) for c in df.columns]",
        )
    if not columns.is_unique:
        raise _duplicate_names(columns[columns.duplicated()][0], name)


def open_relation(data: Any, name: str, needed: Sequence[str] | Mapping[str, str]) -> Any:
    """The DuckDB relation behind a parquet path, or the one given, which must hold the `needed` columns (-> roles).

    Raises
    ------
    InputError
        No such file or column, or one of the columns has a neighbour that differs from it only in case: DuckDB takes
        the two for one.
    """
    import duckdb

    relation = data
    if is_path(data):
        relation = duckdb.connect().sql(f"FROM {parquet_source(data, name, list(needed))}")
    check_columns(data, list(relation.columns), name, needed)
    return relation


def check_columns(data: Any, available: Sequence[str], name: str, needed: Sequence[str] | Mapping[str, str]) -> None:
    """The `needed` columns (-> roles) must be among those `available`, and told apart from these without their case.

    Raises
    ------
    InputError
    """
    stored = (stored_names(data) if is_path(data) else []) or available
    for column in needed:
        alike = sorted({c for c in stored if c.lower() == column.lower()})
        if column in alike and len(alike) > 1:
            raise InputError(
                f"{name} has columns whose names differ only in case: {', '.join(map(repr, alike))}, and DuckDB takes "
                "them for one",
                column=column,
                remedy="rename one of them, or read the table into a frame first",
            )
        if column not in available:
            role = needed[column] if isinstance(needed, Mapping) else "this verb"
            raise rules.no_such_column(column, available, role, name)


def _fetch(data: Any, name: str, needed: Sequence[str] | Mapping[str, str] | None, optional: Sequence[str]) -> Any:
    """Fetch only the needed columns of a path or relation as an Arrow table."""
    import duckdb

    files = find_files(data, name) if is_path(data) else None
    try:
        relation = open_relation(data if files is None else files, name, needed or ())
        if needed is not None:
            relation = relation.project(", ".join(quote(c) for c in with_optional(needed, relation.columns, optional)))
        found = relation.to_arrow_table()
    except duckdb.Error as error:
        if files is None:
            raise duck_errors(error, name) from None
        from gmvcausal.frames.failures import explained

        raise explained(error, name, [(files, list(needed or ()))]) from None
    if files is not None:
        files.whole(len(found))
        files.unchanged(added=files is not data)  # of files found before, who found them looks for others
    return found
