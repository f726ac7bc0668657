"""One day of a block of users in one arm: who shows up, watches, interacts, orders, sends back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.arms import Arm, Treatment
from gmvcausal.simulate.baskets import Threshold, top_up
from gmvcausal.simulate.block import Block
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.forces import BoolArray, Today, live_coupons, promotions, pushes, show_up, tempt
from gmvcausal.simulate.stage import Stage


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
    coupon : array of bool, shape (slots,)
        Whether an order uses a coupon.
    items : array, shape (slots,)
    delivered, opened : array of bool, shape (n,)
    expected : array, shape (slots,)
        Chance of an order.
    mean_paid, mean_list : array, shape (slots,)
        Mean amount paid and mean list price of an order.
    refund : array, shape (slots,)
        Chance that an order is sent back.
    """

    visited: BoolArray
    interacted: BoolArray
    ordered: BoolArray
    log_watch: FloatArray
    list_price: FloatArray
    paid: FloatArray
    back: FloatArray
    coupon: BoolArray
    items: FloatArray
    delivered: BoolArray
    opened: BoolArray
    expected: FloatArray
    mean_paid: FloatArray
    mean_list: FloatArray
    refund: FloatArray


def new_state(block: Block) -> State:
    """The morning of the first day that is lived."""
    zero = np.zeros(block.n)
    return State(np.zeros(len(block.owner)), zero, zero, block.seen, np.full(block.n, -1e6), zero)


def draw(block: Block, stage: Stage, day: int, future: int) -> Draws:
    """Random numbers of a day; `future` 0 is the market itself, others are what might have been."""
    key = (stage.plan.seed, "day", future, block.number, day)
    slots = len(block.owner)
    push = np.zeros((block.n, 0))
    if "push" in stage.plan.tactics:
        push = stream(*key, "push").random((block.n, 2))
    # a row per slot, in order of users: the first rows are the same however many follow
    return Draws(stream(*key, "u").random((slots, 11)), stream(*key, "z").standard_normal((slots, 2)), push)


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
    real : bool
        Whether to draw amounts; without them `Day.paid` holds the means.
    """
    d, o, room, u = stage.plan.dials, block.owner, block.room, draws.u
    today = Today(block, stage, arm, treatment, day)
    habit = own if "long_term" in arm.channels else base
    stock = (own if "borrowed" in arm.channels else base).stock
    rooms = promotions(today)
    push = pushes(today, own.pushed, draws.push)
    coupon = live_coupons(today, own.redeemed)
    off = np.zeros(len(o), dtype=bool)
    if today.let("threshold_coupon", "direct"):
        off = today.slots("threshold_coupon")

    visit = show_up(today, rooms.elsewhere, habit.there)
    log_watch = np.log(d.watch_minutes) + d.watch_sd * draws.z[:, 0]
    if today.let("expert_host", "mediated"):
        log_watch = log_watch + d.expert_host * today.felt("expert_host", today.slots("expert_host"))
    odds = d.interact + d.interact_watch * log_watch
    if today.let("raffle", "mediated"):
        odds = odds + d.raffle * today.felt("raffle", today.slots("raffle"))
    interact = expit(odds)
    order = stage.order_base + d.order_watch * log_watch + stage.calendar(day)[1] + d.host * stage.host[room]
    order = (
        order + (d.order_loyalty * block.loyalty + d.order_hidden * block.hidden - d.stock * stock + habit.gained)[o]
    )
    order = order - block.sensitivity[o] * stage.price[room, max(day, 0)] + tempt(today, rooms, coupon, off)

    # what is to be expected of the day: a mean over visiting, opening, interacting and ordering
    expected = expit(visit) * _orders(order, interact, d.order_interact)
    if today.let("push", "direct"):
        with_push = _orders(order + d.push * push.felt, interact, d.order_interact)
        expected = expected + push.chance[o] * (expit(visit + d.push_visit * push.felt) * with_push - expected)
        visit = visit + d.push_visit * push.felt * push.opened[o]
        order = order + d.push * push.felt * push.opened[o]
    mu = d.basket + d.basket_budget * block.budget[o] + d.basket_host * stage.host[room]
    keep = (1.0 - d.coupon_discount * coupon) * (1.0 - d.flash_discount * rooms.flash)
    mean_list = np.exp(mu + 0.5 * d.basket_sd**2) * stage.tail.moment(1.0)
    mean_off = np.zeros(len(o))
    if threshold is not None:
        topped, used = threshold.means(mu)
        mean_list = np.where(off, topped, mean_list)
        mean_off = off * d.threshold_off * used
    mean_paid = (mean_list - mean_off) * keep

    # what did happen
    visited = u[:, 0] < expit(visit)
    interacted = visited & (u[:, 1] < interact)
    ordered = visited & (u[:, 2] < expit(order + d.order_interact * interacted))
    part = np.where(u[:, 4] < d.refund_full, 1.0, 0.2 + 0.6 * u[:, 5])
    refund = np.minimum(stage.refund[room] + d.flash_refund * rooms.flash, 1.0)
    back = np.where(u[:, 3] < refund, part, 0.0)
    items = 1.0 + np.floor(np.log1p(-u[:, 6]) / np.log(1.0 - 1.0 / d.items)) if d.items > 1 else np.ones(len(o))
    list_price, paid = mean_list, mean_paid
    if real:
        list_price = np.exp(mu + d.basket_sd * draws.z[:, 1]) * stage.tail.factor(u[:, 7], u[:, 8])
        list_price = np.where(off, top_up(d, list_price, u[:, 9], u[:, 10]), list_price)
        paid = (list_price - d.threshold_off * (off & (list_price >= d.threshold))) * keep
    made = Day(
        visited, interacted, ordered, log_watch, list_price, paid, back, coupon, items, push.delivered, push.opened,
        expected, mean_paid, mean_list, refund,
    )  # fmt: skip
    return made, _evening(today, own, made)


def _orders(order: FloatArray, interact: FloatArray, more: float) -> FloatArray:
    return np.asarray(interact * expit(order + more) + (1.0 - interact) * expit(order))


def _evening(today: Today, own: State, made: Day) -> State:
    """What the day leaves behind."""
    d, o, n = today.stage.plan.dials, today.block.owner, today.block.n
    visits = np.bincount(o, made.visited, n)
    kept = d.satisfied * (made.back == 0) - d.disappointed * (made.back > 0)
    gained = d.loyalty_decay * own.gained + np.bincount(o, made.ordered * kept, n)
    if "points" in today.stage.plan.tactics:
        gained = gained + d.points * np.bincount(o, made.visited * today.felt("points", today.slots("points")), n)
    redeemed = own.redeemed
    if made.coupon.any():
        redeemed = np.where(np.bincount(o, made.ordered & made.coupon, n) > 0, float(today.day), redeemed)
    return State(
        there=made.visited.astype(float),
        stock=d.stock_decay * own.stock + np.bincount(o, made.ordered * made.items, n),
        gained=gained,
        seen=np.where(visits > 0, float(today.day), own.seen),
        redeemed=redeemed,
        pushed=own.pushed + made.delivered,
    )
