"""What a learner learns from, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.targeting.boost import Bins, Matrix
from gmvcausal.targeting.nuisance import Chances, Outcome

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """Rows with their nuisances.

    Attributes
    ----------
    bins : Bins
        The features, shape (n, p).
    y, arm, fold : ndarray, shape (n,)
    e, mu : ndarray, shape (n, k + 1)
        Out of fold.
    kind : {"plain", "hurdle", "binary"}
    outcomes : tuple of Outcome
        The models behind `mu`, one for each fold.
    chances : Chances or None
        The models behind `e`; None where it was given.
    threads : int
    """

    bins: Bins
    y: FloatArray
    arm: IntArray
    fold: IntArray
    e: FloatArray
    mu: FloatArray
    kind: str
    outcomes: tuple[Outcome, ...]
    chances: Chances | None
    threads: int = 1

    @property
    def arms(self) -> int:
        """Number of arms, the control among them."""
        return int(self.e.shape[1])

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1


class Model(Protocol):
    """Individual effects, one model for each fold."""

    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """Effects of the arms by the models that have not seen fold `f`, shape (n, k)."""

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""


def effects(model: Model, folds: int, x: Matrix, threads: int = 1) -> FloatArray:
    """Effects for rows that no fold has seen: the mean over the folds' models, shape (n, k)."""
    total = model.of_fold(0, x, threads)
    for f in range(1, folds):
        total = total + model.of_fold(f, x, threads)
    return total / folds


def out_of_fold(model: Model, task: Task) -> FloatArray:
    """Effects of the rows themselves, each by the models that have not seen its fold, shape (n, k)."""
    out = np.empty((len(task.y), task.arms - 1))
    for f in range(task.folds):
        held = task.fold == f
        out[held] = model.of_fold(f, task.bins.x[held], task.threads)
    return out
