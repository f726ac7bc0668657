"""The causal forest of econml, on our own residuals: honest intervals for single users."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.targeting.boost import Matrix
from gmvcausal.targeting.learners.task import Task

FloatArray = NDArray[np.float64]

TREES = 500


@dataclass(frozen=True, eq=False)
class Forest:
    """A generalised random forest (Athey, Tibshirani and Wager 2019).

    Attributes
    ----------
    forest : econml.grf.CausalForest
    levels : tuple of (int, int)
        Position and number of levels of each category, which becomes 0/1 columns.
    """

    forest: Any
    levels: tuple[tuple[int, int], ...]
    honest = True
    centred = False

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Effects of rows that were not learned from, shape (n, k)."""
        with _quiet():
            return _columns(self.forest.predict(_dense(x, self.levels)))

    def interval(self, x: Matrix, alpha: float) -> FloatArray:
        """Lower and upper limits by the bootstrap of little bags, shape (n, k, 2)."""
        with _quiet():
            low, high = self.forest.predict_interval(_dense(x, self.levels), alpha=alpha)
        return np.stack([_columns(low), _columns(high)], axis=2)

    def own(self, task: Task) -> FloatArray:
        """Effects of the rows themselves by the trees that have not seen them, shape (n, k)."""
        with _quiet():
            return _columns(self.forest.oob_predict(_dense(task.bins.x, self.levels)))

    def to_dict(self) -> dict[str, Any]:
        """A forest is not stored."""
        raise DesignError(
            "a causal forest cannot be stored without pickled code, which is not loaded here",
            remedy="store m.predict(data), or save a learner of boosted trees",
        )


def fit_forest(task: Task) -> Forest:
    """Regress residuals on residuals in a forest whose trees choose splits on one half and effects on the other.

    Raises
    ------
    InputError
        Gaps in features, which the forest does not take.
    """
    from econml.grf import CausalForest

    gaps = np.isnan(task.bins.x)
    if gaps.any():
        at = int(np.argmax(gaps.any(axis=0)))
        raise InputError(
            "the causal forest takes no gaps",
            column=task.names[at],
            count=int(gaps[:, at].sum()),
            remedy="pass impute='median', or another learner: boosted trees take gaps as they are",
        )
    levels = tuple(
        (j, int(task.bins.x[:, j].max()) + 1) for j in task.bins.categorical
    )  # fmt: skip
    got = np.eye(task.arms)[task.arm][:, 1:] - task.e[:, 1:]
    rest = task.y - (task.e * task.mu).sum(axis=1)
    forest = CausalForest(
        n_estimators=TREES, min_samples_leaf=max(5, len(task.y) // 2000), max_samples=0.45, honest=True, inference=True,
        random_state=task.seed, n_jobs=task.threads,
    )  # fmt: skip
    with _quiet():
        forest.fit(_dense(task.bins.x, levels), got, rest)
    return Forest(forest, levels)


def _dense(x: Matrix, levels: tuple[tuple[int, int], ...]) -> FloatArray:
    """Categories as 0/1 columns; a level never seen is none of them. Gaps of numbers are the middle."""
    of = dict(levels)
    parts = []
    for j in range(x.shape[1]):
        column = np.asarray(x[:, j], dtype=np.float64)
        if j in of:
            parts.append((column[:, None] == np.arange(of[j])).astype(float))
        else:
            parts.append(np.nan_to_num(column)[:, None])
    return np.hstack(parts)


def _columns(found: Any) -> FloatArray:
    out = np.asarray(found, dtype=np.float64)
    return out.reshape(len(out), -1)


def _quiet() -> warnings.catch_warnings:
    """Warnings of what econml is built on say nothing of the user's data."""
    caught = warnings.catch_warnings(action="ignore", category=FutureWarning)
    return caught
