"""One day of a block of users in one arm: who shows up, watches, interacts, orders, sends back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.arms import Arm, Treatment
from gmvcausal.simulate.baskets import Threshold, top_up
from gmvcausal.simulate.block import Block
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.stage import NEVER, IntArray, Stage

BoolArray = NDArray[np.bool_]
AFTER = 7  # days for which a flash sale is felt


@dataclass(frozen=True, eq=False)
class State:
    """What a day leaves to the next.

    Attributes
    ----------
    there : array, shape (slots,)
        Was there yesterday.
    stock, gained : array, shape (n,)
        Items at home; loyalty gained since the log began.
    seen : array, shape (n,)
        Day of the last visit.
    redeemed, pushed : array, shape (n,)
        Day on which the last coupon was used; pushes delivered so far.
    """

    there: FloatArray
    stock: FloatArray
    gained: FloatArray
    seen: FloatArray
    redeemed: FloatArray
    pushed: FloatArray


@dataclass(frozen=True, eq=False)
class Draws:
    """A day's random numbers: shared by all arms."""

    u: FloatArray
    z: FloatArray
    push: FloatArray


@dataclass(frozen=True, eq=False)
class Day:
    """What happened, by slot, and what was to be expected given the state in the morning.

    Attributes
    ----------
    visited, interacted, ordered : array of bool, shape (slots,)
    log_watch, list_price, paid, back : array, shape (slots,)
        Log minutes; list price, amount paid and share sent back of the order there is or would have been.
    coupon, threshold, flash : array, shape (slots,)
        Whether the order uses a coupon, whether it uses the threshold coupon, whether the session is a flash sale.
    delivered, opened : array of bool, shape (n,)
    expected : array, shape (slots,)
        Chance of an order.
    mean_paid, mean_list : array, shape (slots,)
        Mean amount paid and mean list price of an order.
    """

    visited: BoolArray
    interacted: BoolArray
    ordered: BoolArray
    log_watch: FloatArray
    list_price: FloatArray
    paid: FloatArray
    back: FloatArray
    coupon: BoolArray
    threshold: BoolArray
    flash: BoolArray
    items: FloatArray
    delivered: BoolArray
    opened: BoolArray
    expected: FloatArray
    mean_paid: FloatArray
    mean_list: FloatArray


def new_state(block: Block) -> State:
    """The morning of the first day."""
    zero = np.zeros(block.n)
    return State(np.zeros(len(block.owner)), zero, zero, block.seen, np.full(block.n, -1.0), zero)


def draw(block: Block, stage: Stage, day: int, future: int) -> Draws:
    """Random numbers of a day; `future` 0 is the market itself, others are what might have been."""
    key = (stage.plan.seed, "day", future, block.number, day)
    slots = len(block.owner)
    push = np.zeros((block.n, 0))
    if "push" in stage.plan.tactics:
        push = stream(*key, "push").random((block.n, 2))
    # a row per slot, in order of users: the first rows are the same however many follow
    return Draws(stream(*key, "u").random((slots, 11)), stream(*key, "z").standard_normal((slots, 2)), push)


def _on(stage: Stage, began: IntArray, day: int) -> BoolArray:
    return (began <= day) & (day < stage.ends(began))


class _Felt:
    """How strongly a tactic is felt by each slot today, as multiples of its dial."""

    def __init__(self, stage: Stage, treatment: Treatment, day: int) -> None:
        self.stage, self.treatment, self.day = stage, treatment, day

    def slots(self, tactic: str, on: BoolArray | None = None) -> FloatArray:
        began = self.treatment.slots[tactic]
        on = _on(self.stage, began, self.day) if on is None else on
        return self._grown(began, on)

    def _grown(self, began: IntArray, on: BoolArray) -> FloatArray:
        d = self.stage.plan.dials
        grown = np.asarray(on * d.strength, dtype=np.float64)
        if d.growth:
            grown = grown * (1.0 + d.growth * np.where(on, self.day - began, 0) / 7.0)
        return grown


def live_coupons(stage: Stage, began: IntArray, redeemed: FloatArray, day: int) -> BoolArray:
    """Users who hold a coupon that is good today and not used yet."""
    d = stage.plan.dials
    since = np.where(began < NEVER, day - began, 0)
    age = since % d.coupon_every
    return _on(stage, began, day) & (age < d.coupon_valid) & (redeemed < day - age)


def step(
    block: Block, stage: Stage, arm: Arm, treatment: Treatment, day: int, draws: Draws, own: State, base: State,
    threshold: Threshold | None, real: bool = True,
) -> tuple[Day, State]:  # fmt: skip
    """Live through one day.

    Parameters
    ----------
    own, base : State
        The morning in this arm, and in the arm without the tactic: closed channels read the latter.
    threshold : Threshold, optional
        Needed where the threshold coupon is among the tactics.
    """
    d, o, room = stage.plan.dials, block.owner, block.room
    opened_channels = arm.channels
    tactics = stage.plan.tactics
    felt = _Felt(stage, treatment, day)

    def through(tactic: str, channel: str) -> bool:
        return tactic in tactics and (tactic != arm.focus or channel in opened_channels)

    habit = own if "long_term" in opened_channels else base
    stock = (own if "borrowed" in opened_channels else base).stock
    slots = len(o)

    # promotions of rooms, and what they take from one's other rooms
    flash = np.zeros(slots, dtype=bool)
    promoted = np.zeros(slots, dtype=bool)
    calm: FloatArray = np.zeros(slots)
    for tactic in tactics:
        if stage.plan.units[tactic] != "room":
            continue
        began = treatment.slots[tactic]
        on = _on(stage, began, day)
        if tactic == "flash_sale":
            since = (day - stage.phase[room]) % d.flash_every
            last = day - since
            on_then = (began <= last) & (last < stage.ends(began))
            on = on_then & (since == 0)
            if through(tactic, "direct"):
                flash = on
            if through(tactic, "borrowed"):
                calm = np.asarray(on_then & (since > 0) & (since <= AFTER), dtype=np.float64) * d.strength
        if through(tactic, "taken"):
            promoted |= on
    elsewhere = (np.bincount(o, promoted, block.n)[o] - promoted) > 0

    # showing up
    visit = stage.visit_base + d.activity * block.activity[o] + stage.appeal[room, day] + stage.visit[day]
    visit = visit + d.habit * habit.there - d.taken * elsewhere
    if through("win_back", "direct"):
        began = treatment.slots["win_back"]
        visit = visit + d.win_back * felt.slots("win_back", _on(stage, began, day) & (day - began < d.win_back_days))

    # pushes
    nobody = np.zeros(block.n, dtype=bool)
    delivered, opened, open_rate = nobody, nobody, np.zeros(block.n)
    if "push" in tactics:
        began = treatment.users["push"]
        sent = _on(stage, began, day) & (np.where(began < NEVER, day - began, 0) % d.push_every == 0) & block.optin
        delivered = sent & (draws.push[:, 0] < d.push_delivered)
        rate = d.push_opened * d.push_fatigue**own.pushed
        opened = delivered & (draws.push[:, 1] < rate)
        open_rate = sent * d.push_delivered * rate
    push_felt = felt.slots("push", np.ones(slots, dtype=bool)) if through("push", "direct") else np.zeros(slots)

    # watching and interacting
    log_watch = np.log(d.watch_minutes) + d.watch_sd * draws.z[:, 0]
    if through("expert_host", "mediated"):
        log_watch = log_watch + d.expert_host * felt.slots("expert_host")
    odds = d.interact + d.interact_watch * log_watch
    if through("raffle", "mediated"):
        odds = odds + d.raffle * felt.slots("raffle")
    interact = expit(odds)

    # ordering
    order = stage.order_base + d.order_watch * log_watch + stage.order[day] + d.host * stage.host[room]
    order = (
        order + (d.order_loyalty * block.loyalty + d.order_hidden * block.hidden - d.stock * stock + habit.gained)[o]
    )
    order = order - block.sensitivity[o] * stage.price[room, day]
    coupon = np.zeros(slots, dtype=bool)
    if through("coupon", "direct"):
        if stage.plan.units["coupon"] == "user":
            coupon = live_coupons(stage, treatment.users["coupon"], own.redeemed, day)[o]
        else:
            coupon = _on(stage, treatment.slots["coupon"], day)
        lift = d.coupon + d.coupon_price * block.sensitivity + d.coupon_loyalty * block.loyalty
        order = order + lift[o] * felt.slots("coupon", coupon)
    off = np.zeros(slots, dtype=bool)
    if through("threshold_coupon", "direct"):
        off = _on(stage, treatment.slots["threshold_coupon"], day)
        order = order + d.threshold_order * felt.slots("threshold_coupon", off)
    if through("community", "direct"):
        order = order + d.community * felt.slots("community")
    if through("community", "spillover") and stage.plan.start_day <= day < stage.plan.days:
        running = _on(stage, np.array([stage.plan.start_day]), day)
        order = order + d.community_spill * d.strength * running * treatment.friends[o]
    order = (
        order + d.flash * felt.slots("flash_sale", flash) - d.flash_after * calm if "flash_sale" in tactics else order
    )

    # what is to be expected of the day, over visiting, opening, interacting and ordering
    visit_odds, order_odds = visit, order
    expected = expit(visit) * _orders(order, interact, d.order_interact)
    if through("push", "direct"):
        with_push = expit(visit + d.push_visit * push_felt) * _orders(
            order + d.push * push_felt, interact, d.order_interact
        )
        expected = expected + open_rate[o] * (with_push - expected)
        visit_odds = visit + d.push_visit * push_felt * opened[o]
        order_odds = order + d.push * push_felt * opened[o]
    mu = d.basket + d.basket_budget * block.budget[o] + d.basket_host * stage.host[room]
    keep = (1.0 - d.coupon_discount * coupon) * (1.0 - d.flash_discount * flash)
    mean_list = np.exp(mu + 0.5 * d.basket_sd**2) * stage.tail.moment(1.0)
    mean_paid = mean_list
    if threshold is not None:
        topped, used = threshold.means(mu)
        mean_list = np.where(off, topped, mean_list)
        mean_paid = mean_list - off * d.threshold_off * used
    mean_paid = mean_paid * keep

    # what did happen
    u = draws.u
    visited = u[:, 0] < expit(visit_odds)
    interacted = visited & (u[:, 1] < interact)
    ordered = visited & (u[:, 2] < expit(order_odds + d.order_interact * interacted))
    part = np.where(u[:, 4] < d.refund_full, 1.0, 0.2 + 0.6 * u[:, 5])
    back = np.where(u[:, 3] < stage.refund[room], part, 0.0)
    items = 1.0 + np.floor(np.log1p(-u[:, 6]) / np.log(1.0 - 1.0 / d.items)) if d.items > 1 else np.ones(slots)
    list_price = paid = mean_paid
    crossed = np.zeros(slots, dtype=bool)
    if real:
        list_price = np.exp(mu + d.basket_sd * draws.z[:, 1]) * stage.tail.factor(u[:, 7], u[:, 8])
        list_price = np.where(off, top_up(d, list_price, u[:, 9], u[:, 10]), list_price)
        crossed = off & (list_price >= d.threshold)
        paid = (list_price - d.threshold_off * crossed) * keep

    made = Day(
        visited, interacted, ordered, log_watch, list_price, paid, back, coupon, crossed, flash, items, delivered,
        opened, expected, mean_paid, mean_list,
    )  # fmt: skip
    return made, _evening(block, stage, arm, felt, day, own, made)


def _orders(order: FloatArray, interact: FloatArray, more: float) -> FloatArray:
    return np.asarray(interact * expit(order + more) + (1.0 - interact) * expit(order))


def _evening(block: Block, stage: Stage, arm: Arm, felt: _Felt, day: int, own: State, made: Day) -> State:
    """What the day leaves behind."""
    d, o, n = stage.plan.dials, block.owner, block.n
    visits = np.bincount(o, made.visited, n)
    kept = d.satisfied * (made.back == 0) - d.disappointed * (made.back > 0)
    gained = d.loyalty_decay * own.gained + np.bincount(o, made.ordered * kept, n)
    if "points" in stage.plan.tactics:
        gained = gained + d.points * np.bincount(o, made.visited * felt.slots("points"), n)
    stock = d.stock_decay * own.stock + np.bincount(o, made.ordered * made.items, n)
    redeemed = own.redeemed
    if "coupon" in stage.plan.tactics and made.coupon.any():
        redeemed = np.where(np.bincount(o, made.ordered & made.coupon, n) > 0, float(day), redeemed)
    return replace(
        own,
        there=made.visited.astype(float),
        stock=stock,
        gained=gained,
        seen=np.where(visits > 0, float(day), own.seen),
        redeemed=redeemed,
        pushed=own.pushed + made.delivered,
    )
