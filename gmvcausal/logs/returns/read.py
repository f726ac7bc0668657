"""Logs to one row per user: when watching starts and ends, the first order after that, orders by period."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import texts
from gmvcausal.frames.arms import assigned_there
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.params import counted
from gmvcausal.logs import attributes, cells
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import DAY, Freq, Grid, StampArray, micros, text
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import first_midnight
from gmvcausal.logs.users import NONE, anchor_never, assign_arms, note_others

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ALL = "all"
MOST_GROUPS = 60
_BATCH = 500_000
_DAYS_BEFORE = 7


@dataclass(frozen=True, eq=False)
class Watched:
    """Users from their start on.

    Attributes
    ----------
    group : ndarray of int, shape (n,)
        Index into `labels`: arms (the control first), or cohorts of the first order.
    labels : tuple of str
    time : ndarray, shape (n,)
        Until the order, or until watching ended, in periods from the start.
    ordered : ndarray of bool, shape (n,)
    until : ndarray, shape (n,)
        Until watching ended, in periods from the start.
    left : ndarray of bool, shape (n,)
        Whether it ended because the user left (exit), not with the log.
    counts : ndarray, shape (n, horizon)
        Orders in each whole period from the start.
    start : ndarray of datetime64, shape (n,)
    at_start : ndarray of bool, shape (n,)
        Whether the user ordered at the very moment of the start.
    on_day : ndarray of bool, shape (n,)
        Whether the user ordered on the day of the start; of arms.
    days_before : ndarray, shape (n,)
        Share of the seven days before that day (as far as they lie in the log) on which the user ordered; of arms.
    ids : ndarray, shape (n,)
    place : str
        Column of the table of users within which the arm does not vary.
    """

    group: IntArray
    labels: tuple[str, ...]
    time: FloatArray
    ordered: NDArray[np.bool_]
    until: FloatArray
    left: NDArray[np.bool_]
    counts: FloatArray
    start: StampArray
    at_start: NDArray[np.bool_]
    on_day: NDArray[np.bool_]
    days_before: FloatArray
    ids: NDArray[Any] = field(repr=False)
    notes: list[str]
    dropped: dict[str, int]
    place: str = ""


def read_arms(logs: Logs, tactic: Any, anchor: Any, control: Any, freq: Freq, horizon: int) -> Watched:
    """Users from their assignment on, by arm; the event is the first order at or after it."""
    labels = exposures.choose(logs, tactic)
    names = [str(texts.original(label)) for label in labels]
    if NONE in names:
        raise InputError(
            f"a tactic is called {NONE!r}, which is the arm of users never exposed", remedy="rename the tactic"
        )
    units = cells.find_units(logs, "user")
    exposed = exposures.read_exposures(logs, units, labels)
    arm, start = assign_arms(units, exposed)
    notes = list(logs._notes)
    anchor_never(units, arm, start, anchor, notes)
    note_others(logs, units, arm, len(labels), notes)
    every = [NONE, *names]
    there = [k for k in range(len(every)) if (arm + 1 == k).any()]
    present = [every[k] for k in there]
    if len(present) < 2:
        raise InputError(
            f"all users are in the arm {present[0]!r}, so there is nothing to compare",
            remedy="pass exposures and anchor= so that some were never exposed, or leave out tactic= for first orders",
        )
    base = _control(control, present)
    order = [base, *(k for k in range(len(present)) if k != base)]
    rank = {there[k]: i for i, k in enumerate(order)}
    group = np.array([rank.get(k, -1) for k in range(len(every))])[arm + 1]
    return _watch(logs, units, group, tuple(present[k] for k in order), start, freq, horizon, notes, include=True)


def read_first(logs: Logs, cohorts: Freq | None, freq: Freq, horizon: int) -> Watched:
    """Users from their first order on, by the period in which it fell; the event is the next order after it."""
    units = cells.find_units(logs, "user")
    found = logs._space.numpy(
        f'SELECT "user" AS id, epoch_us(min("time")) AS t FROM {_order_times(logs)} GROUP BY "user"', "orders"
    )
    start = np.full(units.n, np.datetime64("NaT", "us"))
    start[units.codes(np.asarray(found["id"]))] = np.asarray(found["t"]).astype("datetime64[us]")
    bought = ~np.isnat(start)
    if not bought.any():
        raise DesignError("nobody has ordered, so nobody can order again", remedy="check the orders")
    first = np.datetime64(logs._facts.first.astype("datetime64[D]").astype("datetime64[us]"), "us")
    notes = [
        *logs._notes,
        f"a first order is the first in the log, which begins on {text(first)}: old customers count as new ones there",
    ]
    labels: tuple[str, ...] = (ALL,)
    group = np.where(bought, 0, -1)
    if cohorts is not None:
        begin = first.astype("datetime64[M]").astype("datetime64[us]") if cohorts.letter == "M" else first
        grid = Grid(cohorts, begin)
        period = grid.index(np.where(bought, start, first))
        kept, codes = np.unique(period[bought], return_inverse=True)
        if len(kept) > MOST_GROUPS:
            raise InputError(
                f"cohorts={cohorts.text!r} makes {len(kept):,} cohorts, and at most {MOST_GROUPS} are shown",
                remedy="take longer ones, for example cohorts='M'",
            )
        group[bought] = codes
        labels = tuple(str(s.astype("datetime64[D]")) for s in grid.starts(kept))
    return _watch(logs, units, group, labels, start, freq, horizon, notes, include=False)


def _order_times(logs: Logs) -> str:
    """SQL of orders, one row each: user and time of the first line."""
    view = logs._lines.view
    if logs._row_is_order:
        return f'(SELECT "user", "time" FROM {view} WHERE is_order)'
    return f'(SELECT "user", min("time") AS "time" FROM {view} WHERE is_order GROUP BY "user", "order")'


def _control(control: Any, present: list[str]) -> int:
    if control is None:
        if NONE in present:
            return present.index(NONE)
        raise InputError(
            f"no user is in the arm {NONE!r}, and which arm is the control is not said",
            remedy=f"pass control=, one of {', '.join(map(repr, present))}",
        )
    if str(control) not in present:
        raise InputError(
            f"control is {control!r}, which is no arm", remedy=f"the arms are {', '.join(map(repr, present))}"
        )
    return present.index(str(control))


def _watch(
    logs: Logs, units: cells.Units, group: IntArray, labels: tuple[str, ...], start: StampArray, freq: Freq,
    horizon: int, notes: list[str], *, include: bool,
) -> Watched:  # fmt: skip
    """Watch each user from the start to the end of the log or of the user's life.

    Parameters
    ----------
    include : bool
        Whether an order at the very moment of the start counts.
    """
    end = np.full(units.n, micros(logs._lines.end))
    left = np.zeros(units.n, dtype=bool)
    keep = group >= 0
    dropped = dict(logs._dropped)
    at = np.where(np.isnat(start), np.datetime64(0, "us"), start).astype(np.int64)
    for role, stamps in cells.bounds(logs, units).items():
        day = stamps.astype("datetime64[D]").astype("datetime64[us]").astype(np.int64)
        if role == "exit":
            gone = ~np.isnat(stamps) & (day + DAY < end)
            end[gone], left[gone] = day[gone] + DAY, True
        else:
            early = keep & ~np.isnat(stamps) & (at < day)
            keep &= ~early
            _drop(dropped, notes, "users whose start lies before their entry", int(early.sum()))
    late = keep & (end <= at)
    keep &= ~late
    _drop(dropped, notes, "users whose start lies at or after the end of watching", int(late.sum()))
    chosen = np.flatnonzero(keep)
    if not len(chosen):
        raise DesignError("nobody is watched after the start", remedy="take a longer log, or an earlier anchor")
    until = (end[chosen] - at[chosen]) / freq.micros
    if not (until >= horizon).any():
        longest = int(np.floor(until.max()))
        raise DesignError(
            f"nobody is watched for horizon={horizon} periods of {freq.word}: the longest is {until.max():.3g}",
            remedy=f"pass horizon={longest} or less" if longest >= 1 else "take shorter periods, or a longer log",
        )
    first, counts, at_start = _orders(logs, units, chosen, at, end, freq, horizon, include)
    on_day, before = _around(logs, units.ids[chosen], at[chosen]) if include else (at_start, np.zeros(len(chosen)))
    ordered = first >= 0
    time = np.where(ordered, first / freq.micros, until)
    return Watched(
        group[chosen], labels, time, ordered, until, left[chosen], counts, start[chosen], at_start,
        on_day, before, texts.originals(units.ids[chosen]), notes, dropped,
        _place(logs, units, group, chosen) if include else "",
    )  # fmt: skip


def _place(logs: Logs, units: cells.Units, group: IntArray, chosen: IntArray) -> str:
    """A column of places (city, store) in the table of users within which the arm does not vary; empty without one."""
    listing = logs.table(units.table) if units.table else None
    for column in COARSER if listing is not None else ():
        if listing is None or column not in listing.available:
            continue
        values = pd.Series(attributes.of_units(logs, units, column)[0][chosen], dtype=object)
        if values.isna().any():
            continue
        codes = np.asarray(pd.factorize(values.astype(str))[0], dtype=np.int64)
        if codes.max() > 0 and assigned_there(codes, group[chosen]):
            return column
    return ""


def _drop(dropped: dict[str, int], notes: list[str], why: str, count: int) -> None:
    if count:
        dropped[why] = count
        notes.append(f"{counted(count, 'user')} left out: {why}")


def _orders(
    logs: Logs, units: cells.Units, chosen: IntArray, at: IntArray, end: IntArray, freq: Freq, horizon: int,
    include: bool,
) -> tuple[IntArray, FloatArray, NDArray[np.bool_]]:  # fmt: skip
    """First order after the start in microseconds (-1: none), orders by whole period, who ordered at the start."""
    space = logs._space
    after = ">=" if include else ">"
    joined = _beside(logs, units.ids[chosen], at=at[chosen], until=end[chosen])
    when = 'epoch_us(l."time")'
    inside = f"{when} {after} w.at AND {when} < w.until"
    first = np.full(len(chosen), -1, dtype=np.int64)
    found = space.numpy(
        f"SELECT w.number AS number, min({when} - w.at) AS t FROM {joined} WHERE {inside} GROUP BY w.number", "orders"
    )
    first[found["number"]] = found["t"]
    at_start = np.zeros(len(chosen), dtype=bool)
    same = f"SELECT DISTINCT w.number AS number FROM {joined} WHERE {when} = w.at"
    at_start[space.numpy(same, "orders")["number"]] = True
    counts = np.zeros((len(chosen), horizon))
    query = (
        f"SELECT w.number AS number, CAST(({when} - w.at) // {freq.micros} AS INTEGER) AS period, count(*) AS orders "
        f"FROM {joined} WHERE {inside} AND {when} < w.at + {horizon * freq.micros} GROUP BY ALL"
    )
    for batch in space.batches(query, _BATCH, "orders"):
        number, period, orders = (
            batch.column(k).to_numpy(zero_copy_only=False) for k in ("number", "period", "orders")
        )
        counts[number, period] = orders
    return first, counts, at_start


def _around(logs: Logs, ids: NDArray[Any], at: IntArray) -> tuple[NDArray[np.bool_], FloatArray]:
    """Who ordered on the day of the start, and on what share of the seven days before it, as far as these are known."""
    day = at // DAY
    begin = micros(first_midnight(logs)) // DAY
    joined = _beside(logs, ids, day=day)
    when = f'epoch_us(l."time") // {DAY}'
    found = logs._space.numpy(
        f"SELECT w.number AS number, count(DISTINCT {when}) FILTER (WHERE {when} < w.day) AS before, "
        f"max(CAST({when} = w.day AS INTEGER)) AS same FROM {joined} "
        f"WHERE {when} BETWEEN w.day - {_DAYS_BEFORE} AND w.day GROUP BY w.number",
        "orders",
    )
    same, before = np.zeros(len(ids), dtype=bool), np.zeros(len(ids))
    same[found["number"]] = found["same"] == 1
    before[found["number"]] = found["before"]
    return same, before / np.clip(day - begin, 1, _DAYS_BEFORE)


def _beside(logs: Logs, ids: NDArray[Any], **columns: IntArray) -> str:
    """SQL of orders beside what is known of their user: the number, and `columns`."""
    name = logs._space.new_name("watched")
    unit = ids if ids.dtype.kind == "i" else pa.array(ids, type=pa.string())
    logs._space.register(name, pa.table({"unit": unit, "number": np.arange(len(ids)), **columns}))
    return f'{_order_times(logs)} l JOIN {name} w ON l."user" = w.unit'
