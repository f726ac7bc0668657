"""A plan of who gets which coupon, the rule behind it, and its value on users kept apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, said
from gmvcausal.results.curves import wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.evaluate.read import codes, numbers
from gmvcausal.targeting.policy.knapsack import Plan, best
from gmvcausal.targeting.policy.limits import allocate_within, limits
from gmvcausal.targeting.policy.seen import Prints, Seen
from gmvcausal.targeting.policy.value import Held, PolicyValue, policy_value
from gmvcausal.targeting.policy.words import said_of_plan

if TYPE_CHECKING:
    import pandas as pd


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


@dataclass(frozen=True)
class Expected:
    """What the model expects of a plan: its own predictions added up, not a finding.

    Attributes
    ----------
    value, cost : float
        Net value and cost of all users.
    roi : float
    bound : float
        No plan within the limits has a higher expected value.
    gap : float
        (bound - value) / bound.
    price : float
        What one more unit of budget is expected to bring above its cost; 0 where the budget does not bind.
    redeemed : float
        Share of the coupons given that are redeemed; NaN where the cost does not depend on it.
    how : str
    """

    value: float
    cost: float
    roi: float
    bound: float
    gap: float
    price: float
    redeemed: float = math.nan
    how: str = "expected by the model, not measured: evaluate it on users kept apart"

    def __float__(self) -> float:
        return self.value


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


@dataclass(frozen=True, repr=False, eq=False)
class Policy(Shown):
    """Who gets what.

    Attributes
    ----------
    assign : ndarray, shape (n,)
        Arm of every user for whom the plan was made, in the order of the rows; the control's label is no treatment.
    cost : float
        Expected cost of the plan.
    expected : Expected
        What the model expects; `evaluate` measures it.
    rule : Rule or TreeRule
        How other users are dealt with.
    labels : tuple
        Arms, the control first.
    budget, max_share : float or None
    chosen_on : tuple of (str, Seen)
        What the policy may not be evaluated on.
    read : callable, optional
        Makes an `Offer` of a table; set by the model.
    notes : tuple of str
    whom : tuple of str
        What sets those who get an arm apart from all others.
    """

    assign: NDArray[Any]
    cost: float
    expected: Expected
    rule: Assigns
    labels: tuple[Any, ...]
    budget: float | None
    max_share: float | None
    chosen_on: tuple[tuple[str, Seen], ...] = ()
    read: Callable[[Any, bool], Offer] | None = None
    notes: tuple[str, ...] = ()
    whom: tuple[str, ...] = ()

    def apply(self, data: Any) -> NDArray[Any]:
        """Labels for other users, by the rule of the plan: the same price of budget and the same thresholds.

        Users who are alike and among whom the last of the budget was divided are all left without.
        """
        offer = self._offer(data, outcomes=False)
        return labelled(self.labels, self.rule.assigned(offer))

    def evaluate(self, test: Any, against: Policy | None = None) -> PolicyValue:
        """What the rule is worth on users who neither trained the model nor chose the policy.

        Parameters
        ----------
        test : table or Offer
            With arms and outcomes; arms drawn at random, or with known or estimated probabilities.
        against : Policy, optional
            Another policy, or treating nobody: only users on whom the two differ count.

        Returns
        -------
        PolicyValue

        Raises
        ------
        DesignError
            Most of these rows trained the model or chose a policy.
        """
        offer = self._offer(test, outcomes=True)
        if offer.held is None:
            raise InputError("a policy is evaluated on users whose arm and outcome are known")
        for policy in (self, *([against] if against is not None else [])):
            for what, before in policy.chosen_on:
                if what in offer.prints:
                    before.refuse(offer.prints[what])
        other = None
        if against is not None:
            other = against.rule.assigned(against._offer(test, outcomes=True))
        return policy_value(self.rule.assigned(offer), offer.held, other)

    def _offer(self, data: Any, outcomes: bool) -> Offer:
        if isinstance(data, Offer):
            return data
        if self.read is None:
            raise InputError(f"this policy was made from arrays and takes an Offer, but was given {said(data)}")
        return self.read(data, outcomes)

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return "The plan"

    def to_frame(self) -> pd.DataFrame:
        """How many users get what: arm, users, share. Who gets what is `assign`, in the order of the rows."""
        import pandas as pd

        users = [int((self.assign == label).sum()) for label in self.labels]
        share = [k / max(len(self.assign), 1) for k in users]
        return pd.DataFrame({"arm": list(self.labels), "users": users, "share": share})

    def summary(self) -> str:
        """The plan in words."""
        given = self.to_frame()
        rows = zip(given["arm"], given["users"], given["share"], strict=True)
        first, *rest = self.sentences()
        said, notes = rest[: len(rest) - len(self.notes)], self.notes
        lines = [first, *(f"  {label}: {users:,} users ({share:.1%})" for label, users, share in rows), *said]
        return wrapped([*lines, *(f"Note: {n}" for n in notes)], indent=2)

    def sentences(self) -> list[str]:
        """Limits, who gets what, cost and expected value of the plan, one sentence each."""
        return [*said_of_plan(self), *self.notes]

    def __repr__(self) -> str:
        return self.summary()


def make_policy(
    offer: Offer,
    *,
    margin: float = 1.0,
    budget: float | None = None,
    max_share: float | None = None,
    group_share: tuple[float, float] | None = None,
    labels: Sequence[Any] | None = None,
    trained_on: Sequence[tuple[str, Seen]] = (),
    read: Callable[[Any, bool], Offer] | None = None,
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
        low, high = (bounded("group_share", share, 1.0) for share in group_share)
        group_share = (low or 0.0, 1.0 if high is None else high)
    margin = check("margin", margin)
    value = margin * effects - cost
    within = limits(n, max_share, group, group_share)
    plan = allocate_within(value, cost, budget, within)
    rule = Rule(plan.price, _thresholds(plan, value, cost, group if group_share is not None else None), margin)
    if group_share is None and group is not None:
        rule = Rule(rule.price, np.repeat(rule.threshold, int(group.max(initial=0)) + 1), margin)
    used = (*trained_on, *chosen_on(offer))
    return Policy(
        labelled(names, plan.arm), plan.cost, expected(plan, offer), rule, names, budget, max_share, used, read
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


def labelled(labels: tuple[Any, ...], arm: IntArray) -> NDArray[Any]:
    """Labels of arms, in a type of their own where all are of one."""
    kinds = {type(label) for label in labels}
    return np.array(labels, dtype=None if len(kinds) == 1 else object)[arm]


def bounded(name: str, value: Any, high: float = math.inf) -> float | None:
    """A limit: a number from 0 to `high`, or none."""
    if value is None:
        return None
    ok = isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 <= float(value) <= high
    if not ok or not math.isfinite(float(value)):
        upto = "" if math.isinf(high) else f" and at most {high:g}"
        raise InputError(f"{name} must be a number of at least 0{upto}, but is {said(value)}")
    return float(value)


def _thresholds(plan: Plan, value: FloatArray, cost: FloatArray, group: IntArray | None) -> FloatArray:
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
