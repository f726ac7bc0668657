"""A network of friends: random pairs inside blocks."""

from __future__ import annotations

import numpy as np

from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.worlds.lines import FloatArray, IntArray


def blocks(seed: int, n: int, degree: int, block: int) -> IntArray:
    """Undirected edges between users of the same block, about `degree` per user, each once, smaller id first."""
    draws = stream(seed, "D18", "edges")
    count = n * degree // 2
    one = draws.integers(0, n, count)
    low = one // block * block
    high = np.minimum(low + block, n)
    other = low + (draws.random(count) * (high - low)).astype(np.int64)
    pairs = np.column_stack([np.minimum(one, other), np.maximum(one, other)])
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def friends_treated(edges: IntArray, treated: np.ndarray) -> tuple[FloatArray, IntArray]:
    """Share of each user's friends who are treated (0 without friends), and the number of friends.

    Examples
    --------
    >>> share, friends = friends_treated(np.array([[0, 1], [1, 2]]), np.array([True, False, False, False]))
    >>> share.tolist(), friends.tolist()
    ([0.0, 0.5, 0.0, 0.0], [1, 2, 1, 0])
    """
    n = len(treated)
    ends, others = edges.ravel(), edges[:, ::-1].ravel()
    friends = np.bincount(ends, minlength=n)
    reached = np.bincount(ends, weights=treated[others].astype(float), minlength=n)
    return reached / np.maximum(friends, 1), friends
