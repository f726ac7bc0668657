"""Checks on who is there, and when: rows that are absent, and units that appear late."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Check
from gmvcausal.rollout.audit.attrition import attrition_bounds
from gmvcausal.rollout.audit.case import Case, p_text, retry, subset
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.facts import early_periods
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.inference import p_value


def attrition(case: Case) -> Check | None:
    """Are unit-periods absent, and how far could that move the answer?"""
    panel = case.panel
    if panel.crossed:
        return None
    if panel.moments is not None:
        return Check("attrition", "passed", "every unit is seen in every period", 0.0, 0.0)
    used = np.ones(len(panel.start), dtype=bool) if panel.stack is not None else panel.taken
    y = panel.y[used]
    present = np.isfinite(y)
    if panel.stack is not None:
        # A stacked window ends with its campaign, so a column is absent for the whole campaign by design.
        columns = np.array([present[panel.stack == b].any(axis=0) for b in range(int(panel.stack.max()) + 1)])
        absent = 1 - present.sum() / columns[panel.stack].sum()
    else:
        absent = 1 - float(present.mean())
    if absent <= 0:
        return Check("attrition", "passed", "every unit is seen in every period", 0.0, 0.0)
    treated = case.fitted.treated[used]
    rates = tuple(1 - float(present[side].mean()) if side.any() else math.nan for side in (treated, ~treated))
    message = (
        f"{absent:.1%} of unit-periods are absent ({rates[0]:.1%} of treated units', {rates[1]:.1%} of the others')"
    )
    # Bounds are on the effect of a start, which is not what an effect per period under a switching tactic is.
    bounds = None if case.fitted.switching else attrition_bounds(case.fitted.effects)
    if bounds is not None:
        message += (
            f"; if treatment moves leaving in one direction only, the effect on units seen either way lies between "
            f"{bounds[0]:+.4g} and {bounds[1]:+.4g} (Lee 2009)"
        )
    moved, p = _tactic_on_absence(case)
    status = judge("attrition", float(absent))
    if p < 0.01:
        message += f"; the tactic itself moved the share that is absent by {moved:+.1%} (p = {p_text(p)})"
        # Who is compared then depends on the tactic. Bounds on one side of zero still say which way the effect goes.
        if bounds is None or bounds[0] <= 0 <= bounds[1]:
            status = "failed"
    remedy = (
        "rows outside each unit's life are absent by your entry and exit dates: the effect is one on units alive"
        if panel.meta.get("life_known")
        else "a shopper who left has GMV 0: zero-fill inside each unit's life, for example with gc.Logs(...).panel"
    )
    if status == "failed":
        remedy = "keep those who left in the panel with GMV 0 (leave out exit dates), so that both sides are whole"
    return Check("attrition", status, message, float(absent), bound("attrition"), remedy)


def _tactic_on_absence(case: Case) -> tuple[float, float]:
    """The same design's effect on being absent, and its p-value; NaN where it cannot be had."""
    panel = case.panel
    if panel.stack is not None or panel.on is not None or case.options.estimator == "naive":
        return math.nan, math.nan
    # Nobody may be absent before the start, and a ratio to nothing is none: ratios are formed of those present.
    ratios = case.options.estimator == "poisson"
    marked = replace(panel, y=(np.isfinite(panel.y) == ratios).astype(float), notes=[], dropped={})
    try:
        again = case.rerun(marked)
    except GmvCausalError:
        return math.nan, math.nan
    return float(-again.estimate[0] if ratios else again.estimate[0]), float(again.p_value[0])


def late_entry(case: Case) -> Check | None:
    """Do units that appear late fall unevenly on the two sides?"""
    panel = case.panel
    if panel.crossed:
        return None
    if panel.meta.get("life_known"):
        return Check("late_entry", "passed", "entry dates are known, so zeros lie inside each unit's life only")
    if panel.stack is not None:
        return Check("late_entry", "not_run", "a stack follows each unit through one window only")
    cutoff = early_periods(panel.y.shape[1])
    early = _early(panel, cutoff)
    behind = np.ones(len(early)) if panel.summed is None else panel.summed.behind
    used = panel.start >= UNTREATED
    sides = [used & side for side in (case.fitted.treated, ~case.fitted.treated)]
    sizes = [float(behind[side].sum()) for side in sides]
    if not all(sizes):
        return Check("late_entry", "not_run", "there are no units on one side")
    late = behind * ~early
    shares = [float(late[side].sum()) / size for side, size in zip(sides, sizes, strict=True)]
    gap = abs(shares[0] - shares[1])
    # Where sales are rare, many who were there from the first are first active late: what chance makes is no gap.
    overall = late[used].sum() / behind[used].sum()
    moved = sum(
        np.where(side, ~early - overall, 0.0) / size * sign
        for side, size, sign in zip(sides, sizes, (1, -1), strict=True)
    )
    # Of a row that stands for many units: what each of them moves, or what they move together where they share one.
    squares = behind @ np.square(moved) if panel.alone else np.square(np.bincount(panel.cluster, behind * moved)).sum()
    chance = float(p_value(np.array([gap]), np.sqrt(np.atleast_1d(squares)))[0])
    message = (
        f"{shares[1]:.0%} of untreated units are first active after the first {cutoff + 1} periods, against "
        f"{shares[0]:.0%} of treated units"
    )
    if judge("late_entry", gap) == "passed" or chance >= 0.01:
        message += "" if judge("late_entry", gap) == "passed" else f", as chance may have it (p = {p_text(chance)})"
        return Check("late_entry", "passed", message, gap, bound("late_entry"))
    message += (
        f"; on the units active by then: {retry(case, _of_early(panel, early))}, against "
        f"{case.fitted.estimates.estimate[0]:+.4g}"
    )
    return Check(
        "late_entry",
        "warned",
        message,
        gap,
        bound("late_entry"),
        "zeros before a unit's first purchase may be absence, not abstention: give entry dates in Logs(users=...), "
        "or read the rerun",
    )


def _early(panel: Panel, cutoff: int) -> NDArray[np.bool_]:
    """Which rows are active up to a period."""
    if panel.summed is not None:
        return panel.summed.early
    first = panel.y[:, : cutoff + 1]
    return np.asarray((np.isfinite(first) & (first != 0)).any(axis=1))


def _of_early(panel: Panel, early: NDArray[np.bool_]) -> Panel:
    """The panel of the rows that are."""
    if panel.summed is None:
        return subset(panel, early)
    inside, part = panel.summed.of_early()
    cluster = np.unique(panel.cluster[inside], return_inverse=True)[1]
    y: Any = part  # stands in the place of the matrix
    return replace(panel, y=y, start=panel.start[inside], cluster=cluster, notes=[], dropped={})
