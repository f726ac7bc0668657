"""Checks on tactics that switch on and off: who can be compared, and what is left when it is off again."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.rollout.switching.fit import clusters_of
from gmvcausal.stats.inference import p_value


def switchers(case: Case) -> Check | None:
    """How many units that switch have somebody to be compared with?"""
    state = case.fitted.switching
    if state is None:
        return None
    every, used = int(state.found.switchers.sum()), int(state.compared.sum())
    share = 1 - used / every
    message = f"{used:,} of {every:,} units that switch are compared after their first switch"
    changes = state.steps.changes + state.steps.lost
    message += f"; DID_M compares {state.steps.changes:,} of {changes:,} switches"
    if not share:
        return Check("switchers", "passed", message, 0.0, bound("switchers"))
    remedy = (
        "the estimate does not cover the others: when they switched, no unit with the same first treatment was left "
        "that had not switched, or their rows just before are absent"
    )
    return Check("switchers", judge("switchers", share), message, share, bound("switchers"), remedy)


def carry_over(case: Case) -> Check | None:
    """Is anything left of the effect while the treatment is back to what it was at first?"""
    state = case.fitted.switching
    if state is None:
        return None
    back, cluster = state.back, case.panel.cluster
    if not back.changes:
        return Check("carry_over", "not_run", "no unit goes back to its first treatment beside one to compare it with")
    if min(clusters_of(cluster, back)) < MIN_CLUSTERS:
        return Check(
            "carry_over",
            "not_run",
            f"fewer than {MIN_CLUSTERS} clusters go back to their first treatment, or stand beside them",
        )
    scores = np.bincount(cluster, back.influence)
    se = float(np.sqrt(scores @ scores))
    p = float(p_value(np.array([back.estimate]), np.array([se]), float(min(clusters_of(cluster, back)) - 1))[0])
    if math.isnan(p):
        return Check("carry_over", "not_run", "what is left of the effect has no variance")
    message = (
        f"in the first period back at the first treatment, {back.estimate:+.4g} ({se:.4g}) of the effect is left, in "
        f"{back.changes:,} unit-periods (p = {p_text(p)})"
    )
    status = judge("carry_over", p)
    remedy = (
        "earlier treatment matters today: read the first row and the event study, not DID_M, and not two-way fixed "
        "effects"
    )
    return Check("carry_over", status, message, p, bound("carry_over"), "" if status == "passed" else remedy)
