"""D5 to D8: roll-outs whose design is sound; what differs is which estimator and which standard error hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Market
from gmvcausal.simulate.worlds.dials import whole
from gmvcausal.simulate.worlds.lines import FloatArray
from gmvcausal.simulate.worlds.neighbours import spilled_market
from gmvcausal.simulate.worlds.rollout import BASKET_MEAN, NEVER, Rollout, lot, rollout_market, room_base, user_base


def d5(
    n: int | None, seed: int, *, unit: str = "room", weeks: int = 12, start: int = 6, effect: float | None = None,
    level: float = 6000.0, noise: float = 300.0, rho: float = 0.5, buying: float = 0.15,
) -> Market:  # fmt: skip
    """D5, two by two: half of the units start together, by lot.

    Rooms: y = level of the room + season + noise · AR(rho) + `effect` once started. Users: in each week they buy with
    probability level + season + `effect` / (mean basket) once started, and a basket is lognormal with a truncated
    tail, so that the effect on GMV per user-week is `effect` too.

    Valid: two_by_two, twfe, callaway_santanna. Fails: naive (before against after holds the season).
    Estimand: ATT per unit-week over the post cells; no interference.
    """
    plan = d5_plan(n, seed, unit, weeks, start, effect, level, noise, rho, buying)
    return rollout_market(plan, {"estimator": "two_by_two"}, "half of the units start together, by lot")


def d5_plan(
    n: int | None, seed: int, unit: str, weeks: int, start: int, effect: float | None, level: float, noise: float,
    rho: float, buying: float,
) -> Rollout:  # fmt: skip
    """D5 before the noise of buying."""
    n = units(n, unit, 20)
    within("start", (start,), weeks)
    base = base_of("D5", n, seed, unit, weeks, level, noise, rho, buying)
    gain = np.zeros((1, weeks))
    gain[0, start:] = size_of(effect, unit)
    return Rollout("D5", unit, seed, base, lot(seed, "D5", n, [0.5], "fixed"), (start,), np.array([0.5]), gain)


def d6(
    n: int | None, seed: int, *, unit: str = "room", weeks: int = 20, starts: tuple[int, ...] = (6, 10, 14),
    never: float = 0.25, shares: str = "random", effect: float | None = None, pretrend: float = 0.0,
    level: float = 6000.0, noise: float = 300.0, rho: float = 0.5, buying: float = 0.15, spill: float = 0.0,
) -> Market:  # fmt: skip
    """D6, staggered starts, constant effect: cohorts by lot, one effect for all units at all times.

    y as in D5, with cohorts starting in the weeks `starts` and a share `never` that never starts; the other cohorts
    are of equal share. With ``shares="random"`` each unit draws its cohort by itself and the truth weights cohorts by
    their shares in the design, which is what standard errors with the uncertainty of shares are for; with "fixed" the
    numbers of units are given, and are the weights.

    Valid: callaway_santanna and twfe (the effect is constant). Fails: naive. `pretrend` (default 0) is the violation:
    units that ever start drift by so much a week, from the first week on, whatever the tactic; with 40 a room-week
    (2 a user-week) every estimator is wrong and the audit must say so. `spill` (default 0) is interference: every
    second unit never treated has a treated neighbour (table ``edges``), and from that one's start on what it sells
    moves by so much a week. With these as controls the estimate is off by up to half of that; callaway_santanna with
    edges= (the call of the design then) sets them apart.
    Estimand: ATT per unit-week over the post cells; no interference unless `spill` says so. With it, term `spillover`
    is the mean over the exposed unit-weeks, and `total` holds them too.
    """
    plan = staggered("D6", n, seed, unit, weeks, starts, never, shares, level, noise, rho, buying)
    drift = (
        (plan.cohort != NEVER)[:, None] * np.arange(weeks) * (pretrend if unit == "room" else pretrend / BASKET_MEAN)
    )
    plan = replace(plan, base=plan.base + drift, gain=size_of(effect, unit) * started(plan))
    if spill:
        return spilled_market(plan, spill, "staggered starts by lot, constant effect that reaches neighbours")
    return rollout_market(plan, {}, "staggered starts by lot, constant effect")


def d7(
    n: int | None, seed: int, *, unit: str = "room", weeks: int = 20, starts: tuple[int, ...] = (6, 10, 14),
    never: float = 0.25, shares: str = "random", effect: float | None = None, growth: float = 0.25,
    spread: float = 0.5, level: float = 6000.0, noise: float = 300.0, rho: float = 0.5, buying: float = 0.15,
) -> Market:  # fmt: skip
    """D7, staggered starts, growing effects: effects grow from week to week and differ by cohort.

    y as in D6, with the effect `effect` · f · (1 + `growth` · weeks since the start), f falling from 1 + `spread` for
    the first cohort to 1 − `spread` for the last.

    Valid: callaway_santanna. Fails: twfe, because units already treated, whose GMV is still rising, serve as controls
    (Goodman-Bacon 2021); naive.
    Estimand: ATT per unit-week, post cells weighted by cohort size; no interference.
    """
    plan = staggered("D7", n, seed, unit, weeks, starts, never, shares, level, noise, rho, buying)
    plan = replace(plan, gain=growing(size_of(effect, unit), growth, spread, plan))
    return rollout_market(plan, {}, "staggered starts by lot, effects that grow and differ by cohort")


def d8(
    n: int | None, seed: int, *, treated: int = 10, weeks: int = 20, start: int | None = None, effect: float = 0.0,
    sizes: str = "equal", size_sd: float = 0.6, visible: bool = True, treat: str = "largest", level: float = 6000.0,
    noise: float = 100.0, rho: float = 0.7, rho_treated: float | None = None,
) -> Market:  # fmt: skip
    """D8, few treated rooms with long-lived shocks: `treated` of n rooms start together at half time.

    y = level of the room + season + `noise` · size · AR(rho) + `effect` once started, no effect by default. Sizes are
    1 ("equal") or lognormal ("proportional", sd of the logarithm `size_sd`): the variance of a room is then
    proportional to its squared size. `visible` says whether its level is proportional to size too; `treat` whether the
    largest or the smallest rooms are treated, or a lot (as always with equal sizes). `rho_treated` (default `rho`) is
    the violation: shocks of treated rooms last longer, at the same variance, than those of the rooms they are held
    against.

    Valid: standard errors that hold with few treated clusters, or a refusal. Fails: clustered standard errors with
    few treated rooms; a plain permutation where the largest rooms are treated; all that learn the noise of treated
    rooms from the others where `rho_treated` differs.
    Estimand: ATT per room-week over the post cells; no interference.
    """
    n = whole("n", 60 if n is None else n, 4)
    if treated > n // 2:
        raise InputError(f"treated={treated} is more than half of the n={n} rooms", remedy=f"take at most {n // 2}")
    week = weeks // 2 if start is None else start
    within("start", (week,), weeks)
    size = room_sizes(seed, n, sizes, size_sd)
    order = stream(seed, "D8", "lot").permutation(n)
    if sizes == "proportional" and treat != "lot":
        order = np.argsort(-size if treat == "largest" else size, kind="stable")
    cohort = np.full(n, NEVER)
    cohort[order[:treated]] = 0
    lasting = np.where(cohort == NEVER, rho, rho if rho_treated is None else rho_treated)
    # A season of half a per cent leaves even the smallest room, a tenth of the median, with GMV to sell.
    base = room_base(seed, "D8", size if visible else np.ones(n), size, weeks, level, noise, lasting, season=0.005)
    gain = np.zeros((1, weeks))
    gain[0, week:] = effect
    plan = Rollout("D8", "room", seed, base, cohort, (week,), np.array([treated / n]), gain)
    return rollout_market(plan, {}, f"{treated} of {n} rooms treated, shocks that last, {sizes} sizes")


# --- pieces -------------------------------------------------------------------------------------------------


def units(n: int | None, unit: str, least: int) -> int:
    """Number of units: 200 rooms or 2,000 users unless it is given; users buy rarely, so that few would say nothing."""
    default, factor = (200, 1) if unit == "room" else (2000, 10)
    return whole("n", default if n is None else n, factor * least)


def within(name: str, starts: tuple[int, ...], weeks: int) -> None:
    """Starts must leave a week before and a week after."""
    if starts[-1] >= weeks:
        raise InputError(f"{name} holds week {starts[-1]}, but weeks={weeks} end with week {weeks - 1}")


def size_of(effect: float | None, unit: str) -> float:
    """GMV that the tactic adds to a unit-week: 200 for rooms, 4 for users, unless it is given."""
    return (200.0 if unit == "room" else 4.0) if effect is None else effect


def base_of(
    name: str, n: int, seed: int, unit: str, weeks: int, level: float, noise: float, rho: float, buying: float
) -> FloatArray:
    """What is sold, or how likely users buy, without the tactic."""
    if unit == "room":
        return room_base(seed, name, np.ones(n), np.ones(n), weeks, level, noise, rho)
    return user_base(seed, name, n, weeks, buying)


def staggered(
    name: str, n: int | None, seed: int, unit: str, weeks: int, starts: tuple[int, ...], never: float, shares: str,
    level: float, noise: float, rho: float, buying: float,
) -> Rollout:  # fmt: skip
    """Cohorts by lot, no effect yet."""
    n = units(n, unit, 20)
    within("starts", starts, weeks)
    each = [(1.0 - never) / len(starts)] * len(starts)
    cohort = lot(seed, name, n, each, shares)
    weight = np.array(each) if shares == "random" else np.bincount(cohort[cohort >= 0], minlength=len(starts)) / n
    base = base_of(name, n, seed, unit, weeks, level, noise, rho, buying)
    return Rollout(name, unit, seed, base, cohort, starts, weight, np.zeros((len(starts), weeks)))


def started(plan: Rollout) -> FloatArray:
    """Cohorts by weeks: 1 from the cohort's start on."""
    return (np.arange(plan.gain.shape[1]) >= np.asarray(plan.starts)[:, None]).astype(float)


def growing(effect: float, growth: float, spread: float, plan: Rollout) -> FloatArray:
    """Cohorts by weeks: effects that grow since the start and are larger for early cohorts."""
    event = np.arange(plan.gain.shape[1]) - np.asarray(plan.starts)[:, None]
    factor = np.linspace(1.0 + spread, 1.0 - spread, len(plan.starts))[:, None]
    return np.asarray(effect * factor * (1.0 + growth * event) * started(plan))


def room_sizes(seed: int, n: int, sizes: str, size_sd: float) -> FloatArray:
    """Sizes of rooms, of median 1."""
    if sizes == "equal":
        return np.ones(n)
    return np.exp(size_sd * stream(seed, "D8", "size").standard_normal(n))
