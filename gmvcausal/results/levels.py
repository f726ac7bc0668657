"""A result level by level of a segment: the whole, every level, and the test that the levels' effects are equal."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results.audit import Audit
from gmvcausal.results.base import Result
from gmvcausal.results.by_level import FEW_IN_ARM

if TYPE_CHECKING:
    import pandas as pd

NO_DIFFERENCE = (
    "A level that is significant beside one that is not is no difference between them: only the interaction test says "
    "whether effects differ."
)


@dataclass(frozen=True)
class Interaction:
    """The test that a metric's effect is equal in all levels; `left` names levels that it leaves out."""

    term: str
    estimand: str
    metric: str
    arm: Any
    levels: int
    statistic: float
    df1: float
    df2: float
    p_value: float
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hidden:
    """A level that is not estimated, and why."""

    level: str
    why: str


def few_of(labels: Sequence[object], hidden: Collection[Hidden]) -> NDArray[np.bool_]:
    """Which of the levels are hidden for their size, or with such a one."""
    gone = {h.level for h in hidden if h.why == FEW_IN_ARM}
    return np.array([str(label) in gone for label in labels], dtype=bool)


@dataclass(frozen=True, repr=False, eq=False)
class LevelsResult(Result):
    """Effects by the levels of a segment.

    The first row of every effect is the whole; one row for each level follows, its p-value and interval adjusted for
    the number of levels.

    Attributes
    ----------
    segment : str
        The column.
    interactions : tuple of Interaction
    hidden : tuple of Hidden
        Levels that are not estimated, with the reason.
    dependent : str
        Why there is no interaction test; empty where there is one.
    """

    segment: str
    checks: Audit
    columns: Mapping[str, tuple[Any, ...]]
    interactions: tuple[Interaction, ...]
    hidden: tuple[Hidden, ...]
    dependent: str

    @property
    def audit(self) -> Audit:
        """The checks of the whole, then those of the segment."""
        return self.checks

    @property
    def baseline(self) -> float:
        """The first row's value in the control arm."""
        return float(self.columns["control_value"][0])

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return "of the control arm"

    def _about_row(self, place: int) -> dict[str, Any]:
        return {"baseline": self.columns["control_value"][place]}

    def _extra_columns(self) -> dict[str, Any]:
        return {name: list(values) for name, values in self.columns.items()}

    def interaction(self) -> pd.DataFrame:
        """The tests that a metric's effect (the difference, not the lift) is the same in all levels.

        Welch's (1951) test of k means with unequal variances, of the levels' effects with their own variances and
        degrees of freedom. With two levels it is the t test of their difference. The p-values are not adjusted for the
        number of metrics.

        Returns
        -------
        DataFrame
            metric, estimand, arm, levels (how many are compared), statistic, df1, df2, p_value; NaN where fewer than
            two levels vary, or where levels share clusters.
        """
        import pandas as pd

        names = ["metric", "estimand", "arm", "levels", "statistic", "df1", "df2", "p_value"]
        return pd.DataFrame([[getattr(i, n) for n in names] for i in self.interactions], columns=names)

    @property
    def advice(self) -> tuple[str, ...]:
        """The interaction tests, how to read levels, and which are not estimated."""
        lines = []
        for i in self.interactions:
            if math.isnan(i.p_value):
                why = self.dependent or "fewer than two levels vary"
                lines.append(f"Interaction, {i.term}: no test, for {why}.")
                continue
            p = f"p {i.p_value:.2g}" if i.p_value >= 0.001 else "p < 0.001"
            found = "differ between" if i.p_value < self.alpha else "are not shown to differ between"
            lines.append(
                f"Interaction, {i.term}: effects {found} the "
                f"{i.levels} levels of {self.segment} (F {i.statistic:.3g}, {p})."
            )
        for i in self.interactions:
            if i.left:
                named = ", ".join(i.left)
                lines.append(f"Interaction, {i.term}: without {named}, where too few units vary for a variance.")
        lines.append(NO_DIFFERENCE)
        lines += [f"Not estimated: {self.segment} = {h.level} ({h.why})." for h in self.hidden]
        return tuple(lines)

    @property
    def opening(self) -> tuple[str, tuple[str, ...]]:
        """The interaction tests come before the finding."""
        return "Segments", self.advice
