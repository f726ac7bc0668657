"""Regressions with unit and period effects whose other terms depend on cohort and period alone: what they need.

For such a regression the outcomes enter through one (periods x periods) matrix and one vector a cohort, so a panel of
any size is read once. Per group h, with s the periods of a unit that are used and b those over which its own level is
measured (all of s in a regression on all rows, the untreated ones where effects are imputed):

    P_h = sum_i w_i (diag(s_i) - s_i b_i' / |b_i|),      q_h = sum_i w_i s_i (y_i - mean of y_i over b_i)

Complete panels give both from the cohort's mean alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments
from gmvcausal.rollout.group_time.effects import groups_of
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.panel import Panel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_ROWS = 16_384
_RANK = 1e-11  # of the largest eigenvalue: one unit in a hundred million still links two periods


@dataclass(frozen=True)
class Units:
    """The panel by groups: cohorts 0..G-1 and, last, the untreated.

    Attributes
    ----------
    y : ndarray, shape (N, T)
        NaN where absent.
    group : ndarray of int, shape (N,)
        Negative where a unit is left out.
    starts : ndarray of int, shape (G,)
        Column of first treatment of each cohort.
    cluster : ndarray of int, shape (N,)
    weight : ndarray, shape (N,), or None
        Mean 1.
    moments : Moments or None
        Of the groups, where the panel is complete.
    """

    y: FloatArray
    group: IntArray
    starts: IntArray
    cluster: IntArray
    weight: FloatArray | None
    moments: Moments | None

    @cached_property
    def n(self) -> FloatArray:
        """Units per group, shape (H,)."""
        if self.moments is not None:
            return self.moments.count
        inside = self.group[self.group >= 0]
        return np.bincount(inside, minlength=len(self.starts) + 1).astype(float)

    @cached_property
    def size(self) -> FloatArray:
        """Weight of every group, shape (H,)."""
        if self.weight is None:
            return self.n
        inside = self.group >= 0
        return np.asarray(np.bincount(self.group[inside], self.weight[inside], minlength=len(self.starts) + 1))

    @cached_property
    def order(self) -> IntArray:
        """Units that belong to a group, in the order of their clusters."""
        inside = np.flatnonzero(self.group >= 0)
        return inside[np.argsort(self.cluster[inside], kind="stable")]

    def means(self) -> FloatArray:
        """Mean of every group in every period less that in the first, shape (H, T); from moments."""
        assert self.moments is not None
        high, low = self.moments.mean, self.moments.rest
        return np.asarray((high - high[:, :1]) + (low - low[:, :1]))


def units_of(panel: Panel, untreated: int = UNTREATED, always: bool = False) -> Units:
    """A panel by groups, with the panel's moments where it is complete.

    Parameters
    ----------
    panel : Panel
    untreated : int
        Code in `start` of the units that serve as untreated: the last cohort where no unit is never treated.
    always : bool
        Whether units treated throughout belong to it, as a first cohort that starts in column 0; default left out.
    """
    start = panel.start
    if untreated != UNTREATED:
        start = np.where(start == untreated, UNTREATED, start)
    throughout = always and bool((start == ALWAYS).any())
    if throughout:
        start = np.where(start == ALWAYS, 0, start)
    starts, group = groups_of(start)
    weight = None if panel.weight is None else panel.weight / panel.weight.mean()
    codes = [int(c) for c in starts]
    moments = panel.moments
    if moments is not None:
        moments = moments.select(((ALWAYS, *codes[1:]) if throughout else tuple(codes)) + (untreated,))
    return Units(panel.y, group, starts, panel.cluster, weight, moments)


def pieces(units: IntArray, step: int | None = None) -> Iterator[IntArray]:
    """Stretches of `units`."""
    step = _ROWS if step is None else step
    for low in range(0, len(units), step):
        yield units[low : low + step]


def centred(y: FloatArray, used: BoolArray, basis: BoolArray) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Outcomes less each unit's mean over its basis, where used and present; 0 elsewhere.

    Parameters
    ----------
    y : ndarray, shape (r, T)
    used, basis : ndarray of bool, shape (T,) or (r, T)

    Returns
    -------
    out : ndarray, shape (r, T)
    seen : ndarray of bool, shape (r, T)
        Nothing of a unit whose basis is empty.
    share : ndarray, shape (r, T)
        Weight of every period in the unit's mean.
    """
    present = np.isfinite(y)
    of_basis = present & basis
    count = of_basis.sum(axis=1, keepdims=True)
    seen = present & used & (count > 0)
    share = of_basis / np.maximum(count, 1)
    out = np.where(present, y, 0.0)
    for _ in range(2):  # the second time takes off what rounding of a large level left
        out = out - np.einsum("rt,rt->r", out, share)[:, None]
        out[~present] = 0.0
    return np.where(seen, out, 0.0), seen, share


@dataclass(frozen=True)
class Normal:
    """Normal equations of every group.

    Attributes
    ----------
    used, basis : ndarray of bool, shape (H, T)
        Periods used, and those that measure a unit's level.
    product : ndarray, shape (H, T, T)
        P_h above.
    total : ndarray, shape (H, T)
        q_h above.
    size, count : ndarray, shape (H, T)
        Weight and number of the units seen in every period.
    units, clusters : int
        Units, and their clusters, that are seen at all.
    """

    used: BoolArray
    basis: BoolArray
    product: FloatArray
    total: FloatArray
    size: FloatArray
    count: FloatArray
    units: int
    clusters: int


def normal(units: Units, used: BoolArray, basis: BoolArray) -> Normal:
    """Normal equations of the cells `used`, levels measured over `basis`; from moments where there are any."""
    used = used & basis.any(axis=1, keepdims=True)
    return _from_moments(units, used, basis) if units.moments is not None else _from_units(units, used, basis)


def _from_moments(units: Units, used: BoolArray, basis: BoolArray) -> Normal:
    n, mean = units.n, units.means()
    count = used * n[:, None]
    share = basis / np.maximum(basis.sum(axis=1, keepdims=True), 1)
    size = used * units.size[:, None]
    product = size[:, :, None] * (np.eye(used.shape[1]) - share[:, None, :])
    total = size * (mean - (mean * share).sum(axis=1, keepdims=True))
    some = used.any(axis=1)
    seen = np.append(some, False)[units.group]
    clusters = int(n[some].sum()) if units.moments and units.moments.cells is None else _count(units.cluster[seen])
    return Normal(used, basis, product, total, size, count, int(n[some].sum()), clusters)


def _from_units(units: Units, used: BoolArray, basis: BoolArray) -> Normal:
    n_groups, width = used.shape
    product = np.zeros((n_groups, width, width))
    total, size, count = np.zeros((3, n_groups, width))
    live = np.zeros(len(units.y), dtype=bool)
    for h in range(n_groups):
        for at in pieces(np.flatnonzero(units.group == h)):
            change, seen, share = centred(units.y[at], used[h], basis[h])
            w = seen.astype(float) if units.weight is None else seen * units.weight[at, None]
            size[h] += w.sum(axis=0)
            count[h] += seen.sum(axis=0)
            product[h] -= w.T @ share
            total[h] += change.sum(axis=0) if units.weight is None else units.weight[at] @ change
            live[at] = seen.any(axis=1)
        product[h][np.diag_indices(width)] += size[h]
    return Normal(used, basis, product, total, size, count, int(live.sum()), _count(units.cluster[live]))


def _count(cluster: IntArray) -> int:
    return int(np.count_nonzero(np.bincount(cluster))) if len(cluster) else 0


def inverse(matrix: FloatArray) -> FloatArray:
    """Generalised inverse of a symmetric matrix: periods that nothing links are told apart by none of it."""
    if not matrix.size:
        return matrix
    return np.asarray(np.linalg.pinv((matrix + matrix.T) / 2, rcond=_RANK, hermitian=True), dtype=float)


def rank(matrix: FloatArray) -> int:
    """Rank of a symmetric matrix, by the same threshold."""
    if not matrix.size:
        return 0
    size = np.abs(np.linalg.eigvalsh((matrix + matrix.T) / 2))
    return int((size > _RANK * size.max()).sum())
