"""What a check of a test may look at."""

from __future__ import annotations

from dataclasses import dataclass

from gmvcausal.abtest.days.days import Days
from gmvcausal.abtest.intake.rows import FloatArray
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Metric, name_of
from gmvcausal.abtest.terms.estimate import Fit, Term


@dataclass(frozen=True, eq=False)
class Case:
    """What a check may look at."""

    source: Source
    metrics: tuple[Metric, ...]
    fit: Fit
    expected: FloatArray
    srm_alpha: float
    level: float
    found_cluster: bool
    days: Days | None = None

    def plain_terms(self) -> list[Term]:
        """The uncapped rows of sums; a quantile has no tail, and no unit carries it."""
        return [t for t in self.fit.terms if t.cap is None and t.recipe.quantile is None]

    def label(self, term: Term) -> str:
        """How a message names a row."""
        arm = f", {self.source.labels[term.arm]}" if len(self.source.labels) > 2 else ""
        return f"{name_of(self.metrics[term.metric])!r}{arm}"
