"""A table of units by day in a parquet file or a DuckDB relation: one GROUP BY makes one row for each unit.

A unit's days are remembered as bits of a whole number, beside a bit for its arm, so that the same statement that adds
the outcomes up also tells of rows that occur twice, days without a row, and units in two arms. Whatever is wrong is
left to `days_read`, whose messages name rows.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, NamedTuple

import numpy as np

from gmvcausal.abtest.days.calendar import MOST_DAYS, Calendar, calendar_of
from gmvcausal.abtest.days.read import Collapsed, constant_columns, flag_columns, outcome_columns
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.files import is_id, is_number
from gmvcausal.abtest.intake.rows import IntArray
from gmvcausal.abtest.intake.stream import FRACTIONS, WHOLE, label_text, native
from gmvcausal.abtest.metrics import Ratio, parts
from gmvcausal.frames.arms import find_control
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.table import open_relation, quote

_BITS = 60  # of a BIGINT; a further one is for trouble
_TROUBLE = 1 << 61
_MOST_ARMS = 30
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", *WHOLE)


class There(NamedTuple):
    """The rows where they lie: `relation` has u, a (code of the arm), d (place on the calendar), y0, y1, ..."""

    relation: Any
    labels: tuple[Any, ...]
    calendar: Calendar
    notes: list[str]
    columns: int


def project(data: Any, ask: Columns, unit: str, time: str) -> There | None:
    """The rows where they lie; None where the columns need `days_read`."""
    base = open_relation(data, "data", (*ask.needed, unit, time))
    types = dict(zip(base.columns, [str(t) for t in base.types], strict=True))
    outcomes = outcome_columns(ask)
    if not all(is_number(types[c]) and types[c] != "FLOAT" for c in outcomes):
        return None
    if not (is_id(types[ask.arm]) and is_id(types[unit]) and types[time] in _TIMES):
        return None
    arm = quote(ask.arm) if types[ask.arm] == "VARCHAR" else native(ask.arm, types[ask.arm])
    arms = base.project(f"{arm} AS a").distinct().order("a").limit(_MOST_ARMS + 1).fetchall()
    labels = tuple(v for (v,) in arms)
    if not 2 <= len(labels) <= _MOST_ARMS or None in labels:
        return None
    find_control(ask.arm, labels, ask.control)
    calendar = _calendar(base, time, types[time])
    if calendar is None:
        return None
    plain, notes = [_number(c, types[c]) for c in outcomes], []
    if ask.missing == "zero":
        counts = base.aggregate(", ".join(f"count(*) - count({x})" for x in plain)).fetchall()[0]
        gone = dict(zip(outcomes, counts, strict=True))
        if any(gone[p] for m in ask.metrics if isinstance(m, Ratio) for p in parts(m)):
            return None  # whether both parts are missing together is told row by row
        plain = [f"coalesce({x}, 0)" if gone[c] else x for c, x in zip(outcomes, plain, strict=True)]
        notes = [f"{k:,} missing values of {c!r} count as zero (missing='zero')" for c, k in gone.items() if k]
    flags = flag_columns(ask)
    fine = [f"CASE WHEN {x} IN (0, 1) THEN {x} END" if c in flags else x for c, x in zip(outcomes, plain, strict=True)]
    coded = " ".join(f"WHEN {label_text(v)} THEN {i}" for i, v in enumerate(labels))
    listed = [
        f"{quote(unit)} AS u",
        f"CASE {arm} {coded} END AS a",
        f"CAST({_place(time, types[time], calendar)} AS INTEGER) AS d",
        # A missing value makes its unit's sum not a number, which costs nothing to find.
        *(f"coalesce({x}, 'nan'::DOUBLE) AS y{i}" for i, x in enumerate(fine)),
    ]
    held = constant_columns(ask, unit)
    held += [c for c in COARSER if c in types and c not in ask.needed and c not in (unit, time) and is_id(types[c])]
    listed += [f"{quote(c)} AS {quote('=' + c)}" for c in held]
    return There(base.project(", ".join(listed)), labels, calendar, notes, len(types))


def collapse_there(data: Any, ask: Columns, unit: str, time: str) -> Collapsed | None:
    """One row for each unit; None where the rows must be looked at one by one."""
    import pyarrow as pa

    if ask.rule != "raise":
        return None
    found = project(data, ask, unit, time)
    if found is None:
        return None
    relation, labels, calendar, notes, width = found
    outcomes, flags = outcome_columns(ask), flag_columns(ask)
    held = constant_columns(ask, unit)
    places = [c.removeprefix("=") for c in relation.columns if c.startswith("=") and c.removeprefix("=") not in held]
    words = math.ceil((len(labels) + calendar.size) / _BITS)
    sums = [f"{'max' if c in flags else 'sum'}(y{i}) AS y{i}" for i, c in enumerate(outcomes)]
    sums += [f"sum((d - {calendar.middle!r}) * y0) AS slope", "sum(y0) AS plain"]
    for k, column in enumerate((*held, *places)):
        sums += [f"min({quote('=' + column)}) AS low{k}", f"max({quote('=' + column)}) AS high{k}"]
    bits = ", ".join(f"{_word(w, len(labels), words, held)} AS m{w}" for w in range(words))
    sums += [f"bit_or(m{w}) AS m{w}" for w in range(words)]
    unused = "plain" if outcomes[0] not in flags else ""
    sums = [s for s in sums if not (unused and s.endswith(" AS plain"))]
    arrow = relation.project(f"*, {bits}").aggregate(f"u, {', '.join(sums)}", "u").to_arrow_table()
    rows = int(relation.aggregate("count(*)").fetchall()[0][0])
    masks = np.array([arrow[f"m{w}"].to_numpy() for w in range(words)])
    if arrow["u"].null_count or masks.dtype != np.int64 or (masks[0] & _TROUBLE).any():
        return None
    totals = {c: arrow[f"y{i}"].to_numpy() for i, c in enumerate(outcomes)}
    if not all(np.isfinite(x).all() and np.abs(x).max() <= 2.0**53 for x in totals.values()):
        return None
    own = masks[0] & ((1 << len(labels)) - 1)
    days, first = _days(masks, len(labels), calendar)
    if (own & (own - 1)).any() or days.sum() != rows:
        return None
    arm = np.log2(own).astype(np.int64)
    columns = {ask.arm: pa.array(arm), **{c: pa.array(x) for c, x in totals.items()}}
    for k, column in enumerate((*held, *places)):
        low, high = arrow[f"low{k}"], arrow[f"high{k}"]
        same = low.null_count == 0 and low.equals(high)
        if not same and column in held:
            return None
        if same:
            columns[column] = low
    plain = arrow["plain"].to_numpy() if "plain" in arrow.column_names else totals[outcomes[0]]
    return Collapsed(
        pa.table(columns), labels, arm, days, first, totals, arrow["slope"].to_numpy(), plain, calendar, rows, width,
        {}, tuple(notes), {},
    )  # fmt: skip


def _number(column: str, kind: str) -> str:
    """A column as DOUBLE, not a number as missing."""
    x = f"CAST({quote(column)} AS DOUBLE)"
    return f"CASE WHEN isnan({x}) THEN NULL ELSE {x} END" if kind in FRACTIONS else x


def _calendar(base: Any, time: str, kind: str) -> Calendar | None:
    found = base.project(f"{quote(time)} AS t").distinct().limit(MOST_DAYS + 1).fetchall()
    times = [t for (t,) in found]
    if None in times or not times or len(times) > MOST_DAYS:
        return None
    if kind in WHOLE:
        return calendar_of(np.array(times, dtype=np.int64), False, time)
    if not all(isinstance(t, dt.date) for t in times):
        return None  # infinite dates come as text
    return calendar_of(np.array(times, dtype="datetime64[us]").view(np.int64), True, time)


def _place(time: str, kind: str, calendar: Calendar) -> str:
    """Place of a row's time on the calendar, in SQL."""
    if kind == "DATE":
        days = calendar.step // 86_400_000_000
        return f"({quote(time)} - DATE {_date(calendar.origin)}) // {days}"
    x = f"CAST({quote(time)} AS BIGINT)" if kind in WHOLE else f"epoch_us(CAST({quote(time)} AS TIMESTAMP))"
    return f"({x} - ({calendar.origin})) // {calendar.step}"


def _date(micros: int) -> str:
    return f"'{np.datetime64(micros, 'us').astype('datetime64[D]')}'"


def _word(word: int, arms: int, words: int, held: list[str]) -> str:
    """The bits of a row that fall into one word: those of its arm and its day; bit 61 for a missing value."""
    bits = []
    if words == 1:
        bits.append(f"(CAST({1 << arms} AS BIGINT) << d)")
    else:
        place = f"(d + {arms - word * _BITS})"
        inside = f"{place} BETWEEN 0 AND {_BITS - 1}"
        bits.append(f"CASE WHEN d IS NULL OR a IS NULL THEN NULL WHEN {inside} THEN 1::BIGINT << {place} ELSE 0 END")
    if word == 0:
        bits.append("(1::BIGINT << a)")
        if held:
            gone = " OR ".join(f"{quote('=' + c)} IS NULL" for c in held)
            bits.append(f"CASE WHEN {gone} THEN {_TROUBLE} ELSE 0 END")
    return " | ".join(bits)


def _days(masks: IntArray, arms: int, calendar: Calendar) -> tuple[IntArray, IntArray]:
    """Number of days of each unit, and the position of the first of them among those that occur."""
    days = np.zeros(masks.shape[1], dtype=np.int64)
    first = np.full(masks.shape[1], -1, dtype=np.int64)
    for word, mask in enumerate(masks):
        own = mask & ~((1 << arms) - 1) if word == 0 else mask
        days += np.bitwise_count(own)
        lowest = own & -own
        new = (first < 0) & (own != 0)
        first[new] = np.log2(lowest[new]).astype(np.int64) + word * _BITS - arms
    return days, np.searchsorted(calendar.at, first)
