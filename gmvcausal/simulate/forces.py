"""What acts on a slot today: promotions, pushes, coupons, and through which channels they are let."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.arms import Arm, Treatment
from gmvcausal.simulate.block import Block
from gmvcausal.simulate.stage import NEVER, IntArray, Stage

BoolArray = NDArray[np.bool_]
AFTER = 7  # days for which a flash sale is felt


@dataclass(frozen=True, eq=False)
class Today:
    """A block of users on one day of one arm."""

    block: Block
    stage: Stage
    arm: Arm
    treatment: Treatment
    day: int

    def let(self, tactic: str, channel: str) -> bool:
        """Whether a tactic is there and may act through a channel: only the arm's focus has channels closed."""
        return tactic in self.stage.plan.tactics and (tactic != self.arm.focus or channel in self.arm.channels)

    def on(self, began: IntArray) -> BoolArray:
        """Whether what began on these days is at work today."""
        return (began <= self.day) & (self.day < self.stage.ends(began))

    def slots(self, tactic: str) -> BoolArray:
        """Slots under a tactic today."""
        return self.on(self.treatment.slots[tactic])

    def age(self, began: IntArray) -> IntArray:
        """Days since what began; 0 where it never does."""
        return np.where(began < NEVER, self.day - began, 0)

    def felt(self, tactic: str, on: BoolArray) -> FloatArray:
        """How strongly a tactic is felt by the slots where it is on, as multiples of its dial."""
        d = self.stage.plan.dials
        felt = np.asarray(on * d.strength, dtype=np.float64)
        if d.growth:
            felt = felt * (1.0 + d.growth * np.where(on, self.age(self.treatment.slots[tactic]), 0) / 7.0)
        return felt


class Promotions(NamedTuple):
    """Slots with a flash sale today, slots still feeling an earlier one, and those promoted in another room."""

    flash: BoolArray
    calm: FloatArray
    elsewhere: BoolArray


def promotions(today: Today) -> Promotions:
    """What rooms do to draw people in, and what that takes from their visitors' other rooms."""
    block, stage, d = today.block, today.stage, today.stage.plan.dials
    flash = np.zeros(len(block.owner), dtype=bool)
    promoted = flash.copy()
    calm: FloatArray = np.zeros(len(flash))
    for tactic in stage.adopted:
        on = today.slots(tactic)
        if tactic == "flash_sale":
            began = today.treatment.slots[tactic]
            since = (today.day - stage.phase[block.room]) % d.flash_every
            last = today.day - since
            held = (began <= last) & (last < stage.ends(began))
            on = held & (since == 0)
            if today.let(tactic, "direct"):
                flash = on
            if today.let(tactic, "borrowed"):
                calm = np.asarray(held & (since > 0) & (since <= AFTER), dtype=np.float64) * d.strength
        if today.let(tactic, "taken"):
            promoted = promoted | on
    rooms = np.bincount(block.owner, promoted, block.n)
    return Promotions(flash, calm, (rooms[block.owner] - promoted) > 0)


class Pushes(NamedTuple):
    """Per user: delivered and opened today; per user the chance of opening; per slot how strongly one is felt."""

    delivered: BoolArray
    opened: BoolArray
    chance: FloatArray
    felt: FloatArray


def pushes(today: Today, pushed: FloatArray, u: FloatArray) -> Pushes:
    """Who is sent a push, whom it reaches, who opens it; `pushed` counts the earlier ones."""
    block, d = today.block, today.stage.plan.dials
    if "push" not in today.stage.plan.tactics:
        nobody = np.zeros(block.n, dtype=bool)
        return Pushes(nobody, nobody, np.zeros(block.n), np.zeros(len(block.owner)))
    began = today.treatment.users["push"]
    sent = today.on(began) & (today.age(began) % d.push_every == 0) & block.optin
    delivered = sent & (u[:, 0] < d.push_delivered)
    rate = d.push_opened * d.push_fatigue**pushed
    felt = today.felt("push", np.ones(len(block.owner), dtype=bool)) * today.let("push", "direct")
    return Pushes(delivered, delivered & (u[:, 1] < rate), sent * d.push_delivered * rate, felt)


def live_coupons(today: Today, redeemed: FloatArray) -> BoolArray:
    """Slots whose user holds a coupon that is good today; `redeemed` is the day on which each used the last one."""
    if not today.let("coupon", "direct"):
        return np.zeros(len(today.block.owner), dtype=bool)
    d, began = today.stage.plan.dials, today.treatment.slots["coupon"]
    if today.stage.plan.units["coupon"] == "room":
        return today.on(began)  # a room's coupon is there for every order
    age = today.age(began) % d.coupon_every
    return today.on(began) & (age < d.coupon_valid) & (redeemed[today.block.owner] < today.day - age)


def show_up(today: Today, elsewhere: BoolArray, there: FloatArray) -> FloatArray:
    """Log odds of showing up, before pushes."""
    block, stage, d = today.block, today.stage, today.stage.plan.dials
    odds = stage.visit_base + d.activity * block.activity[block.owner]
    odds = odds + stage.appeal[block.room, max(today.day, 0)] + stage.calendar(today.day)[0]
    odds = odds + d.habit * there - d.taken * elsewhere
    if today.let("win_back", "direct"):
        began = today.treatment.slots["win_back"]
        odds = odds + d.win_back * today.felt("win_back", today.on(began) & (today.day - began < d.win_back_days))
    return np.asarray(odds)


def tempt(today: Today, rooms: Promotions, coupon: BoolArray, threshold: BoolArray) -> FloatArray:
    """What tactics add to the log odds of ordering, before pushes."""
    block, stage, d = today.block, today.stage, today.stage.plan.dials
    odds: FloatArray = np.zeros(len(block.owner))
    if today.let("coupon", "direct"):
        lift = d.coupon + d.coupon_price * block.sensitivity + d.coupon_loyalty * block.loyalty
        odds = odds + lift[block.owner] * today.felt("coupon", coupon)
    if today.let("threshold_coupon", "direct"):
        odds = odds + d.threshold_order * today.felt("threshold_coupon", threshold)
    if today.let("community", "direct"):
        odds = odds + d.community * today.felt("community", today.slots("community"))
    if today.let("community", "spillover") and today.on(np.array([stage.plan.start_day]))[0]:
        odds = odds + d.community_spill * d.strength * today.treatment.friends[block.owner]
    if "flash_sale" in stage.plan.tactics:
        odds = odds + d.flash * today.felt("flash_sale", rooms.flash) - d.flash_after * rooms.calm
    return odds
