"""A policy that is a tree of one to three questions, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.targeting.evaluate.ranked import IntArray
from gmvcausal.targeting.policy.knapsack import Plan, allocate
from gmvcausal.targeting.policy.policy import Offer, Policy, chosen_on, expected, labelled
from gmvcausal.targeting.policy.seen import Seen
from gmvcausal.targeting.policy.tree import PolicyTree, policy_tree

_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class TreeRule:
    """Whom a tree gives what.

    Attributes
    ----------
    tree : PolicyTree
    """

    tree: PolicyTree

    def assigned(self, offer: Offer) -> IntArray:
        """Arm of every user, shape (n,)."""
        if offer.x is None:
            raise InputError("a tree asks for features, which this Offer does not have", remedy="pass x=")
        return self.tree.arm(offer.x)


def make_tree_policy(
    offer: Offer,
    *,
    depth: int,
    margin: float,
    budget: float | None,
    labels: Sequence[Any],
    names: Sequence[str],
    levels: Mapping[int, Sequence[str]],
    trained_on: Sequence[tuple[str, Seen]] = (),
    read: Callable[[Any, bool], Offer] | None = None,
) -> Policy:
    """The tree that brings most by predicted effects; under a budget, the best of those that keep to it.

    The price of the budget is found by halving: every price has its best tree, and the higher the price the less it
    spends. `expected.gap` is what is lost against the best plan without a tree, on the model's own terms.
    """
    if offer.x is None:
        raise InputError("a tree asks for features, which this Offer does not have", remedy="pass x=")
    x, cost, value = offer.x, offer.cost, margin * offer.effects - offer.cost
    bound = allocate(value, cost, budget).bound

    def at(price: float) -> tuple[PolicyTree, Plan]:
        reward = np.column_stack([np.zeros(len(x)), value - price * cost])
        tree = policy_tree(x, reward, depth, names, [str(label) for label in labels], levels)
        arm = tree.arm(x)
        who = np.flatnonzero(arm)
        sums = [float(m[who, arm[who] - 1].sum()) for m in (value, cost)]
        return tree, Plan(arm, sums[0], sums[1], bound, price)

    tree, plan = at(0.0)
    if budget is not None and plan.cost > budget:
        low, high = 0.0, 1.0
        tree, plan = at(high)
        while plan.cost > budget:
            low, high = high, high * 4
            tree, plan = at(high)
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            other_tree, other = at(middle)
            if other.cost > budget:
                low = middle
                continue
            high = middle
            if other.value > plan.value:
                tree, plan = other_tree, other
    used = (*trained_on, *chosen_on(offer))
    assign, notes = labelled(tuple(labels), plan.arm), tuple(f"by a tree: {line}" for line in tree.words().split("\n"))
    return Policy(
        assign, plan.cost, expected(plan), TreeRule(tree), tuple(labels), budget, None, used, read, notes
    )  # fmt: skip
