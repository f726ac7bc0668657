"""A plan of who gets which coupon, the rule behind it, and its value on users kept apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.results.curves import wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.targeting.evaluate.ranked import IntArray
from gmvcausal.targeting.policy.rule import Assigns, Offer
from gmvcausal.targeting.policy.seen import Seen
from gmvcausal.targeting.policy.value import PolicyValue, policy_value
from gmvcausal.targeting.policy.words import said_of_plan

if TYPE_CHECKING:
    import pandas as pd


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


def labelled(labels: tuple[Any, ...], arm: IntArray) -> NDArray[Any]:
    """Labels of arms, in a type of their own where all are of one."""
    kinds = {type(label) for label in labels}
    return np.array(labels, dtype=None if len(kinds) == 1 else object)[arm]
