"""Checks on who is compared with whom."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.rollout.fitted import FAMILY
from gmvcausal.rollout.group_time.contrast import Contrast
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.small_cells import MIN_CELL


def few_clusters(case: Case) -> Check:
    """Are there enough clusters on both sides for the usual standard errors?"""
    treated, control = case.fitted.clusters
    least = min(treated, control)
    status = judge("few_clusters", least)
    message = f"{treated:,} treated and {control:,} control clusters (by {case.panel.cluster_name})"
    estimates = case.fitted.estimates
    if 0 in estimates.special:
        # Chance is learnt from the controls, so few treated clusters cost power, not honesty.
        known = math.isfinite(float(estimates.std_error[0]))
        status = status if known else "warned"
        why = "" if known else "no standard error can be had from so few, so "
        message += f"; {why}the interval is by {estimates.method}"
    elif not math.isfinite(float(estimates.std_error[0])):
        status = "failed"
        message += "; " + (estimates.withheld.partition(": ")[2] or estimates.withheld)
    lacks = "mend what placebo runs lack, " if "placebo runs need" in estimates.withheld else ""
    remedy = (
        f"collect more treated units, {lacks}or read the estimate without an interval"
        if status == "failed"
        else ("read intervals near the margin with care" if status == "warned" else "")
    )
    return Check("few_clusters", status, message, float(least), bound("few_clusters"), remedy)


def cohort_size(case: Case) -> Check | None:
    """How many units does the smallest cohort have?"""
    if case.panel.stack is not None or not (case.panel.start >= 0).any():
        return None
    sizes = case.panel.cohort_sizes()
    least = int(sizes[sizes > 0].min())
    small = int(((sizes > 0) & (sizes < 5)).sum())
    people = case.panel.people and least < MIN_CELL  # so few people are not told apart by their number
    value = None if people else float(least)
    if not small:
        held = f"the smallest cohort has {least:,} units"
        if people:
            held = "every cohort has at least 5 units"
        return Check("cohort_size", "passed", held, value, 5.0)
    told = "" if people else f", the smallest {least}"
    return Check(
        "cohort_size",
        "warned",
        f"{small} cohort{'s have' if small > 1 else ' has'} fewer than 5 units{told}",
        value,
        5.0,
        "read effects of single cohorts with care, or use longer periods so that cohorts merge",
    )


def always_treated(case: Case) -> Check | None:
    """Units without an untreated period cannot be compared and were left out."""
    cohorts = case.panel.cohorts
    if cohorts is None or case.options.estimator in ("twfe", "naive"):  # these keep them
        return None
    units = case.panel.units()
    share = cohorts.always / units
    status = judge("always_treated", share)
    message = f"{cohorts.always:,} of {units:,} units were treated from the start"
    message += " and are left out" if cohorts.always else ""
    remedy = "supply earlier periods if the effect on these units matters" if share else ""
    if share and cohorts.zeros:
        remedy += f"; {cohorts.zeros:,} of them hold 0, which is a period here: pass never=0 if it means never treated"
    return Check("always_treated", status, message, share, bound("always_treated"), remedy)


def never_treated(case: Case) -> Check | None:
    """Without never-treated units the not-yet-treated serve as controls, and the last cohort has none."""
    if case.options.estimator not in ("callaway_santanna", "poisson", "dose", "triple", *FAMILY):
        return None
    count = case.panel.units(case.panel.start == UNTREATED)
    if count:
        return Check("never_treated", "passed", f"{count:,} units are untreated throughout", float(count), 1.0)
    last = case.options.estimator in ("sun_abraham", "triple")
    later = "of those treated later one cohort serves as control" if last else "units treated later serve as controls"
    return Check(
        "never_treated",
        "warned",
        f"no unit is untreated throughout; {later}, and the last cohort is only a control",
        0.0,
        1.0,
        "keep a hold-out group in the next roll-out",
    )


def ineligible_moved(case: Case) -> Check | None:
    """Did the ineligible of treated places move apart from those of untreated places?"""
    effects = case.fitted.effects
    if not isinstance(effects, Contrast) or case.fitted.rows is None:
        return None
    row = effects.ineligible(case.fitted.rows[:1])
    cov, spread = effects.both.uncertainty(row)
    moved = float(row[0, : len(effects.both.att)] @ effects.both.att)
    few = min(case.fitted.clusters) < MIN_CLUSTERS
    se = math.nan if few else math.sqrt(max(float(cov[0, 0]), 0.0))
    p = float(p_value(np.array([moved]), np.array([se * spread.factor[0]]), spread.df)[0]) if se > 0 else math.nan
    message = f"the double difference among the ineligible is {moved:+.4g}"
    if math.isnan(p):
        return Check("ineligible_moved", "not_run", message + ", without a test")
    status = judge("ineligible_moved", p)
    remedy = (
        "the triple difference takes this off: right where the places drifted, wrong by as much where the tactic "
        "reached the ineligible too (or lured them away)"
    )
    return Check(
        "ineligible_moved", status, f"{message} (p = {p_text(p)})", p, bound("ineligible_moved"),
        "" if status == "passed" else remedy,
    )  # fmt: skip


def lost_units(case: Case) -> Check | None:
    """Treated units that no comparison reaches, because rows are absent at their base or for all controls."""
    spillover, word = case.fitted.spillover, "rows" if case.panel.crossed else "units"
    counts = [("treated", case.fitted.lost_units, case.panel.units(case.fitted.treated))]
    if spillover is not None:
        counts.append(("exposed", spillover.lost, spillover.units + spillover.early))
    lacking = [(kind, lost, lost / max(of, lost)) for kind, lost, of in counts if lost]
    if not lacking:
        return None
    share = max(part for *_, part in lacking)
    told = " and ".join(f"{lost:,} {kind} {word} ({part:.0%})" for kind, lost, part in lacking)
    message = f"{told} enter no comparison: they or all controls are absent " + (
        "in the base period or in theirs" if case.panel.crossed else "in the base period"
    )
    remedy = "the effect and its total do not cover them: supply the missing rows, or say so beside the number"
    return Check("lost_units", judge("lost_units", share), message, share, bound("lost_units"), remedy)


def log_facts(case: Case) -> Check | None:
    """Does what `Logs` wrote about the frame still hold? That it is lost is said with what `Logs` found."""
    if not case.panel.meta.get("changed"):
        return None
    message = "the outcome has changed since Logs made the frame, so its unit and its checks may not hold any more"
    return Check("log_facts", "warned", message, remedy="change the logs instead, and make the frame again")


def cluster_level(case: Case) -> Check | None:
    """Is there a column, not used as the cluster, within which treatment does not vary?"""
    if not case.panel.coarser:
        return None
    names = ", ".join(repr(name) for name in case.panel.coarser)
    return Check(
        "cluster_level",
        "warned",
        f"treatment does not vary within {names}, but standard errors are clustered by {case.panel.cluster_name}",
        float(len(case.panel.coarser)),
        bound("cluster_level"),
        f"if the tactic was assigned there, pass cluster={case.panel.coarser[0]!r}: shocks common to it are otherwise "
        "read as effects",
    )


def spillover(case: Case) -> Check:
    """Whom others' treatment reached, where that was said; no other column here can tell."""
    found = case.fitted.spillover
    if found is not None:
        e = case.fitted.estimates
        at = e.term.index("spillover")
        share = found.units / (found.units + found.clean)
        se = float(e.std_error[at])
        size = f"{float(e.estimate[at]):+.4g}" + (f" ({se:.4g})" if math.isfinite(se) else "")
        message = (
            f"{found.units:,} of {found.units + found.clean:,} units never treated ({share:.0%}) are exposed and no "
            f"controls; spillover {size} in {found.unit_periods:,} unit-periods; with them as controls the effect "
            f"would be {found.naive:+.4g} instead of {float(e.estimate[0]):+.4g}"
        )
        status = judge("spillover", share)
        remedy = "few clean controls carry the answer: vary exposure=, and look for units that cannot be reached"
        return Check("spillover", status, message, share, bound("spillover"), "" if status == "passed" else remedy)
    return Check(
        "spillover",
        "not_run",
        "the data name no links between units; the estimate assumes that one unit's treatment leaves the others alone",
        remedy="name who was exposed with exposed= or edges=, or compare with units that cannot be reached",
    )


def period_gaps(case: Case) -> Check:
    """Are periods missing for everyone?"""
    gaps = case.panel.grid.gaps if case.panel.stack is None else 0  # between the windows of a stack gaps are by design
    if not gaps:
        return Check("period_gaps", "passed", "no period is missing between the first and the last", 0.0, 0.0)
    return Check(
        "period_gaps",
        "warned",
        f"{gaps:,} periods between the first and the last are missing for every unit",
        float(gaps),
        0.0,
        "check whether these periods were lost or had no sales at all (then they are zeros)",
    )


def forbidden_comparisons(case: Case) -> Check | None:
    """Two-way fixed effects use units already treated as controls when starts differ or treatment switches."""
    if case.options.estimator != "twfe":
        return None
    on = case.panel.on
    ever, first = case.panel.start != UNTREATED, np.maximum(case.panel.start, 0)
    n_starts = int(np.count_nonzero(np.bincount(first[ever])))
    off = on is not None and (ever[:, None] & (on == 0) & (np.arange(on.shape[1]) > first[:, None])).any()
    if n_starts == 1 and not off:
        return Check("forbidden_comparisons", "passed", "all treated units start together and stay treated", 1.0, 1.0)
    what = f"treatment starts in {n_starts} different periods" + (" and switches off again" if off else "")
    return Check(
        "forbidden_comparisons",
        "failed",
        f"{what}, so units already treated serve as controls and effects that grow are read with the "
        "wrong weight or sign (Goodman-Bacon 2021)",
        float(n_starts),
        1.0,
        "use estimator='callaway_santanna', or 'stacked' for campaigns",
    )


def campaign_overlap(case: Case) -> Check | None:
    """In a stack: how many comparison cells lie under another campaign, and does leaving them out change the answer?"""
    panel = case.panel
    if panel.other is None:
        if panel.stack is None:
            return None
        return Check(
            "campaign_overlap",
            "not_run",
            "the stack has no column other_tactic, so overlapping campaigns are not known",
            remedy="build the frame with Logs.stack",
        )
    assert case.fitted.on is not None  # a stack is always fitted by regression
    present = np.isfinite(panel.y)
    comparison = present & (case.fitted.on() == 0)
    value = float((panel.other[comparison] == 1).mean())
    message = f"{value:.1%} of control and pre-period cells lie under another campaign"
    threshold = bound("campaign_overlap")
    if judge("campaign_overlap", value) == "passed":
        return Check("campaign_overlap", "passed", message, value, threshold)
    clean = replace(panel, y=np.where(comparison & (panel.other == 1), np.nan, panel.y), notes=[], dropped={})
    try:
        again = case.rerun(clean)
        estimate, se = float(again.estimate[0]), float(again.std_error[0])
    except GmvCausalError as error:
        return Check(
            "campaign_overlap", "warned", f"{message}; the rerun is not possible ({error.rule})", value, threshold
        )
    first, first_se = float(case.fitted.estimates.estimate[0]), float(case.fitted.estimates.std_error[0])
    changed = abs(estimate - first) > 2 * first_se and (abs(estimate) > 1.96 * se) != (abs(first) > 1.96 * first_se)
    message += f"; without them the estimate is {estimate:+.4g} ({se:.4g}) against {first:+.4g} ({first_se:.4g})"
    return Check(
        "campaign_overlap",
        "failed" if changed else "warned",
        message,
        value,
        threshold,
        "the effect is that of this campaign on top of the usual campaign mix; read the rerun beside it",
    )


def id_reuse(case: Case) -> Check | None:
    """Does one id stand for units in several places?"""
    moving = case.panel.moving
    if not moving:
        return None
    count = max(moving.values())
    where = ", ".join(f"{n:,} units under more than one {column!r}" for column, n in moving.items())
    return Check(
        "id_reuse",
        "warned",
        f"there are {where}",
        float(count),
        0.0,
        "if each place numbers its own units, join place and id into one unit column",
    )
