"""The user's Spark session: statements are transpiled, run where the rows lie, and answered in Arrow.

Nothing of the session is changed: no option is set, and the temporary views, whose names nobody else has, are dropped
when the engine is closed.
"""

from __future__ import annotations

import contextlib
import pickle
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.engines.brought import refuse_many
from gmvcausal.frames.engines.dialect import to_spark
from gmvcausal.frames.engines.engine import Arrays, Made
from gmvcausal.frames.engines.ibis_table import native, on_spark
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.engines.spark_failures import spark_errors
from gmvcausal.frames.engines.spark_files import files_below, lies_here, read_files, refuse_moving
from gmvcausal.frames.facts import with_optional
from gmvcausal.frames.found import Found
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FACTS = "gmvcausal"  # under this name the metadata of a column hold what `Logs` knows of its table

_FEWER = "aggregate in Spark first, to one row for each unit or group, or pass a sample of the units"
_TYPES = {
    "byte": "TINYINT",
    "short": "SMALLINT",
    "integer": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp_ntz": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE",  # a moment, which has a day only in some zone
    "void": "NULL",
}


class SparkEngine:
    """A user's Spark session.

    Parameters
    ----------
    session : SparkSession
        Of Spark 4, classic or Connect.
    memory_limit : int, optional
        Bytes that tables made from the data may take in this process.
    """

    title = "Spark"
    positions = False  # rows lie in partitions, whose order means nothing
    exact = False
    streams = False

    def __init__(self, session: SparkSession, memory_limit: int | None = None) -> None:
        if find_spec("sqlglot") is None:
            raise InputError(
                "reading Spark frames needs sqlglot, which is not installed",
                remedy="install it with pip install 'gmvcausal[spark]'",
            )
        with _own_words("the data"):
            _check_version(session)
        self.session = session
        self.files = Found()
        self.holds = memory_limit
        self._token, self._count = uuid.uuid4().hex[:12], 0
        self._views: list[str] = []
        self._kept: list[DataFrame] = []
        self._finalizer = weakref.finalize(self, _drop, session, self._views, self._kept)

    def new_name(self, stem: str) -> str:
        """See `Engine`."""
        self._count += 1
        return f"gmvcausal_{self._token}_{stem}_{self._count}"

    def quoted(self, column: str) -> str:
        """See `Engine`; to Spark, what stands in double quotes is a text."""
        return _backticks(column)

    def frame(self, text: str, name: str = "the data") -> DataFrame:
        """A SELECT as a Spark frame, not yet run."""
        with _own_words(name):
            return self.session.sql(to_spark(text))

    def name_of(self, frame: DataFrame, stem: str) -> str:
        """Give a Spark frame a name; returned quoted."""
        view = self.new_name(stem)
        with _own_words(stem):
            frame.createOrReplaceTempView(view)
        self._views.append(view)
        return quote(view)

    def source(self, data: Any, name: str, needed: Sequence[str] = ()) -> str | None:
        """See `Engine`; paths are read by the session, which may see storage that this machine does not."""
        frame = self._frame_of(data, name, needed)
        return None if frame is None else self.name_of(frame, name)

    def names(self, data: Any, name: str) -> list[str] | None:
        """See `Engine`."""
        if is_path(data) and lies_here(self.session, data):
            return list(self.files.take(data, name).columns)
        frame = self._frame_of(data, name, ())
        return None if frame is None else list(frame.columns)

    def _frame_of(self, data: Any, name: str, needed: Sequence[str]) -> DataFrame | None:
        if on_spark(data):
            data = native(data, name)
        if is_spark(data):
            frame: DataFrame = data
            with _own_words(name):
                refuse_moving(frame, name)
            if not frame.is_cached:
                self.files.below(name, lambda: self._files_below(frame, name))
            return frame
        if not is_path(data):
            return None
        with _own_words(name):
            return read_files(self.session, data, name, needed, self.files)

    def _files_below(self, frame: DataFrame, name: str) -> list[str]:
        with _own_words(name):
            return files_below(frame)

    def schema(self, source: str, name: str = "the data") -> dict[str, str]:
        """See `Engine`."""
        return schema_of(self.frame(f"SELECT * FROM {source}", name))

    def rows(self, text: str, name: str = "the data") -> list[tuple[Any, ...]]:
        """See `Engine`."""
        table = self.arrow(text, name)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def row(self, text: str, name: str = "the data") -> tuple[Any, ...]:
        """See `Engine`."""
        found = self.rows(text, name)
        return found[0] if found else ()

    def arrow(self, text: str, name: str = "the data") -> pa.Table:
        """See `Engine`."""
        return self.collected(self.frame(text, name), name)

    def collected(self, frame: DataFrame, name: str = "the data") -> pa.Table:
        """The rows of a Spark frame."""
        with _own_words(name):
            return frame.toArrow()

    def numpy(self, text: str, name: str = "the data") -> Arrays:
        """See `Engine`."""
        table = self.arrow(text, name)
        return {column: _array(table.column(i)) for i, column in enumerate(table.column_names)}

    def batches(self, text: str, rows: int, name: str = "the data") -> Iterator[pa.RecordBatch]:
        """See `Engine`."""
        yield from self.arrow(text, name).to_batches(max_chunksize=rows)

    def reduced(
        self, text: str, key: str, order: str, reduce: Callable[[Iterable[pa.RecordBatch]], Made],
        name: str = "the data",
    ) -> Iterator[Made]:  # fmt: skip
        """See `Engine`; every partition is a stream, so the workers must have this library installed."""

        def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield pa.RecordBatch.from_pydict({"made": [pickle.dumps(reduce(batches))]})

        with _own_words(name):
            sorted_rows = self.frame(text, name).repartition(key).sortWithinPartitions(key, order)
            made = sorted_rows.mapInArrow(work, "made binary").toArrow()
        for piece in made["made"]:
            yield pickle.loads(piece.as_py())  # what the workers of the user's own session wrote

    def view(self, view: str, text: str, name: str = "the data") -> None:
        """See `Engine`."""
        frame = self.frame(text, name)
        with _own_words(name):
            frame.createOrReplaceTempView(view)
        if view not in self._views:
            self._views.append(view)

    def keep(self, stem: str, text: str, name: str = "the data") -> str:
        """See `Engine`."""
        from pyspark import StorageLevel

        frame = self.frame(text, name).persist(StorageLevel.MEMORY_AND_DISK)
        self._kept.append(frame)
        return self.name_of(frame, stem)

    def write(self, text: str, path: str, facts: str, name: str = "the data") -> None:
        """See `Engine`; the facts stand with the first column, where Spark keeps them in files and frames alike."""
        frame = self.frame(text, name)
        first = frame.columns[0]
        with _own_words(name):
            frame.withMetadata(first, {FACTS: facts}).write.mode("errorifexists").parquet(path)

    def register(self, view: str, table: pa.Table, name: str = "the data") -> None:
        """See `Engine`."""
        with _own_words(name):
            frame = self.session.createDataFrame(table, schema=_spark_schema(table.schema))
            frame.createOrReplaceTempView(view)
        self._views.append(view)

    def repeated(self, source: str, expression: str, name: str = "the data") -> str | None:
        """See `Engine`."""
        text = f"SELECT h FROM (SELECT {expression} AS h FROM {source}) GROUP BY h HAVING count(*) > 1"
        # Counted first: nothing is kept where, as usual, nothing repeats.
        return self.keep("repeated", text, name) if self.row(f"SELECT count(*) FROM ({text})", name)[0] else None

    def close(self) -> None:
        """See `Engine`."""
        self._finalizer()


def frame_of_files(session: SparkSession, data: Any, name: str, needed: Sequence[str]) -> DataFrame:
    """Parquet files as a frame of the session."""
    with _own_words(name):
        return read_files(session, data, name, needed, Found())


def fetch(data: DataFrame, name: str, needed: Iterable[str] | None, optional: Iterable[str]) -> pa.Table:
    """The rows of a Spark frame in memory: only the columns `needed`, and the `optional` ones that exist.

    Raises
    ------
    InputError
        No such column, or more rows than may be brought here.
    """
    if needed is not None:
        for column in needed:
            if column not in data.columns:
                raise rules.no_such_column(column, data.columns, "this verb", name)
        listed = with_optional(needed, data.columns, optional)
        data = data.select(*map(_backticks, listed))
    with _own_words(name):
        _check_version(data.sparkSession)
        rows = data.count()
        refuse_many(rows, len(data.columns), None, SparkEngine.title, "this call", name, _FEWER)
        return data.toArrow()


def _backticks(column: str) -> str:
    return "`" + column.replace("`", "``") + "`"


def _check_version(session: SparkSession) -> None:
    if int(session.version.split(".")[0]) < 4:
        raise InputError(
            f"the session is of Spark {session.version}, and Spark 4 or later is needed",
            remedy="pip install 'pyspark>=4', and connect to a cluster of Spark 4 (Databricks runtime 17 or later)",
        )


def schema_of(frame: DataFrame) -> dict[str, str]:
    """Columns of a Spark frame and their types, as DuckDB calls them."""
    return {field.name: _type(field.dataType) for field in frame.schema.fields}


def _type(kind: Any) -> str:
    name = kind.typeName()
    if name == "decimal":
        return f"DECIMAL({kind.precision},{kind.scale})"
    if name.partition("(")[0] in ("char", "varchar"):
        return "VARCHAR"
    return _TYPES.get(name, str(kind.simpleString()).upper())


def _spark_schema(schema: pa.Schema) -> Any:
    """The types of an Arrow table; left to itself, Spark reads times without a zone as moments of the session's."""
    from pyspark.sql import types

    def of(kind: pa.DataType) -> Any:
        if pa.types.is_timestamp(kind):
            return types.TimestampNTZType() if kind.tz is None else types.TimestampType()
        from pyspark.sql.pandas.types import from_arrow_type

        return from_arrow_type(kind)

    return types.StructType([types.StructField(f.name, of(f.type), True) for f in schema])


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column as numpy has it; masked where values are missing, as DuckDB gives it."""
    if not column.null_count:
        return np.array(column.to_numpy())  # a copy, as Arrow lends its own only for reading
    mask = np.array(column.is_null().to_numpy())
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.ma.MaskedArray(column.fill_null(0).to_numpy(), mask)
    if pa.types.is_boolean(kind):
        return np.ma.MaskedArray(column.fill_null(False).to_numpy(), mask)
    return np.ma.MaskedArray(column.to_numpy(), mask)


@contextlib.contextmanager
def _own_words(name: str) -> Iterator[None]:
    """Turn a failure of Spark into one of our own; the first line says what Spark saw."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise spark_errors(error, name) from None
    except Exception as error:
        # Py4J has errors of its own; of a stopped session it finds nothing.
        if not (type(error).__module__.startswith(("py4j", "grpc")) or "'NoneType' object has no" in str(error)):
            raise
        raise spark_errors(error, name) from None


def _drop(session: SparkSession, views: list[str], kept: list[DataFrame]) -> None:
    # The session may have been stopped before; then nothing is left to drop.
    with contextlib.suppress(Exception):
        for frame in kept:
            frame.unpersist()
        for view in views:
            session.catalog.dropTempView(view)
