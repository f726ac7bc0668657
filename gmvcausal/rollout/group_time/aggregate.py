"""Aggregates of ATT(g, t): rows J over the cells and the cohort shares, so that shares carry their own uncertainty.

An aggregate weighted by cohort size is sum_k p_g(k) ATT_k / sum_k p_g(k). Its row holds the weights on the cells and,
by the delta method, the derivative with respect to each share p_g.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments
from gmvcausal.rollout.group_time.cells import Cells

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NUMBERS = 4_000_000  # of one piece of the counts of clusters


class Grouped(Protocol):
    """Effects that know the group of every unit."""

    @property
    def n(self) -> FloatArray:
        """Units per group."""

    @property
    def group(self) -> IntArray:
        """Each unit's group, negative where left out."""


class Effects(Grouped, Protocol):
    """Effects by cohort and period, whatever made them."""

    @property
    def cells(self) -> Cells:
        """Which cohorts and periods they are of."""

    @property
    def att(self) -> FloatArray:
        """Effect of every cell, shape (K,)."""

    @property
    def shares(self) -> FloatArray:
        """Share of every cohort, shape (G,)."""

    @property
    def cell_units(self) -> FloatArray:
        """Treated units behind every cell, shape (K,)."""


@dataclass(frozen=True)
class Aggregates:
    """Aggregated effects.

    Attributes
    ----------
    at : ndarray, shape (a,)
        What each row stands for: event time, cohort, period (or 0).
    estimate : ndarray, shape (a,)
    rows : ndarray, shape (a, K + G)
        Loadings on cells and shares, for covariance and influence.
    n_cells : int
        K.
    """

    at: IntArray
    estimate: FloatArray
    rows: FloatArray
    n_cells: int

    @property
    def cells(self) -> list[IntArray]:
        """The cells behind each row."""
        return [np.flatnonzero(row) for row in self.rows[:, : self.n_cells]]


Part = tuple[float, FloatArray]


def size_weighted(effects: Effects, inside: NDArray[np.bool_], seen: FloatArray | None = None) -> Part:
    """Cohort-size weighted mean of the cells `inside`: estimate and row.

    With `seen`, shape (K,), the share of its cohort that each cell holds counts too, as known.
    """
    k, shares, at = len(effects.att), effects.shares, np.flatnonzero(inside)
    att, cohort = effects.att[at], effects.cells.cohort[at]
    part = np.ones(len(at)) if seen is None else seen[at]
    weight = part * shares[cohort]
    total = weight.sum()
    estimate = float(weight @ att / total)
    row = np.zeros(k + len(shares))
    row[at] = weight / total
    row[k:] = np.bincount(cohort, part * (att - estimate) / total, minlength=len(shares))
    return estimate, row


def _by(effects: Effects, key: IntArray, inside: NDArray[np.bool_]) -> Aggregates:
    values = np.unique(key[inside])
    parts = [size_weighted(effects, inside & (key == v)) for v in values]
    return _collect(values, parts, effects)


def _collect(at: IntArray, parts: list[Part], effects: Effects) -> Aggregates:
    k, g = len(effects.att), len(effects.shares)
    return Aggregates(
        at, np.array([p[0] for p in parts]), np.array([p[1] for p in parts]).reshape(len(parts), k + g), k
    )


def post(effects: Effects) -> NDArray[np.bool_]:
    """Cells at or after treatment."""
    return effects.cells.post


def simple(effects: Effects) -> Aggregates:
    """All post cells, weighted by cohort size."""
    return _collect(np.array([0]), [size_weighted(effects, post(effects))], effects)


def by_units_seen(effects: Effects, inside: NDArray[np.bool_]) -> Aggregates | None:
    """The cells `inside`, weighted by the units seen in each; None where cohort sizes say as much: none is absent."""
    seen = effects.cell_units / effects.n[effects.cells.cohort]
    if (seen[inside] == seen[inside][:1]).all():
        return None
    return _collect(np.array([0]), [size_weighted(effects, inside, seen)], effects)


def by_event(effects: Effects, inside: NDArray[np.bool_] | None = None) -> Aggregates:
    """One row per event time, of the treated or of the cells `inside`."""
    return _by(effects, effects.cells.event, effects.cells.own if inside is None else inside)


def spilled(effects: Effects) -> tuple[Aggregates, Aggregates]:
    """Effects of others' treatment on units without their own: all in one row, and one row per event time."""
    spill = ~effects.cells.own
    overall = _collect(np.array([0]), [size_weighted(effects, spill & (effects.cells.event >= 0))], effects)
    return overall, _by(effects, effects.cells.event, spill)


def by_period(effects: Effects) -> Aggregates:
    """One row per period (column of the grid), post cells."""
    return _by(effects, effects.cells.period, post(effects))


def by_cohort(effects: Effects) -> Aggregates:
    """One row per cohort: the plain mean over its post cells."""
    return _by(effects, effects.cells.cohort, post(effects))


def mean_of(parts: Aggregates, keep: NDArray[np.bool_] | None = None) -> Aggregates:
    """Plain mean over rows (event times, periods)."""
    use = np.ones(len(parts.at), dtype=bool) if keep is None else keep
    rows = parts.rows[use].mean(axis=0)[None, :]
    return Aggregates(np.array([0]), np.array([parts.estimate[use].mean()]), rows, parts.n_cells)


def mean_of_cohorts(parts: Aggregates, effects: Effects) -> Aggregates:
    """Mean over cohorts weighted by their size, with the shares' uncertainty."""
    k = len(effects.att)
    share = effects.shares[parts.at]
    total = share.sum()
    estimate = float(share @ parts.estimate / total)
    row = (share / total) @ parts.rows
    row[k + parts.at] += (parts.estimate - estimate) / total
    return Aggregates(np.array([0]), np.array([estimate]), row[None, :], k)


def most_units(live: NDArray[Any], cohort: IntArray, count: FloatArray, n_cohorts: int) -> FloatArray:
    """Most units that any cell of a cohort brings to each row of `live` (a x K), shape (a, G)."""
    out = np.zeros((len(live), n_cohorts))
    row, cell = np.nonzero(live)
    np.maximum.at(out, (row, cohort[cell]), count[cell])
    return out


def cluster_counts(
    groups: NDArray[np.bool_], effects: Grouped, cluster: IntArray, moments: Moments | None = None
) -> IntArray:
    """Number of distinct clusters among the units of the groups marked in each row, shape (a,).

    Where there are `moments` of the groups, they know whether units are clusters of their own.
    """
    n_groups, group = groups.shape[1], effects.group
    if (int(cluster.max()) + 1 == len(cluster)) if moments is None else moments.cells is None:
        return np.asarray(groups @ effects.n[:n_groups], dtype=np.int64)
    inside = (group >= 0) & (group < n_groups)
    holds = np.zeros((n_groups, int(cluster.max()) + 1), dtype=bool)
    holds[group[inside], cluster[inside]] = True
    marks = holds.astype(np.float32)
    step = max(1, _NUMBERS // marks.shape[1])
    return np.concatenate(
        [
            np.count_nonzero(groups[low : low + step].astype(np.float32) @ marks, axis=1)
            for low in range(0, len(groups), step)
        ]
        or [np.zeros(0, dtype=np.int64)]
    )
