"""Trials of a coupon whose true effect on every user is known, drawn as what `uplift` sees.

A trial is four samples of one population: users who train the model, users for whom the plan is made, users who are
kept apart to judge both, and users of whom only features and true effects are known: the population in small, on which
the truth about a learned ranking or plan is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.trust.trials import SPLITS, Trial, trial

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

FEATURES = ("age", "recency", "tier", "noise")
BASKET = 40.0  # mean amount of a buyer whose recency is 0
EQUAL = 1.6  # what a coupon adds where it adds the same to everyone
TEST, PLAN, PEOPLE = 20_000, 5_000, 50_000
MARGIN = 0.5
# What the answer itself is to be held against, because it depends on what was learned.
LEARNED = (
    *("qini", "auuc", "autoc", "qini_robust", "autoc_robust", "top", "slope"),
    *("value", "value_weighted", "gain", "roi"),
)


@dataclass(frozen=True, eq=False)
class Samples:
    """What a trial is asked with.

    Attributes
    ----------
    train, plan, test : DataFrame
        Features, cost, and (but for `plan`) arm and outcome.
    people : DataFrame
        Features and cost of the population in small.
    effect : ndarray
        True effect on each of `people`.
    """

    train: pd.DataFrame
    plan: pd.DataFrame
    test: pd.DataFrame
    people: pd.DataFrame
    effect: FloatArray


def law(age: Any, recency: Any, tier: Any, effects: str) -> tuple[Any, Any, Any, Any]:
    """Chance of buying anything without and with a coupon, and the mean amount of a buyer without and with it.

    Where effects are to "differ" a coupon brings the young to buy, and the highest tier, who buy anyway, use it on what
    they would have bought; "equal" adds the same GMV to everyone; "none" does nothing.
    """
    without, amount = 0.06 + 0.04 * tier + 0.0 * age, BASKET * np.exp(0.5 * recency)
    more = {"differ": 0.1 * (1.0 - age) ** 2, "equal": EQUAL / amount, "none": 0.0}[effects]
    return without, without + more, amount, amount * (1.0 - 0.08 * (tier == 3) * (effects == "differ"))


@cache
def population(effects: str, sigma: float, nodes: int = 200) -> tuple[float, float]:
    """Mean effect on everyone, and the skewness of GMV without a coupon.

    Sums over tiers and over the midpoints of `nodes` steps of age and recency.

    Examples
    --------
    >>> effect, skewness = population("equal", 1.3)
    >>> round(effect, 6), skewness > 15
    (1.6, True)
    """
    mid = (np.arange(nodes) + 0.5) / nodes
    age, recency, tier = np.meshgrid(mid, mid, np.arange(4), indexing="ij")
    buys, given, amount, other = law(age, recency, tier, effects)
    m1, m2, m3 = (float((buys * amount**k).mean()) * math.exp((k * k - k) * sigma**2 / 2) for k in (1, 2, 3))
    spread = m2 - m1**2
    return float((given * other - buys * amount).mean()), (m3 - 3 * m1 * m2 + 2 * m1**3) / spread**1.5


def _people(rng: np.random.Generator, n: int) -> pd.DataFrame:
    import pandas as pd

    table = {"age": rng.random(n), "recency": rng.random(n), "tier": rng.integers(0, 4, n)}
    table["noise"] = rng.standard_normal(n)
    # A coupon of 8 yuan is redeemed the more often the higher the tier.
    return pd.DataFrame(table | {"cost": 8.0 * (0.1 + 0.05 * table["tier"])})


def _bought(rng: np.random.Generator, who: pd.DataFrame, arm: NDArray[Any], effects: str, sigma: float) -> FloatArray:
    """GMV of users who got a coupon (1) or not (0): nothing, or a lognormal amount around their mean."""
    without, given, amount, other = law(*_causes(who), effects)
    buys = rng.random(len(who)) < np.where(arm == 1, given, without)
    size = np.exp(sigma * rng.standard_normal(len(who)) - sigma**2 / 2)
    return np.asarray(buys * size * np.where(arm == 1, other, amount))


def _causes(who: pd.DataFrame) -> tuple[Any, Any, Any]:
    return who["age"].to_numpy(), who["recency"].to_numpy(), who["tier"].to_numpy()


def users(
    *,
    n: int | None,
    seed: int,
    sigma: float = 1.1,
    split: str = "50/50",
    effects: str = "differ",
    test: int = TEST,
) -> Trial:
    """Users by lot; most buy nothing, and what buyers spend is lognormal.

    Parameters
    ----------
    n : int
        Users who train the model; 20,000 if None.
    seed : int
    sigma : float
        Standard deviation of the logarithm of what a buyer spends.
    split : {"50/50", "10/90"}
        In a 10/90 split the treated arm is the smaller one.
    effects : {"differ", "equal", "none"}
        "differ": the young buy more often, and the highest tier, who buy anyway, spend less: some lose.
    test : int
        Users kept apart; 0 draws the training sample alone.
    """
    rng = np.random.default_rng(seed)
    share = 1 / (1 + SPLITS[split])

    def drawn(count: int) -> pd.DataFrame:
        who = _people(rng, count)
        arm = (rng.permutation(count) < round(share * count)).astype(int)
        return who.assign(coupon=arm, gmv=_bought(rng, who, arm, effects, sigma))

    train = drawn(n or 20_000)
    call: dict[str, Any] = {"treatment": "coupon", "features": list(FEATURES), "propensity": share}
    truth = {"ate": population(effects, sigma)[0]}
    if not test:
        return trial(train, truth, call)
    kept, plan, people = drawn(test), _people(rng, PLAN), _people(rng, PEOPLE)
    without, given, amount, other = law(*_causes(people), effects)
    call |= {"cost": "cost", "margin": MARGIN}
    truth |= dict.fromkeys(LEARNED, math.nan)
    return trial(Samples(train, plan, kept, people, np.asarray(given * other - without * amount)), truth, call)


def rooms(
    *, n: int | None, seed: int, users: float = 50.0, spread: float = 0.5, between: float = 0.2, sigma: float = 1.1
) -> Trial:
    """Rooms of unequal size, half of them treated by lot; a room's own level multiplies the chance that its users buy.

    Parameters
    ----------
    n : int
        Rooms; 40 if None.
    seed : int
    users, spread : float
        Median number of users of a room, and the standard deviation of its logarithm.
    between : float
        Standard deviation of the rooms' levels, which lie around 1.
    sigma : float
        Standard deviation of the logarithm of what a buyer spends.
    """
    count = n or 40
    rng = np.random.default_rng(seed)
    size = np.maximum(np.round(users * np.exp(spread * rng.standard_normal(count))), 2).astype(int)
    treated = rng.permutation(count) < count // 2
    level = rng.uniform(1 - math.sqrt(3) * between, 1 + math.sqrt(3) * between, count)
    room = np.repeat(np.arange(count), size)
    who = _people(rng, len(room))
    arm = treated[room].astype(int)
    kept = rng.random(len(room)) < level[room] / (1 + math.sqrt(3) * between)
    gmv = np.where(kept, _bought(rng, who, arm, "differ", sigma), 0.0)
    table = who.assign(room=room, coupon=arm, gmv=gmv)
    # The level scales every room's effect; its mean over users is 1 over the highest one.
    truth = {"ate": population("differ", sigma)[0] / (1 + math.sqrt(3) * between)}
    call = {"treatment": "coupon", "features": list(FEATURES), "propensity": 0.5, "cluster": "room"}
    return trial(table, truth, call)
