"""The truth, by accounting: expected GMV of every arm on the same draws, and the differences between arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.arms import Arm
from gmvcausal.simulate.block import Block
from gmvcausal.simulate.engine import Opening, before, per_user, side_by_side
from gmvcausal.simulate.market import Truth
from gmvcausal.simulate.pool import in_order
from gmvcausal.simulate.stage import LONG, NEVER, IntArray, Plan, Stage, set_stage
from gmvcausal.simulate.tactics import CHANNELS, WORKS


def channels_of(plan: Plan, tactic: str) -> list[str]:
    """The channels through which a tactic can work in this plan, in the order in which they are switched on."""
    works = set(WORKS[tactic]) - ({"taken"} if plan.units[tactic] == "user" else set())
    return [one for one in CHANNELS if one in works]


def arms_of(plan: Plan, tactic: str) -> list[Arm]:
    """The arms that the truth about a tactic needs: none, as it was, everyone, own switch on and off, then parts."""
    arms = [
        Arm("none", tactic, own="none", friends="none"),
        Arm("realised", tactic),
        Arm("everyone", tactic, own="all", friends="all"),
    ]
    slots = [None] if plan.units[tactic] == "user" else [0, 1, 2]
    for nth in slots:
        arms += [Arm("on", tactic, own="all", nth=nth), Arm("off", tactic, own="none", nth=nth)]
    order = channels_of(plan, tactic)
    # with the last channel open an arm is the market as it was
    arms += [Arm(f"to {name}", tactic, channels=frozenset(order[: k + 1])) for k, name in enumerate(order[:-1])]
    return arms


@dataclass
class Account:
    """Sums over the users of a block, or of all blocks.

    Attributes
    ----------
    total, variance : dict of term to float
        Sum over users, and its Monte Carlo variance.
    units : dict of str to float
        What sums are divided by.
    events : array, shape (days,) or (rooms, days)
        Own effect on those treated, by day (by room and day where rooms are assigned).
    users : dict of str to array
        One value per user.
    """

    total: dict[str, float] = field(default_factory=dict)
    variance: dict[str, float] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    events: FloatArray = field(default_factory=lambda: np.zeros(0))
    users: dict[str, list[FloatArray]] = field(default_factory=dict)

    def add(self, other: Account) -> None:
        """Add another block's sums; blocks come in their order, so that rounding is always the same."""
        for mine, theirs in ((self.total, other.total), (self.variance, other.variance), (self.units, other.units)):
            for key, value in theirs.items():
                mine[key] = mine.get(key, 0.0) + value
        self.events = other.events if not self.events.size else self.events + other.events
        for key, values in other.users.items():
            self.users.setdefault(key, []).extend(values)


@dataclass
class _Books:
    """Per arm and user: gross GMV, what comes back of it, list prices kept, and gross GMV over 90 days."""

    gross: FloatArray
    back: FloatArray
    listed: FloatArray
    long: FloatArray


def account(plan: Plan, tactic: str, number: int) -> Account:
    """Account for one tactic on one block of users."""
    stage = set_stage(plan)
    opening = before(stage, number)
    futures = plan.dials.truth_draws
    made: dict[str, FloatArray] = {}
    events: FloatArray | None = None
    for future in range(futures):
        terms, happened = _one_future(stage, opening, tactic, future)
        for name, values in terms.items():
            made.setdefault(name, np.empty((futures, opening.block.n)))[future] = values
        events = happened if events is None else events + happened
    assert events is not None
    result = Account(events=events / futures)
    for name, values in made.items():
        result.total[name] = float(values.mean(axis=0).sum())
        result.variance[name] = float(values.var(axis=0, ddof=1).sum() / futures)
    result.units = _units(stage, opening, tactic, number)
    result.users = {name: [values] for name, values in _traits(stage, opening, tactic).items()}
    cate = "own" if plan.units[tactic] == "user" else "gross"
    result.users["cate"] = [made[cate].mean(axis=0)]
    return result


def _one_future(stage: Stage, opening: Opening, tactic: str, future: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Every term by user in one future, and own effects by day."""
    plan, d, block = stage.plan, stage.plan.dials, opening.block
    arms = arms_of(plan, tactic)
    books = [_Books(*(np.zeros(block.n) for _ in range(4))) for _ in arms]
    sent_back = d.refund_full + 0.5 * (1.0 - d.refund_full)  # mean share of an order that is refunded
    by_room = plan.units[tactic] == "room"
    events = np.zeros((plan.rooms, plan.days) if by_room else plan.days)
    own, own_treated, in_cells = (np.zeros(block.n) for _ in range(3))
    treated = _treated_slots(stage, opening, tactic)
    until = cells_end(stage, tactic)[block.room] if by_room else None
    pairs = [k for k, arm in enumerate(arms) if arm.name == "on"]
    stop = plan.first_of(tactic) + LONG
    for day, lived in side_by_side(stage, opening, arms, future, max(plan.days, stop)):
        for book, one in zip(books, lived, strict=False):
            gross = one.expected * one.mean_paid
            share = one.refund * sent_back
            if day < plan.days:
                book.gross += per_user(block, gross)
                book.back += per_user(block, gross * share)
                book.listed += per_user(block, one.expected * one.mean_list * (1.0 - share))
            if day < stop:
                book.long += per_user(block, gross)
        if day < plan.days:
            effect = np.zeros(len(block.owner))
            for k in pairs:
                switched = lived[k].expected * lived[k].mean_paid - lived[k + 1].expected * lived[k + 1].mean_paid
                nth = arms[k].nth
                effect += switched if nth is None else switched * (block.nth == nth)
            own += per_user(block, effect)
            own_treated += per_user(block, effect * treated)
            if until is not None:
                in_cells += per_user(block, effect * treated * (day < until))
                events[:, day] = np.bincount(block.room, effect * treated, plan.rooms)
            else:
                events[day] = (effect * treated).sum()
    none, real, everyone = books[:3]
    terms = {
        "att": own_treated,
        "att_cells": in_cells,
        "own": own,
        "gross": real.gross - none.gross,
        "everyone": everyone.gross - none.gross,
        "refunded": -(real.back - none.back),
        "gmv_90": real.long - none.long,
        "listed": real.listed - none.listed,
    }
    terms["total"] = terms["gross"] + terms["refunded"]
    terms["profit"] = terms["total"] - (1.0 - d.margin) * terms["listed"]
    order = channels_of(plan, tactic)
    steps = [none, *books[-(len(order) - 1) :], real]
    parts = dict.fromkeys(CHANNELS, np.zeros(block.n))
    parts |= {name: steps[k + 1].gross - steps[k].gross for k, name in enumerate(order)}
    return terms | parts, events


def step(plan: Plan) -> int:
    """Days in a period of the panel of rooms."""
    return 7 if plan.freq == "W" else 1


def cells_end(stage: Stage, tactic: str) -> IntArray:
    """The day on which the last treated cell of each room in the panel is over.

    Cells are whole periods since adoption. Where no room is left that never adopts, rooms can be compared only as long
    as some have yet to adopt.
    """
    adopted, length = stage.adopted[tactic], step(stage.plan)
    ends = adopted + (stage.plan.days - adopted) // length * length
    last = int(adopted.max())
    return ends if last == NEVER else np.minimum(ends, last)


def _treated_slots(stage: Stage, opening: Opening, tactic: str) -> FloatArray:
    if stage.plan.units[tactic] == "user":
        return opening.assigned.treated[tactic][opening.block.owner].astype(float)
    return (stage.adopted[tactic][opening.block.room] < NEVER).astype(float)


def _units(stage: Stage, opening: Opening, tactic: str, number: int) -> dict[str, float]:
    """What sums are divided by: treated and eligible users, or treated and all room-weeks."""
    plan = stage.plan
    if plan.units[tactic] == "user":
        treated = float(opening.assigned.treated[tactic].sum())
        able = float((opening.assigned.chance[tactic] > 0).sum())
        return {"treated": treated, "own": able, "everyone": able, "assigned": treated}
    if number:  # rooms are counted once
        return {}
    adopted, first = stage.adopted[tactic], plan.first_of(tactic)
    weeks = (plan.days - adopted[adopted < NEVER]).sum() / 7.0
    as_if = np.where(adopted == NEVER, first, adopted)
    cells = (cells_end(stage, tactic) - adopted)[adopted < NEVER].sum() / step(plan)
    return {
        "treated": float(weeks),
        "cells": float(cells),
        "own": float((plan.days - as_if).sum() / 7.0),
        "everyone": plan.rooms * (plan.days - first) / 7.0,
        "assigned": float((adopted < NEVER).sum()),
    }


def _traits(stage: Stage, opening: Opening, tactic: str) -> dict[str, FloatArray]:
    block: Block = opening.block
    treated = np.bincount(block.owner, _treated_slots(stage, opening, tactic), block.n) > 0
    chance = opening.assigned.chance.get(tactic)
    found = {
        "user": (block.first + np.arange(block.n)).astype(float),
        "treated": treated.astype(float),
        "activity": block.activity,
        "budget": block.budget,
        "sensitivity": block.sensitivity,
        "loyalty": block.loyalty,
        "tier": block.tier.astype(float),
    }
    return found if chance is None else found | {"probability": chance}


def accounts(plan: Plan, tactic: str, *, workers: int = 1, progress: bool = False) -> Account:
    """Account for one tactic on the whole market."""
    result = Account()
    work = partial(account, plan, tactic)
    for one in in_order(work, plan.blocks, workers=workers, progress=progress, what=f"truth of {tactic}"):
        result.add(one)
    return result


def make_truth(plan: Plan, *, workers: int = 1, progress: bool = False) -> Truth:
    """The truth about every tactic of a plan; the first one's terms bear no prefix."""
    from gmvcausal.simulate.terms import as_truth

    return as_truth(plan, {t: accounts(plan, t, workers=workers, progress=progress) for t in plan.tactics})


def resimulate(plan: Plan, tactic: str, futures: range, term: str = "realised") -> FloatArray:
    """What accounting must agree with: the same differences between arms in GMV that was really paid, amounts drawn.

    Parameters
    ----------
    futures : range
        Which independent futures; those from the dial ``truth_draws`` on are not those of the truth.
    term : {"realised", "everyone", "att"}

    Returns
    -------
    array, shape (futures,)
        Gross GMV over the log, summed over users (over the treated for "att").
    """
    stage = set_stage(plan)
    found = np.zeros(len(futures))
    every = arms_of(plan, tactic)
    arms = [arm for arm in every if arm.name in ("on", "off")] if term == "att" else [every[0], _named(every, term)]
    for number in range(plan.blocks):
        opening = before(stage, number)
        counted = _treated_slots(stage, opening, tactic) if term == "att" else np.ones(len(opening.block.owner))
        for k, future in enumerate(futures):
            found[k] += _paid_apart(stage, opening, arms, future, counted)
    return found


def _named(arms: list[Arm], name: str) -> Arm:
    return next(arm for arm in arms if arm.name == name)


def _paid_apart(stage: Stage, opening: Opening, arms: list[Arm], future: int, counted: FloatArray) -> float:
    """Paid with a switch on less paid with it off, over pairs of arms in either order, each for its own slots."""
    total = 0.0
    for _, lived in side_by_side(stage, opening, arms, future, stage.plan.days, real=True):
        for k in range(0, len(arms), 2):
            apart = lived[k].ordered * lived[k].paid - lived[k + 1].ordered * lived[k + 1].paid
            sign = 1.0 if arms[k].name == "on" else -1.0
            nth = arms[k].nth
            total += sign * float((apart * counted * (1.0 if nth is None else opening.block.nth == nth)).sum())
    return total


def by_event_time(stage: Stage, events: FloatArray, adopted: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
    """Own effect by whole periods since adoption: period, mean over the rooms that have it, number of rooms."""
    length = step(stage.plan)
    days = events.shape[1]
    sums: dict[int, list[float]] = {}
    for room in np.flatnonzero(adopted < days):
        for period in range((days - adopted[room]) // length):
            at = adopted[room] + length * period
            sums.setdefault(period, []).append(float(events[room, at : at + length].sum()))
    periods = np.array(sorted(sums), dtype=np.int64)
    return periods, np.array([np.mean(sums[int(p)]) for p in periods]), np.array([len(sums[int(p)]) for p in periods])
