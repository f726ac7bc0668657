"""Periods: how a frequency such as "4W" cuts local time, once for SQL and once for numpy.

Period k is ``[origin + k·freq, origin + (k+1)·freq)``. Days and weeks have a fixed length in local (wall clock) time;
months are calendar months counted from the origin's day.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said

IntArray = NDArray[np.int64]
StampArray = NDArray[np.datetime64]

DAY = 86_400_000_000  # microseconds
_FREQ = re.compile(r"^([1-9][0-9]*)?([DWM])$")
_CENTURY = {"D": 36_600, "W": 5_230, "M": 1_200}
_WORDS = {"D": "day", "W": "week", "M": "month"}


@dataclass(frozen=True)
class Freq:
    """A length of time: a number of days, weeks or months.

    Attributes
    ----------
    text : str
        As the user wrote it.
    count : int
    letter : str
        "D", "W" or "M".
    """

    text: str
    count: int
    letter: str

    @property
    def micros(self) -> int:
        """Length in microseconds (days and weeks only)."""
        return self.count * (7 if self.letter == "W" else 1) * DAY

    @property
    def word(self) -> str:
        """In words: "day", "week", "4 weeks"."""
        word = _WORDS[self.letter]
        return word if self.count == 1 else f"{self.count} {word}s"


def parse_freq(name: str, value: Any, *, months: bool = True) -> Freq:
    """Read "D", "W", "4W", "28D", "M" or raise `InputError`."""
    found = _FREQ.match(value) if isinstance(value, str) else None
    if found is None or (found[2] == "M" and not months):
        letters = "D (days), W (weeks) or M (calendar months)" if months else "D (days) or W (weeks)"
        raise InputError(
            f"{name} must be a number of {letters}, for example '7D' or '4W', but is {said(value)}",
            remedy=f"write {name}='W' for weeks",
        )
    # The number of digits first: Python refuses to read numbers of thousands of them.
    if len(found[1] or "") > 5 or int(found[1] or 1) > _CENTURY[found[2]]:
        raise InputError(f"{name}={said(value)} is longer than a century", remedy=f"write {name}='W' for weeks")
    return Freq(value, int(found[1] or 1), found[2])


def parse_date(name: str, value: Any) -> np.datetime64:
    """Read a date or time without a zone as datetime64[us]."""
    try:
        stamp = pd.Timestamp(value) if isinstance(value, str | np.datetime64 | dt.date) else None
        known = stamp is not None and not pd.isna(stamp)
        plain = np.datetime64(stamp.to_pydatetime(warn=False).replace(tzinfo=None), "us") if stamp and known else None
    except (ValueError, TypeError, OverflowError):
        stamp = plain = None
    if stamp is None or plain is None:
        raise InputError(f"{name} must be a date such as '2025-11-01', but is {said(value)}",
                         remedy=f"write {name}= as year, month and day: '2025-11-01'")  # fmt: skip
    if stamp.tzinfo is not None:
        raise InputError(
            f"{name} carries the time zone {stamp.tzinfo}, while periods are cut in local time",
            remedy=f"write {name}= as a local date without a zone",
        )
    return plain


def micros(stamp: np.datetime64) -> int:
    """Microseconds since 1970 of a datetime64[us]."""
    return int(stamp.astype("datetime64[us]").astype(np.int64))


def text(stamp: np.datetime64) -> str:
    """A stamp in words: the date alone where it is midnight."""
    full = str(stamp.astype("datetime64[s]")).replace("T", " ")
    return full.removesuffix(" 00:00:00")


@dataclass(frozen=True)
class Grid:
    """Consecutive periods from `origin`.

    Attributes
    ----------
    freq : Freq
    origin : datetime64[us]
    """

    freq: Freq
    origin: np.datetime64

    def __post_init__(self) -> None:
        if self.freq.letter == "M" and self._parts()[2] > 28:
            raise InputError(
                f"periods of months cannot start on day {self._parts()[2]}, which not every month has",
                remedy="name a start of month with origin=, for example origin='2025-11-01'",
            )

    def _parts(self) -> tuple[int, int, int]:
        stamp = pd.Timestamp(self.origin)
        return stamp.year, stamp.month, stamp.day

    def sql(self, time: str) -> str:
        """SQL for the index of the period of `time`; right for times at or after the origin only."""
        if self.freq.letter != "M":
            if micros(self.origin) % DAY == 0:  # days are counted at less cost than microseconds
                days = f"date_diff('day', DATE '{self.origin.astype('datetime64[D]')}', CAST({time} AS DATE))"
                return f"CAST({days} // {self.freq.micros // DAY} AS INTEGER)"
            return f"CAST((epoch_us({time}) - ({micros(self.origin)})) // {self.freq.micros} AS INTEGER)"
        # Shifting every time back by the origin's distance from the start of its month makes periods calendar months.
        year, month, _ = self._parts()
        shifted = f"({time} - to_microseconds({self._into_month()}))"
        return f"CAST((year({shifted}) * 12 + month({shifted}) - {year * 12 + month}) // {self.freq.count} AS INTEGER)"

    def _into_month(self) -> int:
        return micros(self.origin) - micros(self.origin.astype("datetime64[M]").astype("datetime64[us]"))

    def index(self, times: StampArray) -> IntArray:
        """Index of the period of each time (negative before the origin); NaT gives an undefined value."""
        stamps = np.asarray(times, dtype="datetime64[us]")
        if self.freq.letter != "M":
            return np.asarray((stamps.astype(np.int64) - micros(self.origin)) // self.freq.micros, dtype=np.int64)
        months = (stamps - np.timedelta64(self._into_month(), "us")).astype("datetime64[M]").astype(np.int64)
        first = int(self.origin.astype("datetime64[M]").astype(np.int64))
        return np.asarray((months - first) // self.freq.count, dtype=np.int64)

    def starts(self, index: IntArray | int) -> StampArray:
        """Start of each period."""
        k = np.asarray(index, dtype=np.int64)
        if self.freq.letter != "M":
            return np.asarray(micros(self.origin) + k * self.freq.micros).astype("datetime64[us]")
        months = (self.origin.astype("datetime64[M]").astype(np.int64) + k * self.freq.count).astype("datetime64[M]")
        return np.asarray(months.astype("datetime64[us]") + np.timedelta64(self._into_month(), "us"))

    def complete(self, end: np.datetime64) -> int:
        """How many whole periods lie between the origin and `end`."""
        k = int(self.index(np.array([end]))[0])
        return max(k, 0)


def shorter_periods(freq: Freq, per: Any) -> int:
    """How many of the shorter periods `per` fit into `freq`; raises where they do not fit exactly."""
    short = parse_freq("per", per)
    monthly = (freq.letter == "M") != (short.letter == "M")
    long_length, short_length = (
        (freq.count, short.count) if freq.letter == "M" else (freq.micros, short.micros if not monthly else 1)
    )
    if monthly or long_length % short_length:
        raise InputError(
            f"per={per!r} does not divide freq={freq.text!r} into equal parts",
            remedy="for example freq='4W' with per='W'",
        )
    return long_length // short_length
