"""Which parquet files are read: found once, so that every pass over them reads the same files with the same bytes.

A pattern that is looked up again by each pass would give a pass that runs later the files that came in the meantime:
sums of one set of rows over counts of another. So names are resolved once to a list with each file's size, time of last
change and identity; all passes read that list, and at the end it is compared with what lies there.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from gmvcausal.errors import InputError
from gmvcausal.frames.footers import Footer, drift, read_footers
from gmvcausal.frames.listing import ENDINGS, OTHERS, matches

MOVED = "open the data again when nothing writes there, or read a copy"


@dataclass(frozen=True)
class File:
    """One file as it was found.

    Attributes
    ----------
    path : str
    size : int
        Bytes.
    changed : int
        Time of the last change, nanoseconds since 1970.
    identity : tuple of int
        Device and number of the file, the same under every name that the file has.
    keys : tuple of (str, str)
        Names and values of its ``key=value`` folders.
    """

    path: str
    size: int
    changed: int
    identity: tuple[int, int]
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Files:
    """The files that all passes of a verb read.

    Attributes
    ----------
    name : str
        What messages call the data.
    asked : tuple of str
        Paths, patterns and folders as they were given.
    files : tuple of File
        In the order given, sorted by name within each pattern or folder.
    skipped : tuple of str
        Files of patterns and folders that are hidden, temporary or of another kind, and were left out.
    """

    name: str
    asked: tuple[str, ...]
    files: tuple[File, ...]
    skipped: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """Paths in the order in which they are read."""
        return [file.path for file in self.files]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.size for file in self.files)

    @cached_property
    def footers(self) -> tuple[Footer, ...]:
        """What each file says of itself, read once.

        Raises
        ------
        InputError
            A file that is empty, cut short, or no parquet; it is named.
        """
        return read_footers([(file.path, file.size) for file in self.files], self.name)

    @cached_property
    def columns(self) -> dict[str, None]:
        """Columns that some file has, in their order, and keys of folders."""
        inside = dict.fromkeys(column for footer in self.footers for column in footer.types)
        return inside | dict.fromkeys(key for file in self.files for key, _ in file.keys)

    @property
    def rows(self) -> int:
        """Rows of all files, by their footers."""
        return sum(footer.rows for footer in self.footers)

    @property
    def keyed(self) -> bool:
        """Whether all files lie in folders of the same keys, so that these are columns."""
        keys = {tuple(key for key, _ in file.keys) for file in self.files}
        return len(keys) == 1 and keys != {()}

    @cached_property
    def alike(self) -> bool:
        """Whether all files have the same columns in the same order with the same types."""
        return len({tuple(footer.types.items()) for footer in self.footers}) == 1

    def check(self, needed: Sequence[str]) -> list[str]:
        """Refuse columns that are not the same thing in all files; return what is to be said of harmless differences.

        Raises
        ------
        InputError
            As `footers.drift`.
        """
        return drift(self.name, self.paths, self.footers, [dict(file.keys) for file in self.files], needed)

    def notes(self) -> list[str]:
        """What was left out."""
        if not self.skipped:
            return []
        many = len(self.skipped)
        return [
            f"{self.name}: {many:,} file{'s' * (many > 1)} beside the data {'were' if many > 1 else 'was'} left out "
            f"as hidden, temporary or no parquet (first {self.skipped[0]!r})"
        ]

    def remarks(self, used: Sequence[str]) -> list[str]:
        """What is to be said: what was left out, and differences of the columns `used` that change no value."""
        return [*self.notes(), *self.check(used)]

    def unchanged(self, *, added: bool = True) -> None:
        """Compare with what lies there now.

        Parameters
        ----------
        added : bool
            Whether files that came in the meantime are refused as well.

        Raises
        ------
        InputError
            A file that changed, vanished or came since it was found; it is named.
        """
        for file in self.files:
            try:
                now = _file(file.path)
            except OSError:
                raise InputError(
                    f"the file {file.path!r} of {self.name} vanished while it was read", remedy=MOVED
                ) from None
            if now != file:
                raise InputError(f"the file {file.path!r} of {self.name} changed while it was read", remedy=MOVED)
        if not added:
            return
        known = {file.identity for file in self.files}
        for asked in self.asked:
            for path in matches(asked)[0]:
                # Files that vanish between the listing and the look are not ours.
                if os.path.exists(path) and _file(path).identity not in known:
                    raise InputError(f"the file {path!r} came to {self.name} while it was read", remedy=MOVED)

    def whole(self, rows: int) -> None:
        """Refuse a pass that saw other rows than the files hold: its sums would be partial.

        Raises
        ------
        InputError
            The numbers differ; a file that changed is named.
        """
        if rows == self.rows:
            return
        self.unchanged()
        raise InputError(
            f"{rows:,} rows of {self.name} were read, but its {len(self.files):,} files hold {self.rows:,}",
            remedy="an engine that skips broken or missing files must not (spark.sql.files.ignoreCorruptFiles=false, "
            "spark.sql.files.ignoreMissingFiles=false)",
        )


def find_files(data: Any, name: str) -> Files:
    """Resolve paths, patterns and folders to their files.

    Parameters
    ----------
    data : path, list of paths, or Files
        `Files` are returned as they are.
    name : str
        What messages call the data.

    Raises
    ------
    InputError
        No such file, a name that is none of a parquet file, the same file twice, a folder that is a table of a lake.
    """
    if isinstance(data, Files):
        return data
    parts = [str(os.fspath(part)) for part in (data if isinstance(data, list | tuple) else [data])]
    paths: list[str] = []
    skipped: list[str] = []
    for part in parts:
        found, left = matches(part)
        if not found:
            raise _nothing(part, left, name)
        paths += found
        skipped += left
    files = tuple(_look(path, name) for path in paths)
    _refuse_doubled(files, name)
    return Files(name, tuple(parts), files, tuple(skipped))


def files_at(addresses: Sequence[str], name: str) -> Files:
    """Those of some addresses (``file:///a/b%20c.parquet``) that are files which this process sees."""
    local = [unquote(urlsplit(text).path) for text in addresses if urlsplit(text).scheme in ("", "file")]
    return Files(name, (), tuple(_file(path) for path in dict.fromkeys(local) if os.path.isfile(path)), ())


def _nothing(text: str, left: Sequence[str], name: str) -> InputError:
    if os.path.isdir(text):
        beside = f", only {len(left):,} that are hidden or of another kind (first {left[0]!r})" if left else ""
        return InputError(
            f"{name} names the folder {text!r}, which holds no .parquet file{beside}", remedy="check the path"
        )
    known = text.lower().endswith(ENDINGS)
    if not known and (os.path.lexists(text) or text.lower().endswith(OTHERS)):
        return InputError(
            f"{name} is the path {text!r}, which does not end in .parquet",
            remedy="read other formats into a frame first, or convert the file to parquet",
        )
    found = "finds no parquet file" if not known and glob.has_magic(text) else "does not exist"
    kind = "file" if known else "pattern" if glob.has_magic(text) else "path"
    return InputError(f"{name} names the {kind} {text!r}, which {found}", remedy="check the path")


def _look(path: str, name: str) -> File:
    try:
        return _file(path)
    except OSError as error:
        raise InputError(
            f"the file {path!r} of {name} cannot be read: {error.strerror}", remedy="check the path and its rights"
        ) from None


def _file(path: str) -> File:
    found = os.stat(path)
    folders = os.path.dirname(path).split(os.sep)
    keys = tuple((k, v) for k, sign, v in (part.partition("=") for part in folders) if sign and k)
    return File(path, found.st_size, found.st_mtime_ns, (found.st_dev, found.st_ino), keys)


def _refuse_doubled(files: Sequence[File], name: str) -> None:
    seen: dict[tuple[int, int], str] = {}
    for file in files:
        if file.identity in seen:
            raise InputError(
                f"{name} names one file twice, as {seen[file.identity]!r} and as {file.path!r}, so its rows would "
                "count double",
                remedy="name it once",
            )
        seen[file.identity] = file.path
