"""The folder into which a market is written: made, and holding nothing of another market."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.frames.written import whole_file

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.simulate.market import Truth


def make_folder(folder: Any) -> Path:
    """The folder as a path, made if it is not there."""
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise InputError(f"folder must be a path, but is {said(folder)}", remedy="write for example 'market'")
    to = Path(folder)
    try:
        if to.exists() and not to.is_dir():
            raise InputError(f"{to} is a file, not a folder", remedy="name another folder")
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot(to, "made", error) from None
    return to


def _cannot(path: Path, what: str, error: OSError) -> InputError:
    return InputError(f"{path} cannot be {what} ({error.strerror or error})", remedy="name another folder")


def refuse_others(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder with parquet files that a market of these tables would leave standing beside its own."""
    mine = {f"{name}.parquet" for name in names}
    others = sorted(path.name for path in folder.glob("*.parquet") if path.name not in mine)
    if others:
        raise InputError(
            f"{folder} holds parquet files that this market would not replace: {', '.join(others)}",
            remedy="name an empty folder, or remove them",
        )


def truth_frames(truth: Truth) -> dict[str, pd.DataFrame]:
    """The tables of a truth by the names of their files."""
    found = {"truth": truth.to_frame(), "truth_users": truth.users, "truth_event_study": truth.event_study}
    return {name: frame for name, frame in found.items() if frame is not None}


def write_frame(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Write one table."""
    path = folder / f"{name}.parquet"
    try:
        with whole_file(path) as beside:
            frame.to_parquet(beside, index=False)
    except OSError as error:
        raise _cannot(path, "written", error) from None
    return path
