"""The dials of the worlds: the same name means the same thing, and is checked the same, in every world."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.params import one_of, said


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, open_ends: bool = False) -> float:
    """A finite number between two bounds, both included unless `open_ends`."""
    ok = not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(float(value))
    ok = ok and (low < float(value) < high if open_ends else low <= float(value) <= high)
    if not ok:
        left, right = "(" if open_ends or math.isinf(low) else "[", ")" if open_ends or math.isinf(high) else "]"
        raise InputError(f"{name} must be a number in {left}{low:g}, {high:g}{right}, but is {said(value)}")
    return float(value)


def whole(name: str, value: Any, low: int) -> int:
    """A whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < low:
        raise InputError(f"{name} must be a whole number of at least {low}, but is {said(value)}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False, but is {said(value)}")
    return value


def ascending(name: str, value: Any) -> tuple[int, ...]:
    """Whole numbers of at least 1, each larger than the one before."""
    weeks = list(value) if isinstance(value, tuple | list) else []
    ok = bool(weeks) and all(isinstance(v, int | np.integer) and not isinstance(v, bool) and v >= 1 for v in weeks)
    if not ok or any(b <= a for a, b in pairwise(weeks)):
        raise InputError(
            f"{name} must list weeks in ascending order, the first at least 1, but is {said(value)}",
            remedy=f"write {name}=(6, 10, 14)",
        )
    return tuple(int(v) for v in weeks)


def _between(low: float, high: float) -> Callable[[str, Any], float]:
    return lambda name, value: number(name, value, low, high)


def _inside(low: float, high: float) -> Callable[[str, Any], float]:
    return lambda name, value: number(name, value, low, high, open_ends=True)


def _at_least(low: int) -> Callable[[str, Any], int]:
    return lambda name, value: whole(name, value, low)


def _among(*choices: str) -> Callable[[str, Any], str]:
    return lambda name, value: one_of(name, value, choices)


# None in place of a dial means the world's own default and is never checked.
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    # size and time
    "weeks": _at_least(4),
    "start": _at_least(1),
    "starts": ascending,
    "treated": _at_least(1),
    "lead": _at_least(0),
    "duration": _at_least(1),
    "payback": _at_least(1),
    "patience": _at_least(1),
    # the outcome without the tactic
    "unit": _among("room", "user"),
    "level": _inside(0.0, math.inf),
    "noise": _between(0.0, math.inf),
    "rho": _inside(-1.0, 1.0),
    "rho_treated": _inside(-1.0, 1.0),
    "buying": _inside(0.0, 100.0),
    "sizes": _among("equal", "proportional"),
    "size_sd": _between(0.0, 3.0),
    "visible": flag,
    "treat": _among("largest", "smallest", "lot"),
    "activity_sd": _between(0.0, 2.0),
    "whales": _between(0.0, 1.0),
    "truncated": flag,
    "sessions": _inside(0.0, 1000.0),
    "conversion": _inside(0.0, 1.0),
    "rooms": _at_least(4),
    "icc": _inside(0.0, 1.0),
    "appetite": _between(0.0, math.inf),
    "reach": _between(0.0, 1.0),
    "unsent": _between(0.0, 1.0),
    "degree": _at_least(1),
    "block": _at_least(3),
    # what the tactic does
    "effect": _between(-math.inf, math.inf),
    "growth": _between(-1.0, math.inf),
    "spread": _between(0.0, 1.0),
    "shares": _among("random", "fixed"),
    "never": _inside(0.0, 1.0),
    "wait": _between(-math.inf, math.inf),
    "borrowed": _between(0.0, 1.0),
    "declared": flag,
    "allocation": _inside(0.0, 1.0),
    "sessions_lift": _between(-0.9, math.inf),
    "heterogeneity": _between(0.0, 3.0),
    "shape": _among("linear", "steps"),
    "steepness": _between(0.0, 20.0),
    "slope": _between(-1.0, math.inf),
    "lift": _between(0.0, 1.0),
    "through": _between(-math.inf, math.inf),
    "direct": _between(-math.inf, math.inf),
    "mediators": _at_least(1),
    "spill": _between(-math.inf, math.inf),
    "assigned": _among("user", "block"),
    "festival": _between(1.0, 50.0),
    # violations
    "pretrend": _between(-math.inf, math.inf),
    "strength": _between(0.0, 1.0),
    "retention": _between(0.0, 1.0),
    "lost": _between(0.0, 0.9),
    "hidden": _between(-3.0, 3.0),
    "bunching": _between(0.0, 1.0),
    "shared": _between(0.0, 1.0),
    "stay": _between(0.0, 1.0),
    "contrast": _between(0.0, 1.0),
}


def check_dials(world: str, constructor: Callable[..., Any], dials: Mapping[str, Any]) -> dict[str, Any]:
    """The dials in their canonical types, or an error naming the nearest that the world has."""
    parameters = inspect.signature(constructor).parameters
    known = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in dials:
        if name not in known:
            raise InputError(
                f"world {world!r} has no dial {name!r}", remedy=rules.nearest(name, known, f"the dials of {world} are")
            )
    return {
        name: CHECKS[name](name, value)
        for name, value in dials.items()
        if value is not None or parameters[name].default is not None
    }
