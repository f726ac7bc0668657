"""Refuters of a fitted `Uplift`: everything is learned again, with the same recipes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check
from gmvcausal.results.refutation import MOST, Deal, Refutation, refuted, whole_draws
from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.redeal import part_of
from gmvcausal.targeting.fit import learn_nuisances
from gmvcausal.targeting.intake.trial import FloatArray, IntArray

if TYPE_CHECKING:
    from gmvcausal.targeting.result import Uplift


@dataclass(frozen=True, eq=False)
class _Rows:
    x: Matrix
    y: FloatArray
    arm: IntArray
    propensity: FloatArray | None
    cluster: IntArray | None
    fold: IntArray

    def take(self, at: IntArray) -> _Rows:
        cluster = None if self.cluster is None else np.unique(self.cluster[at], return_inverse=True)[1]
        return _Rows(
            np.asfortranarray(self.x[at]), self.y[at], self.arm[at],
            None if self.propensity is None else self.propensity[at], cluster, self.fold[at],
        )  # fmt: skip


def refute(m: Uplift, seed: Any, draws: Any) -> Refutation:
    """See `Uplift.refute`."""
    check("seed", seed)
    draws = whole_draws(draws)
    t = m.trial
    if not t.n:
        raise InputError("the rows that were learned from are not in the file", remedy="call uplift again, then ask")
    if m.fit.model is None:
        raise DesignError(
            "without features nothing was learned that could be learned again",
            remedy="pass features= to uplift; a difference of means has its placebo in gc.ab_test's randomisation test",
        )
    if np.isnan(m.estimates.std_error[0]):
        raise DesignError("there is no standard error to hold anything against", remedy="assign more clusters")
    learn = _Learner(m)
    rows = _Rows(t.x, t.y, t.arm, t.propensity, t.cluster, m.fit.fold)
    k = t.arms - 1
    if t.n > MOST:
        rows = rows.take(part_of(rows.arm, MOST / t.n, np.random.default_rng([seed, 9]), rows.cluster))
    if t.n > MOST or m.sampled is not None:
        base = learn(rows, rows.fold)
    else:
        base = (m.estimates.estimate[:k], m.estimates.std_error[:k])

    def again(deal: Deal) -> tuple[FloatArray, FloatArray]:
        if deal.arm is not None:
            fold = make_folds(deal.arm, rows.cluster, learn.folds, seed + deal.draw)
            return learn(_Rows(rows.x, rows.y, deal.arm, rows.propensity, rows.cluster, rows.fold), fold)
        if deal.noise is not None:
            x = np.asfortranarray(np.hstack([rows.x, deal.noise[:, None].astype(np.float32)]))
            return learn(_Rows(x, rows.y, rows.arm, rows.propensity, rows.cluster, rows.fold), rows.fold)
        assert deal.at is not None
        part = rows.take(deal.at)
        return learn(part, part.fold)  # copies of a row are in one fold

    return refuted(
        again, base, rows.arm, m.arms, cluster=rows.cluster, propensity=rows.propensity, seed=seed, draws=draws,
        of=t.n, unit=m.unit,
    )  # fmt: skip


class _Learner:
    """Average effects and standard errors of rows, everything learned again as the result did."""

    def __init__(self, m: Uplift) -> None:
        self.arms = m.trial.arms
        self.folds = int(m.fit.fold.max()) + 1
        self.categorical = m.trial.features.categorical
        self.seed, self.threads = int(m.manifest.seed or 0), m.fit.threads
        self.estimand = str(m.manifest.options["estimand"])

    def __call__(self, rows: _Rows, fold: IntArray) -> tuple[FloatArray, FloatArray]:
        bins = Bins(rows.x, self.categorical, self.seed, self.threads)
        n = learn_nuisances(bins, fold, rows.y, rows.arm, self.arms, rows.propensity, cluster=rows.cluster)
        found = averages(
            rows.y, rows.arm, n.e, n.mu, estimand=self.estimand, cluster=rows.cluster, known=n.settled
        )  # fmt: skip
        return found.estimate, np.sqrt(np.diag(found.cov))
