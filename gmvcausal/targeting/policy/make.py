"""The plan that brings most within a budget and shares, made from predicted effects and costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, said
from gmvcausal.targeting.evaluate.read import codes, numbers
from gmvcausal.targeting.policy.knapsack import Plan
from gmvcausal.targeting.policy.limits import allocate_within, limits
from gmvcausal.targeting.policy.policy import Expected, Policy, labelled
from gmvcausal.targeting.policy.rule import Offer, rule_of
from gmvcausal.targeting.policy.seen import Seen


def make_policy(
    offer: Offer,
    *,
    margin: float = 1.0,
    budget: float | None = None,
    max_share: float | None = None,
    group_share: tuple[float, float] | None = None,
    labels: Sequence[Any] | None = None,
    trained_on: Sequence[tuple[str, Seen]] = (),
    read: Callable[..., Offer] | None = None,
) -> Policy:
    """The plan that brings most by predicted effects, within a budget and shares.

    Parameters
    ----------
    offer : Offer
        Users, predicted effects and costs; with `group` for limits by group.
    margin : float
        What is kept of a unit of outcome: net value is ``margin x effect - cost``.
    budget : float, optional
        Of all users' cost. Without, everyone whose best treatment has a positive net value gets it.
    max_share : float, optional
        At most this share of users is treated.
    group_share : (float, float), optional
        At least and at most this share of each group is treated: a floor gives the worse off their part even where
        others bring more.
    labels : sequence, optional
        Of the arms, the control first.
    trained_on : sequence of (str, Seen), optional
        Rows that trained the model.
    read : callable, optional

    Returns
    -------
    Policy

    Raises
    ------
    InputError
        Negative costs, shares outside [0, 1].
    DesignError
        Limits that exclude one another.

    Examples
    --------
    >>> offer = Offer(np.array([[4.0], [2.0], [9.0]]), np.ones((3, 1)), None, {})
    >>> p = make_policy(offer, budget=2.0, labels=["none", "coupon"])
    >>> p.assign.tolist(), p.cost, p.expected.value
    (['coupon', 'none', 'coupon'], 2.0, 11.0)
    """
    n = len(offer.effects)
    effects = numbers("effects", offer.effects, (n, offer.effects.shape[1]))
    cost = numbers("cost", offer.cost, effects.shape)
    if (cost < 0).any():
        bad = np.flatnonzero((cost < 0).any(axis=1))
        raise InputError("costs below 0", count=len(bad), rows=bad, remedy="a treatment cannot give budget back")
    names = tuple(labels) if labels is not None else ("control", *(f"arm {a + 1}" for a in range(effects.shape[1])))
    if len(names) != effects.shape[1] + 1:
        raise InputError(f"labels must name {effects.shape[1] + 1} arms, the control first, but names {len(names)}")
    budget, max_share = bounded("budget", budget), bounded("max_share", max_share, 1.0)
    group = None if offer.group is None else codes("group", offer.group, n)
    if group_share is not None:
        if group is None:
            raise InputError("group_share= needs groups", remedy="say which users belong together")
        pair: Any = group_share
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(
                f"group_share must be two shares, at least and at most of every group, but is {said(pair)}",
                remedy="pass group_share=(0.1, 0.5)",
            )
        low, high = (bounded("group_share", share, 1.0) for share in group_share)
        group_share = (low or 0.0, 1.0 if high is None else high)
    margin = check("margin", margin)
    value = margin * effects - cost
    within = limits(n, max_share, group, group_share)
    plan = allocate_within(value, cost, budget, within)
    by = np.zeros(n, dtype=np.int64) if group is None or group_share is None else group
    rule = rule_of(
        plan, value, cost, margin, by, within is not None, group_share is not None and group_share[0] > 0
    )  # fmt: skip
    if group_share is None and group is not None:
        rule = rule.for_groups(int(group.max(initial=0)) + 1)
    used = (*trained_on, *chosen_on(offer))
    return Policy(
        labelled(names, plan.arm), plan.cost, expected(plan, offer), rule, names, budget, max_share, used, read,
        offer.notes,
    )  # fmt: skip


def expected(plan: Plan, offer: Offer) -> Expected:
    """What the model expects of a plan."""
    roi = plan.value / plan.cost if plan.cost > 0 else math.nan
    at = np.flatnonzero(plan.arm)
    redeemed = math.nan
    if offer.redeems is not None and len(at):
        redeemed = float(offer.redeems[at, plan.arm[at] - 1].mean())
    return Expected(plan.value, plan.cost, roi, plan.bound, plan.gap, plan.price, redeemed)


def chosen_on(offer: Offer) -> list[tuple[str, Seen]]:
    """Remembers the users whom a policy was chosen on."""
    if "features" not in offer.prints:
        return []
    return [("features", Seen("chose the policy", np.sort(offer.prints["features"])))]


def bounded(name: str, value: Any, high: float = math.inf) -> float | None:
    """A limit: a number from 0 to `high`, or none."""
    if value is None:
        return None
    ok = isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 <= float(value) <= high
    if not ok or not math.isfinite(float(value)):
        upto = "" if math.isinf(high) else f" and at most {high:g}"
        raise InputError(f"{name} must be a number of at least 0{upto}, but is {said(value)}")
    return float(value)
