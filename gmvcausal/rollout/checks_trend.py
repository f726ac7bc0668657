"""Checks on what went before: leads, the line through them, and levels for the naive comparison."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.case import Case, p_text
from gmvcausal.rollout.cohorts import UNTREATED
from gmvcausal.rollout.fitted import MIN_CLUSTERS, Series
from gmvcausal.stats.inference import p_value, wald


def _leads(event: Series | None) -> Series | None:
    """The leads that enough treated clusters stand behind."""
    if event is None or event.reference is None:
        return None
    use = (event.at < event.reference) & (event.clusters >= MIN_CLUSTERS)
    if not use.any():
        use = event.at < event.reference
    return Series(
        event.at[use],
        event.estimate[use],
        event.cov[np.ix_(use, use)],
        event.n[use],
        event.clusters[use],
        event.reference,
        event.df,
    )


def _no_leads(case: Case, name: str) -> Check | None:
    """The check where leads cannot be tested, or None where they can."""
    if case.event is None:
        return Check(
            name, "not_run", "the treatment switches off and on, so there is no single event time to count leads from"
        )
    leads = _leads(case.event)
    if leads is None or not len(leads.at):
        return Check(
            name, "warned", "only one period lies before the treatment, so parallel trends cannot be tested",
            remedy="supply earlier periods, or argue for parallel trends from outside the data",
        )  # fmt: skip
    if int(leads.clusters.max()) < MIN_CLUSTERS:
        return Check(
            name,
            "not_run",
            f"fewer than {MIN_CLUSTERS} treated clusters stand behind every lead, so their test is not to be relied on",
        )
    return None


def pre_trend(case: Case) -> Check:
    """Joint test of the leads."""
    bad = _no_leads(case, "pre_trend")
    leads = _leads(case.event)
    if bad is not None or leads is None:
        return bad or Check("pre_trend", "not_run", "there are no leads")
    _, p, rank = wald(leads.estimate, leads.cov, float(min(case.fitted.clusters)))
    if math.isnan(p):
        return Check("pre_trend", "not_run", "there are more leads than clusters, so they cannot be tested together")
    status = "failed" if p < 0.01 else "warned" if p < 0.05 else "passed"
    largest = int(np.argmax(np.abs(leads.estimate)))
    message = (
        f"joint test of {rank} leads: p = {p_text(p)}; the largest is {leads.estimate[largest]:+.4g} at "
        f"event time {leads.at[largest]}"
    )
    remedy = (
        "the groups already moved apart before the treatment: find controls that move alike, compare within "
        "products or areas, "
        "or randomise the next campaign; if the tactic was announced earlier, say so with anticipation="
    )
    return Check("pre_trend", status, message, p, 0.01, "" if status == "passed" else remedy)


def _main_leads(leads: Series) -> Series:
    """Leads on which at least half of the treated units stand: farther ones mix cohorts."""
    top = max(int(leads.n.max()), 1)
    use = leads.n >= 0.5 * top
    if use.sum() < 2:
        use = leads.n >= 0.2 * top
    return Series(
        leads.at[use],
        leads.estimate[use],
        leads.cov[np.ix_(use, use)],
        leads.n[use],
        leads.clusters[use],
        leads.reference,
        leads.df,
    )


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
    leads = _leads(event)
    return slope(leads)[0] if leads is not None and len(leads.at) else math.nan


def pre_trend_slope(case: Case) -> Check:
    """Does the effect merely continue the line that was there before?"""
    bad = _no_leads(case, "pre_trend_slope")
    leads = _leads(case.event)
    if bad is not None or leads is None or case.event is None or leads.reference is None:
        return bad or Check("pre_trend_slope", "not_run", "there are no leads")
    b, se = slope(leads)
    after = case.event.at >= 0
    weight = case.event.n[after] / case.event.n[after].sum()
    effect = float(weight @ case.event.estimate[after])
    drift = b * float(weight @ (case.event.at[after] - leads.reference))
    p = float(p_value(np.array([b]), np.array([se]), leads.df)[0]) if se > 0 else math.nan
    if math.isnan(p):
        return Check("pre_trend_slope", "not_run", "the leads have no variance")
    explains = abs(drift) >= 0.5 * abs(effect) and drift * effect > 0
    status = "failed" if p < 0.01 and (explains or abs(drift) >= abs(effect)) else "warned" if p < 0.05 else "passed"
    message = (
        f"the leads lie on a line of {b:+.4g} a period (p = {p_text(p)}); carried forward it gives {drift:+.4g} of the "
        f"{effect:+.4g} "
        f"found after the start, and leaves {effect - drift:+.4g}"
    )
    remedy = "the effect continues a trend that was there before the tactic: do not read it as caused by the tactic"
    return Check("pre_trend_slope", status, message, p, 0.01, "" if status == "passed" else remedy)


def selection(case: Case) -> Check:
    """Did the units that were treated differ before anyone was?"""
    y = case.panel.y
    start = case.panel.start
    ever = start != UNTREATED
    first = np.where(ever, np.maximum(start, 0), y.shape[1])
    # The same calendar periods on both sides: those before the first treatment of each treated unit, and all of the
    # others'.
    before = np.isfinite(y) & (np.arange(y.shape[1]) < first[:, None])
    levels = []
    for side in (ever, ~ever):
        rows = side & before.any(axis=1)
        if rows.sum() < 2:
            return Check(
                "selection", "not_run", "no treated unit is seen before its treatment, or no unit is never treated"
            )
        mean = np.where(before[rows], y[rows], 0.0).sum(axis=1) / before[rows].sum(axis=1)
        levels.append((float(mean.mean()), float(mean.var(ddof=1) / len(mean))))
    (later, v1), (never, v0) = levels
    se = math.sqrt(v1 + v0)
    p = float(p_value(np.array([later - never]), np.array([se]))[0]) if se > 0 else math.nan
    status = "failed" if p < 0.01 else "warned" if p < 0.05 else "passed"
    rest, seen = y[~ever], before[~ever]
    by_period = [float(rest[seen[:, t], t].mean()) for t in range(y.shape[1]) if seen[:, t].any()]
    message = (
        f"before any treatment, units treated later average {later:.4g}; units never treated average {never:.4g} "
        f"({min(by_period):.4g} to {max(by_period):.4g} by period; p = {p_text(p)})"
    )
    remedy = (
        ""
        if status == "passed"
        else "the groups differed to begin with: compare changes, not levels, and audit the trends"
    )
    return Check("selection", status, message, p, 0.01, remedy)
