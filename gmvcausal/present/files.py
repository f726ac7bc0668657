"""Writing files: a path that cannot be written is the user's to mend, so the error is ours and says why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.written import whole_file


def target(path: Any) -> Path:
    """Check that `path` can be meant as a file to write; the name is used as it is given."""
    if not isinstance(path, str | os.PathLike) or (isinstance(path, str) and not path):
        raise InputError(f"path must name a file, but is {path!r}")
    try:
        if b"\0" in os.fsencode(path):
            raise ValueError("it holds a null character")
        found = Path(os.fspath(path))
        folder = found.parent.is_dir()
        taken = found.is_dir()
    except (OSError, ValueError, TypeError) as error:  # too long, a null character, a lone surrogate
        raise InputError(
            f"path {str(path)[:80]!r} cannot name a file ({error})", remedy="choose another file name"
        ) from None
    if not folder:
        raise InputError(
            f"the folder of path {str(path)!r} does not exist", remedy="create it first, or choose another path"
        )
    if taken:
        raise InputError(f"path {str(path)!r} is a folder", remedy="name a file inside it")
    return found


def ending(path: Any, *allowed: str) -> None:
    """Refuse a name whose ending says another kind of file than is written; one without an ending may stand.

    A part after a dot that is no ending of letters ("table 4.1") says nothing.
    """
    found = target(path).suffix.lower()
    if found[1:].isalpha() and found not in allowed:
        raise InputError(
            f"path {str(path)!r} ends in {found!r}, but {allowed[0]} is written",
            remedy=f"name a file that ends in {' or '.join(allowed)}",
        )


def write(path: Any, content: str | bytes) -> Path:
    """Write text (UTF-8, line ends as they are) or bytes; a run that is stopped leaves what was there before."""
    found = target(path)
    try:
        with whole_file(found) as beside:
            beside.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    except OSError as error:
        raise refused(path, error) from None
    return found


def refused(path: Any, error: OSError) -> InputError:
    """The error for a path that the system does not let us write."""
    return InputError(f"path {str(path)!r} cannot be written ({error.strerror or error})", remedy="choose another path")
