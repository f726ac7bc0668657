"""What a sample taught, applied to every row of the table: average effects and the checks of the lot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.features import Matrix, Unseen
from gmvcausal.results import Check
from gmvcausal.stats.nuisance.aipw import Averages
from gmvcausal.targeting.audit.of_design import (
    effective_check,
    overlap_check,
    ratio_check,
    ratio_test_of_sums,
    sizes_beside,
)
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.read import read_trial
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.large.draw import DEALT, Draw
from gmvcausal.targeting.large.source import Source, placed
from gmvcausal.targeting.large.sums import Found, Sums
from gmvcausal.targeting.make import Block

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Whole:
    """Sums over all rows, as a result is made of them.

    Attributes
    ----------
    sums : Sums
    """

    sums: Sums

    @property
    def n(self) -> int:
        """Rows."""
        return self.sums.n

    def _found(self, kind: str) -> Found:
        makers = {"": self.sums.effects, "unadjusted": self.sums.plain, "overlap": self.sums.overlap}
        return makers[kind]()

    def block(self, kind: str, estimand: str) -> Block:
        """Rows of a result."""
        found = self._found(kind)
        return Block(kind, estimand, found.averages, found.levels)

    def joint(self, kinds: list[str]) -> FloatArray:
        """Covariance of all rows of the blocks of these kinds."""
        return self.sums.joint([self._found(kind) for kind in kinds])

    def net(self) -> tuple[Averages, FloatArray]:
        """Net value and mean cost of every arm."""
        return self.sums.net().averages, self.sums.paid

    def checks(self, trial: Trial, estimand: str, srm_alpha: float) -> dict[str, Check]:
        """The checks that sums over all rows answer better than a sample."""
        s, labels = self.sums, trial.labels
        found: dict[str, Check] = {}
        if trial.known:
            p = ratio_test_of_sums(s.sizes, s.expected, s.together)
            found["sample_ratio"] = ratio_check(p, sizes_beside(labels, s.sizes, s.expected), srm_alpha)
        worst = s.rare / s.n if estimand != "att" else float((s.rare_control[1:] / s.sizes[1:]).max())
        found["overlap"] = overlap_check(worst, estimand)
        if estimand == "att":
            least = min((float(total**2 / square), 0) for total, square in s.odds)
        else:
            least = min((float(w**2 / s2), a) for a, (w, s2) in enumerate(zip(s.weight, s.weight2, strict=True)))
        found["effective_sample_size"] = effective_check(least[0], int(s.sizes[least[1]]), repr(labels[least[1]]))
        return found


def _of_folds(fit: Fit, lot: NDArray[np.int64], x: Matrix) -> FloatArray:
    """Predicted outcomes of rows that trained nothing, each by the models of one fold."""
    if not fit.outcomes:
        return fit.predict_outcomes(x)
    fold = lot % len(fit.outcomes)
    mu = np.empty((len(x), fit.mu.shape[1]))
    for f, model in enumerate(fit.outcomes):
        own = fold == f
        mu[own] = model.predict(x[own], fit.threads)
    return mu


def of_all_rows(
    source: Source, drawn: Draw, asked: Asked, trial: Trial, e: FloatArray, fit: Fit, estimand: str, pilot: FloatArray
) -> tuple[Whole, list[str]]:
    """Sums over the rows that were learned from, out of fold, and over all others; and what was met on the way.

    The others are dealt to the folds by lot, and told by the models of their fold alone. So each model speaks of rows,
    drawn and not drawn, whose arms have the chances of all rows: were the others told by other models than those that
    were drawn, the difference of the models would meet arms that are too many here and too few there.

    Parameters
    ----------
    source, drawn
        The table, and what was drawn of it.
    asked : Asked
    trial : Trial
        The sample.
    e : ndarray, shape (n, k + 1)
        Chances of the rows of the sample among all rows.
    fit : Fit
    estimand : str
    pilot : ndarray, shape (k,)
        The effects in the sample.
    """
    t = trial
    sums = Sums(t.arms, estimand, pilot, float(t.y.mean()), t.margin)
    sums.add(t.y, t.arm, e, np.asarray(fit.mu), t.cost)
    shares = np.array([drawn.sizes[label] for label in t.labels]) / sum(drawn.sizes.values())
    alone = replace(asked, unit=None, exposed_at=None)
    unseen: Unseen = {}
    for at, batch in source.batches((), drawn.rest):
        where = "among the rows that were not learned from, whose reading stopped there"
        with placed(at, batch.num_rows, where):
            b = read_trial(batch, alone, t.features, t.labels, facts={}, unseen=unseen)
        chances = np.tile(shares, (b.n, 1)) if b.propensity is None else b.propensity
        fold = np.array([int(digits, 16) for digits in batch.column(DEALT).to_pylist()])[b.row]
        sums.add(b.y, b.arm, chances, _of_folds(fit, fold, b.x), b.cost)
    notes = t.features.judge_unseen(unseen, sums.n)
    return Whole(sums), notes
