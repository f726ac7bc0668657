"""Writing a file so that it is whole or not there: a run that is stopped in the middle leaves what was there before."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gmvcausal.errors import InputError

PREFIX = ".gmvcausal-"  # hidden, so that nothing reads half a file as data


@contextmanager
def told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Our own error where `path` cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {os.fspath(path)!r}: {error.strerror or error}",
            remedy="name a file in a folder that exists and has room",
        ) from error


def need_folder(path: str | os.PathLike[str]) -> None:
    """Stop before the work where the folder of `path` is not there.

    Raises
    ------
    FileNotFoundError
    """
    if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its name when the block ends well and is removed otherwise.

    A process that is killed leaves the file beside it, and never a part of the file itself. What is no plain file
    (``/dev/stdout``, a pipe), or lies in a folder in which none can be made, is written as it is.

    Parameters
    ----------
    path : path
        The file to make or to replace; a link is followed, and the rights of a file that is replaced are kept.

    Raises
    ------
    OSError
        The file may not be written.

    Examples
    --------
    >>> with whole_file("sums.csv") as beside:
    ...     _ = beside.write_text("1")
    >>> Path("sums.csv").read_text()
    '1'
    """
    given = Path(path)
    old = given.exists()
    if old and not os.access(given, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    there = Path(os.path.realpath(given))
    device = os.path.abspath(given).startswith(("/dev/", "/proc/")) or (old and not given.is_file())
    if device or (there.parent.is_dir() and not os.access(there.parent, os.W_OK)):
        yield given
        return
    beside = there.with_name(f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield beside
        if old:
            shutil.copymode(there, beside)
        os.replace(beside, there)
    finally:
        beside.unlink(missing_ok=True)
