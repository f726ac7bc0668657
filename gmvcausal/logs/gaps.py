"""Times inside the log in which nobody ordered: a lost file, or an order with a wrong date."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.logs.calendar import Freq, parse_freq, text
from gmvcausal.logs.facts import entry
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span

Entry = dict[str, Any]

EMPTY_FAILED = 0.25  # share of the periods
# So few order lines on one side of a gap, and so small a share of the log, are taken for wrong dates.
_ALONE = 5
_ALONE_SHARE = 0.01
# Days without orders in a row, and lines to be expected in them (none come with a chance of e^-10), that make a gap.
LEAST_DAYS = 7
_EXPECTED = 10.0
_MIDDLE = 0.01


def empty_periods(logs: Logs, span: Span, ordered: NDArray[np.bool_]) -> Entry:
    """Whole periods inside the log in which nobody ordered anything."""
    empty = np.flatnonzero(~ordered)
    if not len(empty):
        message = f"orders were placed in each of the {periods_in_words(span.grid.freq, span.periods)}"
        return entry("empty_periods", "passed", 0.0, 0.0, message)
    runs = np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
    gap = max(runs, key=len)
    first, begin, end = span.grid.starts(np.array([empty[0], gap[0], gap[-1] + 1]))
    return _found(logs, span.grid.freq, len(empty), span.periods, "inside the log", text(first), (begin, end), len(gap))


def empty_days(logs: Logs, begin: np.datetime64, end: np.datetime64) -> Entry:
    """Runs of at least a week without an order, as far as they lie between `begin` and `end`; as `empty_periods`.

    For windows of users that start on days of their own, where no grid of periods is at hand. Where orders are few, a
    run has to be so long that ten lines were to be expected in it.
    """
    if "days" not in logs._cache:
        since = "date_diff('day', DATE '1970-01-01', CAST(\"time\" AS DATE))"
        logs._cache["days"] = logs._space.numpy(
            f"SELECT {since} AS day, count(*) AS n FROM {logs._lines.view} GROUP BY 1 ORDER BY 1", "orders"
        )
    found = logs._cache["days"]
    day, lines = np.asarray(found["day"], dtype=np.int64), np.asarray(found["n"], dtype=np.int64)
    first, last = (int(t.astype("datetime64[D]").astype(np.int64)) for t in (begin, end - np.timedelta64(1, "us")))
    # Where the bulk of the lines lies; a few wrong dates do not thin it out.
    reached = np.cumsum(lines) / lines.sum()
    low, high = (day[min(int(np.searchsorted(reached, q)), len(day) - 1)] for q in (_MIDDLE, 1 - _MIDDLE))
    rate = (1 - 2 * _MIDDLE) * float(lines.sum()) / float(high - low + 1)
    least = max(LEAST_DAYS, math.ceil(_EXPECTED / rate))
    gaps = [(a + 1, b) for a, b in pairwise(day.tolist()) if b - a - 1 >= least and a + 1 <= last and b > first]
    if not gaps:
        message = f"orders were placed throughout: no {least} days in a row without any"
        return entry("empty_periods", "passed", 0.0, 0.0, message)
    empty = sum(min(b, last + 1) - max(a, first) for a, b in gaps)
    widest = max(gaps, key=lambda g: g[1] - g[0])
    stamps = [np.datetime64(k, "D").astype("datetime64[us]") for k in (*widest, gaps[0][0])]
    return _found(
        logs, parse_freq("freq", "D"), empty, last + 1 - first, "in which users are watched", text(stamps[2]),
        (stamps[0], stamps[1]), widest[1] - widest[0],
    )  # fmt: skip


def _found(
    logs: Logs, freq: Freq, empty: int, periods: int, inside: str, first: str,
    gap: tuple[np.datetime64, np.datetime64], length: int,
) -> Entry:  # fmt: skip
    """The check where `empty` of so many periods hold no order; `gap` is the longest run of them."""
    message = (
        f"nobody ordered anything in {empty:,} of the {periods_in_words(freq, periods)} {inside}; "
        f"the first of them begins at {first}"
    )
    alone, what = _alone(logs, gap, periods_in_words(freq, length))
    if alone:
        message += f"; {what}"
        remedy = (
            "correct these dates at their source if they are wrong: the log is taken to reach from its first order to "
            "its last, and everything between counts as zero"
        )
    else:
        remedy = (
            "look for a lost file or a failed export of that time, or for an order with a wrong date; "
            "where nothing was for sale the zeros are right"
        )
    # One wrong year makes most of the panel zeros that nobody lived through; no estimate from it is worth reading.
    failed = alone or empty > EMPTY_FAILED * periods
    return entry("empty_periods", "failed" if failed else "warned", float(empty), 0.0, message, remedy)


def _alone(logs: Logs, gap: tuple[np.datetime64, np.datetime64], longest: str) -> tuple[int, str]:
    """The few order lines on one side of the longest gap, in words with their row positions; 0 where many lie there."""
    sides = {"before": f"\"time\" < TIMESTAMP '{gap[0]}'", "after": f"\"time\" >= TIMESTAMP '{gap[1]}'"}
    raw = logs._raw_orders
    counted = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in sides.values())
    row = logs._space.row(f"SELECT {counted} FROM {raw.sql}", "orders")
    lines, side = min((int(n), side) for n, side in zip(row, sides, strict=True))
    if not 0 < lines <= _ALONE or (lines > 1 and lines > _ALONE_SHARE * logs._facts.lines):
        return 0, ""
    rows = ", ".join(str(r) for r in raw.first_rows(sides[side]))
    which = f"a single order line lies {side}" if lines == 1 else f"only {lines:,} order lines lie {side}"
    return lines, f"{which} the longest gap of {longest}, at row position{'s' if lines > 1 else ''} {rows} of orders"


def periods_in_words(freq: Freq, n: int) -> str:
    """How many periods, in words: "1 week", "52 weeks", "13 periods of 4 weeks"."""
    if freq.count == 1:
        return f"{n:,} {freq.word}{'' if n == 1 else 's'}"
    return f"{n:,} period{'' if n == 1 else 's'} of {freq.word}"
