"""Which engine reads the data: their own, the one that was named, or DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.engines.ibis_table import native, on_spark
from gmvcausal.frames.engines.kinds import is_session, is_spark
from gmvcausal.frames.params import said
from gmvcausal.frames.parquet import is_path


def engine_text(engine: Any) -> str | None:
    """What a manifest calls the engine that was named; a session itself cannot be kept.

    Raises
    ------
    InputError
        It is no engine.
    """
    if engine is None:
        return None
    if not is_session(engine):
        raise _no_engine(engine)
    return "Spark"


def _no_engine(engine: Any) -> InputError:
    return InputError(
        f"engine must be a Spark session, but is {said(engine)}",
        remedy="leave engine out: files are read by DuckDB, a Spark frame by its own session",
    )


def placed(data: Any, engine: Any, needed: Sequence[str]) -> Any:
    """The data as the engine that was named reads them: a path becomes a frame of the Spark session.

    Columns that are not `needed` are left out where they are not the same in all files.

    Raises
    ------
    InputError
        The data lie in memory, or belong to another engine.
    """
    if engine is None or is_spark(data):
        return data
    if not is_path(data):
        raise InputError("engine= reads files, and these data are in memory or DuckDB's", remedy="leave engine= out")
    from gmvcausal.frames.engines.spark import frame_of_files

    return frame_of_files(engine, data, "data", needed)


def choose_engine(
    tables: Sequence[Any], engine: Any = None, memory_limit: int | None = None, buffers: int | None = None
) -> Engine:
    """The engine for these tables.

    Parameters
    ----------
    tables : sequence
        What the user gave; None is left out.
    engine : SparkSession or None
        None: the session of the first Spark frame (or Ibis table on Spark), else DuckDB.
    memory_limit : int, optional
        Bytes, see `params.check`.
    buffers : int, optional
        Of DuckDB, where there is no limit.

    Raises
    ------
    InputError
        Frames of two sessions, or something that is no engine.
    """
    sessions = [native(data).sparkSession for data in tables if is_spark(data) or on_spark(data)]
    if engine is not None and not is_session(engine):
        raise _no_engine(engine)
    if engine is not None:
        sessions.insert(0, engine)
    if any(one is not sessions[0] for one in sessions):
        raise InputError(
            "the tables belong to different Spark sessions", remedy="make all of them in the session that runs the verb"
        )
    if sessions:
        from gmvcausal.frames.engines.spark import SparkEngine

        return SparkEngine(sessions[0], memory_limit)
    from gmvcausal.frames.engines.duck import BUFFERS, DuckEngine

    return DuckEngine(memory_limit, BUFFERS if buffers is None else buffers)
