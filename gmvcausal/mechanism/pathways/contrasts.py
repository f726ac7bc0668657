"""Natural effects as sums over counterfactual means: direct, by way of each mediator, pure and total; they add up.

With K mediators let mu(t, s) be the mean outcome under treatment t, each mediator k having the value that it takes
under treatment s_k. Everything that mediation asks for is a sum of these with weights that are known before any data.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SPLITS = ("pure_direct", "total_direct", "average")


def states(mediators: int) -> list[tuple[int, ...]]:
    """(t, s_1, ..., s_K) in the order of the columns of `weights`.

    Examples
    --------
    >>> states(1)
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    return list(product((0, 1), repeat=mediators + 1))


def weights(mediators: int) -> FloatArray:
    """What each effect takes of each mean, shape (3 + 2 K, 2^(K + 1)).

    Rows: total; pure direct (mediators as without treatment); total direct (as under it); then, for each mediator, pure
    indirect (without treatment) and total indirect (under it). Where effects of mediators do not add up, each has its
    Shapley value: what its change adds, averaged over all orders in which the mediators could have moved.

    Examples
    --------
    >>> weights(1).astype(int).tolist()
    [[-1, 0, 0, 1], [-1, 0, 1, 0], [0, -1, 0, 1], [-1, 1, 0, 0], [0, 0, -1, 1]]
    """
    k = mediators
    place = {state: i for i, state in enumerate(states(k))}
    none, every = (0,) * k, (1,) * k
    out = np.zeros((3 + 2 * k, len(place)))
    for row, (now, then) in enumerate(
        [((1, *every), (0, *none)), ((1, *none), (0, *none)), ((1, *every), (0, *every))]
    ):
        out[row, place[now]] += 1
        out[row, place[then]] -= 1
    for j in range(k):
        for others in product((0, 1), repeat=k - 1):
            before = sum(others)
            share = math.factorial(before) * math.factorial(k - 1 - before) / math.factorial(k)
            for t in (0, 1):
                row = 3 + 2 * j + t
                out[row, place[(t, *others[:j], 1, *others[j:])]] += share
                out[row, place[(t, *others[:j], 0, *others[j:])]] -= share
    return out


def chosen(mediators: int, split: str) -> FloatArray:
    """Rows (total, direct, one per mediator) of the effects of `weights`, so that the parts add up to the total.

    Parameters
    ----------
    mediators : int
    split : {"pure_direct", "total_direct", "average"}
        Pure direct with total indirect effects, total direct with pure indirect ones, or the mean of both.

    Examples
    --------
    >>> bool(np.allclose(chosen(3, "average") @ weights(3) @ np.ones(16), 0))
    True
    """
    k = mediators
    out = np.zeros((2 + k, 3 + 2 * k))
    out[0, 0] = 1
    direct, indirect = {
        "pure_direct": ((1, 0), (0, 1)),
        "total_direct": ((0, 1), (1, 0)),
        "average": ((0.5,) * 2,) * 2,
    }[split]
    out[1, 1:3] = direct
    for j in range(k):
        out[2 + j, 3 + 2 * j : 5 + 2 * j] = indirect
    return out
