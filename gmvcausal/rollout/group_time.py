"""ATT(g, t) of Callaway and Sant'Anna (2021) without covariates, from cohort moments.

Notation of the paper: cohort g, period t, base period b, control group C. With m_h the mean outcome vector of cohort h
and L = e_t - e_b, ATT(g, t) = L m_g - L m_C. Unit i of cohort h enters a vector of cells and cohort shares with
influence A_h (Y_i - m_h) + d_h, scaled so that the covariance is the sum of its outer products:

    Omega = sum_h  A_h C_h A_h' + n_h d_h d_h'

where C_h is the cohort's centred cross-product. A_h has two entries a row and is kept sparse; d_h holds the shares
and, for pooled control groups, the distance of the cohort's mean from the pooled mean. Aggregates are rows J; their
covariance J Omega J' never needs the units, so bands and aggregations cost small matrices only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments, from_arrays
from gmvcausal.rollout.cohorts import UNTREATED

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CELLS_AT_ONCE = 250


@dataclass(frozen=True)
class Cells:
    """The (cohort, period, base) comparisons.

    Attributes
    ----------
    cohort : ndarray, shape (K,)
        Position in `starts`.
    period, base : ndarray, shape (K,)
        Columns of the grid.
    controls : ndarray of bool, shape (K, H)
        Which groups are pooled as controls; H is the cohorts and, last, the untreated.
    event : ndarray, shape (K,)
        Event time in steps of the grid.
    starts : ndarray, shape (G,)
        Column of first treatment of each cohort.
    """

    cohort: IntArray
    period: IntArray
    base: IntArray
    controls: NDArray[np.bool_]
    event: IntArray
    starts: IntArray


def make_cells(
    starts: IntArray, position: IntArray, has_never: bool, control: str, base_period: str, anticipation: int
) -> Cells:
    """List the comparisons that the data allow.

    Parameters
    ----------
    starts : ndarray, shape (G,)
        Columns of first treatment, sorted.
    position : ndarray, shape (T,)
        Steps of the periods, see `Grid`.
    control : {"never_treated", "not_yet_treated"}
    base_period : {"varying", "universal"}
        The base of pre-period cells: the period before, or the last period before treatment (and anticipation).
    """
    n_cohorts, n_periods = len(starts), len(position)
    rows: list[tuple[int, int, int, int]] = []
    controls: list[NDArray[np.bool_]] = []
    for g, start in enumerate(starts):
        free = np.flatnonzero(position < position[start] - anticipation)
        long_base = int(free[-1])
        for t in range(n_periods):
            is_pre = position[t] < position[start] - anticipation
            base = t - 1 if is_pre and base_period == "varying" else long_base
            if base < 0 or base == t:
                continue
            pool = np.zeros(n_cohorts + 1, dtype=bool)
            pool[n_cohorts] = has_never
            if control == "not_yet_treated":
                horizon = position[max(t, base)] + anticipation
                pool[:n_cohorts] = position[starts] > horizon
                pool[g] = False
            if pool.any():
                rows.append((g, t, base, int(position[t] - position[start])))
                controls.append(pool)
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    pools = np.array(controls, dtype=bool).reshape(len(rows), n_cohorts + 1)
    return Cells(table[:, 0], table[:, 1], table[:, 2], pools, table[:, 3], starts)


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
    """

    cells: Cells
    moments: Moments
    group: IntArray
    y: FloatArray

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
    def _pool(self) -> FloatArray:
        """Weight of each group's mean in each cell's control mean, shape (K, H)."""
        size = self.cells.controls * self.n
        return np.asarray(size / size.sum(axis=1, keepdims=True))

    @cached_property
    def _differences(self) -> FloatArray:
        """L m_h for every cell and group, shape (K, H)."""
        period, base = self.cells.period, self.cells.base
        high, low = self.moments.mean, self.moments.rest
        return np.asarray(((high[:, period] - high[:, base]) + (low[:, period] - low[:, base])).T)

    @cached_property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,)."""
        own = self._differences[np.arange(len(self.cells.cohort)), self.cells.cohort]
        return np.asarray(own - (self._pool * self._differences).sum(axis=1))

    def _maps(self, rows: FloatArray) -> tuple[list[FloatArray], FloatArray]:
        """J A_h (a x T) for every group h, and J d_h as columns (a x H)."""
        cells, n = self.cells, self.n
        k, n_groups = len(cells.cohort), len(n)
        j_cells, j_shares = rows[:, :k], rows[:, k:]
        scale = -self._pool / np.maximum(n, 1.0)  # influence of one unit of a control group; empty groups have no pool
        own = np.zeros((k, n_groups))
        own[np.arange(k), cells.cohort] = 1.0 / n[cells.cohort]
        control_mean = (self._pool * self._differences).sum(axis=1)
        maps: list[FloatArray] = []
        shift = np.zeros((len(rows), n_groups))
        total = n.sum()
        loaded_cells = j_cells.any(axis=0)
        for h in range(n_groups):
            weight = own[:, h] + scale[:, h]
            active = np.flatnonzero((weight != 0) & loaded_cells)
            out = np.zeros((len(rows), self.moments.mean.shape[1]))
            loaded = j_cells[:, active] * weight[active]
            np.add.at(out.T, cells.period[active], loaded.T)
            np.subtract.at(out.T, cells.base[active], loaded.T)
            maps.append(out)
            gap = scale[:, h] * (self._differences[:, h] - control_mean)
            indicator = -self.shares.copy()
            if h < n_groups - 1:
                indicator[h] += 1.0
            shift[:, h] = j_cells @ gap + j_shares @ (indicator / total)
        return maps, shift

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Covariance of ``rows @ [att, shares]``, shape (a, a); by clusters where they are above the unit."""
        maps, shift = self._maps(rows)
        out = np.zeros((len(rows), len(rows)))
        cells = self.moments.cells
        if cells is None:
            for h, loading in enumerate(maps):
                out += loading @ self.moments.cross[h] @ loading.T + self.n[h] * np.outer(shift[:, h], shift[:, h])
            return out
        scores = self._cluster_scores(maps, shift)
        return np.asarray(scores.T @ scores)

    def _cluster_scores(self, maps: list[FloatArray], shift: FloatArray) -> FloatArray:
        cells = self.moments.cells
        assert cells is not None
        by_cell = np.empty((len(cells.n), len(shift)))
        for h, loading in enumerate(maps):
            here = cells.group == h
            centred = cells.mean[here] - self.moments.mean[h]
            by_cell[here] = cells.n[here, None] * (centred @ loading.T + shift[:, h])
        _, code = np.unique(cells.cluster, return_inverse=True)
        scores = np.zeros((int(code.max()) + 1, len(shift)))
        np.add.at(scores, code, by_cell)
        return scores

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one aggregate, shape (N,)."""
        maps, shift = self._maps(row[None, :])
        loadings = np.array([m[0] for m in maps])
        out = np.zeros(len(self.group))
        for h, loading in enumerate(loadings):
            inside = self.group == h
            out[inside] = (self.y[inside] - self.moments.mean[h]) @ loading + shift[0, h]
        return out


@dataclass(frozen=True)
class FromUnits:
    """Group-time effects with absent cells or weights: each comparison uses the units seen in both of its periods.

    Attributes
    ----------
    cells : Cells
    group : ndarray, shape (N,)
    y : ndarray, shape (N, T)
        NaN where absent.
    weight : ndarray, shape (N,)
    cluster : ndarray, shape (N,)
    """

    cells: Cells
    group: IntArray
    y: FloatArray
    weight: FloatArray
    cluster: IntArray

    @cached_property
    def n(self) -> FloatArray:
        """Units per group."""
        return np.array([len(units) for units in self._members], dtype=float)

    @cached_property
    def _members(self) -> list[IntArray]:
        """Units of every group."""
        return [np.flatnonzero(self.group == h) for h in range(self.cells.controls.shape[1])]

    @property
    def cell_units(self) -> FloatArray:
        """Treated units seen in the period of every cell, shape (K,)."""
        seen = np.array([np.isfinite(self.y[units]).sum(axis=0) for units in self._members], dtype=float)
        return np.asarray(seen[self.cells.cohort, self.cells.period])

    @cached_property
    def _columns(self) -> FloatArray:
        """Outcomes with each period contiguous: cells are read period by period."""
        return np.ascontiguousarray(self.y.T)

    @cached_property
    def shares(self) -> FloatArray:
        """Weighted share of each cohort among all units used."""
        used = self.group >= 0
        size = np.bincount(self.group[used], self.weight[used], minlength=len(self.n))
        return np.asarray(size[:-1] / size.sum())

    def _side(self, k: int, treated: bool) -> tuple[IntArray, FloatArray, float]:
        """Units of one side of a cell, their changes, and the weighted mean change."""
        cells = self.cells
        pool = [cells.cohort[k]] if treated else np.flatnonzero(cells.controls[k])
        units = np.concatenate([self._members[h] for h in pool])
        change = self._columns[cells.period[k]][units] - self._columns[cells.base[k]][units]
        seen = np.isfinite(change)
        units, change = units[seen], change[seen]
        weight = self.weight[units]
        mean = float(weight @ change / weight.sum()) if len(units) else np.nan
        return units, change, mean

    @cached_property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,)."""
        return np.array([self._side(k, True)[2] - self._side(k, False)[2] for k in range(len(self.cells.cohort))])

    def influences(self, rows: FloatArray) -> FloatArray:
        """Influence of every unit on every aggregate, shape (N, a)."""
        k_cells = len(self.cells.cohort)
        out = np.zeros((len(self.group), len(rows)))
        for k in range(k_cells):
            loaded = np.flatnonzero(
                rows[:, k]
            )  # few of the aggregates: an outer product over all would cost K times more
            if not len(loaded):
                continue
            for sign, treated in ((1.0, True), (-1.0, False)):
                units, change, mean = self._side(k, treated)
                weight = self.weight[units]
                part = sign * weight * (change - mean) / weight.sum()
                for a in loaded:
                    out[units, a] += part * rows[a, k]
        used = self.group >= 0
        total = self.weight[used].sum()
        by_cohort = rows[:, k_cells:]
        indicator = np.column_stack([by_cohort, np.zeros(len(rows))])[:, self.group[used]].T - by_cohort @ self.shares
        out[used] += self.weight[used, None] * indicator / total
        return out

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one aggregate, shape (N,)."""
        return self.influences(row[None, :])[:, 0]

    def covariance(self, rows: FloatArray) -> FloatArray:
        """Covariance of ``rows @ [att, shares]``, clustered."""
        psi = self.influences(rows)
        scores = np.column_stack([np.bincount(self.cluster, psi[:, j]) for j in range(psi.shape[1])])
        return np.asarray(scores.T @ scores)


def cell_variances(effects: FromMoments | FromUnits) -> FloatArray:
    """Variance of every cell without their K x K covariance, for designs with thousands of cells; shape (K,)."""
    k, width = len(effects.att), len(effects.att) + len(effects.shares)
    out = np.empty(k)
    for low in range(0, k, _CELLS_AT_ONCE):
        at = np.arange(low, min(low + _CELLS_AT_ONCE, k))
        rows = np.zeros((len(at), width))
        rows[at - low, at] = 1.0
        out[at] = np.diag(effects.covariance(rows))
    return out


def _groups(start: IntArray) -> tuple[IntArray, IntArray]:
    """Cohort starts, and each unit's group: its cohort, the untreated last, negative where left out."""
    starts = np.unique(start[start >= 0])
    group = np.full(len(start), -1, dtype=np.int64)
    treated = start >= 0
    group[treated] = np.searchsorted(starts, start[treated])
    group[start == UNTREATED] = len(starts)
    return starts, group


def group_time(
    y: FloatArray, start: IntArray, cluster: IntArray, weight: FloatArray | None, position: IntArray,
    control: str, base_period: str, anticipation: int,
) -> FromMoments | FromUnits:  # fmt: skip
    """Group-time effects of a panel: from moments where it is complete and unweighted, else from the units.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        NaN where a cell is absent.
    start : ndarray, shape (N,)
        Column of first treatment, negative codes as in `cohorts`.
    cluster : ndarray, shape (N,)
        Dense codes.
    weight : ndarray, shape (N,), or None
    position : ndarray, shape (T,)
    control, base_period, anticipation
        See `make_cells`.
    """
    starts, group = _groups(start)
    has_never = bool((group == len(starts)).any())
    cells = make_cells(starts, position, has_never, control, base_period, anticipation)
    if weight is None and np.isfinite(y.sum()):
        above = int(cluster.max()) + 1 < len(cluster)
        moments = from_arrays(y, group, tuple(range(len(starts) + 1)), cluster if above else None)
        return FromMoments(cells, moments, group, y)
    weight = np.ones(len(y)) if weight is None else weight / weight.mean()
    return _drop_empty(FromUnits(cells, group, y, weight, cluster))


def _drop_empty(effects: FromUnits) -> FromUnits:
    """Leave out comparisons for which no unit is seen in both periods on one side."""
    keep = np.isfinite(effects.att)
    c = effects.cells
    cells = Cells(c.cohort[keep], c.period[keep], c.base[keep], c.controls[keep], c.event[keep], c.starts)
    return replace(effects, cells=cells)


def rebase(
    effects: FromMoments | FromUnits, position: IntArray, control: str, base_period: str, anticipation: int
) -> FromMoments | FromUnits:
    """The same data with another base period: no second pass over complete panels."""
    cells = make_cells(effects.cells.starts, position, bool(effects.n[-1]), control, base_period, anticipation)
    changed = replace(effects, cells=cells)
    return _drop_empty(changed) if isinstance(changed, FromUnits) else changed
