"""What a learner learns from, and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.stats.nuisance.outcomes import Outcome

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
    names : tuple of str
        Of the features.
    seed, threads : int
    cluster : ndarray, shape (n,), or None
        Dense codes of what was assigned together.
    """

    bins: Bins
    y: FloatArray
    arm: IntArray
    fold: IntArray
    e: FloatArray
    mu: FloatArray
    kind: str
    outcomes: tuple[Outcome, ...]
    names: tuple[str, ...]
    seed: int = 0
    threads: int = 1
    cluster: IntArray | None = None

    @property
    def arms(self) -> int:
        """Number of arms, the control among them."""
        return int(self.e.shape[1])

    @property
    def live(self) -> float:
        """Share of the outcomes other than zero."""
        return float((self.y != 0).mean())

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1


class Model(Protocol):
    """Individual effects."""

    @property
    def honest(self) -> bool:
        """Whether there are intervals for single rows."""

    @property
    def centred(self) -> bool:
        """Whether the mean of the effects is to be that of the average effect."""

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Effects of rows that were not learned from, shape (n, k)."""

    def own(self, task: Task) -> FloatArray:
        """Effects of the rows themselves by what has not seen them, shape (n, k)."""

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""


class ByFold(ABC):
    """A model for each fold: their mean for new rows, and for each row of its own the one that has not seen it."""

    honest = False
    centred = True

    @abstractmethod
    def folds(self) -> int:
        """Number of folds."""

    @abstractmethod
    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """Effects by the models that have not seen fold `f`, shape (n, k)."""

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Effects of rows that were not learned from, shape (n, k)."""
        total = self.of_fold(0, x, threads)
        for f in range(1, self.folds()):
            total = total + self.of_fold(f, x, threads)
        return total / self.folds()

    def own(self, task: Task) -> FloatArray:
        """Effects of the rows themselves by what has not seen them, shape (n, k)."""
        out = np.empty((len(task.y), task.arms - 1))
        for f in range(task.folds):
            held = task.fold == f
            out[held] = self.of_fold(f, task.bins.x[held], task.threads)
        return out
