"""What the roll-out worlds share: who starts when, outcomes without and with the tactic, the truth by cohort and week.

Effects are a matrix of cohorts by weeks, added to what is sold (rooms) or to the probability of buying (users), so
that parallel trends hold in levels and every truth is a weighted mean of that matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.simulate.amounts import Tail, lognormal_moment
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth
from gmvcausal.simulate.worlds.lines import ORIGIN, FloatArray, IntArray, room_orders, user_orders, week_start

NEVER = -1
TAIL = Tail()
BASKET = (4.4, 0.8)  # mean and standard deviation of the logarithm of a basket
BASKET_MEAN = lognormal_moment(*BASKET, 1.0) * TAIL.moment(1.0)


@dataclass(frozen=True, eq=False)
class Rollout:
    """A roll-out before any noise of buying: potential outcomes and starts.

    Attributes
    ----------
    name, unit : str
        World and unit ("room" or "user").
    seed : int
    base : ndarray, shape (n, weeks)
        Without the tactic: GMV of a room, probability of buying of a user.
    cohort : ndarray, shape (n,)
        Index into `starts`; NEVER for units never treated.
    starts : tuple of int
        Week of each cohort's start.
    shares : ndarray, shape (cohorts,)
        Share of each cohort among all units, as designed (random lots) or as it came out (fixed lots).
    gain : ndarray, shape (cohorts, weeks)
        Mean GMV that the tactic adds to a unit-week.
    spilled : ndarray, shape (n, weeks), or None
        What others' treatment adds to each unit and week.
    """

    name: str
    unit: str
    seed: int
    base: FloatArray
    cohort: IntArray
    starts: tuple[int, ...]
    shares: FloatArray
    gain: FloatArray
    spilled: FloatArray | None = None

    @property
    def effect(self) -> FloatArray:
        """GMV that the tactic adds to each unit and week in the mean; no noise is in it."""
        padded = np.vstack([self.gain, np.zeros(self.gain.shape[1])])  # NEVER is the last row
        return padded[self.cohort] if self.spilled is None else padded[self.cohort] + self.spilled


def lot(seed: int, name: str, n: int, shares: Sequence[float], how: str) -> IntArray:
    """Cohort of each unit by lot: each unit by itself ("random"), or with the numbers of units given ("fixed")."""
    draws = stream(seed, name, "lot")
    if how == "random":
        edges = np.cumsum(shares)
        drawn = np.searchsorted(edges, draws.random(n), side="right")
        return np.where(drawn == len(edges), NEVER, drawn)
    counts = np.rint(np.cumsum(shares) * n).astype(np.int64)
    place = draws.permutation(n)
    drawn = np.searchsorted(counts, place, side="right")
    return np.where(drawn == len(counts), NEVER, drawn)


def autoregression(draws: np.random.Generator, n: int, weeks: int, rho: float | FloatArray) -> FloatArray:
    """Stationary AR(1) of variance 1, one row per unit; `rho` of all units or of each."""
    out = draws.standard_normal((n, weeks))
    fresh = np.sqrt(1.0 - rho * rho)
    for t in range(1, weeks):
        out[:, t] = rho * out[:, t - 1] + fresh * out[:, t]
    return out


def room_base(
    seed: int,
    name: str,
    size: FloatArray,
    spread: FloatArray,
    weeks: int,
    level: float,
    noise: float,
    rho: float | FloatArray,
    season: float = 0.03,
) -> FloatArray:
    """Weekly GMV of rooms without the tactic: level · size + season + noise · spread · AR(rho).

    Levels are lognormal (sd of the logarithm .2) around `level` · `size`; the season, common to all rooms, is a cycle
    of four weeks and a shock per week, each `season` of `level`.
    """
    n = len(size)
    mu = level * size * np.exp(0.2 * stream(seed, name, "level").standard_normal(n))
    common = np.sin(np.pi * np.arange(weeks) / 2) + stream(seed, name, "season").standard_normal(weeks)
    shock = autoregression(stream(seed, name, "shock"), n, weeks, rho)
    return np.asarray(mu[:, None] + season * level * common + noise * spread[:, None] * shock)


def user_base(seed: int, name: str, n: int, weeks: int, buying: float) -> FloatArray:
    """Weekly probability of buying of users: a level of its own, uniform on [.5, 1.5] · `buying`, and a season."""
    own = buying * stream(seed, name, "level").uniform(0.5, 1.5, n)
    season = buying * stream(seed, name, "season").uniform(-0.2, 0.2, weeks)
    return own[:, None] + season


def outcomes(plan: Rollout, treated: bool = True) -> FloatArray:
    """GMV by unit and week, with the tactic as rolled out or (``treated=False``) without it, from the same draws."""
    if plan.unit == "room":
        return plan.base + plan.effect if treated else plan.base
    bought = purchases(plan, treated)
    return np.where(bought, baskets(plan.seed, plan.name, *plan.base.shape), 0.0)


def purchases(plan: Rollout, treated: bool = True) -> NDArray[np.bool_]:
    """Who buys in which week: a uniform per user and week against the probability of buying."""
    chance = plan.base + (plan.effect / BASKET_MEAN if treated else 0.0)
    if chance.min() < 0 or chance.max() > 1:
        raise InputError(
            f"the dials give probabilities of buying from {chance.min():.3g} to {chance.max():.3g}",
            remedy="take a smaller effect=, or another buying=",
        )
    return np.asarray(stream(plan.seed, plan.name, "purchase").random(chance.shape) < chance)


def baskets(seed: int, name: str, n: int, weeks: int, tail: Tail = TAIL) -> FloatArray:
    """What each user's basket of the week is worth, were it bought."""
    draws = stream(seed, name, "basket")
    basket = np.exp(BASKET[0] + BASKET[1] * draws.standard_normal((n, weeks)))
    return basket * tail.factor(draws.random((n, weeks)), draws.random((n, weeks)))


def rollout_logs(plan: Rollout) -> MarketLogs:
    """Orders, exposures and the list of units of a roll-out."""
    n, weeks = plan.base.shape
    draws = stream(plan.seed, plan.name, "orders")
    if plan.unit == "room":
        gmv = outcomes(plan)
        if gmv.min() < 0:
            raise InputError(
                f"the dials give negative GMV in {int((gmv < 0).sum()):,} room-weeks", remedy="raise level=, or lower "
                "noise=, size_sd= or the size of the effect"
            )  # fmt: skip
        orders = room_orders(gmv, draws)
    else:
        orders = user_orders(purchases(plan), baskets(plan.seed, plan.name, n, weeks), draws)
    return MarketLogs({"orders": orders, **exposed(plan.unit, plan.cohort, plan.starts)}, {})


def exposed(unit: str, cohort: IntArray, starts: Sequence[int]) -> dict[str, pd.DataFrame]:
    """The tables of exposures and of units (all there from the first week on)."""
    treated = np.flatnonzero(cohort != NEVER)
    start = week_start(np.asarray(starts)[cohort[treated]])
    exposures = pd.DataFrame({unit: treated, "tactic": "rollout", "start": start})
    units = pd.DataFrame({unit: np.arange(len(cohort)), "entry": np.full(len(cohort), ORIGIN)})
    return {"exposures": exposures, f"{unit}s": units}


def rollout_truth(
    unit: str, starts: tuple[int, ...], shares: FloatArray, counts: IntArray, gain: FloatArray, named: str = "overall"
) -> Truth:
    """Every truth of a roll-out from the matrix of effects by cohort and week.

    Parameters
    ----------
    unit : str
    starts : tuple of int
    shares : ndarray, shape (cohorts,)
        Weights of the cohorts.
    counts : ndarray, shape (cohorts,)
        Units in each cohort as it came out.
    gain : ndarray, shape (cohorts, weeks)
    named : str
        What stands behind ATT in the target's estimand.
    """
    weeks = gain.shape[1]
    event = np.arange(weeks) - np.asarray(starts)[:, None]
    after = event >= 0
    what = f"gross paid GMV per {unit}-week"
    terms = [Term("att", f"ATT, {named}: post cells weighted by cohort size", what, weighted(gain, shares, after))]
    rows = []
    for e in range(int(event.min()), int(event.max()) + 1):
        at = event == e
        if at.any():
            rows.append((e, weighted(gain, shares, at), int(counts[at.any(axis=1)].sum())))
    study = pd.DataFrame(rows, columns=["event_time", "att", "n"])
    later = study.loc[study["event_time"] >= 0, "att"]
    terms.append(Term("event_time_average", "ATT, plain mean over event times from 0 on", what, float(later.mean())))
    for g, week in enumerate(starts):
        terms.append(Term(f"cohort:{week}", f"ATT of the cohort of week {week}", what, float(gain[g, after[g]].mean())))
    total = float(counts @ gain.sum(axis=1))
    terms.append(Term("total", "GMV added to the treated units in all weeks", "gross paid GMV", total))
    return Truth(tuple(terms), "att", study)


def weighted(gain: FloatArray, shares: FloatArray, cells: NDArray[np.bool_]) -> float:
    """Mean effect over the chosen cells, each weighted by the share of its cohort."""
    weight = shares[:, None] * cells
    return float((weight * gain).sum() / weight.sum())


def rollout_market(plan: Rollout, call: Mapping[str, Any], note: str, named: str = "overall") -> Market:
    """Logs, design and truth of a roll-out."""
    counts = np.bincount(plan.cohort[plan.cohort != NEVER], minlength=len(plan.starts))
    if (counts == 0).any() or counts.sum() == len(plan.cohort):
        raise InputError(
            f"with n={len(plan.cohort)} some cohort, or the never treated, have no {plan.unit}", remedy="raise n="
        )
    truth = partial(rollout_truth, plan.unit, plan.starts, plan.shares, counts, plan.gain, named)
    design = Design("did", "panel", {"unit": plan.unit, "freq": "W", "origin": str(ORIGIN)[:10]}, dict(call))
    return Market(plan.name, rollout_logs(plan), design, truth, note)
