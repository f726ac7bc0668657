"""The files of the tables that an engine reads: found at the first pass, the same for all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.files import MOVED, Files, files_at, find_files
from gmvcausal.frames.footers import unread
from gmvcausal.frames.parquet import is_path


@dataclass
class _Table:
    files: Files
    used: list[str]


@dataclass(frozen=True)
class _Below:
    look: Callable[[], list[str]]
    listed: list[str]
    files: Files


class Found:
    """Tables that lie in files, by their names and by what the user gave for them."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, Files | str], _Table] = {}
        self._said: list[str] = []
        self._below: dict[str, _Below] = {}

    def take(self, data: Any, name: str, needed: Sequence[str] = ()) -> Files:
        """The files of a table, of which the columns `needed` are used."""
        key = (name, data if isinstance(data, Files) else repr(data))
        if key not in self._tables:
            self._tables[key] = _Table(find_files(data, name), [])
        table = self._tables[key]
        if needed:
            table.used = [c for c in dict.fromkeys([*table.used, *needed]) if c in table.files.columns]
        return table.files

    def __iter__(self) -> Iterator[tuple[Files, list[str]]]:
        """Files, and the columns of them that are used."""
        return iter([(table.files, table.used) for table in self._tables.values()])

    def below(self, name: str, look: Callable[[], list[str]]) -> None:
        """Remember the files that lie below a frame of the user's, as they are at the first pass.

        Parameters
        ----------
        name : str
            What messages call the frame.
        look : callable
            The addresses of its files; those that this process sees are watched one by one.
        """
        if name not in self._below:
            listed = sorted(look())
            self._below[name] = _Below(look, listed, files_at(listed, name))

    def keys(self, name: str) -> set[str]:
        """Columns of a table that are keys of folders (``dt=2025-11-01``)."""
        files = [table.files for (of, _), table in self._tables.items() if of == name]
        files += [below.files for of, below in self._below.items() if of == name]
        return {key for every in files for file in every.files for key, _ in file.keys}

    def whole(self, name: str, rows: int) -> None:
        """Refuse a pass over a whole table that saw other rows than its files hold: its sums would be partial."""
        for (of, _), table in self._tables.items():
            if of == name:
                table.files.whole(rows)

    def unchanged(self, *, added: bool = True) -> None:
        """Refuse files that changed or vanished since they were found, and with `added` those that came."""
        for files, _ in self:
            files.unchanged(added=added)
        for name, below in self._below.items():
            below.files.unchanged()
            if added and sorted(below.look()) != below.listed:
                raise InputError(f"other files lie below {name} than when it was first read", remedy=MOVED)

    def remarks(self) -> list[str]:
        """What is to be said: files left out, and columns whose types differ without harm."""
        found = [note for files, used in self for note in files.remarks(used)]
        return [*self._said, *found]

    def say(self, notes: Sequence[str]) -> None:
        """Add to what is to be said."""
        self._said += [note for note in notes if note not in self._said]


@contextmanager
def pinned(data: Any, name: str, engine: Any = None) -> Iterator[Any]:
    """Files found once, in place of the paths that name them: all readers of a block read the same.

    Parameters
    ----------
    data : Any
        What is no path is handed on as it is.
    name : str
        What messages call it.
    engine : SparkSession, optional
        Paths are its own to find.

    Raises
    ------
    InputError
        A file changed, vanished or came while the block ran; it is named, whatever came of it.
    """
    if engine is not None or not is_path(data):
        yield data
        return
    files = find_files(data, name)
    try:
        yield files
    except Exception as error:
        files.unchanged(added=False)
        # Readers that have no engine of their own do not look for the file.
        if isinstance(error, OSError) or (isinstance(error, InputError) and error.rule.startswith(unread(name))):
            from gmvcausal.frames.failures import broken

            raise broken(files, f"{error} {error.__context__}") or error from None
        raise
    files.unchanged()
