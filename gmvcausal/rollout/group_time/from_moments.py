"""Group-time effects of complete panels from the moments of their cohorts; the units are not needed again.

Notation of Callaway and Sant'Anna (2021): cohort g, period t, base period b, control group C. With m_h the mean outcome
vector of cohort h and L = e_t - e_b, ATT(g, t) = L m_g - L m_C. Unit i of cohort h enters a vector of cells and cohort
shares with influence A_h (Y_i - m_h) + d_h, scaled so that the covariance is the sum of its outer products:

    Omega = sum_h  A_h C_h A_h' + n_h d_h d_h'

where C_h is the cohort's centred cross-product. A_h has two entries a row and is kept sparse; d_h holds the shares
and, for pooled control groups, the distance of the cohort's mean from the pooled mean. Aggregates are rows J; their
covariance J Omega J' never needs the units, so bands and aggregations cost small matrices only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments
from gmvcausal.rollout.chance.moment_scores import Loads, MomentScores
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CELLS_AT_ONCE = 250
_UNITS = 16_384


@dataclass(frozen=True)
class FromMoments:
    """Group-time effects of a complete, unweighted panel, from the moments of its cohorts.

    Attributes
    ----------
    cells : Cells
    moments : Moments
        Keys 0..G-1 are the cohorts, G the untreated.
    group : ndarray, shape (N,)
        Each unit's group, negative where left out; for `influence`.
    y : ndarray, shape (N, T)
    kin : ndarray of int, shape (H,), or None
        Where clusters hold several groups: for which groups clusters count as alike, the controls last.
    """

    cells: Cells
    moments: Moments
    group: IntArray
    y: FloatArray
    kin: IntArray | None = None

    @cached_property
    def n(self) -> FloatArray:
        """Units per group."""
        return self.moments.n

    @property
    def cell_units(self) -> FloatArray:
        """Treated units behind every cell, shape (K,)."""
        return np.asarray(self.n[self.cells.cohort])

    @cached_property
    def shares(self) -> FloatArray:
        """Share of each cohort (not the untreated) among all units used."""
        return np.asarray(self.n[:-1] / self.n.sum())

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ATT (K,), weight of one unit's change in each cell (K, H), and the constant beside it (K, H)."""
        cells, n = self.cells, self.n
        every, period, base = np.arange(len(cells.cohort)), cells.period, cells.base
        high, low = self.moments.mean, self.moments.rest
        change = ((high[:, period] - high[:, base]) + (low[:, period] - low[:, base])).T
        size = cells.controls * n
        pool = size / size.sum(axis=1, keepdims=True)
        control = (pool * change).sum(axis=1)
        weight = -pool / np.maximum(n, 1.0)  # empty groups have no pool
        shift = weight * (change - control[:, None])
        weight[every, cells.cohort] += 1.0 / n[cells.cohort]
        return change[every, cells.cohort] - control, weight, shift

    @property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,)."""
        return self._parts[0]

    @cached_property
    def _steps(self) -> Any:
        """e_t - e_b of every cell as a sparse matrix, shape (K, T)."""
        from scipy.sparse import csr_array

        k, width = len(self.cells.cohort), self.moments.mean.shape[1]
        columns = np.column_stack([self.cells.period, self.cells.base]).reshape(-1)
        return csr_array((np.tile([1.0, -1.0], k), columns, np.arange(0, 2 * k + 1, 2)), shape=(k, width))

    def _maps(self, rows: FloatArray) -> tuple[list[FloatArray], FloatArray]:
        """J A_h (a x T) for every group h, and J d_h as columns (a x H)."""
        from scipy.sparse import csr_array

        _, weight, gap = self._parts
        k, n_groups = weight.shape
        loads = csr_array(rows[:, :k])
        # The groups below one another, in one product: what each sparse product costs beside its sums is paid once.
        held = loads.nnz * np.arange(n_groups)[:, None] + loads.indptr[:-1]
        every = csr_array(
            (
                (loads.data * weight[loads.indices].T).ravel(),
                np.tile(loads.indices, n_groups),
                np.append(held, n_groups * loads.nnz),
            ),
            shape=(n_groups * len(rows), k),
        )
        maps = list((every @ self._steps).toarray().reshape(n_groups, len(rows), -1))
        share = np.eye(n_groups, n_groups - 1) - self.shares
        return maps, np.asarray(loads @ gap + rows[:, k:] @ share.T / self.n.sum())

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Covariance of ``rows @ [att, shares]``, shape (a, a); by clusters where they are above the unit."""
        return self.uncertainty(rows)[0]

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of ``rows @ [att, shares]`` by clusters, shape (a, a), and how intervals are made from it."""
        return self._scores.uncertainty(*self._maps(rows))

    @cached_property
    def _scores(self) -> MomentScores:
        return MomentScores(self.moments, self.kin)

    def variances(self) -> FloatArray:
        """Variance of every cell without their joint covariance, for designs with thousands of cells; shape (K,)."""
        k = len(self.att)
        out = np.zeros(k)
        if self.moments.cells is None:
            _, weight, gap = self._parts
            t, b = self.cells.period, self.cells.base
            for h, cross in enumerate(self.moments.cross):
                spread = cross[t, t] + cross[b, b] - 2 * cross[t, b]
                out += weight[:, h] ** 2 * spread + self.n[h] * gap[:, h] ** 2
            return out
        for low in range(0, k, _CELLS_AT_ONCE):
            at = np.arange(low, min(low + _CELLS_AT_ONCE, k))
            rows = np.zeros((len(at), k + len(self.shares)))
            rows[at - low, at] = 1.0
            out[at] = self._scores.clustered_variances(*self._maps(rows))
        return out

    def loads(self, row: FloatArray) -> Loads:
        """What makes `influence`, by group."""
        maps, shift = self._maps(row[None, :])
        return Loads(self.moments, np.vstack(maps), shift[0])

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one aggregate, shape (N,)."""
        maps, shift = self._maps(row[None, :])
        out, room = np.zeros(len(self.group)), np.empty((min(_UNITS, len(self.y)), self.y.shape[1]))
        for h, loading in enumerate(maps):
            members = np.flatnonzero(self.group == h)
            for low in range(0, len(members), _UNITS):
                at = members[low : low + _UNITS]
                # Into memory that is at hand: new pages cost more than the sums.
                y = np.take(self.y, at, axis=0, out=room[: len(at)], mode="clip")
                y -= self.moments.mean[h]
                out[at] = y @ loading[0] + shift[0, h]
        return out
