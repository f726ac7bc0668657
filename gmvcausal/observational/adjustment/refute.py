"""Refuters of an adjusted comparison: chances and outcomes are learned again in every run, by the same estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.frames.params import check
from gmvcausal.observational.adjustment.intake import LEARNED, Sample
from gmvcausal.observational.adjustment.learn import learn
from gmvcausal.observational.adjustment.numbers import ESTIMATORS, spread_of
from gmvcausal.results.audit import Check
from gmvcausal.results.refutation import MOST, NAMES, Deal, Refutation, refuted, whole_draws
from gmvcausal.stats.redeal import part_of

if TYPE_CHECKING:
    from gmvcausal.observational.adjustment.result import Adjusted

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# In the audit refuters run by themselves only where a run costs next to nothing: regressions, on no more rows than
# this, with so few draws.
QUICK_ROWS, QUICK_DRAWS = 5_000, 10


def refute(r: Adjusted, seed: Any, draws: Any) -> Refutation:
    """See `Adjusted.refute`."""
    seed, draws = check("seed", seed), whole_draws(draws)
    if np.isnan(r.estimates.std_error[0]):
        raise DesignError("there is no standard error to hold anything against", remedy="assign more clusters")
    learned = r.estimator in LEARNED
    folds, threads = int(r.manifest.options["folds"]), int(r.manifest.options["threads"])
    own_seed = int(r.manifest.options["seed"])

    def fitted(s: Sample, origin: IntArray | None, fold_seed: int) -> tuple[FloatArray, FloatArray]:
        # Copies of a row are learned in one fold, as if they were a cluster; their error is that of rows.
        together = s if origin is None or s.cluster is not None else replace(s, cluster=origin)
        known = learn(together if learned else s, learned, folds, fold_seed, threads)
        found = ESTIMATORS[r.estimator](s, known, r.about)
        variance, spread = spread_of(s, found.influence, found.used, found.adjusted)
        return np.array([found.estimate]), np.sqrt([variance]) * spread.factor[:1]

    sample = r.sample
    if not learned:  # standardised columns carry rounding that hangs on where rows stood; lots must not
        sample = taken(sample, np.lexsort((*np.round(sample.x.T, 6), sample.arm, sample.y)))
    base = (r.estimates.estimate[:1], (r.estimates.std_error * r.estimates.t.factor)[:1])
    if sample.n > MOST:
        sample = taken(sample, part_of(sample.arm, MOST / sample.n, np.random.default_rng([seed, 9]), sample.cluster))
        base = fitted(sample, None, own_seed)

    def again(deal: Deal) -> tuple[FloatArray, FloatArray]:
        if deal.arm is not None:
            return fitted(replace(sample, treated=deal.arm == 1), None, own_seed + deal.draw)
        if deal.noise is not None:
            return fitted(beside_noise(sample, deal.noise), None, own_seed)
        assert deal.at is not None
        return fitted(taken(sample, deal.at), np.unique(deal.at, return_inverse=True)[1], own_seed)

    names = names_of(r.estimator)
    return refuted(
        again, base, sample.arm, (r.estimates.term[0],), cluster=sample.cluster, propensity=None, seed=seed,
        draws=draws, of=r.sample.n, unit=r.unit, names=names, jumpy=learned or r.estimator == "matching",
    )  # fmt: skip


def names_of(estimator: str) -> tuple[str, ...]:
    """The refuters of an estimator: the bootstrap is for smooth ones only.

    Rows drawn anew do not tell the error of matching (Abadie and Imbens 2008), and among copies of rows lines and trees
    smooth too little, so that runs spread more than answers do.
    """
    smooth = estimator not in (*LEARNED, "matching")
    return tuple(name for name in NAMES if smooth or name != "bootstrap")


def taken(s: Sample, at: IntArray) -> Sample:
    """The rows at some positions, with codes of clusters that leave no gaps."""
    cluster = None if s.cluster is None else np.unique(s.cluster[at], return_inverse=True)[1]
    x: Any = np.asfortranarray(s.x[at])
    return replace(s, y=s.y[at], treated=s.treated[at], x=x, cluster=cluster, row=s.row[at])


def beside_noise(s: Sample, noise: FloatArray) -> Sample:
    """The rows with one more covariate."""
    wider: Any = np.empty((s.n, s.x.shape[1] + 1), dtype=s.x.dtype, order="F")
    wider[:, :-1], wider[:, -1] = s.x, noise
    return replace(s, x=wider, names=(*s.names, "noise"), source=(*s.source, "noise"))


def of_itself(r: Adjusted) -> tuple[Check, ...]:
    """The refuters that the audit runs unasked, or what they would cost."""
    if np.isnan(r.estimates.std_error[0]):
        return ()
    if r.estimator not in LEARNED and r.sample.n <= QUICK_ROWS:
        try:
            return tuple(refute(r, 0, QUICK_DRAWS).audit)
        except DesignError:  # a part of the rows, or false arms, cannot be fitted: the answer stands on few rows
            return (Check("refuters", "not_run", "a run without some of the rows cannot be fitted: they are few"),)
    names = names_of(r.estimator)
    fits = len(names) * 20
    told = f"{', '.join(names)}: r.refute() runs them, in about {fits} times the time of the estimate"
    return (Check("refuters", "not_run", told),)
