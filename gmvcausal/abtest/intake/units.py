"""What is found out about units and clusters where the rows lie."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.table import quote

# Beyond so many rows, units that nobody named are counted approximately: an exact count would have to hold them all.
_COUNTED = 5_000_000


def said_of_units(unit: str, exact: bool = True) -> str:
    """What is known of the units once they were looked through."""
    about = "" if exact else f" (counted approximately; pass unit={unit!r} to have it counted exactly)"
    return f"no {unit!r} is in two arms, or in two rows outside a cluster{about}"


def approximately(rows: int) -> bool:
    """Whether units that nobody named are counted approximately."""
    return rows > _COUNTED


def enough(about: int, rows: int) -> bool:
    """Whether an approximate count of units allows for each row to be one."""
    return about >= 0.8 * rows


def counted(base: Any, unit: str, rows: int, named: bool) -> bool | None:
    """Whether the units were counted exactly; None where some have several rows."""
    exact, u = named or not approximately(rows), quote(unit)
    distinct = base.aggregate(f"count(DISTINCT {u})" if exact else f"approx_count_distinct({u})").fetchall()[0][0]
    return exact if (distinct >= rows if exact else enough(distinct, rows)) else None


def perhaps_clustered(base: Any, ids: Collection[str], arm: str, ask: Columns) -> bool:
    """Whether there is a column of places within which the arm does not vary."""
    for column in COARSER:
        if column in ids and column not in ask.needed:
            rooms = base.project(f"{quote(column)} AS c, {arm} AS a").aggregate("c, min(a) AS low, max(a) AS high", "c")
            if not rooms.filter("c IS NULL OR low <> high").limit(1).fetchall():
                return True
    return False
