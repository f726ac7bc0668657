"""Sales that would be counted twice: one column that is another one, or holds it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.results import Check
from gmvcausal.rollout.audit.rules import RULES
from gmvcausal.rollout.fitted import FloatArray
from gmvcausal.rollout.intake.panel import Panel

_SAME = 1e-9
_Z = 1.96


def refuse_copies(columns: dict[str, FloatArray]) -> None:
    """Refuse a column that is another one, or a multiple of it, in every cell."""
    for (one, x), (other, y) in combinations(columns.items(), 2):
        both = np.isfinite(x) & np.isfinite(y)
        a, b = x[both], y[both]
        if len(a) < 2 or not a.any() or not b.any():
            continue
        times = float(a @ b / (a @ a))
        if np.abs(b - times * a).max() <= _SAME * np.abs(b).max():
            same = abs(times - 1) <= _SAME
            raise InputError(
                f"{said(other)} is {said(one)} " + ("" if same else f"times {times:.6g} ") + "in every row: its sales "
                "would be counted twice",
                column=other,
                remedy="name columns of other sales than the outcome's",
            )


def contained(panel: Panel, columns: dict[str, FloatArray]) -> Check:
    """Does one column lie within another in every cell, and move with it one for one?"""
    found = [pair for pair in (_pair(panel, one, two) for one, two in combinations(columns.items(), 2)) if pair]
    if not found:
        return RULES.check("counted_twice", 0.0, "no column lies below another one in every row")
    worst = max(found, key=lambda pair: pair[2])
    small, large, sure, slope = worst
    moves = f", and {large!r} moves with it by {slope:.2f} for one" if np.isfinite(slope) else ""
    return RULES.check(
        "counted_twice",
        float(len(found)),
        f"{small!r} is nowhere above {large!r}{moves}: where {large!r} holds the sales of {small!r}, they are counted "
        "twice",
        f"if {large!r} holds {small!r}, give {large!r} less {small!r} in its place; if they are sales apart, read on"
        if not sure
        else f"give {large!r} less {small!r} in the place of {large!r}",
        status="failed" if sure else "warned",
    )


def _pair(
    panel: Panel, one: tuple[str, FloatArray], two: tuple[str, FloatArray]
) -> tuple[str, str, bool, float] | None:
    """Which of two columns may hold the other, whether the rows without treatment say that it does, and their slope."""
    (first, x), (second, y) = one, two
    both = np.isfinite(x) & np.isfinite(y)
    if not (x[both].any() and y[both].any()):
        return None
    if (x[both] <= y[both]).all():
        small, large, low, high = first, second, x, y
    elif (y[both] <= x[both]).all():
        small, large, low, high = second, first, y, x
    else:
        return None
    under = (panel.start[:, None] >= 0) & (np.arange(x.shape[1]) >= panel.start[:, None])
    use = both & ~under if panel.on is None else both & (panel.on == 0)
    slope, error = _slope(_within(low, use), _within(high, use), use)
    sure = slope - _Z * error > 0.5 and abs(slope - 1) <= _Z * error + 0.05
    return small, large, bool(sure), slope


def _within(values: FloatArray, use: NDArray[np.bool_]) -> FloatArray:
    """Less the mean of the unit, then of the period, over the marked cells; 0 elsewhere."""
    out = np.where(use, values, 0.0)
    for axis in (1, 0):
        count = np.maximum(use.sum(axis=axis, keepdims=True), 1)
        out = np.where(use, out - out.sum(axis=axis, keepdims=True) / count, 0.0)
    return np.asarray(out)


def _slope(x: FloatArray, y: FloatArray, use: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope of y on x and its error, units independent."""
    square = float((x * x).sum())
    if not square > 0 or int(use.sum()) < 3 * len(x) / 2:
        return np.nan, np.nan
    slope = float((x * y).sum() / square)
    scores = (x * (y - slope * x)).sum(axis=1)
    return slope, float(np.sqrt((scores**2).sum()) / square)


def in_other_units(columns: dict[str, FloatArray]) -> Check:
    """Is one column that much larger than another one that it may be in fen beside yuan?"""
    size = {name: float(np.nanmean(np.abs(x))) for name, x in columns.items()}
    told = {name: s for name, s in size.items() if s > 0}
    large, small = max(told, key=lambda c: told[c], default=""), min(told, key=lambda c: told[c], default="")
    ratio = told[large] / told[small] if told else 1.0
    return RULES.check(
        "other_units",
        ratio,
        f"{large!r} is on average {ratio:,.0f} times {small!r}" if told and ratio >= 2 else "all are of a like size",
        "check that both are in yuan; amounts in fen beside amounts in yuan do not add up",
    )
