"""Learners that regress a pseudo-outcome on the features: dr, r and x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.aipw import scores
from gmvcausal.stats.nuisance.boost import recipe
from gmvcausal.stats.nuisance.boosted import Matrix, Trees
from gmvcausal.stats.nuisance.line import Line, fit_least_squares
from gmvcausal.stats.nuisance.parts import little
from gmvcausal.targeting.learners.task import ByFold, Task

FloatArray = NDArray[np.float64]

# Share of the outcomes other than zero that lies beyond the cuts of a heavy tail, both sides together.
TAIL = 0.02
_SKEWED = 10.0


@dataclass(frozen=True, eq=False)
class OneStage(ByFold):
    """An effect of each arm straight from trees, or lines: a weighted sum of several of them, mostly of one.

    Attributes
    ----------
    trees : tuple of tuple of tuple of Trees or Line
        For each fold and arm.
    weight : tuple of tuple of float
        For each arm, of its trees.
    """

    trees: tuple[tuple[tuple[Trees | Line, ...], ...], ...]
    weight: tuple[tuple[float, ...], ...]

    def folds(self) -> int:
        """Number of folds."""
        return len(self.trees)

    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, k)."""
        arms = zip(self.trees[f], self.weight, strict=True)
        columns = [
            np.sum([w * t.predict(x, threads) for t, w in zip(own, weight, strict=True)], axis=0)
            for own, weight in arms
        ]
        return np.column_stack(columns)

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        trees = [[[t.to_dict() for t in arm] for arm in of] for of in self.trees]
        return {"trees": trees, "weight": [list(w) for w in self.weight]}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> OneStage:
        """What `to_dict` made."""
        trees = tuple(tuple(tuple(map(_either, arm)) for arm in of) for of in found["trees"])
        return cls(trees, tuple(tuple(map(float, w)) for w in found["weight"]))


def _either(found: dict[str, Any]) -> Trees | Line:
    return Line.from_dict(found) if "slope" in found else Trees.from_dict(found)


def winsorised(value: FloatArray, live: float = 1.0) -> FloatArray:
    """Cut at both ends where fourth moments say that a few values would decide; else as it is.

    `live` is the share of outcomes other than zero: .02 of them are cut, .005 of all values at either end at most.

    Examples
    --------
    >>> float(winsorised(np.append(np.zeros(999), 1e6)).max()), float(winsorised(np.arange(4.0)).max())
    (0.0, 3.0)
    """
    centred = value - value.mean()
    square = float((centred * centred).mean())
    if not square > 0 or float((centred**4).mean()) < _SKEWED * square * square:
        return value
    tail = min(TAIL * live / 2, 0.005)
    low, high = np.quantile(value, [tail, 1 - tail])
    return np.clip(value, low, high)


def fit_dr(task: Task) -> OneStage:
    """Regress the difference of doubly robust scores on the features (Kennedy 2023), winsorised where it is heavy."""
    psi = scores(task.y, task.arm, task.e, task.mu)
    out = []
    for f in range(task.folds):
        rows = np.flatnonzero(task.fold != f)
        how = recipe(len(rows), effect=True)
        gains = (winsorised(psi[rows, a] - psi[rows, 0], task.live) for a in range(1, task.arms))
        out.append(tuple((task.bins.train(rows, gain, how),) for gain in gains))
    return OneStage(tuple(out), ((1.0,),) * (task.arms - 1))


def fit_r(task: Task) -> OneStage:
    """Residual on residual, arm by arm against the control (Nie and Wager 2021)."""
    out = []
    for f in range(task.folds):
        own = []
        for a in range(1, task.arms):
            rows = np.flatnonzero((task.fold != f) & ((task.arm == a) | (task.arm == 0)))
            e = task.e[rows, a] / (task.e[rows, a] + task.e[rows, 0])
            m = e * task.mu[rows, a] + (1 - e) * task.mu[rows, 0]
            got = (task.arm[rows] == a) - e
            gain = winsorised((task.y[rows] - m) / got, task.live)
            own.append((task.bins.train(rows, gain, recipe(len(rows), effect=True), weight=got * got),))
        out.append(tuple(own))
    return OneStage(tuple(out), ((1.0,),) * (task.arms - 1))


def fit_x(task: Task) -> OneStage:
    """Imputed effects of the treated and of the controls, regressed together (after Künzel et al. 2019).

    A treated row weighs as the share of the controls, and the other way round: those that got the larger arm say more
    of the smaller one's effect. The effect is half along a line and half by trees: neither knows which is right.
    """
    out = []
    sizes = np.bincount(task.arm, minlength=task.arms)
    columns = task.outcomes[0].columns
    for f in range(task.folds):
        own: list[tuple[Trees | Line, ...]] = []
        for a in range(1, task.arms):
            rows = np.flatnonzero((task.fold != f) & ((task.arm == a) | (task.arm == 0)))
            got = task.arm[rows] == a
            gain = np.where(got, task.y[rows] - task.mu[rows, 0], task.mu[rows, a] - task.y[rows])
            for side in (got, ~got):
                gain[side] = winsorised(gain[side], task.live)
            share = float(sizes[a] / (sizes[a] + sizes[0]))
            weight = np.where(got, (1 - share) / share, share / (1 - share))
            trees = task.bins.train(rows, gain, little(len(rows), "regression"), weight=weight)
            if columns is None:
                own.append((trees,))
            else:
                own.append((trees, fit_least_squares(columns, task.bins.x, rows, gain, weight)[0]))
        out.append(tuple(own))
    each = (1.0,) if columns is None else (0.5, 0.5)
    return OneStage(tuple(out), (each,) * (task.arms - 1))
