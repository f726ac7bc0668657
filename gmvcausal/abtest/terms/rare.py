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
from gmvcausal.stats.small_cells import in_words

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
    """How many rows of an arm have a value."""

    live: float
    n: float


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
    c, source = term.contrast, fit.source
    if isinstance(c, Permuted) or term.recipe.quantile is not None:
        return c
    arms, share = (term.arm, source.control), isinstance(metric, Proportion)
    labels = [source.labels[a] for a in arms]
    by_rows = not (source.cluster_name or source.strata > 1 or source.of_strata)
    for column in term.recipe.outcomes:
        pair = [_count(fit, column, a, share, counted) for a in arms]
        if share and by_rows:
            if all(min(own.live, own.n - own.live) >= MIN_LIVE for own in pair):
                return c
            told = ", ".join(
                f"{in_words(k)} of {n:,.0f} in {label}" for (k, n), label in zip(pair, labels, strict=True)
            )
            notes.append(
                f"{name_of(metric)!r} ({told}) has fewer than {MIN_LIVE} units with or without it in an arm: interval "
                f"and p-value are those of the {SCORE} (1985), the standard error is Welch's"
            )
            return Scored(**facts(c), shares=score.Shares(*pair[0], *pair[1]))
        kind = "other than"
        if share and 2 * sum(own.live for own in pair) > sum(own.n for own in pair):
            pair, kind = [own._replace(live=own.n - own.live) for own in pair], "equal to"
        divided = term.recipe.denominator is not None or term.recipe.log
        if not _thin(pair, divided):
            continue
        own, label = min(zip(pair, labels, strict=True), key=lambda found: _smaller(found[0], divided))
        why = (
            f"{in_words(own.live, 'only ')} of the {own.n:,.0f} rows of {label} have {fit.cols[column].name!r} {kind} "
            f"zero, and at least {MIN_LIVE} are needed"
        )
        notes.append(f"{name_of(metric)!r} is given without interval and p-value: {why}")
        return Thin(**facts(c), why=why)
    return c


def _smaller(own: _Count, divided: bool) -> tuple[float, float]:
    return (own.live, own.n) if divided else (own.n, own.live)


def _thin(pair: Sequence[_Count], divided: bool) -> bool:
    """Few values in the smaller arm, and no more to be expected there; of a ratio (or a logarithm) few in either arm.

    Where only one arm can have a value (the cost of a coupon) the other has none, and yet t holds for the difference:
    the smaller arm has enough, or would have if it shared what both have. A ratio is one of those who have a value in
    each arm. Of a handful of rows that mostly have a value the mean is no rare outcome.
    """
    small = min(pair, key=lambda own: _smaller(own, divided))
    expected = small.n * sum(own.live for own in pair) / sum(own.n for own in pair)
    few = small.live if divided else max(small.live, expected)
    return few < MIN_LIVE and 2 * small.live < small.n


def _count(fit: Fit, column: int, arm: int, share: bool, counted: dict[Col, Any]) -> _Count:
    """Rows of an arm with a value; where they are many, a lower bound of them (the number itself of flags)."""
    col = fit.cols[column]
    own, n = fit.sample.arms[arm], float(fit.source.sizes()[arm])
    mean, square = float(own.mean[column]), float(own.cross[column, column]) / own.n
    # Cauchy and Schwarz: so many rows have a value at least. Only where these are few are they counted; means over
    # strata are weighted and say nothing of it.
    least = n * mean * mean / (mean * mean + square) if mean and fit.source.strata == 1 else 0.0
    if least >= MIN_LIVE + 1:
        return _Count(float(round(n * mean)) if share else least, n)
    which = Col(col.name, any=True)
    if which not in counted:
        counted[which] = fit.source.above(which, 0.5)
    return _Count(float(counted[which][arm]), n)
