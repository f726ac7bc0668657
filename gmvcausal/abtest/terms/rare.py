"""Rare outcomes: where hardly anybody in an arm has a value, t does not hold.

Of an arm without an event the variance is zero, and Welch's test takes every event of the other arm for an effect. The
shares of independent rows have a test that holds, that of the score; every other row is left without interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from gmvcausal.abtest.audit.rules import MIN_LIVE
from gmvcausal.abtest.draws.drawn import Permuted, facts
from gmvcausal.abtest.intake.rows import Col
from gmvcausal.abtest.metrics import Metric, Proportion, name_of
from gmvcausal.abtest.terms.compare import Contrast
from gmvcausal.abtest.terms.estimate import Fit, Term
from gmvcausal.stats import score

SCORE = "score test of Miettinen and Nurminen"
_NOBODY = score.Shares(0, 1, 0, 1)


@dataclass(frozen=True)
class Scored(Contrast):
    """Two shares of independent rows, one of few events: interval and p-value are those of the score test.

    Attributes
    ----------
    shares : score.Shares
        Events and units of both arms.
    """

    shares: score.Shares = _NOBODY
    by_itself: ClassVar[str] = SCORE

    def p_value(self) -> float:
        """Against the alternative; 1 where nobody, or everybody, has the event."""
        from scipy import special

        z = score.difference_z(self.shares, 0.0)
        if self.alternative == "two-sided":
            return 2 * float(special.ndtr(-abs(z)))
        return float(special.ndtr(-z if self.alternative == "greater" else z))

    def critical(self, level: float) -> float:
        """Of the score statistic."""
        from scipy import special

        return float(special.ndtri(0.5 + level / 2 if self.alternative == "two-sided" else level))

    def interval(self, level: float) -> tuple[float, float]:
        """The differences that the score test does not reject."""
        return self._sided(*score.difference_limits(self.shares, self.critical(level)))

    def relative_interval(self, level: float) -> tuple[float, float]:
        """The relative effects that the score test does not reject; NaN where the control has no event."""
        if not self.control > 0:
            return math.nan, math.nan
        low, high = score.ratio_limits(self.shares, self.critical(level))
        return self._sided(low - 1, high - 1)

    def non_inferiority(self, margin: float, alpha: float) -> tuple[float, float]:
        """The score test of the ratio 1 + `margin` (Farrington and Manning 1990), and the limit that inverts it."""
        from scipy import special

        side = 1.0 if margin < 0 else -1.0  # towards where no harm is
        low, high = score.ratio_limits(self.shares, float(special.ndtri(1 - alpha)))
        bound = (low if margin < 0 else high) - 1
        p = float(special.ndtr(-side * score.ratio_z(self.shares, 1 + margin)))
        return p, bound if math.isfinite(bound) else math.nan


@dataclass(frozen=True)
class Thin(Contrast):
    """A difference that has neither interval nor p-value.

    Attributes
    ----------
    why : str
        Who has too few values, and how many are needed.
    """

    why: str = ""
    by_itself: ClassVar[str] = "too few values"

    @property
    def thin(self) -> str:
        """The reason."""
        return self.why

    def p_value(self) -> float:
        """None."""
        return math.nan

    def interval(self, level: float) -> tuple[float, float]:
        """None."""
        return math.nan, math.nan

    def relative_interval(self, level: float) -> tuple[float, float]:
        """None."""
        return math.nan, math.nan

    def why_no_relative(self, level: float) -> str:
        """The same reason."""
        return self.why

    def non_inferiority(self, margin: float, alpha: float) -> tuple[float, float]:
        """None."""
        return math.nan, math.nan


class _Count(NamedTuple):
    """How many rows of an arm are of the rarer kind."""

    few: float
    n: float
    kind: str

    @property
    def thin(self) -> bool:
        """Few, and few among many: of a handful of rows that mostly have a value the mean is no rare outcome."""
        return self.few < MIN_LIVE and 2 * self.few < self.n


def settled(fit: Fit, metrics: Sequence[Metric]) -> Fit:
    """The same fit, its rows of rare outcomes with the score test, or without interval and p-value.

    A test under permuted arms stays: it is exact however rare the outcome is.
    """
    if fit.withheld:
        return fit
    notes: list[str] = []
    counted: dict[Col, Any] = {}
    terms = tuple(replace(t, contrast=_contrast(fit, t, metrics[t.metric], counted, notes)) for t in fit.terms)
    return replace(fit, terms=terms, notes=[*fit.notes, *dict.fromkeys(notes)])


def _contrast(fit: Fit, term: Term, metric: Metric, counted: dict[Col, Any], notes: list[str]) -> Contrast:
    c = term.contrast
    if isinstance(c, Permuted) or term.recipe.quantile is not None:
        return c
    arms = (term.arm, fit.source.control)
    labels = [fit.source.labels[a] for a in arms]
    counts = {column: [_count(fit, column, a, metric, counted) for a in arms] for column in term.recipe.outcomes}
    if isinstance(metric, Proportion) and not (
        fit.source.cluster_name or fit.source.strata > 1 or fit.source.of_strata
    ):
        if all(own.few >= MIN_LIVE for own in counts[term.recipe.numerator]):
            return c
        arm = [fit.sample.arms[a] for a in arms]
        events = [round(float(a.mean[term.recipe.numerator]) * a.n) for a in arm]
        told = ", ".join(f"{k:,} of {a.n:,.0f} in {label}" for k, a, label in zip(events, arm, labels, strict=True))
        notes.append(
            f"{name_of(metric)!r} ({told}) has fewer than {MIN_LIVE} units with or without it in an arm: interval and "
            f"p-value are those of the {SCORE} (1985), the standard error is Welch's"
        )
        return Scored(**facts(c), shares=score.Shares(events[0], arm[0].n, events[1], arm[1].n))
    worst = min(
        ((own, column, label) for column, pair in counts.items() for own, label in zip(pair, labels, strict=True)),
        key=lambda found: (not found[0].thin, found[0].few),
    )
    own, column, label = worst
    if not own.thin:
        return c
    why = (
        f"only {own.few:,.0f} of the {own.n:,.0f} rows of {label} have {fit.cols[column].name!r} {own.kind} zero, and "
        f"at least {MIN_LIVE} are needed"
    )
    notes.append(f"{name_of(metric)!r} is given without interval and p-value: {why}")
    return Thin(**facts(c), why=why)


def _count(fit: Fit, column: int, arm: int, metric: Metric, counted: dict[Col, Any]) -> _Count:
    """Rows with a value; of a share those with or without it, whichever are fewer."""
    col = fit.cols[column]
    own, n = fit.sample.arms[arm], float(fit.source.sizes()[arm])
    mean, square = float(own.mean[column]), float(own.cross[column, column]) / own.n
    # Cauchy and Schwarz: so many rows have a value at least (of flags, so many). Only where these are few are they
    # counted; means over strata are weighted and say nothing of it.
    least = n * mean * mean / (mean * mean + square) if mean and fit.source.strata == 1 else 0.0
    if least >= MIN_LIVE + 1 and not isinstance(metric, Proportion):
        return _Count(least, n, "other than")
    which = Col(col.name, any=True)
    if least >= MIN_LIVE + 1:
        live = float(round(n * mean))
    else:
        if which not in counted:
            counted[which] = fit.source.above(which, 0.5)
        live = float(counted[which][arm])
    if isinstance(metric, Proportion) and n - live < live:
        return _Count(n - live, n, "equal to")
    return _Count(live, n, "other than")
