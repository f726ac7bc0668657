"""Intervals that do not follow from a standard error, carried over from the result that made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult


@dataclass(frozen=True, eq=False)
class TermOf:
    """The interval of one term of a result, as often as it counts.

    Holds the result, which can be pickled, in place of its limits, which may be made of placebo runs and cannot.

    Attributes
    ----------
    result : DidResult
    at : int
        The term.
    times : int
    """

    result: DidResult
    at: int = 0
    times: int = 1

    def __call__(self, level: float) -> tuple[float, float]:
        low, high = self.result.estimates.interval(level)
        return float(low[self.at]) * self.times, float(high[self.at]) * self.times
