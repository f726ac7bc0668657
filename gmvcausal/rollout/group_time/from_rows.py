"""Group-time effects of repeated cross-sections: means of different people, period by period.

Callaway and Sant'Anna (2021), section 3 and their package with ``panel = FALSE``. With m(h, t) the mean of the rows of
group h in period t, and that of a control group the mean of all its rows pooled,

    ATT(g, t) = m(g, t) - m(g, b) - (m(C, t) - m(C, b)).

A row of group h in period t has the influence  w (y - m) / W  on each mean that it is part of, W being the weight of
the rows behind that mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.chance.clustered import clustered_uncertainty
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NUMBERS = 2_000_000  # of one piece: rows x aggregates


@dataclass(frozen=True)
class FromRows(FromUnits):
    """Group-time effects where every unit is a row, seen once."""

    @cached_property
    def column(self) -> IntArray:
        """Period of every row, shape (N,)."""
        return np.asarray(np.isfinite(self.y).argmax(axis=1), dtype=np.int64)

    @cached_property
    def value(self) -> FloatArray:
        """Outcome of every row less the mean of all, shape (N,): the level would cost digits."""
        own = self.y[np.arange(len(self.y)), self.column]
        return np.asarray(own - own[self.group >= 0].mean())

    @cached_property
    def _sums(self) -> FloatArray:
        """Weight, weighted outcome and number of the rows of every group in every period, shape (3, H, T)."""
        groups, width = len(self.cells.starts) + 1, self.y.shape[1]
        used = self.group >= 0
        place = self.group[used] * width + self.column[used]
        w = self.weight[used]
        parts = [np.bincount(place, x, minlength=groups * width) for x in (w, w * self.value[used], np.ones(len(w)))]
        return np.array(parts, dtype=float).reshape(3, groups, width)

    @property
    def cell_units(self) -> FloatArray:
        """Treated rows in the period of every cell, shape (K,)."""
        return np.asarray(self._sums[2][self.cells.cohort, self.cells.period])

    @property
    def whole(self) -> bool:
        """Nobody is seen twice, so no cell has all rows of its groups."""
        return False

    def _met(self, k: int) -> tuple[BoolArray, ...]:
        """Rows of the period of a cell, and rows of its base: its means are of different people."""
        return self.column == self.cells.period[k], self.column == self.cells.base[k]

    def unreached(self, which: Callable[[Cells], BoolArray]) -> BoolArray:
        """Rows of cohorts that no comparison made reaches, and rows of others in periods not compared; shape (N,)."""
        made, asked = which(self.cells), which(self.listed)
        place = np.zeros((2, len(self.n) + 1, self.y.shape[1]), dtype=bool)  # the last group is of rows left out
        for side, cells, inside in ((0, self.listed, asked), (1, self.cells, made)):
            place[side, cells.cohort[inside], cells.period[inside]] = True
        lost = place[0] & ~place[1]
        lost[np.setdiff1d(self.listed.cohort[asked], self.cells.cohort[made])] = True
        return np.asarray(lost[self.group, self.column])

    @cached_property
    def _four(self) -> tuple[FloatArray, FloatArray]:
        """Weight and mean of the four sets of rows behind each cell, shape (2, 2, K): own and control, now and base."""
        cells, (weight, total, _) = self.cells, self._sums
        pool = cells.controls.astype(float)
        every = np.arange(len(cells.cohort))
        sides = []
        for x in (weight, total):
            controls = pool @ x
            sides.append([[x[cells.cohort, t], controls[every, t]] for t in (cells.period, cells.base)])
        size, sums = np.swapaxes(np.array(sides), 1, 2)
        return size, np.divide(sums, size, out=np.full_like(sums, np.nan), where=size > 0)

    @property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,); NaN where one of its four means has no row."""
        mean = self._four[1]
        return np.asarray(mean[0, 0] - mean[0, 1] - mean[1, 0] + mean[1, 1])

    def _slopes(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What an outcome of each group and period adds to the aggregates, and the constant, shape (a, H, T) each."""
        cells, (size, mean) = self.cells, self._four
        slope = np.zeros((len(rows), *self._sums.shape[1:]))
        constant = np.zeros_like(slope)
        for k in np.flatnonzero((rows[:, : len(cells.cohort)] != 0).any(axis=0)):
            beside = np.flatnonzero(cells.controls[k])
            for when, t, sign in ((0, cells.period[k], 1.0), (1, cells.base[k], -1.0)):
                own = sign * rows[:, k] / size[0, when, k]
                other = (-sign * rows[:, k] / size[1, when, k])[:, None]
                slope[:, cells.cohort[k], t] += own
                constant[:, cells.cohort[k], t] += own * mean[0, when, k]
                slope[:, beside, t] += other
                constant[:, beside, t] += other * mean[1, when, k]
        return slope, constant

    def _loaded(self, rows: FloatArray) -> BoolArray:
        """Which groups have influence on the aggregates."""
        slope, _ = self._slopes(rows)
        return np.asarray((slope != 0).any(axis=(0, 2)) | (self._of_shares(rows) != 0).any(axis=0))

    def _scores(self, rows: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Influence on every aggregate, shape (a, rows), of a piece of the rows at a time, in order of clusters."""
        slope, constant = self._slopes(rows)
        shares = self._of_shares(rows)
        loaded = (slope != 0).any(axis=(0, 2)) | (shares != 0).any(axis=0)
        order = self._order[loaded[self.group[self._order]]]
        step = max(1, _NUMBERS // max(1, len(rows)))
        for low in range(0, len(order), step):
            at = order[low : low + step]
            h, t = self.group[at], self.column[at]
            scores = slope[:, h, t] * self.value[at] - constant[:, h, t] + shares[:, h]
            yield scores * self.weight[at], at

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of ``rows @ [att, shares]``, clustered, and how intervals are made from it."""
        if int(self.cluster.max()) + 1 < len(self.cluster):
            return super().uncertainty(rows)
        # Where rows are independent, those of one group and period vary about a mean of their own.
        width, groups = self.y.shape[1], len(self.n)
        used = np.where(self.group >= 0, np.append(self._loaded(rows), False)[self.group], False)
        cell = np.where(used, self.group * width + self.column, -1)
        return clustered_uncertainty(self._by_cluster(rows), len(rows), cell, self.cluster, self.weight, groups * width)
