"""A DuckDB connection of our own: bounded memory, temporary files that are always removed, errors in our own words."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.engines.engine import Arrays, Made
from gmvcausal.frames.engines.ibis_table import is_ibis, native, said_of_copy
from gmvcausal.frames.failures import explained
from gmvcausal.frames.found import Found
from gmvcausal.frames.parquet import is_path, parquet_source
from gmvcausal.frames.scratch import Scratch, scratch
from gmvcausal.frames.table import duck_errors, is_relation, quote
from gmvcausal.frames.texts import quote_text
from gmvcausal.frames.written import told, whole_file

BUFFERS = 2**30  # of DuckDB where nobody sets a limit; beyond, it spills to temporary files
_LEAST = 64 * 2**20  # below this DuckDB cannot group a few million rows even with spilling
_BATCH = 2**20
_STREAMED = 2**17
_AT_ONCE = 2**25  # hashes that are sorted in one piece


def room(memory_limit: int | None, buffers: int = BUFFERS) -> tuple[int, int | None]:
    """Bytes of DuckDB's buffers, and of the tables made from the data (None where nobody limits them)."""
    if memory_limit is None:
        return buffers, None
    buffers = max(min(buffers, memory_limit // 2), _LEAST)
    return buffers, max(memory_limit - buffers, 0)


class DuckEngine:
    """A DuckDB connection of our own, with a memory limit and a temporary directory that is always removed.

    Parameters
    ----------
    memory_limit : int, optional
        Bytes that DuckDB's buffers and the tables made from the data may take together, half of them each.
    buffers : int
        Bytes of DuckDB's buffers where there is no limit.
    """

    title = "DuckDB"
    positions = True
    exact = True
    streams = True

    def __init__(self, memory_limit: int | None = None, buffers: int = BUFFERS) -> None:
        buffers, self.holds = room(memory_limit, buffers)
        self.limit = f"{buffers / 2**20:,.0f} MiB"
        scratched = scratch()
        self.directory = scratched.path
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{buffers // 2**10}KiB",
            "temp_directory": self.directory,
        }
        self.connection = duckdb.connect(config=config)
        # Casts between zoned and zoneless times would otherwise depend on the machine.
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET enable_progress_bar = false")
        self._finalizer = weakref.finalize(self, _clean, self.connection, scratched)
        self._count = 0
        self.files = Found()

    def new_name(self, stem: str) -> str:
        """See `Engine`."""
        self._count += 1
        return f"{stem}_{self._count}"

    def quoted(self, column: str) -> str:
        """See `Engine`."""
        return quote(column)

    def new_file(self, stem: str) -> str:
        """A path for a temporary parquet file."""
        return os.path.join(self.directory, self.new_name(stem) + ".parquet")

    def source(self, data: Any, name: str, needed: Sequence[str] = ()) -> str | None:
        """See `Engine`.

        A user's relation lives on a connection of its own, so its needed columns are streamed once to a temporary file,
        which keeps memory bounded and the user's catalogue untouched.
        """
        self.files.say(said_of_copy(data, name))
        data = native(data, name, needed)
        if is_path(data):
            return parquet_source(self.files.take(data, name, needed), name, needed)
        return self._copied(data, name, needed) if is_relation(data) else None

    def names(self, data: Any, name: str) -> list[str] | None:
        """See `Engine`."""
        if is_ibis(data):
            return list(data.columns)
        if is_path(data):
            return list(self.schema(parquet_source(self.files.take(data, name), name), name))
        return relation_columns(data, name) if is_relation(data) else None

    def schema(self, source: str, name: str = "the data") -> dict[str, str]:
        """See `Engine`."""
        found = self._relation(f"SELECT * FROM {source} LIMIT 0", name)
        return dict(zip(found.columns, map(str, found.types), strict=True))

    def rows(self, text: str, name: str = "the data") -> list[tuple[Any, ...]]:
        """See `Engine`."""
        try:
            return [tuple(row) for row in self.connection.sql(text).fetchall()]
        except duckdb.Error as error:
            raise self._told(error, name) from None

    def row(self, text: str, name: str = "the data") -> tuple[Any, ...]:
        """See `Engine`."""
        found = self.rows(text, name)
        return found[0] if found else ()

    def arrow(self, text: str, name: str = "the data") -> pa.Table:
        """See `Engine`."""
        try:
            return self.connection.sql(text).to_arrow_table()
        except duckdb.Error as error:
            raise self._told(error, name) from None

    def numpy(self, text: str, name: str = "the data") -> Arrays:
        """See `Engine`."""
        try:
            return dict(self.connection.sql(text).fetchnumpy())
        except duckdb.Error as error:
            raise self._told(error, name) from None

    def batches(self, text: str, rows: int, name: str = "the data") -> Generator[pa.RecordBatch]:
        """See `Engine`."""
        try:
            relation = self.connection.sql(text)
            # The method's name changed between the releases of DuckDB that are supported.
            yield from (getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch)(rows)
        except (duckdb.Error, OSError, pa.ArrowException) as error:  # the reader of Arrow has errors of its own
            raise self._told(error, name) from None

    def reduced(
        self, text: str, key: str, order: str, reduce: Callable[[Iterable[pa.RecordBatch]], Made],
        name: str = "the data",
    ) -> Iterator[Made]:  # fmt: skip
        """See `Engine`; the rows are one stream, sorted on disk where memory does not hold them."""
        rows = self.batches(f"SELECT * FROM ({text}) ORDER BY {quote(key)}, {quote(order)}", _STREAMED, name)
        with contextlib.closing(rows):  # also where not all were taken: an open result bars the next statement
            yield reduce(rows)

    def view(self, view: str, text: str, name: str = "the data") -> None:
        """See `Engine`."""
        self.run(f"CREATE OR REPLACE TEMP VIEW {quote(view)} AS {text}", name)

    def keep(self, stem: str, text: str, name: str = "the data") -> str:
        """See `Engine`."""
        path = quote_text(self.new_file(stem))
        self.run(f"COPY ({text}) TO {path} (FORMAT parquet)", name)
        return f"read_parquet({path})"

    def write(self, text: str, path: str, facts: str, name: str = "the data") -> None:
        """See `Engine`; the facts stand where pandas would write the attributes of a frame."""
        kept = f'{{"index_columns": [], "column_indexes": [], "columns": [], "attributes": {{"gmvcausal": {facts}}}}}'
        with told(path), whole_file(path) as beside:
            options = f"FORMAT parquet, KV_METADATA {{pandas: {quote_text(kept)}}}"
            self.run(f"COPY ({text}) TO {quote_text(str(beside))} ({options})", name)
            self.files.unchanged()  # before the file takes its name

    def run(self, text: str, name: str = "the data") -> None:
        """Run a statement that returns nothing."""
        try:
            self.connection.execute(text)
        except duckdb.Error as error:
            raise self._told(error, name) from None

    def register(self, view: str, table: pa.Table, name: str = "the data") -> None:
        """See `Engine`."""
        try:
            self.connection.register(view, table)
        except duckdb.Error as error:
            raise self._told(error, name) from None

    def repeated(self, source: str, expression: str, name: str = "the data") -> str | None:
        """See `Engine`.

        DuckDB hashes and numpy sorts, which takes 8 bytes a row; many rows go by way of files of hashes that are near
        each other, so that the memory does not grow with them.
        """
        text = f"SELECT {expression} AS h FROM {source}"
        n = int(self.row(f"SELECT count(*) FROM {source}", name)[0])
        if n <= _AT_ONCE:
            found = [_twice(np.asarray(self.numpy(text, name)["h"], dtype=np.uint64))]
        else:
            found = list(self._by_bucket(text, n, name))
        twice = np.concatenate(found)
        if not len(twice):
            return None
        view = self.new_name("repeated")
        self.register(view, pa.table({"h": twice}))
        return quote(view)

    def _by_bucket(self, text: str, n: int, name: str) -> Iterator[NDArray[np.uint64]]:
        """The repeated hashes, one bucket of their first bits after the other."""
        bits = int(np.ceil(np.log2(n / _AT_ONCE))) + 1
        shift = np.uint64(64 - bits)
        paths = [os.path.join(self.directory, self.new_name("hashes")) for _ in range(2**bits)]
        files = [open(path, "wb") for path in paths]  # noqa: SIM115  # closed below, all at once
        try:
            for batch in self.batches(text, _BATCH, name):
                h = batch.column(0).to_numpy()
                bucket = (h >> shift).astype(np.int16)
                h = h[np.argsort(bucket, kind="stable")]
                ends = np.cumsum(np.bincount(bucket, minlength=len(files)))
                for file, low, high in zip(files, [0, *ends], ends, strict=False):
                    file.write(h[low:high].data)
        finally:
            for file in files:
                file.close()
        for path in paths:
            yield _twice(np.fromfile(path, dtype=np.uint64))
            os.unlink(path)

    def close(self) -> None:
        """See `Engine`."""
        self._finalizer()

    def _told(self, error: Exception, name: str) -> InputError:
        return explained(error, name, self.files, self.directory, self.limit)

    def _copied(self, data: Any, name: str, needed: Sequence[str]) -> str:
        available = relation_columns(data, name)
        for column in needed:
            if column not in available:
                raise rules.no_such_column(column, available, "a role", name)
        path = self.new_file("relation")
        try:
            data.project(", ".join(quote(c) for c in needed)).write_parquet(path)
        except duckdb.Error as error:
            raise self._told(error, name) from None
        return f"read_parquet({quote_text(path)})"

    def _relation(self, text: str, name: str) -> Any:
        try:
            return self.connection.sql(text)
        except duckdb.Error as error:
            raise self._told(error, name) from None


def relation_columns(data: Any, name: str) -> list[str]:
    """Columns of a user's relation."""
    try:
        return list(data.columns)
    except duckdb.Error as error:  # the user's connection may have been closed meanwhile
        raise duck_errors(error, name) from None


def _twice(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Values that occur more than once."""
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _clean(connection: duckdb.DuckDBPyConnection, scratched: Scratch) -> None:
    if not scratched.ours:  # a forked child has neither the connection's threads nor a right to its files
        return
    connection.close()
    scratched.remove()
