"""Folds: which rows a model may not have seen when it speaks of a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError

IntArray = NDArray[np.int64]


def make_folds(arm: IntArray, cluster: IntArray | None, folds: int, seed: int) -> IntArray:
    """Fold of every row, shape (n,): whole clusters where there are any, balanced over the arms.

    Rows are taken in the order of a `Trial`, which depends on what they hold and not on where they stood: blocks of
    `folds` neighbours of one arm are dealt one to each fold, by lot within the block. So folds have like shares of
    every arm, rows that are alike are spread, and the lot knows nothing of the outcomes.

    Parameters
    ----------
    arm : ndarray, shape (n,)
    cluster : ndarray, shape (n,), or None
        Dense codes.
    folds : int
    seed : int
        Of a generator of its own.

    Raises
    ------
    DesignError
        Fewer clusters of some arm than two.

    Examples
    --------
    >>> fold = make_folds(np.repeat([0, 1], 10), None, 5, seed=0)
    >>> np.bincount(fold[:10]).tolist(), np.bincount(fold[10:]).tolist()
    ([2, 2, 2, 2, 2], [2, 2, 2, 2, 2])
    """
    if cluster is None:
        out = np.empty(len(arm), dtype=np.int64)
        for a in range(int(arm.max()) + 1):
            at = np.flatnonzero(arm == a)
            out[at] = _dealt(len(at), folds, seed)
        return out
    groups = int(cluster.max()) + 1
    low, high = np.full(groups, np.iinfo(np.int64).max), np.full(groups, -1, dtype=np.int64)
    np.minimum.at(low, cluster, arm)
    np.maximum.at(high, cluster, arm)
    kind = np.where(low == high, low, -1)
    of = np.empty(groups, dtype=np.int64)
    for a in np.unique(kind):
        at = np.flatnonzero(kind == a)
        of[at] = _dealt(len(at), folds, seed)
    fold = of[cluster]
    _refuse_lonely(fold, arm)
    return fold


def _dealt(n: int, folds: int, seed: int) -> IntArray:
    rng = np.random.default_rng(seed)  # the same for every arm, so that the names of arms change nothing
    blocks = -(-n // folds)
    dealt = rng.permuted(np.tile(np.arange(folds), (blocks, 1)), axis=1)
    return np.asarray(dealt.ravel()[:n], dtype=np.int64)


def _refuse_lonely(fold: IntArray, arm: IntArray) -> None:
    for a in range(int(arm.max()) + 1):
        if len(np.unique(fold[arm == a])) < 2:
            raise DesignError(
                "all rows of an arm lie in one fold, because its clusters are too few, so nothing can be learned of it "
                "elsewhere",
                remedy="assign more clusters, or cluster by a finer column",
            )
