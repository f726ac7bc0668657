"""The time grid of a panel: which periods exist, and how far apart they are in whole steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError

IntArray = NDArray[np.int64]

_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Grid:
    """Observed periods in order.

    Attributes
    ----------
    values : ndarray of int64, shape (T,)
        The periods as numbers, or as microseconds since 1970 where `is_date`.
    position : ndarray of int64, shape (T,)
        Whole steps since the first period; consecutive where no period is missing. Event time is a difference of these.
    is_date : bool
    step : int
        Length of one step on `scale`.
    monthly : bool
    daily : bool
        Whether whole numbers are days written YYYYMMDD.
    """

    values: IntArray
    position: IntArray
    is_date: bool
    step: int = 1
    monthly: bool = False
    note: str = ""
    daily: bool = False

    @property
    def gaps(self) -> int:
        """Number of periods missing between the first and the last."""
        return int(self.position[-1] - self.position[0] + 1 - len(self.position))

    def steps_after(self, value: IntArray) -> IntArray:
        """Whole steps (rounded up) from the last period to later time values."""
        return np.asarray(-(-(self.scale(value) - self.scale(self.values[-1:])) // self.step))

    def scale(self, value: IntArray) -> IntArray:
        """Time values as months where `monthly`, else as microseconds or whole numbers: differences are true there."""
        clock = _days_of_numbers(value) if self.daily else value
        return _month_number(clock, self.is_date or self.daily) if self.monthly else clock

    def labels(self) -> NDArray[Any]:
        """Periods as the user knows them: whole numbers or timestamps."""
        return self.values.view("datetime64[us]") if self.is_date else self.values

    def text(self, value: int) -> str:
        """One time value in words: a day where the time of day is midnight."""
        return str(self.label(value)).removesuffix(" 00:00:00")

    def label(self, value: int) -> Any:
        """One time value as the user knows it."""
        return pd.Timestamp(int(value), unit="us") if self.is_date else int(value)


def make_grid(values: IntArray, is_date: bool, column: str) -> Grid:
    """Build the grid from the sorted distinct time values.

    Steps are months where every date falls on the same day of the month (or on its last day, where the month is
    shorter) at the same time, and where whole numbers read as YYYYMM; days where they read as YYYYMMDD; else the
    greatest common divisor of the distances (weeks for weekly dates, 4 weeks for 4-weekly ones, 1 for 1, 2, 3).

    Raises
    ------
    InputError
        Fewer than two periods.
    """
    if len(values) < 2:
        raise InputError(
            "there is only one period, so nothing can be compared over time",
            column=column,
            remedy="supply at least two periods",
        )
    daily = not is_date and _numbers_are_days(values)
    clock = _days_of_numbers(values) if daily else values
    monthly = _dates_are_months(clock) if is_date or daily else _numbers_are_months(values)
    at = _month_number(clock, is_date or daily) if monthly else clock
    steps = at - at[0]
    step = int(np.gcd.reduce(np.diff(steps)))
    note = _note(values, is_date, daily, column) if monthly or daily else ""
    return Grid(values, steps // step, is_date, step, monthly, note, daily)


def _month_number(values: IntArray, is_date: bool) -> IntArray:
    """Months since some fixed month."""
    if is_date:
        return values.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return values // 100 * 12 + values % 100


def _dates_are_months(values: IntArray) -> bool:
    """Whether each date stands for its month: one day of the month throughout, cut to the length of shorter months."""
    stamps = values.view("datetime64[us]")
    months = stamps.astype("datetime64[M]")
    days = stamps.astype("datetime64[D]")
    clock = (stamps - days).astype(np.int64)
    day = (days - months.astype("datetime64[D]")).astype(np.int64)
    length = ((months + np.timedelta64(1, "M")).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(
        np.int64
    )
    # Two dates four weeks apart may also lie on the same day of February and March; three cannot for long.
    return bool(
        (clock == clock[0]).all()
        and (day == np.minimum(day.max(), length - 1)).all()
        and np.diff(values).min() >= 28 * _DAY
    )


def _numbers_are_months(values: IntArray) -> bool:
    """Whether whole numbers are months written YYYYMM; within one year the two readings agree."""
    month = values % 100
    inside = (values[0] >= 190_001) and (values[-1] <= 210_012) and bool(((month >= 1) & (month <= 12)).all())
    return inside and int(values[0] // 100) != int(values[-1] // 100)


def _numbers_are_days(values: IntArray) -> bool:
    """Whether whole numbers are days written YYYYMMDD; within one month the two readings agree."""
    if values[0] < 19_000_101 or values[-1] > 21_001_231 or values[0] // 100 == values[-1] // 100:
        return False
    days = _days_of_numbers(values).view("datetime64[us]").astype("datetime64[D]")
    year, month = days.astype("datetime64[Y]").astype(np.int64) + 1970, days.astype("datetime64[M]").astype(np.int64)
    day = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    # A number that is no day of the calendar (20250231) comes back as another.
    return bool((year * 10_000 + (month % 12 + 1) * 100 + day == values).all())


def _days_of_numbers(values: IntArray) -> IntArray:
    """Numbers written YYYYMMDD as microseconds since 1970."""
    month = (values // 10_000 - 1970) * 12 + values // 100 % 100 - 1
    days = month.astype("datetime64[M]").astype("datetime64[D]") + (values % 100 - 1)
    return np.asarray(days.astype("datetime64[us]").astype(np.int64))


def _note(values: IntArray, is_date: bool, daily: bool, column: str) -> str:
    """Say it where months and days are not what the values plainly are."""
    if daily:
        return f"{column!r} was read as days (YYYYMMDD), so that a step over the end of a month is no gap"
    if not is_date:
        return f"{column!r} was read as months (YYYYMM), so that {values[0]} to {values[-1]} has no gap at a new year"
    days = values.view("datetime64[us]").astype("datetime64[D]")
    if len(np.unique(days - days.astype("datetime64[M]").astype("datetime64[D]"))) > 1:
        return f"{column!r} holds the last days of months, so a step is one month"
    return ""


def distinct_times(values: IntArray) -> tuple[IntArray, IntArray]:
    """Sorted distinct values and each row's position among them; by counting where they lie on a grid."""
    if not len(values):
        return values, values
    low, high = int(values.min()), int(values.max())
    step = max(int(np.gcd.reduce(np.diff(np.unique(values[:: max(1, len(values) // 10_000)])))), 1)
    span = (high - low) // step + 1
    if span <= 4 * len(values) + 1024:
        index = values - low if step == 1 else (values - low) // step  # a division of each costs more than the rest
        if step == 1 or (index * step + low == values).all():
            seen = np.zeros(span, dtype=bool)
            seen[index] = True
            distinct = np.flatnonzero(seen)
            return distinct * step + low, index if len(distinct) == span else (np.cumsum(seen) - 1)[index]
    distinct, index = np.unique(values, return_inverse=True)
    return distinct, index.astype(np.int64)
