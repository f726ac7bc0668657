"""Effects of users who do not fit into memory: batch by batch, into a file, or on the workers of Spark."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.ibis_table import native
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.features import Unseen
from gmvcausal.frames.files import find_files
from gmvcausal.frames.outputs import refuse_output
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import open_table
from gmvcausal.frames.written import need_folder, told, whole_file
from gmvcausal.targeting.large.source import Source, opened, placed

if TYPE_CHECKING:
    from gmvcausal.targeting.result import Uplift

FloatArray = NDArray[np.float64]


def columns_of_effects(model: Uplift) -> list[str]:
    """What the columns of effects are called, one for each arm but the control."""
    return [f"effect {label}" for label in model.arms]


def predict(model: Uplift, data: Any) -> FloatArray:
    """As `Modelled.predict`, batch by batch, shape (n, arms)."""
    with opened(data, "data", model.trial.features.needed) as source:
        out = np.empty((source.rows, len(model.arms)))
        for at, _, effects in _effects(model, source, ()):
            out[at : at + len(effects)] = effects
    return out


def score(model: Uplift, data: Any, to: Any, keep: Sequence[str], overwrite: bool) -> Any:
    """Write the effects of every row to a parquet file, or for a Spark frame give back the frame of them.

    Parameters
    ----------
    model : Uplift
    data : frame, parquet path, DuckDB relation or Spark frame
    to : path, or None for a Spark frame
    keep : sequence of str
        Columns that go along as they are.
    overwrite : bool

    Raises
    ------
    InputError
    """
    names = columns_of_effects(model)
    twice = [c for c in keep if c in names]
    if twice:
        raise InputError(f"keep names {twice[0]!r}, as a column of effects is called", remedy="rename it")
    data = native(data, "data", [*model.trial.features.needed, *keep])
    if is_spark(data):
        if to is not None:
            raise InputError(
                "to= names a file, but the effects of a Spark frame are a Spark frame",
                remedy="leave to= out, and write what comes back: m.score(frame).write.parquet(...)",
            )
        from gmvcausal.targeting.large.spark import scored

        return scored(model, data, keep, names)
    path = _path_of(to, overwrite)
    import pyarrow as pa
    import pyarrow.parquet as pq

    if is_path(data):
        data = find_files(data, "data")
        refuse_output(path, "to", data)
    with told(path):
        need_folder(path)
        # The file takes its name last: after the inputs were compared with what they were.
        with whole_file(path) as beside, opened(data, "data", [*model.trial.features.needed, *keep]) as source:
            writer: Any = None
            try:
                for _, batch, effects in _effects(model, source, keep):
                    columns = {c: batch.column(c) for c in keep}
                    columns |= {name: pa.array(own) for name, own in zip(names, effects.T, strict=True)}
                    table = pa.table(columns)
                    writer = writer or pq.ParquetWriter(beside, table.schema)
                    writer.write_table(table)
            finally:
                if writer is not None:
                    writer.close()
    return source.rows


def _path_of(to: Any, overwrite: bool) -> str:
    if not isinstance(to, str | os.PathLike) or not os.fspath(to):
        raise InputError("to must name the file to be written", remedy="pass to='scores.parquet'")
    path = os.fspath(to)
    if not path.endswith(".parquet"):
        raise InputError(f"to is {path!r}, and effects are written as parquet", remedy="pass to='scores.parquet'")
    if os.path.exists(path) and (os.path.isdir(path) or not overwrite):
        raise InputError(f"{path!r} exists already", remedy="pass overwrite=True, or name another file")
    return path


def _effects(model: Uplift, source: Source, keep: Sequence[str]) -> Iterator[tuple[int, Any, FloatArray]]:
    """Position of the first row, the columns read and the effects, batch by batch."""
    features, unseen = model.trial.features, Unseen()
    columns = list(dict.fromkeys([*features.needed, *keep]))
    for at, batch in source.batches(columns) if columns else _empty(source):
        with placed(at, batch.num_rows):
            x = features.transform(open_table(batch), unseen=unseen)
        yield at, batch, model.fit.predict(x)
    features.judge_unseen(unseen, source.rows)


def _empty(source: Source) -> Iterator[tuple[int, Any]]:
    """Batches of a table of which nothing is needed but how many rows it has."""
    yield from source.batches((), f"SELECT 1 AS one FROM {source.sql}")
