"""What the data say against a mediation. The rules are in `rules`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.equations import fit
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.pieces import piece_of
from gmvcausal.mechanism.pathways.rho import Path
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.rules import RULES
from gmvcausal.mechanism.pathways.system import System
from gmvcausal.mechanism.pathways.varying import left_free, varying
from gmvcausal.results import Audit, Check, usual_checks
from gmvcausal.results.audit import audit_with
from gmvcausal.stats.inference import chi_square, wald
from gmvcausal.stats.skewed import skewness_of_sum

FloatArray = NDArray[np.float64]

_OUTERMOST = 0.005


@dataclass(frozen=True, eq=False)
class Case:
    """What a check may look at.

    Attributes
    ----------
    rows : Rows
    system : System
    paths : tuple of Path
    total, error : float
        Of the sum of all ways.
    influence : ndarray, shape (units,)
        What each row (cluster) adds to the total.
    planned : ndarray or None
        Shares of the arms, where chance drew them.
    critical : float
        Standard errors on either side of an interval.
    """

    rows: Rows
    system: System
    paths: tuple[Path, ...]
    total: float
    error: float
    influence: FloatArray
    planned: FloatArray | None
    critical: float


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


def total_agrees(case: Case) -> Check:
    """Do the ways add up to what the outcome itself says?"""
    r = case.rows
    eq = case.system.outcome[0]
    at = 0 if r.fixed else 1
    width = 1 + case.system.k + len(case.system.model.crossed)
    plain = np.column_stack([eq.x[:, : at + 1], eq.x[:, at + width : eq.p - case.system.free]])
    y = eq.residual + eq.x @ eq.beta if r.fixed else r.y  # within its groups
    found = fit("linear", plain, y)
    total = float(found.beta[at]) if found is not None else math.nan
    value = abs(case.total - total) / case.error if case.error > 0 else 0.0
    return RULES.check(
        "total_agrees", value, f"all ways add up to {case.total:.4g}, the outcome alone says {total:.4g}",
        "a model is wrong: try interaction=True, another outcome_model=, or covariates in other forms",
    )  # fmt: skip


def interaction(case: Case) -> Check | None:
    """Do slopes of mediators differ between the arms?"""
    system, r = case.system, case.rows
    if system.model.outcome != "linear":
        return None
    left_out = not system.model.crossed
    vary = r.vary
    if left_out and not vary:
        return None
    whole = fit_system(r, replace(system.model, crossed=vary), system.along) if left_out else system
    eq, at = whole.outcome[0], (1 if not r.fixed else 0) + 1 + whole.k
    own = r.by_unit(eq.influence()[:, at : at + len(whole.model.crossed)])
    _, p, _ = wald(eq.beta[at : at + len(whole.model.crossed)], own.T @ own, len(own))
    told = f"slopes of the mediators being the same in both arms: {usual_checks.p_words(p)}"
    if not left_out:
        return Check("interaction", "passed", f"{told}; they are left free", p, RULES["interaction"].bound)
    return RULES.check(
        "interaction", p, told, "leave them free: interaction=True, with pure and total effects told apart"
    )


def both_steps_vary(case: Case) -> Check | None:
    """Does a covariate move both steps, of which the model takes each to be one and the same?"""
    name, system = "both_steps_vary", case.system
    found = varying(system)
    if found is None:
        return None if system.along is None else Check(
            name, "passed", "every step is left free along moderator=", 1.0, RULES.bound(name)
        )  # fmt: skip
    told = (
        f"{found.covariate!r} is the covariate that most surely moves both steps by way of {found.mediator!r}: "
        f"{usual_checks.p_words(found.p)} (Holm, {found.tests} pair{'s' * (found.tests > 1)})"
    )
    status = RULES.judge(name, found.p)
    if status != "passed":
        status = "warned"
        moved = left_free(system, found.column)
        if moved is not None:
            told += f"; with both steps free {moved.part} is {moved.now:.4g} in place of {moved.was:.4g}"
            if RULES.judge(name, found.p) == "failed" and moved.errors > 1:
                status = "failed"
    return RULES.check(
        name, found.p, told, "the mean of a product is no product of means: leave both steps free along it, "
        f"moderator={found.covariate.partition('=')[0]!r} (of several such covariates a column of their cells)",
        status=status,
    )  # fmt: skip


def mediators_apart(case: Case) -> Check | None:
    """Are mediators related beyond what treatment and covariates do to them?"""
    system = case.system
    if system.k < 2 or system.model.ordered:
        return None
    left = np.column_stack([eq.residual for eq in system.first])
    related = np.corrcoef(left.T) - np.eye(system.k)
    i, j = np.unravel_index(int(np.argmax(np.abs(related))), related.shape)
    return RULES.check(
        "mediators_apart", abs(float(related[i, j])),
        f"{case.rows.mediators[int(i)]!r} and {case.rows.mediators[int(j)]!r} have a correlation of "
        f"{related[i, j]:.2f} given treatment and covariates",
        "one may move the other: list them in their order with ordered=True, or read the sum of both",
    )  # fmt: skip


def collinearity(case: Case) -> Check:
    """Do the mediators leave anything of the treatment?"""
    x = case.system.outcome[0].x
    r = case.rows
    at = 0 if r.fixed else 1
    k, crossed = case.system.k, len(case.system.model.crossed)
    covariates = np.column_stack([x[:, :at], x[:, at + 1 + k + crossed : x.shape[1] - case.system.free]])
    t, m = x[:, at], x[:, at + 1 : at + 1 + k]
    if covariates.shape[1]:
        both = np.column_stack([t, m])
        both = both - covariates @ np.linalg.lstsq(covariates, both, rcond=None)[0]
        t, m = both[:, 0], both[:, 1:]
    left = t - m @ np.linalg.lstsq(m, t, rcond=None)[0]
    value = 1 - float(left @ left) / float(t @ t)
    return RULES.check(
        "collinearity", value, f"mediators explain {value:.1%} of who was treated",
        "the mediator is nearly the treatment itself: the two cannot be told apart, so tell the total",
    )  # fmt: skip


def mediator_overlap(case: Case) -> Check:
    """Does each arm know the values that the mediator has in the other?"""
    r = case.rows
    on = r.t == 1
    worst, told = 0.0, ""
    for j, name in enumerate(r.mediators):
        for own, other, label in ((on, ~on, r.labels[1]), (~on, on, r.labels[0])):
            seen = r.m[other, j]
            low, high = np.quantile(seen, [_OUTERMOST, 1 - _OUTERMOST], method="inverted_cdf")
            if r.binary[j]:  # a value that some have is known
                low, high = seen.min(), seen.max()
            share = float(((r.m[own, j] < low) | (r.m[own, j] > high)).mean())
            if share >= worst:
                worst = share
                told = f"{share:.1%} of {str(label)!r} have values of {name!r} that the other arm does not have"
    return RULES.check(
        "mediator_overlap", worst, told,
        "what the outcome would be there is read off a line beyond the data: group the mediator, or take one that both "
        "arms have",
    )  # fmt: skip


def part_of_outcome(case: Case) -> Check | None:
    """Is a mediator a part of the outcome, as orders are of GMV?"""
    r = case.rows
    found = usual_checks.leakage(RULES["part_of_outcome"], r.y, r.m, r.mediators, "mediators")
    if found is None:
        return None
    remedy = (
        "a factor or a part of the outcome is no mediator: gc.decompose shares a change out among orders, baskets and "
        "the like"
    )
    kinds = [piece_of(r.y, r.m[:, j] * r.scale[j] + r.middle[j]) for j in range(r.m.shape[1])]
    j = next((j for j, kind in enumerate(kinds) if kind), None)
    if j is not None:
        why = {
            "factor": f"{r.outcome!r} is 0 wherever {r.mediators[j]!r} is 0: it is a factor of the outcome, or a step "
            "without which there is none",
            "summand": f"{r.mediators[j]!r} lies between 0 and {r.outcome!r} in every row: it is a part of the outcome",
        }[kinds[j]]
        return replace(found, name="part_of_outcome", status="failed", message=why, remedy=remedy)
    return replace(found, name="part_of_outcome", remedy="" if found.status == "passed" else remedy)


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
