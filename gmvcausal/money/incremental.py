"""From a per-unit effect to money: total incremental GMV, refunds, cost, profit and return, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check
from gmvcausal.results import Audit, Check, Estimates, Result
from gmvcausal.stats.inference import critical_value, fieller
from gmvcausal.stats.small_sample import Spread

# Columns of a panel from Logs that are counts: their total is no GMV.
_COUNTS = ("orders", "buyers")


@dataclass(frozen=True, repr=False, eq=False)
class MoneyResult(Result):
    """Incremental GMV and what is left of it.

    Terms of `to_frame()`: ``incremental_gmv``, ``refunds``, ``cost``; ``profit`` with a margin or a cost (else it
    would be GMV under another name); ``roi`` with a cost. The interval of ``roi`` is Fieller's; a ratio has no
    standard error that could be trusted, so that column is empty there.

    Attributes
    ----------
    source : Result
        The estimate it was made from; its audit is carried along.
    """

    source: Result
    own_checks: tuple[Check, ...] = ()

    @property
    def audit(self) -> Audit:
        """The audit of the source and the checks on cost."""
        return Audit((*self.source.audit.checks, *self.own_checks))


def incremental_gmv(
    result: Any,
    *,
    cost: Any = 0.0,
    cost_is: str | None = None,
    margin: float = 1.0,
    refunds: float = 0.0,
    gmv_is: str | None = None,
) -> MoneyResult:
    """Total incremental GMV of a roll-out over its treated unit-periods, and the profit it leaves.

    Profit is ``margin * (1 - refunds) * incremental GMV - cost``; the return (``roi``) is profit / cost.

    Parameters
    ----------
    result : DidResult
        An effect per unit-period on GMV.
    cost : float or DidResult
        Total cost in money, known exactly; or the effect of the same tactic on a cost column of the same panel,
        estimated with the same design, so that gain and cost carry their covariance.
    cost_is : {"discount", "other"}
        What the cost consists of; required with a cost. A discount is already inside paid GMV and is refused there.
    margin : float
        Share of GMV that is contribution before the cost, in (0, 1]. Default 1: GMV itself.
    refunds : float
        Share of incremental GMV expected back, in [0, 1]. Only for gross GMV.
    gmv_is : {"paid", "list"}, optional
        Whether GMV is what shoppers paid or list price. Known where the panel comes from `Logs`; required with a cost
        otherwise.

    Returns
    -------
    MoneyResult

    Raises
    ------
    InputError
        A discount counted twice, refunds on net GMV, a cost of unknown kind, or a cost result from other data.
    DesignError
        Where the effect has no total: weighted panels, the naive comparison.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> panel = pd.DataFrame([
    ...     dict(unit=u, period=t, gmv=10 + u + t + 3 * (u < 10 and t >= 3), first_treated=3 if u < 10 else None)
    ...     for u in range(30) for t in range(1, 5)])
    >>> money = gc.did(panel).incremental_gmv(cost=20, cost_is="other", gmv_is="paid", margin=0.5)
    >>> [round(x, 6) for x in money.to_frame()["estimate"]]
    [60.0, 0.0, 20.0, 10.0, 0.5]
    """
    if not hasattr(result, "fitted") or not hasattr(result, "cluster_influence"):
        raise InputError(f"incremental_gmv needs the result of gc.did, but got {type(result).__name__}")
    if result.options.estimator == "naive":
        raise DesignError(
            "a naive comparison has no incremental GMV", remedy="use an estimator that compares with controls"
        )
    outcome = str(result.manifest.options.get("outcome"))
    if outcome in _COUNTS:
        raise InputError(
            f"the effect is on {outcome!r}, which counts things and is no money",
            column=outcome,
            remedy="run gc.did with outcome= set to a column of GMV",
        )
    if result.panel.weight is not None:
        raise DesignError(
            "a weighted effect has no total over the units seen", remedy="estimate without weights for totals"
        )
    margin, refunds = check("margin", margin), check("refunds", refunds)
    meta = result.panel.meta
    paid = _gmv_is(meta, gmv_is)
    if refunds and meta.get("gmv") == "net":
        raise InputError(
            "GMV is already net of refunds, so refunds= would take them off twice", remedy="leave refunds= out"
        )
    parts = _parts(result)
    cells = result.fitted.treated_cells * parts
    gain, var_gain = result.estimate * cells, (result.std_error * cells) ** 2
    spent, var_cost, cov_cost = _cost(result, cost, cost_is, paid, cells)
    kept = margin * (1 - refunds)
    profit = kept * gain - spent
    # Of (incremental GMV, refunds, cost, profit), linear in (gain, cost).
    linear = np.array([[1.0, 0.0], [refunds, 0.0], [0.0, 1.0], [kept, -1.0]])
    joint = np.array([[var_gain, cov_cost], [cov_cost, var_cost]])
    cov = linear @ joint @ linear.T
    terms = ["incremental_gmv", "refunds", "cost", "profit"]
    estimands = [
        f"total of {outcome} over {result.fitted.treated_cells:,} treated unit-periods"
        + (f", {parts:g} parts in each" if parts != 1 else ""),
        f"{refunds:.1%} of incremental GMV",
        "total cost" + (" (known)" if not isinstance(cost, Result) else " (estimated with the same design)"),
        f"{margin:g} x (incremental GMV - refunds) - cost",
    ]
    estimate = np.array([gain, refunds * gain, spent, profit])
    if not spent and margin == 1 and not refunds:  # profit would be GMV under another name
        terms, estimands, estimate, cov = terms[:3], estimands[:3], estimate[:3], cov[:3, :3]
    special: dict[int, Callable[[float], tuple[float, float]]] = {}
    units = ["money"] * len(terms)
    t = result.estimates.t
    df, factor = float(t.df[0]), float(t.factor[0])
    if spent:
        terms.append("roi")
        estimands.append("profit / cost, interval by Fieller")
        units.append("ratio")
        estimate = np.append(estimate, profit / spent)
        cov = np.pad(cov, (0, 1), constant_values=np.nan)
        var_profit, cov_profit = float(cov[3, 3]), float(cov[2, 3])
        parts_of_return = (profit, spent, *(v * factor**2 for v in (var_profit, var_cost, cov_profit)))
        special[4] = partial(_return_interval, parts_of_return, df)
    special_p: dict[int, float] = {}
    withheld = result.estimates.withheld
    effect = result.estimates.special.get(0)
    if effect is not None and isinstance(cost, Result):
        special, withheld = {}, "few clusters are treated, and placebo runs do not cover gain and cost together"
    elif effect is not None:
        # A known cost leaves every term a straight line in the effect, so its limits follow from those of the effect.
        slopes = [cells, refunds * cells, 0.0, kept * cells, kept * cells / spent if spent else 0.0]
        shifts = [0.0, 0.0, spent, -spent, -1.0]
        special = {k: partial(_line, effect, slopes[k], shifts[k]) for k in range(len(terms))}
        special_p = {k: result.p_value for k in (0, 1) if slopes[k]}
    estimates = Estimates(
        tuple(terms),
        tuple(estimands),
        tuple(units),
        estimate,
        cov,
        (result.n,) * len(terms),
        Spread(np.full(len(terms), df), np.full(len(terms), factor)),
        withheld,
        special,
        special_p,
        result.estimates.method,
    )
    options = {"cost": spent, "cost_is": cost_is, "margin": margin, "refunds": refunds, "gmv_is": paid}
    manifest = replace(result.manifest, verb="incremental_gmv", options={**result.manifest.options, **options})
    return MoneyResult(
        "Incremental GMV and profit",
        result.assumption,
        estimates,
        manifest,
        result.alpha,
        result,
        _checks(result, paid),
    )


def _line(
    effect: Callable[[float], tuple[float, float]], slope: float, shift: float, level: float
) -> tuple[float, float]:
    """Limits of ``slope x effect + shift``; the slope is not negative."""
    low, high = effect(level)
    return (slope * low + shift, slope * high + shift) if slope else (shift, shift)


def _return_interval(parts: tuple[float, float, float, float, float], df: float, level: float) -> tuple[float, float]:
    """Fieller's interval of profit / cost at `level`; `parts` as in `stats.inference.fieller`."""
    return fieller(*parts, critical_value(level, df))


def _gmv_is(meta: dict[str, Any], declared: str | None) -> str | None:
    known = meta.get("gmv_is")
    if declared is not None:
        check("gmv_is", declared)
        if known is not None and known != declared:
            raise InputError(f"the panel says GMV is {known}, but gmv_is={declared!r}", remedy="leave gmv_is= out")
    return str(known) if known else declared


def _parts(result: Any) -> float:
    """Shorter periods averaged in each row: an effect per week over 4-week cells counts four times."""
    panel = result.panel
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


def _checks(result: Any, paid: str | None) -> tuple[Check, ...]:
    """What the total assumes beyond the effect."""
    found = []
    if not paid:
        unknown = "it is not known whether GMV is paid or list price"
        found.append(Check("gmv_definition", "warned", unknown, remedy="pass gmv_is="))
    if result.options.estimator in ("twfe", "stacked"):
        message = (
            "the coefficient weights units and campaigns by what they can tell, not by size; the total takes it as the "
            "effect in every treated unit-period"
        )
        remedy = "read the total as approximate where effects differ between campaigns"
        found.append(Check("total_weighting", "warned", message, remedy=remedy))
    return tuple(found)


def _cost(result: Any, cost: Any, cost_is: str | None, paid: str | None, cells: float) -> tuple[float, float, float]:
    """Total cost, its variance, and its covariance with the total gain."""
    estimated = isinstance(cost, Result)
    if not estimated and check("cost", cost) == 0:
        return 0.0, 0.0, 0.0
    if cost_is is None:
        raise InputError(
            "cost= needs cost_is=: is it the discount itself, or other spending?",
            remedy="pass cost_is='discount' for coupon face value, or cost_is='other' for fees, prizes, printing",
        )
    check("cost_is", cost_is)
    if paid is None:
        raise InputError(
            "with a cost it must be known whether GMV is paid or list price", remedy="pass gmv_is='paid' or 'list'"
        )
    outcome = cost.manifest.options.get("outcome") if estimated else None
    if paid == "paid" and (
        cost_is == "discount" or (outcome is not None and outcome in ("discount", result.panel.meta.get("discount")))
    ):
        raise InputError(
            "the discount is already inside paid GMV: taking it off again would count the coupon twice",
            remedy="leave it out of cost=, or analyse list GMV (gmv_is='list') with the discount as cost",
        )
    if not estimated:
        return float(check("cost", cost)), 0.0, 0.0
    same = (
        hasattr(cost, "cluster_influence")
        and np.array_equal(cost.panel.unit, result.panel.unit)
        and np.array_equal(cost.panel.cluster, result.panel.cluster)
        and cost.fitted.treated_cells == result.fitted.treated_cells
    )
    if not same:
        raise InputError(
            "cost= is a result from other units, clusters or treated periods, so gain and cost have no common total",
            remedy="run gc.did on the same panel with outcome= set to the cost column and the same options",
        )
    mine, other = result.cluster_influence(), cost.cluster_influence()
    cov = float(mine @ other) if math.isfinite(result.std_error) else math.nan
    return cost.estimate * cells, (cost.std_error * cells) ** 2, cov * cells**2
