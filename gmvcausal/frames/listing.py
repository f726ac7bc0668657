"""What a path, a pattern or a folder finds: parquet, and nothing that holds rows is passed over without a word."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence

from gmvcausal.errors import InputError

ENDINGS = (".parquet", ".parq", ".pq")
_MAGIC = b"PAR1"
OTHERS = (".csv", ".csv.gz", ".json", ".orc", ".avro")
_WRITERS = (".crc", ".tmp", ".temp")
_TABLES = {"_delta_log": "Delta", ".hoodie": "Hudi"}


def matches(text: str, by_content: bool = False) -> tuple[list[str], list[str]]:
    """Files that one path, pattern or folder names, and those it was left without.

    A folder gives what is called parquet; a pattern of another ending (``log/*``), or a folder that it finds, also what
    is parquet `by_content`.
    """
    if os.path.isdir(text):
        inside = glob.glob(os.path.join(glob.escape(text), "**", "*"), recursive=True, include_hidden=True)
        return _sorted_out(text, inside, by_content)
    called = text.lower().endswith(ENDINGS)
    if os.path.lexists(text):  # a name may hold the signs of patterns
        return ([text] if called else []), []
    if not glob.has_magic(text):
        return [], []
    found = glob.glob(text, recursive=True)
    inside = [p for path in found if os.path.isdir(path) for p in matches(path, not called)[0]]
    files = [path for path in found if not os.path.isdir(path)]
    return _sorted_out(_fixed(text), [*files, *inside], not called)


def _sorted_out(root: str, paths: Iterable[str], by_content: bool) -> tuple[list[str], list[str]]:
    """Data files and others, as Spark tells them apart: names that begin with . or _ are of the writer."""
    kept: list[str] = []
    left: list[str] = []
    unnamed: list[str] = []
    for path in sorted(set(paths)):
        if os.path.isdir(path):
            continue
        hidden = _hidden(root, path)
        data = path.lower().endswith(ENDINGS)
        if data and not hidden:
            kept.append(path)
        elif not hidden and _is_parquet(path):
            (kept if by_content else unnamed).append(path)
        elif data or not hidden:  # marks like _SUCCESS hold no rows: nothing is to be said of them
            left.append(path)
    _refuse_lake([*kept, *unnamed])
    if unnamed:
        raise _not_called_so(root, unnamed)
    if kept:
        _refuse_others(root, left, kept)
    return kept, left


def _is_parquet(path: str) -> bool:
    """Whether a file that is called otherwise is parquet, as parts of Hive are (``000001_0``)."""
    if path.lower().endswith(_WRITERS) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _not_called_so(root: str, paths: Sequence[str]) -> InputError:
    """Rows must not go missing because of how their file is called."""
    pattern = _pattern(root, paths, "*")
    return InputError(
        f"the folder {root!r} also holds parquet that is not called so: {paths[0]!r} ({len(paths):,} in all)",
        remedy=f"name all with the pattern {pattern!r}, give them the ending .parquet, or move away what is no data",
    )


def _pattern(root: str, paths: Sequence[str], name: str) -> str:
    """What finds files of a folder, however deep they lie."""
    deep = any(os.path.dirname(path) != os.path.normpath(root) for path in paths)
    return os.path.join(root, "**", name) if deep else os.path.join(root, name)


def _refuse_others(root: str, left: Sequence[str], kept: Sequence[str]) -> None:
    """Rows of another format beside the data would be left out."""
    visible = [p for p in left if p.lower().endswith(OTHERS) and not _hidden(root, p)]
    if visible:
        raise InputError(
            f"the folder {root or '.'!r} also holds {os.path.relpath(visible[0], root or '.')!r}, which is no parquet "
            f"({len(visible):,} such files)",
            remedy=f"name the parquet files with a pattern: {_pattern(root, kept, '*.parquet')!r}",
        )


def _hidden(root: str, path: str) -> bool:
    """Whether a name below the root is of the writer: it begins with . or _, and is no key."""
    parts = os.path.relpath(path, root or ".").split(os.sep)
    return any(p.startswith(".") or (p.startswith("_") and "=" not in p) for p in parts)


def _fixed(pattern: str) -> str:
    """The folder of a pattern up to its first sign."""
    parts = pattern.split(os.sep)
    first = next(k for k, part in enumerate(parts) if glob.has_magic(part))
    return os.sep.join(parts[:first]) or (os.sep if pattern.startswith(os.sep) else "")


def _refuse_lake(paths: Sequence[str]) -> None:
    """A folder of a lake's table also holds files that were deleted from it or replaced."""
    seen: set[str] = set()
    for path in paths:
        folder = os.path.dirname(os.path.abspath(path))
        while folder not in seen:
            seen.add(folder)
            kind = next((_TABLES[mark] for mark in _TABLES if os.path.isdir(os.path.join(folder, mark))), None)
            if kind is None and glob.glob(os.path.join(glob.escape(folder), "metadata", "*.metadata.json")):
                kind = "Iceberg"
            if kind is not None:
                raise InputError(
                    f"the folder {folder!r} is a {kind} table and also holds files that are no longer part of it",
                    remedy="read it with its own reader (DuckDB has delta_scan and iceberg_scan) and pass the relation",
                )
            folder = os.path.dirname(folder)
