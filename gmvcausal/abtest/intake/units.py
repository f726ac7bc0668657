"""What is found out about units and clusters where the rows lie."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.stream import Stream
from gmvcausal.errors import GmvCausalWarning
from gmvcausal.frames.arms import chance_assigned_there, found_there
from gmvcausal.frames.facts import COARSER, named_unit, says_unit
from gmvcausal.frames.table import quote

# Beyond so many rows, units that nobody named are counted approximately: an exact count would have to hold them all.
_COUNTED = 5_000_000


def unit_column(ids: Mapping[str, str], ask: Columns) -> tuple[str | None, bool]:
    """The column of the units, as named or by its very name, and whether its rows must be looked at one by one.

    Parameters
    ----------
    ids : mapping of str to str
        Columns that can hold identifiers -> their types.
    ask : Columns
    """
    listed = named_unit(ids, (ask.arm,))
    if ask.unit is not None or listed is None:
        return ask.unit, False
    if ask.cluster is None:
        return listed, False
    return None, not says_unit(ask.cluster)  # whether a unit is in two arms is looked up row by row


def counted(base: Any, unit: str, rows: int, named: bool) -> bool | None:
    """Whether the units were counted exactly; None where some have several rows."""
    exact = named or rows <= _COUNTED
    u = quote(unit)
    distinct = base.aggregate(f"count(DISTINCT {u})" if exact else f"approx_count_distinct({u})").fetchall()[0][0]
    return None if distinct < (rows if exact else 0.8 * rows) else exact


def coarser(base: Any, ids: Mapping[str, str], stream: Stream, ask: Columns) -> str:
    """A column of places within which the arm does not vary; empty where there is none."""
    share = stream.sizes / stream.sizes.sum()
    for column in COARSER:
        if column not in ids or column in ask.needed:
            continue
        places = base.project(f"{quote(column)} AS c, {stream.code()} AS a")
        if places.filter("c IS NULL").limit(1).fetchall():
            continue
        rooms = places.aggregate("c, count(*) AS k, min(a) AS low, max(a) AS high", "c")
        if rooms.filter("low <> high").limit(1).fetchall():
            continue
        sizes = rooms.aggregate("k, count(*)", "k").fetchall()
        if chance_assigned_there({int(k): int(n) for k, n in sizes}, share) < math.log(1e-6):
            warnings.warn(found_there(column), GmvCausalWarning, stacklevel=6)
            return column
    return ""
