"""The effect of a roll-out as money needs it: per treated unit-period, in parts where rows are means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.money.effect import Cost, Effect
from gmvcausal.results import Check


def rollout_effect(result: Any, cost: Any) -> Effect:
    """The effect of a `DidResult`; `cost` is a number, or the effect of the same roll-out on a cost column.

    Raises
    ------
    InputError, DesignError
        Where the effect has no total, or the cost belongs to another roll-out.
    """
    parts = parts_of_total(result)
    cells, spillover = result.fitted.treated_cells, result.fitted.spillover
    over = f"{cells:,} treated unit-periods"
    if result.panel.crossed:
        over = f"{cells:,} treated rows (people who are not in the data are not in the total)"
    if spillover is not None:
        over += f" and {spillover.unit_periods:,} exposed ones"
    return Effect(
        result.row(result.fitted.per_cell),
        cells * parts,
        str(result.manifest.options.get("outcome")),
        over + (f", {parts:g} parts in each" if parts != 1 else ""),
        result.panel.meta,
        "run gc.did with outcome= set to a column of GMV",
        total_checks(result),
        (),
        None if isinstance(cost, int | float | np.number | str) else _cost(result, cost),
    )


def parts_of_total(result: Any) -> float:
    """Shorter periods averaged in each row: an effect per week over 4-week cells counts four times.

    Raises
    ------
    InputError, DesignError
        Where the effect has no total.
    """
    if result.options.estimator == "naive":
        raise DesignError(
            "a naive comparison has no incremental GMV", remedy="use an estimator that compares with controls"
        )
    panel = result.panel
    if panel.weight is not None:
        raise DesignError(
            "a weighted effect has no total over the units seen", remedy="estimate without weights for totals"
        )
    if panel.cut is not None:
        raise InputError(
            "the effect is one on capped outcomes: another estimand, which has no total of GMV",
            remedy="call did without winsorise= for money, and show the capped effect beside it",
        )
    if panel.meta.get("per") and not panel.has_parts:
        rule = (
            f"the panel holds means per {panel.meta['per']}, but its column 'parts' is gone, so the effect has no total"
        )
        raise InputError(rule, column="parts", remedy="keep the column that Logs.panel wrote")
    if math.isnan(panel.parts):
        rule = "parts varies from row to row, so the effect has no total"
        raise InputError(rule, column="parts", remedy="build the panel with one freq and one per")
    if panel.parts != 1 and panel.meta.get("changed"):
        rule = f"the outcome has changed since Logs made it the mean of {panel.parts:g} parts, so it has no total"
        raise InputError(
            rule, column="parts", remedy="set parts to 1 where rows hold sums, or use the unchanged column"
        )
    return float(panel.parts)


def total_checks(result: Any) -> tuple[Check, ...]:
    """What a total assumes beyond the effect."""
    if result.options.estimator not in ("twfe", "stacked"):
        return ()
    message = (
        "the coefficient weights units and campaigns by what they can tell, not by size; the total takes it as the "
        "effect in every treated unit-period"
    )
    return (
        Check(
            "total_weighting",
            "warned",
            message,
            remedy="read the total as approximate where effects differ between campaigns",
        ),
    )


def _cost(result: Any, cost: Any) -> Cost:
    same = (
        hasattr(cost, "cluster_influence")
        and np.array_equal(cost.panel.unit, result.panel.unit)
        and np.array_equal(cost.panel.cluster, result.panel.cluster)
        and cost.fitted.treated_cells == result.fitted.treated_cells
        and _same_exposure(cost.panel.exposed, result.panel.exposed)
    )
    if not same:
        raise InputError(
            "cost= is a result from other units, clusters or treated periods, so gain and cost have no common total",
            remedy="run gc.did on the same panel with outcome= set to the cost column and the same options",
        )
    gain, spent = result.row(result.fitted.per_cell), cost.row(cost.fitted.per_cell)
    mine, other = result.cluster_influence(total=True), cost.cluster_influence(total=True)
    cov = float(mine @ other) if math.isfinite(gain.std_error) else math.nan
    return Cost(str(cost.manifest.options.get("outcome")), spent.estimate, spent.std_error**2, cov)


def _same_exposure(one: Any, other: Any) -> bool:
    return (one is None) == (other is None) and (one is None or np.array_equal(one, other))
