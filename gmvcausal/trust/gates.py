"""Gates: what is expected of a cell's scores, and in words what was found where it is not met.

Chance alone must not close a gate: coverage, standard errors and size are held against their bounds with three Monte
Carlo errors. Shares that are to stay above or below a bound get that allowance in short runs only (fewer than `FULL`
replicates); in full runs the number itself must hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gmvcausal.trust.cells import Cell

ERRORS = 3.0
FULL = 500
SE_BOUNDS = (0.95, 1.05)
SIZE_BOUNDS = (0.04, 0.065)
MOST_REFUSED_VALID, LEAST_REFUSED_VIOLATION, MOST_WITHOUT_INTERVAL = 0.10, 0.80, 0.05
POWER = 0.80
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
    """

    cell: str
    name: str
    passed: bool
    value: float
    mc_error: float
    words: str
    explanation: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is not met and nothing explains it."""
        return not self.passed and not self.explanation


_Found = tuple[bool, float, float, str]


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
    return share == 0, share, s["failed_mc"], words


def coverage_error(s: Mapping[str, Any], level: int = 95) -> float:
    """Monte Carlo error of a coverage if it is nominal: sqrt(p (1 - p) / intervals)."""
    p = level / 100
    return math.sqrt(p * (1 - p) / s["intervals"]) if s["intervals"] else math.nan


def _coverage(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["coverage95"], coverage_error(s)
    ok = bool(abs(value - 0.95) <= ERRORS * error)
    if not s["intervals"]:
        return False, value, error, "95 % intervals should hold the truth 95 % of the time; there was no interval"
    words = f"95 % intervals should hold the truth 95 % of the time; they did {_percent(value)}"
    words += f" ({_missed(value, 0.95, 0.95, error)}; Monte Carlo error {_percent(error)})"
    return ok, value, error, words


def _se(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["se_ratio"], s["se_ratio_mc"]
    low, high = SE_BOUNDS
    ok = bool(low - ERRORS * error <= value <= high + ERRORS * error)
    words = f"mean(SE)/sd should lie in {low:g} to {high:g}; it is {value:.3f} (Monte Carlo error {error:.3f})"
    return ok, value, error, words


def _size(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, n = s.get("type1_5", math.nan), int(s["intervals"])
    if n < FEW and s["no_interval"] > 0.5:
        silent = bool(set(s["reasons"]) <= {"no reason is given"})
        words = f"no interval in {_percent(s['no_interval'])} of runs" + (", and no reason is given" if silent else "")
        return not silent, value, math.nan, words
    low, high = SIZE_BOUNDS
    errors = [math.sqrt(p * (1 - p) / n) if n else math.nan for p in (low, high)]
    ok = bool(low - ERRORS * errors[0] <= value <= high + ERRORS * errors[1])
    error = errors[0] if value < low else errors[1]
    words = f"with no effect, {_percent(low)} to {_percent(high)} may be rejected at 5 %; {_percent(value)} were"
    words += f" ({_missed(value, low, high, error)}; Monte Carlo error {_percent(error)})"
    return ok, value, error, words


def _seen_failing(cell: Cell, s: Mapping[str, Any]) -> _Found:
    if cell.null:
        value, n = s["type1_5"], int(s["intervals"])
        error = math.sqrt(0.05 * 0.95 / n) if n else math.nan
        ok = bool(value > SIZE_BOUNDS[1] + ERRORS * error)
        return ok, value, error, f"should be seen rejecting far above 5 %; it rejects {_percent(value)}"
    value, error = s["coverage95"], coverage_error(s)
    ok = bool(value < 0.95 - ERRORS * error)
    return ok, value, error, f"should be seen missing the truth; its 95 % intervals hold it {_percent(value)}"


def _slack(s: Mapping[str, Any], error: float) -> float:
    return ERRORS * error if s["reps"] < FULL else 0.0


def _refused_valid(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["refused"], s["refused_mc"]
    ok = bool(value <= MOST_REFUSED_VALID + _slack(s, error))
    words = f"the audit may refuse a valid world {_percent(MOST_REFUSED_VALID)} of the time; it did {_percent(value)}"
    return ok, value, error, words + _blame(s) + f" (Monte Carlo error {_percent(error)})"


def _blame(s: Mapping[str, Any]) -> str:
    """The checks that failed most."""
    worst = sorted(((v["failed"], name) for name, v in s["audit"].items() if v["failed"] > 0), reverse=True)[:3]
    return "".join([": ", ", ".join(f"{name} {_percent(share)}" for share, name in worst)]) if worst else ""


def _refused_violation(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["refused"], s["refused_mc"]
    ok = bool(value >= LEAST_REFUSED_VIOLATION - _slack(s, error))
    words = f"the audit should refuse this violation at least {_percent(LEAST_REFUSED_VIOLATION)} of the time; "
    return ok, value, error, words + f"it did {_percent(value)}{_blame(s)} (Monte Carlo error {_percent(error)})"


def firing(s: Mapping[str, Any], check: str) -> float:
    """How often a check warned or failed."""
    found = s["audit"].get(check, {"warned": 0.0, "failed": 0.0})
    return float(found["warned"] + found["failed"])


def _fires(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value = firing(s, cell.check)
    error = math.sqrt(max(value * (1 - value), 1 / s["reps"]) / s["reps"])
    ok = bool(value >= LEAST_REFUSED_VIOLATION - _slack(s, error))
    words = f"the check {cell.check} should fire at least {_percent(LEAST_REFUSED_VIOLATION)} of the time; "
    return ok, value, error, words + f"it did {_percent(value)} (Monte Carlo error {_percent(error)})"


def _interval(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, error = s["no_interval"], s["no_interval_mc"]
    ok = bool(value <= MOST_WITHOUT_INTERVAL + _slack(s, error))
    words = f"at most {_percent(MOST_WITHOUT_INTERVAL)} of runs may go without an interval; {_percent(value)} did"
    return ok, value, error, words


def _power(cell: Cell, s: Mapping[str, Any]) -> _Found:
    value, n = s["power_5"], int(s["intervals"])
    error = math.sqrt(POWER * (1 - POWER) / n) if n else math.nan
    ok = bool(value >= POWER - ERRORS * error)
    words = f"an effect of {cell.mde:g} should be found {_percent(POWER)} of the time; it was {_percent(value)}"
    return ok, value, error, words + f" (Monte Carlo error {_percent(error)})"


_GATES: dict[str, Callable[[Cell, Mapping[str, Any]], _Found]] = {
    "runs": _runs,
    "coverage": _coverage,
    "se": _se,
    "size": _size,
    "power": _power,
    "seen_failing": _seen_failing,
    "refused_valid": _refused_valid,
    "refused_violation": _refused_violation,
    "fires": _fires,
    "interval": _interval,
}


def gates(cell: Cell, scores: Mapping[str, Any]) -> tuple[Gate, ...]:
    """Hold the scores of a cell against the gates that apply to it.

    Parameters
    ----------
    cell : Cell
    scores : mapping
        As `gmvcausal.trust.scores.scores` makes them.
    """
    out = []
    for name in cell.applying:
        passed, value, error, words = _GATES[name](cell, scores)
        out.append(Gate(cell.id, name, passed, value, error, words, "" if passed else cell.explanation.get(name, "")))
    return tuple(out)
