"""Counterfactuals: who is under a tactic from when, and which of its channels are open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmvcausal.simulate import network
from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.block import Block
from gmvcausal.simulate.stage import NEVER, IntArray, Stage
from gmvcausal.simulate.tactics import CHANNELS

ALL_CHANNELS = frozenset(CHANNELS)


@dataclass(frozen=True)
class Arm:
    """One version of the market; all tactics but `focus` stand as they were assigned.

    Attributes
    ----------
    name : str
    focus : str
        The tactic that differs.
    own : {"assigned", "none", "all"}
        Who is under it.
    friends : {"assigned", "none", "all"}
        Whose friends are counted as being under it.
    channels : frozenset of str
        Channels of the focus that are open.
    nth : int or None
        For tactics of rooms: `own` holds for each user's nth room only, the others are as assigned.
    """

    name: str
    focus: str
    own: str = "assigned"
    friends: str = "assigned"
    channels: frozenset[str] = ALL_CHANNELS
    nth: int | None = None


@dataclass(frozen=True, eq=False)
class Treatment:
    """Days on which each slot and each user come under each tactic, `NEVER` where they do not, in one arm.

    Attributes
    ----------
    slots : dict of tactic to array, shape (slots,)
    users : dict of tactic to array, shape (n,)
        Tactics assigned to users only.
    friends : array, shape (n,)
        Share of friends who are members of the community.
    """

    slots: dict[str, IntArray]
    users: dict[str, IntArray]
    friends: FloatArray


@dataclass(frozen=True, eq=False)
class Assignment:
    """Who was assigned: for each tactic of users 0/1 and chances (true and recorded), each of shape (n,)."""

    treated: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]
    chance: dict[str, FloatArray]
    recorded: dict[str, FloatArray]


def treat(block: Block, stage: Stage, assigned: Assignment, arm: Arm) -> Treatment:
    """Lay out an arm for a block of users."""
    plan = stage.plan
    slots: dict[str, IntArray] = {}
    users: dict[str, IntArray] = {}
    friends = np.zeros(block.n)
    for tactic, unit in plan.units.items():
        own = arm.own if tactic == arm.focus else "assigned"
        if unit == "user":
            on = _chosen(assigned, tactic, own)
            users[tactic] = np.where(on, plan.start_day, NEVER)
            slots[tactic] = users[tactic][block.owner]
            if tactic == "community":
                theirs = _chosen(assigned, tactic, arm.friends if tactic == arm.focus else "assigned")
                friends = network.share_of_friends(*block.friends, theirs.astype(float))
        else:
            adopted = stage.adopted[tactic][block.room]
            slots[tactic] = adopted
            if own != "assigned":
                # a room that never adopted would have done so with the first
                as_if = np.where(adopted == NEVER, plan.first_of(tactic), adopted)
                if own == "all" and arm.nth is None:
                    as_if = np.full_like(adopted, plan.first_of(tactic))
                forced = as_if if own == "all" else np.full_like(adopted, NEVER)
                slots[tactic] = forced if arm.nth is None else np.where(block.nth == arm.nth, forced, adopted)
    return Treatment(slots, users, friends)


def _chosen(assigned: Assignment, tactic: str, own: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if own == "assigned":
        return assigned.treated[tactic]
    return assigned.chance[tactic] > 0 if own == "all" else np.zeros(len(assigned.treated[tactic]), dtype=bool)
