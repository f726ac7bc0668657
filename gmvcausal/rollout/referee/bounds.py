"""How far trends may differ: the bounds asked for, their intervals, and how far before the effect is gone."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import one_of, said
from gmvcausal.results import Check
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.stats.honest import Study, relative_magnitude, relative_p
from gmvcausal.stats.signed import signed_interval, signed_p
from gmvcausal.stats.smooth_trend import best_line, smoothness

METHODS = ("relative_magnitude", "smoothness")
SIGNS = ("positive", "negative")
Direction = tuple[str, bool] | None  # sign of the difference in trends, and whether it only moves that way
_GRID = (0.5, 1.0, 1.5, 2.0)
MOST = 20.0  # bounds are searched no further for the breakdown


def parallel_p(study: Study) -> float:
    from scipy import special

    return float(2 * special.ndtr(-abs(study.point) / study.std_error))


def direction_of(sign: Any, monotone: Any) -> Direction:
    """Check what is said of the direction of the difference in trends."""
    if sign is not None:
        one_of("sign", sign, SIGNS)
    if not isinstance(monotone, bool | np.bool_):
        raise InputError(f"monotone must be True or False, but is {said(monotone)}")
    if monotone and sign is None:
        raise InputError("monotone= needs sign=, the direction", remedy="pass sign='positive' or sign='negative'")
    return None if sign is None else (str(sign), bool(monotone))


def said_of(direction: Direction) -> str:
    if direction is None:
        return ""
    side = "above" if direction[0] == "positive" else "below"
    throughout = "up" if direction[0] == "positive" else "down"
    if direction[1]:
        return f"; without the tactic the treated move {throughout} against the controls, if at all, in all periods"
    return f"; without the tactic the treated lie {side} the controls after the start, if they differ"


def refuse_empty(limits: tuple[float, float], m: float, direction: tuple[str, bool]) -> None:
    if math.isnan(limits[0]):
        raise DesignError(
            f"the coefficients before the start contradict what is assumed: no effect fits sign={direction[0]!r}"
            + (", monotone=True" if direction[1] else "")
            + f" and the bound {m:.4g}",
            remedy="raise the bound, or leave out sign= and monotone=",
        )


def limits_of(study: Study, method: str, m: float, direction: Direction, level: float) -> tuple[float, float]:
    if direction is not None:
        return signed_interval(study, method, m, *direction, 1 - level)
    made = relative_magnitude if method == METHODS[0] else smoothness
    return made(study, m, 1 - level)


def p_of(study: Study, method: str, m: float, alpha: float, direction: Direction) -> float:
    if direction is not None:
        return signed_p(study, method, m, *direction, alpha)
    return relative_p(study, m) if method == METHODS[0] else best_line(study, m, alpha).p_value()


def breakdown_of(study: Study, method: str, alpha: float, seen: float, direction: Direction) -> float:
    """The largest bound under which zero is rejected; 0 where that is none above a thousandth of what was seen.

    NaN where zero lies in the interval under parallel trends already, or comes in with the direction alone.
    """

    def rejected(m: float) -> bool:
        return p_of(study, method, m, alpha, direction) <= alpha

    unit = 1.0 if method == METHODS[0] else seen if seen > 0 else study.std_error
    if parallel_p(study) > alpha:
        return math.nan
    if not rejected(0.0):
        return 0.0 if direction is None else math.nan
    low, high = 0.0, unit
    while rejected(high):
        low, high = high, 2 * high
        if low >= MOST * unit:
            return math.inf
    while high - low > 1e-3 * max(high, unit):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def checks_of(study: Study, method: str, breakdown: float, seen: float) -> list[Check]:
    least = 1 if method == METHODS[0] else 2
    many = study.n_pre - least + 1
    what = "moves" if method == METHODS[0] else "changes of slope"
    found = [
        Check(
            "pre_moves",
            judge("pre_moves", many),
            f"what happened before the start is known from {many} {what} of the difference in trends",
            float(many),
            bound("pre_moves"),
            "take more periods before the start into the event study",
        )
    ]
    ratio = breakdown if method == METHODS[0] else breakdown / seen if seen > 0 else math.inf
    if not math.isnan(ratio):
        found.append(
            Check(
                "breakdown",
                judge("breakdown", ratio),
                f"the interval holds zero once trends may differ by {ratio:.3g} times what was seen before the start",
                float(ratio),
                bound("breakdown"),
                "do not rest a claim on parallel trends alone: look for better controls",
            )
        )
    return found


def name_of(method: str, m: float, seen: float) -> str:
    if method == METHODS[0]:
        return f"trends moving up to {m:g} times as far as before"
    times = f" ({m / seen:.3g} times the largest before)" if seen > 0 else ""
    return f"slopes of trends changing by up to {m:.4g}{times}"


def seen_before(study: Study, method: str) -> float:
    """The largest move, or change of slope, of the coefficients before the start."""
    path = np.append(study.beta[: study.n_pre], 0.0)
    moved = np.diff(path) if method == METHODS[0] else np.diff(path, 2)
    return float(np.abs(moved).max()) if len(moved) else 0.0


def bounds_of(grid: Any, seen: float, method: str) -> tuple[float, ...]:
    if grid is None:
        if method == METHODS[0]:
            return _GRID
        if seen <= 0:
            raise DesignError(
                "the change of slope before the start cannot be seen: that takes two coefficients there",
                remedy="pass grid= in the unit of the outcome, or method='relative_magnitude'",
            )
        return tuple(m * seen for m in _GRID)
    listed = list(grid) if isinstance(grid, Iterable) else [grid]
    if not listed or not all(_is_bound(m) for m in listed) or len(set(listed)) < len(listed):
        raise InputError(
            f"grid must list different bounds, none below zero, but is {said(grid)}", remedy="write grid=[0.5, 1, 2]"
        )
    return tuple(sorted(float(m) for m in listed))


def _is_bound(m: Any) -> bool:
    return not isinstance(m, bool) and isinstance(m, numbers.Real) and 0 <= float(m) < math.inf
