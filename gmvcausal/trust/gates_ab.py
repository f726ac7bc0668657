"""Gates of randomised tests: misses, each tail, whether the audit's flag tells who fails, and bias."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gmvcausal.trust.bounds import ERRORS, FULL, Found, at_most, firing, missed, percent, within
from gmvcausal.trust.cells import Cell

MISS_BOUNDS = (0.04, 0.06)
MOST_IN_A_TAIL = 0.035
MOST_BIAS = 0.10  # of a standard error
# The flag is to be up where intervals fail, and down where they are sound.
LEAST_FLAGGED, MOST_FLAGGED = 0.90, 0.10


def misses(cell: Cell, s: Mapping[str, Any]) -> Found:
    """How often the 95 % interval misses, from both sides."""
    value, n = 1.0 - s["coverage95"], int(s["intervals"])
    low, high = MISS_BOUNDS
    errors = [math.sqrt(p * (1 - p) / n) if n else math.nan for p in MISS_BOUNDS]
    least, most = low - ERRORS * errors[0], high + ERRORS * errors[1]
    error = errors[0] if value < low else errors[1]
    words = f"95 % intervals may miss the truth {percent(low)} to {percent(high)} of the time; they did"
    words += f" {percent(value)} ({missed(value, low, high, error)}; Monte Carlo error {percent(error)})"
    ok = bool(least <= value <= most)
    return Found(ok, value, error, words, max(least, 0.0), most, within("misses", least, most))


def tails(cell: Cell, s: Mapping[str, Any]) -> Found:
    """How often it misses on its worse side."""
    side = "below" if not s["above95"] > s["below95"] else "above"
    value, error = s[f"{side}95"], s[f"{side}95_mc"]
    words = f"at most {percent(MOST_IN_A_TAIL)} of intervals may lie on one side of the truth; {percent(value)}"
    words += f" lie {side} it (Monte Carlo error {percent(error)})"
    return at_most(MOST_IN_A_TAIL, s, value, error, words)


def flag(cell: Cell, s: Mapping[str, Any]) -> Found:
    """Whether the check of the cell fires where the intervals fail, and stays quiet where they are sound.

    Where chance may have put the misses on the wrong side of the bound, either is let pass.
    """
    value, miss = firing(s, cell.check), 1.0 - s["coverage95"]
    error = math.sqrt(max(value * (1 - value), 1 / s["reps"]) / s["reps"])
    most = MISS_BOUNDS[1]
    failing = bool(miss > most)
    near = bool(abs(miss - most) <= ERRORS * s["coverage95_mc"])
    up, down = value >= LEAST_FLAGGED, value <= MOST_FLAGGED
    own, other = (up, down) if failing else (down, up)
    words = f"{cell.check} should fire at least {percent(LEAST_FLAGGED)} of the time where intervals miss more than"
    words += f" {percent(most)}, and at most {percent(MOST_FLAGGED)} where they do not; they miss {percent(miss)}, and"
    words += f" it fires {percent(value)} (Monte Carlo error {percent(error)})"
    ok = bool(own or (near and other))
    low, high = (LEAST_FLAGGED, 1.0) if (up if ok else failing) else (0.0, MOST_FLAGGED)
    return Found(ok, value, error, words, low, high, bool(own and (not near or s["reps"] >= FULL)))


def rejections(cell: Cell, s: Mapping[str, Any]) -> Found:
    """How often an effect is found where there is none, against the bound of the cell."""
    assert cell.most is not None
    value, error = s["type1_5"], s["type1_5_mc"]
    words = f"with no effect, at most {percent(cell.most)} may be rejected at 5 %; {percent(value)} were"
    words += f" (Monte Carlo error {percent(error)})"
    return at_most(cell.most, s, value, error, words)


def bias(cell: Cell, s: Mapping[str, Any]) -> Found:
    """How far the mean of the estimates lies from the truth, in standard errors of one estimate."""
    value, error = abs(s["bias"]) / s["mean_se"], s["bias_mc"] / s["mean_se"]
    words = f"estimates may lie {percent(MOST_BIAS)} of a standard error from the truth on average; they do"
    words += f" {percent(value)} (Monte Carlo error {percent(error)})"
    return at_most(MOST_BIAS, s, value, error, words)
