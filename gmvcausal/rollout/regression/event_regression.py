"""Leads and lags by regression with row and block-by-column effects, for panels of any size.

There is one dummy per event time, each as large as the panel. But a row's dummies, less the effects, depend only on its
block, its start and which of its cells are present; so rows that agree in these form one group, and the dummies are
residualised once per group. What the rows themselves give is their residual outcome times the group's small
(event times x columns) matrix. Where nearly every row has gaps of its own, each is its own group, in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.regression.within import correction, independent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_ROWS = 16_384
_NUMBERS = 4_000_000  # of one piece of residual dummies


@dataclass(frozen=True)
class EventFit:
    """Coefficients of the event times that can be told apart.

    Attributes
    ----------
    kept : ndarray of bool, shape (all event times,)
    beta : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        Cluster robust, with the small-sample factor.
    n_clusters : int
    """

    kept: BoolArray
    beta: FloatArray
    cov: FloatArray
    n_clusters: int


@dataclass(frozen=True)
class Groups:
    """Rows that share their dummies and their gaps.

    Attributes
    ----------
    of_row : ndarray, shape (R,)
        Group of each row.
    block, start : ndarray, shape (G,)
        `start` is the column at event time 0; negative where a group has no dummies.
    present : ndarray of bool, shape (G, T)
    """

    of_row: IntArray
    block: IntArray
    start: IntArray
    present: BoolArray

    @cached_property
    def count(self) -> FloatArray:
        """Cells present in each row of a group; 1 where there are none, to divide by."""
        return np.asarray(np.maximum(self.present.sum(axis=1), 1.0))

    @cached_property
    def single(self) -> bool:
        """Whether every row is a group of its own, in the order of the rows."""
        return len(self.start) == len(self.of_row)

    def events(self, position: IntArray) -> tuple[IntArray, BoolArray]:
        """Event time of every cell, shape (G, T), and where it has a dummy or is the base."""
        treated = self.start >= 0
        return position[None, :] - position[np.maximum(self.start, 0)][:, None], self.present & treated[:, None]


def group_rows(present: BoolArray, start: IntArray, block: IntArray) -> Groups:
    """Find the rows that share block, start and gaps; each row by itself where hardly any do."""
    rng = np.random.default_rng(0)
    marks = rng.integers(1, 2**62, present.shape[1])
    key = start * 1_000_003 + block * 998_244_353  # wraps around, as does the sum of marks: a hash, checked below
    key = key + (marks.sum() if present.all() else present @ marks)
    _, first, of_row = np.unique(key, return_index=True, return_inverse=True)
    found = Groups(of_row, block[first], start[first], present[first])
    same = (found.block[of_row] == block) & (found.start[of_row] == start)
    if len(first) > len(key) // 8 or not same.all() or not (found.present[of_row] == present).all():
        return Groups(np.arange(len(key)), block, start, present)
    return found


def event_times(groups: Groups, position: IntArray) -> tuple[IntArray, int]:
    """Event times that need a dummy, nearest to the start first, and the base.

    The base is one step before the start; where that period is missing for everyone, the nearest event time that is
    there. Where two leads are collinear with the effects, the farther one goes.
    """
    event, inside = groups.events(position)
    own = np.unique(groups.start[groups.start > 0])
    base = int((position[own - 1] - position[own]).max()) if len(own) else -1
    times = np.unique(event[inside])
    times = times[times != base]
    return times[np.argsort(np.abs(times + 0.5), kind="stable")], base


def event_fit(
    y: FloatArray, groups: Groups, times: IntArray, position: IntArray, cluster: IntArray, weight: FloatArray | None,
    ssc: str,
) -> EventFit:  # fmt: skip
    """Least squares of `y` on one dummy per event time in `times`, with row and block-by-column effects, clustered.

    Parameters
    ----------
    y : ndarray, shape (R, T)
        NaN where absent.
    groups : Groups
    times : ndarray, shape (k,)
        Where two are collinear with the effects, the later one in this list goes.
    position : ndarray, shape (T,)
        Steps of the columns; event time is a difference of these.
    cluster : ndarray of int, shape (R,)
    weight : ndarray, shape (R,), or None
    ssc : str

    Raises
    ------
    DesignError
        If no event time can be told from the effects.
    """
    w = np.ones(len(y)) if weight is None else weight
    size = np.asarray(np.bincount(groups.of_row, w, minlength=len(groups.start)), dtype=float)
    order = np.arange(len(y)) if groups.single else np.argsort(groups.of_row, kind="stable")
    sums = _group_sums(y, w, groups, order)
    dummies = _Dummies(groups, times, position)
    columns = _column_effects(groups, size, dummies, sums)
    k = len(times)
    gram, right, scale = np.zeros((k, k)), np.zeros(k), np.zeros(k)
    for at in dummies.pieces():
        raw = dummies.raw(at)
        x = _residual(raw, groups, at, columns[:, :k])
        flat = x.transpose(1, 0, 2).reshape(k, -1)
        heavy = np.repeat(size[at], x.shape[2])
        gram += (flat * heavy) @ flat.T
        centred = (sums[at] - size[at, None] * columns[groups.block[at], k]) * groups.present[at]
        right += flat @ centred.reshape(-1)
        scale += (raw * size[at, None, None]).sum(axis=(0, 2))
    kept = independent(gram, scale)
    inverse = np.linalg.inv(gram[np.ix_(kept, kept)])
    beta = np.linalg.solve(gram[np.ix_(kept, kept)], right[kept])
    seen = groups.present[groups.of_row]
    scores = _Scores(cluster, np.asarray(seen.any(axis=1)), len(beta))
    for rows, at in _row_pieces(groups, order, dummies):
        x = _residual(dummies.raw(at), groups, at, columns[:, :k])[:, kept]
        error = np.where(groups.present[at], y[rows] - columns[groups.block[at], k], 0.0)
        error -= groups.present[at] * (error.sum(axis=1) / groups.count[at])[:, None]
        error -= np.einsum("gkt,k->gt", x, beta)
        by_row = error @ x[0].T if len(at) == 1 else np.einsum("rt,rkt->rk", error, x)
        scores.add(cluster[rows], by_row * w[rows, None])
    factor = correction(ssc, seen, groups.block[groups.of_row], len(beta), scores.clusters)
    cov = factor * inverse @ scores.products() @ inverse
    return EventFit(kept, np.asarray(beta, dtype=float), np.asarray(cov, dtype=float), scores.clusters)


def _group_sums(y: FloatArray, w: FloatArray, groups: Groups, order: IntArray) -> FloatArray:
    """Weighted sums over each group's rows of the outcome less the row's mean, shape (G, T)."""
    out = np.zeros(groups.present.shape)
    for low in range(0, len(order), _ROWS):
        rows = order[low : low + _ROWS]
        group = groups.of_row[rows]
        present = groups.present[group]
        clean = np.where(present, y[rows], 0.0)
        clean -= present * (clean.sum(axis=1) / groups.count[group])[:, None]
        clean *= w[rows, None]
        if groups.single:
            out[rows] = clean
        else:  # sorted by group, so that each group is one stretch
            edges = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
            out[group[edges]] += np.add.reduceat(clean, edges)
    return out


class _Dummies:
    """The dummies of the groups, made piece by piece."""

    def __init__(self, groups: Groups, times: IntArray, position: IntArray) -> None:
        event, inside = groups.events(position)
        place = np.full(int(event.max() - event.min()) + 1, -1, dtype=np.int64)
        low = int(event.min())
        place[times - low] = np.arange(len(times))
        self.which = np.where(inside, place[event - low], -1)
        self.k = len(times)

    def pieces(self) -> Iterator[IntArray]:
        """Stretches of groups whose dummies fit into `_NUMBERS`."""
        step = max(1, _NUMBERS // (self.k * self.which.shape[1]))
        for low in range(0, len(self.which), step):
            yield np.arange(low, min(low + step, len(self.which)))

    def raw(self, at: IntArray) -> FloatArray:
        """0/1, shape (groups of the piece, k, T)."""
        return np.asarray(self.which[at][:, None, :] == np.arange(self.k)[:, None], dtype=float)


def _column_effects(groups: Groups, size: FloatArray, dummies: _Dummies, sums: FloatArray) -> FloatArray:
    """Column effects of every dummy and, last, of the outcome: shape (blocks, k + 1, T); as in `within.take_out`."""
    k, blocks, width = dummies.k, int(groups.block.max()) + 1, groups.present.shape[1]
    right = np.zeros((blocks, k + 1, width))
    weight = size[:, None] * groups.present
    for at in dummies.pieces():
        raw = dummies.raw(at)
        raw -= (raw.sum(axis=2) / groups.count[at, None])[:, :, None]
        raw *= weight[at, None, :]
        for b in np.unique(groups.block[at]):
            right[b, :k] += raw[groups.block[at] == b].sum(axis=0)
    out = np.zeros_like(right)
    for b in range(blocks):
        inside = groups.block == b
        right[b, k] = sums[inside].sum(axis=0)
        w = weight[inside]
        total = w.sum(axis=0)
        live = total > 0
        # The row effects eliminated, what is left is a Schur complement in the column effects.
        schur = (np.diag(total) - w.T @ (groups.present[inside] / groups.count[inside, None]))[np.ix_(live, live)]
        out[b][:, live] = np.linalg.lstsq(schur, right[b][:, live].T, rcond=1e-12)[0].T
    return out


def _residual(raw: FloatArray, groups: Groups, at: IntArray, columns: FloatArray) -> FloatArray:
    """Dummies less both effects, shape (groups, k, T); 0 where the cell is absent."""
    x = raw - columns[groups.block[at]]
    x *= groups.present[at][:, None, :]
    x -= (x.sum(axis=2) / groups.count[at, None])[:, :, None] * groups.present[at][:, None, :]
    return x


def _row_pieces(groups: Groups, order: IntArray, dummies: _Dummies) -> Iterator[tuple[IntArray, IntArray]]:
    """Rows with their groups: one group at a time, or, where every row is one, a stretch of rows."""
    if groups.single:
        for at in dummies.pieces():
            yield at, at
        return
    ends = np.cumsum(np.bincount(groups.of_row, minlength=len(groups.start)))
    for g, (low, high) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        for start in range(low, high, _ROWS):
            yield order[start : min(start + _ROWS, high)], np.array([g])


class _Scores:
    """Sum over clusters of the outer products of their scores; nothing is held where each row is a cluster."""

    def __init__(self, cluster: IntArray, seen: BoolArray, k: int) -> None:
        rows = np.bincount(cluster[seen], minlength=int(cluster.max()) + 1)
        self.clusters = int(np.count_nonzero(rows))
        self._held = None if int(rows.max()) == 1 else np.zeros((len(rows), k))
        self._total = np.zeros((k, k))

    def add(self, cluster: IntArray, by_row: FloatArray) -> None:
        """Take in the scores of some rows, shape (rows, k)."""
        if self._held is None:
            self._total += by_row.T @ by_row
            return
        order = np.argsort(cluster, kind="stable")
        code = cluster[order]
        edges = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
        self._held[code[edges]] += np.add.reduceat(by_row[order], edges)

    def products(self) -> FloatArray:
        """Shape (k, k)."""
        return self._total if self._held is None else np.asarray(self._held.T @ self._held)
