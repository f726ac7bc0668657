"""Poisson bootstrap of the sums along a ranking: one sort, then every replicate's sums by a product of matrices."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray, Ranked

_CELLS = 1 << 16
_CHUNK = 1 << 17


@cache
def _table() -> tuple[NDArray[np.float32], int, FloatArray]:
    """Poisson(1) over 65,536 equally likely cells; the last few cells are left open and share what does not fit."""
    chances = np.array([math.exp(-1) / math.factorial(k) for k in range(20)])
    whole = np.floor(chances * _CELLS).astype(int)
    left = chances * _CELLS - whole
    open_cells = _CELLS - int(whole.sum())
    cells = np.concatenate([np.repeat(np.arange(20), whole), np.zeros(open_cells)]).astype(np.float32)
    return cells, _CELLS - open_cells, left.cumsum() / left.sum()


def weights(generator: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Independent Poisson(1) weights, at about 2 ns each; the law is exact to the precision of a double.

    Sixteen random bits choose among 65,536 equal cells of chance. What of Poisson(1) does not fill whole cells (about
    one in ten thousand) is drawn from its own distribution.

    Examples
    --------
    >>> w = weights(np.random.default_rng(0), 1_000_000)
    >>> bool(abs(w.mean() - 1) < 0.005), bool(abs(w.var() - 1) < 0.01)
    (True, True)
    """
    table, first_open, rest = _table()
    bits = generator.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
    out = table.take(bits)
    rare = np.flatnonzero(bits >= first_open)
    out[rare] = np.searchsorted(rest, generator.random(len(rare)), side="right")
    return out


def replicates(ranked: Ranked, start: IntArray, draws: int, seed: int, cluster: IntArray | None) -> FloatArray:
    """Sums of every group in every replicate.

    Parameters
    ----------
    ranked : Ranked
    start : ndarray, shape (c,)
        Where groups begin.
    draws, seed : int
    cluster : ndarray of int, shape (n,), optional
        Codes 0, 1, ... in the order of the ranking: users of a cluster share their weight.

    Returns
    -------
    ndarray, shape (1 + 2 sides, draws, c)
    """
    generator = np.random.Generator(np.random.SFC64(seed))
    columns = np.stack([np.ones(ranked.n), *(c for s in ranked.sides for c in (s.weight, s.weight * s.value))])
    # Single precision is enough once every column is of the size of one: the errors are of single users.
    scale = np.maximum(np.abs(columns).max(axis=1), np.finfo(float).tiny)
    columns = (columns / scale[:, None]).astype(np.float32)
    ends = np.append(start, ranked.n)
    out = np.empty((len(columns), draws, len(start)))
    if cluster is None:
        for cell, (a, b) in enumerate(itertools.pairwise(ends)):
            out[:, :, cell] = _of_cell(generator, columns[:, a:b], draws)
    else:
        many = int(cluster.max()) + 1
        step = max(1, _CHUNK * 8 // ranked.n)
        for begin in range(0, draws, step):
            size = min(step, draws - begin)
            drawn = weights(generator, size * many).reshape(size, many)[:, cluster]
            for row, column in enumerate(columns):
                out[row, begin : begin + size] = np.add.reduceat(drawn * column, start, axis=1, dtype=float)
    return np.asarray(out * scale[:, None, None], dtype=float)


def _of_cell(generator: np.random.Generator, columns: NDArray[np.float32], draws: int) -> FloatArray:
    """Weighted sums of one group, in pieces that stay in the processor's cache."""
    out = np.zeros((len(columns), draws))
    step = max(1, _CHUNK // draws)
    for a in range(0, columns.shape[1], step):
        part = columns[:, a : a + step]
        out += part @ weights(generator, part.shape[1] * draws).reshape(part.shape[1], draws)
    return out
