"""Where a heavy tail is cut: at a quantile of the non-zero values of all arms together.

A quantile over the arms does not depend on who got the tactic, and one of the non-zero values does not sink to zero
where most users buy nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gmvcausal.abtest.intake.rows import Col, Shape
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Metric, cap_of, name_of, parts

AUTO = 0.98
MANY_ZEROS, SKEWED = 0.5, 10.0


class Cap(NamedTuple):
    """How the parts of a metric are capped.

    Attributes
    ----------
    at : tuple of (float or None)
        One cap for each part of the metric; None where that part has none.
    share : float
        Quantile of the non-zero values.
    asked : bool
        Whether the user named the quantile (then the capped row comes first).
    """

    at: tuple[float | None, ...]
    share: float
    asked: bool


def find_cap(metric: Metric, source: Source, shapes: dict[str, Shape], notes: list[str]) -> Cap | None:
    """The caps of a metric; None where it has none or where none would change a value."""
    wanted = cap_of(metric)
    if wanted is None:
        return None
    share = AUTO if isinstance(wanted, str) else float(wanted)
    found: list[float | None] = []
    for column in parts(metric):
        shape = shapes[column]
        needs = not isinstance(wanted, str) or shape.zeros > MANY_ZEROS or shape.skewness > SKEWED
        at = source.quantile(Col(column), share) if needs else math.nan
        # A cap at or below zero would turn the metric round; one that nothing exceeds is none.
        found.append(at if at > 0 and shape.largest > at else None)
    if all(at is None for at in found):
        if not isinstance(wanted, str):
            notes.append(f"{name_of(metric)!r} is not capped: no value lies above its {share:g} quantile")
        return None
    why = "as asked" if not isinstance(wanted, str) else "as more than half of the values are zero or they are skewed"
    told = " and ".join(
        f"{column!r} at {at:.6g}" for column, at in zip(parts(metric), found, strict=True) if at is not None
    )
    notes.append(f"capped rows: {told}, the {share:g} quantile of the non-zero values of all arms ({why})")
    return Cap(tuple(found), share, not isinstance(wanted, str))
