"""What something unseen, which moves a mediator and the outcome, would do to the indirect effect (the rho curve).

Imai, Keele and Yamamoto (2010): let rho be the correlation of what the regressions leave of the mediator and of the
outcome. The slope of the mediator is then off by rho / sqrt(1 - rho^2) x (what is left of the outcome) / (what is left
of the mediator), both in standard deviations; at rho = 0 it is the estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.contrasts import chosen
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.system import System
from gmvcausal.results.curves import Curves, Line
from gmvcausal.results.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """One mediator's way, and what an unseen cause would do to it.

    Attributes
    ----------
    mediator : str
    estimate : float
        Indirect effect with a linear outcome.
    step : float
        What treatment adds to the mediator, in the mediator's internal scale.
    ratio : float
        Standard deviation left of the outcome over that of the mediator (in its internal scale), over the arms whose
        slopes the effect takes.
    cov : tuple of float
        Variance of `estimate`, its covariance with `step`, and the variance of `step`.
    """

    mediator: str
    estimate: float
    step: float
    ratio: float
    cov: tuple[float, float, float]

    def at(self, rho: float) -> tuple[float, float]:
        """The indirect effect if rho were so, and its standard error (with the ratio as it is)."""
        slope = rho / math.sqrt(1 - rho * rho) * self.ratio
        v, c, w = self.cov
        variance = v - 2 * slope * c + slope * slope * w
        return self.estimate - slope * self.step, math.sqrt(max(variance, 0.0))

    @property
    def zero(self) -> float:
        """The rho at which nothing goes by way of the mediator; NaN where treatment does not move it."""
        size = self.ratio * self.step
        if size == 0:
            return math.nan
        slope = self.estimate / size
        return slope / math.sqrt(1 + slope * slope)

    def shown(self, critical: float) -> bool:
        """Whether the effect is told from zero, so that there is something to undo."""
        low, high = self.zero_between(critical)
        return low > 0 or high < 0

    def zero_between(self, critical: float) -> tuple[float, float]:
        """Interval of `zero`: estimate over step is a mean slope, whose variance the delta method gives."""
        size = self.ratio * self.step
        if size == 0:
            return math.nan, math.nan
        slope = self.estimate / size
        v, c, w = self.cov
        q = slope * self.ratio
        error = math.sqrt(max(v - 2 * q * c + q * q * w, 0.0)) / abs(size)
        low, high = (s / math.sqrt(1 + s * s) for s in (slope - critical * error, slope + critical * error))
        return low, high


def paths_of(system: System, split: str, cluster_factor: float = 1.0) -> tuple[Path, ...]:
    """Every mediator's path with a linear outcome: that of `system`, or one fitted for the purpose."""
    rows, k = system.rows, system.k
    if not system.linear:
        model = replace(system.model, outcome="linear", mediators=("linear",) * k)
        system = fit_system(rows, model)
    value, influence = system.found
    take = chosen(k, split)
    phi, moved = system.traced
    eq = system.outcome[0]
    at = 0 if rows.fixed else 1
    crossed = list(system.model.crossed)
    out = []
    for j, name in enumerate(rows.mediators):
        shares = _shares(take, j) if j in crossed else ((None, 1.0),)
        ratio = 0.0
        for arm, share in shares:
            own = np.ones(rows.n, dtype=bool) if arm is None else rows.t == arm
            column = eq.x[:, at + 1 + j].copy()
            others = np.delete(eq.x, at + 1 + j, axis=1)
            if arm is not None:
                # In place of M and T x M: M in this arm, and M in the other.
                product = eq.x[:, at + 1 + k + crossed.index(j)]
                column = product if arm == 1 else column - product
                other = eq.x[:, at + 1 + j] - column
                others = np.column_stack([np.delete(eq.x, [at + 1 + j, at + 1 + k + crossed.index(j)], axis=1), other])
            left = column - others @ np.linalg.lstsq(others, column, rcond=None)[0]
            spread = math.sqrt(float((left[own] ** 2).mean()))
            ratio += share * math.sqrt(float((eq.residual[own] ** 2).mean())) / spread
        pair = np.column_stack([influence @ take[2 + j], moved[:, system.steps.start + j]])
        pair = rows.by_unit(pair)
        cov = pair.T @ pair * cluster_factor
        step = float(phi[system.steps.start + j])
        out.append(Path(name, float(take[2 + j] @ value), step, ratio, (cov[0, 0], cov[0, 1], cov[1, 1])))
    return tuple(out)


def _shares(take: FloatArray, j: int) -> tuple[tuple[float, float], ...]:
    """Arms whose slopes the effect takes, and how much of each."""
    return tuple((float(t), float(take[2 + j, 3 + 2 * j + t])) for t in (0, 1) if take[2 + j, 3 + 2 * j + t])


@dataclass(frozen=True, eq=False)
class Sensitivity(Shown):
    """Indirect effects if something unseen moved mediator and outcome together.

    Attributes
    ----------
    paths : tuple of Path
    critical : float
        Standard errors on either side.
    confidence : float
        Level of the intervals.
    unit, outcome : str
    total : float
    rough : str
        Why the curve is an approximation; empty where it is none.
    """

    paths: tuple[Path, ...]
    critical: float
    confidence: float
    unit: str
    outcome: str
    total: float
    rough: str = ""

    @property
    def report_title(self) -> str:
        """Heading."""
        return "If something unseen moved mediator and outcome"

    @cached_property
    def zero(self) -> dict[str, float]:
        """Mediator -> the rho at which nothing goes by way of it."""
        return {path.mediator: path.zero for path in self.paths}

    @property
    def level(self) -> float:
        """Of the intervals."""
        return self.confidence

    def sentences(self) -> list[str]:
        """What each mediator's path stands up to."""
        lines = []
        for path in self.paths:
            rho = path.zero
            if not path.shown(self.critical):
                lines.append(f"By way of {path.mediator} no effect is told from zero, so there is nothing to undo.")
                continue
            low, high = path.zero_between(self.critical)
            lines.append(
                f"Nothing would go by way of {path.mediator} if what is left of it and of {self.outcome} had a "
                f"correlation of {rho:.2f} ({100 * self.confidence:g}% interval {low:.2f} to {high:.2f}): "
                f"something unseen that explains {abs(rho):.0%} of what is left of both, or a share of each whose "
                f"product is {rho * rho:.3g}."
            )
        return [*lines, *([self.rough] if self.rough else [])]

    def to_frame(self) -> pd.DataFrame:
        """One row per mediator and rho from -.9 to .9: mediator, rho, indirect, std_error, low, high, direct."""
        import pandas as pd

        rows = []
        for path in self.paths:
            for rho in np.round(np.linspace(-0.9, 0.9, 37), 10):
                value, error = path.at(float(rho))
                half = self.critical * error
                rows.append((path.mediator, float(rho), value, error, value - half, value + half, self.total - value))
        return pd.DataFrame(
            rows, columns=["mediator", "rho", "indirect", "std_error", "low", "high", "total_less_indirect"]
        )

    def crossings(self) -> pd.DataFrame:
        """One row per mediator: mediator, rho (where the effect is zero), low, high, r2_each, r2_product."""
        import pandas as pd

        rows = []
        for path in self.paths:
            rho = path.zero
            rows.append((path.mediator, rho, *path.zero_between(self.critical), abs(rho), rho * rho))
        return pd.DataFrame(rows, columns=["mediator", "rho", "low", "high", "r2_each", "r2_product"])

    def summary(self) -> str:
        """The sentences, and where the effects are zero."""
        return "\n".join([self.report_title, *self.sentences(), "", self.crossings().round(4).to_string(index=False)])

    __repr__ = summary

    def figures(self) -> tuple[Curves, ...]:
        """The rho curve."""
        lines = []
        frame = self.to_frame()
        for path in self.paths:
            own = frame[frame["mediator"] == path.mediator]
            x, y, low, high = (own[c].to_numpy() for c in ("rho", "indirect", "low", "high"))
            lines.append(Line(path.mediator, x, y, "line", low, high))
        title = "Indirect effects if something unseen moved mediator and outcome"
        return (Curves(title, "correlation rho of what is left of both", f"indirect effect, {self.unit}",
                       tuple(lines), zero=True),)  # fmt: skip
