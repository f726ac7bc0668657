"""Two arms compared: difference, relative effect, and intervals that never contradict each other.

The relative interval uses the same critical value as the difference, and so holds zero exactly when the difference is
not significant; it never has the other sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gmvcausal.results.estimates import Estimates
from gmvcausal.stats.inference import POWER_80, fieller
from gmvcausal.stats.small_sample import welch_df

ALTERNATIVES = ("two-sided", "greater", "less")
LIFTS = ("fieller", "log", "linear")


@dataclass(frozen=True)
class Contrast:
    """One metric, one arm against the control.

    Attributes
    ----------
    treated, control : float
        The metric's value in each arm.
    difference : float
        Their difference, to full precision.
    var_treated, var_control, cov : float
        Variances of the two values and their covariance (zero unless clusters hold both arms).
    df : float
        Degrees of freedom of the t distribution.
    alternative : {"two-sided", "greater", "less"}
    lift : {"fieller", "log", "linear"}
        How the relative interval is made.
    log : bool
        Whether the values are logarithms: then the relative effect is the exponential of the difference, less one.
    parts : pair of tuples of (float, float)
        The pieces of each arm's variance with their degrees of freedom; empty where clusters hold both arms.
    by_draws, by_itself : str
        How interval and p-value are made, where they do not follow from the t distribution: of all rows of a test, or
        of this one.
    """

    treated: float
    control: float
    difference: float
    var_treated: float
    var_control: float
    cov: float
    df: float
    alternative: str = "two-sided"
    lift: str = "fieller"
    log: bool = False
    parts: tuple[tuple[tuple[float, float], ...], ...] = ()
    by_draws: ClassVar[str] = ""
    by_itself: ClassVar[str] = ""

    @property
    def variance(self) -> float:
        """Of the difference."""
        return max(self.var_treated + self.var_control - 2 * self.cov, 0.0)

    @property
    def thin(self) -> str:
        """Why there is neither interval nor p-value for want of values; empty where there are."""
        return ""

    def p_value(self) -> float:
        """Against the alternative; NaN without variance."""
        from scipy import special

        if not self.variance > 0:
            return math.nan
        t = self.difference / math.sqrt(self.variance)
        if self.alternative == "two-sided":
            return 2 * float(special.stdtr(self.df, -abs(t)))
        return float(special.stdtr(self.df, -t if self.alternative == "greater" else t))

    def critical(self, level: float) -> float:
        from scipy import special

        tail = 0.5 + level / 2 if self.alternative == "two-sided" else level
        return float(special.stdtrit(self.df, tail))

    def _sided(self, low: float, high: float) -> tuple[float, float]:
        if self.alternative == "greater":
            return low, math.inf
        return (-math.inf, high) if self.alternative == "less" else (low, high)

    def interval(self, level: float) -> tuple[float, float]:
        """Of the difference; one end is infinite for a one-sided alternative."""
        half = self.critical(level) * math.sqrt(self.variance)
        return self._sided(self.difference - half, self.difference + half)

    @property
    def relative(self) -> float:
        """The difference as a share of the control's value; NaN where that is not positive."""
        if self.log:
            return math.expm1(self.difference)
        return self.difference / self.control if self.control > 0 else math.nan

    def relative_interval(self, level: float) -> tuple[float, float]:
        """Of the relative effect; NaN where the control's value is not distinguishable from zero."""
        if self.log:
            low, high = self.interval(level)
            return math.expm1(low), math.expm1(high)
        c = self.critical(level)
        if not self.control > 0 or self.control**2 <= c * c * self.var_control:
            return math.nan, math.nan
        if self.lift == "fieller":
            # The ratio less one is the difference over the control: nothing cancels for small effects.
            low, high = fieller(
                self.difference,
                self.control,
                self.variance,
                self.var_control,
                self.cov - self.var_control,
                c,
            )
            return self._sided(low, high)
        ratio = self.treated / self.control
        weight = (self.var_treated - 2 * ratio * self.cov + ratio**2 * self.var_control) / self.control**2
        if self.lift == "linear":
            half = c * math.sqrt(max(weight, 0.0))
            return self._sided(self.relative - half, self.relative + half)
        if not ratio > 0:
            return math.nan, math.nan
        half = c * math.sqrt(max(weight, 0.0)) / ratio
        return self._sided(ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1)

    def non_inferiority(self, margin: float, alpha: float) -> tuple[float, float]:
        """P-value of the hypothesis that the harm reaches the margin, and the one-sided limit of the relative effect.

        Parameters
        ----------
        margin : float
            Negative: a fall harms; positive: a rise does.
        alpha : float
            Of the one-sided test.

        Returns
        -------
        p_value, bound : float
            The limit lies on the harmless side of the margin exactly where p < alpha. NaN, NaN without variance or
            where the control's value is not above zero; the limit alone is NaN where the control is not
            distinguishable from it.
        """
        from scipy import stats

        side = 1.0 if margin < 0 else -1.0  # towards where no harm is
        if self.log:
            if not self.variance > 0:
                return math.nan, math.nan
            error = math.sqrt(self.variance)
            t = side * (self.difference - math.log1p(margin)) / error
            critical = float(stats.t.ppf(1 - alpha, self.df))
            return float(stats.t.sf(t, self.df)), math.expm1(self.difference - side * critical * error)
        if not self.control > 0:
            return math.nan, math.nan
        factor = 1 + margin
        variance = self.var_treated + factor**2 * self.var_control - 2 * factor * self.cov
        if not variance > 0:
            return math.nan, math.nan
        df = self.df
        if self.parts:
            treated, control = self.parts
            df = welch_df([*treated, *((factor**2 * v, d) for v, d in control)])
        t = side * (self.difference - margin * self.control) / math.sqrt(variance)
        critical = float(stats.t.ppf(1 - alpha, df))
        low, high = fieller(
            self.difference,
            self.control,
            self.variance,
            self.var_control,
            self.cov - self.var_control,
            critical,
        )
        return float(stats.t.sf(t, df)), low if margin < 0 else high

    def why_no_relative(self, level: float) -> str:
        """Why the relative effect is missing; empty where it is there."""
        if not math.isnan(self.relative_interval(level)[0]):
            return ""
        if not self.control > 0:
            return f"the control's value is {self.control:.4g}, which is not above zero"
        if self.lift == "log" and not self.treated > 0:
            return f"the treated arm's value is {self.treated:.4g}, which has no logarithm"
        return f"the control's value, {self.control:.4g}, is not distinguishable from zero"


@dataclass(frozen=True)
class Limits:
    """The interval of a contrast as a function of the level that can be stored.

    Attributes
    ----------
    contrast : Contrast
    share : float
        The interval at level 1 - a is made at 1 - share * a; below 1 where several tests share one level, NaN where no
        interval is given.
    """

    contrast: Contrast
    share: float = 1.0

    def __call__(self, level: float) -> tuple[float, float]:
        if math.isnan(self.share):
            return math.nan, math.nan
        return self.contrast.interval(1 - self.share * (1 - level))

    def critical(self, level: float) -> float:
        """How many standard errors the estimate must have to be told from zero; NaN where no interval is given."""
        return math.nan if math.isnan(self.share) else self.contrast.critical(1 - self.share * (1 - level))


def errors_to_find(found: Estimates, place: int, alpha: float) -> dict[str, float]:
    """`Row.detectable_errors` where the row has a critical value of its own: one side, a share of alpha, draws."""
    limits = found.special.get(place)
    if isinstance(limits, Limits) and limits.contrast.by_itself:
        return {"detectable_errors": math.nan}  # no number of standard errors decides there
    if not isinstance(limits, Limits) or math.isnan(critical := limits.critical(1 - alpha)):
        return {}
    return {"detectable_errors": critical + POWER_80}
