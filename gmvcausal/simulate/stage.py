"""What is the same for all users: rooms and hosts, the calendar, shocks, who adopts when, and the two constants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from gmvcausal.errors import InputError
from gmvcausal.simulate import calendar
from gmvcausal.simulate.amounts import FloatArray, Tail
from gmvcausal.simulate.dials import Dials
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.tactics import unit_of

IntArray = NDArray[np.int64]
CITIES = ("Beijing", "Chengdu", "Chongqing", "Guangzhou", "Hangzhou", "Shanghai", "Shenzhen", "Wuhan")
CATEGORIES = ("food", "beauty", "home", "electronics")
BLOCK = 4096
LONG = 90  # days after the start for which long-term GMV is counted
NEVER = 10**6
EVE = 14  # days lived before the log begins, so that it does not begin with empty stocks and habits


@dataclass(frozen=True)
class Plan:
    """What was asked for; small, and all that another process needs."""

    users: int
    rooms: int
    days: int
    tactics: tuple[str, ...]
    seed: int
    start: dt.date
    dials: Dials

    @property
    def blocks(self) -> int:
        """Users come in blocks of a fixed size, so that no draw depends on how work is shared out."""
        return -(-self.users // BLOCK)

    @cached_property
    def units(self) -> dict[str, str]:
        """The unit to which each tactic is assigned."""
        return {tactic: unit_of(tactic, self.dials) for tactic in self.tactics}

    @property
    def start_day(self) -> int:
        """First day of tactics that are assigned to users."""
        asked = self.dials.start_day
        return max(self.days // 2, 1) if asked is None else asked

    def first_of(self, tactic: str) -> int:
        """First day on which anybody is under a tactic."""
        return self.start_day if self.units[tactic] == "user" else int(self.dials.adopt[0])

    @property
    def first(self) -> int:
        """First day on which any tactic is at work; users' recency is taken the day before."""
        return min(self.first_of(tactic) for tactic in self.tactics)

    def horizon(self, tactic: str) -> int:
        """Day before which long-term GMV is counted."""
        return max(self.days, self.first_of(tactic) + LONG)

    @property
    def freq(self) -> str:
        """Periods of the panel of rooms: weeks where every adoption falls on the first day of one, else days.

        Weeks also need a whole one before the first adoption and a whole one after it.
        """
        adopt = self.dials.adopt
        whole = len({day % 7 for day in adopt}) == 1 and adopt[0] >= 7 and self.days - adopt[0] >= 7
        return "W" if whole else "D"

    @property
    def never_rooms(self) -> int:
        """Rooms that never adopt."""
        return round(self.dials.never * self.rooms)

    def check(self) -> None:
        """Refuse a plan whose tactics do not fit into its days, or under which nobody would come."""
        levels = set(self.units.values())
        if self.days < 2:
            raise InputError(
                f"days is {self.days}, but a tactic needs a day before it and a day under it",
                remedy="ask for more days",
            )
        if "user" in levels and self.start_day >= self.days:
            raise InputError(
                f"the tactics start on day {self.start_day}, but the log ends with day {self.days - 1}",
                remedy="lower the dial start_day, or ask for more days",
            )
        if "room" in levels and self.dials.adopt[-1] >= self.days:
            few = tuple(sorted({max(self.days * k // 4, 1) for k in (1, 2, 3)}))
            raise InputError(
                f"rooms adopt up to day {self.dials.adopt[-1]:.0f}, but the log ends with day {self.days - 1}",
                remedy=f"ask for more days, or turn the dial adopt, for example adopt={few}",
            )
        if "room" in levels and self.never_rooms >= self.rooms:
            raise InputError(
                f"with never={self.dials.never:g} none of the {self.rooms} rooms ever adopts",
                remedy="lower the dial never, or ask for more rooms",
            )
        if "user" in levels and self.dials.targeting == "lot" and self.dials.treated_share == 0:
            raise InputError(
                "with treated_share=0 no user is ever treated",
                remedy="raise the dial treated_share; for a market without an effect write strength=0",
            )


@dataclass(frozen=True, eq=False)
class Stage:
    """The rooms and the calendar of a plan.

    Attributes
    ----------
    host, refund, city, category : array, shape (rooms,)
        Skill of the host (standard normal), chance of a refund, index of the city and of the category (0 is apparel).
    popularity : array, shape (rooms,)
        Cumulative chances of being somebody's home room.
    opens : array, shape (rooms,)
        Hour at which the daily session begins.
    appeal, price : array, shape (rooms, days)
        Shift of the log odds of showing up, and the price level of the session.
    visit, order : array, shape (days,)
        Shifts of the log odds of showing up and of ordering by the calendar.
    adopted : dict of tactic to array, shape (rooms,)
        Day of adoption, `NEVER` where there is none.
    phase : array, shape (rooms,)
        Day within the cycle of flash sales on which a room has its own.
    """

    plan: Plan
    host: FloatArray
    refund: FloatArray
    city: IntArray
    category: IntArray
    popularity: FloatArray
    opens: IntArray
    appeal: FloatArray
    price: FloatArray
    visit: FloatArray
    order: FloatArray
    adopted: dict[str, IntArray]
    phase: IntArray
    visit_base: float
    order_base: float
    tail: Tail

    def calendar(self, day: int) -> tuple[float, float]:
        """What the calendar adds to the log odds of showing up and of ordering; nothing before the log."""
        return (float(self.visit[day]), float(self.order[day])) if day >= 0 else (0.0, 0.0)

    def ends(self, began: IntArray) -> IntArray:
        """The day on which a tactic that began then is over."""
        last = self.plan.dials.tactic_days
        return np.minimum(began + last, self.plan.days) if last is not None else np.full_like(began, self.plan.days)


def set_stage(plan: Plan) -> Stage:
    """Draw rooms, shocks and adoption of a plan; the same in every process."""
    d, seed, rooms = plan.dials, plan.seed, plan.rooms
    length = max(plan.horizon(tactic) for tactic in plan.tactics)
    lots = stream(seed, "rooms").random((rooms, 3))
    z = stream(seed, "room traits").standard_normal((rooms, 3))
    apparel = np.argsort(np.argsort(lots[:, 0])) < round(d.apparel * rooms)
    city = np.arange(rooms) % len(CITIES)
    weekday = np.array(d.weekday)[(plan.start.weekday() + np.arange(length)) % 7]
    factors = np.log(calendar.festival_factors(plan.start, length)) if d.festivals else np.zeros(length)
    # drawn day by day, so that a longer market has the same first days
    shocks = calendar.autoregressive(stream(seed, "shocks").standard_normal((length, rooms)).T, d.room_ar, d.room_shock)
    cities = d.city_shock * stream(seed, "cities").standard_normal((length, len(CITIES))).T
    drift = d.room_trend * z[:, 1]
    prices = d.price + d.price_sd * stream(seed, "prices").standard_normal((length, rooms)).T
    appeal = d.room_sd * z[:, :1] + shocks + cities[city] + drift[:, None] * np.arange(length) / 30.0
    weights = np.exp(0.5 * z[:, 0])
    visit_base, order_base = constants(d)
    return Stage(
        plan=plan,
        host=z[:, 2],
        refund=np.where(apparel, d.refund_apparel, d.refund),
        city=city,
        category=np.where(apparel, 0, 1 + np.arange(rooms) % len(CATEGORIES)),
        popularity=np.cumsum(weights) / weights.sum(),
        opens=9 + (lots[:, 1] * 12).astype(np.int64),
        appeal=appeal,
        price=prices,
        # half of a festival comes as more visitors, half as more orders per visitor
        visit=weekday + 0.5 * factors,
        order=0.5 * factors,
        adopted={t: _adoption(plan, t, z[:, 1]) for t in plan.tactics if plan.units[t] == "room"},
        phase=(lots[:, 2] * d.flash_every).astype(np.int64),
        visit_base=visit_base,
        order_base=order_base,
        tail=Tail(d.tail_share, d.tail_shape, d.tail_limit),
    )


def _adoption(plan: Plan, tactic: str, drift: FloatArray) -> IntArray:
    """Days on which rooms adopt: by lot, or the sooner the faster they were growing."""
    d = plan.dials
    lot = stream(plan.seed, "adoption", tactic).standard_normal(plan.rooms)
    score = d.trend_tie * drift + np.sqrt(1.0 - d.trend_tie**2) * lot
    rank = np.argsort(np.argsort(-score, kind="stable"), kind="stable")
    adopting = plan.rooms - plan.never_rooms
    days = np.array(d.adopt, dtype=np.int64)
    group = np.minimum(rank * len(days) // max(adopting, 1), len(days) - 1)
    return np.where(rank < adopting, days[group], NEVER)


@lru_cache(maxsize=64)
def constants(d: Dials) -> tuple[float, float]:
    """α0 and c0: constants under which visits and conversion have the rates that the dials name.

    Solved on a fixed sample of users, the same for every seed, so that two markets of one setting share them. Stocks
    are taken at their usual level, watch time is averaged over five Gauss–Hermite nodes.
    """
    rng = stream(0, "constants")
    z = mix_traits(rng.standard_normal((BLOCK, 4)), d.trait_correlation)
    more = rng.standard_normal((BLOCK, 4))
    at = d.activity * z[:, 0] + d.room_sd * more[:, 0] + np.mean(d.weekday)

    def visits(base: float) -> FloatArray:
        # the share there yesterday settles where today's share equals it
        usual = expit(base + at)
        for _ in range(8):
            usual = usual * expit(base + at + d.habit) + (1.0 - usual) * expit(base + at)
        return np.asarray(usual)

    visit_base = _solve(lambda base: float(visits(base).mean()), d.visit_rate)
    there = visits(visit_base)
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    log_watch = np.log(d.watch_minutes) + d.watch_sd * nodes[:, None]
    interact = expit(d.interact + d.interact_watch * log_watch)
    odds = d.order_watch * log_watch + d.order_loyalty * z[:, 3] + d.order_hidden * more[:, 1] + d.host * more[:, 2]
    odds = odds - z[:, 2] * (d.price + d.price_sd * more[:, 3])
    rooms = float(np.dot((1, 2, 3), d.several_rooms))
    lasts = 1.0 / (1.0 - min(d.stock_decay, 0.999))

    def rate(base: float, stock: FloatArray) -> FloatArray:
        now = base + odds - d.stock * stock
        mixed = interact * expit(now + d.order_interact) + (1.0 - interact) * expit(now)
        return np.asarray((weights[:, None] * mixed).sum(axis=0) / weights.sum())

    def converted(base: float, stock: FloatArray) -> float:
        return float((there * rate(base, stock)).sum() / there.sum())

    stock, order_base = np.zeros(BLOCK), 0.0
    for _ in range(5):
        order_base = _solve(partial(converted, stock=stock), d.conversion)
        stock = 0.5 * stock + 0.5 * d.items * lasts * rooms * there * rate(order_base, stock)
    return visit_base, order_base


def _solve(rate: Callable[[float], float], wanted: float) -> float:
    low, high = -30.0, 30.0
    for _ in range(44):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rate(middle) < wanted else (low, middle)
    return 0.5 * (low + high)


def mix_traits(z: FloatArray, correlation: float) -> FloatArray:
    """Standard normal traits with one common correlation, from independent ones."""
    k = z.shape[1]
    root = np.linalg.cholesky(np.full((k, k), correlation) + (1.0 - correlation) * np.eye(k))
    # summed in a fixed order rather than by BLAS, whose rounding may depend on the number of rows
    return np.asarray(sum(z[:, j : j + 1] * root[:, j] for j in range(k)))
