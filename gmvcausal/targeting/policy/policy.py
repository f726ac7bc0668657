"""A plan of who gets which coupon, the rule behind it, and its value on users kept apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.results.curves import wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.stats.small_cells import HIDDEN, hidden
from gmvcausal.targeting.evaluate.ranked import IntArray
from gmvcausal.targeting.policy.rule import Assigns, Offer
from gmvcausal.targeting.policy.seen import Seen
from gmvcausal.targeting.policy.value import Held, PolicyValue, policy_value
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
    people : bool
        Whether users are people: arms that fewer than ten get are then not counted, nor is what tells how many do.
    """

    assign: NDArray[Any]
    cost: float
    expected: Expected
    rule: Assigns
    labels: tuple[Any, ...]
    budget: float | None
    max_share: float | None
    chosen_on: tuple[tuple[str, Seen], ...] = ()
    read: Callable[..., Offer] | None = None
    notes: tuple[str, ...] = ()
    whom: tuple[str, ...] = ()
    people: bool = False

    def apply(self, data: Any) -> NDArray[Any]:
        """Labels for other users, by the rule of the plan: the same price of budget and the same thresholds.

        Of users who are alike, and among whom the last of the budget was divided, the same share is treated, by a lot
        that hangs on their places in the table alone: it is the same at every call. One user at a time, no share can
        be kept: pass all users at once.
        """
        offer = self._offer(data, False)
        return labelled(self.labels, self.rule.assigned(offer))

    def evaluate(self, test: Any, against: Policy | None = None, *, propensity: Any = None) -> PolicyValue:
        """What the rule is worth on users who neither trained the model nor chose the policy.

        Users among whom lots decide count in parts, so that no luck of a lot is in the value.

        Parameters
        ----------
        test : table or Offer
            With arms and outcomes; arms drawn at random, or with known or estimated probabilities.
        against : Policy, optional
            Another policy, or treating nobody: only users on whom the two differ count. Of another model it may be:
            its arms are found by their labels, and valued at this policy's margin and costs.
        propensity : float, str or mapping, optional
            Chances with which the arms of these users were drawn, given as to `uplift`, where they are not those of
            training.

        Returns
        -------
        PolicyValue

        Raises
        ------
        InputError
            The other policy has another control, or arms that this one does not know.
        DesignError
            Most of these rows trained the model or chose a policy; or their arms have other sizes than the chances
            lead to.
        """
        offer = self._offer(test, True, propensity)
        if offer.held is None:
            raise InputError("a policy is evaluated on users whose arm and outcome are known")
        self._refuse_seen(offer)
        given, other, notes = self.rule.shares(offer), None, list(offer.notes)
        if against is not None:
            place = _places(self.labels, against.labels)
            theirs = against._offer(test, True, propensity)
            against._refuse_seen(theirs)
            at = _same_rows(offer, theirs)
            other = np.zeros_like(given)
            other[:, place] = against.rule.shares(theirs)[at]
            notes += [note for note in theirs.notes if note not in notes]
            if theirs.held is not None and _valued_otherwise(offer.held, theirs.held, place, at):
                notes.append("both plans are valued at the margin and the costs of this one; the other has its own")
        lots = float((given.max(axis=1) < 1).mean())
        if lots > 0:
            notes.append(
                f"lots decide for {lots:.1%} of these users, whom the model does not tell apart: they count in parts"
            )
        found = policy_value(given, offer.held, other, self.labels)
        return replace(found, notes=(*found.notes, *notes), people=self.people)

    def _refuse_seen(self, offer: Offer) -> None:
        for what, before in self.chosen_on:
            if what in offer.prints:
                before.refuse(offer.prints[what])

    def _offer(self, data: Any, outcomes: bool, propensity: Any = None) -> Offer:
        if isinstance(data, Offer):
            if propensity is not None:
                raise InputError("an Offer has chances of its own", remedy="put them into its Held, e=")
            return data
        if self.read is None:
            raise InputError(f"this policy was made from arrays and takes an Offer, but was given {said(data)}")
        return self.read(data, outcomes) if propensity is None else self.read(data, outcomes, propensity)

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return "The plan"

    def to_frame(self) -> pd.DataFrame:
        """How many users get what: arm, users, share. Who gets what is `assign`, in the order of the rows.

        Of people, an arm that fewer than ten get has no numbers, nor has the next smallest, by which it would follow.
        """
        import pandas as pd

        users = self._users
        share = users / max(len(self.assign), 1)
        frame = pd.DataFrame({"arm": list(self.labels), "users": users, "share": share})
        if not self.hides.any():
            return frame
        frame = frame.astype({"users": "Int64"})
        frame.loc[self.hides, "users"] = pd.NA
        frame.loc[self.hides, "share"] = math.nan
        return frame

    @property
    def _users(self) -> IntArray:
        return np.array([int((self.assign == label).sum()) for label in self.labels], dtype=np.int64)

    @property
    def hides(self) -> NDArray[np.bool_]:
        """Arms whose number of users is not shown, shape (arms,)."""
        return hidden(self._users) if self.people else np.zeros(len(self.labels), dtype=bool)

    def summary(self) -> str:
        """The plan in words."""
        given = self.to_frame()
        rows = zip(given["arm"], given["users"], given["share"], strict=True)
        first, *rest = self.sentences()
        said, notes = rest[: len(rest) - len(self.notes)], self.notes
        lines = [first]
        for (label, users, share), gone in zip(rows, self.hides, strict=True):
            lines.append(f"  {label}: {HIDDEN}" if gone else f"  {label}: {users:,} users ({share:.1%})")
        lines += said
        return wrapped([*lines, *(f"Note: {n}" for n in notes)], indent=2)

    def sentences(self) -> list[str]:
        """Limits, who gets what, cost and expected value of the plan, one sentence each."""
        return [*said_of_plan(self), *self.notes]

    def __repr__(self) -> str:
        return self.summary()


def _places(labels: tuple[Any, ...], theirs: tuple[Any, ...]) -> IntArray:
    """Where the arms of another policy stand among those of this one, by their labels."""
    if theirs[0] != labels[0]:
        raise InputError(
            f"the other policy has the control {theirs[0]!r}, and this one {labels[0]!r}",
            remedy="compare plans of models with one control, control= of uplift",
        )
    strange = [label for label in theirs if label not in labels]
    if strange:
        raise InputError(
            f"the other policy gives {strange[0]!r}, which this one does not know",
            remedy=f"compare plans over the same arms; here they are {', '.join(map(repr, labels))}",
        )
    return np.array([labels.index(label) for label in theirs], dtype=np.int64)


def _same_rows(offer: Offer, theirs: Offer) -> IntArray:
    """Where the users of one reading stand in the other: two models may put one table in two orders."""
    if offer.row is None or theirs.row is None:
        if len(offer.effects) != len(theirs.effects):
            raise InputError("the two policies are asked about different users", remedy="pass one Offer for both")
        return np.arange(len(offer.effects))
    at = np.full(int(max(offer.row.max(initial=-1), theirs.row.max(initial=-1))) + 1, -1, dtype=np.int64)
    at[theirs.row] = np.arange(len(theirs.row))
    if (at[offer.row] < 0).any():
        raise InputError(
            "the model of the other policy leaves out rows of this table", count=int((at[offer.row] < 0).sum()),
            remedy="give both models the same unit= and rule=",
        )  # fmt: skip
    return at[offer.row]


def _valued_otherwise(own: Held, theirs: Held, place: IntArray, at: IntArray) -> bool:
    """Whether two models have other margins, or other costs of the arms that both know."""
    return own.margin != theirs.margin or not np.array_equal(own.cost[:, place[1:] - 1], theirs.cost[at])


def labelled(labels: tuple[Any, ...], arm: IntArray) -> NDArray[Any]:
    """Labels of arms, in a type of their own where all are of one."""
    kinds = {type(label) for label in labels}
    return np.array(labels, dtype=None if len(kinds) == 1 else object)[arm]
