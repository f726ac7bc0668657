"""Days over blocks of users: the market as it happened, and arms of it side by side on the same draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gmvcausal.simulate import baskets
from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.arms import Arm, Assignment, Treatment, treat
from gmvcausal.simulate.behave import Day, State, draw, new_state, step
from gmvcausal.simulate.block import Block, chances, make_block
from gmvcausal.simulate.stage import EVE, NEVER, Stage


@dataclass(frozen=True, eq=False)
class Opening:
    """A block on the morning on which the first tactic starts; up to then all arms are one.

    `known` is the day of each user's last visit before the log.
    """

    block: Block
    state: State
    assigned: Assignment
    threshold: baskets.Threshold | None
    known: FloatArray


def _nobody(block: Block, stage: Stage) -> Treatment:
    never = np.full(len(block.owner), NEVER)
    users = {t: np.full(block.n, NEVER) for t, unit in stage.plan.units.items() if unit == "user"}
    return Treatment(dict.fromkeys(stage.plan.tactics, never), users, np.zeros(block.n))


def assign(block: Block, stage: Stage, state: State) -> Assignment:
    """Decide who is treated, by what is known on the eve of the first tactic."""
    treated, chance, recorded = {}, {}, {}
    for tactic, unit in stage.plan.units.items():
        if unit == "user":
            chance[tactic], recorded[tactic] = chances(block, stage, tactic, state.seen)
            treated[tactic] = block.lots[tactic] < chance[tactic]
    return Assignment(treated, chance, recorded)


def before(stage: Stage, number: int, see: Callable[[Block, int, Day, State], None] | None = None) -> Opening:
    """Live through the days before the first tactic; `see` is shown each of them."""
    plan = stage.plan
    block = make_block(stage, number)
    wanted = "threshold_coupon" in plan.tactics
    threshold = baskets.threshold_means(plan.dials, stage.tail) if wanted else None
    arm, nobody, state = Arm("market", plan.tactics[0]), _nobody(block, stage), new_state(block)
    known = state.seen
    for day in range(-EVE, plan.first):
        if day == 0:
            known = state.seen
        made, evening = step(block, stage, arm, nobody, day, draw(block, stage, day, 0), state, state, threshold)
        if see is not None and day >= 0:
            see(block, day, made, state)
        state = evening
    return Opening(block, state, assign(block, stage, state), threshold, known)


def live(
    stage: Stage,
    number: int,
    see: Callable[[Block, int, Day, State], None],
    ready: Callable[[Opening], None] = lambda opening: None,
) -> Opening:
    """Live through the market as it happened.

    `see` is shown each day and its morning, `ready` the assignment before the first tactic starts.
    """
    plan = stage.plan
    opening = before(stage, number, see)
    ready(opening)
    arm = Arm("market", plan.tactics[0])
    treatment, state = treat(opening.block, stage, opening.assigned, arm), opening.state
    for day in range(plan.first, plan.days):
        draws = draw(opening.block, stage, day, 0)
        made, evening = step(
            opening.block, stage, arm, treatment, day, draws, state, state, opening.threshold
        )  # fmt: skip
        see(opening.block, day, made, state)
        state = evening
    return opening


def side_by_side(
    stage: Stage, opening: Opening, arms: Sequence[Arm], future: int, days: int, real: bool = False
) -> Iterator[tuple[int, list[Day]]]:
    """Live through the days from the first tactic on in every arm, with the same draws.

    The first of `arms` is the one to which closed channels refer. After the log's end only the first two are followed.
    """
    block = opening.block
    laid = [treat(block, stage, opening.assigned, arm) for arm in arms]
    states = [opening.state] * len(arms)
    for day in range(stage.plan.first, days):
        draws = draw(block, stage, day, future)
        base = states[0]
        made: list[Day] = []
        for k, arm in enumerate(arms if day < stage.plan.days else arms[:2]):
            one, states[k] = step(block, stage, arm, laid[k], day, draws, states[k], base, opening.threshold, real)
            made.append(one)
        yield day, made


def per_user(block: Block, values: FloatArray) -> FloatArray:
    """Sum over the slots of each user."""
    return np.asarray(np.bincount(block.owner, values, block.n), dtype=np.float64)
