"""Checks on doses: how many stand behind each, whether they went to units on other paths, and what no data can tell."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.frames.params import counted
from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.of_trend import tested, too_unequal
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.stats.inference import wald


def dose_size(case: Case) -> Check | None:
    """Are there enough clusters at every dose?"""
    found = case.fitted.doses
    if found is None:
        return None
    counts = np.array([row.clusters for row in found.level])
    least = int(counts.min())
    few = int((found.series(found.level).clusters < MIN_CLUSTERS).sum())
    where = "at the dose that has fewest" if found.saturated else "behind the curve"
    message = f"{counted(least, 'cluster')} (by {case.panel.cluster_name}) {where}"
    if few:
        message += f"; {few} of {counted(len(counts), 'dose')} have no interval"
        message += " (too many units are alone with their dose in their cohort)" if least >= MIN_CLUSTERS else ""
    status = "warned" if few else judge("dose_size", least)
    merge = (
        "merge neighbouring doses, or give fewer doses to more units" if len(counts) > 1 else "give it to more units"
    )
    remedy = merge if status != "passed" else ""
    return Check("dose_size", status, message, float(least), bound("dose_size"), remedy)


def dose_trend(case: Case) -> Check | None:
    """Did units that got more move apart from those that got less, before either got anything?"""
    found = case.fitted.doses
    if found is None:
        return None
    slopes = found.trend()
    if slopes is None:
        return Check("dose_trend", "not_run", "no period before the base, or no cohort with several doses")
    slopes = slopes.take(slopes.clusters >= MIN_CLUSTERS)
    if not len(slopes.at):
        return Check("dose_trend", "not_run", f"fewer than {MIN_CLUSTERS} treated clusters stand behind every lead")
    made = tested(slopes)
    if made is None:
        return Check("dose_trend", "not_run", too_unequal())
    slopes = made.leads
    _, p, rank = wald(slopes.estimate, made.cov, made.clusters)
    if math.isnan(p):
        return Check("dose_trend", "not_run", "the leads do not vary with the dose")
    largest = int(np.argmax(np.abs(slopes.estimate)))
    message = (
        f"joint test that {rank} leads do not change with the dose: p = {p_text(p)}; the largest slope is "
        f"{slopes.estimate[largest]:+.4g} per unit of dose at event time {slopes.at[largest]}"
    )
    status = judge("dose_trend", p)
    remedy = (
        "more went to units that were on another path: read no slope and no comparison between doses; deal doses out "
        "by lot next time"
    )
    return Check("dose_trend", status, message, p, bound("dose_trend"), "" if status == "passed" else remedy)


def strong_parallel_trends(case: Case) -> Check | None:
    """What no column can tell."""
    if case.fitted.doses is None:
        return None
    return Check(
        "strong_parallel_trends",
        "not_run",
        "slopes and comparisons between doses assume that units would have answered alike to each other's doses; leads "
        "say nothing about gains",
        remedy="deal doses out by lot, or read the effect at each dose alone",
    )
