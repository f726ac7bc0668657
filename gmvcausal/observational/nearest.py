"""Nearest neighbours on one number: the log odds of treatment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def with_replacement(treated: FloatArray, control: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Each treated unit's nearest control, which may serve many; controls equally near share the match.

    Parameters
    ----------
    treated : ndarray, shape (m,)
    control : ndarray, shape (n,)
    width : float
        The caliper; ``inf`` for none.

    Returns
    -------
    distance : ndarray, shape (m,)
        NaN where nobody lies within the caliper.
    weight : ndarray, shape (n,)
        How many treated units each control stands for; adds up to the number matched.

    Examples
    --------
    >>> distance, weight = with_replacement(np.array([0.0, 1.0, 9.0]), np.array([0.5, 1.2, 1.2]), 2.0)
    >>> distance.round(6).tolist(), weight.tolist()
    ([0.5, 0.2, nan], [1.0, 0.5, 0.5])
    """
    values, group, size = np.unique(control, return_inverse=True, return_counts=True)
    place = np.searchsorted(values, treated)
    above, below = np.minimum(place, len(values) - 1), np.maximum(place - 1, 0)
    up, down = np.abs(values[above] - treated), np.abs(treated - values[below])
    distance = np.minimum(up, down)
    near = distance <= width
    one, other = up <= distance, (down <= distance) & (below != above)
    count = one * size[above] + other * size[below]
    share = np.zeros(len(values))
    for use, at in ((one, above), (other, below)):
        inside = use & near
        np.add.at(share, at[inside], 1.0 / count[inside])
    return np.where(near, distance, np.nan), share[group]


def without_replacement(treated: FloatArray, control: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """One control for each treated unit, as `pairs` has it; weights are 0 and 1.

    Examples
    --------
    >>> distance, weight = without_replacement(np.array([0.0, 1.0]), np.array([0.9, -2.0]), np.inf)
    >>> distance.round(6).tolist(), weight.tolist()
    ([2.0, 0.1], [1.0, 1.0])
    """
    distance, partner = pairs(treated, control, width)
    weight = np.zeros(len(control))
    weight[partner[partner >= 0]] = 1.0
    return distance, weight


def pairs(treated: FloatArray, control: FloatArray, width: float) -> tuple[FloatArray, IntArray]:
    """One control for each treated unit, the hardest first: greedy, by descending log odds.

    Of two controls equally near, the one of lower odds is taken; of equal odds, the first. Parameters are those of
    `with_replacement`.

    Returns
    -------
    distance : ndarray, shape (m,)
        NaN where nobody is left within the caliper.
    partner : ndarray of int, shape (m,)
        Place of the control; -1 where there is none.
    """
    order = np.argsort(control, kind="stable")
    values = control[order]
    n = len(values)
    # The next free control at or below (above) each place; a look-up shortens the way for the next one.
    lower, upper = list(range(n + 1)), list(range(n + 1))
    distance, partner = np.full(len(treated), np.nan), np.full(len(treated), -1, dtype=np.int64)
    for i in np.argsort(-treated, kind="stable"):
        place = int(np.searchsorted(values, treated[i]))
        down, up = _free(lower, place) - 1, _free(upper, place)
        gap_down = treated[i] - values[down] if down >= 0 else np.inf
        gap_up = values[up] - treated[i] if up < n else np.inf
        gap, at = (gap_down, down) if gap_down <= gap_up else (gap_up, up)
        if gap <= width and np.isfinite(gap):
            distance[i], partner[i] = gap, order[at]
            lower[at + 1], upper[at] = at, at + 1
    return distance, partner


def _free(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
