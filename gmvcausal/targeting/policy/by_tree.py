"""A policy that is a tree of one to three questions, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.policy.knapsack import Plan
from gmvcausal.targeting.policy.limits import allocate_within, limits
from gmvcausal.targeting.policy.make import chosen_on, expected
from gmvcausal.targeting.policy.policy import Policy, labelled
from gmvcausal.targeting.policy.rule import Offer
from gmvcausal.targeting.policy.seen import Seen
from gmvcausal.targeting.policy.tree import PolicyTree, policy_tree

_ROUNDS, _HIGHEST = 20, 1e12
Found = tuple[PolicyTree, Plan]


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

    def shares(self, offer: Offer) -> FloatArray:
        """Chance of every user to be given every arm, shape (n, k + 1): a tree draws no lots."""
        return np.eye(offer.effects.shape[1] + 1)[self.assigned(offer)]


def make_tree_policy(
    offer: Offer,
    *,
    depth: int,
    margin: float,
    budget: float | None,
    max_share: float | None = None,
    labels: Sequence[Any],
    names: Sequence[str],
    levels: Mapping[int, Sequence[str]],
    trained_on: Sequence[tuple[str, Seen]] = (),
    read: Callable[..., Offer] | None = None,
) -> Policy:
    """The tree that brings most by predicted effects; under a budget or a share, the best of those that keep to it.

    The price of the budget (the toll for every user treated) is found by halving: every price has its best tree, and
    the higher the price the less it spends. Under both limits prices and tolls are tried alone, and together in
    proportion to the limits. `expected.gap` is what is lost against the best plan without a tree, on the model's own
    terms.
    """
    if offer.x is None:
        raise InputError("a tree asks for features, which this Offer does not have", remedy="pass x=")
    x, cost, value = offer.x, offer.cost, margin * offer.effects - offer.cost
    within = limits(len(x), max_share, None, None)
    bound = allocate_within(value, cost, budget, within).bound
    most = len(x) if within is None else within.most

    def at(price: float, toll: float) -> Found:
        reward = np.column_stack([np.zeros(len(x)), value - price * cost - toll])
        tree = policy_tree(x, reward, depth, names, [str(label) for label in labels], levels)
        arm = tree.arm(x)
        who = np.flatnonzero(arm)
        sums = [float(m[who, arm[who] - 1].sum()) for m in (value, cost)]
        return tree, Plan(arm, sums[0], sums[1], bound, price)

    def fits(plan: Plan) -> bool:
        return (budget is None or plan.cost <= budget) and int(np.count_nonzero(plan.arm)) <= most

    ways = [] if budget is None else [(1.0, 0.0)]
    ways += [] if within is None else [(0.0, 1.0)]
    if len(ways) == 2:
        ways.append((1 / max(budget or 0.0, 1e-9), 1 / max(most, 1)))
    tree, plan = at(0.0, 0.0)
    if not fits(plan):
        tried = [_dearest(at, way, fits) for way in ways]
        tree, plan = max((found for found in tried if found is not None), key=lambda found: found[1].value)
    used = (*trained_on, *chosen_on(offer))
    assign, notes = labelled(tuple(labels), plan.arm), tuple(f"by a tree: {line}" for line in tree.words().split("\n"))
    notes += offer.notes
    return Policy(
        assign, plan.cost, expected(plan, offer), TreeRule(tree), tuple(labels), budget, max_share, used, read, notes
    )  # fmt: skip


def _dearest(
    at: Callable[[float, float], Found], way: tuple[float, float], fits: Callable[[Plan], bool]
) -> Found | None:
    """The most valuable tree that fits, of those along one way of raising price and toll; None where none does."""
    price, toll = way
    low, high = 0.0, 1.0
    tree, plan = at(price, toll)
    while not fits(plan):
        if high > _HIGHEST:
            return None
        low, high = high, high * 4
        tree, plan = at(price * high, toll * high)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        other_tree, other = at(price * middle, toll * middle)
        if not fits(other):
            low = middle
            continue
        high = middle
        if other.value > plan.value:
            tree, plan = other_tree, other
    return tree, plan
