"""Group-time effects of panels with absent cells or weights: each comparison uses the units seen in both its periods.

Point estimates need two small (periods x periods) matrices a group: the weight of the units seen in both of two
periods, and their sum in the first. Standard errors need the units, but only a piece of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.chance.clustered import cluster_sums, clustered_uncertainty, squares
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NUMBERS = 2_000_000  # of one piece: units x comparisons
_CELLS_AT_ONCE = 250


@dataclass(frozen=True)
class FromUnits:
    """Group-time effects from the units.

    Attributes
    ----------
    cells : Cells
        Comparisons for which units are seen on both sides.
    listed : Cells
        All comparisons that the design asks for.
    group : ndarray, shape (N,)
        Each unit's group, negative where left out.
    y : ndarray, shape (N, T)
        NaN where absent.
    weight : ndarray, shape (N,)
    cluster : ndarray, shape (N,)
    kin : ndarray of int, shape (H,), or None
        Where clusters hold several groups: for which groups clusters count as alike, the controls last.
    """

    cells: Cells
    listed: Cells
    group: IntArray
    y: FloatArray
    weight: FloatArray
    cluster: IntArray
    kin: IntArray | None = field(default=None, kw_only=True)

    @cached_property
    def n(self) -> FloatArray:
        """Units per group."""
        return np.array([len(units) for units in self._members], dtype=float)

    @cached_property
    def _members(self) -> list[IntArray]:
        """Units of every group."""
        return [np.flatnonzero(self.group == h) for h in range(len(self.cells.starts) + 1)]

    @cached_property
    def complete(self) -> bool:
        """Whether no cell is absent."""
        return bool(np.isfinite(self.y.sum()))

    @property
    def _size(self) -> FloatArray:
        """What every unit weighs in the mean of its group, up to a factor of the group, shape (N,)."""
        return self.weight

    @cached_property
    def cell_units(self) -> FloatArray:
        """Treated units seen in both periods of every cell, shape (K,): those that it compares."""
        if self.complete:
            return np.asarray(self.n[self.cells.cohort])
        seen = [np.isfinite(self.y[units]).astype(float) for units in self._members]
        both = np.array([s.T @ s for s in seen])
        return np.asarray(both[self.cells.cohort, self.cells.period, self.cells.base])

    @cached_property
    def shares(self) -> FloatArray:
        """Weighted share of each cohort among all units used."""
        used = self.group >= 0
        size = np.bincount(self.group[used], self.weight[used], minlength=len(self.n))
        return np.asarray(size[:-1] / size.sum())

    @property
    def whole(self) -> bool:
        """Whether all units of a group enter every comparison of it."""
        return self.complete

    @cached_property
    def _seen(self) -> BoolArray:
        """Who is seen in every period, shape (T, N)."""
        return np.ascontiguousarray(np.isfinite(self.y).T)

    def _met(self, k: int) -> tuple[BoolArray, ...]:
        """Units on which a cell rests, shape (N,) each: one set of them, or one for each of its periods."""
        return (self._seen[self.cells.period[k]] & self._seen[self.cells.base[k]],)

    def behind(self, at: IntArray) -> tuple[list[BoolArray], list[BoolArray]]:
        """Treated and control units that some of the cells `at` compare, shape (N,): sets as of `_met`."""
        sides: tuple[list[BoolArray], list[BoolArray]] = ([], [])
        for k in at:
            groups = np.zeros(len(self.n) + 1, dtype=bool)  # the last one is of units left out
            groups[:-1] = self.cells.controls[k]
            met = self._met(int(k))
            for side, inside in zip(sides, (self.group == self.cells.cohort[k], groups[self.group]), strict=True):
                found = [who & inside for who in met]
                side[:] = [a | b for a, b in zip(side, found, strict=True)] if side else found
        return sides

    def unreached(self, which: Callable[[Cells], BoolArray]) -> BoolArray:
        """Units of the cohorts that some comparison was meant for, and that no comparison made reaches; shape (N,)."""
        out = np.isin(self.group, np.unique(self.listed.cohort[which(self.listed)]))
        made = np.flatnonzero(which(self.cells))
        if self.whole:
            return np.asarray(out & ~np.isin(self.group, self.cells.cohort[made]))
        return out & ~self.behind(made)[0][0] if len(made) else out

    @property
    def lost(self) -> BoolArray:
        """Treated units that no post comparison reaches, because they or all their controls are absent; shape (N,)."""
        return self.unreached(lambda cells: cells.post)

    def _changes(self, units: IntArray) -> FloatArray:
        """Outcomes less each unit's own mean, periods first, shape (T, units): the level would cost digits."""
        return np.ascontiguousarray(self._centred(self.y[units]).T)

    def _centred(self, y: FloatArray) -> FloatArray:
        if self.complete:
            return np.asarray(y - y.mean(axis=1, keepdims=True))
        seen = np.isfinite(y)
        mean = np.where(seen, y, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        return np.asarray(y - mean[:, None])

    @cached_property
    def sides(self) -> tuple[FloatArray, FloatArray]:
        """Weight of the units behind each cell, and their mean change: treated and control, shape (2, K) each."""
        cells = self.cells
        weight, total = np.zeros((2, len(cells.cohort))), np.zeros((2, len(cells.cohort)))
        step = max(1, _NUMBERS // self.y.shape[1])
        for h, members in enumerate(self._members):
            own, beside = cells.cohort == h, cells.controls[:, h]
            if not own.any() and not beside.any():
                continue
            both, level = np.zeros((2, self.y.shape[1], self.y.shape[1]))
            for low in range(0, len(members), step):
                units = members[low : low + step]
                d = self._changes(units)
                seen = np.isfinite(d)
                w = seen * self.weight[units]
                both += w @ seen.T.astype(float)
                level += w * np.where(seen, d, 0.0) @ seen.T.astype(float)
            change = level - level.T
            for side, inside in enumerate((own, beside)):
                at = (cells.period[inside], cells.base[inside])
                weight[side, inside] += both[at]
                total[side, inside] += change[at]
        return weight, np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)

    @property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,); NaN where one side has no unit."""
        mean = self.sides[1]
        return np.asarray(mean[0] - mean[1])

    def _maps(self, rows: FloatArray) -> list[tuple[IntArray, FloatArray, Any, FloatArray]]:
        """For each group: the cells that load on it, their mean change, loadings (a x cells, sparse), constant (a,)."""
        from scipy.sparse import csc_array

        cells, k = self.cells, len(self.cells.cohort)
        weight, mean = self.sides
        loads = csc_array(rows[:, :k])
        loaded = np.diff(loads.indptr) > 0
        shares = self._of_shares(rows)
        out = []
        for h in range(len(self.n)):
            at = np.flatnonzero(loaded & ((cells.cohort == h) | cells.controls[:, h]))
            own = cells.cohort[at] == h
            scale = np.where(own, 1.0 / weight[0, at], -1.0 / weight[1, at])
            out.append((at, np.where(own, mean[0, at], mean[1, at]), (loads[:, at] * scale).tocsr(), shares[:, h]))
        return out

    def _of_shares(self, rows: FloatArray) -> FloatArray:
        """What a unit of each group adds to the aggregates through the cohort shares, shape (a, H)."""
        k = len(self.cells.cohort)
        shares = np.column_stack([rows[:, k:], np.zeros(len(rows))]) - (rows[:, k:] @ self.shares)[:, None]
        return np.asarray(shares / self.weight[self.group >= 0].sum())

    def _loaded(self, rows: FloatArray) -> BoolArray:
        """Which groups have influence on the aggregates."""
        return np.array([len(m[0]) > 0 or m[3].any() for m in self._maps(rows)])

    def _scores(self, rows: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Influence on every aggregate, shape (a, units), of a piece of the units at a time, in order of clusters."""
        maps = self._maps(rows)
        loaded = np.array([len(m[0]) > 0 or m[3].any() for m in maps])
        order = self._order[loaded[self.group[self._order]]]
        step = max(1, _NUMBERS // max(1, len(rows), *(len(m[0]) for m in maps)))
        for low in range(0, len(order), step):
            units = order[low : low + step]
            scores = np.empty((len(rows), len(units)))
            group = self.group[units]
            for h in np.unique(group):
                here = np.flatnonzero(group == h)
                at, mean, loads, constant = maps[h]
                d = self._changes(units[here])
                z = d[self.cells.period[at]] - d[self.cells.base[at]] - mean[:, None]
                z[np.isnan(z)] = 0.0
                scores[:, here] = (loads @ z + constant[:, None]) * self.weight[units[here]]
            yield scores, units

    @cached_property
    def _order(self) -> IntArray:
        """Units used, in the order of their clusters."""
        used = np.flatnonzero(self.group >= 0)
        return used[np.argsort(self.cluster[used], kind="stable")]

    def _by_cluster(self, rows: FloatArray) -> Iterator[FloatArray]:
        return cluster_sums((scores, self.cluster[units]) for scores, units in self._scores(rows))

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one aggregate, shape (N,)."""
        out = np.zeros(len(self.group))
        for scores, units in self._scores(row[None, :]):
            out[units] = scores[0]
        return out

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Covariance of ``rows @ [att, shares]``, shape (a, a); by clusters where they are above the unit."""
        return self.uncertainty(rows)[0]

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of ``rows @ [att, shares]``, clustered, and how intervals are made from it."""
        used = np.where(self.group >= 0, np.append(self._loaded(rows), False)[self.group], False)
        sort = np.arange(len(self.n)) if self.kin is None else self.kin
        group = np.where(used, sort[self.group], -1)
        n_sorts = int(sort.max()) + 1
        return clustered_uncertainty(self._by_cluster(rows), len(rows), group, self.cluster, self._size, n_sorts)

    def variances(self) -> FloatArray:
        """Variance of every cell without their joint covariance, shape (K,)."""
        k = len(self.cells.cohort)
        out = np.empty(k)
        for low in range(0, k, _CELLS_AT_ONCE):
            at = np.arange(low, min(low + _CELLS_AT_ONCE, k))
            rows = np.zeros((len(at), k + len(self.shares)))
            rows[at - low, at] = 1.0
            out[at] = squares(self._by_cluster(rows), len(at))
        return out
