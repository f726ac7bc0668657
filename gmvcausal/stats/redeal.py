"""Arms dealt anew, part of the rows, rows drawn with replacement: of rows, or of whole clusters, arm by arm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.small_sample import groups_of_clusters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def dealt_anew(
    arm: IntArray,
    arms: int,
    rng: np.random.Generator,
    cluster: IntArray | None = None,
    propensity: FloatArray | None = None,
) -> IntArray:
    """Arms by lot: by the chances where they were given, else shuffled; whole clusters where they were drawn.

    Parameters
    ----------
    arm : ndarray of int, shape (n,)
    arms : int
    rng : Generator
    cluster : ndarray of int, shape (n,), optional
        Dense codes. Arms that vary within clusters are dealt to all rows alike: shuffled inside, they would keep
        what clusters with many treated rows have in common, which is no effect of the false arms.
    propensity : ndarray, shape (n, arms), optional

    Examples
    --------
    >>> dealt_anew(np.array([0, 0, 1, 1]), 2, np.random.default_rng(0), np.array([0, 0, 1, 1])).tolist() in (
    ...     [0, 0, 1, 1], [1, 1, 0, 0])
    True
    """
    if cluster is not None:
        of = groups_of_clusters(arm, cluster, arms)
        if (of < arms).all():
            return np.asarray(rng.permutation(of)[cluster], dtype=np.int64)
    if propensity is None:
        return np.asarray(rng.permutation(arm), dtype=np.int64)
    below = rng.random(len(arm))[:, None] > propensity.cumsum(axis=1)[:, :-1]
    return np.asarray(below.sum(axis=1), dtype=np.int64)


def part_of(arm: IntArray, share: float, rng: np.random.Generator, cluster: IntArray | None = None) -> IntArray:
    """Positions of a share of the rows (clusters) of every arm, at least two of each."""
    of = arm if cluster is None else groups_of_clusters(arm, cluster, int(arm.max()) + 1)
    chosen = np.zeros(len(of), dtype=bool)
    for group in np.unique(of):
        at = rng.permutation(np.flatnonzero(of == group))
        chosen[at[: max(2, round(share * len(at)))]] = True
    return np.flatnonzero(chosen if cluster is None else chosen[cluster])


def drawn_again(arm: IntArray, rng: np.random.Generator, cluster: IntArray | None = None) -> IntArray:
    """Positions of rows (clusters) drawn with replacement, as many of every arm, in ascending order."""
    of = arm if cluster is None else groups_of_clusters(arm, cluster, int(arm.max()) + 1)
    times = np.zeros(len(of), dtype=np.int64)
    for group in np.unique(of):
        at = np.flatnonzero(of == group)
        np.add.at(times, rng.choice(at, len(at)), 1)
    return np.repeat(np.arange(len(arm)), times if cluster is None else times[cluster])
