"""Friendships: degree-corrected blocks of 20 to 200 users, so that what spills over stays among neighbours."""

from __future__ import annotations

import numpy as np

from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.stage import BLOCK, IntArray

SMALLEST, LARGEST = 20, 200


def circles(seed: int, block: int) -> IntArray:
    """The circle of friends of each user of a block: sizes uniform on 20–200, the last cut to fit.

    Returns
    -------
    array, shape (4096,)
        Numbers from 0 within the block, in rising order.

    Examples
    --------
    >>> int(circles(1, 0).min())
    0
    """
    sizes = stream(seed, "circles", block).integers(SMALLEST, LARGEST + 1, BLOCK // SMALLEST)
    last = int(np.searchsorted(np.cumsum(sizes), BLOCK))
    return np.repeat(np.arange(len(sizes[: last + 1])), sizes[: last + 1])[:BLOCK]


def edges(seed: int, block: int, circle: IntArray, users: int, friends: float) -> tuple[IntArray, IntArray]:
    """Friendships within circles, as two columns of positions in the block, each pair once.

    Parameters
    ----------
    seed, block : int
    circle : array, shape (4096,)
    users : int
        How many users the block really has; friendships with others are left out.
    friends : float
        Mean number of friends before repeated pairs are struck out.
    """
    rng = stream(seed, "edges", block)
    weight = np.exp(0.6 * rng.standard_normal(BLOCK))  # some have many friends
    total = np.concatenate([[0.0], np.cumsum(weight)])
    count = np.bincount(circle)
    begins = np.concatenate([[0], np.cumsum(count)])
    draws = round(friends * BLOCK / 2)
    of = circle[(rng.random(draws) * BLOCK).astype(np.int64)]
    low, high = total[begins[of]], total[begins[of + 1]]

    def end(u: FloatArray) -> IntArray:
        at = np.searchsorted(total, low + u * (high - low), side="right") - 1
        return np.asarray(np.clip(at, begins[of], begins[of + 1] - 1))

    one, other = end(rng.random(draws)), end(rng.random(draws))
    first, second = np.minimum(one, other), np.maximum(one, other)
    pairs = np.unique(first[first < second] * BLOCK + second[first < second])
    first, second = pairs // BLOCK, pairs % BLOCK
    inside = second < users
    return first[inside], second[inside]


def share_of_friends(first: IntArray, second: IntArray, treated: FloatArray) -> FloatArray:
    """Share of each user's friends that are treated; 0 for those without friends."""
    n = len(treated)
    friends = np.bincount(first, minlength=n) + np.bincount(second, minlength=n)
    theirs = np.bincount(first, treated[second], n) + np.bincount(second, treated[first], n)
    return np.asarray(theirs / np.maximum(friends, 1))
