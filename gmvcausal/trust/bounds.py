"""What gates are made of: bounds, what may pass at most, and shares held against a bound on one side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

ERRORS = 3.0
FULL = 500
SE_BOUNDS = (0.95, 1.05)
SIZE_BOUNDS = (0.04, 0.065)
MOST_REFUSED_VALID, LEAST_REFUSED_VIOLATION, MOST_WITHOUT_INTERVAL = 0.10, 0.80, 0.05
POWER = 0.80
# What may pass at most for a pass to say something.
DECIDES = {
    "coverage": (0.90, 1.00),
    "band": (0.90, 1.00),
    "size": (0.01, 0.10),
    "se": (0.80, 1.20),
    "power": (0.70, 1.0),
    "misses": (0.01, 0.10),
}
# Below this many replicates no gate is judged but that every run ended.
LEAST = 30
# Below this many intervals a size is not worth a verdict.
FEW = 20


class Found(NamedTuple):
    """What a gate found; the fields are those of `gmvcausal.trust.Gate`."""

    passed: bool
    value: float
    error: float
    words: str
    low: float
    high: float
    decided: bool = True
    warning: str = ""


def within(gate: str, low: float, high: float) -> bool:
    """Whether so narrow a range of passing values decides; the last bit is rounding."""
    least, most = DECIDES[gate]
    return bool(low >= least - 1e-9 and min(high, 1.0 if most == 1.0 else high) <= most + 1e-9)


def percent(value: float) -> str:
    """A share in the words of a gate."""
    return "none" if math.isnan(value) else f"{100 * value:.1f} %"


def missed(value: float, low: float, high: float, error: float) -> str:
    """How far `value` lies outside, also in Monte Carlo errors."""
    gap = low - value if value < low else value - high
    if not gap > 0:
        return "within the bounds"
    times = f", {gap / error:.1f} Monte Carlo errors" if error > 0 else ""
    return f"{100 * gap:.1f} points outside{times}"


def coverage_error(s: Mapping[str, Any], level: int = 95) -> float:
    """Monte Carlo error of a coverage if it is nominal: sqrt(p (1 - p) / intervals)."""
    p = level / 100
    return math.sqrt(p * (1 - p) / s["intervals"]) if s["intervals"] else math.nan


def slack(s: Mapping[str, Any], error: float) -> float:
    """What chance is allowed in a short run."""
    return ERRORS * error if s["reps"] < FULL else 0.0


def at_most(most: float, s: Mapping[str, Any], value: float, error: float, words: str) -> Found:
    """A share that is to stay below a bound."""
    bound = most + slack(s, error)
    decided = s["reps"] >= FULL or value + ERRORS * error <= most
    return Found(bool(value <= bound), value, error, words, 0.0, bound, bool(decided))


def at_least(least: float, s: Mapping[str, Any], value: float, error: float, words: str) -> Found:
    """A share that is to stay above a bound."""
    bound = least - slack(s, error)
    decided = s["reps"] >= FULL or value - ERRORS * error >= least
    return Found(bool(value >= bound), value, error, words, bound, 1.0, bool(decided))


def firing(s: Mapping[str, Any], check: str) -> float:
    """How often a check warned or failed."""
    found = s["audit"].get(check, {"warned": 0.0, "failed": 0.0})
    return float(found["warned"] + found["failed"])
