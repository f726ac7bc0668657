"""`livestream`: a market of users, rooms and days under tactics of one's choice, with its truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd

from gmvcausal.errors import InputError
from gmvcausal.frames import params
from gmvcausal.frames.params import said
from gmvcausal.simulate import room_tables, tables
from gmvcausal.simulate.accounting import make_truth
from gmvcausal.simulate.dials import make_dials
from gmvcausal.simulate.market import Design, Market, MarketLogs
from gmvcausal.simulate.pool import in_order
from gmvcausal.simulate.stage import Plan, Stage, set_stage
from gmvcausal.simulate.tactics import check_tactics
from gmvcausal.simulate.times import DAYS_PER_ID

# Times beside which a log of at most 4,095 days still fits into nanoseconds since 1970, as tables of other tools hold.
FIRST_YEAR, LAST_YEAR = 1700, 2200
COLUMNS = {"user": "user", "time": "time", "gmv": "gmv"}


def livestream(
    *,
    users: int = 2000,
    rooms: int = 20,
    days: int = 60,
    tactics: str | Sequence[str] = ("coupon",),
    seed: int = 0,
    start: str | dt.date = "2026-03-02",
    workers: int = 1,
    progress: bool = False,
    **dials: Any,
) -> Market:
    """Simulate a livestream market whose true effects are known.

    Parameters
    ----------
    users, rooms, days : int
        Size of the market.
    tactics : str or sequence of str
        Any of coupon, threshold_coupon, push, flash_sale, raffle, expert_host, points, community, win_back. The first
        is the one that `Market.design` is about.
    seed : int
        The same seed gives the same market, bit for bit, whatever `workers` is.
    start : date
        First day of the log, local time.
    workers : int
        Processes that share the work. With more than one, a script needs ``if __name__ == "__main__":``.
    progress : bool
        Show a progress bar.
    **dials
        Any dial by name, for example ``conversion=0.05``; `gmvcausal.simulate.dial_table` lists them.

    Returns
    -------
    Market
        ``.logs`` with the tables users, rooms, sessions, visits, orders, refunds, assignments, exposures, and by tactic
        coupons, pushes, memberships, edges; ``.truth``, worked out when first asked for. Money is in yuan.

    Raises
    ------
    InputError
        A size, a tactic or a dial that has no meaning, or tactics that do not fit into the days.

    Examples
    --------
    >>> market = livestream(users=200, rooms=4, days=20, seed=1)
    >>> sorted(market.logs.tables)
    ['assignments', 'coupons', 'exposures', 'orders', 'refunds', 'rooms', 'sessions', 'users', 'visits']
    >>> len(market.logs.users)
    200
    """
    plan = make_plan(users=users, rooms=rooms, days=days, tactics=tactics, seed=seed, start=start, dials=dials)
    stage = set_stage(plan)
    parts: dict[str, list[pd.DataFrame]] = {}
    workers = check_workers(workers)
    for made in each_block(plan, workers=workers, progress=progress):
        for name, table in rename(plan, made).items():
            parts.setdefault(name, []).append(table)
    found = {name: together(frames) for name, frames in parts.items()}
    logs = MarketLogs(_in_order(found | room_side(stage)), COLUMNS)
    note = f"{plan.users:,} users, {plan.rooms:,} rooms, {plan.days} days under {', '.join(plan.tactics)}"
    return Market("livestream", logs, make_design(plan), partial(make_truth, plan, workers=workers), note)


def make_plan(*, users: Any, rooms: Any, days: Any, tactics: Any, seed: Any, start: Any, dials: dict[str, Any]) -> Plan:
    """Check what was asked for."""
    sizes = {"users": users, "rooms": rooms, "days": days}
    for name, value in sizes.items():
        whole = isinstance(value, int) or hasattr(value, "__index__")
        if isinstance(value, bool) or not whole or int(value) < 1:
            raise InputError(
                f"{name} must be a whole number of at least 1, but is {said(value)}", remedy=f"write {name}=20"
            )
    if days >= DAYS_PER_ID:
        raise InputError(f"days is {days}, but a market has at most {DAYS_PER_ID - 1}", remedy="ask for fewer")
    plan = Plan(
        int(users), int(rooms), int(days), check_tactics(tactics), int(params.check("seed", seed)), check_start(start),
        make_dials(dials),
    )  # fmt: skip
    plan.check()
    return plan


def check_start(value: Any) -> dt.date:
    """The first day as a date."""
    date = value.date() if isinstance(value, dt.datetime) else value
    if isinstance(value, str):
        try:
            date = dt.date.fromisoformat(value)
        except ValueError:
            date = None
    if not isinstance(date, dt.date):
        raise InputError(f"start must be a date, but is {said(value)}", remedy="write start='2026-03-02'")
    if not FIRST_YEAR <= date.year <= LAST_YEAR:
        raise InputError(
            f"start must lie in the years {FIRST_YEAR} to {LAST_YEAR}, but is {date.isoformat()}",
            remedy="write start='2026-03-02'",
        )
    return date


def check_workers(value: Any) -> int:
    """A number of processes."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise InputError(
            f"workers must be a whole number of at least 1, but is {said(value)}", remedy="write workers=2"
        )
    return int(value)


def _one_block(plan: Plan, number: int) -> dict[str, pd.DataFrame]:
    return tables.block_tables(set_stage(plan), number)


def each_block(plan: Plan, *, workers: int, progress: bool) -> Iterator[dict[str, pd.DataFrame]]:
    """The tables of each block of users, in the order of blocks whatever the number of workers."""
    yield from in_order(partial(_one_block, plan), plan.blocks, workers=workers, progress=progress, what="users")


def rename(plan: Plan, found: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Exposures and assignments without a prefix are those of the first tactic's unit, the one that `Logs` reads."""
    if plan.units[plan.tactics[0]] == "user":
        return found
    theirs = ("assignments", "exposures")
    return {f"user_{name}" if name in theirs else name: table for name, table in found.items()}


def room_side(stage: Stage) -> dict[str, pd.DataFrame]:
    """The tables of rooms."""
    found = room_tables.room_assignments(stage)
    if stage.plan.units[stage.plan.tactics[0]] == "room":
        found = {name.removeprefix("room_"): table for name, table in found.items()}
    return room_tables.room_tables(stage) | found


def _in_order(found: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    order = ("users", "rooms", "sessions", "visits", "orders", "refunds", "coupons", "pushes", "memberships", "edges")
    names = [name for name in order if name in found] + [name for name in found if name not in order]
    return {name: found[name] for name in names}


def together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Blocks of one table in their order; empty ones would only blur the types of columns."""
    return pd.concat([one for one in frames if len(one)] or frames[:1], ignore_index=True)


def make_design(plan: Plan) -> Design:
    """How the first tactic is read: a panel of rooms, or one row per user."""
    tactic = plan.tactics[0]
    if plan.units[tactic] == "room":
        options = {"unit": "room", "freq": plan.freq, "tactic": tactic, "keep": ["city"]}
        if plan.freq == "W":
            # weeks are cut so that every adoption falls on the first day of one
            begin = plan.start + dt.timedelta(days=int(plan.dials.adopt[0]) % 7 - 7)
            options["origin"] = begin.isoformat()
        # where all rooms adopt in the end, those which have yet to adopt are what is left to compare with
        return Design("did", "panel", options, {} if plan.never_rooms else {"control": "not_yet_treated"})
    anchor = plan.start + dt.timedelta(days=plan.start_day)
    windows = {"pre": f"{min(28, plan.start_day)}D", "post": f"{plan.days - plan.start_day}D"}
    verb = "ab_test" if plan.dials.targeting == "lot" else "uplift"
    return Design(verb, "users", {"tactic": tactic, "anchor": anchor.isoformat(), "features": "rfm", **windows})
