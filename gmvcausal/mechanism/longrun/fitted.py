"""The pair of tables with its index and effects: what the rows, the tests and the words are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.longrun import numbers, trees
from gmvcausal.mechanism.longrun.index import Index, explained, fit_index, joined, part
from gmvcausal.mechanism.longrun.numbers import Effect
from gmvcausal.mechanism.longrun.read import IntArray, Pair
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]

_APART = (
    "surrogates tell the experiment from the history, or the arms from each other, without fail, so the history cannot "
    "be weighted to look like an arm"
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """An index and the effects made with it.

    Attributes
    ----------
    pair : Pair
    index : Index
    level : float
        Mean long outcome of the history.
    told : ndarray, shape (n,)
        The long outcome of the experiment's rows as foretold.
    effects : tuple of Effect
        One for each arm but the control.
    r2 : float
        Of the index, in rows it has not seen.
    learner : {"linear", "trees"}
    """

    pair: Pair
    index: Index
    level: float
    told: FloatArray
    effects: tuple[Effect, ...]
    r2: float
    estimator: str
    learner: str

    def sources(self, of_rows: FloatArray, of_history: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Covariance and degrees of freedom of terms with these influences, shape (n, k) and (m, k)."""
        t = self.pair
        parts = []
        mixed = _crossed(t.arm, t.cluster)
        for own in [np.ones(t.n, dtype=bool)] if mixed else [t.arm == k for k in range(len(t.labels))]:
            cluster = None if t.cluster is None else t.cluster[own]
            parts.append(part(of_rows[own], cluster, 1))
        plain = self.estimator == "index"
        lost = t.past.shape[1] + 1 if plain else 1
        leverage = self.index.leverage if plain else None
        parts.append(part(of_history, t.past_cluster, lost, leverage))
        return joined(parts)

    def test(self, estimate: float, of_rows: FloatArray, of_history: FloatArray) -> tuple[float, float]:
        """Standard error and p-value of one number."""
        cov, df = self.sources(of_rows[:, None], of_history[:, None])
        error = math.sqrt(max(float(cov[0, 0]), 0.0))
        return error, float(p_value(np.array([estimate]), np.array([error]), df)[0])


def _crossed(arm: IntArray, cluster: IntArray | None) -> bool:
    """Whether clusters hold several arms."""
    if cluster is None:
        return False
    low, high = np.full(int(cluster.max()) + 1, len(arm)), np.full(int(cluster.max()) + 1, -1)
    np.minimum.at(low, cluster, arm)
    np.maximum.at(high, cluster, arm)
    return bool(((high >= 0) & (low != high)).any())


def fit(pair: Pair, estimator: str, learner: str, folds: int, seed: int) -> Fitted:
    """Fit the index in the history, and the effects.

    Raises
    ------
    DesignError
        The history cannot be weighted to look like an arm (estimators that weigh it).
    """
    t = pair
    index = fit_index(t.past, t.y)
    level = float(t.y.mean())
    told = level + t.x @ index.beta
    others = range(1, len(t.labels))
    found: list[Effect | None] = []
    if learner == "trees":
        learned = trees.learn(t.x, t.past, t.y, t.past_cluster, folds, seed)
        told = learned.here
        found = [trees.by_trees(learned, t.x, t.c, t.arm, t.past, t.y, a, folds, seed) for a in others]
    elif estimator == "index":
        found = [numbers.by_index(index, t.x, t.arm, a) for a in others]
    elif estimator == "score":
        for a in others:
            weights = numbers.reweigh(t.x, t.arm, t.past, a)
            found.append(None if weights is None else numbers.by_score(weights, t.y - level))
    else:
        found = [numbers.by_both(index, t.x, t.c, t.arm, t.past, a) for a in others]
    effects = tuple(e for e in found if e is not None)
    if len(effects) < len(found):
        raise DesignError(
            _APART, remedy="use estimator='index', which needs no weights, and read the check of extrapolation"
        )
    one = np.zeros(t.m, dtype=np.int64)
    dense = None if t.past_cluster is None else np.unique(t.past_cluster, return_inverse=True)[1]
    r2 = explained(t.past, t.y, make_folds(one, dense, min(folds, t.m), 0))
    return Fitted(t, index, level, told, effects, r2, estimator, learner)


def without(f: Fitted, column: str, a: int) -> float:
    """The effect by a linear index without one surrogate."""
    t = f.pair
    keep = np.array([s != column for s in t.source])
    if not (keep & t.is_surrogate).any():
        return 0.0
    return numbers.by_index(fit_index(t.past[:, keep], t.y), t.x[:, keep], t.arm, a).estimate


def curved(f: Fitted, a: int) -> tuple[float, float, float] | None:
    """Effect by an index with squares of surrogates too, its difference to the linear one, and the p-value of that."""
    t = f.pair
    curve = [j for j in np.flatnonzero(t.is_surrogate) if len(np.unique(t.past[:1000, j])) > 2]
    if not curve:
        return None
    # Clipped, so that a few large amounts do not decide the shape of the curve.
    wide, own = (np.column_stack([x, np.clip(x[:, curve], -3, 3) ** 2]) for x in (t.past, t.x))
    scaled, keep, _ = standardised(wide, [""] * wide.shape[1])
    if keep.sum() == t.past.shape[1] or len(t.y) < keep.sum() + 3:
        return None
    middle, spread = wide[:, keep].mean(axis=0), wide[:, keep].std(axis=0)
    bent = numbers.by_index(fit_index(scaled, t.y), (own[:, keep] - middle) / spread, t.arm, a)
    plain = numbers.by_index(f.index, t.x, t.arm, a)
    gap = bent.estimate - plain.estimate
    _, p = f.test(gap, bent.of_rows - plain.of_rows, bent.of_history - plain.of_history)
    return bent.estimate, gap, p


def unexplained(f: Fitted, a: int) -> tuple[float, float, float, int] | None:
    """Effect on what the index leaves of the known long outcomes: estimate, standard error, p-value, rows.

    Zero under surrogacy. None where it is known for fewer than 20 of an arm.
    """
    t = f.pair
    known = ~np.isnan(t.seen)
    use = known & ((t.arm == 0) | (t.arm == a))
    if min(int((use & (t.arm == 0)).sum()), int((use & (t.arm == a)).sum())) < FEWEST_SEEN:
        return None
    of_rows = np.zeros(t.n)
    estimate, own = numbers.difference((t.seen - f.told)[use], t.arm[use], a)
    of_rows[use] = own
    of_history = np.zeros(t.m) if f.learner == "trees" else -f.index.influence @ numbers.gap(t.x[use], t.arm[use], a)
    error, p = f.test(estimate, of_rows, of_history)
    return estimate, error, p, int(use.sum())


def off(f: Fitted) -> tuple[float, float, float, int] | None:
    """Mean of what the index leaves of the known long outcomes of the control arm, as in `unexplained`."""
    t = f.pair
    use = ~np.isnan(t.seen) & (t.arm == 0)
    k = int(use.sum())
    if k < FEWEST_SEEN:
        return None
    left = (t.seen - f.told)[use]
    estimate = float(left.mean())
    of_rows = np.zeros(t.n)
    of_rows[use] = (left - estimate) / k
    of_history = -(f.index.constant + f.index.influence @ t.x[use].mean(axis=0))
    error, p = f.test(estimate, of_rows, of_history)
    return estimate, error, p, k


def moved_past(f: Fitted) -> tuple[float, float] | None:
    """Slope of the tactic in the history beside the surrogates, and its p-value."""
    t = f.pair
    if t.got is None or not 2 <= int(t.got.sum()) <= t.m - 2:
        return None
    wide = np.column_stack([t.past, t.got - t.got.mean()])
    _, keep, _ = standardised(wide, [""] * wide.shape[1])
    if not keep[-1]:
        return None
    found = fit_index(wide, t.y)
    source = part(found.influence[:, -1:], t.past_cluster, wide.shape[1] + 1, found.leverage)
    error = math.sqrt(float(source.cov[0, 0]))
    return float(found.beta[-1]), float(p_value(found.beta[-1:], np.array([error]), source.df)[0])


def worst_bias(f: Fitted, a: int) -> float:
    """How far the effect can be off at most where surrogacy fails (Athey et al. 2019), per unit of correlation.

    The bias is Cov(e, w) / (p (1 - p)), e being what the index leaves of the outcome and w what the surrogates leave of
    the arm: their correlation times the product of their spreads.
    """
    t = f.pair
    use = (t.arm == 0) | (t.arm == a)
    w = (t.arm[use] == a).astype(float)
    share = float(w.mean())
    x = t.x[use] - t.x[use].mean(axis=0)
    left = (w - share) - x @ np.linalg.lstsq(x, w - share, rcond=None)[0]
    return math.sqrt(f.index.variance * float((left * left).mean())) / (share * (1 - share))


FEWEST_SEEN = 20
