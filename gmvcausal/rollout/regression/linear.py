"""Coefficients that are linear in the outcomes, and their joint covariance, from moments or from the units.

Unit i of group h moves the coefficients by w_i B_h z_i, where z_i is its outcome less a fitted path and less its own
mean distance from that path, and B_h (terms x periods) depends on the group alone. That holds for regressions with
cohort-by-period dummies, for imputation and for leads; they differ in B_h and in the path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gmvcausal.rollout.chance.clustered import cluster_sums, clustered_uncertainty
from gmvcausal.rollout.chance.moment_scores import Loads, MomentScores
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Units, centred, pieces
from gmvcausal.stats.small_sample import Spread

_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Part:
    """Coefficients of one regression.

    Attributes
    ----------
    estimate : ndarray, shape (k,)
    used, basis : ndarray of bool, shape (H, T)
        As in `normal.Normal`.
    path : ndarray, shape (H, T)
        What is taken off the outcomes of each group before its units' own means.
    load : callable
        From rows (a, k) over the coefficients to B_h, shape (H, a, T).
    factor : float
        Small-sample factor on the covariance.
    """

    estimate: FloatArray
    used: BoolArray
    basis: BoolArray
    path: FloatArray
    load: Callable[[FloatArray], FloatArray]
    factor: float = 1.0


@dataclass(frozen=True)
class Loaded:
    """One part with the rows asked of it: B_h and what it multiplies."""

    part: Part
    load: FloatArray


def loaded(part: Part, rows: FloatArray) -> Loaded:
    """The part loaded with rows (a, k) over its coefficients."""
    return Loaded(part, part.load(rows))


def uncertainty(units: Units, parts: list[Loaded]) -> tuple[FloatArray, Spread]:
    """Joint covariance of all rows of all parts, clustered, and how intervals are made from it.

    Welch's factor corrects for small groups by itself, so it starts from the covariance without small-sample factor;
    an interval never becomes shorter than the printed standard error says.
    """
    if units.moments is not None:
        cov, spread = MomentScores(units.moments).uncertainty(*_maps(units, parts))
    else:
        cov, spread = _of_units(units, parts)
    factor = np.concatenate([np.full(p.load.shape[1], p.part.factor) for p in parts])
    root = np.sqrt(factor)
    return cov * np.outer(root, root), Spread(spread.df, np.maximum(spread.factor / root, 1.0))


def influence(units: Units, one: Loaded) -> FloatArray:
    """Influence of every unit on a single row, shape (N,), with the small-sample factor."""
    out = np.zeros(len(units.y))
    for at in pieces(units.order):
        out[at] = _scores(units, [one], at)[0]
    return out * float(np.sqrt(one.part.factor))


def loads_of(units: Units, one: Loaded) -> Loads:
    """What makes the influence of `influence` of any unit of a complete panel, by its group."""
    assert units.moments is not None
    maps, shift = _maps(units, [one])
    root = float(np.sqrt(one.part.factor))
    return Loads(units.moments, np.vstack(maps) * root, shift[0] * root)


def _maps(units: Units, parts: list[Loaded]) -> tuple[list[FloatArray], FloatArray]:
    """A_h and d_h of `MomentScores`."""
    mean = units.means()
    maps: list[FloatArray] = []
    shift = np.empty((sum(p.load.shape[1] for p in parts), len(mean)))
    for h in range(len(mean)):
        rows, constants = [], []
        for p in parts:
            used, basis = p.part.used[h], p.part.basis[h]
            share = basis / max(basis.sum(), 1)
            live = p.load[h] * used
            rows.append(live - live.sum(axis=1, keepdims=True) * share)
            constants.append(rows[-1] @ (mean[h] - p.part.path[h]))
        maps.append(np.vstack(rows))
        shift[:, h] = np.concatenate(constants)
    return maps, shift


def _scores(units: Units, parts: list[Loaded], at: IntArray) -> FloatArray:
    """Scores of the units `at`, shape (all rows, units)."""
    group = units.group[at]
    out = np.zeros((sum(p.load.shape[1] for p in parts), len(at)))
    for h in np.unique(group):
        here = np.flatnonzero(group == h)
        low = 0
        for p in parts:
            high = low + p.load.shape[1]
            if p.part.used[h].any():
                # The unit's own mean first: beside a large level the path would lose its digits.
                level, seen, _ = centred(units.y[at[here]], p.part.used[h], p.part.basis[h])
                z, _, _ = centred(np.where(seen, level - p.part.path[h], np.nan), p.part.used[h], p.part.basis[h])
                out[low:high, here] = p.load[h] @ z.T
            low = high
    return out if units.weight is None else out * units.weight[at]


def _of_units(units: Units, parts: list[Loaded]) -> tuple[FloatArray, Spread]:
    terms = sum(p.load.shape[1] for p in parts)
    step = max(1, _NUMBERS // max(terms, units.y.shape[1]))
    behind = _behind(units, parts)
    order = units.order[behind[units.order] >= 0]  # clusters and their groups must come in the same order

    def scores() -> Iterator[tuple[FloatArray, IntArray]]:
        for at in pieces(order, step):
            yield _scores(units, parts, at), units.cluster[at]

    return clustered_uncertainty(cluster_sums(scores()), terms, behind, units.cluster, units.weight, len(units.n))


def _behind(units: Units, parts: list[Loaded]) -> IntArray:
    """Group of every unit on which any row loads."""
    live = np.array([any(p.load[h].any() for p in parts) for h in range(len(units.n))])
    return np.where(np.append(live, False)[units.group], units.group, -1)
