"""Checks on who is compared with whom."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Check
from gmvcausal.rollout.attrition import attrition_bounds
from gmvcausal.rollout.case import Case, retry, subset
from gmvcausal.rollout.cohorts import UNTREATED
from gmvcausal.rollout.fitted import MIN_CLUSTERS

_LATE_GAP, _OVERLAP = 0.10, 0.05


def few_clusters(case: Case) -> Check:
    """Are there enough clusters on both sides for the usual standard errors?"""
    treated, control = case.fitted.clusters
    least = min(treated, control)
    status = "failed" if least < MIN_CLUSTERS else "warned" if least < 30 else "passed"
    message = f"{treated:,} treated and {control:,} control clusters (by {case.panel.cluster_name})"
    remedy = "collect more treated units, or read the estimate without an interval" if status == "failed" else (
        "read intervals near the margin with care" if status == "warned" else "")  # fmt: skip
    return Check("few_clusters", status, message, float(least), float(MIN_CLUSTERS), remedy)


def cohort_size(case: Case) -> Check | None:
    """How many units does the smallest cohort have?"""
    if case.panel.stack is not None or not (case.panel.start >= 0).any():
        return None
    sizes = np.bincount(case.panel.start[case.panel.start >= 0])
    least = int(sizes[sizes > 0].min())
    small = int(((sizes > 0) & (sizes < 5)).sum())
    if not small:
        return Check("cohort_size", "passed", f"the smallest cohort has {least:,} units", float(least), 5.0)
    return Check(
        "cohort_size", "warned",
        f"{small} cohort{'s have' if small > 1 else ' has'} fewer than 5 units, the smallest {least}",
        float(least), 5.0, "read effects of single cohorts with care, or use longer periods so that cohorts merge",
    )  # fmt: skip


def always_treated(case: Case) -> Check | None:
    """Units without an untreated period cannot be compared and were left out."""
    cohorts = case.panel.cohorts
    if cohorts is None or case.options.estimator == "twfe":
        return None
    share = cohorts.always / len(cohorts.start)
    status = "failed" if share > 0.5 else "warned" if share > 0 else "passed"
    message = f"{cohorts.always:,} of {len(cohorts.start):,} units were treated from the start"
    message += " and are left out" if cohorts.always else ""
    remedy = "supply earlier periods if the effect on these units matters" if share else ""
    return Check("always_treated", status, message, share, 0.5, remedy)


def never_treated(case: Case) -> Check | None:
    """Without never-treated units the not-yet-treated serve as controls, and the last cohort has none."""
    if case.options.estimator != "callaway_santanna":
        return None
    count = int((case.panel.start == UNTREATED).sum())
    if count:
        return Check("never_treated", "passed", f"{count:,} units are untreated throughout", float(count), 1.0)
    return Check(
        "never_treated", "warned",
        "no unit is untreated throughout; units treated later serve as controls, and the last cohort is "
        "only a control", 0.0, 1.0, "keep a hold-out group in the next roll-out",
    )  # fmt: skip


def period_gaps(case: Case) -> Check:
    """Are periods missing for everyone?"""
    gaps = case.panel.grid.gaps
    if not gaps:
        return Check("period_gaps", "passed", "no period is missing between the first and the last", 0.0, 0.0)
    return Check(
        "period_gaps", "warned", f"{gaps:,} periods between the first and the last are missing for every unit",
        float(gaps), 0.0,
        "check whether these periods were lost or had no sales at all (then they are zeros)",
    )  # fmt: skip


def attrition(case: Case) -> Check:
    """Are unit-periods absent, and how far could that move the answer?"""
    panel = case.panel
    y = panel.y[panel.start >= UNTREATED] if panel.stack is None else panel.y
    present = np.isfinite(y)
    if panel.stack is not None:
        # A stacked window ends with its campaign, so a column is absent for the whole campaign by design.
        columns = np.array([present[panel.stack == b].any(axis=0) for b in range(int(panel.stack.max()) + 1)])
        absent = 1 - present.sum() / columns[panel.stack].sum()
    else:
        absent = 1 - float(present.mean())
    if absent <= 0:
        return Check("attrition", "passed", "every unit is seen in every period", 0.0, 0.0)
    treated = case.fitted.treated[panel.start >= UNTREATED] if panel.stack is None else case.fitted.treated
    rates = tuple(1 - float(present[side].mean()) if side.any() else math.nan for side in (treated, ~treated))
    message = (
        f"{absent:.1%} of unit-periods are absent ({rates[0]:.1%} of treated units', {rates[1]:.1%} of the others')"
    )
    bounds = attrition_bounds(case.fitted.effects)
    if bounds is not None:
        message += (
            f"; if those who left differ in the worst way, the effect lies between {bounds[0]:+.4g} "
            f"and {bounds[1]:+.4g} (Lee 2009)"
        )
    return Check(
        "attrition", "warned", message, float(absent), 0.0,
        "a shopper who left has GMV 0: zero-fill inside each unit's life, for example with gc.Logs(...).panel",
    )  # fmt: skip


def late_entry(case: Case) -> Check | None:
    """Do units that appear late fall unevenly on the two sides?"""
    panel = case.panel
    if panel.meta.get("life_known"):
        return None
    active = np.isfinite(panel.y) & (panel.y != 0)
    cutoff = max(1, round(panel.y.shape[1] / 13)) if panel.stack is None else None
    if cutoff is None or active.all():
        return None
    early = active[:, :cutoff].any(axis=1)
    used = panel.start >= UNTREATED
    sides = [~early[used & side] for side in (case.fitted.treated, ~case.fitted.treated)]
    if not all(len(s) for s in sides):
        return None
    shares = [float(s.mean()) for s in sides]
    gap = abs(shares[0] - shares[1])
    message = (
        f"{shares[1]:.0%} of untreated units are first active after period {cutoff}, against "
        f"{shares[0]:.0%} of treated units"
    )
    if gap <= _LATE_GAP:
        return Check("late_entry", "passed", message, gap, _LATE_GAP)
    message += (
        f"; on the units active by then the estimate is {retry(case, subset(panel, early))} against "
        f"{case.fitted.estimates.estimate[0]:+.4g}"
    )
    return Check(
        "late_entry", "warned", message, gap, _LATE_GAP,
        "zeros before a unit's first purchase may be absence, not abstention: give entry dates in Logs(users=...), "
        "or read the rerun",
    )  # fmt: skip


def forbidden_comparisons(case: Case) -> Check | None:
    """Two-way fixed effects use units already treated as controls when starts differ or treatment switches."""
    on = case.fitted.on
    if case.options.estimator != "twfe" or on is None:
        return None
    present = np.isfinite(case.panel.y)
    ever, first = case.panel.start != UNTREATED, np.maximum(case.panel.start, 0)
    n_starts = len(np.unique(first[ever]))
    off = (ever[:, None] & present & (on == 0) & (np.arange(on.shape[1]) > first[:, None])).any()
    if n_starts == 1 and not off:
        return Check("forbidden_comparisons", "passed", "all treated units start together and stay treated", 1.0, 1.0)
    what = f"treatment starts in {n_starts} different periods" + (" and switches off again" if off else "")
    return Check(
        "forbidden_comparisons", "failed",
        f"{what}, so units already treated serve as controls and effects that grow are read with the "
        "wrong weight or sign (Goodman-Bacon 2021)", float(n_starts), 1.0,
        "use estimator='callaway_santanna', or 'stacked' for campaigns",
    )  # fmt: skip


def campaign_overlap(case: Case) -> Check | None:
    """In a stack: how many comparison cells lie under another campaign, and does leaving them out change the answer?"""
    panel = case.panel
    on = case.fitted.on
    if panel.other is None or on is None:
        return None
    present = np.isfinite(panel.y)
    comparison = present & (on == 0)
    value = float((panel.other[comparison] == 1).mean())
    message = f"{value:.1%} of control and pre-period cells lie under another campaign"
    if value <= _OVERLAP:
        return Check("campaign_overlap", "passed", message, value, _OVERLAP)
    clean = replace(panel, y=np.where(comparison & (panel.other == 1), np.nan, panel.y), notes=[], dropped={})
    try:
        estimate, se = case.rerun(clean)
    except GmvCausalError as error:
        return Check(
            "campaign_overlap", "warned", f"{message}; the rerun is not possible ({error.rule})", value, _OVERLAP
        )
    first, first_se = float(case.fitted.estimates.estimate[0]), float(case.fitted.estimates.std_error[0])
    changed = abs(estimate - first) > 2 * first_se and (abs(estimate) > 1.96 * se) != (abs(first) > 1.96 * first_se)
    message += f"; without them the estimate is {estimate:+.4g} ({se:.4g}) against {first:+.4g} ({first_se:.4g})"
    return Check(
        "campaign_overlap", "failed" if changed else "warned", message, value, _OVERLAP,
        "the effect is that of this campaign on top of the usual campaign mix; read the rerun beside it",
    )  # fmt: skip
