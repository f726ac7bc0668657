"""Logs to one row per user, with windows that start at assignment in every arm.

Starting a treated user's window at the first exposure but a control user's at some convenient date compares different
times of the year; here both windows start at the moment of assignment, and users never exposed need a declared one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import texts
from gmvcausal.frames.params import check
from gmvcausal.logs import attributes, cells, describe, signs
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import DAY, StampArray, micros, parse_date, parse_freq, text
from gmvcausal.logs.gaps import empty_days
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.rfm import classes, scores
from gmvcausal.logs.season import same_season
from gmvcausal.logs.span import first_midnight

NONE = "none"


def make_users(
    logs: Logs, tactic: Any, pre: str, post: str, anchor: Any, features: Any, complete_only: bool
) -> pd.DataFrame:
    """See `Logs.users`."""
    before, after = parse_freq("pre", pre, months=False), parse_freq("post", post, months=False)
    asked = check("features", features)
    wanted, rfm = [name for name in asked if name != "rfm"], "rfm" in asked
    check("complete_only", complete_only)
    history = logs.table("exposures") is None and tactic is None
    if history and anchor is None:
        raise InputError(
            "no exposures were given, so nobody has a moment of assignment",
            remedy="pass Logs(exposures=...); or anchor=, the date from which all users count, for a history of users "
            "without a tactic",
        )
    labels = [] if history else exposures.choose(logs, tactic)
    names = [str(texts.original(label)) for label in labels]
    if NONE in names:
        raise InputError(
            f"a tactic is called {NONE!r}, which is the arm of users never exposed", remedy="rename the tactic"
        )
    units = cells.find_units(logs, "user")
    exposed = exposures.nobody() if history else exposures.read_exposures(logs, units, labels)
    arm, assigned = assign_arms(units, exposed)
    notes, dropped = list(logs._notes), dict(logs._dropped)
    keep = anchor_never(units, arm, assigned, anchor, notes)
    if history:
        notes.append(f"no exposures were given: all users are in the arm {NONE!r}, whatever they may have received")
    else:
        note_others(logs, units, arm, len(labels), notes)
    inside = _inside(logs, assigned, before.micros, after.micros)
    lives = cells.bounds(logs, units)
    living = _living(lives, assigned, before.micros, after.micros)
    chosen = keep & inside & living
    dropped |= _past_the_log(logs, int((keep & ~inside).sum()), complete_only, notes)
    dropped |= _past_the_life(int((keep & inside & ~living).sum()), complete_only, notes)
    if not chosen.any():
        raise InputError("no user has whole windows inside the log", remedy="shorten pre= or post=")
    sums = _sum_windows(logs, units, assigned, chosen, before.micros, after.micros, rfm)
    earlier = int(sums["orders_pre"][chosen].sum())
    if earlier:
        notes.insert(0, f"{earlier:,} orders of the {before.word} before assignment count in gmv_pre, not in gmv")
    columns: dict[str, Any] = {
        "user": texts.originals(units.ids[chosen]),
        "arm": np.array([NONE, *names], dtype=object)[arm[chosen] + 1],
        "assigned": assigned[chosen],
    }
    columns |= {name: sums[name][chosen] for name in ("gmv", "orders", "gmv_pre", "orders_pre")}
    if rfm:
        columns |= _rfm_columns(sums, assigned, chosen, notes)
    checks = list(logs._checks)
    if not history:
        checks.append(signs.exposed_without_orders(logs, units, exposed.unit))
    checks.append(signs.censored(arm, keep, chosen, [NONE, *names]))
    checks.append(same_season(assigned[chosen], arm[chosen] + 1, [NONE, *names], after.micros / DAY))
    checks.append(_lost_days(logs, assigned[chosen], before.micros, after.micros, rfm))
    for name in wanted:
        if name in columns:
            raise InputError(
                f"features names {name!r}, which is a column of every users table", remedy="rename the attribute"
            )
        values, constant = attributes.of_units(logs, units, name)
        columns[name] = values[chosen]
        checks += [constant] if constant else []
    frame = texts.data_frame(columns)
    about = describe.about(
        logs,
        table="users",
        unit="user",
        freq=None,
        per=None,
        outcome="gmv",
        keep=wanted,
        life_known="entry" in lives,
        notes=notes,
        dropped=dropped,
        checks=checks,
    )
    about["outcome_unit"] += f" in the {after.word} from assignment"
    frame.attrs["gmvcausal"] = about | {"pre": pre, "post": post, "arms": names}
    return frame


def assign_arms(units: cells.Units, exposed: exposures.Exposed) -> tuple[NDArray[np.int64], StampArray]:
    """Arm (−1 never) and first exposure of each user; a user in two arms is refused."""
    low = np.full(units.n, np.iinfo(np.int64).max)
    high = np.full(units.n, -1, dtype=np.int64)
    np.minimum.at(low, exposed.unit, exposed.tactic)
    np.maximum.at(high, exposed.unit, exposed.tactic)
    two = (high >= 0) & (low != high)
    if two.any():
        raise InputError(
            f"{int(two.sum()):,} users were exposed to more than one of the tactics, so they belong to no single arm",
            remedy="name one tactic, or tactics that exclude each other; for campaigns that overlap use stack()",
        )
    start = np.full(units.n, np.iinfo(np.int64).max)
    np.minimum.at(start, exposed.unit, exposed.start.astype("datetime64[us]").astype(np.int64))
    assigned = start.astype("datetime64[us]")
    assigned[high < 0] = np.datetime64("NaT", "us")
    return high, assigned


def anchor_never(
    units: cells.Units, arm: NDArray[np.int64], assigned: StampArray, anchor: Any, notes: list[str]
) -> NDArray[np.bool_]:
    """Give users never exposed the anchor as their moment of assignment (in place)."""
    never = arm < 0
    if anchor is not None:
        assigned[never] = parse_date("anchor", anchor)
        notes.append(
            f"{int(never.sum()):,} users never exposed count from the anchor {text(parse_date('anchor', anchor))}"
        )
        return np.ones(units.n, dtype=bool)
    if never.any():
        raise InputError(
            f"{int(never.sum()):,} users were never exposed, so their windows have no start: a date chosen for them "
            "decides which season they are compared in",
            remedy="pass anchor=, the date on which they could have been exposed",
        )
    return ~never


def note_others(logs: Logs, units: cells.Units, arm: NDArray[np.int64], chosen: int, notes: list[str]) -> None:
    """Say how many users of the arm "none" were exposed to a tactic that was not asked for."""
    labels = exposures.labels_of(logs)
    if len(labels) == chosen:
        return
    elsewhere = np.zeros(units.n, dtype=bool)
    elsewhere[exposures.read_exposures(logs, units, labels).unit] = True
    others = int((elsewhere & (arm < 0)).sum())
    if others:
        notes.append(f"{others:,} users of the arm {NONE!r} were exposed to a tactic that was not asked for")


def _inside(logs: Logs, assigned: StampArray, before: int, after: int) -> NDArray[np.bool_]:
    """Whether both windows lie inside the log."""
    start = assigned.astype(np.int64)
    return np.asarray((start - before >= micros(first_midnight(logs))) & (start + after <= micros(logs._lines.end)))


def _living(lives: dict[str, StampArray], assigned: StampArray, before: int, after: int) -> NDArray[np.bool_]:
    """Whether both windows lie between the day of entry and the day of exit, both included, where these are known."""
    out = np.ones(len(assigned), dtype=bool)
    for role, stamps in lives.items():
        day = stamps.astype("datetime64[D]").astype("datetime64[us]")
        if role == "entry":
            out &= np.isnat(stamps) | (assigned - np.timedelta64(before, "us") >= day)
        else:
            out &= np.isnat(stamps) | (assigned + np.timedelta64(after - DAY, "us") <= day)
    return out


def _lost_days(logs: Logs, assigned: StampArray, before: int, after: int, rfm: bool) -> dict[str, Any]:
    """Days without orders inside the windows; RFM classes look back to the beginning of the log."""
    begin = first_midnight(logs) if rfm else assigned.min() - np.timedelta64(before, "us")
    return empty_days(logs, begin, assigned.max() + np.timedelta64(after, "us"))


def _past_the_log(logs: Logs, lost: int, complete_only: bool, notes: list[str]) -> dict[str, int]:
    """Refuse, or leave out and count, windows that run past an end of the log."""
    if not lost:
        return {}
    if not complete_only:
        raise InputError(
            f"the windows of {lost:,} users run past an end of the log, which is known from "
            f"{text(first_midnight(logs))} to {text(logs._lines.end)}",
            count=lost,
            counted=True,
            remedy="shorten pre= or post=, or pass complete_only=True to leave these users out",
        )
    notes.append(f"{lost:,} users whose windows run past an end of the log were left out")
    return {"windows past an end of the log": lost}


def _past_the_life(lost: int, complete_only: bool, notes: list[str]) -> dict[str, int]:
    """Refuse, or leave out and count, windows in which the user was not there yet or no longer."""
    if not lost:
        return {}
    if not complete_only:
        raise InputError(
            f"the windows of {lost:,} users begin before their entry or end after their exit",
            count=lost,
            counted=True,
            remedy="shorten pre= or post=, or pass complete_only=True to leave these users out",
        )
    notes.append(f"{lost:,} users whose windows begin before their entry or end after their exit were left out")
    return {"windows outside entry and exit": lost}


def _sum_windows(
    logs: Logs, units: cells.Units, assigned: StampArray, chosen: NDArray[np.bool_], before: int, after: int, rfm: bool
) -> dict[str, NDArray[Any]]:
    """Sums of each user's lines in [assigned − pre, assigned), in [assigned, assigned + post), and before both."""
    space = logs._space
    windows = pa.table(
        {
            "unit": units.ids[chosen] if units.ids.dtype.kind == "i" else pa.array(units.ids[chosen], type=pa.string()),
            "number": np.flatnonzero(chosen),
            "at": pa.array(assigned[chosen]),
        }
    )
    name = space.new_name("windows")
    space.register(name, windows)
    since = f'l."time" >= w.at - to_microseconds({before})'
    pieces = {"": 'l."time" >= w.at', "_pre": 'l."time" < w.at' + (f" AND {since}" if rfm else "")}
    if rfm:
        pieces["_all"] = 'l."time" < w.at'
    sums = []
    for suffix, condition in pieces.items():
        sums.append(f'{logs._facts.total(f"CASE WHEN {condition} THEN l.gmv ELSE 0 END")} AS "gmv{suffix}"')
        sums.append(f'{cells.count_orders(logs, condition)} AS "orders{suffix}"')
    if rfm:
        sums.append(f'coalesce(epoch_us(max(l."time") FILTER (WHERE {pieces["_all"]})), 0) AS last_all')
    seen = f'l."time" < w.at + to_microseconds({after})' + ("" if rfm else f" AND {since}")
    found = space.numpy(
        f"SELECT w.number AS number, {', '.join(sums)} FROM {logs._lines.view} l JOIN {name} w "
        f'ON l."user" = w.unit WHERE {seen} GROUP BY w.number',
        "orders",
    )
    out: dict[str, NDArray[Any]] = {}
    for column, values in found.items():
        if column != "number":
            out[column] = np.zeros(units.n, dtype=np.float64 if column.startswith("gmv") else np.int64)
            out[column][found["number"]] = values
    return out


def _rfm_columns(
    sums: dict[str, NDArray[Any]], assigned: StampArray, chosen: NDArray[np.bool_], notes: list[str]
) -> dict[str, Any]:
    """Recency in days, frequency and monetary value from everything before assignment, with scores and class."""
    bought = sums["orders_all"][chosen] > 0
    days = (assigned[chosen].astype(np.int64) - sums["last_all"][chosen]) / DAY
    recency = np.where(bought, days, np.nan)
    frequency = sums["orders_all"][chosen]
    monetary = sums["gmv_all"][chosen]
    segment, cuts = classes(recency, frequency, monetary)
    if bought.any():
        notes.insert(
            0,
            "RFM classes rest on orders before assignment; high is a last order less than {:.3g} days ago, more than "
            "{:.3g} orders, more than {:.4g} of GMV: the means of users with orders".format(*cuts),
        )
    return {
        "recency": recency, "frequency": frequency, "monetary": monetary,
        "r": scores(recency, high_is_good=False), "f": scores(frequency.astype(np.float64), high_is_good=True),
        "m": scores(monetary, high_is_good=True), "segment": segment,
    }  # fmt: skip
