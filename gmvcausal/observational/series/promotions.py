"""The promotions of a Chinese shopping year, and events of the user's own, as shares of each period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.logs.calendar import parse_date

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# First day of the lunar year.
_LUNAR = tuple(
    np.datetime64(day, "D")
    for day in (
        "2010-02-14", "2011-02-03", "2012-01-23", "2013-02-10", "2014-01-31", "2015-02-19", "2016-02-08", "2017-01-28",
        "2018-02-16", "2019-02-05", "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29",
        "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2032-02-11", "2033-01-31",
        "2034-02-19", "2035-02-08",
    )
)  # fmt: skip
FIRST_YEAR, LAST_YEAR = 2010, 2035

# Name -> (month, day), and phases as days from it: name -> (first, last).
_FIXED: dict[str, tuple[tuple[int, int], dict[str, tuple[int, int]]]] = {
    "618": ((6, 18), {"before": (-17, -1), "day": (0, 0), "after": (1, 14)}),
    "11.11": ((11, 11), {"before": (-10, -1), "day": (0, 0), "after": (1, 14)}),
    "12.12": ((12, 12), {"before": (-3, -1), "day": (0, 0), "after": (1, 7)}),
}
_FESTIVAL = {"before": (-14, -1), "holiday": (0, 6), "after": (7, 13)}


@dataclass(frozen=True, eq=False)
class Phase:
    """One phase of a promotion, over all its years.

    Attributes
    ----------
    name : str
    share : ndarray, shape (T,)
        Share of the days of each period that lie in it.
    turn : ndarray of int, shape (T,)
        Which occurrence (a year, as a rule); -1 outside.
    length : tuple of int
        Days of each occurrence.
    """

    name: str
    share: FloatArray
    turn: NDArray[np.int64]
    length: tuple[int, ...]

    def seen(self, before: BoolArray, step: int) -> bool:
        """Whether an occurrence lies in the periods `before` with at least half of its days."""
        days = self.share * step
        return any(
            days[before & (self.turn == k)].sum() >= max(1.0, length / 2) for k, length in enumerate(self.length)
        )


def phases(first: np.datetime64, step: int, periods: int, events: Mapping[str, Any], china: bool) -> list[Phase]:
    """Phases that touch the series, in the order of the calendar.

    Parameters
    ----------
    first : datetime64[D]
        First day of the first period.
    step : int
        Days in a period.
    periods : int
    events : mapping of str to date, (first, last), or a list of these
    china : bool
        Whether 618, 11.11, 12.12 and the Spring Festival are looked for.
    """
    days = first + np.arange(step * periods)
    spans: dict[str, list[tuple[np.datetime64, np.datetime64]]] = {}
    if china:
        for year in range(int(str(days[0])[:4]) - 1, int(str(days[-1])[:4]) + 2):
            for name, ((month, day), parts) in _FIXED.items():
                _add(spans, name, np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D"), parts)
        for new_year in _LUNAR:
            _add(spans, "Spring Festival", new_year, _FESTIVAL)
    for name, value in events.items():
        spans[f"event {name}"] = _event(name, value)
    out = []
    for name, several in spans.items():
        inside, turn = np.zeros(len(days)), np.full(len(days), -1)
        lengths: list[int] = []
        for low, high in several:
            hit = (days >= low) & (days <= high)
            if hit.any():
                inside[hit], turn[hit] = 1.0, len(lengths)
                lengths.append(int((high - low).astype(int)) + 1)
        if lengths:
            by_period = turn.reshape(periods, step).max(axis=1)
            out.append(Phase(name, inside.reshape(periods, step).mean(axis=1), by_period, tuple(lengths)))
    return out


def _add(
    spans: dict[str, list[tuple[np.datetime64, np.datetime64]]], name: str, at: np.datetime64,
    parts: Mapping[str, tuple[int, int]],
) -> None:  # fmt: skip
    for part, (low, high) in parts.items():
        spans.setdefault(f"{name}, {part}" if part != "day" else name, []).append((at + low, at + high))


def read_events(events: Any) -> dict[str, Any]:
    """The user's `events`, checked.

    Raises
    ------
    InputError
        For what is no mapping of names to dates.
    """
    if events is None:
        return {}
    if not isinstance(events, Mapping):
        raise InputError(
            f"events must map names to dates, but is {said(events)}",
            remedy="write events={'brand day': '2026-09-09', 'sale': ('2026-10-01', '2026-10-07')}",
        )
    for name, value in events.items():
        _event(name, value)
    return {str(name): value for name, value in events.items()}


def _event(name: Any, value: Any) -> list[tuple[np.datetime64, np.datetime64]]:
    """A date, a pair (first, last), or a list of both."""
    if isinstance(value, list):
        return [span for one in value for span in _event(name, one)]
    ends = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    low, high = (parse_date(f"events[{name!r}]", end).astype("datetime64[D]") for end in ends)
    if high < low:
        raise InputError(f"the event {name!r} ends on {high}, before it begins on {low}", remedy="turn its dates round")
    return [(low, high)]


def told(names: Iterable[str]) -> str:
    """Names of phases in a sentence."""
    found = list(names)
    return ", ".join(repr(n) for n in found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
