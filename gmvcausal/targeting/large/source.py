"""A table that is read in batches, in the order of its rows, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import folded
from gmvcausal.frames.parquet import is_path, parquet_source
from gmvcausal.frames.relation import write_relation
from gmvcausal.frames.table import is_relation, open_relation, open_table, quote
from gmvcausal.frames.workspace import Workspace

# Rows of a batch: as many go through the trees in two blocks, and ten features of them are 20 MB.
BATCH = 200_000
# So many numbers (rows x columns that are needed) are read at once; a table of more goes in batches.
HELD = 10_000_000


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of a file, a pattern of files, a relation or a frame, read in batches.

    Attributes
    ----------
    space : Workspace
        Holds at most its memory limit; what is more goes to its temporary folder.
    sql : str
        What stands after FROM.
    columns : tuple of str
        That can be read: those asked for, and of the optional ones those that are there.
    rows : int
    name : str
        What messages call it.
    """

    space: Workspace
    sql: str
    columns: tuple[str, ...]
    rows: int
    name: str

    def batches(self, columns: Sequence[str], text: str | None = None, size: int = BATCH) -> Iterator[tuple[int, Any]]:
        """Position of the first row, and an Arrow table, batch by batch.

        `text` is a SELECT in place of all rows: positions are then those of its own rows.
        """
        import pyarrow as pa

        listed = ", ".join(quote(c) for c in columns)
        at = 0
        for batch in self.space.batches(text or f"SELECT {listed} FROM {self.sql}", size, self.name):
            if batch.num_rows:
                yield at, pa.Table.from_batches([batch])
            at += batch.num_rows

    def close(self) -> None:
        """Give the memory and the temporary files back."""
        self.space.close()


@contextmanager
def opened(data: Any, name: str = "data", needed: Sequence[str] = (), optional: Sequence[str] = ()) -> Iterator[Source]:
    """Open a table for reading in batches; its temporary files are removed at the end, whatever happens.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
    name : str
    needed : sequence of str
        Columns that must be there.
    optional : sequence of str
        Further columns where they are, whatever their case.

    Raises
    ------
    InputError
        As `open_table`.
    """
    wanted = list(dict.fromkeys(needed))
    also = {folded(c) for c in optional}
    space = Workspace()
    try:
        if is_path(data) or is_relation(data):
            available = list(open_relation(data, name, wanted).columns)
            columns = list(dict.fromkeys([*wanted, *(c for c in available if folded(c) in also)]))
            found = parquet_source(data, name, wanted) if is_path(data) else write_relation(space, data, name, columns)
        else:
            table = open_table(data, name)
            for column in wanted:
                table.series(column, "this verb")
            columns = list(dict.fromkeys([*wanted, *(c for c in table.columns if folded(c) in also)]))
            found = quote(space.new_name("memory"))
            space.register(found.strip('"'), table.frame.select(columns).to_arrow(), name)
        rows = int(space.row(f"SELECT count(*) FROM {found}", name)[0])
        if not rows:
            raise InputError(f"{name} has no rows", remedy="check the filter that made it")
        yield Source(space, found, tuple(columns), rows, name)
    finally:
        space.close()


def is_large(data: Any, columns: int, held: int = HELD) -> bool:
    """Whether a path or relation has more rows than are read at once; frames are in memory already."""
    import duckdb

    if is_path(data):
        relation: Any = duckdb.connect().sql(f"FROM {parquet_source(data, 'data')}")
    elif is_relation(data):
        relation = data
    else:
        return False
    try:
        rows = int(relation.aggregate("count(*)").fetchall()[0][0])
    except duckdb.Error:
        return False  # its reader says what is wrong with it
    return rows * max(columns, 1) > held


@contextmanager
def placed(at: int, rows: int, where: str = "") -> Iterator[None]:
    """What is wrong with a batch, at the positions of the whole table, or `where` its rows have no place in it."""
    try:
        yield
    except InputError as error:
        # Of a batch that is the whole table nothing need be said.
        part = where or f"among rows {at:,} to {at + rows - 1:,}, where reading stopped"
        raise type(error)(
            f"{error.rule} ({part})", column=error.column, count=error.count,
            rows=() if where else [r + at for r in error.rows], remedy=error.remedy, counted=error._counted,
        ) from None  # fmt: skip
