"""Group-time effects given covariates: the general path of the units, with other weights on their changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.group_time.adjusted import Blend, Means, blend, influence, means
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.intake.covariates import Covariates

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NUMBERS = 250_000  # of one piece: units x sums; what fits beside the processor is several times faster


@dataclass(frozen=True)
class Block:
    """The comparisons of one cohort with one set of controls among the same units.

    Attributes
    ----------
    at : ndarray, shape (k,)
        Positions among the cells.
    blend : Blend
    means : Means
    """

    at: IntArray
    blend: Blend
    means: Means


@dataclass(frozen=True)
class FromCovariates(FromUnits):
    """Group-time effects given covariates (Sant'Anna and Zhao 2020; Callaway and Sant'Anna 2021).

    Attributes
    ----------
    covariates : Covariates
    adjustment : {"doubly_robust", "regression", "ipw"}
    label : tuple of str
        Each cohort in words, for messages.
    known : dict
        Blends already fitted: another base period needs no new fit where the units are the same.
    """

    covariates: Covariates
    adjustment: str
    label: tuple[str, ...]
    known: dict[tuple[object, ...], Blend] = field(default_factory=dict, compare=False)

    @cached_property
    def _clean(self) -> FloatArray:
        """Outcomes less each unit's own mean, zero where absent, shape (N, T): the level would cost digits."""
        seen = np.isfinite(self.y)
        mean = np.where(seen, self.y, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        return np.where(seen, self.y - mean[:, None], 0.0)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Comparisons that share a fit."""
        cells, whole = self.cells, bool(np.isfinite(self.y).all()) and not self.covariates.moving
        found: dict[tuple[object, ...], list[int]] = {}
        masks: dict[tuple[object, ...], NDArray[np.bool_]] = {}
        for k in range(len(cells.cohort)):
            base = int(cells.base[k])
            key: tuple[object, ...] = (int(cells.cohort[k]), cells.controls[k].tobytes())
            if not whole:
                seen = np.isfinite(self.y[:, base]) & np.isfinite(self.y[:, cells.period[k]])
                seen &= np.isfinite(self.covariates.at(base)).all(axis=1)
                key = (*key, base if self.covariates.moving else -1, seen.tobytes())
                masks[key] = seen
            found.setdefault(key, []).append(k)
        return tuple(
            block for key, at in found.items() if (block := self._block(key, np.array(at), masks.get(key))) is not None
        )

    def _block(self, key: tuple[object, ...], at: IntArray, seen: NDArray[np.bool_] | None) -> Block | None:
        cells, k = self.cells, at[0]
        made = self.known.get(key)
        if made is None:
            inside = (self.group == cells.cohort[k]) | np.append(cells.controls[k], False)[self.group]
            if seen is not None:
                inside &= seen
            units = np.flatnonzero(inside)
            treated = self.group[units] == cells.cohort[k]
            if not treated.any() or treated.all():
                return None
            x, who = self.covariates.at(int(cells.base[k]))[units], self.label[cells.cohort[k]]
            made = blend(units, treated, x, self.weight[units], self.adjustment, who)
            self.known[key] = made
        return Block(at, made, means(made, self._clean[made.units]))

    @cached_property
    def _att(self) -> FloatArray:
        out = np.full(len(self.cells.cohort), np.nan)
        for block in self.blocks:
            effect = block.means.effect
            out[block.at] = effect[self.cells.period[block.at]] - effect[self.cells.base[block.at]]
        return out

    @property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,); NaN where one side has no unit."""
        return self._att

    @property
    def trimmed(self) -> int:
        """Control units whose propensity lies beyond the trimming bound, the most of any comparison."""
        return max((block.blend.trimmed for block in self.blocks), default=0)

    def _loaded(self, rows: FloatArray) -> NDArray[np.bool_]:
        """Which groups have influence on the aggregates."""
        cells, k = self.cells, len(self.cells.cohort)
        used = np.flatnonzero((rows[:, :k] != 0).any(axis=0))
        out = np.zeros(len(self.n), dtype=bool)
        out[cells.cohort[used]] = True
        out |= cells.controls[used].any(axis=0) | (self._of_shares(rows) != 0).any(axis=0)
        return out

    def _scores(self, rows: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Influence on every aggregate, shape (a, units), of a piece of the units at a time, in order of clusters."""
        cells, shares, width = self.cells, self._of_shares(rows), self.y.shape[1]
        loads = []
        for block in self.blocks:
            load, part = np.zeros((len(rows), width)), rows[:, block.at]
            for column, at in enumerate(block.at):
                load[:, cells.period[at]] += part[:, column]
                load[:, cells.base[at]] -= part[:, column]
            some = np.flatnonzero((load != 0).any(axis=1))
            if len(some):
                loads.append((block, some, load[some]))
        order = self._order[self._loaded(rows)[self.group[self._order]]]
        step = max(1, _NUMBERS // max(len(rows), width))
        for low in range(0, len(order), step):
            units = order[low : low + step]
            # Units first: adding up some of them in place is many times faster along rows than along columns.
            scores = shares.T[self.group[units]] * self.weight[units][:, None]
            y = self._clean[units]
            for block, some, load in loads:
                mine = block.blend.units
                place = np.minimum(np.searchsorted(mine, units), len(mine) - 1)
                here = np.flatnonzero(mine[place] == units)
                if len(here):
                    found = influence(block.blend, block.means, place[here], y[here] @ load.T, load)
                    if some[-1] - some[0] + 1 == len(some):
                        scores[here, some[0] : some[-1] + 1] += found
                    else:
                        scores[np.ix_(here, some)] += found
            yield scores.T, units
