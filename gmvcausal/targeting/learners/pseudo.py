"""Learners that regress a pseudo-outcome on the features: dr, r and x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.targeting.aipw import scores
from gmvcausal.targeting.boost import Matrix, Trees, recipe
from gmvcausal.targeting.learners.task import Task

FloatArray = NDArray[np.float64]

# Pseudo-outcomes are cut at these quantiles of their own where they have a heavy tail.
TAIL = 0.005
_SKEWED = 10.0


@dataclass(frozen=True, eq=False)
class OneStage:
    """An effect of each arm straight from trees.

    Attributes
    ----------
    trees : tuple of tuple of Trees
        For each fold and arm.
    """

    trees: tuple[tuple[Trees, ...], ...]

    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, k)."""
        return np.column_stack([t.predict(x, threads) for t in self.trees[f]])

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {"trees": [[t.to_dict() for t in of] for of in self.trees]}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> OneStage:
        """What `to_dict` made."""
        return cls(tuple(tuple(Trees.from_dict(t) for t in of) for of in found["trees"]))


def winsorised(value: FloatArray) -> FloatArray:
    """Cut at the quantiles .005 and .995 where fourth moments say that a few values would decide; else as it is."""
    centred = value - value.mean()
    square = float((centred * centred).mean())
    if not square > 0 or float((centred**4).mean()) < _SKEWED * square * square:
        return value
    low, high = np.quantile(value, [TAIL, 1 - TAIL])
    return np.clip(value, low, high)


def fit_dr(task: Task) -> OneStage:
    """Regress the difference of doubly robust scores on the features (Kennedy 2023), winsorised where it is heavy."""
    psi = scores(task.y, task.arm, task.e, task.mu)
    out = []
    for f in range(task.folds):
        rows = np.flatnonzero(task.fold != f)
        how = recipe(len(rows), effect=True)
        out.append(
            tuple(
                task.bins.train(rows, winsorised(psi[rows, a] - psi[rows, 0]), how) for a in range(1, task.arms)
            )
        )  # fmt: skip
    return OneStage(tuple(out))


def fit_r(task: Task) -> OneStage:
    """Residual on residual, arm by arm against the control (Nie and Wager 2021)."""
    out = []
    for f in range(task.folds):
        learn = task.fold != f
        own = []
        for a in range(1, task.arms):
            rows = np.flatnonzero(learn & ((task.arm == a) | (task.arm == 0)))
            two = task.e[rows, a] + task.e[rows, 0]
            e = task.e[rows, a] / two
            m = e * task.mu[rows, a] + (1 - e) * task.mu[rows, 0]
            got = (task.arm[rows] == a) - e
            own.append(
                task.bins.train(
                    rows, winsorised((task.y[rows] - m) / got), recipe(len(rows), effect=True), weight=got * got
                )
            )
        out.append(tuple(own))
    return OneStage(tuple(out))
