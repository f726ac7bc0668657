"""D9 and D10: roll-outs in which the plain answer is wrong, because buyers wait and borrow, or because they leave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth
from gmvcausal.simulate.worlds.attrition import Path, expect, simulate
from gmvcausal.simulate.worlds.lines import DAY, ORIGIN, WEEK, FloatArray, IntArray, stamps, user_orders
from gmvcausal.simulate.worlds.rollout import (
    BASKET_MEAN,
    NEVER,
    Rollout,
    baskets,
    exposed,
    lot,
    rollout_market,
    rollout_truth,
    room_base,
)
from gmvcausal.simulate.worlds.rollout_worlds import units


def d9(
    n: int | None, seed: int, *, weeks: int = 20, start: int = 10, lead: int = 2, wait: float = 200.0,
    effect: float = 500.0, duration: int = 4, borrowed: float = 0.3, payback: int = 4, declared: bool = True,
    level: float = 6000.0, noise: float = 300.0, rho: float = 0.5,
) -> Market:  # fmt: skip
    """D9, anticipation and pull-forward: buyers wait for an announced tactic, and part of its lift is borrowed.

    Half of the rooms start together, by lot. y as in D5, with −`wait` in each of the `lead` weeks before the start,
    +`effect` in the `duration` weeks from it on, and then −`borrowed` · `effect` · `duration` / `payback` in each of
    `payback` weeks: what was sold earlier is not sold again. The roll-out counts as on to the end.

    Valid: callaway_santanna with anticipation=`lead` (the call of the design). Fails: the same without it
    (``declared=False``), because its base is a week in which buyers waited; two_by_two and twfe.
    Estimand: ATT per room-week over the post cells against no tactic at all, what was borrowed taken off.
    """
    n = units(n, "room", 20)
    if start < lead + 2:
        raise InputError(f"start={start} leaves no lead to test before lead={lead} weeks", remedy="start later")
    if start + duration + payback > weeks:
        raise InputError(
            f"start + duration + payback is {start + duration + payback}, but the log has weeks={weeks}",
            remedy="all that is borrowed must fall into the log: raise weeks=",
        )
    gain = np.zeros((1, weeks))
    gain[0, start - lead : start] = -wait
    gain[0, start : start + duration] = effect
    gain[0, start + duration : start + duration + payback] = -borrowed * effect * duration / payback
    ones = np.ones(n)
    base = room_base(seed, "D9", ones, ones, weeks, level, noise, rho)
    plan = Rollout("D9", "room", seed, base, lot(seed, "D9", n, [0.5], "fixed"), (start,), np.array([0.5]), gain)
    call = {"anticipation": lead} if declared else {}
    market = rollout_market(plan, call, "buyers wait before the start, and part of the lift is borrowed from later")
    rooms = int((plan.cohort != NEVER).sum())
    parts = (-wait * lead * rooms, effect * duration * rooms, -borrowed * effect * duration * rooms)
    return Market(market.name, market.logs, market.design, partial(d9_truth, market.make_truth, parts), market.note)


def d9_truth(roll_out: Callable[[], Truth], parts: tuple[float, float, float]) -> Truth:
    """The truth of a roll-out, with the total in its parts."""
    truth = roll_out()
    names = (("waited", "not sold before the start"), ("lift", "sold more while on"), ("borrowed", "taken from later"))
    more = [Term(name, what, "gross paid GMV", part) for (name, what), part in zip(names, parts, strict=True)]
    return Truth((*truth.terms, *more), truth.target, truth.event_study)


def d10(
    n: int | None, seed: int, *, weeks: int = 16, start: int = 8, effect: float = 4.0, strength: float = 0.8,
    retention: float = 0.8, patience: int = 3, stay: float = 0.9, contrast: float = 0.8, buying: float = 0.2,
) -> Market:  # fmt: skip
    """D10, attrition that depends on GMV: users who stop buying leave, and the tactic keeps some of them.

    Half of the users start together, by lot. A user is warm or cold, stays so from week to week with probability
    `stay`, and buys with probability `buying` · (1 ± `contrast`) + season + `effect` / (mean basket) once started.
    From the start on, whoever has not bought for `patience` weeks leaves after each week with probability `strength`
    (in the treated group `strength` · (1 − `retention`)). The users table records the exit; rows end there.

    Valid: with ``strength=0`` (nobody leaves), callaway_santanna. Fails at the default: the untreated who
    are still there are those who had bought just before the start, and fall back from it, so that the comparison of
    survivors is too high (term `survivors` is what it converges to).
    Estimand: ATT per user-week over the post cells, had nobody left. Term `zero_filled` is the effect on what is sold
    with those who left counted as zeros, which the panel without exits gives.
    """
    n = units(n, "user", 20)
    if not start < weeks:
        raise InputError(f"start is week {start}, but weeks={weeks} end with week {weeks - 1}")
    season = buying * stream(seed, "D10", "season").uniform(-0.1, 0.1, weeks)
    chance = np.stack([buying * (1 - contrast) + season, buying * (1 + contrast) + season], axis=1)
    lifted = chance + (effect / BASKET_MEAN) * (np.arange(weeks) >= start)[:, None]
    if min(chance.min(), lifted.min()) < 0 or max(chance.max(), lifted.max()) > 1:
        raise InputError(
            f"the dials give probabilities of buying from {min(chance.min(), lifted.min()):.3g} to "
            f"{max(chance.max(), lifted.max()):.3g}",
            remedy="take a smaller effect=, or other buying= and contrast=",
        )
    cohort = lot(seed, "D10", n, [0.5], "fixed")
    on = cohort != NEVER
    leave = np.where(on, strength * (1 - retention), strength)
    bought, last = simulate(
        np.where(on[:, None, None], lifted, chance), leave, stay, patience, start, stream(seed, "D10", "life")
    )
    orders = user_orders(bought, baskets(seed, "D10", n, weeks), stream(seed, "D10", "orders"))
    tables = exposed("user", cohort, (start,))
    tables["users"]["exit"] = exits(last, weeks)
    design = Design("did", "panel", {"unit": "user", "freq": "W", "origin": str(ORIGIN)[:10]})
    paths = (
        Path(lifted, strength * (1 - retention), stay, patience, start),
        Path(chance, strength, stay, patience, start),
    )
    truth = partial(d10_truth, paths, effect, int(on.sum()))
    note = "users who stop buying leave, and the tactic keeps some of them"
    return Market("D10", MarketLogs({"orders": orders, **tables}, {}), design, truth, note)


def exits(last: IntArray, weeks: int) -> NDArray[np.datetime64]:
    """Sunday of each user's last week; missing for those who are still there at the end."""
    sunday = stamps(last * WEEK + 6 * DAY)
    return np.where(last < weeks - 1, sunday, np.datetime64("NaT", "us"))


def d10_truth(paths: tuple[Path, Path], effect: float, treated: int) -> Truth:
    """The effect had nobody left, and what two readings of the log converge to; all in closed form."""
    start, weeks = paths[0].start, len(paths[0].chance)
    gain = np.zeros((1, weeks))
    gain[0, start:] = effect
    counts = np.array([treated])
    plain = rollout_truth("user", (start,), np.array([0.5]), counts, gain, "had nobody left")
    what = "gross paid GMV per user-week"
    one, other = expect(paths[0]), expect(paths[1])
    after = slice(start, weeks)
    zeros = BASKET_MEAN * float((one.bought - other.bought)[after].mean())
    change: list[FloatArray] = [(arm.bought - arm.base)[after] / arm.alive[after] for arm in (one, other)]
    survivors = BASKET_MEAN * float((change[0] - change[1]).mean())
    more = (
        Term("zero_filled", "ATT on what is sold, those who left counted as zeros", what, zeros),
        Term("survivors", "what comparing the users still there converges to: no effect on anyone", what, survivors),
        Term("left_treated", "share of the treated who are gone in the last week", "share", float(1 - one.alive[-1])),
        Term("left_others", "share of the others who are gone in the last week", "share", float(1 - other.alive[-1])),
    )
    return Truth((*(t for t in plain.terms if t.term != "total"), *more), "att", plain.event_study)
