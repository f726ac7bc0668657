"""The efficient combination with learned nuisances: trees and lines that have not seen the row they speak of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.longrun.numbers import Effect, adjusted
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.chances import cross_fit_chances
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.nuisance.outcomes import fit_outcome

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST = 50.0  # times its even share that a row of the history may weigh


class Learned(NamedTuple):
    """The index as learned from the history.

    Attributes
    ----------
    past : ndarray, shape (m,)
        Out of fold.
    here : ndarray, shape (n,)
        Of the experiment's rows: the mean over folds.
    """

    past: FloatArray
    here: FloatArray


def learn(x: FloatArray, past: FloatArray, y: FloatArray, cluster: IntArray | None, folds: int, seed: int) -> Learned:
    """Learn the long outcome from the history, cross-fitted: a line, and trees on what it leaves."""
    one = np.zeros(len(y), dtype=np.int64)
    dense = None if cluster is None else np.unique(cluster, return_inverse=True)[1]
    fold = make_folds(one, dense, folds, seed)
    bins, own = Bins(past.astype(np.float32), (), seed, 1), x.astype(np.float32)
    told, here = np.empty(len(y)), np.zeros(len(x))
    for f in range(folds):
        rows, out = np.flatnonzero(fold != f), fold == f
        middle, level = past[rows].mean(axis=0), float(y[rows].mean())
        line = np.linalg.lstsq(past[rows] - middle, y[rows] - level, rcond=None)[0]
        left = y - level - (past - middle) @ line
        rest = fit_outcome(bins, None, rows, left, one, 1, "plain", shared=False)
        told[out] = (y - left)[out] + rest.predict(bins.x[out])[:, 0]
        here += (level + (x - middle) @ line + rest.predict(own)[:, 0]) / folds
    return Learned(told, here)


def by_trees(
    found: Learned, x: FloatArray, c: FloatArray, arm: IntArray, past: FloatArray, y: FloatArray, a: int, folds: int,
    seed: int,
) -> Effect:  # fmt: skip
    """As `numbers.by_both`, with everything learned; errors of what is learned count in second order only."""
    use = np.flatnonzero((arm == 0) | (arm == a))
    got = (arm[use] == a).astype(np.int64)
    own = x[use].astype(np.float32)
    both = np.vstack([own, past.astype(np.float32)])
    place = np.concatenate([np.ones(len(use)), np.zeros(len(past))]).astype(np.int64)
    chance, _ = cross_fit_chances(Bins(both, (), seed, 1), make_folds(place, None, folds, seed), place, 2)
    _, model = cross_fit_chances(Bins(own, (), seed, 1), make_folds(got, None, folds, seed), got, 2)
    odds = chance[len(use) :, 1] / chance[len(use) :, 0]
    score = model.predict(past.astype(np.float32))
    weight = odds[:, None] * score
    even = weight.mean(axis=0)
    weight = np.minimum(weight, _MOST * even)
    weight /= weight.sum(axis=0)
    left = y - found.past
    main = adjusted(found.here, c, arm, a)
    low, high = weight.T @ left
    of_history = weight[:, 1] * (left - high) - weight[:, 0] * (left - low)
    return Effect(main.estimate + float(high - low), main.influence, of_history, weight)
