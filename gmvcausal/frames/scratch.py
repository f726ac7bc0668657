"""Temporary directories that are always removed: at the end, after an error, and by the next run where one was killed.

A directory holds a file that its process keeps locked. The system lets go of the lock when the process ends, however it
ends, so a directory whose lock can be taken belongs to nobody; process numbers, which containers that share a disk do
not share, are not asked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from typing import IO, Any

from gmvcausal.errors import InputError

PREFIX = "gmvcausal-"
_NAME = "in-use"


@dataclass
class Scratch:
    """A temporary directory of this process; a forked child never removes it.

    Attributes
    ----------
    path : str
    lock : file, optional
        Held open and locked while the directory is in use.
    owner : int
        The process that made it.
    """

    path: str = ""
    lock: IO[Any] | None = None
    owner: int = field(default_factory=os.getpid)

    @property
    def ours(self) -> bool:
        """Whether this process made it, and is no child that was forked since."""
        return os.getpid() == self.owner

    def remove(self) -> None:
        """Remove the directory and all that is in it."""
        if not self.ours:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if self.lock is not None:
            self.lock.close()


def scratch() -> Scratch:
    """Make a temporary directory (under TMPDIR), and remove those of processes that were killed."""
    sweep()
    try:
        path = tempfile.mkdtemp(prefix=PREFIX)
    except OSError as error:
        raise InputError(
            f"no temporary directory can be made ({error.strerror or error})", remedy="set TMPDIR to a disk with room"
        ) from None
    # Locked before it has its name: a lock file that can be seen and is free belongs to a dead process.
    before = os.path.join(path, "locking")
    lock = open(before, "wb")  # noqa: SIM115  # held open as long as the directory lives
    try:
        _lock(lock)
        os.rename(before, os.path.join(path, _NAME))
    except OSError:  # a disk without locks
        lock.close()
        return Scratch(path)
    return Scratch(path, lock)


def sweep() -> list[str]:
    """Remove temporary directories whose process is gone; returned are those that were."""
    removed: list[str] = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(tempfile.gettempdir()):
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False) and _dead(entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)
                removed.append(entry.path)
    return removed


def _dead(path: str) -> bool:
    try:
        with open(os.path.join(path, _NAME), "rb+") as lock:
            _lock(lock)
    except OSError:  # it has no such file, is another user's, or is in use
        return False
    return True


def _lock(file: IO[Any]) -> None:
    """Lock a file for this process, or raise `OSError` where another one has it."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; what a killed process leaves there is left
        raise OSError("no locks") from None
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
