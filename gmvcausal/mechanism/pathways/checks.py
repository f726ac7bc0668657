"""What the data say against a mediation: the assignment, the model, the rows. The rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.case import Case
from gmvcausal.mechanism.pathways.model_checks import (
    both_steps_vary,
    collinearity,
    interaction,
    mediator_overlap,
    mediators_apart,
    part_of_outcome,
    total_agrees,
)
from gmvcausal.mechanism.pathways.rules import RULES
from gmvcausal.results import Audit, Check, usual_checks
from gmvcausal.results.audit import audit_with
from gmvcausal.stats.inference import chi_square
from gmvcausal.stats.skewed import skewness_of_sum

FloatArray = NDArray[np.float64]


def mediator_confounding(case: Case) -> Check:
    """How little would something unseen have to be to take the indirect effects away?"""
    never = "no data can show that nothing unseen moves both a mediator and the outcome"
    shown = [path for path in case.paths if path.shown(case.critical)]
    if not shown:
        return Check("mediator_confounding", "not_run", f"{never}; here no indirect effect is told from zero anyway")
    worst = min(shown, key=lambda path: abs(path.zero))
    told = (
        f"{never}; a correlation of {worst.zero:.3f} of what is left of {worst.mediator!r} and of the outcome would do "
        f"away with this way (something that explains {abs(worst.zero):.0%} of what is left of each)"
    )
    # A strong hidden cause makes this number large itself, so that no size of it passes.
    little = RULES.judge("mediator_confounding", abs(worst.zero)) != "passed"
    return RULES.check(
        "mediator_confounding", abs(worst.zero), told,
        "little would be enough: add what moves both as covariates, have chance move the mediator (gc.iv), or tell the "
        "total alone" if little else "name what could explain so much, and argue against it",
        status="warned" if little else "not_run",
    )  # fmt: skip


def time_order(case: Case) -> Check:
    """Does the treatment come first, the mediator next, the outcome last?"""
    seen = {name: found for name, found in case.rows.order.items() if found[2]}
    if not seen:
        return Check(
            "time_order", "not_run", "no times are given (times={'interacted': 'interacted_at', ...}): that the "
            "mediator came after the treatment and before the outcome is taken on trust",
        )  # fmt: skip
    name = max(seen, key=lambda one: max(seen[one][:2]))
    early, late, count = seen[name]
    return RULES.check(
        "time_order", max(early, late),
        f"{name!r} comes before the treatment in {early:.1%} and after the outcome in {late:.1%} of {count:,} rows",
        "count the mediator from the treatment on and the outcome from the mediator on (windows of gc.Logs.users)",
    )  # fmt: skip


def sample_ratio(case: Case) -> Check | None:
    """Do the arms have their planned shares?"""
    if case.planned is None:
        return None
    r = case.rows
    arm = r.t.astype(np.int64)
    if r.cluster is not None:
        arm = np.unique(r.cluster * 2 + arm) % 2
    counts = np.bincount(arm, minlength=2).astype(float)
    told = ", ".join(f"{label} {int(c):,}" for label, c in zip(r.labels, counts, strict=True))
    p = chi_square(counts, case.planned * counts.sum())
    return RULES.check("sample_ratio", p, f"{told} against the planned shares: {usual_checks.p_words(p)}",
                  "find out who is missing; an uneven split is said by expected_ratio=")  # fmt: skip


def balance(case: Case) -> Check:
    """Are the arms alike in what was known before?"""
    from scipy import special

    r = case.rows
    lot = case.planned is not None
    if not r.x.shape[1]:
        told = "there are no covariates to compare the arms by"
        if lot or r.fixed:
            return Check("balance", "not_run", told)
        return Check(
            "balance", "failed", f"{told}, and it is not said that a lot drew them: the total is the plain comparison "
            "of those who had it with those who had not", remedy="pass assignment='random' where chance drew who was "
            "treated; else covariates=, all that decided, and hold the total against gc.adjust",
        )  # fmt: skip
    moved = r.t - r.t.mean()
    scores = r.by_unit(r.x * moved[:, None])
    spread = np.sqrt((scores * scores).sum(axis=0))
    p = 2 * special.ndtr(-np.abs(scores.sum(axis=0)) / np.where(spread > 0, spread, 1.0))
    j = int(np.argmin(p))
    value = min(1.0, float(p[j]) * len(p))
    return RULES.check(
        "balance", value, f"{r.covariates[j]!r} differs most between the arms: {usual_checks.p_words(float(p[j]))}",
        "chance leaves no such difference: find out who decided" if lot else "who was treated was not left to chance: "
        "covariates are taken out along lines here, and what is not in them is in every effect; hold the total against "
        "gc.match",
    )  # fmt: skip


def hidden_confounding(case: Case) -> Check | None:
    """Could something unseen have decided who was treated?"""
    if case.planned is not None:
        return None
    return Check(
        "hidden_confounding", "not_run", "no data show whether something that nobody measured decided who was treated: "
        "gc.adjust(...).sensitivity() on the same table says how strong it would have to be",
    )  # fmt: skip


def usual(case: Case) -> list[Check | None]:
    """The checks that every comparison of units makes."""
    r, own = case.rows, case.influence
    out: list[Check | None] = []
    if r.cluster is not None:
        worth = usual_checks.worth_of(r.cluster, r.t.astype(np.int64))
        out.append(usual_checks.few_clusters(RULES["few_clusters"], r.cluster_name, worth))
        out.append(usual_checks.cluster_level(r.cluster_name) if r.found_cluster else None)
    remedy = "collect more rows, or read the same with the outcome capped"
    out += [
        usual_checks.tail(RULES["tail"], skewness_of_sum(own), "the total", remedy),
        usual_checks.leverage(RULES["leverage"], own, case.total, "the total",
                              r.cluster_name if r.cluster is not None else "", "the total"),
        usual_checks.leakage(RULES["leakage"], r.y, r.x, r.covariates, "covariates"),
        usual_checks.all_zero(r.y), usual_checks.negative_amounts(RULES["negative_amounts"], r.y, r.facts.get("gmv")),
        usual_checks.scale_mix(RULES["scale_mix"], r.y),
        usual_checks.quantisation(RULES["quantisation"], r.y, r.spacing),
    ]  # fmt: skip
    return out


# Every check of its own, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    mediator_confounding, time_order, sample_ratio, balance, hidden_confounding, total_agrees, interaction,
    both_steps_vary, mediators_apart, collinearity, mediator_overlap, part_of_outcome,
)  # fmt: skip


def run_audit(case: Case) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [function(case) for function in CHECKS] + usual(case)
    facts: dict[str, Any] = dict(case.rows.facts)
    return audit_with([check for check in found if check is not None], facts)
