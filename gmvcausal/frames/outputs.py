"""Where a verb may write: never over what it reads, and never where the next read would take it for data."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from gmvcausal.errors import InputError
from gmvcausal.frames.files import Files


def refuse_output(path: str, argument: str, files: Files) -> None:
    """Refuse to write a file that is an input, or that the folder or pattern of an input would find.

    Parameters
    ----------
    path : str
        The file to be made; links are followed.
    argument : str
        What the call names it.
    files : Files
        What is read.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_output("effects/scores.parquet", "to", Files("data", ("log",), (), ()))
    """
    there = os.path.realpath(path)
    if os.path.exists(there):
        found = os.stat(there)
        same = [file.path for file in files.files if file.identity == (found.st_dev, found.st_ino)]
        if same:
            raise InputError(
                f"{argument} is {path!r}, a file that {files.name} names (as {same[0]!r}): writing would destroy it",
                remedy="name another file",
            )
    for asked in files.asked:
        if os.path.isdir(asked) and _meets(_parts(os.path.realpath(asked)), _parts(there)):
            words = f"inside the folder {asked!r} of {files.name}"
        elif glob.has_magic(asked) and not os.path.lexists(asked) and _matched(asked, path):
            words = f"which the pattern {asked!r} of {files.name} finds"
        else:
            continue
        raise InputError(
            f"{argument} is {path!r}, {words}: the next read would take it for data",
            remedy="write to a folder of its own",
        )


def _matched(pattern: str, path: str) -> bool:
    """Whether the pattern would find the path, or a folder that it lies in, as spelled or with links followed."""
    parts = pattern.split(os.sep)
    first = next(k for k, part in enumerate(parts) if glob.has_magic(part))
    base = os.sep.join(parts[:first]) or (os.sep if pattern.startswith(os.sep) else ".")
    for seen in (os.path.abspath, os.path.realpath):
        root, there = _parts(seen(base)), _parts(seen(path))
        if _meets(root, there) and _meets(parts[first:], there[len(root) :], signs=True):
            return True
    return False


def _meets(wanted: Sequence[str], parts: Sequence[str], signs: bool = False) -> bool:
    """Whether the first parts of a path are those wanted, of which some may be `signs` of patterns."""
    if not wanted:
        return True
    if signs and wanted[0] == "**":
        return any(_meets(wanted[1:], parts[k:], signs) for k in range(len(parts) + 1))
    if not parts or not (fnmatchcase(parts[0], wanted[0]) if signs else parts[0] == wanted[0]):
        return False
    return _meets(wanted[1:], parts[1:], signs)


def _parts(path: str) -> list[str]:
    return [part for part in path.split(os.sep) if part]
