"""What the worlds of users share: four weeks before and four weeks from one assignment, orders at a rate of their own.

A user orders a Poisson number of times in each window; a tactic adds to the rate of the second. Baskets do not depend
on anything else, so that an effect on GMV is the effect on the rate times the mean basket, in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.simulate.amounts import Tail, lognormal_moment
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth
from gmvcausal.simulate.worlds.lines import ORIGIN, FloatArray, IntArray, clock, orders_frame, span_whole, stamps
from gmvcausal.simulate.worlds.rollout import BASKET

WINDOW = 28  # days, before and after
ASSIGNED = stamps(np.array([WINDOW * 86_400]))[0]
PLAIN = Tail(share=0.0)
PER_USER = "gross paid GMV per user in the 28 days from assignment"
OPTIONS: dict[str, Any] = {"pre": "28D", "post": "28D"}
ANCHOR = str(ASSIGNED)[:10]


def mean_basket(tail: Tail) -> float:
    """Mean worth of a basket."""
    return lognormal_moment(*BASKET, 1.0) * tail.moment(1.0)


def own_rates(seed: int, name: str, n: int, buying: float, activity_sd: float) -> FloatArray:
    """Lognormal ordering rates of users with mean `buying` per window."""
    activity = stream(seed, name, "activity").standard_normal(n)
    return np.asarray(buying * np.exp(activity_sd * activity - 0.5 * activity_sd**2))


def counts(seed: int, name: str, rate: FloatArray, gain: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Orders before, after without the tactic, and after with it: the last two share their draws.

    A gain adds a Poisson number of orders; a loss takes each order away with the same probability.
    """
    if (rate + gain).min() < 0:
        raise InputError(
            f"the dials give {int((rate + gain < 0).sum()):,} users a negative rate of ordering",
            remedy="take a smaller effect, or more buying=",
        )
    draws = stream(seed, name, "counts")
    before, after = draws.poisson(rate), draws.poisson(rate)
    kept = 1.0 + np.minimum(gain, 0.0) / np.maximum(rate, 1e-300)
    more = draws.poisson(np.maximum(gain, 0.0))
    return before, after, draws.binomial(after, np.clip(kept, 0.0, 1.0)) + more


def window_orders(seed: int, name: str, before: IntArray, after: IntArray, tail: Tail = PLAIN) -> pd.DataFrame:
    """Orders of users, `before` and `after` of them in the two windows, at times and of worth drawn alike."""
    if not before.any() or not after.any():
        raise InputError("no order falls into one of the two windows", remedy="raise n= or buying=")
    draws = stream(seed, name, "orders")
    user = np.repeat(np.arange(len(before)), before), np.repeat(np.arange(len(after)), after)
    days = draws.integers(0, WINDOW, len(user[0])), draws.integers(WINDOW, 2 * WINDOW, len(user[1]))
    seconds = clock(np.concatenate(days), draws)
    lines = len(seconds)
    basket = np.exp(BASKET[0] + BASKET[1] * draws.standard_normal(lines))
    basket = basket * tail.factor(draws.random(lines), draws.random(lines))
    cents = np.maximum(np.rint(basket * 100), 1).astype(np.int64)
    return orders_frame(np.concatenate(user), span_whole(seconds, 2 * WINDOW), cents)


def by_lot(seed: int, name: str, n: int, share: float) -> NDArray[np.bool_]:
    """Who is treated, each user by a lot of their own."""
    treated = stream(seed, name, "lot").random(n) < share
    if treated.all() or not treated.any():
        raise InputError(f"with n={n} one arm has no user", remedy="raise n=")
    return treated


def listed(**columns: NDArray[Any]) -> pd.DataFrame:
    """A users table: user, entry on the first day, and attributes."""
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"user": np.arange(n), "entry": np.full(n, ORIGIN), **columns})


def arms(labels: NDArray[Any]) -> pd.DataFrame:
    """Exposures with one assignment per user, the control group's too."""
    return pd.DataFrame({"user": np.arange(len(labels)), "tactic": labels, "start": ASSIGNED})


def only(labels: NDArray[Any], treated: NDArray[np.bool_]) -> pd.DataFrame:
    """Exposures of the treated alone; the others were never assigned anything."""
    return arms(labels)[treated].reset_index(drop=True)


def term(name: str, estimand: str, value: float, std_error: float = 0.0) -> Term:
    """A true number per user."""
    return Term(name, estimand, PER_USER, float(value), std_error)


def people_market(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    design: Design,
    terms: list[Term],
    target: str,
    note: str,
    users: pd.DataFrame | None = None,
) -> Market:
    """The market of a world of users, whose truth is known when it is made."""
    return Market(name, MarketLogs(tables, {}), design, partial(Truth, tuple(terms), target, None, users), note)
