"""From a per-unit effect to money: total incremental GMV, refunds, cost, profit and return, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.money.effect import COUNTS, Effect
from gmvcausal.money.of_design import effect_of
from gmvcausal.results import Audit, Check, Estimates, Result
from gmvcausal.stats.inference import critical_value, fieller
from gmvcausal.stats.small_sample import Spread


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
    advice : tuple of str
        How the total is to be read.
    """

    source: Result
    own_checks: tuple[Check, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def also(self) -> tuple[int, ...]:
        """The profit, where there is a cost: it may be a loss where GMV is a gain."""
        return (self.estimates.term.index("profit"),) if "roi" in self.estimates.term else ()

    def _about_row(self, place: int) -> dict[str, Any]:
        return {"qualifier": "profit after the cost"} if place in self.also else super()._about_row(place)

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
    metric: str | None = None,
    arm: Any = None,
) -> MoneyResult:
    """Total incremental GMV of a roll-out, a randomised test or a before/after comparison, and the profit it leaves.

    Of a roll-out it is the total over the treated unit-periods; of a test the total over the units of the treated arm,
    from the uncapped mean: a capped one is another estimand and has no total. Of a pull-forward it is the net over the
    window, times the treated units; of a cannibalisation the total of the platform; of before and after the total over
    the window; of a spillover that of everyone treated against nobody, which is a projection.

    Profit is ``margin * (1 - refunds) * incremental GMV - cost``; the return (``roi``) is profit / cost.

    Parameters
    ----------
    result : DidResult, AbResult, PullForwardResult, CannibalisationResult, BeforeAfterResult or SpilloverResult
        An effect on GMV per unit-period, per unit, or per period.
    cost : float, DidResult or str
        Total cost in money, known exactly; or the effect of the same tactic on a cost column, estimated with the same
        design, so that gain and cost carry their covariance: of a roll-out the result on the same panel, of a test the
        name of another mean among its metrics.
    cost_is : {"discount", "other"}
        What the cost consists of; required with a cost. A discount is already inside paid GMV and is refused there.
    margin : float
        Share of GMV that is contribution before the cost, in (0, 1]. Default 1: GMV itself.
    refunds : float
        Share of incremental GMV expected back, in [0, 1]. Only for gross GMV.
    gmv_is : {"paid", "list"}, optional
        Whether GMV is what shoppers paid or list price. Known where the table comes from `Logs`; required with a cost
        otherwise.
    metric : str, optional
        Of a test: the mean that is GMV. Default: its first metric.
    arm : label, optional
        Of a test (or `uplift`, `decompose`) with several treated arms: whose total.

    Returns
    -------
    MoneyResult

    Raises
    ------
    InputError
        A discount counted twice, refunds on net GMV, a cost of unknown kind, a cost result from other data, a metric
        that has no total, several arms and none named.
    DesignError
        Where the effect has no total: weighted panels, the naive comparison, a threshold, a change between periods.

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
    effect = effect_of(result, cost, metric, arm)
    if effect.outcome in COUNTS:
        raise InputError(
            f"the effect is on {effect.outcome!r}, which counts things and is no money",
            column=effect.outcome,
            remedy=effect.again,
        )
    margin, refunds = check("margin", margin), check("refunds", refunds)
    paid = _gmv_is(effect.meta, gmv_is)
    if refunds and effect.meta.get("gmv") == "net":
        raise InputError(
            "GMV is already net of refunds, so refunds= would take them off twice", remedy="leave refunds= out"
        )
    row, cells = effect.row, effect.size
    gain, var_gain = row.estimate * cells, (row.std_error * cells) ** 2
    spent, var_cost, cov_cost = _cost(effect, cost, cost_is, paid)
    kept = margin * (1 - refunds)
    profit = kept * gain - spent
    # Of (incremental GMV, refunds, cost, profit), linear in (gain, cost).
    linear = np.array([[1.0, 0.0], [refunds, 0.0], [0.0, 1.0], [kept, -1.0]])
    joint = np.array([[var_gain, cov_cost], [cov_cost, var_cost]])
    cov = linear @ joint @ linear.T
    terms = ["incremental_gmv", "refunds", "cost", "profit"]
    estimands = [
        f"total of {effect.outcome} over {effect.over}",
        f"{refunds:.1%} of incremental GMV",
        "total cost" + (" (known)" if effect.cost is None else " (estimated with the same design)"),
        f"{margin:g} x (incremental GMV - refunds) - cost",
    ]
    estimate = np.array([gain, refunds * gain, spent, profit]) + 0.0  # nothing of a loss is 0, not -0
    if not spent and margin == 1 and not refunds:  # profit would be GMV under another name
        terms, estimands, estimate, cov = terms[:3], estimands[:3], estimate[:3], cov[:3, :3]
    special: dict[int, Callable[[float], tuple[float, float]]] = {}
    units = ["money"] * len(terms)
    t = result.estimates.t
    df, factor = float(t.df[row.place]), float(t.factor[row.place])
    if spent:
        terms.append("roi")
        estimands.append("profit / cost, interval by Fieller")
        units.append("ratio")
        estimate = np.append(estimate, profit / spent)
        cov = np.pad(cov, (0, 1), constant_values=np.nan)
        var_profit, cov_profit = float(cov[3, 3]), float(cov[2, 3])
        square = factor**2
        parts_of_return = (profit, spent, var_profit * square, var_cost * square, cov_profit * square)
        special[4] = partial(_return_interval, parts_of_return, df)
    special_p: dict[int, float] = {}
    withheld = "" if math.isfinite(row.low) else result.estimates.withheld
    limits = result.estimates.special.get(row.place)
    if limits is not None and effect.cost is not None:
        special, withheld = {}, "few clusters are treated, and placebo runs do not cover gain and cost together"
    elif limits is not None:
        # A known cost leaves every term a straight line in the effect, so its limits follow from those of the effect.
        slopes = [cells, refunds * cells, 0.0, kept * cells, kept * cells / spent if spent else 0.0]
        shifts = [0.0, 0.0, spent, -spent, -1.0]
        special = {k: partial(_line, limits, slopes[k], shifts[k]) for k in range(len(terms))}
        # A p-value that was adjusted, or comes from placebo runs, is against no effect: it says nothing of a profit of
        # zero, and the standard error alone would contradict the interval.
        special_p = {k: row.p_value if k < 2 and slopes[k] else math.nan for k in range(len(terms))}
    estimates = Estimates(
        tuple(terms),
        tuple(estimands),
        tuple(units),
        estimate,
        cov,
        (row.n,) * len(terms),
        Spread(np.full(len(terms), df), np.full(len(terms), factor)),
        withheld,
        special,
        special_p,
        result.estimates.method,
    )
    options = {"cost": spent, "cost_is": cost_is, "margin": margin, "refunds": refunds, "gmv_is": paid}
    options |= {"outcome": effect.outcome}
    manifest = replace(result.manifest, verb="incremental_gmv", options={**result.manifest.options, **options})
    return MoneyResult(
        "Incremental GMV and profit",
        result.assumption,
        estimates,
        manifest,
        result.alpha,
        result,
        (*_paid_check(paid), *effect.checks),
        effect.advice,
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


def _gmv_is(meta: Mapping[str, Any], declared: str | None) -> str | None:
    known = meta.get("gmv_is")
    if declared is not None:
        check("gmv_is", declared)
        if known is not None and known != declared:
            raise InputError(f"the table says GMV is {known}, but gmv_is={declared!r}", remedy="leave gmv_is= out")
    return str(known) if known else declared


def _paid_check(paid: str | None) -> tuple[Check, ...]:
    if paid:
        return ()
    return (
        Check("gmv_definition", "warned", "it is not known whether GMV is paid or list price", remedy="pass gmv_is="),
    )


def _cost(effect: Effect, cost: Any, cost_is: str | None, paid: str | None) -> tuple[float, float, float]:
    """Total cost, its variance, and its covariance with the total gain."""
    found = effect.cost
    if found is None and check("cost", cost) == 0:
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
    off = found is not None and found.outcome in ("discount", effect.meta.get("discount"))
    if paid == "paid" and (cost_is == "discount" or off):
        raise InputError(
            "the discount is already inside paid GMV: taking it off again would count the coupon twice",
            remedy="leave it out of cost=, or analyse list GMV (gmv_is='list') with the discount as cost",
        )
    if found is None:
        return float(check("cost", cost)), 0.0, 0.0
    return found.estimate * effect.size, found.variance * effect.size**2, found.covariance * effect.size**2
