"""Encouragement: who was assigned did not always receive, and some received who were not assigned.

Beside the effect of being assigned stands the effect of receiving, among those who receive because they are assigned
(compliers; Imbens and Angrist 1994): the difference in the outcome over the difference in receipt, adjusted alike, with
Anderson and Rubin's set. Relative to what compliers have in the control arm it is a ratio of two such differences, that
of the outcome and that of the outcome of those who did not receive (Abadie 2003), in which receipt cancels.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gmvcausal.abtest.intake.rows import Ask, Col, FloatArray
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Mean, Metric, Proportion, covariates
from gmvcausal.abtest.terms.of_clusters import ClusterFits
from gmvcausal.abtest.terms.sample import Sample
from gmvcausal.abtest.terms.values import Recipe, Value, centre, hc2, regression_variance, value, variance_parts
from gmvcausal.errors import InputError
from gmvcausal.stats.fraction import Fraction, Piece

if TYPE_CHECKING:
    from gmvcausal.abtest.terms.estimate import Term


class Line(NamedTuple):
    """A row as a linear function of the columns' means: gradients in the arm and in the control, and its variance."""

    arm: int
    treated: FloatArray
    control: FloatArray
    variance: float


@dataclass(frozen=True, eq=False)
class Complier:
    """The row among compliers that belongs to a row of the assigned.

    Attributes
    ----------
    term : int
        Position of the row of the assigned.
    effect : Fraction
        Difference in the outcome over that in receipt.
    relative : Fraction
        Difference in the outcome over that, with its sign turned, in the outcome without receipt.
    baseline : float
        Mean of the compliers in the control arm.
    line : Line
        For the joint covariance.
    """

    term: int
    effect: Fraction
    relative: Fraction
    baseline: float
    line: Line


@dataclass(frozen=True)
class Receipt:
    """Receipt in one arm against the control, not adjusted.

    Attributes
    ----------
    arm : int
    treated, control : float
        Shares that received.
    strength : float
        F, the squared t of their difference; infinite without variance.
    """

    arm: int
    treated: float
    control: float
    strength: float


def columns(metrics: Sequence[Metric], caps: Sequence[tuple[float | None, ...]], received: str) -> list[Col]:
    """The columns of the matrix that compliers need; `caps` are those of each metric's first part."""
    wanted = [Col(received)]
    for metric, at in zip(metrics, caps, strict=True):
        if (column := outcome_of(metric, received)) is not None:
            wanted += [Col(column, c, without=received) for c in (None, *at)]
    return list(dict.fromkeys(wanted))


def outcome_of(metric: Metric, received: str) -> str | None:
    """The outcome of a metric that has a row among compliers (means and shares, other than of receipt itself)."""
    return metric.column if isinstance(metric, Mean | Proportion) and metric.column != received else None


def refuse_receipt(
    received: str, metrics: Sequence[Metric], taken: Collection[str], inference: str, by_day: bool
) -> None:
    """Refuse a column of receipt that has another role in the call (`taken` are other columns), or nothing to do.

    Raises
    ------
    InputError
    """
    if received in taken:
        raise InputError(
            "received= names a column that is the arm, the cluster, the unit or a stratum too",
            column=received,
            remedy="name the column that says who got what he was assigned",
        )
    if any(received in covariates(m) for m in metrics):
        raise InputError(
            f"{received!r} happened after assignment, so it cannot be a covariate",
            column=received,
            remedy="leave it out of pre=",
        )
    if inference != "t":
        raise InputError(
            f"received= and inference={inference!r} cannot be used together: the intervals among compliers invert the "
            "t test",
            column=received,
            remedy="leave one of them out",
        )
    if by_day:
        raise InputError(
            "received= and time= cannot be used together: receipt on some day is not receipt by a unit",
            column=received,
            remedy="give one row per unit, with receipt and sums over its days",
        )
    if all(outcome_of(m, received) is None for m in metrics):
        raise InputError(
            "received= needs a mean or a share, whose effect among compliers it gives",
            column=received,
            remedy="add gc.Mean or gc.Proportion of an outcome to metrics=, or leave received= out",
        )


def check_received(source: Source, received: str) -> None:
    """Refuse a column of receipt that says nothing.

    Raises
    ------
    InputError
        Nobody or everybody received.
    """
    none = source.shape(Col(received)).zeros
    if none in (0.0, 1.0):
        who = "nobody" if none == 1.0 else "everybody, in the control too,"
        raise InputError(
            f"{who} received, so receipt cannot be told from assignment",
            column=received,
            remedy="name the column that says who received, or leave received= out",
        )


def receipts(of_clusters: ClusterFits, received: str) -> tuple[Receipt, ...]:
    """Receipt in every arm against the control."""
    sample, control = of_clusters.sample, of_clusters.source.control
    place = of_clusters.cols.index(Col(received))
    found = []
    for a in range(len(sample.arms)):
        if a != control:
            own = _Pair(a, of_clusters, (), None)
            gradients = own.gradients(place)
            difference = own.difference(gradients)
            variance = _fraction(own, gradients, difference, gradients, difference, "two-sided").spread(math.inf)[0]
            shares = (sample.arms[a].mean[place], sample.arms[control].mean[place])
            strength = difference.value**2 / variance if variance > 0 else math.inf
            found.append(Receipt(a, float(shares[0]), float(shares[1]), strength))
    return tuple(found)


def compliers(
    terms: Sequence[Term],
    metrics: Sequence[Metric],
    of_clusters: ClusterFits,
    received: str,
    hc: str | None,
    alternative: str,
) -> tuple[Complier, ...]:
    """The rows among compliers, in the order of the rows of the assigned."""
    found, cols = [], of_clusters.cols
    for i, term in enumerate(terms):
        metric = metrics[term.metric]
        if outcome_of(metric, received) is None:
            continue
        pair = _Pair(term.arm, of_clusters, term.recipe.covariates, hc)
        outcome = cols[term.recipe.numerator]
        top, bottom, without = (
            pair.gradients(cols.index(c)) for c in (outcome, Col(received), outcome._replace(without=received))
        )
        itt, receipt, rest = pair.difference(top), pair.difference(bottom), pair.difference(without)
        effect = _fraction(pair, top, itt, bottom, receipt, alternative)
        turned = tuple(Value(-v.value, -v.rest, -v.gradient) for v in without)
        relative = _fraction(
            pair, top, itt, (turned[0], turned[1]), Value(-rest.value, 0.0, rest.gradient), alternative
        )
        scale = math.nan if receipt.value == 0 else 1 / receipt.value
        lines = [(t.gradient - effect.estimate * b.gradient) * scale for t, b in zip(top, bottom, strict=True)]
        line = Line(term.arm, lines[0], lines[1], effect.variance)
        found.append(Complier(i, effect, relative, -rest.value * scale, line))
    return tuple(found)


Both = tuple[Value, Value]


@dataclass(frozen=True, eq=False)
class _Pair:
    """An arm and the control, adjusted for the same covariates."""

    arm: int
    of_clusters: ClusterFits
    covariates: tuple[int, ...]
    hc: str | None

    @property
    def cols(self) -> list[Col]:
        return self.of_clusters.cols

    @property
    def sample(self) -> Sample:
        return self.of_clusters.sample

    @property
    def source(self) -> Source:
        return self.of_clusters.source

    @property
    def at(self) -> FloatArray:
        return centre(self.sample.arms[self.arm], self.sample.arms[self.source.control])

    def gradients(self, column: int) -> Both:
        """The mean of a column in the arm and in the control."""
        recipe, at = Recipe(column, None, self.covariates), self.at
        first, second = (value(recipe, self.sample.arms[a], at) for a in (self.arm, self.source.control))
        return first, second

    def difference(self, both: Both) -> Value:
        """Arm minus control; the gradient is of no use."""
        first, second = both
        return Value((first.value - second.value) + (first.rest - second.rest), 0.0, first.gradient)

    def variances(self, wanted: list[Both]) -> list[list[list[tuple[float, float]]]]:
        """For each of `wanted` the parts of its variance in the arm and in the control."""
        places = (self.arm, self.source.control)
        arms = [self.sample.arms[a] for a in places]
        if self.covariates and self.source.cluster_name:
            fits = [self.of_clusters.of(a, self.covariates, self.at) for a in places]
            return [[f.parts(v.gradient) for v, f in zip(both, fits, strict=True)] for both in wanted]
        if not self.covariates:
            return [[variance_parts(v, arm) for v, arm in zip(both, arms, strict=True)] for both in wanted]
        recipe, at = Recipe(0, None, self.covariates), self.at
        plain = [
            [[regression_variance(recipe, v, arm, at)] for v, arm in zip(both, arms, strict=True)] for both in wanted
        ]
        if self.hc is None:
            return plain
        asks = [
            Ask(a, arm.mean + arm.rest, v.gradient, hc2(recipe, v, arm, at), tail=False)
            for both in wanted
            for v, a, arm in zip(both, places, arms, strict=True)
        ]
        looks = iter(self.source.look(self.cols, asks))
        return [[[(next(looks).hc2, own[0][1])] for own in both] for both in plain]


def _fraction(pair: _Pair, top: Both, itt: Value, bottom: Both, below: Value, alternative: str) -> Fraction:
    """The ratio of two differences; covariances from variances, 2 s cov(x, y) = var(x + s y) - var(x) - s^2 var(y)."""
    plain = pair.variances([top, bottom])
    size = [math.sqrt(max(sum(v for own in both for v, _ in own), 0.0)) for both in plain]
    s = size[0] / size[1] if size[0] > 0 and size[1] > 0 else 1.0
    mixed = [Value(0.0, 0.0, t.gradient + s * b.gradient) for t, b in zip(top, bottom, strict=True)]
    (joint,) = pair.variances([(mixed[0], mixed[1])])
    pieces = tuple(
        Piece(vt, (vj - vt - s * s * vb) / (2 * s), vb, df)
        for own in zip(plain[0], plain[1], joint, strict=True)
        for (vt, df), (vb, _), (vj, _) in zip(*own, strict=True)
    )
    shared = None
    if pair.sample.between is not None:
        arms = (pair.arm, pair.source.control)
        between = pair.sample.between[arms]

        def over(x: Both, y: Both) -> float:
            if pair.covariates:
                gradients = (x[0].gradient, y[1].gradient)
                return pair.of_clusters.covariance(arms, pair.covariates, pair.at, gradients)
            return float(x[0].gradient @ between @ y[1].gradient)

        df = pair.of_clusters.crossed_df(pair.covariates)
        shared = Piece(over(top, top), (over(top, bottom) + over(bottom, top)) / 2, over(bottom, bottom), df)
    return Fraction(itt.value, below.value, pieces, shared, alternative)


def gradients_of(rows: Sequence[Line], arms: int, size: int, control: int) -> FloatArray:
    """Gradients of all rows over the means of all arms, shape (rows, arms, p)."""
    found = np.zeros((len(rows), arms, size))
    for i, row in enumerate(rows):
        found[i, row.arm] = row.treated
        found[i, control] = -row.control
    return found
