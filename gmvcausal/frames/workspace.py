"""A DuckDB connection of our own: bounded memory, temporary files that are always removed, errors in our own words."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np

from gmvcausal.frames.table import duck_errors

_MEMORY = "1GB"


class Workspace:
    """A DuckDB connection of our own, with a memory limit and a temporary directory that is always removed.

    Parameters
    ----------
    memory : str
        DuckDB's memory limit; beyond it, DuckDB spills to the temporary directory.
    """

    def __init__(self, memory: str = _MEMORY) -> None:
        self.directory = tempfile.mkdtemp(prefix="gmvcausal-")
        self.connection = duckdb.connect(config={"memory_limit": memory, "temp_directory": self.directory})
        # Casts between zoned and zoneless times would otherwise depend on the machine.
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET enable_progress_bar = false")
        self._finalizer = weakref.finalize(self, _clean, self.connection, self.directory)
        self._count = 0

    def new_name(self, stem: str) -> str:
        """A name for a table or file that nothing else has."""
        self._count += 1
        return f"{stem}_{self._count}"

    def new_file(self, stem: str) -> str:
        """A path for a temporary parquet file."""
        return os.path.join(self.directory, self.new_name(stem) + ".parquet")

    def query(self, text: str, name: str = "the data") -> Any:
        """Run a SELECT and return DuckDB's relation; failures become `InputError` about `name`."""
        try:
            return self.connection.sql(text)
        except duckdb.Error as error:
            raise duck_errors(error, name) from None

    def numpy(self, text: str, name: str = "the data") -> dict[str, np.ndarray[Any, Any]]:
        """Run a SELECT and return its columns as numpy arrays."""
        try:
            return dict(self.connection.sql(text).fetchnumpy())
        except duckdb.Error as error:
            raise duck_errors(error, name) from None

    def batches(self, text: str, rows: int, name: str = "the data") -> Iterator[Any]:
        """Run a SELECT and yield Arrow record batches, so that the whole result is never in memory."""
        try:
            relation = self.connection.sql(text)
            # The method's name changed between the releases of DuckDB that are supported.
            yield from (getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch)(rows)
        except duckdb.Error as error:
            raise duck_errors(error, name) from None

    def row(self, text: str, name: str = "the data") -> tuple[Any, ...]:
        """Run a SELECT of one row."""
        try:
            found = self.connection.sql(text).fetchall()
        except duckdb.Error as error:
            raise duck_errors(error, name) from None
        return tuple(found[0]) if found else ()

    def run(self, text: str, name: str = "the data") -> None:
        """Run a statement that returns nothing."""
        try:
            self.connection.execute(text)
        except duckdb.Error as error:
            raise duck_errors(error, name) from None

    def register(self, view: str, table: Any, name: str = "the data") -> None:
        """Make an Arrow table known to DuckDB as `view`."""
        try:
            self.connection.register(view, table)
        except duckdb.Error as error:
            raise duck_errors(error, name) from None

    def close(self) -> None:
        """Close the connection and remove the temporary files."""
        self._finalizer()


def _clean(connection: duckdb.DuckDBPyConnection, directory: str) -> None:
    connection.close()
    shutil.rmtree(directory, ignore_errors=True)
