"""Checks on who was triggered, and on a budget that was split among the arms."""

from __future__ import annotations

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.rules import EXHAUSTED, bound, judge
from gmvcausal.results import Check
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.inference import chi_square


def trigger_ratio(case: Case) -> Check | None:
    """Were as many triggered in every arm as the split of all says?"""
    trigger = case.source.facts.trigger
    if trigger is None:
        return None
    expected = case.expected * trigger.triggered.sum()
    p = chi_square(trigger.triggered, expected)
    status = "failed" if p < case.srm_alpha else judge("trigger_ratio", max(p, 0.01))
    told = ", ".join(
        f"{label} {k:,} of {n:,}"
        for label, k, n in zip(case.source.labels, trigger.triggered, trigger.units, strict=True)
    )
    remedy = ""
    if status != "passed":
        remedy = (
            "the tactic itself decides who is triggered, or one arm logs it otherwise: analyse all units, or find a "
            "trigger that is the same in every arm"
        )
    what = f" {case.source.cluster_name} clusters" if case.source.cluster_name else ""
    message = f"triggered by {trigger.column!r}: {told}{what}: {p_words(p)}"
    return Check("trigger_ratio", status, message, p, case.srm_alpha, remedy)


def budget_split(case: Case) -> Check | None:
    """Do arms have the same budget per unit?"""
    split = case.source.facts.split
    if split is None:
        return None
    live = ~np.isnan(split.amount)
    per = split.amount[live] / split.units[live]
    whole = float(split.amount[live].sum() / split.units[live].sum())
    worst = float(np.abs(per / whole - 1).max())
    status = judge("budget_split", worst)
    names = [label for label, use in zip(case.source.labels, live, strict=True) if use]
    told = ", ".join(f"{label} {one:.4g}" for label, one in zip(names, per, strict=True))
    remedy = ""
    if status != "passed":
        remedy = "split the budget as the users are split; where the amount itself is the tactic, leave budget= out"
    return Check("budget_split", status, f"budget per unit: {told}", worst, bound("budget_split"), remedy)


def budget_spent(case: Case) -> Check | None:
    """Did each arm live on its own budget?"""
    split = case.source.facts.split
    if split is None:
        return None
    live = ~np.isnan(split.amount)
    share = np.where(live, split.spent / np.where(live, split.amount, 1.0), np.where(split.spent > 0, np.inf, 0.0))
    worst = float(share.max())
    told = ", ".join(
        f"{label} {s:.1%}" if own else f"{label} {spent:,.6g} without a budget"
        for label, s, own, spent in zip(case.source.labels, share, live, split.spent, strict=True)
        if own or spent > 0
    )
    message, threshold = f"spent of the budget ({split.column}): {told}", bound("budget_spent")
    if judge("budget_spent", worst) == "failed":
        remedy = "an arm drew on money that was not its own: give each arm an account of its own and run the test again"
        return Check("budget_spent", "failed", message, worst, threshold, remedy)
    own = share[live]
    if len(own) > 1 and own.max() >= EXHAUSTED > own.min():
        remedy = "one arm ran dry while another could still spend: read the effect up to that day, or give both more"
        return Check("budget_spent", "warned", message, worst, threshold, remedy)
    return Check("budget_spent", "passed", message, worst, threshold)
