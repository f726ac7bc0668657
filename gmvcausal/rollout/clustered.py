"""Sums over clusters of scores that come in pieces, so that nothing as long as the data is ever held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def cluster_sums(pieces: Iterable[tuple[FloatArray, IntArray]]) -> Iterator[FloatArray]:
    """Scores summed within clusters.

    Parameters
    ----------
    pieces : iterable of (scores, cluster)
        Scores, shape (a, c), of c units, and their clusters in ascending order from piece to piece.

    Yields
    ------
    ndarray, shape (a, clusters that ended)
        A cluster that runs on into the next piece is carried over to it.
    """
    carried: FloatArray | None = None
    last = -1
    for scores, cluster in pieces:
        edges = np.flatnonzero(np.r_[True, cluster[1:] != cluster[:-1]])
        sums = scores if len(edges) == len(cluster) else np.add.reduceat(scores, edges, axis=1)
        if carried is not None:
            if cluster[0] == last:
                sums[:, :1] += carried
            else:
                yield carried
        carried, last = sums[:, -1:].copy(), int(cluster[-1])
        yield sums[:, :-1]
    if carried is not None:
        yield carried


def products(sums: Iterable[FloatArray], terms: int) -> FloatArray:
    """Their outer products added up, shape (terms, terms): the cluster-robust covariance."""
    out = np.zeros((terms, terms))
    for block in sums:
        out += block @ block.T
    return out


def squares(sums: Iterable[FloatArray], terms: int) -> FloatArray:
    """The diagonal of `products` alone, shape (terms,)."""
    out = np.zeros(terms)
    for block in sums:
        out += np.einsum("ac,ac->a", block, block)
    return out
