"""Checks on what went before: leads, the line through them, and levels for the naive comparison."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF, bound, judge
from gmvcausal.rollout.chance.placebo import placebo_slope
from gmvcausal.rollout.fitted import FloatArray, Series
from gmvcausal.rollout.group_time.triple import differences
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.stats.inference import p_value, wald
from gmvcausal.stats.small_sample import joint_df

_MANY = 1e6  # clusters, from which on Hotelling's statistic is the chi-square


def leads_of(event: Series | None) -> Series | None:
    """The leads that enough treated clusters stand behind."""
    if event is None or event.reference is None:
        return None
    use = (event.at < event.reference) & (event.behind >= MIN_CLUSTERS)
    if not use.any():
        use = event.at < event.reference
    return event.take(use)


def _no_leads(case: Case, name: str) -> Check | None:
    """The check where leads cannot be tested, or None where they can."""
    if case.event is None:
        return Check(
            name, "not_run", "the treatment switches off and on, so there is no single event time to count leads from"
        )
    leads = leads_of(case.event)
    if leads is None or not len(leads.at):
        return Check(
            name,
            "warned",
            "only one period lies before the treatment, so parallel trends cannot be tested",
            remedy="supply earlier periods, or argue for parallel trends from outside the data",
        )
    if int(leads.behind.max()) < MIN_CLUSTERS:
        return Check(name, "not_run", _too_few())
    return None


def _too_few() -> str:
    return f"fewer than {MIN_CLUSTERS} treated clusters stand behind every lead, so their test is not to be relied on"


class Tested(NamedTuple):
    """The leads that are tested jointly.

    Attributes
    ----------
    leads : Series
        The nearest ones.
    cov : ndarray, shape (q, q)
        Unbiased, as their intervals have it.
    clusters : float
        Equal clusters that stand behind it: its degrees of freedom and one more.
    """

    leads: Series
    cov: FloatArray
    clusters: float


def tested(leads: Series) -> Tested | None:
    """As many of the nearest leads as the clusters behind them can tell from chance together; None where none.

    A test of as many leads as there are clusters finds nothing, and far leads may stand on one late, small cohort:
    at most a quarter as many are tested as equal clusters stand behind these leads themselves.
    """
    df = leads.spread.df
    near = np.argsort(-leads.at)
    use = 0
    for q in range(1, len(near) + 1):
        if not (df[near[:q]] >= MIN_DF).all():
            break
        if q == 1 or q <= (joint_df(df[near[:q]]) + 1) / 4:
            use = q
    if not use:
        return None
    keep = np.zeros(len(near), dtype=bool)
    keep[near[:use]] = True
    some = leads.take(keep)
    wider = np.outer(some.spread.factor, some.spread.factor)
    return Tested(some, some.cov * wider, min(joint_df(some.spread.df) + 1, _MANY))


def pre_trend(case: Case) -> Check:
    """Joint test of the leads."""
    bad = _no_leads(case, "pre_trend")
    every = leads_of(case.event)
    if bad is not None or every is None:
        return bad or Check("pre_trend", "not_run", "there are no leads")
    if not np.diag(every.cov).any():
        return Check("pre_trend", "not_run", "the outcome leaves the leads no variation, so they cannot be tested")
    made = tested(every)
    if made is None:
        return Check("pre_trend", "not_run", too_unequal())
    leads = made.leads
    _, p, rank = wald(leads.estimate, made.cov, made.clusters)
    if math.isnan(p):
        return Check("pre_trend", "not_run", "there are more leads than clusters, so they cannot be tested together")
    status = judge("pre_trend", p)
    largest = int(np.argmax(np.abs(leads.estimate)))
    nearest = ""
    if len(leads.at) < len(every.at):
        nearest = (
            f" (the nearest of {len(every.at)}, as the {made.clusters:.0f} equal clusters that they amount to allow)"
        )
    message = (
        f"joint test of {rank} leads{nearest}: p = {p_text(p)}; the largest is {leads.estimate[largest]:+.4g} at "
        f"event time {leads.at[largest]}"
    )
    remedy = (
        "the groups already moved apart before the treatment: find controls that move alike, compare within "
        "products or areas, "
        "or randomise the next campaign; if the tactic was announced earlier, say so with anticipation="
    )
    return Check("pre_trend", status, message, p, bound("pre_trend"), "" if status == "passed" else remedy)


def too_unequal() -> str:
    """Why the leads are not tested."""
    return (
        f"the clusters behind the nearest lead are so unequal that fewer than {MIN_DF} degrees of freedom are left, so "
        "its test is not to be relied on"
    )


def _main_leads(leads: Series) -> Series:
    """Leads on which at least half of the treated units stand: farther ones mix cohorts."""
    top = max(int(leads.n.max()), 1)
    use = leads.n >= 0.5 * top
    if use.sum() < 2:
        use = leads.n >= 0.2 * top
    return leads.take(use)


def slope(leads: Series) -> tuple[float, float]:
    """Slope per period of the line through the main leads and the base (zero at the base), and its standard error."""
    assert leads.reference is not None
    base, leads = leads.reference, _main_leads(leads)
    distance = (leads.at - base).astype(float)
    weight = distance / np.maximum(np.diag(leads.cov), 1e-300)
    weight = weight / (weight @ distance)
    return float(weight @ leads.estimate), float(math.sqrt(max(weight @ leads.cov @ weight, 0.0)))


def lead_slope(event: Series | None) -> float:
    """The slope alone, for the figure; NaN where there is no lead."""
    leads = leads_of(event)
    return slope(leads)[0] if leads is not None and len(leads.at) else math.nan


def pre_trend_slope(case: Case) -> Check:
    """Does the effect merely continue the line that was there before?"""
    bad = _no_leads(case, "pre_trend_slope")
    leads = leads_of(case.event)
    few = leads is not None and len(leads.at) > 0 and int(leads.behind.max()) < MIN_CLUSTERS
    if few:
        bad = None
    if bad is not None or leads is None or case.event is None or leads.reference is None:
        return bad or Check("pre_trend_slope", "not_run", "there are no leads")
    b, se = slope(leads)
    after = case.event.at >= 0
    weight = case.event.n[after] / case.event.n[after].sum()
    effect = float(weight @ case.event.estimate[after])
    origin = leads.reference if case.event.origin is None else case.event.origin
    drift = b * float(weight @ (case.event.at[after] - origin))
    if few:
        apart = case.panel if case.panel.eligible is None else differences(case.panel)
        found = None if apart is None else placebo_slope(apart, case.options)
        if found is None:
            return Check("pre_trend_slope", "not_run", _too_few())
        p = found
    else:
        # The line mixes leads; the least certain of them sets its degrees of freedom.
        t = _main_leads(leads).spread
        p = float(p_value(np.array([b]), np.array([float(t.factor.max()) * se]), float(t.df.min()))[0])
    if math.isnan(p):
        return Check("pre_trend_slope", "not_run", "the leads have no variance")
    continues = drift * effect > 0
    status = judge("pre_trend_slope", p)
    if status == "failed" and abs(drift) < (0.5 if continues else 1.0) * abs(effect):
        status = "warned"
    message = (
        f"the leads lie on a line of {b:+.4g} a period (p = {p_text(p)}); carried forward it gives {drift:+.4g} beside "
        f"the {effect:+.4g} found after the start, and leaves {effect - drift:+.4g}"
    )
    remedy = (
        "the effect continues a trend that was there before the tactic: do not read it as caused by the tactic"
        if continues
        else "the groups drifted the other way before the tactic: read the effect with the drift taken off beside it"
    )
    return Check("pre_trend_slope", status, message, p, bound("pre_trend_slope"), "" if status == "passed" else remedy)


def no_design(case: Case) -> Check:
    """A comparison of levels over whoever was treated whenever has no control for either."""
    return Check(
        "no_design",
        "failed",
        "a difference of means compares other units at other times; it is shown, not believed",
        remedy="use an estimator that compares changes with those of a control group",
    )


def selection(case: Case) -> Check:
    """Did units not yet treated differ from units never treated, in the same periods?"""
    y, start, cluster = case.panel.y, case.panel.start, case.panel.cluster
    ever = start != UNTREATED
    first = np.where(ever, np.maximum(start, 0), y.shape[1])
    seen = np.isfinite(y)
    later = seen & ever[:, None] & (np.arange(y.shape[1]) < first[:, None])
    never = seen & ~ever[:, None]
    count = np.array([later.sum(axis=0), never.sum(axis=0)], dtype=float)
    use = (count > 0).all(axis=0)
    if not use.any() or case.panel.stack is not None:
        return Check("selection", "not_run", "no period holds both units not yet treated and units never treated")
    # Period by period, weighted by the units not yet treated: a season common to all drops out.
    weight = np.where(use, count[0], 0.0) / count[0][use].sum()
    clean = np.where(seen, y, 0.0)
    sums = np.array([np.where(side, clean, 0.0).sum(axis=0) for side in (later, never)])
    mean = np.divide(sums, count, out=np.zeros_like(sums), where=count > 0)
    gap = float(weight @ (mean[0] - mean[1]))
    load = np.divide(weight, count, out=np.zeros_like(count), where=count > 0)
    influence = (later * (clean - mean[0])) @ load[0] - (never * (clean - mean[1])) @ load[1]
    se = float(np.sqrt((np.bincount(cluster, influence) ** 2).sum()))
    p = float(p_value(np.array([gap]), np.array([se]))[0]) if se > 0 else math.nan
    if math.isnan(p):
        return Check("selection", "not_run", "the outcome does not vary before the treatment")
    status = judge("selection", p)
    naive = case.naive
    message = (
        f"in the same periods, units not yet treated stand {gap:+.4g} from units never treated (p = {p_text(p)}); "
        f"before their treatment they average {naive.before:.4g}, the never treated {naive.never_low:.4g} to "
        f"{naive.never_high:.4g} by period"
    )
    remedy = "the groups differed to begin with: compare changes, not levels, and audit the trends"
    return Check("selection", status, message, p, bound("selection"), "" if status == "passed" else remedy)
