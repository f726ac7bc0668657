"""A causal forest on residuals: effects of single users with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.targeting.learners.grown import BAG, Grown, grow, holds
from gmvcausal.targeting.learners.pseudo import winsorised
from gmvcausal.targeting.learners.task import Task

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Forest:
    """A generalised random forest (Athey, Tibshirani and Wager 2019) for each arm against the control.

    Attributes
    ----------
    arms : tuple of Grown
    """

    arms: tuple[Grown, ...]
    honest = True
    centred = False

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Effects of rows that were not learned from, shape (n, k)."""
        return np.column_stack([arm.effects(x, threads) for arm in self.arms])

    def interval(self, x: Matrix, alpha: float, threads: int = 1) -> FloatArray:
        """Lower and upper limits by the bootstrap of little bags, shape (n, k, 2)."""
        wide = float(ndtri(1 - alpha / 2))
        said = [arm.said(x, threads) for arm in self.arms]
        return np.stack(
            [np.stack([s.effect - wide * s.error, s.effect + wide * s.error], axis=1) for s in said], axis=1
        )

    def own(self, task: Task) -> FloatArray:
        """Effects of the rows themselves by the bags that do not hold them, shape (n, k)."""
        out = np.empty((len(task.y), len(self.arms)))
        for a, arm in enumerate(self.arms, start=1):
            rows = _rows(task, a)
            seen = np.zeros((len(arm.first) // BAG, len(task.y)), dtype=bool)
            seen[:, rows] = holds(_units(task, rows), len(rows), task.seed)
            out[:, a - 1] = arm.effects(task.bins.x, task.threads, seen)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {"arms": [arm.to_dict() for arm in self.arms]}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Forest:
        """What `to_dict` made."""
        return cls(tuple(Grown.from_dict(arm) for arm in found["arms"]))


def fit_forest(task: Task) -> Forest:
    """Regress residuals on residuals in trees whose splits and effects come of different rows, arm by arm.

    A tree that learns ``rest / got`` with weights ``got`` squared takes the splits between whose sides the local
    effects ``sum(got rest) / sum(got got)`` differ most. Only what chooses splits is winsorised, so that no single
    amount decides them; leaves are filled with the amounts as they are.
    """
    arms = []
    for a in range(1, task.arms):
        rows = _rows(task, a)
        e = task.e[rows, a] / (task.e[rows, a] + task.e[rows, 0])
        got = (task.arm[rows] == a) - e
        rest = task.y[rows] - e * task.mu[rows, a] - (1 - e) * task.mu[rows, 0]
        label = winsorised(rest / got, task.live)
        arms.append(
            grow(task.bins, rows, got, rest, label, _units(task, rows), least(len(rows)), task.seed, task.threads)
        )
    return Forest(tuple(arms))


def least(n: int) -> int:
    """Rows of a leaf: few, since what a leaf averages over is bias to the interval of a single user.

    Examples
    --------
    >>> [least(n) for n in (1_000, 20_000, 200_000)]
    [5, 10, 32]
    """
    return max(5, round(float(np.sqrt(n / 200))))


def _rows(task: Task, a: int) -> IntArray:
    return np.flatnonzero((task.arm == a) | (task.arm == 0))


def _units(task: Task, rows: IntArray) -> IntArray | None:
    """What was assigned together, as dense codes of these rows."""
    return None if task.cluster is None else np.unique(task.cluster[rows], return_inverse=True)[1]
