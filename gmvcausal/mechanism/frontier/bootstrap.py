"""The smoothed bootstrap of efficiency scores (Simar and Wilson 1998): how far the frontier of the sample falls short.

It runs on distances, which are 1 on the frontier and larger inside it (1 / score), so that corrected scores and limits
stay between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.frontier.programs import Problem, solve

FloatArray = NDArray[np.float64]


def bandwidth(distance: FloatArray) -> float:
    """Width of the kernel: the normal reference rule on the distances above 1 and their reflections at 1.

    Those on the frontier are there by construction, and are left out; the width is brought to the size and spread of
    the whole sample (Daraio and Simar 2007, section 3.3).

    Examples
    --------
    >>> round(bandwidth(np.array([1.0, 1.0, 1.2, 1.5, 1.3, 1.1])), 6)
    0.122065
    """
    n, inside = len(distance), distance[distance > 1]
    if len(inside) < 2:
        return 0.0
    both = np.concatenate([inside, 2 - inside])
    spread = float(both.std(ddof=1))
    quartiles = np.percentile(both, [25, 75])
    width = 0.9 * min(spread, float(quartiles[1] - quartiles[0]) / 1.34) * len(both) ** -0.2
    return float(width * (2 * len(inside) / n) ** 0.2 * distance.std(ddof=1) / spread)


def pseudo(distance: FloatArray, width: float, reps: int, rng: np.random.Generator) -> FloatArray:
    """Distances drawn from their smoothed distribution, reflected at 1; shape (reps, n).

    Simar and Wilson (1998) then shrink the draws to the mean, so that their variance is that of the sample. That moves
    all of them off the frontier, and the intervals with them: it is left out (the page says what it did to coverage).
    """
    n = len(distance)
    drawn = distance[rng.integers(0, n, (reps, n))]
    moved = drawn + width * rng.standard_normal((reps, n))
    return np.where(moved < 1, 2 - moved, moved)


def draws_of(
    x: FloatArray, y: FloatArray, output: bool, hull: str, distance: FloatArray, reps: int, rng: np.random.Generator,
    tick: Callable[[int], object],
) -> FloatArray:  # fmt: skip
    """Distances of the units to frontiers of pseudo samples, shape (reps, n).

    In each pseudo sample every unit is moved to the frontier of the data, and from there to a distance drawn from all
    (inefficiency is taken to be distributed alike everywhere: that is what homogeneous means).
    """
    n, block = len(x), 50
    problem, width, out = Problem(output, hull), bandwidth(distance), np.empty((reps, n))
    for first in range(0, reps, block):
        size = min(block, reps - first)
        moved = pseudo(distance, width, size, rng) / distance
        ref_x = np.broadcast_to(x, (size, *x.shape))
        ref_y = np.broadcast_to(y, (size, *y.shape))
        if output:
            ref_y = y / moved[:, :, None]
        else:
            ref_x = x * moved[:, :, None]
        found = solve(
            problem, np.tile(x, (size, 1)), np.tile(y, (size, 1)), ref_x, ref_y, np.tile(np.arange(n), size)
        )  # fmt: skip
        factor = found.factor.reshape(size, n)
        out[first : first + size] = factor if output else 1 / factor
        tick(size)
    return out
