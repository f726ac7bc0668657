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
from gmvcausal.results import hidden_words as words
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.stats import hidden

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]


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
class HiddenConfounding(Shown):
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
    by_estimator : mapping of str to float
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
    by_estimator: Mapping[str, float] = field(default_factory=dict)
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
        return pd.DataFrame(rows).assign(unit=self.unit, **self.by_estimator)

    def benchmark_frame(self) -> pd.DataFrame:
        """One row per feature and arm: ``feature``, ``arm``, ``outcome``, ``treatment``, ``rho``, ``change``, ``low``,
        ``high``."""
        import pandas as pd

        return pd.DataFrame(self.benchmarks, columns=list(Benchmark._fields))

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Sensitivity to hidden confounding"

    def sentences(self) -> list[str]:
        """How strong something unseen would have to be, one sentence each."""
        if self.given:
            return [words.GIVEN]
        told = [text for head, lines in words.told(self) for text in (f"{head}.", *lines)]
        return [*told, *words.compared(self), words.LAST]

    @property
    def own(self) -> tuple[str, ...]:
        """Arms and the columns that were compared with."""
        return tuple(map(str, (*self.arms, self.control, *(b.feature for b in self.benchmarks))))

    def cells(self) -> Cells:
        """The numbers of `to_frame()`, a column for each arm."""
        from gmvcausal.present.tables import frame_cell

        frame = self.to_frame().set_index("arm").drop(columns="unit")
        kept = [name for name in frame if not frame[name].isna().all()]
        rows = tuple((words.CALLED[str(name)], *map(frame_cell, frame[name].astype(float))) for name in kept)
        if self.given:
            return ("", *map(str, self.arms)), rows, f"Unit: {self.unit}."
        strong = f"outcome {self.outcome:.1%}, treatment {self.treatment:.1%}, rho {self.rho:g}"
        return ("", *map(str, self.arms)), rows, f"Bounds at this strength: {strong}. Unit: {self.unit}."

    def figures(self) -> list[Curves]:
        """The contours of each arm."""
        return [] if self.given else [self.curves(arm) for arm in self.arms]

    def summary(self) -> str:
        """How strong something unseen would have to be, in words."""
        lines = [self.report_title]
        if self.given:
            return wrapped([*lines, words.GIVEN], indent=0)
        for head, told in words.told(self):
            lines += [head, *(f"  {text}" for text in told)]
        lines += words.compared(self)
        if not self.benchmarks:
            one = self.role.removesuffix("s")
            lines.append(f"Is that much? Name a {one} to compare with: .sensitivity(benchmark=['tier']).")
        return wrapped([*lines, words.LAST], indent=2)

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
