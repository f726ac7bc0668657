"""How strong would something unseen have to be to explain an adjusted effect away?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.observational.adjustment.intake import LEARNED, Sample
from gmvcausal.observational.adjustment.learn import Nuisances, kept_away, learn, two
from gmvcausal.observational.adjustment.numbers import ESTIMATORS, Found, scores
from gmvcausal.results.hidden_confounding import Benchmark, HiddenConfounding, benchmark_names, check_asked
from gmvcausal.stats import hidden
from gmvcausal.stats.nuisance.omitted import as_strong, e_values, omitted
from gmvcausal.stats.nuisance.outcomes import arm_means

if TYPE_CHECKING:
    from gmvcausal.observational.adjustment.result import Adjusted


def sensitivity(
    r: Adjusted, benchmark: Any, outcome: float, treatment: float, rho: float, alpha: float
) -> HiddenConfounding:
    """See `Adjusted.sensitivity`."""
    from scipy import special

    check_asked(outcome, treatment, rho)
    s, k = r.sample, r.known
    names = benchmark_names(benchmark, s.covariates, "covariates", "adjust")
    long = omitted_of(s, k, r.found, r.about)
    error = r.estimates.std_error[:1]
    critical = np.where(np.isnan(error), math.nan, special.stdtrit(r.estimates.t.df[:1], 1 - alpha / 2))
    e, _ = kept_away(k.chance, r.about)
    values, by_ratio = e_values(
        s.y, s.arm, two(e), k.mu, r.estimates.estimate[:1], critical * error, critical, r.about, s.cluster
    )
    own, said = _own(r, alpha)
    return HiddenConfounding(
        False, (s.labels[1],), s.labels[0], (long,), error, critical, values, outcome, treatment, rho,
        tuple(_benchmark(r, name, long) for name in names), alpha, r.unit, by_ratio, "covariates", own, said,
    )  # fmt: skip


def omitted_of(s: Sample, k: Nuisances, found: Found, about: str) -> hidden.Omitted:
    """What the bias of something unseen is measured by."""
    e, _ = kept_away(k.chance, about)
    return omitted(
        s.y, s.arm, two(e), k.mu, np.array([found.estimate]), found.influence[:, None], about, s.cluster
    )[0]  # fmt: skip


def _benchmark(r: Adjusted, name: str, long: hidden.Omitted) -> Benchmark:
    """The same estimator without one covariate, on the same folds."""
    s, options = without(r.sample, name), r.manifest.options
    if s.x.shape[1]:
        k = learn(s, r.estimator in LEARNED, options["folds"], options["seed"], options["threads"])
    else:
        k = Nuisances(np.full(s.n, s.treated.mean()), arm_means(s.y, s.arm, 2), None, True)
    found = ESTIMATORS[r.estimator if s.x.shape[1] else "aipw"](s, k, r.about)
    outcome, treatment, rho, change = as_strong(long, omitted_of(s, k, found, r.about))
    low, high = hidden.bounds(long, outcome, treatment)
    return Benchmark(name, s.labels[1], outcome, treatment, rho, change, low, high)


def without(s: Sample, covariate: str) -> Sample:
    """The sample as it would be, had a covariate not been measured."""
    keep = [j for j, source in enumerate(s.source) if source != covariate]
    place = {old: new for new, old in enumerate(keep)}
    x: Any = np.asfortranarray(s.x[:, keep])
    return replace(
        s, x=x, names=tuple(s.names[j] for j in keep), features=None if s.features is None else s.features.take(keep),
        categorical=tuple(place[j] for j in s.categorical if j in place), source=tuple(s.source[j] for j in keep),
        covariates=tuple(c for c in s.covariates if c != covariate),
    )  # fmt: skip


def _own(r: Adjusted, alpha: float) -> tuple[dict[str, float], tuple[str, ...]]:
    """What the estimator says in its own language: partial R2 of regressions, Rosenbaum's odds of matched pairs."""
    s = r.sample
    if r.estimator == "matching":
        difference = r.found.difference if r.estimate >= 0 else -r.found.difference
        gamma = hidden.rosenbaum_gamma(difference, alpha / 2)
        words = (
            f"Rosenbaum: matched pairs tell the effect from none until hidden odds of treatment differ by "
            f"{gamma:.3g} within a pair (signed ranks, one-sided at {alpha / 2:g})."
        )
        return {"rosenbaum_gamma": gamma}, (words,)
    if r.estimator != "regression":
        return {}, ()
    whole = np.column_stack([s.design, s.treated.astype(float)])
    df = s.n - whole.shape[1]
    if df < 3:
        raise DesignError("too few rows are left by the covariates", remedy="use fewer covariates, or more rows")
    middle = float(s.y.mean())
    beta = np.linalg.lstsq(whole, s.y - middle, rcond=None)[0]
    rest = s.y - middle - whole @ beta
    target = np.zeros(whole.shape[1])
    target[-1] = 1.0
    slope = scores(whole, np.ones(s.n), target, None)
    leverage = np.einsum("ij,ij->i", whole @ np.linalg.inv(whole.T @ whole), whole)
    size = float(((slope * np.sqrt(1 - leverage)) ** 2).sum())
    square = float(rest @ rest) / df
    t = float(beta[-1]) / math.sqrt(square * size) if square > 0 else math.copysign(1e6, float(beta[-1]))
    own = {
        "partial_r2": hidden.partial_r2(t, df),
        "partial_robustness": hidden.robustness_value(t, df),
        "partial_robustness_interval": hidden.robustness_value(t, df, alpha=alpha),
    }
    words = (
        f"Cinelli and Hazlett: in the additive regression something that explains "
        f"{own['partial_robustness']:.1%} of what the covariates leave of treatment and outcome alike could be all of "
        f"it; {own['partial_robustness_interval']:.1%} would do to bring 0 into the interval."
    )
    return own, (words,)
