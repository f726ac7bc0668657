"""Covariance of aggregates from the moments of groups: the units are not needed again.

A unit of group h enters the aggregates with the score A_h (Y_i - m_h) + d_h, scaled so that their covariance is the sum
of outer products, sum_h A_h C_h A_h' + n_h d_h d_h', where C_h is the group's centred cross-product. With weights a
score is multiplied by its unit's, and products are sums of squared weights. By clusters, the scores of a cluster's
units are added up first, for which the means of the (group, cluster) cells are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments
from gmvcausal.rollout.chance.clustered import cluster_sums, products, squares
from gmvcausal.stats.small_sample import Spread, equal, groups_of_clusters, trust_in, trust_of_shares, welch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NUMBERS = 2_000_000


@dataclass(frozen=True)
class Loads:
    """The influence of a unit of group h on one number: ``load[h] @ (Y - mean of h) + shift[h]``.

    Attributes
    ----------
    moments : Moments
        Keys are starts as in `Panel.start`.
    load : ndarray, shape (H, T)
    shift : ndarray, shape (H,)
    """

    moments: Moments
    load: FloatArray
    shift: FloatArray


@dataclass(frozen=True)
class MomentScores:
    """Scores that are linear in the outcomes, one matrix A_h and one vector d_h a group.

    Attributes
    ----------
    moments : Moments
        The untreated are the last group.
    kin : ndarray of int, shape (H,), or None
        Group -> the sort of its clusters, the controls last, where clusters hold several groups.
    """

    moments: Moments
    kin: IntArray | None = None

    def uncertainty(self, maps: list[FloatArray], shift: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of the aggregates, shape (a, a), and how intervals are made from it.

        Parameters
        ----------
        maps : list of ndarray, shape (a, T)
            A_h of every group.
        shift : ndarray, shape (a, H)
            d_h as columns.
        """
        n = self.moments.n
        if self.moments.cells is not None:
            order, code = self._by_cluster
            inside = self._loaded(maps, shift)
            here = np.unique(code[inside])
            n_groups = (len(n) if self.kin is None else int(self.kin.max()) + 1) + 1
            sizes = np.bincount(code, self.moments.cells.n[order])[here].astype(float)
            group = self._group_of_cluster[here]
            out, variance = products(cluster_sums(self._scores(maps, shift)), len(shift), group, n_groups)
            return out, welch(variance, trust_in(sizes, group, n_groups, n_groups - 2))
        if self.moments.weighted is not None:
            return self._weighted(maps, shift)
        out = (shift * n) @ shift.T
        variance = n * shift**2
        for h, loading in enumerate(maps):
            part = loading @ self.moments.cross[h]
            out += part @ loading.T
            variance[:, h] += np.einsum("at,at->a", part, loading)
        return np.asarray(out), welch(variance, equal(n), np.diag(out))

    def _weighted(self, maps: list[FloatArray], shift: FloatArray) -> tuple[FloatArray, Spread]:
        weighted = self.moments.weighted
        assert weighted is not None
        out, variance = np.zeros((len(shift), len(shift))), np.empty(shift.shape)
        for h, loading in enumerate(maps):
            full = np.column_stack([loading, shift[:, h]])
            part = full @ weighted.square[h]
            out += part @ full.T
            variance[:, h] = np.einsum("at,at->a", part, full)
        total = np.where(self.moments.n > 0, self.moments.n, 1.0)
        shares = weighted.powers[:, 1:] / total[:, None] ** np.arange(2, 6)
        return out, welch(variance, trust_of_shares(shares, weighted.count, len(shares) - 1))

    def clustered_variances(self, maps: list[FloatArray], shift: FloatArray) -> FloatArray:
        """The variances alone, by clusters, shape (a,)."""
        return squares(cluster_sums(self._scores(maps, shift)), len(shift))

    @cached_property
    def _group_of_cluster(self) -> IntArray:
        """Group of every cluster in the order of their codes; one more for those that hold several."""
        order, code = self._by_cluster
        assert self.moments.cells is not None
        group = self.moments.cells.group[order]
        if self.kin is None:
            return groups_of_clusters(group, code, len(self.moments.n))
        return groups_of_clusters(self.kin[group], code, int(self.kin.max()) + 1)

    @cached_property
    def _by_cluster(self) -> tuple[IntArray, IntArray]:
        """The (group, cluster) cells in the order of clusters, and their cluster codes in that order."""
        assert self.moments.cells is not None
        _, code = np.unique(self.moments.cells.cluster, return_inverse=True)
        order = np.argsort(code, kind="stable")
        return order, code[order]

    def _loaded(self, maps: list[FloatArray], shift: FloatArray) -> NDArray[np.bool_]:
        """Which (group, cluster) cells, in the order of clusters, bear on any of the rows."""
        assert self.moments.cells is not None
        loaded = np.array([m.any() for m in maps]) | shift.any(axis=0)
        return np.asarray(loaded[self.moments.cells.group[self._by_cluster[0]]])

    def _scores(self, maps: list[FloatArray], shift: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Scores of the (group, cluster) cells in pieces, and their clusters."""
        cells = self.moments.cells
        assert cells is not None
        order, code = self._by_cluster
        inside = self._loaded(maps, shift)
        order, code = order[inside], code[inside]
        step = max(1, _NUMBERS // len(shift))
        for low in range(0, len(order), step):
            at = order[low : low + step]
            group = cells.group[at]
            scores = np.empty((len(shift), len(at)))
            for h in np.unique(group):
                here = np.flatnonzero(group == h)
                deviation = cells.mean[at[here]] - self.moments.mean[h]
                scores[:, here] = maps[h] @ deviation.T + shift[:, h, None]
            yield scores * cells.n[at], code[low : low + step]
