"""Users to whom a policy is to be applied, and the rule that says who of them gets what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.prints import Prints, prints
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.policy.knapsack import Plan, best
from gmvcausal.targeting.policy.value import Held

# Two worths nearer than this, of what they are made of, are the same.
_NEAR = 1e-9


@dataclass(frozen=True, eq=False)
class Offer:
    """Users to whom a policy is to be applied, and what happened to them where that is known.

    Attributes
    ----------
    effects : ndarray, shape (n, k)
        Predicted.
    cost : ndarray, shape (n, k)
        Expected cost of every treatment: of a coupon, its cost when redeemed x the chance that it is.
    group : ndarray of int, shape (n,), optional
    prints : dict of str to ndarray of uint64
        By what they are made of: "features", "rows" (with arm and outcome), "units".
    held : Held, optional
        Arms and outcomes.
    x : ndarray, shape (n, p), optional
        Features in units of their own, for trees.
    redeems : ndarray, shape (n, k), optional
        Chance that a coupon is redeemed, where `cost` is made of it.
    row : ndarray of int, shape (n,), optional
        Where each user stood in the table, where the order is another one.
    notes : tuple of str
        What the reader of a plan, or of its value, must know.
    """

    effects: FloatArray
    cost: FloatArray
    group: IntArray | None
    prints: dict[str, Prints]
    held: Held | None = None
    x: FloatArray | None = None
    redeems: FloatArray | None = None
    row: IntArray | None = None
    notes: tuple[str, ...] = ()


class Assigns(Protocol):
    """Anything that says who gets what."""

    def assigned(self, offer: Offer) -> IntArray:
        """Arm of every user, shape (n,)."""

    def shares(self, offer: Offer) -> FloatArray:
        """Chance of every user to be given every arm, shape (n, k + 1): 0 or 1 but where a lot decides."""


@dataclass(frozen=True, eq=False)
class Rule:
    """What a plan amounts to for users to come: a price of budget, and what a treatment must be worth above it.

    Attributes
    ----------
    price : float
    threshold : ndarray, shape (groups,)
        The worth, above the price of its budget, that a treatment must exceed.
    margin : float
    tied : ndarray, shape (groups, k + 1, k + 1), optional
        Of the users exactly at the threshold, to whom the arms i and j are worth the same: the share that gets j, the
        dearer one. Without, none.
    """

    price: float
    threshold: FloatArray
    margin: float
    tied: FloatArray | None = None

    def assigned(self, offer: Offer) -> IntArray:
        """Arm of every user, shape (n,).

        Of users whom nothing tells apart the plan's share gets the dearer arm: those whose cost is least, and among
        these by a lot that is drawn from their places in the table, always the same.
        """
        low, high, part = self._parts(offer)
        out = low.copy()
        for who in _classes(low, high, self._group(offer)):
            lots = np.lexsort((prints(who), offer.cost[who, high[who] - 1]))
            out[who[lots[: round(float(part[who].sum()))]]] = high[who[0]]
        return out

    def shares(self, offer: Offer) -> FloatArray:
        """Chance of every user to be given every arm, shape (n, k + 1): what the lots of `assigned` are on average."""
        low, high, part = self._parts(offer)
        rows, out = np.arange(len(low)), np.zeros((len(low), offer.effects.shape[1] + 1))
        out[rows, low] += 1 - part
        out[rows, high] += part
        return out

    def for_groups(self, groups: int) -> Rule:
        """The same for every group."""
        tied = None if self.tied is None else np.repeat(self.tied, groups, axis=0)
        return replace(self, threshold=np.repeat(self.threshold, groups), tied=tied)

    def _group(self, offer: Offer) -> IntArray:
        code = np.zeros(len(offer.effects), dtype=np.int64) if offer.group is None else offer.group
        if len(code) and code.max() >= len(self.threshold):
            raise InputError(
                "users of a group that the policy was not made for", remedy="make the policy on all groups"
            )
        return code

    def _parts(self, offer: Offer) -> tuple[IntArray, IntArray, FloatArray]:
        """The cheaper and the dearer arm of every user, the same unless worth as much, and the chance of the second."""
        group = self._group(offer)
        value = self.margin * offer.effects - offer.cost
        low, high = equals(value, offer.cost, self.price, self.threshold[group])
        part = np.zeros(len(low))
        if self.tied is None:
            return low, high, part
        for who in _classes(low, high, group):
            first = who[0]
            quota = float(self.tied[group[first], low[first], high[first]]) * len(who)
            cost = offer.cost[who, high[who] - 1]
            _, place, size = np.unique(cost, return_inverse=True, return_counts=True)
            before = size.cumsum() - size
            part[who] = np.clip((quota - before[place]) / size[place], 0.0, 1.0)
        return low, high, part


def equals(value: FloatArray, cost: FloatArray, price: float, threshold: FloatArray) -> tuple[IntArray, IntArray]:
    """The best arm of every user, and where several are worth the same, the cheapest and the dearest of these.

    Parameters
    ----------
    value, cost : ndarray, shape (n, k)
    price : float
    threshold : ndarray, shape (n,)
        What no treatment is worth.

    Returns
    -------
    low, high : ndarray of int, shape (n,)
    """
    n = len(value)
    worth = np.column_stack([threshold, value - price * cost])
    top = worth.max(axis=1)
    # What came of a division does not come back to the last digit.
    near = _NEAR * np.maximum(np.abs(threshold), np.max(np.abs(value) + np.abs(price * cost), axis=1, initial=0.0))
    near = np.where(np.isfinite(near), near, 0.0)
    same = worth >= (top - near)[:, None]
    price_of = np.column_stack([np.full(n, -1.0), cost])
    low = np.where(same, price_of, np.inf).argmin(axis=1)
    high = np.where(same, price_of, -np.inf).argmax(axis=1)
    rows = np.arange(n)
    high = np.where(price_of[rows, high] > price_of[rows, low], high, low)
    return low.astype(np.int64), high.astype(np.int64)


def _classes(low: IntArray, high: IntArray, group: IntArray) -> Iterator[IntArray]:
    """Users of one group between whose arms nothing decides, for every group and pair of arms."""
    who = np.flatnonzero(low != high)
    if not len(who):
        return
    _, code = np.unique(np.column_stack([group[who], low[who], high[who]]), axis=0, return_inverse=True)
    for one in range(int(code.max()) + 1):
        yield who[code.ravel() == one]


def rule_of(
    plan: Plan, value: FloatArray, cost: FloatArray, margin: float, group: IntArray, capped: bool, floored: bool
) -> Rule:
    """The price, the thresholds by group and the shares of ties with which a rule repeats the plan.

    Parameters
    ----------
    plan : Plan
    value, cost : ndarray, shape (n, k)
    margin : float
    group : ndarray of int, shape (n,)
        Whose shares are limited each by itself; all 0 where only the share of all is.
    capped, floored : bool
        Whether shares have a ceiling, and a floor.
    """
    arm, worth = best(value, cost, plan.price)
    took = arm - 1
    rows = np.arange(len(worth))
    scale = np.abs(value[rows, took]) + np.abs(plan.price * cost[rows, took])
    out = np.zeros(int(group.max(initial=0)) + 1)
    for g in range(len(out)):
        here = group == g
        count = int((plan.arm[here] > 0).sum())
        order = np.flatnonzero(here)[np.argsort(-worth[here], kind="stable")]
        if floored and count and worth[order[count - 1]] < -_NEAR * scale[order[count - 1]]:
            out[g] = worth[order[count - 1]]  # a floor: some are treated at a loss
        elif capped and count < len(order) and worth[order[count]] > _NEAR * scale[order[count]]:
            out[g] = worth[order[count]] if count else np.inf  # a ceiling: some are left who would be worth it
    low, high = equals(value, cost, plan.price, out[group])
    k = value.shape[1] + 1
    tied = np.zeros((len(out), k, k))
    for who in _classes(low, high, group):
        first = who[0]
        tied[group[first], low[first], high[first]] = float((plan.arm[who] != low[who]).mean())
    return Rule(plan.price, out, margin, tied)
