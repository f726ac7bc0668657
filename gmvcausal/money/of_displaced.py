"""What is left of a gain over a window as money needs it: a sum per treated unit, over the treated units."""

from __future__ import annotations

from typing import Any

from gmvcausal.money.effect import Effect, known_cost
from gmvcausal.money.of_rollout import parts_of_total, total_checks
from gmvcausal.results import Check
from gmvcausal.results.displaced import PullForwardResult
from gmvcausal.rollout.displaced.cannibalised import CannibalisationResult


def net_effect(result: PullForwardResult, cost: Any) -> Effect:
    """The net of a `PullForwardResult`; its cost is a number.

    Raises
    ------
    InputError, DesignError
        Where the effect has no total, or the cost is an estimate.
    """
    known_cost(cost)
    source, window = result.source, result.window
    parts = parts_of_total(source) if hasattr(source, "fitted") else 1.0
    over = f"{result.units:,.6g} treated units over {window.span(window.before + window.length)}"
    checks: tuple[Check, ...] = ()
    if result.total_note:
        remedy = "read the total as approximate, or analyse the units seen throughout"
        checks = (Check("total_weighting", "warned", result.total_note, remedy=remedy),)
    return Effect(
        result.row(0),
        result.units * parts,
        result.outcome,
        over + (f", {parts:g} parts in each" if parts != 1 else ""),
        result.meta,
        "ask for pull_forward() of an effect on a column of GMV",
        checks,
        ("The total is that of the net: what was bought earlier because of the tactic is taken off.",),
    )


def platform_effect(result: CannibalisationResult, cost: Any) -> Effect:
    """The total of a `CannibalisationResult` over the treated unit-periods; its cost is a number.

    Raises
    ------
    InputError, DesignError
        Where the effect has no total, or the cost is an estimate.
    """
    known_cost(cost)
    source, parts = result.source, parts_of_total(result.source)
    cells = source.fitted.treated_cells
    return Effect(
        result.row(0),
        cells * parts,
        source.options.outcome,
        f"{cells:,} treated unit-periods, {result.place} included"
        + (f", {parts:g} parts in each" if parts != 1 else ""),
        source.panel.meta,
        "ask for cannibalisation() of an effect on a column of GMV",
        total_checks(source),
        (f"The total is that of the platform: what was lost {result.place} is taken off.",),
    )
