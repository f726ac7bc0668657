"""The audit of an instrument: which checks run. Their rules are in `rules`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.instrument.intake import Trial
from gmvcausal.observational.instrument.numbers import Fit
from gmvcausal.observational.instrument.partial import Partial
from gmvcausal.observational.instrument.result import set_words
from gmvcausal.observational.instrument.rules import RULES, bound, judge
from gmvcausal.results import Audit, Check, usual_checks
from gmvcausal.results.audit import audit_with
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.inference import chi_square, unrelated
from gmvcausal.stats.skewed import skewness_of_sum
from gmvcausal.stats.small_sample import groups_of_clusters

FloatArray = NDArray[np.float64]
Pieces = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Case:
    """What a check may look at."""

    trial: Trial
    left: Partial
    fit: Fit
    accepted: Pieces
    srm_alpha: float
    shares: FloatArray | None
    estimate: float

    def sums(self) -> FloatArray:
        """Influences of rows, or of clusters."""
        own, cluster = self.fit.influence, self.trial.cluster
        return own if cluster is None else np.bincount(cluster, own).astype(np.float64)


def f_words(value: float) -> str:
    """An F in a sentence."""
    if math.isinf(value):
        return "infinite"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def weak_instrument(case: Case) -> Check:
    """Does the instrument move the treatment enough for estimate and standard error to be read?"""
    fit = case.fit
    value = min(fit.strength / fit.bound, 1e300) if fit.bound > 0 else 1e300
    shown = "the treatment follows without rest"
    if math.isfinite(fit.strength):
        shown = f"effective F = {f_words(fit.strength)}"
    needed = f"{fit.bound:.3g}" if fit.bound > 0 else "none"
    message = f"{shown}; {needed} keeps the bias below 10 % of the worst case"
    if any(math.isinf(end) for piece in case.accepted for end in piece):
        return Check(
            "weak_instrument", "failed", f"{message}; {set_words(case.accepted)}", value, bound("weak_instrument"),
            "the instrument hardly moves the treatment, so only the effect of assignment can be told: read the rows "
            "of intent to treat, and encourage more strongly next time",
        )  # fmt: skip
    status = judge("weak_instrument", value)
    remedy = "" if status == "passed" else (
        "read the Anderson-Rubin set, which holds however weak the instrument is, not estimate and standard error"
    )  # fmt: skip
    return Check("weak_instrument", status, message, value, bound("weak_instrument"), remedy)


def same_as_treatment(case: Case) -> Check | None:
    """Is an instrument the treatment itself, under another name?"""
    t = case.trial
    same = [n for n, z in zip(t.names, t.z.T, strict=True) if np.array_equal(z, t.d) or np.array_equal(1 - z, t.d)]
    if not same:
        return None
    return RULES.check(
        "same_as_treatment", 1.0, f"{same[0]!r} and the treatment are the same in every row",
        "where a lot drew it and everybody complied, gc.ab_test says the same; where users or the shop chose, it is no "
        "instrument: gc.adjust compares users alike",
    )  # fmt: skip


def balance(case: Case) -> Check | None:
    """Is an instrument unrelated to what was known before?"""
    t = case.trial
    if not t.x.shape[1]:
        return Check(
            "balance", "not_run", "there are no covariates: that a lot decided the instrument is taken on trust",
            remedy="pass covariates=, what was known of users before",
        )  # fmt: skip
    worst, message = 1.0, ""
    for name, column in zip(t.names, t.z.T, strict=True):
        p, j = unrelated(column, t.x, t.cluster)
        if p < worst or not message:
            worst = p
            message = f"covariate {t.covariates[j]!r} differs most with {name!r} ({p_words(worst)})"
    value = min(1.0, worst * t.x.shape[1] * t.z.shape[1])
    status = judge("balance", value)
    remedy = "" if status == "passed" else (
        "assignment by lot leaves no such difference: find out who decided; where the lot went by this covariate "
        "(strata) it belongs among the covariates and all is well"
    )  # fmt: skip
    return Check("balance", status, message, value, bound("balance"), remedy)


def overidentification(case: Case) -> Check | None:
    """Do several instruments tell of one effect?"""
    value, df, p = case.fit.over
    if not df:
        return None
    if not case.accepted:
        return Check(
            "overidentification", "failed", "no value of the effect is compatible with all instruments (the "
            "Anderson-Rubin set is empty)", None if math.isnan(p) else p, bound("overidentification"),
            "an instrument acts in other ways than through the treatment, or compliers of the instruments differ: use "
            "them one at a time, and keep those whose exclusion can be argued for",
        )  # fmt: skip
    if math.isnan(p):
        return Check("overidentification", "not_run", "there are no more clusters than moments")
    status = judge("overidentification", p)
    remedy = "" if status == "passed" else (
        "use the instruments one at a time and compare: one of them acts in other ways than through the treatment, or "
        "their compliers differ"
    )  # fmt: skip
    return Check(
        "overidentification", status, f"J = {value:.4g} on {df} degrees of freedom: {p_words(p)}", p,
        bound("overidentification"), remedy,
    )  # fmt: skip


def one_sided(case: Case) -> Check | None:
    """Was anybody treated who was not assigned?"""
    t = case.trial
    if not (t.two_arms and t.binary) or t.arm is None:
        return None
    value = float(t.d[t.arm == 0].mean())
    status = judge("one_sided", value)
    if status == "passed":
        return Check("one_sided", status, "nobody was treated without being assigned, so monotonicity holds", value,
                     bound("one_sided"))  # fmt: skip
    return Check(
        "one_sided", status, f"{value:.1%} were treated without being assigned, so that nobody refuses because of "
        "being assigned is assumed, not seen", value, bound("one_sided"),
        "check how these rows came about (logging, test accounts); if they are real, the answer is about compliers "
        "alone",
    )  # fmt: skip


def sample_ratio(case: Case) -> Check | None:
    """Do the arms of the instrument have the shares that were planned?"""
    t = case.trial
    if case.shares is None or t.arm is None:
        return None
    arm, what = t.arm, "rows"
    if t.cluster is not None:
        group = groups_of_clusters(t.arm, t.cluster, len(t.labels))
        if group.max() < len(t.labels):  # whole clusters were drawn
            arm, what = group[group >= 0], f"{t.cluster_name} clusters"
    counts = np.bincount(arm, minlength=len(t.labels))
    p = chi_square(counts, case.shares * len(arm))
    status = "failed" if p < case.srm_alpha else judge("sample_ratio", max(p, 0.01))
    told = ", ".join(f"{label} {int(c):,}" for label, c in zip(t.labels, counts, strict=True))
    remedy = "" if status == "passed" else (
        "find out who is missing (assignment, logging, filters) before reading any effect, or correct expected_ratio="
    )  # fmt: skip
    return Check("sample_ratio", status, f"{told} {what}: {p_words(p)}", p, case.srm_alpha, remedy)


def zero_variance(case: Case) -> Check | None:
    """Does the outcome vary?"""
    y = case.trial.y
    if y.min() != y.max() or not y.any():
        return None
    return Check("zero_variance", "warned", f"the outcome is {y[0]:g} in every row",
                 remedy="check the window and the join")  # fmt: skip


def worth(trial: Trial) -> usual_checks.Worth:
    """The clusters of the smallest arm of the instrument, of all where they hold several."""
    assert trial.cluster is not None
    return usual_checks.worth_of(trial.cluster, trial.arm)


def few_clusters(case: Case) -> Check | None:
    """Are there enough clusters for the standard errors?"""
    t = case.trial
    return None if t.cluster is None else usual_checks.few_clusters(RULES["few_clusters"], t.cluster_name, worth(t))


def cluster_level(case: Case) -> Check | None:
    """Was the level of assignment found, not named?"""
    t = case.trial
    return usual_checks.cluster_level(t.cluster_name, "assignment") if t.found_cluster else None


def tail(case: Case) -> Check:
    """Is the effect too skewed for its interval?"""
    return usual_checks.tail(
        RULES["tail"], skewness_of_sum(case.sums()), "the effect",
        "collect more rows, or read the test of a capped outcome beside it (gc.ab_test, received=, cap=)",
    )  # fmt: skip


def leverage(case: Case) -> Check:
    """Does one row carry the effect?"""
    return usual_checks.leverage(RULES["leverage"], case.sums(), case.estimate, "the effect", case.trial.cluster_name)


def leakage(case: Case) -> Check | None:
    """Is a covariate the outcome under another name?"""
    t = case.trial
    return usual_checks.leakage(RULES["leakage"], t.y, t.x, t.covariates, "covariates")


def copies(case: Case) -> Check | None:
    """Are rows there more than once? Not looked at where users are named."""
    t = case.trial
    if t.named_units or t.cluster is not None:
        return None
    arm = np.unique(np.column_stack([t.d, t.z]), axis=0, return_inverse=True)[1].ravel()
    return usual_checks.copies(RULES["copies"], t.y, arm, t.x, np.arange(t.n))


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    return usual_checks.all_zero(case.trial.y)


def negative_amounts(case: Case) -> Check | None:
    """Are refunds booked as negative amounts?"""
    return usual_checks.negative_amounts(RULES["negative_amounts"], case.trial.y, case.trial.facts.get("gmv"))


def scale_mix(case: Case) -> Check | None:
    """Are some rows recorded in another unit of money?"""
    return usual_checks.scale_mix(RULES["scale_mix"], case.trial.y)


def quantisation(case: Case) -> Check | None:
    """Are the numbers as fine as they are precise?"""
    return usual_checks.quantisation(RULES["quantisation"], case.trial.y, case.trial.spacing)


# Every check, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    weak_instrument, same_as_treatment, balance, overidentification, one_sided, sample_ratio, few_clusters,
    cluster_level, tail, leverage, leakage, copies, zero_variance, all_zero, negative_amounts, scale_mix,
    quantisation,
)  # fmt: skip


def run_audit(case: Case) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    return audit_with(found, case.trial.facts)
