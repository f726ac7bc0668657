"""How good a ranking of users is, on users whose outcomes it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.frames.params import check, one_of
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.results.curves import Curves, wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.targeting.evaluate import drawn
from gmvcausal.targeting.evaluate.grouped import Grouped
from gmvcausal.targeting.evaluate.groups import merged_note, top_fifth
from gmvcausal.targeting.evaluate.metric import Metric
from gmvcausal.targeting.evaluate.ranked import FloatArray
from gmvcausal.targeting.evaluate.ranking import Ranking
from gmvcausal.targeting.evaluate.read import rankings
from gmvcausal.targeting.evaluate.scores import NO_INTERVAL

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

VERSIONS = ("means", "doubly_robust")
INTERVALS = ("multiplier", "poisson")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted against estimated effects.

    Attributes
    ----------
    slope : Metric
        Of the doubly robust scores on the predictions: 1 where predictions are right on average, 0 where they are
        noise, below 1 where they spread too far.
    bins : DataFrame
        Mean prediction and estimated effect by bin, with intervals.
    """

    slope: Metric
    bins: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """`bins`, with the gap between estimate and prediction."""
        return self.bins.assign(gap=self.bins["estimate"] - self.bins["predicted"])


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation(Grouped, Shown):
    """Ranking metrics of a score on held-out users, each with its interval; one ranking for every arm but the control.

    `qini`, `auuc`, `toc`, `deciles()`, ... are of the first arm; ``e.of(label)`` is the same of another.

    Attributes
    ----------
    rankings : tuple of Ranking
        One per arm.
    version : {"means", "doubly_robust"}
        Whether gains are differences of (inverse propensity weighted) means, or means of doubly robust scores.
    alpha : float
        One minus the level of tables and figures.
    notes : tuple of str
        What was decided on the way.
    traits : mapping of str to ndarray, optional
        What is known of the users, for `clan()`.
    """

    rankings: tuple[Ranking, ...]
    version: str = "means"
    alpha: float = 0.05
    notes: tuple[str, ...] = ()
    traits: Mapping[str, FloatArray] | None = field(default=None, repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Arms but the control."""
        return tuple(r.label for r in self.rankings)

    def of(self, label: Any) -> Evaluation:
        """The evaluation of one arm."""
        label = one_of("label", str(label), self.labels)
        return replace(self, rankings=(self.rankings[self.labels.index(label)],))

    @property
    def doubly_robust(self) -> Evaluation:
        """The same by doubly robust scores: narrower where the expected outcomes are any good."""
        return replace(self, version="doubly_robust")

    @property
    def _robust(self) -> bool:
        return self.version == "doubly_robust"

    @cached_property
    def _found(self) -> tuple[dict[str, Metric], ...]:
        return tuple(r.metrics(self._robust) for r in self.rankings)

    @property
    def qini(self) -> Metric:
        """Qini coefficient: area between gain(s) and s x ATE; 0 for a ranking by lot, negative for one upside down."""
        return self._found[0]["qini"]

    @property
    def auuc(self) -> Metric:
        """Area under the uplift curve gain(s): Qini + ATE / 2."""
        return self._found[0]["auuc"]

    @property
    def toc(self) -> Metric:
        """AUTOC: area under TOC(s) = effect among the top s - ATE (Yadlowsky et al. 2021); looks hardest at the top."""
        return self._found[0]["autoc"]

    rate = toc

    @property
    def ate(self) -> Metric:
        """Effect on all held-out users."""
        return self._found[0]["ate"]

    @property
    def noise(self) -> bool:
        """Whether Qini and AUTOC both hold zero: nothing then says that the ranking is better than lot.

        At half of alpha each, so that a ranking by lot is called anything else in at most alpha of all evaluations.
        """
        return all(m.holds_zero(1 - self.alpha / 2) for m in (self.qini, self.toc))

    def calibration(self, bins: int = 10) -> Calibration:
        """Whether the score, read as an effect in the unit of the outcome, is right: by bins, and its slope."""
        return Calibration(self.rankings[0].slope(), self.deciles(bins))

    def curve(self, points: int = 50) -> pd.DataFrame:
        """Gain, TOC and cost per user over the share treated, with pointwise intervals."""
        return self.rankings[0].curve(self._robust, points, 1 - self.alpha)

    def to_frame(self) -> pd.DataFrame:
        """Metrics of every arm; the first ten columns are the same for every verb."""
        import pandas as pd

        rows = [
            metric.row(1 - self.alpha) | {"arm": ranking.label, "version": self.version}
            for ranking, found in zip(self.rankings, self._found, strict=True)
            for metric in found.values()
        ]
        return pd.DataFrame(rows, columns=[*COMMON_COLUMNS, "arm", "version"])

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return "The ranking on users kept apart"

    @property
    def level(self) -> float:
        """Of the intervals in `to_frame()`."""
        return 1 - self.alpha

    def sentences(self) -> list[str]:
        """What the ranking is worth, one sentence for each arm, and the slope of its calibration."""
        return drawn.sentences(self, [verdict(found, self.alpha) for found in self._found])

    def figures(self) -> list[Curves]:
        """All figures of every arm; the cost curve where something costs."""
        return drawn.figures(self)

    def summary(self) -> str:
        """What the ranking is worth, in words."""
        lines = [f"Ranking of {self.rankings[0].n:,} held-out users, {self.version.replace('_', ' ')}"]
        for ranking, found in zip(self.rankings, self._found, strict=True):
            lines.append(f"{ranking.label}:")
            for name, words in (("qini", "Qini"), ("autoc", "AUTOC"), ("auuc", "AUUC"), ("ate", "average effect")):
                metric = found[name]
                low, high = metric.conf_int(1 - self.alpha)
                lines.append(f"  {words:<15}{metric.estimate:>12.4g}   [{low:.4g}, {high:.4g}]   {metric.unit}")
            lines.append(f"  {verdict(found, self.alpha)}")
            if np.ptp(ranking.score) > 0:
                lines += [f"  {said}" for said in [top_fifth(ranking, self._robust, 1 - self.alpha)] if said]
            lines += [f"  Note: {note}" for note in (*ranking.tail(self._robust), *merged_note(ranking))]
        return wrapped([*lines, *(f"Note: {n}" for n in self.notes)], indent=2)

    def __repr__(self) -> str:
        return self.summary()

    def curves(self, kind: str = "qini") -> Curves:
        """A figure in numbers: "qini", "toc", "deciles", "calibration", "gates" or "cost"."""
        return drawn.curves(self, one_of("kind", kind, drawn.KINDS))

    def plot(self, kind: str = "qini", *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw "qini" (gain over the share treated), "toc", "deciles", "calibration", "gates" or "cost"."""
        return self.curves(kind).draw(language=language, labels=labels)


def verdict(found: dict[str, Metric], alpha: float) -> str:
    """One sentence on whether a ranking tells users apart, right for rankings by lot in all but `alpha` of cases."""
    if found["qini"].withheld and found["autoc"].withheld:
        return f"Whether the ranking tells users apart cannot be told: {NO_INTERVAL}."
    telling = [m for m in (found["qini"], found["autoc"]) if not m.holds_zero(1 - alpha / 2)]
    if not telling:
        return (
            f"The ranking is noise as far as these users can tell: the intervals of Qini and AUTOC "
            f"({100 - 50 * alpha:g} % each) hold 0. Treating by it is not shown to be better than treating as many "
            f"by lot."
        )
    if min(m.estimate for m in telling) < 0:
        return "The ranking is upside down: those it puts first gain less than those it puts last."
    return "The ranking tells users apart: those it puts first gain more."


def evaluate(
    score: Any,
    y: Any,
    arm: Any,
    e: Any,
    *,
    mu: Any = None,
    cluster: Any = None,
    cost: Any = 0.0,
    margin: float = 1.0,
    labels: Sequence[str] | None = None,
    unit: str = "outcome",
    version: str = "means",
    intervals: str = "multiplier",
    draws: int = 1_000,
    seed: int = 0,
    alpha: float = 0.05,
    traits: Mapping[str, Any] | None = None,
    people: bool = False,
) -> Evaluation:
    """Hold a score against outcomes that it has not seen.

    Parameters
    ----------
    score : array, shape (n,) or (n, k)
        Higher is treated first; for calibration it is read as the effect, in the unit of `y`.
    y : array, shape (n,)
        Any outcome: amounts with many zeros, counts, 0/1.
    arm : array of int, shape (n,)
        0 the control, 1 to k the others.
    e : array, shape (n, k + 1) or (k + 1,)
        Probability of every arm, known or estimated.
    mu : array, shape (n, k + 1), optional
        Expected outcome under every arm from a model that has not seen these users, for doubly robust scores. Without,
        these use the means of the arms.
    cluster : array of int, shape (n,), optional
        Users of one cluster are drawn together and counted as one.
    cost : float or array, shape (n, k)
        Of treating a user: for the cost curve.
    margin : float
        What is kept of a unit of outcome: for the cost curve.
    labels : sequence of str, optional
        Of the arms, the control first.
    unit : str
        Of the outcome.
    version : {"means", "doubly_robust"}
        What gains are made of: differences of means, the definition, or means of doubly robust scores.
    intervals : {"multiplier", "poisson"}
        From the influences of users, which costs nothing; or by the Poisson bootstrap (Chamandy et al. 2012).
    draws : int
        Replicates of the bootstrap.
    seed : int
    alpha : float
    traits : mapping of str to array, shape (n,), optional
        What is known of the users, for `clan()`; NaN where it is not.
    people : bool
        Whether rows are people: no group of fewer than ten of an arm is then shown. Arrays do not say so; of a model
        `m.evaluate(test)` knows it.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        Shapes that do not fit, numbers that are missing or infinite, probabilities outside (0, 1] for an arm that
        was given.
    DesignError
        Fewer than two users of an arm.

    Notes
    -----
    Replicates and influences are made on at most about a thousand groups of neighbouring users; estimates use all.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> score, arm = rng.random(4_000), rng.integers(0, 2, 4_000)
    >>> y = rng.standard_normal(4_000) + arm * score
    >>> e = evaluate(score, y, arm, [0.5, 0.5])
    >>> e.noise, bool(e.qini.conf_int()[0] < 1 / 12 < e.qini.conf_int()[1])
    (False, True)
    """
    one_of("version", version, VERSIONS)
    replicated = check("draws", draws) if one_of("intervals", intervals, INTERVALS) == "poisson" else 0
    found = rankings(score, y, arm, e, mu, cluster, cost, check("margin", margin), labels, unit)
    made = tuple(replace(r, draws=replicated, seed=check("seed", seed), people=people) for r in found)
    notes = [
        f"{r.label}: all users have the same score, so that there is no ranking" for r in made if np.ptp(r.score) == 0
    ]
    return Evaluation(made, version, check("alpha", alpha), tuple(notes), traits)
