"""The within transformation: means of groups (days, rooms, users) taken out of columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROUNDS = 10_000
_SETTLED = 1e-12


def within(columns: FloatArray, groups: Sequence[IntArray]) -> FloatArray | None:
    """Columns less the means of every group of every set; None where alternating sets do not settle.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    groups : sequence of ndarray of int, shape (n,)
        One set of groups is exact; several are taken out in turn until nothing moves (Guimaraes and Portugal 2010).

    Examples
    --------
    >>> within(np.array([[1.0], [3.0], [10.0]]), [np.array([0, 0, 1])]).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    out = columns - columns.mean(axis=0)
    size = np.sqrt((out * out).mean(axis=0)) + 1e-300
    counts = [np.bincount(g).astype(float) for g in groups]
    for _ in range(_ROUNDS):
        moved = 0.0
        for g, count in zip(groups, counts, strict=True):
            means = np.column_stack([np.bincount(g, c) for c in out.T]) / count[:, None]
            out = out - means[g]
            moved = max(moved, float((np.abs(means).max(axis=0) / size).max(initial=0.0)))
        if len(groups) == 1 or moved < _SETTLED:
            return np.asarray(out)
    return None


def absorbed(groups: Sequence[IntArray], cluster: IntArray | None = None) -> int:
    """How many means were taken out, at least (exact for one set, and for two sets that hang together).

    Groups that lie within clusters count as the constant alone: the clusters' own errors hold what their means cost.

    Examples
    --------
    >>> pair, day = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
    >>> absorbed([pair]), absorbed([pair, day]), absorbed([pair, day], cluster=pair)
    (3, 4, 2)
    """
    return 1 + sum(int(g.max()) for g in groups if cluster is None or not lies_within(g, cluster))


def lies_within(group: IntArray, cluster: IntArray) -> bool:
    """Whether no group has rows in two clusters."""
    first = np.empty(int(group.max()) + 1, dtype=np.int64)
    first[group] = cluster
    return bool((first[group] == cluster).all())
