"""Parquet files for a Spark session: whole or refused, with the columns of all files at the widest of their types.

Spark itself takes the columns of one file for those of all: what others lack is missing without a word, whole numbers
beside broken ones stop it, and a session may be set to leave out what it cannot read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.files import File, Files
from gmvcausal.frames.footers import EMPTY, Footer
from gmvcausal.frames.found import Found

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

_SKIPS = ("ignoreCorruptFiles", "ignoreMissingFiles")


def lies_here(session: SparkSession, data: Any) -> bool:
    """Whether the paths are files that this process sees as well as Spark does."""
    if isinstance(data, Files):
        return True
    parts = data if isinstance(data, list | tuple) else [data]
    if any("://" in os.fspath(part) for part in parts):
        return False
    storage = session.conf.get("spark.hadoop.fs.defaultFS", "file:///") or ""
    return (session.conf.get("spark.master", "") or "").startswith("local") and storage.startswith("file:")


def read_files(session: SparkSession, data: Any, name: str, needed: Sequence[str], found: Found) -> DataFrame:
    """Parquet files as one frame; what cannot be read stops it, whatever the session is set to.

    Of files that this process sees, those of the same columns and types are read together, and the parts united by the
    names of their columns. Columns that are not `needed` are left out where they are not alike.

    Raises
    ------
    InputError
        As `Files.check`.
    """
    if not lies_here(session, data):
        parts = data if isinstance(data, list | tuple) else [data]
        return _reader(session).parquet(*(os.fspath(part) for part in parts))
    files = found.take(data, name, needed)
    files.check(needed)
    kept = [column for column in files.columns if column in needed or _alike(files, column)]
    groups: dict[tuple[Any, ...], list[tuple[File, Footer]]] = {}
    for file, footer in zip(files.files, files.footers, strict=True):
        base = _base(file) if files.keyed else ""
        groups.setdefault((base, *footer.types.items()), []).append((file, footer))
    frames = [_part(session, key[0], group, kept, len(groups) > 1) for key, group in groups.items()]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)


def refuse_moving(frame: DataFrame, name: str) -> None:
    """Refuse a frame whose rows need not be the same in each pass over it.

    Raises
    ------
    InputError
        The frame holds ``rand()``, the clock or a Python function and is not kept, or its session leaves out files that
        it cannot read.
    """
    for skip in _SKIPS:
        option = f"spark.sql.files.{skip}"
        if str(frame.sparkSession.conf.get(option, "false")).lower() == "true":
            raise InputError(
                f"the session of {name} leaves out files that it cannot read ({option}), and sums would be partial",
                remedy=f"spark.conf.set({option!r}, False)",
            )
    if (moving := _moving(frame)) is not None:
        raise InputError(
            f"{name} holds {moving}",
            remedy="keep the frame first, with frame.localCheckpoint(), frame.persist() or by writing it out",
        )


def _moving(frame: DataFrame) -> str | None:
    """What may be another value in each pass over the frame; of frames of Spark Connect nothing is known."""
    java = getattr(frame, "_jdf", None)  # of a classic session only
    if java is None or frame.is_cached:
        return None
    plan = java.queryExecution().withCachedData()  # what was kept below it is a leaf
    if not plan.deterministic():
        return "rand() or another value that Spark draws anew in each pass over it"
    # Spark takes these for constants, as they are within one pass.
    machine: Any = frame.sparkSession._jvm
    patterns = machine.org.apache.spark.sql.catalyst.trees.TreePattern
    if plan.containsPattern(patterns.CURRENT_LIKE()):
        return "current_timestamp() or another value of the session, which Spark asks for anew in each pass over it"
    if plan.containsPattern(patterns.PYTHON_UDF()):
        return "a function in Python, which Spark calls anew in each pass over it"
    return None


def files_below(frame: DataFrame) -> list[str]:
    """Addresses of the files that a frame reads, planned anew."""
    return list(frame.select("*").inputFiles())


def _reader(session: SparkSession) -> DataFrameReader:
    return session.read.options(**dict.fromkeys(_SKIPS, False))


def _part(
    session: SparkSession, base: str, group: Sequence[tuple[File, Footer]], kept: Sequence[str], united: bool
) -> DataFrame:
    from pyspark.sql.functions import col

    reader = _reader(session).option("basePath", base) if base else _reader(session)
    # Signs of patterns in the name of a file are meant as they are.
    found = reader.parquet(*(re.sub(r"([\[\]{}*?\\])", r"\\\1", os.path.abspath(file.path)) for file, _ in group))
    footer = group[0][1]
    listed = []
    for column in kept:
        kind = footer.kinds.get(column)
        if column not in found.columns or (united and kind == EMPTY):
            continue
        one = col("`" + column.replace("`", "``") + "`")
        listed.append(one.cast("int").alias(column) if united and kind == "flags" else one)
    return found.select(*listed)


def _alike(files: Files, column: str) -> bool:
    try:
        files.check([column])
    except InputError:
        return False
    return True


def _base(file: File) -> str:
    """The folder above the first folder of a key."""
    parts = os.path.abspath(file.path).split(os.sep)
    first = next(k for k, part in enumerate(parts) if part.startswith(f"{file.keys[0][0]}="))
    return os.sep.join(parts[:first]) or os.sep
