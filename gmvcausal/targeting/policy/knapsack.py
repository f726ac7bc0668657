"""Which coupon for whom under a budget: the multiple-choice knapsack by its linear relaxation.

For every user the options worth having lie on the upper hull of value over cost. Steps along the hulls of all users,
sorted by what they bring per unit of cost, are taken until the budget is spent (Sinha and Zoltners 1979). The
relaxation would split one user; we leave that step out, so that the plan lies below its bound by less than one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray

_LOOK = 2_000


@dataclass(frozen=True, eq=False)
class Plan:
    """An assignment and how good it is on the model's own terms.

    Attributes
    ----------
    arm : ndarray of int, shape (n,)
        0 is no treatment.
    value, cost : float
        Sums over users: what the assignment brings, and what it costs.
    bound : float
        Value of the linear relaxation: no assignment within the limits brings more.
    price : float
        What a further unit of budget would bring (dual); 0 where the budget does not bind.
    """

    arm: IntArray
    value: float
    cost: float
    bound: float
    price: float

    @property
    def gap(self) -> float:
        """How far the plan may lie below the best one, as a share of the bound."""
        return (self.bound - self.value) / self.bound if self.bound > 0 else 0.0


def best(value: FloatArray, cost: FloatArray, price: float = 0.0) -> tuple[IntArray, FloatArray]:
    """Best treatment of every user at a price of budget, and its worth above no treatment (which may be negative).

    Parameters
    ----------
    value, cost : ndarray, shape (n, k)
    price : float

    Returns
    -------
    arm : ndarray of int, shape (n,)
        1 to k; the cheapest of equals.
    worth : ndarray, shape (n,)
    """
    arm = np.zeros(len(value), dtype=np.int64)
    worth = value[:, 0] - price * cost[:, 0]
    spent = cost[:, 0].copy()
    for a in range(1, value.shape[1]):
        other = value[:, a] - price * cost[:, a]
        better = (other > worth) | ((other == worth) & (cost[:, a] < spent))
        arm[better] = a
        worth = np.where(better, other, worth)
        spent = np.where(better, cost[:, a], spent)
    return arm + 1, worth


def allocate(value: FloatArray, cost: FloatArray, budget: float | None) -> Plan:
    """The assignment of at most one treatment to every user that brings most within a budget.

    Parameters
    ----------
    value : ndarray, shape (n, k)
        Net value of every treatment above none.
    cost : ndarray, shape (n, k)
        Not negative.
    budget : float or None
        Of the sum of costs; without, whoever has a treatment of positive value is given the best.

    Returns
    -------
    Plan

    Examples
    --------
    >>> p = allocate(np.array([[3.0, 4.0], [2.0, 5.0]]), np.array([[1.0, 3.0], [1.0, 2.0]]), budget=3.0)
    >>> p.arm.tolist(), p.value, p.bound
    ([1, 2], 8.0, 8.0)
    """
    if budget is None:
        return _unlimited(value, cost)
    user, arm, slope, extra, gain = _hulls(value, cost)
    order = np.lexsort((user, -gain, extra, -slope))
    spent = np.cumsum(extra[order])
    taken = int(np.searchsorted(spent, budget * (1 + 1e-12), side="right"))
    chosen = np.zeros(len(value), dtype=np.int64)
    first = order[:taken]
    # Steps along one hull come in their order, so that the last one taken says where its user stands.
    chosen[user[first]] = arm[first]
    bound = float(gain[first].sum())
    price = 0.0
    if taken < len(order):
        split = order[taken]
        price = float(slope[split])
        left = budget - (float(spent[taken - 1]) if taken else 0.0)
        bound += price * left
        _fill(chosen, user, arm, extra, order[taken:], left)
    return _plan(chosen, value, cost, bound, price)


def _plan(chosen: IntArray, value: FloatArray, cost: FloatArray, bound: float, price: float) -> Plan:
    at = np.flatnonzero(chosen)
    took = chosen[at] - 1
    return Plan(chosen, float(value[at, took].sum()), float(cost[at, took].sum()), bound, price)


def _unlimited(value: FloatArray, cost: FloatArray) -> Plan:
    arm, worth = best(value, cost)
    return _plan(np.where(worth > 0, arm, 0), value, cost, float(np.maximum(worth, 0).sum()), 0.0)


def _fill(chosen: IntArray, user: IntArray, arm: IntArray, extra: FloatArray, rest: IntArray, left: float) -> None:
    """Spend what is left on the next steps that fit; a user whose step did not fit stays put."""
    stuck = set()
    for step in rest[:_LOOK]:
        who = int(user[step])
        if who in stuck:
            continue
        if extra[step] <= left:
            chosen[who] = arm[step]
            left -= float(extra[step])
        else:
            stuck.add(who)


def _hulls(value: FloatArray, cost: FloatArray) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:
    """Steps along the upper hulls of all users from no treatment, those that bring something: user, arm, gain per cost,
    further cost, further value."""
    n, k = value.shape
    here, at_value, at_cost = np.arange(n), np.zeros(n), np.zeros(n)
    steps: list[tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]] = []
    for _ in range(k):
        slope, arm, further = np.zeros(len(here)), np.zeros(len(here), dtype=np.int64), np.zeros(len(here))
        for a in range(k):
            up, over = value[here, a] - at_value, cost[here, a] - at_cost
            with np.errstate(divide="ignore", invalid="ignore"):
                rise = np.where((up > 0) & (over >= 0), up / over, 0.0)
            # Of options on one line the farthest; of free ones the best.
            same = (rise == slope) & (rise > 0)
            farther = same & (up > further)
            better = (rise > slope) | farther
            slope, arm = np.where(better, rise, slope), np.where(better, a + 1, arm)
            further = np.where(better, up, further)
        go = slope > 0
        if not go.any():
            break
        here, at_value, at_cost, arm, slope = here[go], at_value[go], at_cost[go], arm[go], slope[go]
        gain, extra = value[here, arm - 1] - at_value, cost[here, arm - 1] - at_cost
        steps.append((here, arm, slope, extra, gain))
        # Not by adding up: rounding would make a step from where a user stands to the same place.
        at_value, at_cost = value[here, arm - 1], cost[here, arm - 1]
    if not steps:
        nobody = np.zeros(0, dtype=np.int64)
        return nobody, nobody, np.zeros(0), np.zeros(0), np.zeros(0)
    user, arm, slope, extra, gain = (np.concatenate(column) for column in zip(*steps, strict=True))
    return user, arm, slope, extra, gain
