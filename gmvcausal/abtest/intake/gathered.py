"""The rows of a test brought here from an engine, where sums are not enough: named columns, and not too many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.metrics import model_of
from gmvcausal.frames.engines.brought import refuse_many
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, with_optional
from gmvcausal.frames.table import check_columns, quote


def by_rows(ask: Columns, inference: str) -> str:
    """What of a call needs rows and not only sums; empty where nothing does."""
    if inference != "t":
        return f"inference={inference!r}"
    if any(model_of(m) is not None for m in ask.metrics):
        return "a model"
    named = {"washout": ask.washout, "time": ask.time, "block": ask.block, "triggered": ask.triggered,
             "assigned_at": ask.assigned_at, "exposed_at": ask.exposed_at, "budget": ask.budget}  # fmt: skip
    return next((f"{name}=" for name, value in named.items() if value is not None), "")


def gather(space: Engine, data: Any, needed: Mapping[str, str], why: str) -> tuple[Any, str]:
    """The needed columns, and those that say who and where, as an Arrow table; and the note that says so.

    Parameters
    ----------
    space : Engine
    data : object
        What lies where the engine reads it.
    needed : mapping of str to str
        Columns -> what they are for.
    why : str
        What needs the rows.

    Raises
    ------
    InputError
        More rows than may be brought here.
    """
    names = space.names(data, "data")
    assert names is not None
    check_columns(data, names, "data", needed)
    wanted = with_optional(needed, names, (*COARSER, *UNIT_NAMES))
    source = space.source(data, "data", wanted)
    (rows,) = space.row(f"SELECT count(*) FROM {source}", "data")
    remedy = "leave it out (all else is summed where the rows lie), or pass a sample of the units"
    refuse_many(rows, len(wanted), space.holds, space.title, why, "data", remedy)
    table = space.arrow(f"SELECT {', '.join(quote(c) for c in wanted)} FROM {source}", "data")
    return table, f"{rows:,} rows of {len(wanted)} columns were brought here from {space.title}, as {why} needs them"
