"""A planned comparison of two arms: outcome, design and test, and what follows from them by arithmetic."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import one_of, said
from gmvcausal.stats import power as pw

METRICS = ("mean", "proportion", "ratio", "gmv")
PARTS = ("amount", "rate")

# Skewness of an estimate beyond which a normal interval misses unevenly. A mean of n units has its outcome's skewness
# over the root of n, so this is the 355 times squared skewness of Kohavi and others (2014).
_SKEW_RULE = 355.0**-0.5


@dataclass(frozen=True)
class Outcome:
    """What one unit brings along under control, and how an effect changes it.

    Attributes
    ----------
    metric : str
        One of `METRICS`.
    base : PerUnit
        Under control.
    treated_variance : float or None
        Of a mean, where it is known to differ.
    part : {"amount", "rate"}
        Of GMV: whether buyers spend more or more users buy.
    rate : float
        Share of users with any GMV.
    """

    metric: str
    base: pw.PerUnit
    treated_variance: float | None = None
    part: str = "amount"
    rate: float = math.nan

    def limits(self) -> tuple[float, float]:
        """Between which effects the outcome stays possible."""
        if self.metric == "proportion":
            return -self.base.mean, 1.0 - self.base.mean
        if self.metric == "gmv" and self.base.mean > 0:
            return -self.base.mean, self.base.mean * (1.0 / self.rate - 1.0) if self.part == "rate" else math.inf
        return -math.inf, math.inf

    def variance(self, effect: float) -> float:
        """Variance of a treated unit under an absolute effect."""
        if self.metric == "proportion":
            return pw.proportion(self.base.mean + effect).variance
        if self.metric == "gmv":
            factor = 1.0 + effect / self.base.mean
            if self.part == "amount":
                return self.base.variance * factor * factor
            second = self.base.variance + self.base.mean**2  # grows with the share of buyers, as the mean does
            return second * factor - (self.base.mean * factor) ** 2
        return self.base.variance if self.treated_variance is None else self.treated_variance


@dataclass(frozen=True)
class Plan:
    """Outcome, design and test.

    Attributes
    ----------
    outcome : Outcome
    share : float
        Share of the units that is treated.
    r2 : float
        Share of the variance that covariates explain.
    inflation : float
        Design effect of clusters.
    cluster_size : float or None
    alternative : str
    alpha : float
    shift : float
        Non-inferiority margin, signed so that it is added to the effect.
    uptake : float
        Share of units that receive because they are assigned: effects are per unit that does, and the test is that of
        the assigned, on whom they are diluted.
    """

    outcome: Outcome
    share: float
    r2: float
    inflation: float
    cluster_size: float | None
    alternative: str
    alpha: float
    shift: float
    uptake: float = 1.0

    def limits(self) -> tuple[float, float]:
        """Between which effects the outcome stays possible."""
        low, high = self.outcome.limits()
        return low / self.uptake, high / self.uptake

    def _variances(self, effect: float) -> tuple[float, float]:
        """Of a unit in control and treated, on the scale of the effect: diluted noise is noise over the uptake."""
        scale = (1.0 - self.r2) * self.inflation / self.uptake**2
        return self.outcome.base.variance * scale, self.outcome.variance(effect * self.uptake) * scale

    def spread(self, n: float, effect: float) -> tuple[float, float]:
        """Standard error and degrees of freedom with `n` units in all, under an effect."""
        variances = self._variances(effect)
        counts = n * (1.0 - self.share), n * self.share
        se = math.sqrt(variances[0] / counts[0] + variances[1] / counts[1])
        per = 1.0 if self.cluster_size is None else self.cluster_size
        # Welch over what was randomised: with clusters their number counts, not that of users
        independent = counts[0] / per, counts[1] / per
        if min(independent) < 2 - 1e-9:
            what = "units" if self.cluster_size is None else "clusters"
            raise DesignError(
                f"{n:g} units leave fewer than two {what} in the smaller arm",
                remedy="plan more units, or shares nearer to one half",
            )
        return se, pw.welch_df(*variances, *independent)

    def power(self, n: float, effect: float) -> float:
        """Chance of a rejection."""
        se, df = self.spread(n, effect)
        return float(pw.power_t(effect + self.shift, se, df, alpha=self.alpha, alternative=self.alternative))

    def detectable(self, n: float, target: float) -> float:
        """The smallest effect that is found with power `target`; NaN where none that is possible is."""
        from scipy import optimize

        sign = -1.0 if self.alternative == "less" else 1.0
        low, high = self.limits()
        reach = (high if sign > 0 else -low) * (1.0 - 1e-9)
        start = -sign * self.shift

        def gap(size: float) -> float:
            return self.power(n, sign * size) - target

        step = float(pw.detectable_t(*self.spread(n, 0.0), power=target, alpha=self.alpha))
        top = min(start + step, reach)
        while gap(top) < 0:
            if top >= reach:
                return math.nan
            top = min(start + 2 * (top - start), reach)
        bottom = max(start, -(-low if sign > 0 else high) * (1.0 - 1e-9))
        if gap(bottom) > 0:
            return math.nan
        return sign * float(optimize.brentq(gap, bottom, top, xtol=1e-13, rtol=1e-12))

    def size(self, effect: float, target: float) -> float:
        """Units in all that find `effect` with power `target`, not rounded."""
        from scipy import optimize

        start = pw.size_normal(
            effect + self.shift,
            *self._variances(effect),
            share=self.share,
            power=target,
            alpha=self.alpha,
            alternative=self.alternative,
        )
        least = 2.0 * (self.cluster_size or 1.0) / min(self.share, 1.0 - self.share)

        def gap(log_n: float) -> float:
            return self.power(math.exp(log_n), effect) - target

        low, high = math.log(max(least, 0.5 * start)), math.log(max(least, start) * 2.0)
        while gap(high) < 0:
            high += math.log(2.0)
        while gap(low) >= 0:
            if low <= math.log(least):
                return least  # the smallest design that has a standard error at all
            low = max(math.log(least), low - math.log(2.0))
        return math.exp(float(optimize.brentq(gap, low, high, xtol=1e-13, rtol=1e-14)))

    def arms(self, n: float) -> tuple[int, int]:
        """Whole units in control and treated, rounded up; whole clusters where there are any."""
        per = self.cluster_size or 1.0
        counts = [math.ceil(n * part / per - 1e-9) for part in (1.0 - self.share, self.share)]
        return math.ceil(counts[0] * per - 1e-9), math.ceil(counts[1] * per - 1e-9)

    def skewed(self, n: float) -> str:
        """A sentence where the smaller arm is too small for the normal distribution; else empty."""
        skew = self.outcome.base.skewness
        if not math.isfinite(skew):
            return ""
        # third moment of a difference of means over its variance: equal arms cancel it
        per = self.cluster_size or 1.0
        inverse = per / (n * (1.0 - self.share)), per / (n * self.share)
        of_estimate = abs(skew * (inverse[1] ** 2 - inverse[0] ** 2)) / (inverse[0] + inverse[1]) ** 1.5
        if of_estimate <= _SKEW_RULE:
            return ""
        need = n * (of_estimate / _SKEW_RULE) ** 2
        return (
            f"the outcome is skewed ({skew:.3g}) and the arms are unequal: below about {need:,.0f} units the test errs "
            "more on one side than on the other; cap the outcome, make the arms equal, or simulate with history="
        )


def read_outcome(metric: str, given: dict[str, Any]) -> Outcome:
    """The outcome from the numbers that its metric needs; numbers of another metric are refused."""
    needs = {
        "mean": ("sd",),
        "proportion": ("rate",),
        "ratio": ("mean", "sd", "per_mean", "per_sd", "correlation"),
        "gmv": ("rate", "amount_mean", "amount_sd"),
    }[one_of("metric", metric, METRICS)]
    may = {"mean": ("mean", "sd_treated"), "gmv": ("part",)}.get(metric, ())
    for name in needs:
        if given.get(name) is None:
            raise InputError(f"metric={metric!r} needs {name}=", remedy=f"give {', '.join(f'{x}=' for x in needs)}")
    for name, value in given.items():
        if value is not None and name not in (*needs, *may):
            raise InputError(f"{name}= has no meaning for metric={metric!r}", remedy=f"leave {name}= out")
    one_of("part", given.get("part") or "amount", PARTS)
    numbers = {name: number(name, value) for name, value in given.items() if value is not None and name != "part"}
    if metric == "mean":
        treated = numbers.get("sd_treated")
        base = pw.PerUnit(numbers.get("mean", math.nan), numbers["sd"] ** 2)
        return Outcome(metric, base, None if treated is None else treated**2)
    if metric == "proportion":
        return Outcome(metric, pw.proportion(numbers["rate"]))
    if metric == "ratio":
        base = pw.ratio(*(numbers[name] for name in needs))
        if base.variance <= 0:
            raise InputError("these numbers leave the ratio without variance", remedy="check correlation=")
        return Outcome(metric, base)
    base = pw.two_part(*(numbers[name] for name in needs))
    return Outcome(metric, base, None, given.get("part") or "amount", numbers["rate"])


_OPEN = {  # bounds, both excluded
    "rate": (0.0, 1.0),
    "correlation": (-1.0, 1.0),
    "sd": (0.0, math.inf),
    "sd_treated": (0.0, math.inf),
    "amount_mean": (0.0, math.inf),
    "amount_sd": (0.0, math.inf),
    "per_mean": (0.0, math.inf),
    "per_sd": (0.0, math.inf),
    "share": (0.0, 1.0),
    "non_inferiority": (0.0, math.inf),
}


def number(name: str, value: Any) -> float:
    """A finite number within the bounds of its name."""
    low, high = _OPEN.get(name, (-math.inf, math.inf))
    ok = not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(float(value))
    if not (ok and low < float(value) < high):
        raise InputError(f"{name} must be a number in ({low:g}, {high:g}), but is {said(value)}")
    return float(value)
