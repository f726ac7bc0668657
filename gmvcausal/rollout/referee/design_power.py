"""What the design as it stands could find: the smallest effect, from its own standard error and degrees of freedom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.stats.inference import critical_value
from gmvcausal.stats.power import read_power

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.result import DidResult


@dataclass(frozen=True)
class DesignPower:
    """The smallest effect that a design finds.

    Attributes
    ----------
    effect : float
        In the unit of the estimate.
    power, alpha : float
    df : float
        Degrees of freedom; NaN where the interval is not a t interval.
    baseline : float
        Mean of the treated before their treatment.
    unit : str
    how : str
        What the number rests on.
    """

    effect: float
    power: float
    alpha: float
    df: float
    baseline: float
    unit: str
    how: str

    @property
    def share(self) -> float:
        """The effect as a share of the baseline; NaN without one."""
        return self.effect / self.baseline if self.baseline > 0 else math.nan

    def sentence(self) -> str:
        """The answer in one sentence."""
        share = f", {100 * self.share:.3g}% of what the treated units had before" if self.share == self.share else ""
        return (
            f"This design finds an effect of {self.effect:.4g} {self.unit}{share}, in {100 * self.power:g} of 100 such "
            f"samples at the {100 * self.alpha:g}% level ({self.how})."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def to_frame(self) -> pd.DataFrame:
        """One row: effect, share, power, alpha, df, unit."""
        import pandas as pd

        names = ("effect", "share", "power", "alpha", "df", "unit")
        return pd.DataFrame([{name: getattr(self, name) for name in names}])


def design_power(result: DidResult, power: float) -> DesignPower:
    """See `DidResult.power`."""
    power = read_power(power, result.alpha)
    low, high = result.conf_int()
    if not math.isfinite(low) or not math.isfinite(high):
        raise DesignError(
            f"a design without an interval finds nothing: {result.estimates.withheld or 'the interval is infinite'}",
            remedy="collect more treated or control clusters",
        )
    t = result.estimates.t
    df, error = float(t.df[0]), result.std_error * float(t.factor[0])
    if 0 in result.estimates.special or not error > 0:
        # The interval has a half-width, and no standard error of its own: power is added as it would be for a normal.
        half = (high - low) / 2
        effect = half * (1 + critical_value(2 * power - 1) / critical_value(1 - result.alpha)) if power > 0.5 else half
        how = f"from the interval by {result.estimates.method}; its tails taken as normal"
        return DesignPower(effect, power, result.alpha, math.nan, result.baseline, result.unit, how)
    effect = _noncentral(power, result.alpha, df) * error
    how = f"standard error {error:.4g}" + (f", t with {df:.3g} degrees of freedom" if math.isfinite(df) else "")
    return DesignPower(effect, power, result.alpha, df, result.baseline, result.unit, how)


def _noncentral(power: float, alpha: float, df: float) -> float:
    """Standard errors that an effect must have: the noncentrality at which a two-sided t test has `power`."""
    from scipy import optimize, stats

    c = critical_value(1 - alpha, df)

    def short(shift: float) -> float:
        if math.isinf(df):
            return float(stats.norm.sf(c - shift) + stats.norm.cdf(-c - shift)) - power
        return float(stats.nct.sf(c, df, shift) + np.nan_to_num(stats.nct.cdf(-c, df, shift))) - power

    return float(optimize.brentq(short, 0.0, 4 * c + 10))
