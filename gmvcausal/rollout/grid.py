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
        Length of one step: months where `monthly`, else microseconds or whole numbers.
    monthly : bool
    """

    values: IntArray
    position: IntArray
    is_date: bool
    step: int = 1
    monthly: bool = False

    @property
    def gaps(self) -> int:
        """Number of periods missing between the first and the last."""
        return int(self.position[-1] - self.position[0] + 1 - len(self.position))

    def steps_after(self, value: IntArray) -> IntArray:
        """Whole steps (rounded up) from the last period to later time values."""
        ahead = value - self.values[-1]
        if self.monthly:
            month = value.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
            last = self.values[-1:].view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
            return np.asarray(-(-(month - last) // self.step))
        return np.asarray(-(-ahead // self.step))

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

    Steps are months where every date falls on the same day of the month at the same time, else the greatest common
    divisor of the distances (weeks for weekly dates, 4 weeks for 4-weekly ones, 1 for 1, 2, 3).

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
    months = _months(values) if is_date else None
    steps = values - values[0] if months is None else months - months[0]
    step = int(np.gcd.reduce(np.diff(steps)))
    return Grid(values, steps // step, is_date, step, months is not None)


def _months(values: IntArray) -> IntArray | None:
    """Month numbers, where all dates are the same day and time of their months; else None."""
    stamps = values.view("datetime64[us]")
    months = stamps.astype("datetime64[M]")
    within = (stamps - months).astype(np.int64)
    return (
        months.astype(np.int64) if (within == within[0]).all() and len(values) > 1 and _spans_months(values) else None
    )


def _spans_months(values: IntArray) -> bool:
    # Two dates exactly four weeks apart may also lie on the same day of February and March; three cannot for long.
    return bool(np.diff(values).min() >= 28 * _DAY)
