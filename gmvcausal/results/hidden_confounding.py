"""Average effects held against a confounder that nobody has measured: the answer, its words and its figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import said
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.stats import hidden

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

_GIVEN = (
    "The chances of the arms were given: a lot decided, or a log that wrote down what did. Whatever was not seen is "
    "then as frequent in every arm, so hidden confounding is excluded by design, as long as these are the chances that "
    "decided (checks sample_ratio and balance) and nobody left the table after assignment."
)


class Benchmark(NamedTuple):
    """What leaving one feature out does, as if it were the thing unseen.

    Attributes
    ----------
    feature : str
    arm : label
    outcome, treatment : float
        Its strengths: what it explains of what the others leave.
    rho : float
        How far both pointed the same way.
    change : float
        Estimate without it less estimate with it.
    low, high : float
        Estimate less and plus the largest bias that something as strong could cause (rho = 1).
    """

    feature: str
    arm: Any
    outcome: float
    treatment: float
    rho: float
    change: float
    low: float
    high: float


@dataclass(frozen=True, repr=False, eq=False)
class HiddenConfounding:
    """Average effects held against a confounder that nobody has measured.

    Attributes
    ----------
    given : bool
        Whether the chances of the arms were given. Then there is nothing to ask, and the numbers are NaN.
    arms : tuple
        Labels.
    found : tuple of stats.hidden.Omitted
        One for each arm.
    std_error, critical : ndarray, shape (k,)
        Standard errors, and how many of them an interval has on either side.
    e_values : ndarray, shape (k, 2)
        E-value of the estimate, and of the end of its interval that is nearer to no effect.
    outcome, treatment, rho : float
        Strength that the bounds are for.
    benchmarks : tuple of Benchmark
    alpha : float
    unit : str
    by_ratio : bool
        Whether E-values are of a risk ratio; else of what the difference in standard deviations is worth as one.
    role : str
        The option that names what was measured: "features" or "covariates".
    own : mapping of str to float
        What the estimator says in its own language, in columns of `to_frame()`.
    said : tuple of str
        The same in words.
    """

    given: bool
    arms: tuple[Any, ...]
    control: Any
    found: tuple[hidden.Omitted, ...]
    std_error: FloatArray
    critical: FloatArray
    e_values: FloatArray
    outcome: float
    treatment: float
    rho: float
    benchmarks: tuple[Benchmark, ...]
    alpha: float
    unit: str
    by_ratio: bool
    role: str = "features"
    own: Mapping[str, float] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per arm.

        Returns
        -------
        DataFrame
            ``arm``, ``estimate``, ``std_error``; ``robustness`` (strength with outcome and treatment alike from which
            on the effect can be nothing) and ``robustness_interval`` (from which on its interval holds 0);
            ``bound_low``, ``bound_high`` (estimate less and plus the largest bias at the strength asked for) and
            ``conf_low``, ``conf_high`` (with intervals around them); ``e_value``, ``e_value_limit``; ``unit``; then
            what the estimator says in its own language.
        """
        import pandas as pd

        rows = []
        for a, (arm, o) in enumerate(zip(self.arms, self.found, strict=True)):
            row: dict[str, Any] = {"arm": arm, "estimate": o.theta, "std_error": float(self.std_error[a])}
            numbers = [math.nan] * 8
            if not self.given:
                c = float(self.critical[a])
                numbers = [
                    hidden.omitted_robustness(o), hidden.omitted_robustness(o, critical=c) if c == c else math.nan,
                    *hidden.bounds(o, self.outcome, self.treatment, self.rho),
                    *(hidden.bounds(o, self.outcome, self.treatment, self.rho, c) if c == c else (math.nan, math.nan)),
                    *map(float, self.e_values[a]),
                ]  # fmt: skip
            names = ("robustness", "robustness_interval", "bound_low", "bound_high", "conf_low", "conf_high")
            rows.append({**row, **dict(zip((*names, "e_value", "e_value_limit"), numbers, strict=True))})
        return pd.DataFrame(rows).assign(unit=self.unit, **self.own)

    def benchmark_frame(self) -> pd.DataFrame:
        """One row per feature and arm: ``feature``, ``arm``, ``outcome``, ``treatment``, ``rho``, ``change``, ``low``,
        ``high``."""
        import pandas as pd

        return pd.DataFrame(self.benchmarks, columns=list(Benchmark._fields))

    def summary(self) -> str:
        """How strong something unseen would have to be, in words."""
        lines = ["Sensitivity to hidden confounding"]
        if self.given:
            return wrapped([*lines, _GIVEN], indent=0)
        frame = self.to_frame()
        for row in frame.to_dict("records"):
            lines.append(
                f"{row['arm']} against {self.control}: {row['estimate']:+.4g} ({row['std_error']:.3g}) {self.unit}"
            )
            lines.append(
                f"  Something unseen that explains {row['robustness']:.1%} of what the {self.role} leave of the "
                f"outcome, and adds as much to the weights' mean square, could be all of it"
                + (
                    f"; {row['robustness_interval']:.1%} would do to bring 0 into the interval."
                    if row["robustness_interval"] > 0
                    else "; the interval holds 0 as it is."
                )
            )
            lines.append(
                f"  With {self.outcome:.1%} of the outcome and {self.treatment:.1%} of treatment (rho {self.rho:g}) "
                f"the effect lies between {row['bound_low']:+.4g} and {row['bound_high']:+.4g}, with its interval "
                f"{row['conf_low']:+.4g} to {row['conf_high']:+.4g}."
            )
            about = "" if self.by_ratio else " (by the approximation for differences in standard deviations)"
            lines.append(
                f"  E-value {row['e_value']:.3g}, of the interval {row['e_value_limit']:.3g}{about}: the risk ratio "
                "that it would need with treatment and outcome alike."
            )
        for b in self.benchmarks:
            lines.append(
                f"As strong as {b.feature!r} (outcome {b.outcome:.1%}, treatment {b.treatment:.1%}): {b.arm} between "
                f"{b.low:+.4g} and {b.high:+.4g}; leaving it out changes the estimate by {b.change:+.3g}."
            )
        lines += self.said
        if not self.benchmarks:
            one = self.role.removesuffix("s")
            lines.append(f"Is that much? Name a {one} to compare with: .sensitivity(benchmark=['tier']).")
        lines.append("No number says that there is no confounder; these say how strong it would have to be.")
        return wrapped(lines, indent=2)

    def __repr__(self) -> str:
        return self.summary()

    def curves(self, arm: Any = None) -> Curves:
        """Contours of the effect that is left, over the two strengths, with the benchmarks as points."""
        if self.given:
            raise DesignError("the chances of the arms were given, so hidden confounding is excluded by design")
        place = 0 if arm is None else _place(self.arms, arm)
        o = self.found[place]
        own = [b for b in self.benchmarks if b.arm == self.arms[place]]
        reach = max([3 * b.treatment for b in own] + [2 * hidden.omitted_robustness(o), 0.05])
        reach = min(reach, 0.95)
        top = min(max([3 * b.outcome for b in own] + [2 * hidden.omitted_robustness(o), 0.05]), 1.0)
        x = np.linspace(reach / 200, reach, 200)
        lines = []
        for left in (0.75, 0.5, 0.25, 0.0):
            gap = (1 - left) * abs(o.theta) / o.size if o.size > 0 else math.inf
            y = gap * gap * (1 - x) / x
            label = f"{left * o.theta:+.3g} left" if left else "nothing left"
            lines.append(Line(label, x, np.where(y <= top, y, np.nan), "line" if left == 0 else "dashed"))
        for b in own:
            lines.append(Line(b.feature, np.array([b.treatment]), np.array([b.outcome]), "points"))
        return Curves(
            f"Effect of {self.arms[place]} beside a hidden confounder", "share of the treatment that it explains",
            "share of the outcome that it explains", tuple(lines),
        )  # fmt: skip

    def plot(self, arm: Any = None, *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw the contours for one arm, the first by default."""
        return self.curves(arm).draw(language=language, labels=labels)


def check_asked(outcome: Any, treatment: Any, rho: Any) -> None:
    """Refuse what is no strength of a confounder.

    Raises
    ------
    InputError
    """
    try:
        hidden.check_strength(outcome, treatment, rho)
    except (ValueError, TypeError):
        raise InputError(
            f"outcome={said(outcome)}, treatment={said(treatment)}, rho={said(rho)} is no strength of a confounder",
            remedy="give shares from 0 to 1 (treatment below 1), and rho from -1 to 1",
        ) from None


def benchmark_names(benchmark: Any, known: Sequence[str], role: str, verb: str) -> list[str]:
    """The columns to compare with, each of which was learned from.

    Parameters
    ----------
    benchmark : str, list of str or None
    known : sequence of str
    role, verb : str
        The option that names the columns, and of which verb.

    Raises
    ------
    InputError
    """
    if benchmark is None:
        return []
    names = [benchmark] if isinstance(benchmark, str) else list(benchmark)
    for name in names:
        if name not in known:
            raise InputError(
                f"benchmark names {said(name)}, which is no {role.removesuffix('s')} of this model",
                remedy=f"name some of {', '.join(map(repr, known))}" if known else f"pass {role}= to {verb}",
            )
    return list(dict.fromkeys(names))


def _place(arms: tuple[Any, ...], arm: Any) -> int:
    if arm not in arms:
        listed = ", ".join(map(repr, arms))
        raise InputError(f"arm is {said(arm)}, which has no effect of its own here", remedy=f"name one of {listed}")
    return arms.index(arm)
