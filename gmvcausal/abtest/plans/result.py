"""What `power` and `sample_size` return."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.plans.history import Simulation
from gmvcausal.abtest.plans.plan import Plan, number
from gmvcausal.results.curves import Curves, Line, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_KINDS = ("mde", "power")
_WORDS = {
    "mean": "mean per unit",
    "proportion": "share of units",
    "ratio": "ratio of sums over units",
    "gmv": "GMV per unit",
}


@dataclass(frozen=True, eq=False, repr=False)
class PowerResult:
    """A planned test.

    Attributes
    ----------
    plan : Plan
        Outcome, design and test.
    n : number
        Units in both arms together.
    effect : float or None
        Absolute effect asked about.
    target : float
        Power at which the MDE is given.
    simulated : Simulation or None
        Size and power by simulation on the history.
    """

    plan: Plan
    n: float
    effect: float | None
    target: float
    simulated: Simulation | None
    _arms: tuple[int, int] | None = None

    @property
    def n_control(self) -> float:
        """Units in control."""
        return self.n * (1 - self.plan.share) if self._arms is None else self._arms[0]

    @property
    def n_treated(self) -> float:
        """Units treated."""
        return self.n * self.plan.share if self._arms is None else self._arms[1]

    @property
    def lift(self) -> float:
        """The effect as a share of the mean under control; NaN where either is not known."""
        return self._relative(math.nan if self.effect is None else self.effect)

    @cached_property
    def power(self) -> float:
        """Chance of finding the effect; NaN where none was given."""
        return math.nan if self.effect is None else self.plan.power(self.n, self.effect)

    @cached_property
    def detectable(self) -> float:
        """The smallest effect found with power `target`; NaN where no possible effect is."""
        return self.plan.detectable(self.n, self.target)

    @property
    def detectable_lift(self) -> float:
        """The same as a share of the mean under control."""
        return self._relative(self.detectable)

    @property
    def std_error(self) -> float:
        """Standard error of the estimate under the effect (under none, where none was given)."""
        return self.plan.spread(self.n, self.effect or 0.0)[0]

    @property
    def df(self) -> float:
        """Degrees of freedom of its t distribution."""
        return self.plan.spread(self.n, self.effect or 0.0)[1]

    @property
    def clusters(self) -> float:
        """Clusters in both arms; NaN where units are randomised one by one."""
        return math.nan if self.plan.cluster_size is None else self.n / self.plan.cluster_size

    def _relative(self, value: float) -> float:
        base = self.plan.outcome.base.mean
        return value / base if math.isfinite(base) and base > 0 else math.nan

    def _row(self, n: float) -> dict[str, float]:
        found = self.plan.detectable(n, self.target)
        power = math.nan if self.effect is None else self.plan.power(n, self.effect)
        return {"n": n, "detectable": found, "detectable_lift": self._relative(found), "power": power}

    def to_frame(self) -> pd.DataFrame:
        """One row: the plan, its power and what it can detect; simulated rates where there is a history."""
        import pandas as pd

        row: dict[str, Any] = {
            "metric": self.plan.outcome.metric,
            "n": self.n,
            "n_control": self.n_control,
            "n_treated": self.n_treated,
            "effect": math.nan if self.effect is None else self.effect,
            "lift": self.lift,
            "power": self.power,
            "detectable": self.detectable,
            "detectable_lift": self.detectable_lift,
            "std_error": self.std_error,
            "df": self.df,
            "design_effect": self.plan.inflation,
            "alternative": self.plan.alternative,
            "alpha": self.plan.alpha,
        }
        if self.simulated is not None:
            s = self.simulated
            row |= {
                "false_positives": s.false_positives,
                "false_positives_low": s.interval(s.false_positives)[0],
                "false_positives_high": s.interval(s.false_positives)[1],
                "simulated_power": s.power,
                "simulated_power_low": s.interval(s.power)[0],
                "simulated_power_high": s.interval(s.power)[1],
            }
        return pd.DataFrame([row])

    def curve(self, n: Sequence[float] | None = None) -> pd.DataFrame:
        """The MDE, and the power for the effect, over sizes of the test.

        Parameters
        ----------
        n : sequence of numbers, optional
            Units in both arms. Default: 25 sizes from a tenth of the planned size (where that leaves enough units) to
            ten times it.

        Returns
        -------
        DataFrame
            Columns n, detectable, detectable_lift, power.
        """
        import pandas as pd

        least = 2.0 * (self.plan.cluster_size or 1.0) / min(self.plan.share, 1.0 - self.plan.share)
        sizes = np.geomspace(max(self.n / 10, least * 1.01), self.n * 10, 25) if n is None else n
        return pd.DataFrame([self._row(number("n", float(one))) for one in sizes])

    def plot(self, kind: str | None = None, *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw the plan.

        Parameters
        ----------
        kind : {"mde", "power"}, optional
            The smallest effect found over sizes of the test (default), or the power over effects at the planned size.
        """
        from gmvcausal.frames.params import one_of

        relative = math.isfinite(self.detectable_lift)
        unit = "lift, %" if relative else "effect, in the unit of the outcome"
        if one_of("kind", "mde" if kind is None else kind, _KINDS) == "mde":
            frame = self.curve()
            y = frame["detectable_lift"] * 100 if relative else frame["detectable"]
            here = self.detectable_lift * 100 if relative else self.detectable
            sizes = frame["n"].to_numpy(float)
            lines = [
                Line(f"found with {100 * self.target:g}% power", sizes, y.to_numpy(float)),
                Line("the plan", np.array([float(self.n)]), np.array([here]), "points"),
            ]
            if self.effect is not None:
                asked = abs(self.lift) * 100 if relative else abs(self.effect)
                lines.append(Line("the effect asked about", sizes, np.full(len(sizes), asked), "dashed"))
            title = "The smallest effect that a test finds"
            return Curves(title, "units in both arms", unit, tuple(lines), log_x=True).draw(
                language=language, labels=labels
            )
        low, high = self.plan.limits()
        reach = 2 * self.detectable if math.isfinite(self.detectable) else 4 * self.std_error
        effects = np.clip(np.linspace(0.0, reach, 60), low * (1 - 1e-9), high * (1 - 1e-9))
        scale = 100 / self.plan.outcome.base.mean if relative else 1.0
        power = np.array([self.plan.power(self.n, float(e)) for e in effects])
        lines = [
            Line("power", effects * scale, power),
            Line(f"{100 * self.target:g}%", effects * scale, np.full(len(effects), self.target), "dashed"),
        ]
        if self.effect is not None and 0 < self.effect <= reach:
            at = np.array([self.effect * scale])
            lines.append(Line("the effect asked about", at, np.array([self.power]), "points"))
        return Curves(f"Power with {self.n:,.0f} units", unit, "chance of finding it", tuple(lines)).draw()

    def report_parts(self) -> list[Any]:
        """What a page shows of the plan: its summary, and both figures."""
        return [*self.summary_lines(), *(self.plot(kind) for kind in _KINDS)]

    def summary(self) -> str:
        """The plan in words and numbers, as text."""
        return wrapped(["A planned test", "=" * 14, *self.summary_lines()])

    def summary_lines(self) -> list[str]:
        """The lines of the summary, unwrapped."""
        p = self.plan
        base = p.outcome.base
        mean = f"mean {base.mean:.4g}, " if math.isfinite(base.mean) else ""
        lines = [
            f"Outcome    {_WORDS[p.outcome.metric]}: {mean}standard deviation {math.sqrt(base.variance):.4g}",
            f"Units      {self.n_control:,.0f} in control, {self.n_treated:,.0f} treated",
        ]
        if self.effect is not None:
            lines.append(f"Power      {100 * self.power:.1f} % for an effect of {_both(self.effect, self.lift)}")
        if math.isfinite(self.detectable):
            shown = _both(self.detectable, self.detectable_lift)
            lines.append(f"MDE        {shown} is found with {100 * self.target:g} % power")
        else:
            lines.append(f"MDE        no possible effect is found with {100 * self.target:g} % power")
        test = f"Welch's t, {p.alternative}, alpha {p.alpha:g}, {self.df:,.0f} degrees of freedom"
        lines.append(f"Test       {test}")
        if p.shift:
            lines.append(f"           non-inferiority: the margin is {abs(p.shift):g}")
        if p.uptake < 1:
            lines.append(
                f"Uptake     {100 * p.uptake:.3g} % receive because they are assigned; effects are per such unit"
            )
        if p.r2:
            lines.append(f"Adjusted   covariates take away {100 * p.r2:.3g} % of the variance")
        if p.cluster_size is not None:
            lines.append(f"Clusters   {self.clusters:,.0f}; they inflate the variance {p.inflation:.3g} times")
        if self.simulated is not None:
            lines += _simulated_lines(self.simulated)
            if p.r2 or p.cluster_size is not None:
                lines.append("           (the simulation neither adjusts nor clusters)")
        note = p.skewed(self.n)
        if note:
            lines.append(f"Caution    {note}")
        return lines

    def __repr__(self) -> str:
        return self.summary()


def _both(value: float, lift: float) -> str:
    return f"{value:.4g}" + (f" ({100 * lift:+.3g} %)" if math.isfinite(lift) else "")


def _simulated_lines(s: Simulation) -> list[str]:
    low, high = s.interval(s.false_positives)
    lines = [
        f"History    {s.reps:,} simulated tests of nothing: {100 * s.false_positives:.1f} % reject "
        f"({100 * low:.1f} to {100 * high:.1f}); {100 * s.false_low:.1f} % below, {100 * s.false_high:.1f} % above"
    ]
    if math.isfinite(s.power):
        low, high = s.interval(s.power)
        lines.append(
            f"           with the effect planted: {100 * s.power:.1f} % find it ({100 * low:.1f} to {100 * high:.1f})"
        )
    if s.reused:
        lines.append("           (the history is shorter than the test: units were drawn with replacement)")
    return lines
