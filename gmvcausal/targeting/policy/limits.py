"""Allocation when the share treated is limited, for all users and by group, beside a budget.

At a given price of budget the best plan within shares is a matter of sorting: the floor of every group is filled with
its best users, then the best of all that are worth it until a ceiling is met. The price is found by halving; whatever
the price, the value of the relaxed problem is an upper bound, so that the gap that is reported is honest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.policy.knapsack import Plan, allocate, best

_ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Limits:
    """How many users may, and must, be treated.

    Attributes
    ----------
    most : int
        Of all users.
    group : ndarray of int, shape (n,)
    low, high : ndarray of int, shape (groups,)
        Of each group.
    """

    most: int
    group: IntArray
    low: IntArray
    high: IntArray


def limits(
    n: int, max_share: float | None, group: IntArray | None, group_share: tuple[float, float] | None
) -> Limits | None:
    """Counts from shares: ceilings are rounded down, floors up; None where nothing is limited.

    Raises
    ------
    DesignError
        Floors that ask for more than the ceiling allows.
    """
    if max_share is None and group_share is None:
        return None
    most = n if max_share is None else int(np.floor(max_share * n + 1e-9))
    code = np.zeros(n, dtype=np.int64) if group is None else group
    sizes = np.bincount(code)
    low, high = (0.0, 1.0) if group_share is None else group_share
    out = Limits(most, code, np.ceil(low * sizes - 1e-9).astype(int), np.floor(high * sizes + 1e-9).astype(int))
    if (out.low > out.high).any() or out.low.sum() > most:
        raise DesignError(
            f"no plan treats at least {low:.4g} of every group and at most {high:.4g} of it and {most / n:.4g} of all",
            remedy="widen group_share= or max_share=",
        )
    return out


def chosen_at(value: FloatArray, cost: FloatArray, price: float, within: Limits) -> tuple[IntArray, float]:
    """Best plan within the limits when budget costs `price` a unit, and what it brings above that price."""
    arm, worth = best(value, cost, price)
    order = np.lexsort((np.arange(len(worth)), -worth, within.group))
    group = within.group[order]
    start = np.searchsorted(group, np.arange(len(within.low)))
    place = np.arange(len(order)) - start[group]
    must = place < within.low[group]
    may = ~must & (place < within.high[group]) & (worth[order] > 0)
    room = within.most - int(must.sum())
    rest = order[may]
    if len(rest) > room:
        rest = rest[np.lexsort((rest, -worth[rest]))[:room]]
    take = np.concatenate([order[must], rest])
    out = np.zeros(len(value), dtype=np.int64)
    out[take] = arm[take]
    return out, float(worth[take].sum())


def allocate_within(value: FloatArray, cost: FloatArray, budget: float | None, within: Limits | None) -> Plan:
    """The best assignment within a budget and limits on the shares treated.

    Parameters
    ----------
    value, cost : ndarray, shape (n, k)
    budget : float or None
    within : Limits or None

    Returns
    -------
    Plan
        `bound` is the value of the Lagrangian at the price found, which no assignment exceeds.

    Raises
    ------
    DesignError
        Floors that cost more than the budget.
    """
    if within is None:
        return allocate(value, cost, budget)
    arm, worth = chosen_at(value, cost, 0.0, within)
    plan = _measured(arm, value, cost, worth, 0.0)
    if budget is None or plan.cost <= budget:
        return plan
    low, high, outside = 0.0, 1.0, plan
    inside: Plan | None = None
    while high < 1e18:
        arm, worth = chosen_at(value, cost, high, within)
        plan = _measured(arm, value, cost, worth + high * budget, high)
        if plan.cost <= budget:
            inside = plan
            break
        low, high, outside = high, high * 4, plan
    if inside is None:
        raise DesignError(
            f"the least that group_share= asks for costs {plan.cost:,.6g}, more than the budget",
            remedy="raise budget= or lower the floor of group_share=",
        )
    bound = inside.bound
    for _ in range(_ROUNDS):
        if high - low <= 1e-12 * high or inside.gap < 1e-6:
            break
        middle = (low + high) / 2
        arm, worth = chosen_at(value, cost, middle, within)
        plan = _measured(arm, value, cost, worth + middle * budget, middle)
        bound = min(bound, plan.bound)
        if plan.cost <= budget:
            high = middle
            inside = plan if plan.value >= inside.value else inside
        else:
            low, outside = middle, plan
    return replace(_between(inside, outside, value, cost, budget, within), bound=bound)


def _between(inside: Plan, outside: Plan, value: FloatArray, cost: FloatArray, budget: float, within: Limits) -> Plan:
    """The best plan on the way from one within the budget to one beyond it, user by user, that keeps all limits.

    Users who are alike change together at one price; the budget is spent by changing only some of them.
    """
    who = np.flatnonzero(inside.arm != outside.arm)
    if not len(who):
        return inside
    was, then = inside.arm[who], outside.arm[who]
    group = within.group[who]
    # Those who leave and those who enter take turns, so that the numbers treated stay where they were.
    kind = group * 3 + np.sign((then > 0).astype(int) - (was > 0).astype(int)) + 1
    order = np.lexsort((who, kind))
    sizes = np.bincount(kind)
    first = np.cumsum(sizes) - sizes
    turn = (np.arange(len(who)) - first[kind[order]] + 0.5) / sizes[kind[order]]
    order = order[np.argsort(turn, kind="stable")]
    who, was, then, group = who[order], was[order], then[order], group[order]
    padded = [np.column_stack([np.zeros(len(value)), m]) for m in (value, cost)]
    value_along, cost_along = (np.cumsum(m[who, then] - m[who, was]) for m in padded)
    change = (then > 0).astype(int) - (was > 0).astype(int)
    fits = inside.cost + cost_along <= budget
    fits &= np.count_nonzero(inside.arm) + np.cumsum(change) <= within.most
    counts = np.bincount(within.group, inside.arm > 0, len(within.low))
    for g in np.unique(group):
        along = counts[g] + np.cumsum(change * (group == g))
        fits &= (along <= within.high[g]) & (along >= within.low[g])
    gain = np.where(fits, value_along, -np.inf)
    last = int(gain.argmax())
    if not gain[last] > 0:
        return inside
    arm = inside.arm.copy()
    arm[who[: last + 1]] = then[: last + 1]
    return _measured(arm, value, cost, inside.bound, inside.price)


def _measured(arm: IntArray, value: FloatArray, cost: FloatArray, bound: float, price: float) -> Plan:
    at = np.flatnonzero(arm)
    took = arm[at] - 1
    return Plan(arm, float(value[at, took].sum()), float(cost[at, took].sum()), bound, price)
