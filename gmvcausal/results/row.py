"""One row of a result as sentences need it: the effect, its interval, and what they are measured in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gmvcausal.stats.inference import critical_value, power_factor


@dataclass(frozen=True)
class Row:
    """One row of `to_frame()`.

    Attributes
    ----------
    place : int
        Position of the row.
    term, estimand, unit : str
    estimate, std_error, p_value, low, high : float
        NaN where withheld.
    n : int or None
        None where the number of units is not known.
    alpha : float
        One minus the level of the interval.
    detectable_errors : float
        Standard errors that an effect must have to be found with 80 % power.
    baseline : float
        What the effect is a share of; NaN where there is no such value.
    lift : float
        The effect as a share where it is none of the baseline (log points); NaN elsewhere.
    qualifier : str
        What sets the quantity apart from the plain one (``"with gmv capped at 600"``); empty for a plain one.
    alternative : {"two-sided", "greater", "less"}
        What the test looks for.
    adjusted : bool
        Whether the p-value is adjusted for the number of tests, and the interval holds together with others.
    """

    place: int
    term: str
    estimand: str
    unit: str
    estimate: float
    std_error: float
    p_value: float
    low: float
    high: float
    n: int | None
    alpha: float
    detectable_errors: float
    baseline: float = math.nan
    lift: float = math.nan
    qualifier: str = ""
    alternative: str = "two-sided"
    adjusted: bool = False

    @property
    def direction(self) -> int:
        """1 where a gain is found, -1 where a loss is, 0 where neither.

        The interval decides. Where many tests were adjusted the p-value does: Holm's steps reject more than intervals
        that hold all together can show, and the p-value is what the promise is made for.
        """
        if self.adjusted and not math.isnan(self.p_value):
            return 0 if self.p_value >= self.alpha else 1 if self.estimate > 0 else -1
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    @property
    def detectable(self) -> float:
        """The smallest effect that could have been found with 80 % power at `alpha`."""
        if not math.isnan(self.std_error):
            return self.detectable_errors * self.std_error
        # Without a standard error the interval says how far chance reaches: its half-length stands for 1.96 of them.
        return power_factor(1 - self.alpha) / critical_value(1 - self.alpha) * (self.high - self.low) / 2
