"""Inference where a handful of clusters is treated: the standard error cannot be had from them, so others stand in.

With one treated room there is no second one to tell its chance from. What can be had is how such a contrast comes out
for rooms that nobody treated (Conley and Taber 2011). Rooms differ in size, and a large room's contrast is wilder, so
each is measured against its own variability before the start (Ferman and Pinto 2019 rescale by a variance fitted on
size; a room's own past needs no model of it, and holds its level where the fitted one does not).

Where the treated were drawn by lot, the drawing itself is the reference (Fisher 1935), whatever the rooms' sizes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MIN_PLACEBOS = 20  # fewer control clusters cannot reject at 5 %
MOST_TREATED = 0.5  # of the controls: sets must leave enough of them to be compared with
DRAWS = 4_999


def share_reached(reached: int, runs: int) -> float:
    """The p-value of a rank, the real run counted; a hair below it, so that ``p < .05`` says what the interval says."""
    return (1.0 + reached) / (runs + 1.0) * (1.0 - 1e-12)


def cut_rank(level: float, runs: int) -> int:
    """How many placebo statistics may reach the critical value; negative where no value is large enough."""
    return math.floor((1.0 - level) * (runs + 1) + 1e-9) - 1


@dataclass(frozen=True, eq=False)
class PlaceboRuns:
    """An estimate beside what placebo assignments give.

    Attributes
    ----------
    estimate : float
    scale : float
        Variability of the treated before the start, on the scale of the estimate.
    ratios : ndarray, shape (runs,)
        |placebo estimate| / its own scale, one per placebo assignment, in descending order.
    """

    estimate: float
    scale: float
    ratios: FloatArray

    @property
    def p_value(self) -> float:
        """Share of runs, the real one included, whose ratio is at least as large."""
        reached = np.count_nonzero(self.ratios >= abs(self.estimate) / self.scale * (1 - 1e-12))
        return share_reached(int(reached), len(self.ratios))

    def limits(self, level: float) -> tuple[float, float]:
        """Effects that the runs do not reject; infinite where there are too few runs for `level`."""
        rank = cut_rank(level, len(self.ratios))
        half = float(self.ratios[rank]) * self.scale if rank >= 0 else math.inf
        return self.estimate - half, self.estimate + half


@dataclass(frozen=True)
class Contrasts:
    """Each cluster's change, as the estimator weighs it, for every role it could play.

    Attributes
    ----------
    value : ndarray, shape (C, R)
        Change of every cluster for each role (cohort).
    scale : ndarray, shape (C, R)
        Its variability in the periods before that role's start.
    size : ndarray, shape (C,)
        Units (or weight) of the cluster.
    role : ndarray of int, shape (C,)
        Role that the cluster plays, negative for controls.
    weight : ndarray, shape (R,)
        Weight of each role in the estimate; adds up to 1.
    """

    value: FloatArray
    scale: FloatArray
    size: FloatArray
    role: IntArray
    weight: FloatArray

    @cached_property
    def treated(self) -> IntArray:
        """The treated clusters."""
        return np.flatnonzero(self.role >= 0)

    @cached_property
    def control(self) -> IntArray:
        """The control clusters."""
        return np.flatnonzero(self.role < 0)

    @cached_property
    def load(self) -> FloatArray:
        """Weight of each treated cluster in the estimate, shape (k,); adds up to 1."""
        role, size = self.role[self.treated], self.size[self.treated]
        within = np.bincount(role, size, minlength=len(self.weight))
        return np.asarray(self.weight[role] * size / within[role])

    @property
    def estimate(self) -> float:
        """Weighted change of the treated less the mean change of the controls in the same roles."""
        own = self.value[self.treated, self.role[self.treated]]
        beside = self.size[self.control] @ self.value[self.control] / self.size[self.control].sum()
        return float(self.load @ (own - beside[self.role[self.treated]]))


def placebo_runs(contrasts: Contrasts, seed: int, draws: int = DRAWS) -> PlaceboRuns:
    """Put control clusters in the place of the treated ones, and see how large such an estimate is by chance.

    Every run takes as many control clusters as are treated, compares them with the remaining controls, and divides by
    their own variability before the start. All sets are taken where there are at most `draws` of them, else `draws`
    are drawn.

    Where one treated cluster is far wilder or larger than the others, the estimate is in truth that of fewer clusters,
    and so is its scale: runs then take as many clusters as make up the treated variability (see `_count_alike`).

    Parameters
    ----------
    contrasts : Contrasts
        Controls must number at least `MIN_PLACEBOS`, and no treated scale may be zero.
    seed : int
        Of a generator of its own. Clusters are drawn in the order of their own numbers, so neither the order of rows
        nor the names of clusters change a draw.
    draws : int
        Default 4,999.

    Returns
    -------
    PlaceboRuns

    References
    ----------
    Conley and Taber (2011), Review of Economics and Statistics 93; Ferman and Pinto (2019), same journal, 101.
    """
    c = contrasts
    # A control that never moved before the start has no scale to divide by: it stays in the mean, not in the draw.
    moved = c.control[(c.scale[c.control] > 0).all(axis=1)]
    at = moved[_order(c, moved)]
    role, load = c.role[c.treated], c.load
    own = load * c.scale[c.treated, role]
    # The treated in the order of what they bring to the variability: fewer of them are the first of these.
    most = np.argsort(-own, kind="stable")
    rng = np.random.default_rng(seed)
    chosen = _count_alike(c, at, role[most], load[most], own, rng)
    role, load = role[most][:chosen], load[most][:chosen] / load[most][:chosen].sum()
    picks = sets(rng, draws, chosen, len(at), ordered=len(np.unique(role)) > 1 or np.ptp(load) > 0)
    estimate, squares = _run(c, at[picks], role, load)
    ratios = np.abs(estimate) / np.sqrt(squares.sum(axis=1))
    real = np.sqrt((own**2).sum() + (_beside(c, c.role[c.treated], c.load) ** 2).sum())
    return PlaceboRuns(c.estimate, float(real), np.sort(ratios)[::-1])


def _beside(c: Contrasts, role: IntArray, load: FloatArray) -> FloatArray:
    """Variability that each control brings through the controls' mean, shape (controls,)."""
    share = c.size[c.control] / c.size[c.control].sum()
    return np.asarray(share * (c.scale[c.control][:, role] @ load))


def _run(c: Contrasts, picks: IntArray, role: IntArray, load: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Estimates of runs with the clusters `picks` (B, k) in the place of the treated, and their squared scales.

    The scale has one part for each cluster picked, and one for the mean of the remaining controls: where the treated
    are small rooms, chance lies mostly in the controls.
    """
    value, scale, size = c.value[c.control], c.scale[c.control], c.size[c.control]
    left = size.sum() - c.size[picks].sum(axis=1)
    taken = np.einsum("bk,bkr->br", c.size[picks], c.value[picks])[:, role]
    rest = ((size @ value)[role] - taken) / left[:, None]
    own = c.value[picks, role]
    through = scale[:, role] @ load
    of_picked = np.einsum("bkj,j->bk", c.scale[picks][:, :, role], load)
    remaining = (size * through) @ (size * through) - ((c.size[picks] * of_picked) ** 2).sum(axis=1)
    squares = np.column_stack([(load * c.scale[picks, role]) ** 2, np.maximum(remaining, 0.0) / left**2])
    return ((own - rest) * load).sum(axis=1), squares


def _count_alike(
    c: Contrasts, at: IntArray, role: IntArray, load: FloatArray, own: FloatArray, rng: np.random.Generator
) -> int:
    """How many control clusters make a scale as concentrated as that of the treated.

    The share that each cluster has in the squared scale gives an effective number, 1 / sum of squared shares. Controls
    have one too, below their count because scales are noisy; the count is taken whose median comes nearest.
    """
    k = len(own)
    if k == 1:
        return 1

    def effective(squares: FloatArray) -> FloatArray:
        # The last part is spread over many controls, and adds nothing to the concentration.
        return np.asarray(squares.sum(axis=-1) ** 2 / (squares[..., :-1] ** 2).sum(axis=-1))

    beside = (_beside(c, role, load) ** 2).sum()
    real = float(effective(np.append(own**2, beside)))
    medians = []
    for count in range(1, k + 1):
        share = load[:count] / load[:count].sum()
        _, squares = _run(c, at[_distinct(rng, 499, count, len(at))], role[:count], share)
        medians.append(float(np.median(effective(squares))))
    # Among equals the larger count: it is the real one.
    return k - int(np.argmin(np.abs(np.array(medians) - real)[::-1]))


def _order(c: Contrasts, which: IntArray) -> IntArray:
    """An order of clusters by what they did, not by name or place."""
    return np.lexsort((c.size[which], *c.scale[which].T, *c.value[which].T))


def sets(rng: np.random.Generator, draws: int, k: int, n: int, *, ordered: bool) -> IntArray:
    """All sets of `k` of `n` clusters where there are at most `draws`, else `draws` of them; rows of indices.

    Where places differ (`ordered`), the order within a set matters.
    """
    if (math.perm(n, k) if ordered else math.comb(n, k)) <= draws:
        every = itertools.permutations(range(n), k) if ordered else itertools.combinations(range(n), k)
        return np.array(list(every), dtype=np.int64).reshape(-1, k)
    return _distinct(rng, draws, k, n)


def _distinct(rng: np.random.Generator, draws: int, k: int, n: int) -> IntArray:
    """`draws` rows of `k` different numbers below `n`."""
    if 4 * k > n:
        return np.asarray(np.argsort(rng.random((draws, n)), axis=1)[:, :k], dtype=np.int64)
    # Few of many: the rare rows with a number twice are drawn again, which no table of draws x n is needed for.
    picks = rng.integers(0, n, (draws, k))
    while True:
        ordered = np.sort(picks, axis=1)
        again = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if not again.any():
            return np.asarray(picks)
        picks[again] = rng.integers(0, n, (int(again.sum()), k))


@dataclass(frozen=True, eq=False)
class Permutation:
    """An estimate beside what other drawings of the lot would have given.

    Attributes
    ----------
    estimate : float
    runs : ndarray, shape (runs,)
        Estimates under drawn assignments.
    overlap : ndarray, shape (runs,)
        What each would change by, were the effect larger by one: between -1 and 1.
    """

    estimate: float
    runs: FloatArray
    overlap: FloatArray

    @property
    def p_value(self) -> float:
        """Share of assignments, the real one included, with an estimate at least as large."""
        reached = np.count_nonzero(np.abs(self.runs) >= abs(self.estimate) * (1 - 1e-12))
        return share_reached(int(reached), len(self.runs))

    def limits(self, level: float) -> tuple[float, float]:
        """Constant effects that the lot does not reject: each assignment rejects outside an interval of its own."""
        t, d, a = self.estimate, self.runs, self.overlap
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.stack([(t - d) / (1 - a), (t + d) / (1 + a)])
        # An assignment that is the real one (or its mirror image) never rejects.
        ends = np.where((np.abs(a) > 1 - 1e-12) | np.isnan(ends), np.inf, ends)
        low, high = np.sort(np.where(np.isinf(ends), -np.inf, ends).min(axis=0)), np.sort(ends.max(axis=0))[::-1]
        rank = cut_rank(level, len(d))
        return (float(low[rank]), float(high[rank])) if rank >= 0 else (-math.inf, math.inf)


def permutation(contrasts: Contrasts, shift: FloatArray, seed: int, draws: int = DRAWS) -> Permutation:
    """Draw the lot again among all clusters, treated and control (Fisher 1935).

    Parameters
    ----------
    contrasts : Contrasts
        The scales are not used: under a lot no cluster is like another for any reason but chance.
    shift : ndarray, shape (C, R)
        By how much each cluster's change in each role grows where its own effect grows by one: 0 for controls.
    seed, draws
        As for `placebo_runs`: all other drawings where they are few.

    Returns
    -------
    Permutation
    """
    c = contrasts
    every, k = len(c.role), len(c.treated)
    order = _order(c, np.arange(every))
    # Places differ where roles do; sizes go with the clusters.
    picks = order[sets(np.random.default_rng(seed), draws, k, every, ordered=len(c.weight) > 1)]
    if len(picks) < draws:
        real = np.sort(c.treated) if len(c.weight) == 1 else c.treated
        drawn_as = np.sort(picks, axis=1) if len(c.weight) == 1 else picks
        picks = picks[(drawn_as != real).any(axis=1)]
    role = c.role[c.treated]
    size = c.size[picks]
    # Roles stay with their places in the drawing; sizes go with the clusters.
    within = np.zeros((len(picks), len(c.weight)))
    for r in range(len(c.weight)):
        within[:, r] = size[:, role == r].sum(axis=1)
    load = c.weight[role] * size / within[:, role]

    def drawn(value: FloatArray) -> FloatArray:
        total = (c.size @ value)[role]
        taken = np.einsum("bk,bkr->br", size, value[picks])[:, role]
        rest = (total - taken) / (c.size.sum() - size.sum(axis=1))[:, None]
        return np.asarray(((value[picks, role] - rest) * load).sum(axis=1))

    return Permutation(c.estimate, drawn(c.value), drawn(shift))
