"""From what a unit spends in a week to the order lines of a log: whole cents, spread inside the week.

Amounts are cut to cents, so that sums over a log are exact in whatever order its rows come.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ORIGIN = np.datetime64("2026-03-02", "us")  # a Monday
DAY = 86_400  # seconds
WEEK = 7 * DAY


def stamps(seconds: IntArray) -> NDArray[np.datetime64]:
    """Seconds after the origin as times."""
    return ORIGIN + (seconds * 1_000_000).astype("timedelta64[us]")


def week_start(week: IntArray | int) -> NDArray[np.datetime64]:
    """The Monday of each week, counted from 0."""
    return stamps(np.asarray(week, dtype=np.int64) * WEEK)


def clock(days: IntArray, draws: np.random.Generator) -> IntArray:
    """A time on each day, in seconds after the origin: from 10 in the morning, most often at half past eight."""
    return days * DAY + draws.triangular(10 * 3600, 20.5 * 3600, DAY, len(days)).astype(np.int64)


def span_whole(seconds: IntArray, days: int) -> IntArray:
    """Move the earliest order to the first day, at its own hour, and the latest to half an hour before the end.

    A log is known only from its first to its last order, so that without these two the first or the last period would
    not be whole.
    """
    out = seconds.copy()
    first, last = int(out.argmin()), int(out.argmax())
    out[first] %= DAY
    out[last] = days * DAY - 1800
    return out


def orders_frame(user: IntArray, seconds: IntArray, cents: IntArray, **more: NDArray[np.generic]) -> pd.DataFrame:
    """Orders in the order of their times, with an id of their own: order, user, time, gmv and what else is given."""
    by_time = np.argsort(seconds, kind="stable")
    columns = {"order": np.arange(len(seconds)), "user": user[by_time], "time": stamps(seconds[by_time])}
    columns |= {name: values[by_time] for name, values in more.items()}
    return pd.DataFrame(columns | {"gmv": cents[by_time] / 100.0})


def room_orders(gmv: FloatArray, draws: np.random.Generator, lines: int = 3) -> pd.DataFrame:
    """Order lines of rooms: `lines` per room and week, whose amounts add up to `gmv` (rooms × weeks) in cents.

    Examples
    --------
    >>> from gmvcausal.simulate.draws import stream
    >>> orders = room_orders(np.array([[10.0, 20.0]]), stream(1, "orders"))
    >>> round(float(orders["gmv"].sum()), 2), len(orders), str(orders["time"].iloc[0].date())
    (30.0, 6, '2026-03-02')
    """
    rooms, weeks = gmv.shape
    total = np.rint(gmv * 100).astype(np.int64).ravel()
    weight = draws.uniform(0.5, 1.5, (len(total), lines))
    edges = np.floor(total[:, None] * (np.cumsum(weight, axis=1) / weight.sum(axis=1)[:, None])).astype(np.int64)
    edges[:, -1] = total
    cents = np.diff(edges, axis=1, prepend=0).ravel()
    cell = np.repeat(np.arange(rooms * weeks), lines)
    within = (np.tile(np.arange(lines), rooms * weeks) + draws.random(len(cell))) / lines
    seconds = clock(cell % weeks * 7 + (7 * within).astype(np.int64), draws)
    viewer = draws.integers(0, 40 * rooms, len(cell))
    return orders_frame(viewer, span_whole(seconds, 7 * weeks), cents, room=cell // weeks)


def user_orders(bought: NDArray[np.bool_], basket: FloatArray, draws: np.random.Generator) -> pd.DataFrame:
    """Orders of users: one per user and week in which `bought` holds, worth `basket` (both users × weeks).

    Examples
    --------
    >>> from gmvcausal.simulate.draws import stream
    >>> orders = user_orders(np.array([[True, True], [False, True]]), np.full((2, 2), 9.5), stream(1, "orders"))
    >>> orders["gmv"].tolist(), sorted(orders["user"])
    ([9.5, 9.5, 9.5], [0, 0, 1])
    """
    if not bought[:, 0].any() or not bought[:, -1].any():
        raise InputError("nobody buys in the first or in the last week", remedy="raise n= or buying=")
    user, week = np.nonzero(bought)
    seconds = clock(week * 7 + draws.integers(0, 7, len(user)), draws)
    cents = np.maximum(np.rint(basket[bought] * 100), 1).astype(np.int64)
    return orders_frame(user, span_whole(seconds, 7 * bought.shape[1]), cents)
