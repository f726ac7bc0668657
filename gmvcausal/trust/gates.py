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
from typing import Any

from gmvcausal.trust import gates_ab
from gmvcausal.trust.bounds import (
    ERRORS,
    FEW,
    LEAST,
    LEAST_REFUSED_VIOLATION,
    MOST_REFUSED_VALID,
    MOST_WITHOUT_INTERVAL,
    POWER,
    SE_BOUNDS,
    SIZE_BOUNDS,
    Found,
    at_least,
    at_most,
    coverage_error,
    firing,
    missed,
    percent,
    within,
)
from gmvcausal.trust.cells import Cell


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


def _runs(cell: Cell, s: Mapping[str, Any]) -> Found:
    crashed = int(s["crashed"])
    share = s["failed"]
    words = f"every run should end; {percent(share)} gave no result ({crashed:,} by a crash)"
    if share > 0:
        words += ": " + "; ".join(s["reasons"])
    return Found(share == 0, share, s["failed_mc"], words, 0.0, 0.0)


def _coverage(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, error = s["coverage95"], coverage_error(s)
    low, high = 0.95 - ERRORS * error, min(0.95 + ERRORS * error, 1.0)
    ok = bool(abs(value - 0.95) <= ERRORS * error)
    if not s["intervals"]:
        words = "95 % intervals should hold the truth 95 % of the time; there was no interval"
        return Found(False, value, error, words, low, high)
    words = f"95 % intervals should hold the truth 95 % of the time; they did {percent(value)}"
    words += f" ({missed(value, 0.95, 0.95, error)}; Monte Carlo error {percent(error)})"
    return Found(ok, value, error, words, low, high, within("coverage", low, high))


def _band(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, n = s["band"], int(s.get("bands", s["intervals"]))
    error = math.sqrt(0.95 * 0.05 / n) if n else math.nan
    low, high = 0.95 - ERRORS * error, 1.0
    absent = 1.0 - n / s["intervals"] if s["intervals"] else 0.0
    words = f"95 % bands should hold the whole path 95 % of the time; they did {percent(value)}"
    words += f" ({missed(value, 0.95, 0.95, error)}; Monte Carlo error {percent(error)})"
    if absent > MOST_WITHOUT_INTERVAL:
        words += f"; {percent(absent)} of runs with an interval had no band"
    ok = bool(value >= low) and absent <= MOST_WITHOUT_INTERVAL
    wide = "bands are wider than they need to be" if value > 0.95 + ERRORS * error else ""
    return Found(ok, value, error, words, low, high, within("band", low, high), wide)


def _se(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, error = s["se_ratio"], s["se_ratio_mc"]
    low, high = SE_BOUNDS
    ok = bool(low - ERRORS * error <= value <= high + ERRORS * error)
    words = f"mean(SE)/sd should lie in {low:g} to {high:g}; "
    found = f"it is {value:.3f} (Monte Carlo error {error:.3f})"
    words += "no run gave both" if math.isnan(value) else found
    least, most = low - ERRORS * error, high + ERRORS * error
    return Found(ok, value, error, words, least, most, within("se", least, most))


def _size(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, n = s.get("type1_5", math.nan), int(s["intervals"])
    if n < FEW and s["no_interval"] > 0.5:
        silent = bool(set(s["reasons"]) <= {"no reason is given"})
        words = f"no interval in {percent(s['no_interval'])} of runs" + (", and no reason is given" if silent else "")
        return Found(not silent, value, math.nan, words, math.nan, math.nan)
    low, high = SIZE_BOUNDS
    errors = [math.sqrt(p * (1 - p) / n) if n else math.nan for p in (low, high)]
    least, most = low - ERRORS * errors[0], high + ERRORS * errors[1]
    ok = bool(least <= value <= most)
    error = errors[0] if value < low else errors[1]
    words = f"with no effect, {percent(low)} to {percent(high)} may be rejected at 5 %; {percent(value)} were"
    words += f" ({missed(value, low, high, error)}; Monte Carlo error {percent(error)})"
    return Found(ok, value, error, words, max(least, 0.0), most, within("size", least, most))


def _seen_failing(cell: Cell, s: Mapping[str, Any]) -> Found:
    if cell.null:
        value, n = s["type1_5"], int(s["intervals"])
        error = math.sqrt(0.05 * 0.95 / n) if n else math.nan
        bound = SIZE_BOUNDS[1] + ERRORS * error
        words = f"should be seen rejecting far above 5 %; it rejects {percent(value)}"
        return Found(bool(value > bound), value, error, words, bound, 1.0)
    value, error = s["coverage95"], coverage_error(s)
    bound = 0.95 - ERRORS * error
    words = f"should be seen missing the truth; its 95 % intervals hold it {percent(value)}"
    return Found(bool(value < bound), value, error, words, 0.0, bound)


def _refused_valid(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, error = s["refused"], s["refused_mc"]
    words = f"the audit may refuse a valid world {percent(MOST_REFUSED_VALID)} of the time; it did {percent(value)}"
    words += _blame(s) + f" (Monte Carlo error {percent(error)})"
    return at_most(MOST_REFUSED_VALID, s, value, error, words)


def _blame(s: Mapping[str, Any]) -> str:
    """The checks that failed most."""
    worst = sorted(((v["failed"], name) for name, v in s["audit"].items() if v["failed"] > 0), reverse=True)[:3]
    return "".join([": ", ", ".join(f"{name} {percent(share)}" for share, name in worst)]) if worst else ""


def _refused_violation(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, error = s["refused"], s["refused_mc"]
    words = f"the audit should refuse this violation at least {percent(LEAST_REFUSED_VIOLATION)} of the time; "
    words += f"it did {percent(value)}{_blame(s)} (Monte Carlo error {percent(error)})"
    return at_least(LEAST_REFUSED_VIOLATION, s, value, error, words)


def _fires(cell: Cell, s: Mapping[str, Any]) -> Found:
    value = firing(s, cell.check)
    error = math.sqrt(max(value * (1 - value), 1 / s["reps"]) / s["reps"])
    words = f"the check {cell.check} should fire at least {percent(LEAST_REFUSED_VIOLATION)} of the time; "
    words += f"it did {percent(value)} (Monte Carlo error {percent(error)})"
    return at_least(LEAST_REFUSED_VIOLATION, s, value, error, words)


def _interval(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, error = s["no_interval"], s["no_interval_mc"]
    words = f"at most {percent(MOST_WITHOUT_INTERVAL)} of runs may go without an interval; {percent(value)} did"
    return at_most(MOST_WITHOUT_INTERVAL, s, value, error, words)


def _covered(cell: Cell, s: Mapping[str, Any]) -> Found:
    """Coverage from below: intervals that allow for what may happen are wider than they need be where it does not."""
    assert cell.least is not None
    value, error = s["coverage95"], s["coverage95_mc"]
    words = f"95 % intervals should hold the truth at least {percent(cell.least)} of the time; they did"
    words += f" {percent(value)} (Monte Carlo error {percent(error)})"
    return at_least(cell.least, s, value, error, words)


def _power(cell: Cell, s: Mapping[str, Any]) -> Found:
    value, n = s["power_5"], int(s["intervals"])
    error = math.sqrt(POWER * (1 - POWER) / n) if n else math.nan
    low = POWER - ERRORS * error
    words = f"an effect of {cell.mde:g} should be found {percent(POWER)} of the time; it was {percent(value)}"
    words += f" (Monte Carlo error {percent(error)})"
    return Found(bool(value >= low), value, error, words, low, 1.0, within("power", low, 1.0))


_GATES: dict[str, Callable[[Cell, Mapping[str, Any]], Found]] = {
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
    "misses": gates_ab.misses,
    "tails": gates_ab.tails,
    "flag": gates_ab.flag,
    "at_most": gates_ab.rejections,
    "at_least": _covered,
    "bias": gates_ab.bias,
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
    ends = [f"{v:.3f}" if gate.name == "se" else percent(v) for v in (gate.low, gate.high)]
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
