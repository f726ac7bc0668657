"""The audit of an adjusted comparison: which checks run. Their rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.adjustment.form import TESTED, Change, change
from gmvcausal.observational.adjustment.intake import Sample
from gmvcausal.observational.adjustment.learn import NEAREST, Nuisances
from gmvcausal.observational.adjustment.numbers import Found
from gmvcausal.observational.adjustment.rules import FAR, MOVED, RULES, bound, judge
from gmvcausal.observational.balance import effective, rare
from gmvcausal.results import Audit, Check, usual_checks
from gmvcausal.results.audit import audit_with
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.skewed import skewness
from gmvcausal.stats.small_columns import TOO_FEW
from gmvcausal.stats.small_sample import groups_of_clusters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Estimators whose weights alone make the arms alike.
BY_WEIGHTS = ("ipw", "matching")
RARE = 0.1  # share of treated rows below which the effect on those is the one to ask for
NEXT = (
    "ask for the effect weighted by overlap (estimand='overlap'), look at who has a counterpart (gc.match), or run an "
    "experiment (gc.ab_test)"
)


@dataclass(frozen=True, eq=False)
class Case:
    """What a check may look at."""

    sample: Sample
    known: Nuisances
    found: Found
    estimator: str
    estimand: str

    def sums(self) -> tuple[FloatArray, IntArray]:
        """Influences added up by cluster, and the arm of each (one more code where clusters hold both)."""
        s, own = self.sample, self.found.influence
        if s.cluster is None:
            return own, s.arm
        return np.bincount(s.cluster, own).astype(np.float64), groups_of_clusters(s.arm, s.cluster, 2)


def overlap(case: Case) -> Check:
    """How many of those whom the effect is about could hardly have got what they are compared with?"""
    s, e = case.sample, case.known.chance
    if case.estimand == "overlap":
        message = "rows count by how near their chances of both arms are, so that none counts too much"
        return Check("overlap", "passed", message)
    if case.estimand == "att":
        share = float((e[s.treated] > 1 - NEAREST).mean())
        message = f"{share:.1%} of the treated have a chance below {NEAREST:g} of going without"
    else:
        share = float((np.minimum(e, 1 - e) < NEAREST).mean())
        message = f"{share:.1%} of the rows have a chance below {NEAREST:g} of one of the arms"
    if case.found.trimmed > 0:
        message += f"; the chances of {case.found.trimmed:.1%} of all rows were set to {NEAREST:g} (trimmed)"
    status = judge("overlap", share)
    remedy = "" if status == "passed" else NEXT
    rare = float(s.treated.mean()) < RARE
    if remedy and case.estimand == "ate" and rare and float((e[s.treated] > 1 - NEAREST).mean()) < 0.01:
        remedy = (
            f"ask for the effect on those who got it (estimand='att'): only {float(s.treated.mean()):.2g} of the rows "
            f"did, and all of these have counterparts; or {NEXT}"
        )
    return Check("overlap", status, message, share, bound("overlap"), remedy)


def effective_sample_size(case: Case) -> Check:
    """How many rows do the weighted rows of both arms amount to?"""
    s, w = case.sample, case.found.weight
    control, treated = effective(w[~s.treated]), effective(w[s.treated])
    least = min(control, treated)
    status = judge("effective_sample_size", round(least, 6))
    message = (
        f"the {int(s.sizes[1]):,} rows of {s.labels[1]!r} count as {treated:,.1f} of equal weight, the "
        f"{int(s.sizes[0]):,} of {s.labels[0]!r} as {control:,.1f}"
    )
    remedy = "" if status == "passed" else f"a few rows decide: collect more like them, or {NEXT}"
    return Check("effective_sample_size", status, message, round(least, 6), bound("effective_sample_size"), remedy)


def balance(case: Case) -> Check | None:
    """Are the weighted arms alike in what was adjusted for?"""
    s = case.sample
    at, name, before, few = 0.0, "", 0.0, False
    for (told, column), gone in zip(columns(s), rare_columns(s), strict=True):
        raw, left = differences(column, s.treated, case.found.weight)
        if not name or abs(left) > abs(at):
            at, name, before, few = left, told, raw, bool(gone)
    value = abs(at)
    status = judge("balance", value)
    if status == "failed" and case.estimator not in BY_WEIGHTS and not (case.estimator == "regression" and value > FAR):
        status = "warned"
    message = f"weighted, the arms differ most in {name!r}: {at:+.3f} standard deviations ({before:+.3f} before)"
    if few:
        message = f"weighted, the arms differ most in {name!r} {TOO_FEW}"
    remedy = "" if status == "passed" else (
        f"the weights do not make the arms alike, so that the answer rests on the model of the outcome: {NEXT}"
        if case.estimator not in BY_WEIGHTS
        else f"take estimator='aipw', which does not rest on weights alone, or {NEXT}"
    )  # fmt: skip
    return Check("balance", status, message, None if few else value, bound("balance"), remedy)


def form(case: Case) -> Check | None:
    """Would the answer be another if straight lines could bend?"""
    if case.estimator not in TESTED:
        return None
    found = change(case.sample, case.found, case.estimator, case.estimand)
    what = ("log odds of the treatment", "covariates") if case.estimator == "ipw" else ("outcome", "covariates")
    return form_check(case.found.estimate, found, *what, "take estimator='aipw', which learns curves")


def form_check(estimate: float, found: Change | None, what: str, where: str, remedy: str) -> Check:
    """What bends changed, judged."""
    if found is None or np.isnan(found.p_value):
        return Check("form", "not_run", f"the rows are too few, or the {where} too plain, to ask again with bent lines")
    status = judge("form", found.p_value)
    if found.errors > MOVED and found.p_value < 0.01:
        status = "failed"
    message = (
        f"with straight lines the effect is {estimate:+.4g}, with lines of the {what} that bend in the {where} "
        f"{found.estimate:+.4g}: {found.errors:.2g} standard errors away ({p_words(found.p_value)})"
    )
    return Check("form", status, message, found.p_value, bound("form"), "" if status == "passed" else remedy)


def columns(s: Sample) -> list[tuple[str, FloatArray]]:
    """What balance is looked at in: numbers with gaps at their mean, gaps, and one 0/1 column for each level."""
    out: list[tuple[str, FloatArray]] = []
    for j, name in enumerate(s.names):
        own = s.x[:, j].astype(np.float64)
        gone = np.isnan(own)
        if s.features is not None and s.features.levels[j]:
            levels = s.features.levels[j][:50]
            out += [(f"{name} = {level}", (own == k).astype(float)) for k, level in enumerate(levels)]
        elif not gone.all():
            out.append((name, np.where(gone, np.nanmean(own), own) if gone.any() else own))
        if gone.any():
            out.append((f"{name} missing", gone.astype(float)))
    return out


def rare_columns(s: Sample) -> NDArray[np.bool_]:
    """Which of `columns` are not shown by arm; none where rows are no people."""
    found = columns(s)
    if not s.people:
        return np.zeros(len(found), dtype=bool)
    return rare([name for name, _ in found], np.column_stack([c for _, c in found]), (s.treated, ~s.treated))


def differences(column: FloatArray, treated: NDArray[np.bool_], weight: FloatArray) -> tuple[float, float]:
    """Standardised difference of the treated from the others, plain and weighted."""
    one, other = column[treated], column[~treated]
    spread = float(np.sqrt((one.var() + other.var()) / 2))
    raw = float(one.mean() - other.mean())
    left = float(np.average(one, weights=weight[treated]) - np.average(other, weights=weight[~treated]))
    return (raw / spread, left / spread) if spread > 1e-12 * float(np.abs(column).max(initial=0.0)) else (0.0, 0.0)


def selection(case: Case) -> Check | None:
    """Do the covariates tell who was treated?"""
    if not case.known.flat:
        return None
    return Check(
        "selection", "warned", "the covariates do not tell who was treated: the adjusted answer is the plain one",
        remedy="if a lot decided, gc.ab_test says more; else name what did decide in covariates=",
    )  # fmt: skip


def hidden_confounding(case: Case) -> Check:
    """What no data can show."""
    return Check(
        "hidden_confounding", "not_run",
        "no data show whether something that nobody measured decided too: r.sensitivity() says how strong it would "
        "have to be",
    )  # fmt: skip


def tail(case: Case) -> Check:
    """Is the effect too skewed for its interval?"""
    own, group = case.sums()
    return usual_checks.tail(
        RULES["tail"], skewness(own, group, 1), "the effect",
        "collect more rows in the smaller arm, or read the effect on a capped outcome beside it",
    )  # fmt: skip


def leverage(case: Case) -> Check:
    """Does one row carry the effect?"""
    name = case.sample.cluster_name if case.sample.cluster is not None else ""
    return usual_checks.leverage(RULES["leverage"], case.sums()[0], case.found.estimate, "the effect", name)


def few_clusters(case: Case) -> Check | None:
    """Are there enough clusters for the standard errors?"""
    s = case.sample
    if s.cluster is None:
        return None
    return usual_checks.few_clusters(RULES["few_clusters"], s.cluster_name, usual_checks.worth_of(s.cluster, s.arm))


def cluster_level(case: Case) -> Check | None:
    """Was the level of assignment found, not named?"""
    return usual_checks.cluster_level(case.sample.cluster_name) if case.sample.found_cluster else None


def leakage(case: Case) -> Check | None:
    """Is a covariate the outcome under another name, or something that came of it?"""
    s = case.sample
    numbers = [j for j in range(len(s.names)) if j not in s.categorical]
    return usual_checks.leakage(
        RULES["leakage"], s.y, s.x[:, numbers] if s.categorical else s.x, [s.names[j] for j in numbers], "covariates"
    )


def self_selected(case: Case) -> Check | None:
    """Did users choose the treatment themselves, by its name?"""
    return usual_checks.self_selected(case.sample.treatment, case.sample.labels[1])


def copies(case: Case) -> Check | None:
    """Are rows there more than once, where nothing names the units?"""
    s = case.sample
    return None if s.named_units else usual_checks.copies(RULES["copies"], s.y, s.arm, s.x, s.row)


def zero_variance(case: Case) -> Check | None:
    """Does the outcome vary in both arms?"""
    s = case.sample
    flat = [s.labels[a] for a in (0, 1) if np.ptp(s.y[s.arm == a]) == 0]
    if not flat or not s.y.any():
        return None
    return Check(
        "zero_variance", "warned", f"the outcome does not vary in {', '.join(map(repr, flat))}", float(len(flat)),
        bound("zero_variance"), "check the outcome of this arm: is it logged there?",
    )  # fmt: skip


def of_amounts(case: Case) -> list[Check]:
    """What the outcome alone says."""
    s = case.sample
    found = (
        usual_checks.all_zero(s.y),
        usual_checks.negative_amounts(RULES["negative_amounts"], s.y, s.facts.get("gmv")),
        usual_checks.scale_mix(RULES["scale_mix"], s.y),
        usual_checks.quantisation(RULES["quantisation"], s.y, s.spacing),
    )
    return [check for check in found if check is not None]


# Every check of its own, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    overlap, effective_sample_size, balance, form, selection, hidden_confounding, tail, leverage, few_clusters,
    cluster_level, leakage, self_selected, copies, zero_variance,
)  # fmt: skip


def run_audit(case: Case) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    return audit_with([*found, *of_amounts(case)], case.sample.facts)
