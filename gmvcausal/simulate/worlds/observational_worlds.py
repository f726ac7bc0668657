"""D15 to D18: nobody drew lots, or the lot is not the question: thresholds, mediators, one series, a network."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gmvcausal.errors import InputError
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth
from gmvcausal.simulate.worlds.dials import whole
from gmvcausal.simulate.worlds.lines import ORIGIN, FloatArray, clock, orders_frame, span_whole
from gmvcausal.simulate.worlds.network import blocks, friends_treated
from gmvcausal.simulate.worlds.people import (
    ANCHOR,
    OPTIONS,
    PLAIN,
    WINDOW,
    arms,
    by_lot,
    counts,
    listed,
    mean_basket,
    only,
    people_market,
    term,
    window_orders,
)
from gmvcausal.simulate.worlds.rollout import BASKET, autoregression

CUTOFF = 300.0
FESTIVAL = np.datetime64("2026-11-11", "D")
SERIES = np.datetime64("2026-08-31", "D")  # a Monday


def d15(
    n: int | None, seed: int, *, effect: float = 30.0, slope: float = 0.3, bunching: float = 0.0, buying: float = 0.8,
) -> Market:  # fmt: skip
    """D15, a spend threshold: who spent 300 or more in the four weeks before is given a coupon.

    Spending before is one lognormal order (median 240, sd of the logarithm .6); the rate of ordering after it rises
    smoothly with it, and by effect(s) / (mean basket) from the threshold on, effect(s) = `effect` (1 + `slope`
    (s / 300 − 1)). `bunching` (default 0) is the violation: this share of the users 40 or less below the threshold top
    up to just above it, and they are users who order half as much again anyway; at .35 the density must show it.

    Valid: threshold at 300. Fails: the difference of means by coupon; threshold under bunching.
    Estimand: the effect at the threshold, per user. No interference.
    """
    n = whole("n", 20_000 if n is None else n, 500)
    draws = stream(seed, "D15", "score")
    wish = np.maximum(np.rint(100 * np.exp(np.log(240.0) + 0.6 * draws.standard_normal(n))), 1) / 100
    near = (wish >= CUTOFF - 40) & (wish < CUTOFF)
    moves = near & (draws.random(n) < bunching)
    score = np.where(moves, np.rint(100 * (CUTOFF + 20 * draws.random(n))) / 100, wish)
    treated = score >= CUTOFF
    if treated.all() or not treated.any():
        raise InputError(f"with n={n} nobody is on one side of the threshold", remedy="raise n=")
    rate = buying * (0.6 + 0.4 * wish / (wish + CUTOFF) * 2) * np.where(moves, 1.5, 1.0)
    gain = np.where(treated, effect * (1 + slope * (np.minimum(score, 2 * CUTOFF) / CUTOFF - 1)), 0.0)
    _, _, after = counts(seed, "D15", rate, gain / mean_basket(PLAIN))
    # One order of the first window is the score itself, so that spending before is the score.
    user = np.concatenate([np.arange(n), np.repeat(np.arange(n), after)])
    day = np.concatenate([draws.integers(0, WINDOW, n), draws.integers(WINDOW, 2 * WINDOW, int(after.sum()))])
    basket = np.exp(BASKET[0] + BASKET[1] * draws.standard_normal(len(user) - n))
    cents = np.maximum(np.rint(100 * np.concatenate([score, basket])), 1).astype(np.int64)
    orders = orders_frame(user, span_whole(clock(day, draws), 2 * WINDOW), cents)
    tables = {"orders": orders, "exposures": only(np.full(n, "vip"), treated), "users": listed(vip=treated.astype(int))}
    options = {**OPTIONS, "tactic": "vip", "anchor": ANCHOR}
    call = {"outcome": "gmv", "score": "gmv_pre", "cutoff": CUTOFF}
    terms = [
        term("at_threshold", "effect at the threshold", effect),
        Term("moved", "share of users who moved above the threshold", "share", float(moves.mean())),
    ]
    design = Design("threshold", "users", options, call)
    return people_market("D15", tables, design, terms, "at_threshold", "a coupon for who spent 300 or more")


def d16(
    n: int | None, seed: int, *, lift: float = 0.3, through: float = 40.0, direct: float = 5.0, hidden: float = 0.0,
    buying: float = 0.8, mediators: int = 1,
) -> Market:  # fmt: skip
    """D16, mediation: a raffle by lot moves interaction, and interaction moves GMV.

    Interaction: Bernoulli(.15 + .2 activity + `lift` · raffle), activity uniform on [0, 1] and recorded. Rate of
    ordering: `buying` (.5 + activity) + (`through` · interaction + `direct` · raffle) / (mean basket). With
    ``mediators=3`` two more: minutes watched, (10 + 5 activity + 6 raffle) times a gamma of shape 2 and mean 1, each
    worth .5 of GMV, and sharing, Bernoulli(.05 + .1 raffle), worth 30. `hidden` (default 0) is the violation: a sign
    that nobody recorded adds up to ±.1 to the probability of interacting and up to ±40 % of `buying` to the rate; at 1
    direct and indirect must be wrong while the total stays right.

    Valid: mediate with activity as covariate. Fails: the coefficient of interaction without it; everything but the
    total under `hidden`. Estimand: indirect effect, lift · through (3 by watching and by sharing); terms `direct` and
    `total`. No interference.
    """
    n = whole("n", 10_000 if n is None else n, 200)
    if mediators not in (1, 3):
        raise InputError(f"mediators must be 1 or 3, but is {mediators}")
    draws = stream(seed, "D16", "people")
    activity, sign = draws.random(n), np.where(draws.random(n) < 0.5, -1.0, 1.0)
    raffle = by_lot(seed, "D16", n, 0.5)
    chance = 0.15 + 0.2 * activity + 0.1 * hidden * sign + lift * raffle
    if chance.min() < 0 or chance.max() > 1:
        raise InputError("the dials give probabilities of interacting outside 0 to 1", remedy="take a smaller lift=")
    interacted = draws.random(n) < chance
    gain, moved = through * interacted + direct * raffle, {"interacted": interacted.astype(int)}
    indirect = {"interacted": ("interaction", lift * through)}
    if mediators == 3:
        more = stream(seed, "D16", "mediators")
        watched = (10 + 5 * activity + 6 * raffle) * more.gamma(2.0, 0.5, n)
        shared = more.random(n) < 0.05 + 0.1 * raffle
        gain = gain + 0.5 * watched + 30.0 * shared
        moved |= {"watched": watched, "shared": shared.astype(int)}
        indirect |= {"watched": ("watching", 3.0), "shared": ("sharing", 3.0)}
    rate = buying * (0.5 + activity + 0.4 * hidden * sign)
    before, _, after = counts(seed, "D16", rate, gain / mean_basket(PLAIN))
    tables = {
        "orders": window_orders(seed, "D16", before, after),
        "exposures": arms(np.where(raffle, "raffle", "control")),
        "users": listed(activity=activity, **moved),
    }
    options = {**OPTIONS, "features": ["activity", *moved]}
    call = {"outcome": "gmv", "treatment": "arm", "control": "control", "mediators": list(moved)}
    terms = [
        term("total", "total effect", direct + sum(worth for _, worth in indirect.values())),
        term("direct", "direct effect", direct),
        *(term(f"indirect:{name}", f"effect by way of {what}", worth) for name, (what, worth) in indirect.items()),
    ]
    design = Design("mediate", "users", options, {**call, "covariates": ["activity"]})
    return people_market("D16", tables, design, terms, "indirect:interacted", "a raffle that moves interaction")


def d17(
    n: int | None, seed: int, *, effect: float = 2000.0, festival: float = 8.0, shared: float = 1.0,
    level: float = 20000.0, noise: float = 400.0, rho: float = 0.5,
) -> Market:  # fmt: skip
    """D17, one platform with an 11.11 shock: a tactic starts on 2026-11-02, and 11.11 comes beside it.

    Daily GMV is `level` · week · f + noise of its own + `effect` once started, f = `festival` on 11.11, 1.6 in the
    week before and .75 in the two weeks after; a second series, not reached by the tactic, has half the level and the
    same movements. n is the number of days from 2026-08-31, at least 80. `shared` (default 1) is the violation: how
    much of the festival, beyond 1, the second series has too; at .5 what is left of 11.11 is read as an effect.

    Valid: before_after with the second series as control, said to have the festival too. Fails: without the series;
    without that word the audit refuses.
    Estimand: GMV per day added from the start on. No interference between the series.
    """
    days = whole("n", 91 if n is None else n, 80)
    at = SERIES + np.arange(days)
    start = np.datetime64("2026-11-02", "D")
    away = (at - FESTIVAL).astype(np.int64)
    shock = np.select([away == 0, (away >= -7) & (away < 0), (away > 0) & (away <= 14)], [festival, 1.6, 0.75], 1.0)
    week = 1.0 + 0.15 * np.sin(2 * np.pi * np.arange(days) / 7)
    market = 0.03 * autoregression(stream(seed, "D17", "market"), 1, days, 0.7)[0]
    own = noise * autoregression(stream(seed, "D17", "noise"), 2, days, rho)
    on = at >= start
    series = np.array([level * (week + market), 0.5 * level * (week + market)])
    series *= np.array([shock, 1.0 + shared * (shock - 1.0)])
    series += own * np.array([[1.0], [0.5]]) + np.array([effect * on, np.zeros(days)])
    if series.min() <= 0:
        raise InputError("the dials give negative GMV on some days", remedy="raise level=, or lower noise=")
    orders = _daily_orders(series, stream(seed, "D17", "orders"))
    rooms = np.array(["platform", "control"])
    first = SERIES.astype("datetime64[us]")
    tables = {
        "orders": orders.assign(room=rooms[orders["room"]], time=orders["time"] + (first - ORIGIN)),
        "exposures": pd.DataFrame({"room": rooms[:1], "tactic": "campaign", "start": start.astype("datetime64[us]")}),
        "rooms": pd.DataFrame({"room": rooms, "entry": first}),
    }
    options = {"unit": "room", "freq": "D", "origin": str(SERIES)}
    call = {"outcome": "gmv", "time": "period", "start": str(start), "controls": ["control"], "unit": "unit",
            "promotions_shared": True}  # fmt: skip
    truth = partial(d17_truth, effect, on)
    design = Design("before_after", "panel", options, call)
    return Market("D17", MarketLogs(tables, {}), design, truth, "one platform, an 11.11 shock, a series beside it")


def _daily_orders(series: FloatArray, draws: np.random.Generator, lines: int = 12) -> pd.DataFrame:
    """Order lines of each series and day, the last of each day an hour before midnight."""
    cents = np.rint(series * 100).astype(np.int64).ravel()
    share = np.floor(cents[:, None] * np.sort(draws.random((len(cents), lines)), axis=1)).astype(np.int64)
    share[:, -1] = cents
    parts = np.diff(share, axis=1, prepend=0).ravel()
    cell = np.repeat(np.arange(len(cents)), lines)
    days = cell % series.shape[1]
    seconds = np.where(np.arange(len(cell)) % lines == lines - 1, days * 86_400 + 82_800, clock(days, draws))
    return orders_frame(draws.integers(0, 5000, len(cell)), seconds, parts, room=cell // series.shape[1])


def d17_truth(effect: float, on: Any) -> Truth:
    """GMV per day, and of all days from the start on."""
    days = int(on.sum())
    what = "gross paid GMV per day"
    terms = (
        Term("att", "mean effect per day from the start on", what, effect),
        Term("total", "GMV added from the start on", "gross paid GMV", effect * days),
    )
    event = np.arange(len(on)) - int(np.argmax(on))
    study = pd.DataFrame({"event_time": event, "att": np.where(on, effect, 0.0), "n": 1})
    return Truth(terms, "att", study)


def d18(
    n: int | None, seed: int, *, direct: float = 8.0, spill: float = 8.0, degree: int = 8, block: int = 50,
    assigned: str = "user", buying: float = 0.8,
) -> Market:  # fmt: skip
    """D18, community spillover on a network: a tactic works on its users and on their friends.

    Users live in blocks of `block` and have about `degree` friends there. Half are treated by lot, user by user or
    (``assigned="block"``) block by block. Rate of ordering: `buying` + (`direct` · treated + `spill` · share of friends
    treated) / (mean basket).

    Valid: spillover, with the edges and the probability of treatment. Fails: the difference of means, which sees the
    direct effect alone (by user) or nearly the total (by block), and never says which.
    Estimands, all three stored: `total` everyone against nobody (target); `direct` one's own switch with the others as
    assigned; `realised` the assignment as it was against none; `spillover` all friends against none.
    """
    n = whole("n", 5_000 if n is None else n, 200)
    if block > n // 4:
        raise InputError(f"block={block} leaves fewer than four blocks of n={n} users", remedy="take smaller blocks")
    if degree >= block - 1:
        raise InputError(f"degree={degree} does not fit into blocks of {block} users", remedy="take larger blocks")
    edges = blocks(seed, n, degree, block)
    lots = by_lot(seed, "D18", n if assigned == "user" else -(-n // block), 0.5)
    treated = lots if assigned == "user" else lots[np.arange(n) // block]
    share, friends = friends_treated(edges, treated)
    gain = direct * treated + spill * share
    before, _, after = counts(seed, "D18", np.full(n, buying), gain / mean_basket(PLAIN))
    tables = {
        "orders": window_orders(seed, "D18", before, after),
        "exposures": only(np.full(n, "community"), treated),
        "users": listed(treated=treated.astype(int), block=np.arange(n) // block),
        "edges": pd.DataFrame({"user": edges[:, 0], "friend": edges[:, 1]}),
    }
    options = {**OPTIONS, "tactic": "community", "anchor": ANCHOR, "features": ["treated", "block"]}
    linked = float((friends > 0).mean())
    terms = [
        term("total", "everyone treated against nobody", direct + spill * linked),
        term("direct", "one's own switch, the others as assigned", direct),
        term("spillover", "all friends treated against none, oneself as assigned", spill * linked),
        term("realised", "the assignment as it was against none, mean over all users", float(gain.mean())),
    ]
    call = {"outcome": "gmv", "treatment": "treated", "unit": "user", "edges": tables["edges"], "probability": 0.5}
    users = pd.DataFrame({"user": np.arange(n), "cate": np.full(n, direct), "friends": friends, "share": share})
    design = Design("spillover", "users", options, call)
    return people_market("D18", tables, design, terms, "total", "friends of the treated buy more too", users)
