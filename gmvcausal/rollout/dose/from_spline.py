"""Many doses: in every cohort a cubic B-spline of the dose joins the changes of the treated (a sieve).

With psi the B-spline basis, which adds up to one at every dose, the coefficients of the regression of the changes of a
cohort's units on psi(dose), less the change of the controls, are the effects theta of cohort, period and coefficient:

    ATT(g, t, d) = psi(d)' theta(g, t),   its slope psi'(d)' theta(g, t).

So tables by dose are sums of these effects. The average causal response takes psi' at every treated unit's own dose,
and the sampling of those doses is part of its variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.chance.clustered import cluster_sums, clustered_uncertainty
from gmvcausal.rollout.dose.basis import Basis
from gmvcausal.rollout.dose.leverage import common_part, trusted
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.stats.small_sample import Spread, Trust, groups_of_clusters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NUMBERS = 4_000_000


@dataclass(frozen=True)
class FromSpline:
    """Effects of every cohort, period and coefficient of its spline, in a complete panel.

    Attributes
    ----------
    pairs : Cells
        Comparisons (cohort, period, base) of the cohorts that have a spline.
    bases : tuple of Basis
    group : ndarray, shape (N,)
        Cohort of every unit, the untreated last, negative where left out.
    y : ndarray, shape (N, T)
        Outcomes less each unit's own mean: the level would cost digits.
    weight, cluster : ndarray, shape (N,)
    """

    pairs: Cells
    bases: tuple[Basis, ...]
    group: IntArray
    y: FloatArray
    weight: FloatArray
    cluster: IntArray

    @property
    def n_groups(self) -> int:
        """Cohorts, and the untreated."""
        return len(self.pairs.starts) + 1

    @cached_property
    def _of(self) -> dict[int, Basis]:
        return {b.cohort: b for b in self.bases}

    @cached_property
    def index(self) -> tuple[IntArray, IntArray]:
        """Pair and coefficient of every effect, shape (K,) each."""
        sizes = [self._of[int(g)].psi.shape[1] for g in self.pairs.cohort]
        return np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(j) for j in sizes])

    @cached_property
    def totals(self) -> FloatArray:
        """Weight of every group, shape (H,)."""
        used = self.group >= 0
        return np.asarray(np.bincount(self.group[used], self.weight[used], minlength=self.n_groups), dtype=float)

    @cached_property
    def shares(self) -> FloatArray:
        """Share of each cohort among all units used, shape (G,)."""
        return np.asarray(self.totals[:-1] / self.totals.sum())

    @cached_property
    def _means(self) -> FloatArray:
        out = np.zeros((self.n_groups, self.y.shape[1]))
        used = self.group >= 0
        np.add.at(out, self.group[used], self.weight[used, None] * self.y[used])
        return np.asarray(out / np.where(self.totals > 0, self.totals, 1.0)[:, None])

    @cached_property
    def _pool(self) -> FloatArray:
        """Weight of the controls of every pair, shape (P,)."""
        return np.asarray(self.pairs.controls @ self.totals)

    @cached_property
    def _control(self) -> FloatArray:
        """Mean change of the controls of every pair, shape (P,)."""
        p = self.pairs
        change = (self._means[:, p.period] - self._means[:, p.base]).T
        return np.asarray((p.controls * self.totals * change).sum(axis=1) / self._pool)

    @cached_property
    def _beta(self) -> dict[int, FloatArray]:
        return {b.cohort: b.fit @ self.y[b.units] for b in self.bases}

    @cached_property
    def att(self) -> FloatArray:
        """Effects, shape (K,)."""
        pair, piece = self.index
        out = np.empty(len(pair))
        for k, (p, j) in enumerate(zip(pair, piece, strict=True)):
            beta = self._beta[int(self.pairs.cohort[p])]
            out[k] = beta[j, self.pairs.period[p]] - beta[j, self.pairs.base[p]] - self._control[p]
        return out

    @cached_property
    def places(self) -> dict[int, int]:
        """Column of a row from which on the mean derivatives of a cohort's basis have their loadings."""
        out, at = {}, len(self.att) + len(self.shares)
        for b in self.bases:
            out[b.cohort] = at
            at += b.psi.shape[1]
        return out

    @property
    def width(self) -> int:
        """Length of a row: effects, shares, mean derivatives."""
        return len(self.att) + len(self.shares) + sum(int(b.psi.shape[1]) for b in self.bases)

    def steepness(self, b: Basis) -> FloatArray:
        """Mean derivative of the basis over the units of a cohort, shape (J,)."""
        return np.asarray(self.weight[b.units] @ b.steep / self.totals[b.cohort])

    def _score(self, rows: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Influence of the units on the rows, a piece at a time, in the order of their clusters."""
        pair = self.index[0]
        k, cells = len(pair), self.pairs
        a, width = len(rows), self.y.shape[1]
        load = np.zeros((self.n_groups, a, width))
        constant = np.zeros((self.n_groups, a))
        sums = np.zeros((a, len(cells.cohort)))
        np.add.at(sums.T, pair, rows[:, :k].T)
        for p in range(len(cells.cohort)):
            for h in np.flatnonzero(cells.controls[p] & (self.totals > 0)):
                load[h, :, cells.period[p]] -= sums[:, p] / self._pool[p]
                load[h, :, cells.base[p]] += sums[:, p] / self._pool[p]
                constant[h] += sums[:, p] * self._control[p] / self._pool[p]
        g = len(self.shares)
        shares = rows[:, k : k + g]
        constant += (np.column_stack([shares, np.zeros(a)]) - (shares @ self.shares)[:, None]).T / self.totals.sum()
        own = self._tensors(rows)
        order = self._order
        step = max(1, _NUMBERS // max(a, width))
        for low in range(0, len(order), step):
            units = order[low : low + step]
            scores = np.empty((a, len(units)))
            for h in np.unique(self.group[units]):
                here = np.flatnonzero(self.group[units] == h)
                who = units[here]
                part = load[h] @ self.y[who].T + constant[h][:, None]
                mine = self._of.get(int(h))
                if mine is not None:
                    # The weight of a unit is in `fit` already.
                    at = np.searchsorted(mine.units, who)
                    residual = self.y[who] - mine.psi[at] @ self._beta[mine.cohort]
                    fitted = np.einsum("jn,ajn->an", mine.fit[:, at], own[int(h)] @ residual.T)
                    moved = mine.steep[at] - self.steepness(mine)
                    first = self.places[mine.cohort]
                    part += rows[:, first : first + moved.shape[1]] @ moved.T / self.totals[h]
                    scores[:, here] = part * self.weight[who] + fitted
                else:
                    scores[:, here] = part * self.weight[who]
            yield scores, units

    @cached_property
    def _order(self) -> IntArray:
        used = np.flatnonzero(self.group >= 0)
        return used[np.argsort(self.cluster[used], kind="stable")]

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one row, shape (N,)."""
        out = np.zeros(len(self.group))
        for scores, units in self._score(row[None, :]):
            out[units] = scores[0]
        return out

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of rows by clusters, and how intervals are made from it."""
        sums = cluster_sums((scores, self.cluster[units]) for scores, units in self._score(rows))
        return clustered_uncertainty(
            sums, len(rows), self.group, self.cluster, self.weight, self.n_groups, lambda t: self._mended(rows, t)
        )

    def _mended(self, rows: FloatArray, trust: Trust) -> Trust:
        """Degrees of freedom and factors of every row that a spline leaves, by its clusters."""
        df, factor = (np.tile(x, (len(rows), 1)) for x in (trust.df, trust.factor))
        tensors = self._tensors(rows)
        sort = groups_of_clusters(self.group, self.cluster, self.n_groups)
        shared = np.zeros((3, len(rows)))  # of clusters of several groups: size, its mean, mean^2 / df over the curves
        for b in self.bases:
            codes, cluster = np.unique(self.cluster[b.units], return_inverse=True)
            rho = common_part(self.y[b.units] - b.psi @ self._beta[b.cohort], cluster)
            weight = self.weight[b.units]
            for column in (b.cohort, self.n_groups):
                counted = sort[codes] == column
                for a in np.flatnonzero(tensors[b.cohort].any(axis=(1, 2))) if counted.any() else ():
                    tensor = tensors[b.cohort][a]
                    found, wider, size = trusted(b, weight, cluster, counted, tensor @ tensor.T, rho)
                    if column == b.cohort:
                        df[a, column], factor[a, column] = found, wider
                    elif found > 0:
                        shared[:, a] += size, size / wider, (size / wider) ** 2 / found
        for a in np.flatnonzero(shared[0] > 0):
            # Others are in these clusters too; they have at least the trust of groups of means.
            size, mean, square = shared[:, a]
            df[a, -1] = min(df[a, -1], mean**2 / square)
            factor[a, -1] = max(factor[a, -1], size / mean)
        return Trust(df, factor, trust.alone)

    def _tensors(self, rows: FloatArray) -> dict[int, FloatArray]:
        """Loadings of the rows on the coefficients of every cohort in every period, shape (a, J, T) each."""
        (pair, piece), cells, out = self.index, self.pairs, {}
        for b in self.bases:
            tensor = np.zeros((len(rows), b.psi.shape[1], self.y.shape[1]))
            for at in np.flatnonzero(cells.cohort[pair] == b.cohort):
                tensor[:, piece[at], cells.period[pair[at]]] += rows[:, at]
                tensor[:, piece[at], cells.base[pair[at]]] -= rows[:, at]
            out[b.cohort] = tensor
        return out
