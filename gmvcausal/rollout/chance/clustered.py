"""Sums over clusters of scores that come in pieces, so that nothing as long as the data is ever held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.small_sample import Spread, Trust, groups_of_clusters, trust_in, welch

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


def products(sums: Iterable[FloatArray], terms: int, group: IntArray, n_groups: int) -> tuple[FloatArray, FloatArray]:
    """Their outer products added up: the cluster-robust covariance, and what each group of clusters brings to it.

    Parameters
    ----------
    sums : iterable of ndarray, shape (terms, clusters)
    group : ndarray of int, shape (all clusters,)
        Group of each cluster, in the order in which they come.

    Returns
    -------
    cov : ndarray, shape (terms, terms)
    variance : ndarray, shape (terms, n_groups)
    """
    out, variance = np.zeros((terms, terms)), np.zeros((terms, n_groups))
    done = 0
    for block in sums:
        out += block @ block.T
        of = group[done : done + block.shape[1]]
        done += block.shape[1]
        for g in np.unique(of):
            inside = block[:, of == g]
            variance[:, g] += np.einsum("ac,ac->a", inside, inside)
    return out, variance


def squares(sums: Iterable[FloatArray], terms: int) -> FloatArray:
    """The diagonal of `products` alone, shape (terms,)."""
    out = np.zeros(terms)
    for block in sums:
        out += np.einsum("ac,ac->a", block, block)
    return out


def clustered_uncertainty(
    sums: Iterable[FloatArray], terms: int, group: IntArray, cluster: IntArray, weight: FloatArray | None,
    n_groups: int, mended: Callable[[Trust], Trust] = lambda trust: trust,
) -> tuple[FloatArray, Spread]:  # fmt: skip
    """Covariance of terms from the scores of their clusters, and how intervals are made from it.

    Parameters
    ----------
    sums : iterable of ndarray, shape (terms, clusters)
        From `cluster_sums`, clusters in the order of their codes.
    group : ndarray of int, shape (N,)
        Group of every unit behind the scores, negative where there is none; the untreated are ``n_groups - 1``.
    cluster : ndarray of int, shape (N,)
        Dense codes.
    weight : ndarray, shape (N,), or None
    mended : callable, optional
        What becomes of the trust in the groups (and, last, in clusters that hold several) where more than their means
        is fitted.
    """
    of_cluster = groups_of_clusters(group, cluster, n_groups)
    used, inside = group >= 0, of_cluster >= 0
    sizes = np.bincount(cluster[used], None if weight is None else weight[used], minlength=len(of_cluster))
    out, variance = products(sums, terms, of_cluster[inside], n_groups + 1)
    trust = trust_in(sizes[inside].astype(float), of_cluster[inside], n_groups + 1, n_groups - 1)
    return out, welch(variance, mended(trust))
