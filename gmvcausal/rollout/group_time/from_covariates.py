"""Group-time effects given covariates: the general path of the units, with other weights on their changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.group_time.adjusted import Blend, Means, blend, by_period, means
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.intake.covariates import Covariates
from gmvcausal.stats.small_sample import Spread, trust_of_shares, welch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NUMBERS = 250_000  # of one piece: units x sums; what fits beside the processor is several times faster
_PRODUCTS = 4_000_000  # of influences by period, over all groups; beyond that sums of them are formed unit by unit


Key = tuple[object, ...]


@dataclass(frozen=True)
class Block:
    """The comparisons of one cohort with one set of controls among the same units.

    Attributes
    ----------
    key : tuple
        What tells it from others.
    at : ndarray, shape (k,)
        Positions among the cells.
    blend : Blend
    means : Means
    """

    key: Key
    at: IntArray
    blend: Blend
    means: Means


@dataclass
class Known:
    """What does not depend on the base period, made once.

    Attributes
    ----------
    fits : dict
        Of every comparison.
    products : dict
        Of every group and list of comparisons.
    clean : ndarray, shape (N, T), or None
        Outcomes less each unit's own mean, zero where absent: the level would cost digits.
    """

    fits: dict[Key, tuple[Blend, Means]] = field(default_factory=dict)
    products: dict[Key, FloatArray] = field(default_factory=dict)
    clean: FloatArray | None = None


@dataclass(frozen=True)
class FromCovariates(FromUnits):
    """Group-time effects given covariates (Sant'Anna and Zhao 2020; Callaway and Sant'Anna 2021).

    Attributes
    ----------
    covariates : Covariates
    adjustment : {"doubly_robust", "regression", "ipw"}
    label : tuple of str
        Each cohort in words, for messages.
    known : Known
    """

    covariates: Covariates
    adjustment: str
    label: tuple[str, ...]
    known: Known = field(default_factory=Known, compare=False)

    @property
    def _clean(self) -> FloatArray:
        if self.known.clean is None:
            self.known.clean = np.nan_to_num(self._centred(self.y), copy=False)
        return self.known.clean

    @cached_property
    def _whole(self) -> bool:
        """Whether all units enter every comparison of their group with the same covariates."""
        return self.complete and not self.covariates.moving

    @property
    def whole(self) -> bool:
        """Whether all units of a group enter every comparison of it."""
        return self._whole

    def _met(self, k: int) -> tuple[NDArray[np.bool_], ...]:
        given = np.isfinite(self.covariates.at(int(self.cells.base[k]))).all(axis=1)
        return tuple(who & given for who in super()._met(k))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Comparisons that share a fit."""
        cells, found = self.cells, dict[Key, list[int]]()
        masks: dict[Key, NDArray[np.bool_]] = {}
        for k in range(len(cells.cohort)):
            base = int(cells.base[k])
            key: Key = (int(cells.cohort[k]), cells.controls[k].tobytes())
            if not self._whole:
                seen = np.isfinite(self.y[:, base]) & np.isfinite(self.y[:, cells.period[k]])
                seen &= np.isfinite(self.covariates.at(base)).all(axis=1)
                key = (*key, base if self.covariates.moving else -1, seen.tobytes())
                masks[key] = seen
            found.setdefault(key, []).append(k)
        return tuple(
            block for key, at in found.items() if (block := self._block(key, np.array(at), masks.get(key))) is not None
        )

    def _block(self, key: Key, at: IntArray, seen: NDArray[np.bool_] | None) -> Block | None:
        cells, k = self.cells, at[0]
        if key not in self.known.fits:
            inside = (self.group == cells.cohort[k]) | np.append(cells.controls[k], False)[self.group]
            if seen is not None:
                inside &= seen
            units = np.flatnonzero(inside)
            treated = self.group[units] == cells.cohort[k]
            if not treated.any() or treated.all():
                return None
            x, who = self.covariates.at(int(cells.base[k]))[units], self.label[cells.cohort[k]]
            made = blend(units, treated, x, self.weight[units], self.adjustment, who)
            self.known.fits[key] = (made, means(made, self._clean[units]))
        return Block(key, at, *self.known.fits[key])

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

    def _period_loads(self, rows: FloatArray) -> list[FloatArray]:
        """What the aggregates take of the periods of every block, shape (a, T) each; their rows add up to 0."""
        cells, out = self.cells, []
        for block in self.blocks:
            load, part = np.zeros((len(rows), self.y.shape[1])), rows[:, block.at]
            for column, at in enumerate(block.at):
                load[:, cells.period[at]] += part[:, column]
                load[:, cells.base[at]] -= part[:, column]
            out.append(load)
        return out

    def _scores(self, rows: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Influence on every aggregate, shape (a, units), of a piece of the units at a time, in order of clusters."""
        shares, width = self._of_shares(rows), self.y.shape[1]
        loads = []
        for block, load in zip(self.blocks, self._period_loads(rows), strict=True):
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
                    found = by_period(block.blend, block.means, place[here], y[here]) @ load.T
                    if some[-1] - some[0] + 1 == len(some):
                        scores[here, some[0] : some[-1] + 1] += found
                    else:
                        scores[np.ix_(here, some)] += found
            yield scores.T, units

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """As of `FromUnits`; from products of the influences by period where units are clusters and all are seen."""
        if not self._by_products:
            return super().uncertainty(rows)
        loads, shares = self._period_loads(rows), self._of_shares(rows)
        out, variance = np.zeros((len(rows), len(rows))), np.zeros(shares.shape)
        live = self._loaded(rows)
        for h in np.flatnonzero(live):
            own = np.column_stack([*(loads[j] for j in self._of_group[h]), shares[:, h]])
            part = own @ self._products(int(h))
            out += part @ own.T
            variance[:, h] = np.einsum("at,at->a", part, own)
        powers = self._powers * live
        by_size = (powers[2:] / np.where(powers[1] > 0, powers[1], 1.0) ** np.arange(2, 6)[:, None]).T
        return out, welch(variance, trust_of_shares(by_size, powers[0], len(live) - 1))

    def variances(self) -> FloatArray:
        """Variance of every cell without their joint covariance, shape (K,)."""
        if not self._by_products:
            return super().variances()
        out = np.zeros(len(self.cells.cohort))
        for j, block in enumerate(self.blocks):
            t, b = self.cells.period[block.at], self.cells.base[block.at]
            for h in np.flatnonzero([j in own for own in self._of_group]):
                k = self._of_group[h].index(j) * self.y.shape[1]
                product = self._products(int(h))
                out[block.at] += product[k + t, k + t] + product[k + b, k + b] - 2 * product[k + t, k + b]
        return out

    @cached_property
    def _of_group(self) -> list[list[int]]:
        """The blocks in which every group takes part, as the cohort or among its controls."""
        cells, of = self.cells, [block.at[0] for block in self.blocks]
        return [
            [j for j, k in enumerate(of) if cells.cohort[k] == h or cells.controls[k, h]] for h in range(len(self.n))
        ]

    @cached_property
    def _by_products(self) -> bool:
        numbers = sum((len(own) * self.y.shape[1] + 1) ** 2 for own in self._of_group) if self._whole else 0
        alone = self.kin is None and int(self.cluster.max()) + 1 == len(self.cluster)
        return self._whole and alone and numbers <= _PRODUCTS

    @cached_property
    def _size(self) -> FloatArray:
        """What every unit weighs: in its cohort its weight, as a control what the comparisons make of it.

        A few controls that look like the treated may carry a comparison with hundreds; its degrees of freedom are those
        of the weights (Bell and McCaffrey 2002).
        """
        out = np.zeros(len(self.group))
        of_cohort = np.unique([self.cells.cohort[block.at[0]] for block in self.blocks])
        own = np.isin(self.group, of_cohort)
        out[own] = self.weight[own]
        for block in self.blocks:
            units, treated = block.blend.units, block.blend.treated
            out[units] += self.weight[units[treated]].sum() * np.abs(block.blend.beside)
        return out

    @cached_property
    def _powers(self) -> FloatArray:
        """Sums over every group of its units' sizes to the power of 0 to 5, shape (6, H)."""
        return np.array([[float((self._size[units] ** k).sum()) for units in self._members] for k in range(6)])

    def _products(self, h: int) -> FloatArray:
        """Sum over a group of v v', v a unit's influences by block and period and, last, its weight."""
        mine, width = [self.blocks[j] for j in self._of_group[h]], self.y.shape[1]
        key: Key = (h, *(block.key for block in mine))
        if key not in self.known.products:
            members, size = self._members[h], len(mine) * width + 1
            places = [np.flatnonzero(self.group[block.blend.units] == h) for block in mine]
            out, step = np.zeros((size, size)), max(1, _NUMBERS // size)
            for low in range(0, len(members), step):
                units = members[low : low + step]
                y, v = self._clean[units], np.empty((len(units), size))
                for j, (block, place) in enumerate(zip(mine, places, strict=True)):
                    at = place[low : low + step]
                    v[:, j * width : (j + 1) * width] = by_period(block.blend, block.means, at, y)
                v[:, -1] = self.weight[units]
                out += v.T @ v
            self.known.products[key] = out
        return self.known.products[key]
