"""The days of a test: an even grid of times, and which of its places occur in the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.intake.rows import IntArray
from gmvcausal.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MOST_DAYS = 1_500
_DAY = 86_400_000_000
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Calendar:
    """Times as places on an even grid.

    Attributes
    ----------
    origin, step : int
        The first time and the distance of two places: whole numbers, or microseconds since 1970.
    at : ndarray of int, shape (days,)
        Places that occur, sorted; the first is 0.
    is_date : bool
    """

    origin: int
    step: int
    at: IntArray
    is_date: bool

    @property
    def size(self) -> int:
        """Places of the grid."""
        return int(self.at[-1]) + 1

    @property
    def empty(self) -> IntArray:
        """Places of the grid that do not occur: nobody has a row there."""
        return np.setdiff1d(np.arange(self.size), self.at)

    @property
    def middle(self) -> float:
        """Mean of the places that occur."""
        return float(self.at.mean())

    @property
    def word(self) -> str:
        """What a place is called."""
        return "day" if self.is_date and self.step == _DAY else "period"

    def times(self) -> pd.Index[Any]:
        """The times that occur, as dates or whole numbers."""
        return self._times(self.at)

    def _times(self, at: IntArray) -> pd.Index[Any]:
        import pandas as pd

        found = self.origin + self.step * at
        return pd.DatetimeIndex(found.astype("datetime64[us]")) if self.is_date else pd.Index(found)

    def text(self, place: int) -> str:
        """The time at a position among those that occur."""
        return _plain(self.times()[place])

    def gaps(self) -> str:
        """The places at which nobody has a row, in words; empty without any: "2025-11-07"."""
        empty = self.empty
        shown = ", ".join(map(_plain, self._times(empty[:_SHOWN])))
        if len(empty) <= _SHOWN:
            return shown
        return f"{len(empty):,} {self.word}s ({shown} and {len(empty) - _SHOWN:,} more)"


def _plain(time: Any) -> str:
    return str(time).removesuffix(" 00:00:00")


def calendar_of(times: IntArray, is_date: bool, column: str) -> Calendar:
    """The grid of distinct times.

    Raises
    ------
    InputError
        So many places that the column cannot hold days.
    """
    distinct = np.unique(times)
    step = int(np.gcd.reduce(np.diff(distinct))) if len(distinct) > 1 else (_DAY if is_date else 1)
    at = (distinct - distinct[0]) // step
    if at[-1] >= MOST_DAYS:
        raise InputError(
            f"time holds {len(distinct):,} different times over {int(at[-1]) + 1:,} steps, which are too many to be "
            "the days of a test",
            column=column,
            remedy="round the times down to days first, and add each unit's day up to one row",
        )
    return Calendar(int(distinct[0]), step, at.astype(np.int64), is_date)
