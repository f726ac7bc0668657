"""Learners that subtract predicted outcomes: s, t and hurdle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.stats.nuisance.aipw import scores
from gmvcausal.stats.nuisance.boost import Bins, recipe
from gmvcausal.stats.nuisance.boosted import Matrix, Trees
from gmvcausal.stats.nuisance.outcomes import Outcome, cross_fit
from gmvcausal.stats.nuisance.parts import lower
from gmvcausal.targeting.learners.pseudo import OneStage, winsorised
from gmvcausal.targeting.learners.task import ByFold, Task

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Difference(ByFold):
    """Predicted outcome under an arm less that under the control, and a correction where held-out rows ask for it.

    Attributes
    ----------
    outcomes : tuple of Outcome
        One for each fold.
    correction : OneStage or None
    share : float
        How much of the correction is added.
    """

    outcomes: tuple[Outcome, ...]
    correction: OneStage | None = None
    share: float = 0.0

    def folds(self) -> int:
        """Number of folds."""
        return len(self.outcomes)

    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, k)."""
        return self.above(f, self.outcomes[f].predict(x, threads), x, threads)

    def above(self, f: int, mu: FloatArray, x: Matrix, threads: int = 1) -> FloatArray:
        """`of_fold` from the predicted outcomes of the fold, shape (n, k)."""
        out = mu[:, 1:] - mu[:, :1]
        if self.correction is not None:
            out = out + self.share * self.correction.of_fold(f, x, threads)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        correction = None if self.correction is None else self.correction.to_dict()
        return {"outcomes": [m.to_dict() for m in self.outcomes], "correction": correction, "share": self.share}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Difference:
        """What `to_dict` made."""
        correction = None if found["correction"] is None else OneStage.from_dict(found["correction"])
        return cls(tuple(Outcome.from_dict(m) for m in found["outcomes"]), correction, float(found["share"]))


@dataclass(frozen=True, eq=False)
class Single(ByFold):
    """One model of the outcome with the arm among the features; the effect is what changing the arm changes.

    Attributes
    ----------
    trees : tuple of Trees
        One for each fold.
    arms : int
    """

    trees: tuple[Trees, ...]
    arms: int

    def folds(self) -> int:
        """Number of folds."""
        return len(self.trees)

    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, k)."""
        said = [self.trees[f].predict(_with_arm(x, np.full(len(x), a), self.arms), threads) for a in range(self.arms)]
        return np.column_stack(said[1:]) - said[0][:, None]

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {"trees": [t.to_dict() for t in self.trees], "arms": self.arms}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Single:
        """What `to_dict` made."""
        return cls(tuple(Trees.from_dict(t) for t in found["trees"]), int(found["arms"]))


def _with_arm(x: Matrix, arm: NDArray[Any], arms: int) -> Matrix:
    return np.column_stack([x, *((arm == a).astype(np.float32) for a in range(1, arms))])


def fit_s(task: Task) -> Single:
    """One model for all arms (Künzel et al. 2019)."""
    bins = Bins(_with_arm(task.bins.x, task.arm, task.arms), task.bins.categorical, task.seed, task.threads)
    objective = "binary" if task.kind == "binary" else "regression"
    rows = (np.flatnonzero(task.fold != f) for f in range(task.folds))
    return Single(tuple(bins.train(r, task.y[r], recipe(len(r), objective)) for r in rows), task.arms)


def fit_t(task: Task) -> Difference:
    """A model of the outcome for each arm by itself (Künzel et al. 2019)."""
    kind = "binary" if task.kind == "binary" else "plain"
    _, outcomes = cross_fit(task.bins, task.fold, task.y, task.arm, task.arms, kind, shared=False)
    return Difference(outcomes)


def fit_hurdle(task: Task) -> Difference:
    """Chance of buying times amount given buying under each arm, and what doubly robust scores add to that.

    Both parts are learned over all arms first; what sets an arm apart is learned on top, on the scale of the link, by
    few and slow trees: effects are mostly small beside what users differ in anyway. Then the winsorised difference of
    doubly robust scores less that effect is regressed on the features, and a share of it is added if it lowers the
    held-out loss by more than one paired standard error. The result has the mean of the average effect, which
    winsorising does not touch.
    """
    if task.y.min() < 0:
        raise DesignError(
            "the outcome has negative values, so it is no chance of buying times an amount",
            remedy="take GMV before refunds, or another learner",
        )
    if task.kind == "plain":
        mu, outcomes = cross_fit(task.bins, task.fold, task.y, task.arm, task.arms, "hurdle")
        task = replace(task, kind="hurdle", mu=mu, outcomes=outcomes)
    plain = Difference(task.outcomes)
    psi = scores(task.y, task.arm, task.e, task.mu)
    gain = winsorised_columns(psi[:, 1:] - psi[:, :1], task.live)
    own = task.mu[:, 1:] - task.mu[:, :1]
    correction = _second_stage(task, gain - own)
    more = correction.own(task)
    best, share = ((gain - own) ** 2).sum(axis=1), 0.0
    for tried in (0.25, 0.5, 1.0):
        loss = ((gain - own - tried * more) ** 2).sum(axis=1)
        if lower(loss, best):
            best, share = loss, tried
    return plain if share == 0 else replace(plain, correction=correction, share=share)


def winsorised_columns(values: FloatArray, live: float) -> FloatArray:
    """`winsorised`, arm by arm."""
    return np.column_stack([winsorised(column, live) for column in values.T])


def _second_stage(task: Task, target: FloatArray) -> OneStage:
    out = []
    for f in range(task.folds):
        rows = np.flatnonzero(task.fold != f)
        how = recipe(len(rows), effect=True)
        out.append(tuple((task.bins.train(rows, column[rows], how),) for column in target.T))
    return OneStage(tuple(out), ((1.0,),) * (task.arms - 1))
