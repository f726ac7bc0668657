"""Moments of arrays in memory, in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments.core import CellProducts, ClusterCells, FloatArray, IntArray, Moments, Weighted, add

_BLOCK = 16_384


def from_arrays(
    values: FloatArray,
    group: IntArray,
    keys: tuple[Hashable, ...],
    cluster: NDArray[Any] | None = None,
    weight: FloatArray | None = None,
    held: tuple[int, ...] = (),
) -> Moments:
    """Moments of the rows of `values` by group.

    Parameters
    ----------
    values : ndarray of float64, shape (n, p)
        No missing values.
    group : ndarray of int, shape (n,)
        Position of each row's group in `keys`; rows with a negative code are left out.
    keys : tuple
        Group keys.
    cluster : ndarray of int, shape (n,), optional
        Cluster label of each row; asks for the cluster level.
    weight : ndarray of float64, shape (n,), optional
        Positive.
    held : tuple of int
        Columns whose products with all others are wanted by cluster too; not offered with weights.

    Returns
    -------
    Moments
    """
    k, p = len(keys), values.shape[1]
    n, mean, cross, rest = np.zeros(k), np.zeros((k, p)), np.zeros((k, p, p)), np.zeros((k, p))
    moved = np.zeros((k, p))
    # A pilot mean per column: close enough to every value for centred sums to keep their digits.
    shift = values[:: max(1, len(values) // 4096)].mean(axis=0) if len(values) else np.zeros(p)
    # Short integers are sorted by their digits, several times faster than by comparison.
    code = np.maximum(group, -1).astype(np.int16 if k < 2**15 else np.int64)
    sizes = np.bincount(code + 1, minlength=k + 1)
    start, counts = int(sizes[0]), sizes[1:]
    square, powers = np.zeros((k, p + 1, p + 1)), np.zeros((k, 5))
    order = np.argsort(code, kind="stable") if k > 1 or start else None
    buffer = np.empty((min(_BLOCK, len(values)), p))
    for g in range(k):
        stop = start + int(counts[g])
        total, product = np.zeros(p), np.zeros((p, p))
        # A second shift by the group's own first block keeps digits where groups lie far apart.
        own = shift
        for low in range(start, stop, _BLOCK):
            high = min(low + _BLOCK, stop)
            if order is None:
                block = values[low:high].copy()
            else:
                block = np.take(values, order[low:high], axis=0, out=buffer[: high - low], mode="clip")
            if low == start:
                own = block.mean(axis=0)
            block -= own
            if weight is None:
                total += block.sum(axis=0)
                product += block.T @ block
                continue
            w = weight[low:high] if order is None else weight[order[low:high]]
            heavy = block * w[:, None]
            total += heavy.sum(axis=0)
            product += block.T @ heavy
            score = np.column_stack([heavy, w])
            square[g] += score.T @ score
            powers[g] += [(w**j).sum() for j in range(1, 6)]
        n[g] = stop - start if weight is None else powers[g, 0]
        if n[g]:
            mean[g], rest[g] = add(own, total / n[g])
            cross[g] = product - np.outer(total, total) / n[g]
            moved[g] = -total / n[g]
        start = stop
    cells = None if cluster is None else _cells(values, group, cluster, (mean, rest), weight, held)
    weighted = None if weight is None else Weighted(counts.astype(float), square, powers).moved(moved)
    return Moments(keys, n, mean, cross, rest, cells, weighted)


def _cells(
    values: FloatArray,
    group: IntArray,
    cluster: NDArray[Any],
    centre: tuple[FloatArray, FloatArray],
    weight: FloatArray | None,
    held: tuple[int, ...],
) -> ClusterCells:
    """Counts and means by (group, cluster), each summed about its group's mean (given with what rounding took)."""
    mean, rest = centre
    labels, code = np.unique(cluster, return_inverse=True)
    inside = group >= 0
    key = (group * len(labels) + code)[inside]
    distinct, cell = np.unique(key, return_inverse=True)
    g, c = distinct // len(labels), distinct % len(labels)
    w = None if weight is None else weight[inside]
    n = np.bincount(cell, w).astype(float)
    p, rows_group = values.shape[1], group[inside]

    def off(j: int) -> FloatArray:
        return np.asarray(values[inside, j] - mean[rows_group, j])

    sums, cross = np.empty((len(distinct), p)), np.empty((len(distinct), len(held), p))
    bent = [off(h) - rest[rows_group, h] for h in held]
    for j in range(p):
        moved = off(j)
        sums[:, j] = np.bincount(cell, moved if w is None else moved * w)
        for i, one in enumerate(bent):
            cross[:, i, j] = np.bincount(cell, one * (moved - rest[rows_group, j]))
    products = CellProducts(held, sums - n[:, None] * rest[g], cross) if held else None
    return ClusterCells(g.astype(np.int64), labels[c], n, mean[g] + sums / n[:, None], products)
