"""Users to whom a policy is to be applied, and the rule that says who of them gets what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.policy.knapsack import Plan, best
from gmvcausal.targeting.policy.seen import Prints
from gmvcausal.targeting.policy.value import Held


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
    """

    effects: FloatArray
    cost: FloatArray
    group: IntArray | None
    prints: dict[str, Prints]
    held: Held | None = None
    x: FloatArray | None = None
    redeems: FloatArray | None = None


class Assigns(Protocol):
    """Anything that says who gets what."""

    def assigned(self, offer: Offer) -> IntArray:
        """Arm of every user, shape (n,)."""


@dataclass(frozen=True, eq=False)
class Rule:
    """What a plan amounts to for users to come: a price of budget, and what a treatment must be worth above it.

    Attributes
    ----------
    price : float
    threshold : ndarray, shape (groups,)
        The worth, above the price of its budget, that a treatment must exceed.
    margin : float
    """

    price: float
    threshold: FloatArray
    margin: float

    def assigned(self, offer: Offer) -> IntArray:
        """Arm of every user, shape (n,)."""
        arm, worth = best(self.margin * offer.effects - offer.cost, offer.cost, self.price)
        code = np.zeros(len(arm), dtype=np.int64) if offer.group is None else offer.group
        if len(code) and code.max() >= len(self.threshold):
            raise InputError(
                "users of a group that the policy was not made for", remedy="make the policy on all groups"
            )
        return np.where(worth > self.threshold[code], arm, 0)


def thresholds(plan: Plan, value: FloatArray, cost: FloatArray, group: IntArray | None) -> FloatArray:
    """What a treatment must be worth above the price of its budget, by group, so that the rule repeats the plan."""
    _, worth = best(value, cost, plan.price)
    code = np.zeros(len(worth), dtype=np.int64) if group is None else group
    out = np.zeros(int(code.max(initial=0)) + 1)
    for g in range(len(out)):
        treated, left = worth[(code == g) & (plan.arm > 0)], worth[(code == g) & (plan.arm == 0)]
        if len(treated) and treated.min() < 0:  # a floor: some are treated at a loss
            out[g] = np.nextafter(treated.min(), -np.inf)
        elif len(left) and left.max() > 0:  # a ceiling: some are left who would be worth it
            out[g] = left.max()
    return out
