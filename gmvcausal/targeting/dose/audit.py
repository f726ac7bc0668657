"""The audit of doses: was it a lot, is anything left to learn from, is a line enough, who decides the slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmvcausal.results import Audit, Check, usual_checks
from gmvcausal.results.audit import audit_with
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.skewed import skewness_of_sum
from gmvcausal.targeting.audit.checks import checks_of_rows
from gmvcausal.targeting.dose.fit import DoseFit
from gmvcausal.targeting.dose.intake import Doses
from gmvcausal.targeting.dose.rules import RULES, bound, judge
from gmvcausal.targeting.dose.slope import Slope, bend


@dataclass(frozen=True, eq=False)
class DoseCase:
    """What a check may look at."""

    doses: Doses
    fit: DoseFit
    found: Slope
    srm_alpha: float

    @property
    def row(self) -> str:
        """What one influence belongs to."""
        t = self.doses.trial
        return f"{t.cluster_name} cluster" if t.cluster is not None else "row"


def expected_dose(case: DoseCase) -> Check:
    """Do the doses have the mean that was given?"""
    from scipy import special

    t = case.doses.trial
    if case.doses.expected is None:
        return Check(
            "expected_dose", "not_run", "the expected dose was not given but estimated, so nothing was planned",
            remedy="pass propensity=, the mean dose, where a lot decided",
        )  # fmt: skip
    sums = case.fit.d if t.cluster is None else np.bincount(t.cluster, case.fit.d)
    n = len(sums)
    spread = float(np.sqrt(((sums - sums.mean()) ** 2).sum() * n / (n - 1)))
    z = float(sums.sum()) / spread if spread > 0 else np.inf
    p = 2 * float(special.stdtr(n - 1, -abs(z)))
    status = "failed" if p < case.srm_alpha else judge("expected_dose", max(p, 0.01))
    mean, planned = float(case.doses.dose.mean()), float(case.doses.expected.mean())
    remedy = "" if status == "passed" else "find out whose doses are missing or were changed, or correct propensity="
    message = f"mean dose {mean:,.6g} (expected {planned:,.6g}): {p_words(p)}"
    return Check("expected_dose", status, message, p, case.srm_alpha, remedy)


def dose_balance(case: DoseCase) -> Check | None:
    """Does the given mean miss what features know of the dose?"""
    p = case.fit.strayed
    if np.isnan(p) or case.doses.trial.cluster is not None:
        return None
    status = judge("dose_balance", p)
    told = "predict" if status != "passed" else "do not predict"
    remedy = "" if status == "passed" else (
        "a feature was moved by the tactic (then leave it out: it is measured after assignment), or propensity= is not "
        "what decided (then leave that out)"
    )  # fmt: skip
    return Check(
        "dose_balance", status, f"features {told} by how much doses miss the given mean ({p_words(p)})", p,
        bound("dose_balance"), remedy,
    )  # fmt: skip


def dose_variation(case: DoseCase) -> Check:
    """Is anything left of the dose once the features are known?"""
    dose, d = case.doses.dose, case.fit.d
    off = dose - dose.mean()
    share = max(0.0, 1.0 - float(d @ d) / float(off @ off))
    status = judge("dose_variation", share)
    remedy = "" if status == "passed" else (
        "the rest may be rounding or errors of recording: vary the dose by lot among users who are alike, or leave out "
        "the feature that decides it if it does not move the outcome itself"
    )  # fmt: skip
    message = f"{share:.1%} of the variance of the dose is explained by what was known before"
    return Check("dose_variation", status, message, share, bound("dose_variation"), remedy)


def curvature(case: DoseCase) -> Check | None:
    """Is a line enough?"""
    fit = case.fit
    if len(np.unique(case.doses.dose)) < 3:
        return None
    found = bend(fit.d, fit.square, fit.y - fit.slopes * fit.d, case.doses.trial.cluster)
    if found is None or np.isnan(found.p_value):
        return None
    status = judge("curvature", found.p_value)
    way = "rises" if found.change > 0 else "falls"
    message = f"the slope {way} by {abs(found.change):.3g} with each unit of the dose ({p_words(found.p_value)})"
    if status == "passed":
        return Check("curvature", status, f"no bend is seen: {message}", found.p_value, bound("curvature"))
    return Check(
        "curvature", status, message, found.p_value, bound("curvature"),
        "read the slope as an average over the doses given, not as that at the next unit; group the amounts into few "
        "arms (without dose=) to see the curve",
    )  # fmt: skip


def effective_sample_size(case: DoseCase) -> Check:
    """How many rows do the rows amount to that the slope hangs on?"""
    weight = case.fit.d**2
    weight = weight / weight.sum()
    worth = round(1.0 / float(weight @ weight), 6)
    status = judge("effective_sample_size", worth)
    remedy = "" if status == "passed" else "a few unusual doses decide: collect more rows, or spread doses more evenly"
    message = f"the {len(weight):,} rows count as {worth:,.1f} of equal weight"
    return Check("effective_sample_size", status, message, worth, bound("effective_sample_size"), remedy)


def tail(case: DoseCase) -> Check:
    """Is the slope too skewed for its interval?"""
    return usual_checks.tail(
        RULES["tail"], skewness_of_sum(case.found.influence), "the average slope",
        "collect more rows, or read the slope of a capped outcome beside it",
    )  # fmt: skip


def leverage(case: DoseCase) -> Check:
    """Does one row carry the slope?"""
    t = case.doses.trial
    return usual_checks.leverage(
        RULES["leverage"], case.found.influence, case.found.estimate, "the average slope",
        t.cluster_name if t.cluster is not None else "", "the slope",
    )  # fmt: skip


def few_clusters(case: DoseCase) -> Check | None:
    """Are there enough clusters for the standard error?"""
    t, weight = case.doses.trial, case.found.weight
    if t.cluster is None:
        return None
    worth = usual_checks.Worth(len(weight), 1.0 / float(weight @ weight), crossed=True, arms=False)
    return usual_checks.few_clusters(RULES["few_clusters"], t.cluster_name, worth, "vary the dose over more clusters")


def cluster_level(case: DoseCase) -> Check | None:
    """Was the level of assignment found, not named?"""
    t = case.doses.trial
    return usual_checks.cluster_level(t.cluster_name, "the dose") if t.found_cluster else None


# Every check, in the order of the published table: of doses, then of rows alone.
CHECKS: tuple[Callable[[DoseCase], Check | None], ...] = (
    expected_dose, dose_balance, dose_variation, curvature, effective_sample_size, tail, leverage, few_clusters,
    cluster_level,
)  # fmt: skip


def run_audit(case: DoseCase) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    trial = case.doses.trial
    return audit_with(found + checks_of_rows(trial), trial.facts)
