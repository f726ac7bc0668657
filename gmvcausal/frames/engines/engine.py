"""What the readers of data ask of an engine: to run statements of DuckDB's dialect where the rows lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError, unplaced
from gmvcausal.frames.found import Found

Arrays = dict[str, NDArray[Any]]
Made = TypeVar("Made")


class Engine(Protocol):
    """An engine that runs SQL; failures become `InputError` about `name`, the table that the user gave.

    Attributes
    ----------
    title : str
        What messages call it.
    positions : bool
        Whether rows have positions: they lie in the order in which the user's file or frame has them.
    exact : bool
        Whether whole numbers of 128 bits are summed at a cost that all sums can bear.
    streams : bool
        Whether rows reach this process about as fast as they are read.
    files : Found
        The files of the tables that were read.
    holds : int or None
        Bytes that tables made from the data may take in this process; None where only the machine limits them.
    """

    title: str
    files: Found
    positions: bool
    exact: bool
    streams: bool
    holds: int | None

    def new_name(self, stem: str) -> str:
        """A name for a view that nothing else has."""

    def quoted(self, column: str) -> str:
        """A column's name as the user's own SQL has it, for messages; statements given to the engine use `quote`."""

    def source(self, data: Any, name: str, needed: Sequence[str] = ()) -> str | None:
        """What may stand after FROM for data that lie where the engine can read them; None for frames in memory.

        Parameters
        ----------
        data : path, list of paths, DuckDB relation, or Spark frame
        name : str
            What messages call it.
        needed : sequence of str
            Columns that are used; of what has to be copied only these are.
        """

    def names(self, data: Any, name: str) -> list[str] | None:
        """Columns of such data, without reading rows; None for frames in memory."""

    def schema(self, source: str, name: str = "the data") -> dict[str, str]:
        """Columns of a source (what may stand after FROM) and their types, as DuckDB calls them."""

    def rows(self, text: str, name: str = "the data") -> list[tuple[Any, ...]]:
        """Run a SELECT of few rows."""

    def row(self, text: str, name: str = "the data") -> tuple[Any, ...]:
        """Run a SELECT of one row."""

    def arrow(self, text: str, name: str = "the data") -> pa.Table:
        """Run a SELECT and return its rows."""

    def numpy(self, text: str, name: str = "the data") -> Arrays:
        """Run a SELECT and return its columns; one with missing values is a masked array."""

    def batches(self, text: str, rows: int, name: str = "the data") -> Iterator[pa.RecordBatch]:
        """Run a SELECT and yield its rows in pieces, so that the whole result need not be in memory."""

    def reduced(
        self, text: str, key: str, order: str, reduce: Callable[[Iterable[pa.RecordBatch]], Made],
        name: str = "the data",
    ) -> Iterator[Made]:  # fmt: skip
        """What `reduce` makes of the rows of a SELECT, in as many streams as the engine works in.

        Rows come sorted by the columns `key` and `order`; those alike in `key` are in one stream. Where workers do it,
        only what `reduce` returns comes back, and it must be possible to pickle both.
        """

    def view(self, view: str, text: str, name: str = "the data") -> None:
        """Give a SELECT a name (written anew where it is taken); it is run whenever it is read."""

    def keep(self, stem: str, text: str, name: str = "the data") -> str:
        """Run a SELECT once and keep its rows outside memory; what is returned may stand after FROM."""

    def write(self, text: str, path: str, facts: str, name: str = "the data") -> None:
        """Run a SELECT and write its rows to parquet: whole or not at all, with `facts` (JSON) of what `Logs` knows.

        DuckDB writes a file, Spark a folder of that name.
        """

    def register(self, view: str, table: pa.Table, name: str = "the data") -> None:
        """Make an Arrow table known as `view`."""

    def repeated(self, source: str, expression: str, name: str = "the data") -> str | None:
        """The values of a hash that occur more than once, as a view's quoted name.

        The view's one column is ``h``. None where there are none.
        """

    def close(self) -> None:
        """Drop what was made: views, temporary files, connections of our own."""


@contextmanager
def without_positions(positions: bool = False) -> Iterator[None]:
    """Errors about rows that an engine brought here name no positions, unless they have any there.

    Their order is that of their arrival.
    """
    try:
        yield
    except GmvCausalError as error:
        if positions:
            raise
        raise unplaced(error) from None


@contextmanager
def reading(engine: Engine) -> Iterator[None]:
    """Several passes over the same data: what changed in the meantime is told, whatever came of it."""
    try:
        yield
    except Exception:  # of any kind: it is raised again, unless a file that moved explains it
        engine.files.unchanged(added=False)
        raise
    engine.files.unchanged()
