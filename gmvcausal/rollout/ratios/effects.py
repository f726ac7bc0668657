"""Effects by cohort and period from ratios: observed sums, what they would have been, and the scores of both.

Every number here is a function of three kinds of things: the sum O of the outcomes of a treated cell, the sum C of what
its units would have sold (each unit's untreated total times exp(eta) of the period over that of its untreated periods),
and the coefficients of a `RatioModel`. All are linear in the outcomes but for the coefficients, so a unit's score is

    w_i ( a (y_i - mean of the cell) + b (c_i - mean of the cell) + K (y_i - fit of its total) )

with a, b and K of its group: on complete panels moments of the groups are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmvcausal.moments import Moments
from gmvcausal.rollout.chance.clustered import cluster_sums, clustered_uncertainty
from gmvcausal.rollout.chance.moment_scores import MomentScores
from gmvcausal.rollout.group_time.aggregate import cluster_counts, most_units
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.ratios.model import BoolArray, FloatArray, IntArray, RatioModel
from gmvcausal.stats.small_sample import Spread

_NUMBERS = 4_000_000
_UNITS = 100_000


@dataclass(frozen=True)
class Sample:
    """The units of a panel by groups: cohorts 0..G-1 and, last, the untreated.

    Attributes
    ----------
    y : ndarray, shape (N, T)
    group, cluster : ndarray of int, shape (N,)
    weight : ndarray, shape (N,), or None
        Mean 1.
    n : ndarray, shape (H,)
        Units per group.
    moments : Moments or None
        Where the panel is complete and unweighted.
    """

    y: FloatArray
    group: IntArray
    cluster: IntArray
    weight: FloatArray | None
    n: FloatArray
    moments: Moments | None


@dataclass(frozen=True)
class Loads:
    """Rows of a table: what each takes of observed sums, of imputed sums and of the coefficients.

    Attributes
    ----------
    estimate : ndarray, shape (a,)
    observed, imputed : ndarray, shape (a, H, T)
    beta : ndarray, shape (a, P)
        Direct loads on the coefficients; those by way of the imputed sums are added by `Imputed.part`.
    """

    estimate: FloatArray
    observed: FloatArray
    imputed: FloatArray
    beta: FloatArray

    def mean(self, share: FloatArray) -> Loads:
        """One row: the mean of all by `share`."""
        return Loads(
            np.array([share @ self.estimate]),
            np.tensordot(share, self.observed, 1)[None],
            np.tensordot(share, self.imputed, 1)[None],
            (share @ self.beta)[None],
        )


def stack(parts: list[Loads]) -> Loads:
    """Rows of several tables of one model, below each other."""
    return Loads(
        np.concatenate([p.estimate for p in parts]),
        np.concatenate([p.observed for p in parts]),
        np.concatenate([p.imputed for p in parts]),
        np.concatenate([p.beta for p in parts]),
    )


@dataclass(frozen=True)
class Part:
    """Rows with their residual loads K: all that their scores need."""

    sums: Imputed
    loads: Loads
    residual: FloatArray


@dataclass(frozen=True)
class Imputed:
    """Observed and imputed sums of cells under one model.

    Attributes
    ----------
    model : RatioModel
    """

    model: RatioModel

    @cached_property
    def seen(self) -> BoolArray:
        """Cells of patterns, but for units of which no used period is seen, shape (S, T)."""
        return np.asarray(self.model.patterns.seen & self.model.used.any(axis=1, keepdims=True))

    @cached_property
    def _ahead(self) -> FloatArray:
        return self.model.ahead(self.seen)

    @cached_property
    def _whole(self) -> FloatArray:
        return np.asarray((self.model.patterns.total * self.model.used).sum(axis=1))

    def _by_group(self, values: FloatArray) -> FloatArray:
        out = np.zeros((len(self.model.design), values.shape[1]))
        np.add.at(out, self.model.patterns.group, values)
        return out

    @cached_property
    def observed(self) -> FloatArray:
        """O of every group and period, shape (H, T)."""
        return self._by_group(self.model.patterns.total * self.seen)

    @cached_property
    def imputed(self) -> FloatArray:
        """C of every group and period, shape (H, T)."""
        return self._by_group(self._ahead * self._whole[:, None])

    @cached_property
    def size(self) -> FloatArray:
        """Weight of the units seen in every group and period, shape (H, T)."""
        return self._by_group(self.seen * self.model.patterns.size[:, None])

    @cached_property
    def count(self) -> FloatArray:
        """Number of the units seen in every group and period, shape (H, T)."""
        return self._by_group(self.seen * self.model.patterns.count[:, None])

    def slopes(self, imputed: FloatArray) -> FloatArray:
        """Derivative of loaded imputed sums with respect to beta, shape (a, P)."""
        model, patterns = self.model, self.model.patterns
        out = np.zeros((len(imputed), len(model.beta)))
        held = self._ahead * self._whole[:, None]
        for h, x in enumerate(model.design):
            rows = patterns.group == h
            loaded = imputed[:, h, :]
            if loaded.any():
                out += (loaded * held[rows].sum(axis=0)) @ x
                out -= (loaded @ held[rows].T) @ (model.share[rows] @ x)
        return out

    def part(self, loads: Loads) -> Part:
        """The rows with the weight of every cell's residual in them."""
        return Part(self, loads, self.model.loads(loads.beta + self.slopes(loads.imputed)))

    def means(self) -> tuple[FloatArray, FloatArray]:
        """Mean of observed and imputed outcomes of every cell."""
        safe = np.maximum(self.size, 1e-300)
        return self.observed / safe, self.imputed / safe


def uncertainty(sample: Sample, parts: list[Part]) -> tuple[FloatArray, Spread]:
    """Joint covariance of the rows of all parts, clustered, and how intervals are made from it."""
    if sample.moments is not None:
        return MomentScores(sample.moments).uncertainty(*_maps(parts, sample.n))
    terms = sum(len(p.loads.estimate) for p in parts)
    live = np.array([any(_live(p, h) for p in parts) for h in range(len(sample.n))])
    behind = np.where(np.append(live, False)[sample.group], sample.group, -1)
    inside = np.flatnonzero(behind >= 0)
    order = inside[np.argsort(sample.cluster[inside], kind="stable")]
    step = max(1, _NUMBERS // max(terms, sample.y.shape[1]))

    def scores() -> Iterator[tuple[FloatArray, IntArray]]:
        for low in range(0, len(order), step):
            at = order[low : low + step]
            yield scores_of(sample, parts, at), sample.cluster[at]

    return clustered_uncertainty(cluster_sums(scores()), terms, behind, sample.cluster, sample.weight, len(sample.n))


def _live(part: Part, h: int) -> bool:
    return bool(part.loads.observed[:, h].any() or part.loads.imputed[:, h].any() or part.residual[:, h].any())


def _maps(parts: list[Part], n: FloatArray) -> tuple[list[FloatArray], FloatArray]:
    """A_h and d_h of `MomentScores`; the patterns of a complete panel are its groups."""
    maps: list[FloatArray] = []
    shift = np.zeros((sum(len(p.loads.estimate) for p in parts), len(n)))
    for h in range(len(n)):
        rows, constants = [], []
        for p in parts:
            model = p.sums.model
            used, ahead, share = model.used[h], p.sums._ahead[h], model.share[h]
            residual = p.residual[:, h] * used
            per_total = p.loads.imputed[:, h] @ ahead - residual @ share
            rows.append(p.loads.observed[:, h] + residual + np.outer(per_total, used))
            constants.append(residual @ model.residual()[h] / max(n[h], 1.0))
        maps.append(np.vstack(rows))
        shift[:, h] = np.concatenate(constants)
    return maps, shift


def scores_of(sample: Sample, parts: list[Part], at: IntArray) -> FloatArray:
    """Scores of the units `at`, shape (all rows, units)."""
    group = sample.group[at]
    y = np.nan_to_num(sample.y[at])
    out = np.zeros((sum(len(p.loads.estimate) for p in parts), len(at)))
    low = 0
    for p in parts:
        high = low + len(p.loads.estimate)
        model = p.sums.model
        pattern = model.patterns.of_unit[at]
        used, seen = model.used[pattern], p.sums.seen[pattern]
        kept = y * used
        whole = kept.sum(axis=1, keepdims=True)
        residual = kept - whole * model.share[pattern]
        means = p.sums.means()
        real, other = y - means[0][group], whole * p.sums._ahead[pattern] - means[1][group]
        for h in np.unique(group):
            here = np.flatnonzero(group == h)
            out[low:high, here] = (
                p.loads.observed[:, h] @ (real[here] * seen[here]).T
                + p.loads.imputed[:, h] @ (other[here] * seen[here]).T
                + p.residual[:, h] @ residual[here].T
            )
        low = high
    return out if sample.weight is None else out * sample.weight[at]


@dataclass(frozen=True)
class RatioEffects:
    """Treated cells with their effects, in the unit of the outcome and as logarithms of ratios.

    Attributes
    ----------
    cells : Cells
        Those that are identified, treated or within the anticipation window.
    sums : Imputed
    sample : Sample
    """

    cells: Cells
    sums: Imputed
    sample: Sample

    @property
    def n(self) -> FloatArray:
        """Units per group."""
        return self.sample.n

    @property
    def group(self) -> IntArray:
        """Each unit's group, negative where left out."""
        return self.sample.group

    @property
    def count(self) -> FloatArray:
        """Treated units behind every cell, shape (K,)."""
        return np.asarray(self.sums.count[self.cells.cohort, self.cells.period])

    def marks(self, key: IntArray, inside: BoolArray) -> tuple[IntArray, FloatArray]:
        """Values of `key` among the cells `inside`, and for each the cells that have it, shape (a, K)."""
        at = np.unique(key[inside])
        return at, ((key == at[:, None]) & inside).astype(float)

    def _spread_out(self, marks: FloatArray) -> FloatArray:
        out = np.zeros((len(marks), *self.sums.size.shape))
        out[:, self.cells.cohort, self.cells.period] = marks
        return out

    def level(self, marks: FloatArray) -> Loads:
        """Mean effect over the units seen in the marked cells."""
        cells = self._spread_out(marks)
        total = (cells * self.sums.size).sum(axis=(1, 2))
        share = cells / total[:, None, None]
        estimate = (share * (self.sums.observed - self.sums.imputed)).sum(axis=(1, 2))
        return Loads(estimate, share, -share, np.zeros((len(marks), len(self.sums.model.beta))))

    def log_ratio(self, marks: FloatArray) -> Loads:
        """Logarithm of what the marked cells hold over what they would have held; NaN where either is nothing."""
        cells = self._spread_out(marks)
        sums = [(cells * v).sum(axis=(1, 2)) for v in (self.sums.observed, self.sums.imputed)]
        real, other = (np.where((sums[0] > 0) & (sums[1] > 0), v, np.nan) for v in sums)
        return Loads(
            np.log(real / other), np.nan_to_num(cells / real[:, None, None]),
            -np.nan_to_num(cells / other[:, None, None]), np.zeros((len(marks), len(self.sums.model.beta))),
        )  # fmt: skip

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one weighted sum of the effects in money, shape (N,)."""
        return self.pull(self.level(np.eye(len(row))).mean(row))

    def pull(self, loads: Loads) -> FloatArray:
        """Influence of every unit on the first row, shape (N,)."""
        out, inside = np.zeros(len(self.group)), np.flatnonzero(self.group >= 0)
        part = self.sums.part(loads)
        for low in range(0, len(inside), _UNITS):
            at = inside[low : low + _UNITS]
            out[at] = scores_of(self.sample, [part], at)[0]
        return out

    def behind(self, marks: FloatArray) -> FloatArray:
        """Most units that any cell of a cohort brings to each row, shape (a, G)."""
        return most_units(marks, self.cells.cohort, self.count, len(self.n) - 1)

    def clusters(self, marks: FloatArray) -> tuple[IntArray, IntArray]:
        """Treated and control clusters behind each row."""
        controls = marks @ self.cells.controls.astype(float) > 0
        return self.sides(self.behind(marks) > 0, controls)

    def sides(self, cohorts: BoolArray, controls: BoolArray) -> tuple[IntArray, IntArray]:
        """Clusters of the marked groups."""
        cluster = self.sample.cluster
        return cluster_counts(cohorts, self, cluster), cluster_counts(controls, self, cluster)
