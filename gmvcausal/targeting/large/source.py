"""A table that is read in batches, in the order of its rows, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.engines.choose import choose_engine
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.engines.ibis_table import native
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.facts import with_optional
from gmvcausal.frames.files import find_files
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import is_relation, open_relation, open_table, quote

# Rows of a batch: as many go through the trees in two blocks, and ten features of them are 20 MB.
BATCH = 200_000
# So many numbers (rows x columns that are needed) are read at once; a table of more goes in batches.
HELD = 10_000_000


@dataclass(frozen=True, eq=False)
class Source:
    """Rows of a file, a pattern of files, a relation or a frame, read in batches.

    Attributes
    ----------
    space : Engine
        DuckDB holds at most its memory limit; what is more goes to its temporary folder.
    sql : str
        What stands after FROM.
    columns : tuple of str
        That can be read: those asked for, and of the optional ones those that are there.
    rows : int
    name : str
        What messages call it.
    """

    space: Engine
    sql: str
    columns: tuple[str, ...]
    rows: int
    name: str

    @property
    def on_spark(self) -> bool:
        """Whether the rows lie with Spark, whose workers look at them where they are."""
        return not self.space.positions

    def batches(self, columns: Sequence[str], text: str | None = None) -> Iterator[tuple[int, Any]]:
        """Position of the first row, and an Arrow table, batch by batch.

        `text` is a SELECT in place of all rows: positions are then those of its own rows.
        """
        import pyarrow as pa

        listed = ", ".join(quote(c) for c in columns)
        at = 0
        for batch in self.space.batches(text or f"SELECT {listed} FROM {self.sql}", BATCH, self.name):
            if batch.num_rows:
                yield at, pa.Table.from_batches([batch])
            at += batch.num_rows


@contextmanager
def opened(data: Any, name: str = "data", needed: Sequence[str] = (), optional: Sequence[str] = ()) -> Iterator[Source]:
    """Open a table for reading in batches, by its own engine; what was made for it is removed, whatever happens.

    Files are found once: every pass reads the same ones, and at the end they must be as they were.

    Parameters
    ----------
    data : frame, parquet path, DuckDB relation or Spark frame
    name : str
    needed : sequence of str
        Columns that must be there.
    optional : sequence of str
        Further columns where they are, whatever their case.

    Raises
    ------
    InputError
        As `open_table`; a file that changed while it was read.
    """
    wanted = list(dict.fromkeys(needed))
    data = native(data, name, wanted, optional)
    files = find_files(data, name) if is_path(data) else None
    given = data if files is None else files
    space = choose_engine([given])
    try:
        if is_path(given) or is_relation(given):
            open_relation(given, name, wanted)  # refuses columns that are not there, or are twice but for their case
        names = space.names(given, name)
        if names is not None:
            for column in wanted:
                if column not in names:
                    raise rules.no_such_column(column, names, "this verb", name)
            columns = with_optional(wanted, names, optional)
            found = str(space.source(given, name.replace(" ", "_"), columns))
        else:
            table = open_table(data, name)
            for column in wanted:
                table.series(column, "this verb")
            columns = with_optional(wanted, table.columns, optional)
            view = space.new_name("memory")
            space.register(view, table.frame.select(columns).to_arrow(), name)
            found = quote(view)
        rows = int(space.row(f"SELECT count(*) FROM {found}", name)[0])
        if not rows:
            raise InputError(f"{name} has no rows", remedy="check the filter that made it")
        if files is not None:
            files.whole(rows)
        yield Source(space, found, tuple(columns), rows, name)
        if files is not None:
            files.unchanged()
    finally:
        space.close()


def is_large(data: Any, columns: int, held: int | None = None) -> bool:
    """Whether a path, relation or Spark frame has more rows than are read at once; frames are in memory already.

    `held` is how many numbers are: default `HELD`.
    """
    import duckdb

    data = native(data)
    if is_path(data):
        rows = find_files(data, "data").rows
    elif is_spark(data):
        rows = int(data.count())
    elif is_relation(data):
        try:
            rows = int(data.aggregate("count(*)").fetchall()[0][0])
        except duckdb.Error:
            return False  # its reader says what is wrong with it
    else:
        return False
    return rows * max(columns, 1) > (HELD if held is None else held)


def refuse_partial(counted: int, rows: int) -> None:
    """Refuse what was made of other rows than the table has.

    Raises
    ------
    InputError
    """
    if counted != rows:
        raise InputError(
            f"{counted:,} rows were counted, of {rows:,}",
            remedy="run it again when nothing writes to the data, or on a copy",
        )


@contextmanager
def placed(at: int, rows: int, where: str = "") -> Iterator[None]:
    """What is wrong with a batch, at the positions of the whole table, or `where` its rows have no place in it."""
    try:
        yield
    except InputError as error:
        # Of a batch that is the whole table nothing need be said.
        part = where or f"among rows {at:,} to {at + rows - 1:,}, where reading stopped"
        found = [r + at for r in error.rows if isinstance(r, int)]
        raise type(error)(
            f"{error.rule} ({part})", column=error.column, count=error.count, rows=() if where else found,
            remedy=error.remedy, counted=error._counted,
        ) from None  # fmt: skip
