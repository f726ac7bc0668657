"""Orders drawn again: counts of bootstrap samples, by order or by cluster."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmvcausal.observational.notch.grid import Counts, FloatArray, IntArray
from gmvcausal.stats.resampling import silent

_BLOCK = 4_000_000


def resampled(
    cell: IntArray, group: IntArray, cells: int, cluster: IntArray | None, draws: int, rng: np.random.Generator,
    tick: Callable[[int], object] = silent,
) -> Counts:  # fmt: skip
    """Counts of `draws` bootstrap samples.

    Orders of each group are drawn again with replacement, which for counts is a multinomial draw. Clusters are drawn
    with independent Poisson(1) weights; those with the same orders share one draw, so that labels and the order of rows
    do not matter.

    Parameters
    ----------
    cell : ndarray of int, shape (n,)
    group : ndarray of int, shape (n,)
        1 with the promotion, 0 in the comparison.
    cells : int
    cluster : ndarray of int, shape (n,), or None
    draws : int
    rng : Generator
    tick : callable
        Told how many draws were made.
    """
    compared = bool((group == 0).any())
    if cluster is None:
        made = []
        for which in (1, 0)[: 1 + compared]:
            count = np.bincount(cell[group == which], minlength=cells)
            made.append(rng.multinomial(int(count.sum()), count / count.sum(), size=draws).astype(float))
        tick(draws)
        return Counts(made[0], made[1] if compared else None)
    both = _by_cluster(cell + cells * (1 - group), cells * 2, cluster, draws, rng, tick)
    return Counts(both[:, :cells], both[:, cells:] if compared else None)


def _by_cluster(
    cell: IntArray, cells: int, cluster: IntArray, draws: int, rng: np.random.Generator,
    tick: Callable[[int], object],
) -> FloatArray:  # fmt: skip
    from scipy import sparse

    # Clusters with the same orders have the same sum of these codes (whole numbers, modulo 2^64).
    code = np.random.default_rng(0).integers(0, 2**64, cells, dtype=np.uint64)
    key = np.zeros(int(cluster.max()) + 1, dtype=np.uint64)
    np.add.at(key, cluster, code[cell])
    _, first, alike = np.unique(key, return_index=True, return_counts=True)
    position = np.full(len(key), -1)
    position[first] = np.arange(len(first))
    mine = position[cluster] >= 0
    held = sparse.csr_matrix((np.ones(int(mine.sum())), (position[cluster[mine]], cell[mine])), (len(first), cells))
    out = np.zeros((draws, cells))
    step = max(1, _BLOCK // len(first))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        out[start : start + size] = (held.T @ rng.poisson(alike, (size, len(first))).T.astype(float)).T
        tick(size)
    return out
