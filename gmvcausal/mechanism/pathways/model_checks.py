"""What the data say against the equations of a mediation. The rules are in `rules`."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.case import Case
from gmvcausal.mechanism.pathways.equations import fit
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.pieces import piece_of
from gmvcausal.mechanism.pathways.rules import RULES
from gmvcausal.mechanism.pathways.varying import left_free, varying
from gmvcausal.results import Check, usual_checks
from gmvcausal.stats.inference import wald

FloatArray = NDArray[np.float64]

_OUTERMOST = 0.005


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
