"""Gates: what is expected of a cell's scores, and in words what was found where it is not met.

Fewer than `LEAST` replicates decide nothing but whether every run ended. Chance alone must not close a gate: coverage,
standard errors and size are held against their bounds with three Monte Carlo errors. Shares that are to stay above or
below a bound get that allowance in short runs only (fewer than `FULL` replicates); in full runs the number itself must
hold.

The same allowance makes a gate easy to pass in few replicates. A gate that is met is called undecided, not held, where
its allowance reaches beyond `DECIDES` (coverage: fewer than 171 intervals; size: fewer than 447), or, for a share with
a bound on one side, where a short run leaves the bound within three Monte Carlo errors of what was found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from gmvcausal.trust.cells import Cell

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
}
# Below this many replicates no gate is judged but that every run ended.
LEAST = 30
# Below this many intervals a size is not worth a verdict.
FEW = 20


@dataclass(frozen=True)
class Gate:
    """One expectation and whether it was met.

    Attributes
    ----------
    cell, name : str
    passed : bool
    value, mc_error : float
        What was found, and its Monte Carlo error.
    words : str
        What was expected, what was found, and by how much it is missed.
    explanation : str
        Recorded beside the cell; with it a gate that is not met is shown but does not fail the run.
    low, high : float
        The values that would have passed, with so many replicates.
    decided : bool
        Whether a pass says something: False where so few replicates would let through too much.
    warning : str
        What is worth a look though it is met.
    """

    cell: str
    name: str
    passed: bool
    value: float
    mc_error: float
    words: str
    explanation: str = ""
    low: float = -math.inf
    high: float = math.inf
    decided: bool = True
    warning: str = ""

    @property
    def undecided(self) -> bool:
        """Whether it is met in too few replicates to say that it holds."""
        return self.passed and not self.decided

    @property
    def verdict(self) -> str:
        """holds, undecided, explained or fails."""
        if self.passed:
            return "holds" if self.decided else "undecided"
        return "explained" if self.explanation else "fails"

    @property
    def failed(self) -> bool:
        """Whether it is not met and nothing explains it."""
        return not self.passed and not self.explanation


class _Found(NamedTuple):
    passed: bool
    value: float
    error: float
    words: str
    low: float
    high: float
    decided: bool = True
    warning: str = ""


def _within(gate: str, low: float, high: float) -> bool:
    """Whether so narrow a range of passing values decides; the last bit is rounding."""
    least, most = DECIDES[gate]
    return bool(low >= least - 1e-9 and min(high, 1.0 if most == 1.0 else high) <= most + 1e-9)


def _percent(value: float) -> str:
    return "none" if math.isnan(value) else f"{100 * value:.1f} %"


def _missed(value: float, low: float, high: float, error: float) -> str:
    """How far `value` lies outside, also in Monte Carlo errors."""
    gap = low - value if value < low else value - high
    if not gap > 0:
        return "within the bounds"
    times = f", {gap / error:.1f} Monte Carlo errors" if error > 0 else ""
    return f"{100 * gap:.1f} points outside{times}"


def _runs(cell: Cell, s: Mapping[str, Any]) -> _Found:
    crashed = int(s["crashed"])
    share = s["failed"]
    words = f"every run should end; {_percent(share)} gave no result ({crashed:,} by a crash)"
    if share > 0:
        words += ": " + "; ".join(s["reasons"])
    return _Found(share == 0, share, s["failed_mc"], words, 0.0, 0.0)


def coverage_error(s: Mapping[str, Any], level: int = 95) -> float:
    """Monte Carlo error of a coverage if it is nominal: sqrt(p (1 - p) / intervals)."""
    p = level / 100
    return math.sqrt(p * (1 - p) / s["intervals"]) if s["intervals"] else math.nan


def _coverage(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["coverage95"], coverage_error(s)
    low, high = 0.95 - ERRORS * error, min(0.95 + ERRORS * error, 1.0)
    ok = bool(abs(value - 0.95) <= ERRORS * error)
    if not s["intervals"]:
        words = "95 % intervals should hold the truth 95 % of the time; there was no interval"
        return _Found(False, value, error, words, low, high)
    words = f"95 % intervals should hold the truth 95 % of the time; they did {_percent(value)}"
    words += f" ({_missed(value, 0.95, 0.95, error)}; Monte Carlo error {_percent(error)})"
    return _Found(ok, value, error, words, low, high, _within("coverage", low, high))


def _band(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, n = s["band"], int(s.get("bands", s["intervals"]))
    error = math.sqrt(0.95 * 0.05 / n) if n else math.nan
    low, high = 0.95 - ERRORS * error, 1.0
    absent = 1.0 - n / s["intervals"] if s["intervals"] else 0.0
    words = f"95 % bands should hold the whole path 95 % of the time; they did {_percent(value)}"
    words += f" ({_missed(value, 0.95, 0.95, error)}; Monte Carlo error {_percent(error)})"
    if absent > MOST_WITHOUT_INTERVAL:
        words += f"; {_percent(absent)} of runs with an interval had no band"
    ok = bool(value >= low) and absent <= MOST_WITHOUT_INTERVAL
    wide = "bands are wider than they need to be" if value > 0.95 + ERRORS * error else ""
    return _Found(ok, value, error, words, low, high, _within("band", low, high), wide)


def _se(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["se_ratio"], s["se_ratio_mc"]
    low, high = SE_BOUNDS
    ok = bool(low - ERRORS * error <= value <= high + ERRORS * error)
    words = f"mean(SE)/sd should lie in {low:g} to {high:g}; "
    found = f"it is {value:.3f} (Monte Carlo error {error:.3f})"
    words += "no run gave both" if math.isnan(value) else found
    least, most = low - ERRORS * error, high + ERRORS * error
    return _Found(ok, value, error, words, least, most, _within("se", least, most))


def _size(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, n = s.get("type1_5", math.nan), int(s["intervals"])
    if n < FEW and s["no_interval"] > 0.5:
        silent = bool(set(s["reasons"]) <= {"no reason is given"})
        words = f"no interval in {_percent(s['no_interval'])} of runs" + (", and no reason is given" if silent else "")
        return _Found(not silent, value, math.nan, words, math.nan, math.nan)
    low, high = SIZE_BOUNDS
    errors = [math.sqrt(p * (1 - p) / n) if n else math.nan for p in (low, high)]
    least, most = low - ERRORS * errors[0], high + ERRORS * errors[1]
    ok = bool(least <= value <= most)
    error = errors[0] if value < low else errors[1]
    words = f"with no effect, {_percent(low)} to {_percent(high)} may be rejected at 5 %; {_percent(value)} were"
    words += f" ({_missed(value, low, high, error)}; Monte Carlo error {_percent(error)})"
    return _Found(ok, value, error, words, max(least, 0.0), most, _within("size", least, most))


def _seen_failing(cell: Cell, s: Mapping[str, Any]) -> _Found:
    if cell.null:
        value, n = s["type1_5"], int(s["intervals"])
        error = math.sqrt(0.05 * 0.95 / n) if n else math.nan
        bound = SIZE_BOUNDS[1] + ERRORS * error
        words = f"should be seen rejecting far above 5 %; it rejects {_percent(value)}"
        return _Found(bool(value > bound), value, error, words, bound, 1.0)
    value, error = s["coverage95"], coverage_error(s)
    bound = 0.95 - ERRORS * error
    words = f"should be seen missing the truth; its 95 % intervals hold it {_percent(value)}"
    return _Found(bool(value < bound), value, error, words, 0.0, bound)


def _slack(s: Mapping[str, Any], error: float) -> float:
    return ERRORS * error if s["reps"] < FULL else 0.0


def _at_most(most: float, s: Mapping[str, Any], value: float, error: float, words: str) -> _Found:
    bound = most + _slack(s, error)
    decided = s["reps"] >= FULL or value + ERRORS * error <= most
    return _Found(bool(value <= bound), value, error, words, 0.0, bound, bool(decided))


def _at_least(least: float, s: Mapping[str, Any], value: float, error: float, words: str) -> _Found:
    bound = least - _slack(s, error)
    decided = s["reps"] >= FULL or value - ERRORS * error >= least
    return _Found(bool(value >= bound), value, error, words, bound, 1.0, bool(decided))


def _refused_valid(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["refused"], s["refused_mc"]
    words = f"the audit may refuse a valid world {_percent(MOST_REFUSED_VALID)} of the time; it did {_percent(value)}"
    words += _blame(s) + f" (Monte Carlo error {_percent(error)})"
    return _at_most(MOST_REFUSED_VALID, s, value, error, words)


def _blame(s: Mapping[str, Any]) -> str:
    """The checks that failed most."""
    worst = sorted(((v["failed"], name) for name, v in s["audit"].items() if v["failed"] > 0), reverse=True)[:3]
    return "".join([": ", ", ".join(f"{name} {_percent(share)}" for share, name in worst)]) if worst else ""


def _refused_violation(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["refused"], s["refused_mc"]
    words = f"the audit should refuse this violation at least {_percent(LEAST_REFUSED_VIOLATION)} of the time; "
    words += f"it did {_percent(value)}{_blame(s)} (Monte Carlo error {_percent(error)})"
    return _at_least(LEAST_REFUSED_VIOLATION, s, value, error, words)


def firing(s: Mapping[str, Any], check: str) -> float:
    """How often a check warned or failed."""
    found = s["audit"].get(check, {"warned": 0.0, "failed": 0.0})
    return float(found["warned"] + found["failed"])


def _fires(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value = firing(s, cell.check)
    error = math.sqrt(max(value * (1 - value), 1 / s["reps"]) / s["reps"])
    words = f"the check {cell.check} should fire at least {_percent(LEAST_REFUSED_VIOLATION)} of the time; "
    words += f"it did {_percent(value)} (Monte Carlo error {_percent(error)})"
    return _at_least(LEAST_REFUSED_VIOLATION, s, value, error, words)


def _interval(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["no_interval"], s["no_interval_mc"]
    words = f"at most {_percent(MOST_WITHOUT_INTERVAL)} of runs may go without an interval; {_percent(value)} did"
    return _at_most(MOST_WITHOUT_INTERVAL, s, value, error, words)


def _power(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, n = s["power_5"], int(s["intervals"])
    error = math.sqrt(POWER * (1 - POWER) / n) if n else math.nan
    low = POWER - ERRORS * error
    words = f"an effect of {cell.mde:g} should be found {_percent(POWER)} of the time; it was {_percent(value)}"
    words += f" (Monte Carlo error {_percent(error)})"
    return _Found(bool(value >= low), value, error, words, low, 1.0, _within("power", low, 1.0))


_GATES: dict[str, Callable[[Cell, Mapping[str, Any]], _Found]] = {
    "runs": _runs,
    "coverage": _coverage,
    "band": _band,
    "se": _se,
    "size": _size,
    "power": _power,
    "seen_failing": _seen_failing,
    "refused_valid": _refused_valid,
    "refused_violation": _refused_violation,
    "fires": _fires,
    "interval": _interval,
}


def applicable(cell: Cell, scores: Mapping[str, Any]) -> tuple[str, ...]:
    """The gates of a cell that there is something to hold against: no band without an event study."""
    return tuple(name for name in cell.applying if name != "band" or not math.isnan(scores["band"]))


def passes_at(gate: Gate) -> str:
    """The values that would have passed, as text.

    Examples
    --------
    >>> passes_at(Gate("a", "coverage", True, 0.94, 0.01, "", low=0.92, high=0.98))
    '92.0 % to 98.0 %'
    """
    if math.isnan(gate.low) or math.isnan(gate.high):
        return "–"
    ends = [f"{v:.3f}" if gate.name == "se" else _percent(v) for v in (gate.low, gate.high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def judged(cell: Cell, scores: Mapping[str, Any]) -> tuple[str, ...]:
    """The gates of a cell that so many replicates can decide: a run that crashed is seen in any number of them."""
    return tuple(name for name in applicable(cell, scores) if name == "runs" or int(scores["reps"]) >= LEAST)


def gates(cell: Cell, scores: Mapping[str, Any]) -> tuple[Gate, ...]:
    """Hold the scores of a cell against the gates that apply to it and that so many replicates can decide.

    Parameters
    ----------
    cell : Cell
    scores : mapping
        As `gmvcausal.trust.scores.scores` makes them.
    """
    out = []
    for name in judged(cell, scores):
        found = _GATES[name](cell, scores)
        why = "" if found.passed else cell.explanation.get(name, "")
        gate = Gate(cell.id, name, *found[:4], why, *found[4:])
        if name != "runs" and not math.isnan(gate.low):
            gate = replace(gate, words=f"{gate.words}; {passes_at(gate)} would have passed")
        out.append(gate)
    return tuple(out)
