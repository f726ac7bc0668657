"""D11 to D14: who gets a coupon depends on who they are, and what it does too; pushes that do not arrive."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth
from gmvcausal.simulate.worlds.dials import whole
from gmvcausal.simulate.worlds.lines import FloatArray, IntArray
from gmvcausal.simulate.worlds.people import (
    ANCHOR,
    ASSIGNED,
    OPTIONS,
    PLAIN,
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

FEATURES = ["tier", "recency", "price"]
TIERS = np.arange(4)
VALUES = (5, 10, 20)


@dataclass(frozen=True, eq=False)
class Crowd:
    """Users and what explains them: spend tier 0 to 3, recency and price sensitivity in [0, 1], a hidden sign."""

    tier: IntArray
    recency: FloatArray
    price: FloatArray
    hidden: FloatArray


def crowd(seed: int, name: str, n: int) -> Crowd:
    """Independent and uniform each, so that every population mean is a sum over tiers and an integral over [0, 1]."""
    draws = stream(seed, name, "crowd")
    sign = np.where(draws.random(n) < 0.5, -1.0, 1.0)
    return Crowd(draws.integers(0, 4, n), draws.random(n), draws.random(n), sign)


def base_rate(who: Crowd, buying: float, hidden: float) -> FloatArray:
    """Rates with mean `buying`: higher tiers and recent visitors order more, and so does who hides a cause."""
    lean = 0.25 * (who.tier - 1.5) + 0.5 * (who.recency - 0.5)
    return np.asarray(buying * (1.0 + lean + 0.2 * np.sign(hidden) * who.hidden * min(abs(hidden), 1.0)))


def cate(tier: Any, recency: Any, price: Any, effect: float, heterogeneity: float, shape: str) -> FloatArray:
    """Effect on GMV of a user: larger for the price sensitive, smaller (or a loss) for high tiers who buy anyway."""
    if shape == "linear":
        return np.asarray(effect * (1.0 + heterogeneity * (2.0 * price - 1.0 - (tier - 1.5) / 3.0)))
    reached = (price > 0.6) & (recency > 0.4)
    return np.asarray(effect * (1.0 + heterogeneity * (4.0 * reached - 1.0) - heterogeneity * (tier == 3)))


def propensity(tier: Any, recency: Any, hidden: Any, steepness: float, psi: float, clip: float) -> FloatArray:
    """Probability of a coupon: clip σ(−1 + `steepness` (.8 tier + .4 recency) + ψ hidden), both standardised."""
    lean = 0.8 * (tier - 1.5) / np.sqrt(1.25) + 0.4 * (recency - 0.5) * np.sqrt(12.0)
    return np.asarray(np.clip(1.0 / (1.0 + np.exp(1.0 - steepness * lean - psi * hidden)), clip, 1.0 - clip))


def population(
    effect: float, heterogeneity: float, shape: str, steepness: float, psi: float, clip: float, nodes: int = 200
) -> dict[str, float]:
    """Mean effect on everyone, on the treated and under overlap weights, and the share treated.

    Sums over tiers and the hidden sign, and over the midpoints of `nodes` steps of recency and of price: exact where
    the effect is linear or steps on their edges, and within 1e-5 for the smooth probability.
    """
    mid = (np.arange(nodes) + 0.5) / nodes
    tier, recency, price, sign = np.meshgrid(TIERS, mid, mid, np.array([-1.0, 1.0]), indexing="ij", sparse=True)
    own = cate(tier, recency, price, effect, heterogeneity, shape)
    own = own.mean(axis=2, keepdims=True)  # price has no part in the probability
    e = propensity(tier, recency, sign, steepness, psi, clip)
    own, e = np.broadcast_arrays(own, e)
    means = {name: float((w * own).sum() / w.sum()) for name, w in (("att", e), ("overlap", e * (1 - e)))}
    return {"ate": float(own.mean()), **means, "treated": float(e.mean())}


def d11(
    n: int | None, seed: int, *, effect: float = 10.0, heterogeneity: float = 1.0, shape: str = "linear",
    hidden: float = 0.0, buying: float = 0.8,
) -> Market:  # fmt: skip
    """D11, targeted coupons with the probability recorded: P(coupon) = clip σ(−1 + .8 tier + .4 recency).

    Users order Poisson(rate) times, the rate rising with tier and recency; a coupon adds CATE / (mean basket), with
    CATE = `effect` (1 + `heterogeneity` (2 price − 1 − (tier − 1.5) / 3)) ("linear"), or steps in price, recency and
    tier ("steps"). `hidden` (default 0) is the violation: a cause that nobody recorded moves both the log odds of a
    coupon, by so much, and the rate of ordering; at 1 every adjusted estimate must be wrong.

    Valid: AIPW and learners with the recorded probability or the features. Fails: the difference of means.
    Estimand: ATE per user; terms `att` and `overlap` beside it; `truth.users` has the CATE. No interference.
    """
    return _targeted("D11", n, seed, effect, heterogeneity, shape, hidden, buying, 1.0, 0.05, "ate")


def d13(
    n: int | None, seed: int, *, effect: float = 10.0, heterogeneity: float = 1.0, shape: str = "linear",
    steepness: float = 3.0, buying: float = 0.8,
) -> Market:  # fmt: skip
    """D13, weak overlap: D11 with the lean of the probability multiplied by `steepness`, clipped at .001.

    Valid: overlap weights (the call's estimand). Fails: ATE and ATT by weighting, which rest on a few users with
    probabilities near 0 or 1; the audit must say so.
    Estimand: the effect on the population weighted by e (1 − e). No interference.
    """
    return _targeted("D13", n, seed, effect, heterogeneity, shape, 0.0, buying, steepness, 0.001, "overlap")


def _targeted(
    name: str, n: int | None, seed: int, effect: float, heterogeneity: float, shape: str, hidden: float,
    buying: float, steepness: float, clip: float, target: str,
) -> Market:  # fmt: skip
    n = whole("n", 10_000 if n is None else n, 200)
    who = crowd(seed, name, n)
    own = cate(who.tier, who.recency, who.price, effect, heterogeneity, shape)
    chance = propensity(who.tier, who.recency, who.hidden, steepness, hidden, clip)
    treated = stream(seed, name, "lot").random(n) < chance
    rate = base_rate(who, buying, hidden)
    before, _, after = counts(seed, name, rate, np.where(treated, own / mean_basket(PLAIN), 0.0))
    recorded = propensity(who.tier, who.recency, who.hidden, steepness, 0.0, clip)
    users = listed(tier=who.tier, recency=who.recency, price=who.price, propensity=recorded)
    tables = {
        "orders": window_orders(seed, name, before, after),
        "exposures": only(np.full(n, "coupon"), treated),
        "users": users,
    }
    options = {**OPTIONS, "tactic": "coupon", "anchor": ANCHOR, "features": [*FEATURES, "propensity"]}
    call: dict[str, Any] = {"treatment": "arm", "control": "none", "features": [*FEATURES, "gmv_pre"]}
    call |= {"outcome": "gmv", "propensity": "propensity"} | ({"estimand": target} if target != "ate" else {})
    users = users.drop(columns="entry").assign(cate=own, treated=treated.astype(int))
    truth = partial(targeted_truth, (effect, heterogeneity, shape, steepness, hidden, clip), target, users)
    design = Design("uplift", "users", options, call)
    return Market(name, MarketLogs(tables, {}), design, truth, "coupons by tier and recency, the probability recorded")


def targeted_truth(dials: tuple[Any, ...], target: str, users: pd.DataFrame) -> Truth:
    """Population means of the effect, weighted as each estimand says."""
    value = population(*dials)
    terms = (
        term("ate", "ATE", value["ate"]),
        term("att", "ATT", value["att"]),
        term("overlap", "effect weighted by e(1 − e)", value["overlap"]),
        Term("treated", "share of users with a coupon", "share", value["treated"]),
    )
    return Truth(terms, target, None, users)


def d12(
    n: int | None, seed: int, *, effect: float = 10.0, heterogeneity: float = 1.0, buying: float = 0.8,
) -> Market:  # fmt: skip
    """D12, several coupon values: 5, 10 and 20 yuan or none, by lot with probabilities .2, .2, .2 and .4.

    A coupon of value v adds CATE · log(1 + v / 10) / log 2 of GMV, CATE as in D11 ("linear"): more yuan add less each.

    Valid: comparisons of each arm with none. Estimand: ATE per user of each value, the target that of 10 yuan;
    `truth.users` has the CATE of each. No interference.
    """
    n = whole("n", 10_000 if n is None else n, 200)
    who = crowd(seed, "D12", n)
    own = cate(who.tier, who.recency, who.price, effect, heterogeneity, "linear")
    scale = np.log1p(np.array([0, *VALUES]) / 10) / np.log(2.0)
    drawn = np.searchsorted([0.4, 0.6, 0.8], stream(seed, "D12", "lot").random(n), side="right")
    gain = np.asarray(own * scale[drawn] / mean_basket(PLAIN), dtype=float)
    labels = np.array(["none", *(f"coupon_{v}" for v in VALUES)])
    before, _, after = counts(seed, "D12", base_rate(who, buying, 0.0), gain)
    users = listed(tier=who.tier, recency=who.recency, price=who.price)
    tables = {
        "orders": window_orders(seed, "D12", before, after),
        "exposures": only(labels[drawn], drawn > 0),
        "users": users,
    }
    options = {**OPTIONS, "anchor": ANCHOR, "features": FEATURES}
    shares = dict(zip(labels.tolist(), [0.4, 0.2, 0.2, 0.2], strict=True))
    call = {"outcome": "gmv", "treatment": "arm", "control": "none", "features": [*FEATURES, "gmv_pre"]}
    terms = [term(f"ate:{labels[k]}", f"ATE of {labels[k]}", effect * scale[k]) for k in (1, 2, 3)]
    effects = {f"cate:{labels[k]}": own * scale[k] for k in (1, 2, 3)}
    truth = users.drop(columns="entry").assign(cate=own, **effects, arm=labels[drawn])
    design = Design("uplift", "users", options, {**call, "propensity": shares})
    return people_market("D12", tables, design, terms, "ate:coupon_10", "coupon values by lot", truth)


def d14(
    n: int | None, seed: int, *, effect: float = 15.0, direct: float = 0.0, appetite: float = 0.5,
    reach: float = 1.0, unsent: float = 0.0, buying: float = 0.8,
) -> Market:  # fmt: skip
    """D14, pushes assigned against delivered: assigned to half by lot, delivered to those who can be reached.

    Android users (half) can be reached with probability .9 · .85, iOS users with .45 · .85, both times `reach` (default
    1; small: a weak instrument). Who can be reached orders at a rate higher by the share `appetite`, whatever the push;
    a delivered push adds `effect` / (mean basket). Of those who can be reached the share `unsent` (default 0) has the
    push without having been assigned, and moves no instrument.

    Valid: iv with the assignment as instrument (LATE: the effect on those whom it reaches); the difference by
    assignment for the term `itt`. Fails: delivered against not delivered. `direct` (default 0) is the violation: GMV
    that an assigned push adds where it is not delivered.
    Estimand: LATE per user. No interference.
    """
    n = whole("n", 10_000 if n is None else n, 200)
    draws = stream(seed, "D14", "reach")
    android = draws.random(n) < 0.5
    reachable = draws.random(n) < reach * np.where(android, 0.9, 0.45) * 0.85
    sent = by_lot(seed, "D14", n, 0.5)
    delivered = (sent | (draws.random(n) < unsent)) & reachable
    rate = np.asarray(buying * (1.0 + appetite * reachable), dtype=float)
    gain = np.asarray((effect * delivered + direct * (sent & ~reachable)) / mean_basket(PLAIN), dtype=float)
    before, _, after = counts(seed, "D14", rate, gain)
    platform = np.where(android, "android", "ios")
    tables = {
        "orders": window_orders(seed, "D14", before, after),
        "exposures": arms(np.where(sent, "push", "control")),
        "users": listed(platform=platform, sent=sent.astype(int), delivered=delivered.astype(int)),
        "pushes": pd.DataFrame({"user": np.flatnonzero(sent), "time": ASSIGNED, "delivered": delivered[sent]}),
    }
    options = {**OPTIONS, "features": ["platform", "sent", "delivered"]}
    reached = reach * 0.85 * (0.9 + 0.45) / 2
    share = reached * (1 - unsent)
    terms = [
        term("late", "LATE, the effect on users whom assignment reaches", effect),
        term("itt", "effect of assignment", share * effect + (1 - reached) * direct),
        Term("share", "share of users whom assignment reaches", "share", share),
    ]
    call = {"outcome": "gmv", "treatment": "delivered", "instrument": "sent"}
    return people_market("D14", tables, Design("iv", "users", options, call), terms, "late", "pushes that may not come")
