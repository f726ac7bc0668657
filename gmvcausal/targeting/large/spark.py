"""On the workers of Spark: models go there as text, rows stay where they are, sums and narrow columns come back.

Workers run functions of this module, so that they need this library. What is wrong with a row there comes back as a
message and is raised here as the error that it would be in memory.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.features import Unseen
from gmvcausal.frames.table import open_table
from gmvcausal.targeting.large.sums import Sums

if TYPE_CHECKING:
    from gmvcausal.targeting.intake.trial import Asked
    from gmvcausal.targeting.large.source import Source
    from gmvcausal.targeting.large.whole import Teller
    from gmvcausal.targeting.result import Uplift

_SAID = "=said"
Arrays = dict[str, NDArray[Any]]


def scored(model: Uplift, data: Any, keep: Sequence[str], names: Sequence[str]) -> Any:
    """The columns kept of a Spark frame, and the effects of every row, as a Spark frame; run when it is read.

    Parameters
    ----------
    model : Uplift
    data : Spark frame
    keep, names : sequence of str
        Columns that go along, and what effects are called.

    Raises
    ------
    InputError
        A column is not there.
    """
    from pyspark.sql import types

    from gmvcausal.targeting.saved import dumps

    needed = list(dict.fromkeys([*model.trial.features.needed, *keep]))
    for column in needed:
        if column not in data.columns:
            raise rules.no_such_column(column, data.columns, "this verb", "data")
    schema = types.StructType([
        *(data.schema[c] for c in keep), *(types.StructField(name, types.DoubleType(), False) for name in names)
    ])  # fmt: skip
    some = data.select(*("`" + c.replace("`", "``") + "`" for c in needed)) if needed else data
    content = dumps(model)

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        there = model_of(content)
        features, unseen = there.trial.features, Unseen()
        for table in _tables(batches):
            effects = there.fit.predict(features.transform(open_table(table), unseen=unseen))
            columns = [*(table.column(c) for c in keep), *(pa.array(column) for column in effects.T)]
            yield from pa.table(columns, names=[*keep, *names]).to_batches()

    return some.mapInArrow(run, schema)


def added_up(source: Source, text: str, teller: Teller, sums: Sums, about: tuple[Any, ...], unseen: Unseen) -> None:
    """Add to `sums` those of the rows of a SELECT, made by the workers; levels never seen to `unseen`.

    `about` is what `Sums` was made with.
    """
    told = teller.to_text()

    def run(tables: Iterable[Any]) -> Iterator[Arrays | dict[str, Any]]:
        own, there, new = Sums(*about), teller_of(told), Unseen()
        for table in tables:
            there.add(table, own, new)
        yield {"sums": base64.b64encode(own.to_bytes()).decode(), "unseen": new}

    for _ in shipped(source, text, run, [], unseen, sums):
        pass


def narrowed(
    source: Source, columns: Sequence[str], model: Uplift, asked: Asked, cluster: str | None, ranked: bool,
    unseen: Unseen,
) -> Iterator[Arrays]:  # fmt: skip
    """As `narrow.of_batch`, of all rows, from the workers."""
    from gmvcausal.frames.table import quote
    from gmvcausal.targeting.large.narrow import of_batch
    from gmvcausal.targeting.saved import dumps

    content, k = dumps(model), len(model.trial.labels)

    def run(tables: Iterable[Any]) -> Iterator[Arrays | dict[str, Any]]:
        there, new = model_of(content), Unseen()
        for table in tables:
            yield of_batch(there, asked, cluster, ranked, table, new)
        yield {"unseen": new}

    fields = [("y", 0), ("arm", 0), ("effects", k - 1), ("mu", k), ("e", k), ("cost", k - 1), ("rows", 0)]
    fields += [] if ranked else [("features", 0)]
    fields += [("cluster", 0)] if cluster else []
    fields += [("redeemed", 0), ("redeems", k - 1)] if asked.redeemed else []
    text = f"SELECT {', '.join(quote(c) for c in columns)} FROM {source.sql}"
    yield from shipped(source, text, run, fields, unseen)


def shipped(
    source: Source, text: str, run: Callable[[Iterable[Any]], Iterator[Any]], fields: Sequence[tuple[str, int]],
    unseen: Unseen, sums: Sums | None = None,
) -> Iterator[Arrays]:  # fmt: skip
    """What a function makes of the rows of a SELECT on the workers.

    Parameters
    ----------
    source : Source
    text : str
    run : callable
        From Arrow tables to dicts of arrays, which are handed on, and of messages: "sums" (to be added to `sums`),
        "unseen" (levels).
    fields : sequence of (str, int)
        Of the arrays: their names, and how many columns they have (0: they have one axis).

    Raises
    ------
    InputError, DesignError
        As `run` raised it there.
    """
    import pyarrow as pa
    from pyspark.sql import types

    from gmvcausal.frames.engines.spark import SparkEngine

    flat = [f"{name}.{j}" for name, width in fields for j in range(max(width, 1))]
    whole = {"arm", "rows", "features", "cluster"}
    kinds = [types.LongType() if c.partition(".")[0] in whole else types.DoubleType() for c in flat]
    schema = types.StructType([
        *(types.StructField(c, kind, True) for c, kind in zip(flat, kinds, strict=True)),
        types.StructField(_SAID, types.StringType(), True),
    ])  # fmt: skip
    arrow = pa.schema([
        *(pa.field(c, pa.int64() if isinstance(kind, types.LongType) else pa.float64())
          for c, kind in zip(flat, kinds, strict=True)),
        pa.field(_SAID, pa.string()),
    ])  # fmt: skip

    def there(batches: Iterator[Any]) -> Iterator[Any]:
        try:
            for piece in run(_tables(batches)):
                yield _packed(piece, fields, arrow)
        except GmvCausalError as error:
            kind = "design" if isinstance(error, DesignError) else "input"
            facts = {"rule": error.rule, "column": error.column, "count": error.count, "remedy": error.remedy}
            yield _packed({"error": kind, **facts}, fields, arrow)

    assert isinstance(source.space, SparkEngine)
    found = source.space.collected(source.space.frame(text, source.name).mapInArrow(there, schema), source.name)
    for batch in found.to_batches():
        said = batch.column(len(flat))
        for message in (json.loads(m) for m in said.drop_null().to_pylist()):
            _heard(message, sums, unseen)
        table = batch.filter(said.is_null())
        if table.num_rows and flat:
            yield _unpacked(table, fields)


def _heard(message: dict[str, Any], sums: Sums | None, unseen: Unseen) -> None:
    if "error" in message:
        kind = DesignError if message["error"] == "design" else InputError
        rule = f"{message['rule']} (in one of the parts that the workers read)"
        raise kind(rule, column=message["column"], count=message["count"], remedy=message["remedy"])
    if sums is not None and "sums" in message:
        sums.merge(base64.b64decode(message["sums"]))
    for name, (count, first) in message.get("unseen", {}).items():
        before = unseen.get(name, (0, first))
        unseen[name] = (before[0] + int(count), min(before[1], first))


def _packed(piece: dict[str, Any], fields: Sequence[tuple[str, int]], schema: Any) -> Any:
    import pyarrow as pa

    if "y" not in piece:
        empty: list[Any] = [pa.nulls(1, field.type) for field in schema][:-1]
        return pa.RecordBatch.from_arrays([*empty, pa.array([json.dumps(piece)])], schema=schema)
    columns: list[Any] = []
    for name, width in fields:
        values = piece[name]
        for own in values.T if width else (values,):
            columns.append(own.view(np.int64) if own.dtype == np.uint64 else own)
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=False)]
    return pa.RecordBatch.from_arrays([*arrays, pa.nulls(len(piece["y"]), pa.string())], schema=schema)


def _unpacked(table: Any, fields: Sequence[tuple[str, int]]) -> Arrays:
    out: Arrays = {}
    for name, width in fields:
        columns = [table.column(f"{name}.{j}").to_numpy() for j in range(max(width, 1))]
        values = np.column_stack(columns) if width else columns[0]
        out[name] = values.view(np.uint64) if name in ("rows", "features", "cluster") else values
    return out


def _tables(batches: Iterable[Any]) -> Iterator[Any]:
    """Arrow tables of the batches that have rows."""
    import pyarrow as pa

    return (pa.Table.from_batches([batch]) for batch in batches if batch.num_rows)


@lru_cache(maxsize=2)
def model_of(content: bytes) -> Uplift:
    """The model of these bytes, read once by each process."""
    from gmvcausal.targeting.saved import loads

    return loads(content)


@lru_cache(maxsize=2)
def teller_of(text: str) -> Teller:
    """As `model_of`."""
    from gmvcausal.targeting.large.whole import Teller

    return Teller.from_text(text)
