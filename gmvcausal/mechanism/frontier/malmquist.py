"""Productivity over time: the Malmquist index as catching up times a moving frontier (Färe, Grosskopf et al. 1994)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.frontier.programs import Problem, single, solve
from gmvcausal.mechanism.frontier.read import Amounts
from gmvcausal.mechanism.frontier.scores import against

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Changes:
    """One line per unit and pair of neighbouring periods in which it is seen.

    Attributes
    ----------
    unit, first : ndarray of int, shape (k,)
        Position of the unit, and of the earlier period.
    index, catching_up, frontier : ndarray, shape (k,)
        Malmquist index, efficiency change, technical change: index = catching_up * frontier. Above 1 is better. NaN
        where a period's units cannot be combined to the unit of the other period.
    alone : int
        Unit-periods without the unit in the period before.
    """

    unit: IntArray
    first: IntArray
    index: FloatArray
    catching_up: FloatArray
    frontier: FloatArray
    alone: int


def changes(amounts: Amounts, output: bool, hull: str, tick: Callable[[int], object]) -> Changes:
    """Indices of every unit from each period to the next."""
    at = [np.flatnonzero(amounts.period == t) for t in range(len(amounts.periods))]
    own = [_scores(against(amounts.x[i], amounts.y[i], output, hull).factor, output) for i in at]
    lines, alone = [], 0
    for t in range(len(at) - 1):
        _, i, j = np.intersect1d(amounts.unit[at[t]], amounts.unit[at[t + 1]], return_indices=True)
        alone += len(at[t + 1]) - len(j)
        # A unit of one period against the units of the other.
        back = _cross(amounts, at[t + 1][j], at[t], output, hull, tick)
        ahead = _cross(amounts, at[t][i], at[t + 1], output, hull, tick)
        before, after = own[t][i], own[t + 1][j]
        catching_up = after / before
        frontier = np.sqrt(back / after * before / ahead)
        lines.append((amounts.unit[at[t][i]], np.full(len(i), t), catching_up * frontier, catching_up, frontier))
    unit, first, index, caught, moved = (np.concatenate(c) for c in zip(*lines, strict=True))
    return Changes(unit, first, index, caught, moved, alone)


def _scores(factor: FloatArray, output: bool) -> FloatArray:
    return 1 / factor if output else factor


def _cross(
    amounts: Amounts, who: IntArray, others: IntArray, output: bool, hull: str, tick: Callable[[int], object]
) -> FloatArray:
    x, y, ref_x, ref_y = amounts.x[who], amounts.y[who], amounts.x[others], amounts.y[others]
    problem = Problem(output, hull)
    if hull == "constant":  # any unit, scaled, is feasible
        factor = solve(problem, x, y, ref_x[None], ref_y[None], np.zeros(len(who), dtype=np.int64)).factor
        tick(len(who))
    else:
        factor = np.empty(len(who))
        for k in range(len(who)):
            factor[k] = single(problem, x[k], y[k], ref_x, ref_y)
            tick(1)
    return _scores(factor, output)
