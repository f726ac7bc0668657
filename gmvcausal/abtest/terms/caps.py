"""Where a heavy tail is cut: at a quantile of the non-zero values of all arms together.

A quantile over the arms does not depend on who got the tactic, and one of the non-zero values does not sink to zero
where most users buy nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def find_caps(
    metrics: Sequence[Metric], source: Source, shapes: dict[str, Shape], notes: list[str]
) -> list[Cap | None]:
    """The caps of every metric; None where it has none or where none would change a value."""
    wanted = list(dict.fromkeys((Col(c), _share(m)) for m in metrics for c in parts(m) if _needed(m, shapes[c])))
    at = dict(zip(wanted, source.pooled(wanted), strict=True))
    return [_cap(metric, at, shapes, notes) for metric in metrics]


def _share(metric: Metric) -> float:
    """The quantile at which a metric is capped."""
    wanted = cap_of(metric)
    return AUTO if isinstance(wanted, str) or wanted is None else float(wanted)


def _needed(metric: Metric, shape: Shape) -> bool:
    """Whether a part of such a shape is capped."""
    wanted = cap_of(metric)
    return wanted is not None and (not isinstance(wanted, str) or shape.zeros > MANY_ZEROS or shape.skewness > SKEWED)


def _cap(
    metric: Metric, quantiles: dict[tuple[Col, float], float], shapes: dict[str, Shape], notes: list[str]
) -> Cap | None:
    wanted = cap_of(metric)
    if wanted is None:
        return None
    share = _share(metric)
    found: list[float | None] = []
    for column in parts(metric):
        shape = shapes[column]
        at = quantiles.get((Col(column), share), math.nan)
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
