"""D1 to D4: randomised trials on users, on users with whales, on sessions within users, on rooms with users inside."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from gmvcausal.errors import InputError
from gmvcausal.simulate.amounts import Tail, lognormal_moment
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, Term
from gmvcausal.simulate.worlds.dials import whole
from gmvcausal.simulate.worlds.lines import clock, orders_frame, span_whole, stamps
from gmvcausal.simulate.worlds.people import (
    OPTIONS,
    PLAIN,
    WINDOW,
    arms,
    by_lot,
    counts,
    listed,
    mean_basket,
    own_rates,
    people_market,
    term,
    window_orders,
)
from gmvcausal.simulate.worlds.rollout import BASKET

LABELS = np.array(["control", "coupon"])
CALL = {"arm": "arm", "control": "control", "metrics": ["gmv"]}


def d1(
    n: int | None, seed: int, *, effect: float = 8.0, allocation: float = 0.5, buying: float = 0.8,
    activity_sd: float = 0.6, lost: float = 0.0,
) -> Market:  # fmt: skip
    """D1, A/B: each user draws an arm by a lot of their own.

    A user orders Poisson(rate) times in the four weeks before and Poisson(rate + `effect` / mean basket) times in the
    four weeks from assignment, the rate lognormal with mean `buying`; baskets are lognormal without whales.

    Valid: the difference of means, with or without the GMV before as a covariate. `lost` (default 0) is the violation:
    treated users vanish from the log with this probability, and the sample ratio must show it at .1.
    Estimand: ATE per user; no interference.
    """
    return _plain_trial("D1", n, seed, effect, allocation, buying, activity_sd, lost, PLAIN)


def d2(
    n: int | None, seed: int, *, effect: float = 8.0, allocation: float = 0.5, buying: float = 0.8,
    activity_sd: float = 0.6, whales: float = 0.01, truncated: bool = True,
) -> Market:  # fmt: skip
    """D2, A/B with whales: D1 with a share `whales` of baskets multiplied by a Pareto(1.8).

    ``truncated=True`` cuts the Pareto at 50; without it GMV has no variance. `allocation` .1 gives a small treated
    arm, where the tail is felt most.

    Valid: the difference of means where the tail is truncated; capped metrics beside it. Fails on purpose: every
    interval from a variance with ``truncated=False``.
    Estimand: ATE per user; no interference.
    """
    tail = replace(Tail(share=whales), limit=50.0 if truncated else math.inf)
    return _plain_trial("D2", n, seed, effect, allocation, buying, activity_sd, 0.0, tail)


def _plain_trial(
    name: str, n: int | None, seed: int, effect: float, allocation: float, buying: float, activity_sd: float,
    lost: float, tail: Tail,
) -> Market:  # fmt: skip
    n = whole("n", 10_000 if n is None else n, 200)
    treated = by_lot(seed, name, n, allocation)
    rate = own_rates(seed, name, n, buying, activity_sd)
    before, _, after = counts(seed, name, rate, np.where(treated, effect / mean_basket(tail), 0.0))
    tables = {
        "orders": window_orders(seed, name, before, after, tail),
        "exposures": arms(LABELS[treated.astype(int)]),
        "users": listed(treated=treated.astype(int)),
    }
    if lost:
        gone = np.flatnonzero(treated & (stream(seed, name, "lost").random(n) < lost))
        # The first and the last order say from when to when the log is known, so that their users stay.
        gone = np.setdiff1d(gone, tables["orders"]["user"].iloc[[0, -1]])
        tables = {key: table[~table["user"].isin(gone)].reset_index(drop=True) for key, table in tables.items()}
    call = {**CALL, "expected_ratio": {"control": 1 - allocation, "coupon": allocation}}
    terms = [term("ate", "ATE", effect)]
    return people_market(name, tables, Design("ab_test", "users", OPTIONS, call), terms, "ate", "users by lot")


def d3(
    n: int | None, seed: int, *, effect: float = 1.0, sessions: float = 4.0, sessions_lift: float = 0.0,
    activity_sd: float = 0.8, conversion: float = 0.05,
) -> Market:  # fmt: skip
    """D3, a ratio metric: GMV per session, with users by lot and sessions within users.

    A user has Poisson sessions in the window, the rate lognormal with mean `sessions` (times 1 + `sessions_lift` where
    treated), and orders in each with a probability that rises with the rate, from .5 to 1.5 times `conversion`, plus
    `effect` / (mean basket) where treated.

    Valid: the ratio of means with its variance over users (delta method), ``gc.Ratio("gmv", "sessions")``. Fails:
    sessions taken as independent rows (standard errors too small); the mean of users' own ratios, which is another
    estimand.
    Estimand: difference of GMV per session, ΣGMV/Σsessions; no interference.
    """
    n = whole("n", 5_000 if n is None else n, 200)
    treated = by_lot(seed, "D3", n, 0.5)
    rate = own_rates(seed, "D3", n, sessions, activity_sd)
    draws = stream(seed, "D3", "sessions")
    before, after = draws.poisson(rate), draws.poisson(np.where(treated, rate * (1.0 + sessions_lift), rate))
    owner = np.concatenate([np.repeat(np.arange(n), before), np.repeat(np.arange(n), after)])
    later = np.arange(len(owner)) >= before.sum()
    chance = conversion * (0.5 + rate / (rate + sessions))[owner]
    chance = chance + effect / mean_basket(PLAIN) * (treated[owner] & later)
    if chance.min() < 0 or chance.max() > 1:
        raise InputError("the dials give probabilities of ordering outside 0 to 1", remedy="take a smaller effect=")
    seconds = clock(draws.integers(0, WINDOW, len(owner)) + WINDOW * later, draws)
    ordered = draws.random(len(owner)) < chance
    basket = np.exp(BASKET[0] + BASKET[1] * draws.standard_normal(len(owner)))
    cents = np.maximum(np.rint(basket * 100), 1).astype(np.int64)
    bought = orders_frame(owner[ordered], span_whole(seconds[ordered], 2 * WINDOW), cents[ordered])
    tables = {
        "orders": bought,
        "exposures": arms(LABELS[treated.astype(int)]),
        "users": listed(sessions=after, sessions_pre=before, treated=treated.astype(int)),
        "sessions": pd.DataFrame({"user": owner, "time": stamps(seconds), "ordered": ordered.astype(int)}),
    }
    options = {**OPTIONS, "features": ["sessions", "sessions_pre"]}
    unit = "gross paid GMV per session"
    terms = [Term("ratio", "difference of GMV per session", unit, effect)]
    call = {"arm": "arm", "control": "control"}
    return people_market("D3", tables, Design("ab_test", "users", options, call), terms, "ratio", "sessions in users")


def d4(
    n: int | None, seed: int, *, rooms: int = 20, icc: float = 0.05, effect: float = 8.0, buying: float = 0.8,
) -> Market:  # fmt: skip
    """D4, rooms randomised with users inside: half of `rooms` rooms (10, 20, 50) are treated by lot.

    Users of a room order at the rate `buying` + b + `effect` / (mean basket), b uniform around 0 and common to the
    room, so that `icc` of the variance of users' GMV lies between rooms. Rooms are of equal size.

    Valid: the difference of means clustered by room, with small-sample quantiles. Fails: users taken as independent,
    the more the larger `icc`.
    Estimand: ATE per user; no interference between rooms.
    """
    n = whole("n", 5_000 if n is None else n, 200)
    if rooms > n // 2:
        raise InputError(f"rooms={rooms} is more than half of the n={n} users", remedy=f"take at most {n // 2}")
    within = buying * lognormal_moment(*BASKET, 2.0)
    width = math.sqrt(3 * icc / (1 - icc) * within) / mean_basket(PLAIN)
    if width > buying:
        raise InputError(
            f"icc={icc:g} would give rooms a negative rate of ordering", remedy="take a smaller icc=, or more buying="
        )
    shift = stream(seed, "D4", "rooms").uniform(-width, width, rooms)
    room = np.arange(n) % rooms
    on = np.isin(room, stream(seed, "D4", "lot").permutation(rooms)[: rooms // 2])
    gain = np.where(on, effect / mean_basket(PLAIN), 0.0)
    before, _, after = counts(seed, "D4", buying + shift[room], gain)
    tables = {
        "orders": window_orders(seed, "D4", before, after),
        "exposures": arms(LABELS[on.astype(int)]),
        "users": listed(room=room, treated=on.astype(int)),
    }
    design = Design("ab_test", "users", {**OPTIONS, "features": ["room"]}, {**CALL, "cluster": "room"})
    terms = [term("ate", "ATE", effect), Term("icc", "share of the variance between rooms", "share", icc)]
    return people_market("D4", tables, design, terms, "ate", f"{rooms} rooms by lot, users inside")
