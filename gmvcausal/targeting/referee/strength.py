"""How strong would something unseen have to be to explain an average effect away? The numbers of a fitted result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.results.hidden_confounding import Benchmark, HiddenConfounding, benchmark_names, check_asked
from gmvcausal.stats import hidden
from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.omitted import as_strong, e_values, omitted
from gmvcausal.stats.nuisance.outcomes import arm_means
from gmvcausal.targeting.fit import learn_nuisances
from gmvcausal.targeting.intake.trial import FloatArray, Trial

if TYPE_CHECKING:
    from gmvcausal.targeting.result import Uplift


def sensitivity(
    m: Uplift, benchmark: Any, outcome: float, treatment: float, rho: float, alpha: float
) -> HiddenConfounding:
    """See `Uplift.sensitivity`."""
    check_asked(outcome, treatment, rho)
    t = m.trial
    if not t.n:
        raise InputError("the rows that were learned from are not in the file", remedy="call uplift again, then ask")
    names = benchmark_names(benchmark, t.features.names, "features", "uplift")
    k = t.arms - 1
    estimand = str(m.manifest.options["estimand"])
    measure = m.unit
    if t.known:
        gone = np.full((3, 3), math.nan)
        nothing = tuple(hidden.Omitted(float(v), math.nan, math.nan, gone) for v in m.estimates.estimate[:k])
        empty = np.full((k, 2), math.nan)
        return HiddenConfounding(
            True, m.arms, m.control, nothing, m.estimates.std_error[:k], empty[:, 0], empty, outcome, treatment, rho,
            (), alpha, measure, False,
        )  # fmt: skip
    found = _omitted(t, m.fit.e, m.fit.mu, estimand, m.fit.settled)
    from scipy import special

    withheld = np.isnan(m.estimates.std_error[:k])
    error = np.where(withheld, math.nan, np.sqrt([o.cov[0, 0] for o in found]))
    critical = np.where(withheld, math.nan, special.stdtrit(m.estimates.t.df[:k], 1 - alpha / 2))
    values, by_ratio = e_values(
        t.y, t.arm, m.fit.e, m.fit.mu, m.estimates.estimate[:k], critical * error, critical, estimand, t.cluster
    )
    rows: list[Benchmark] = []
    for name in names:
        rows += _benchmarks(m, name, found, estimand)
    return HiddenConfounding(
        False, m.arms, m.control, found, error, critical, values, outcome, treatment, rho, tuple(rows), alpha, measure,
        by_ratio,
    )  # fmt: skip


def _omitted(t: Trial, e: FloatArray, mu: FloatArray, estimand: str, known: bool) -> tuple[hidden.Omitted, ...]:
    """What the bias of each arm's average effect is measured by."""
    found = averages(t.y, t.arm, e, mu, estimand=estimand, cluster=t.cluster, known=known)
    return omitted(t.y, t.arm, e, mu, found.estimate, found.influence, estimand, t.cluster)


def _benchmarks(m: Uplift, name: str, long: tuple[hidden.Omitted, ...], estimand: str) -> list[Benchmark]:
    """The model learned again without a feature, on the same folds."""
    t = m.trial
    j = t.features.names.index(name)
    keep = [i for i in range(len(t.features.names)) if i != j]
    if keep:
        places = {old: new for new, old in enumerate(keep)}
        categorical = [places[c] for c in t.features.categorical if c != j]
        seed, threads = int(m.manifest.seed or 0), m.fit.threads
        bins = Bins(np.asfortranarray(t.x[:, keep]), categorical, seed, threads)
        found = learn_nuisances(bins, m.fit.fold, t.y, t.arm, t.arms, t.propensity, cluster=t.cluster)
        e, mu, known = found.e, found.mu, found.settled
    else:
        known = True
        e, mu = np.tile(t.sizes / t.n, (t.n, 1)), arm_means(t.y, t.arm, t.arms)
    rows = []
    for a, (o, s) in enumerate(zip(long, _omitted(t, e, mu, estimand, known), strict=True)):
        outcome, treatment, rho, change = as_strong(o, s)
        low, high = hidden.bounds(o, outcome, treatment)
        rows.append(Benchmark(name, m.arms[a], outcome, treatment, rho, change, low, high))
    return rows
