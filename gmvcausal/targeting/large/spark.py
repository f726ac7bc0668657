"""On the workers of Spark: the model goes there as text, rows stay where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gmvcausal.frames import rules
from gmvcausal.frames.features import Unseen
from gmvcausal.frames.table import open_table

if TYPE_CHECKING:
    from gmvcausal.targeting.result import Uplift


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
    kept = [data.schema[c] for c in keep]
    schema = types.StructType([*kept, *(types.StructField(name, types.DoubleType(), False) for name in names)])
    some = data.select(*("`" + c.replace("`", "``") + "`" for c in needed)) if needed else data
    return some.mapInArrow(scorer(dumps(model), tuple(keep), tuple(names)), schema)


def scorer(content: bytes, keep: Sequence[str], names: Sequence[str]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What each worker runs: batches in, columns kept and effects out."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        model = loaded(content)
        features = model.trial.features
        unseen: Unseen = {}
        for batch in batches:
            if not batch.num_rows:
                continue
            table = pa.Table.from_batches([batch])
            effects = model.fit.predict(features.transform(open_table(table), unseen=unseen))
            columns = [*(batch.column(c) for c in keep), *(pa.array(column) for column in effects.T)]
            yield pa.RecordBatch.from_arrays(columns, names=[*keep, *names])

    return run


@lru_cache(maxsize=2)
def loaded(content: bytes) -> Uplift:
    """The model of these bytes, read once by each process."""
    from gmvcausal.targeting.saved import loads

    return loads(content)
