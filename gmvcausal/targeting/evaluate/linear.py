"""The best linear predictor of users' effects by their score, from one weighted regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.results.curves import wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.targeting.evaluate.groups import refuse_no_ranking
from gmvcausal.targeting.evaluate.metric import Metric
from gmvcausal.targeting.evaluate.scores import NO_INTERVAL, spread

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.targeting.evaluate.ranking import Ranking


@dataclass(frozen=True, repr=False, eq=False)
class BestLinear(Shown):
    """effect(user) ~ intercept + slope x (score - mean score).

    Attributes
    ----------
    label : str
        The arm.
    intercept : Metric
        The average effect; its standard error knows that the mean score is that of these users.
    slope : Metric
        0 where the score says nothing of effects (or these do not differ), 1 where it is right on average, below 1
        where it spreads too far.
    alpha : float
    """

    label: str
    intercept: Metric
    slope: Metric
    alpha: float = 0.05

    def to_frame(self) -> pd.DataFrame:
        """Both, with the leading columns of every result, and ``arm``."""
        import pandas as pd

        return pd.DataFrame([m.row(self.level) | {"arm": self.label} for m in (self.intercept, self.slope)])

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return f"Effects along a line of the score: {self.label}"

    @property
    def level(self) -> float:
        """Of the intervals in `to_frame()`."""
        return 1 - self.alpha

    def sentences(self) -> list[str]:
        """Whether effects differ along the score."""
        low, high = self.slope.conf_int(self.level)
        told = (
            f"whether effects differ along the score cannot be told: {NO_INTERVAL}"
            if self.slope.withheld
            else "the score is not shown to find any difference between effects"
            if low <= 0 <= high
            else "effects rise with the score"
            if low > 0
            else "effects fall with the score: it is upside down"
        )
        return [
            f"Average {self.intercept.estimate:.4g} {self.intercept.unit}; one more of the score goes with "
            f"{self.slope.estimate:.3g} more of the effect [{low:.3g}, {high:.3g}]: {told}."
        ]

    def summary(self) -> str:
        """Its sentences."""
        return wrapped(self.sentences(), indent=2)

    def __repr__(self) -> str:
        return self.summary()


def best_linear(ranking: Ranking, alpha: float) -> BestLinear:
    """Regress outcomes on the treatment less its chance, and on that times the score (Chernozhukov et al.).

    With p the chance of the arm among those who got it or the control, weights 1 / ((e0 + e1) p (1 - p)) make the
    coefficients those of the best linear predictor over all users, whatever else is in the regression: a constant, the
    score and the predicted outcome under control, which narrow it.

    Raises
    ------
    DesignError
        All scores are equal, or users could not have got the arm or the control.
    """
    refuse_no_ranking(ranking)
    e0, e1 = ranking.chance.T
    alone = (e0 <= 0) | (e1 <= 0)
    if alone.any():
        raise DesignError(
            f"users who could not have got both {ranking.label!r} and the control",
            count=int(alone.sum()),
            remedy="evaluate on those who could",
        )
    score = ranking.score - ranking.score.mean()
    use = (ranking.treated > 0) | (ranking.control > 0)
    p, both = (e1 / (e0 + e1))[use], (e0 + e1)[use]
    y, s = ranking.y[use], score[use]
    gap = (ranking.treated[use] > 0) - p
    columns = [gap, gap * s, np.ones(len(y)), s]
    if ranking.mu is not None:
        columns.append(ranking.mu[use, 0] - ranking.mu[use, 0].mean())
    root = np.sqrt(1 / (both * p * (1 - p)))
    x = np.column_stack(columns) * root[:, None]
    # On one scale, so that what is dropped as a copy of the others does not hang on units.
    size = np.sqrt((x**2).sum(axis=0))
    size = np.where(size > 0, size, 1.0)
    inverse = np.linalg.pinv(x / size, rcond=1e-9)
    target = (y - y.mean()) * root
    beta = inverse @ target / size
    rest = target - x @ beta
    reach = (inverse.T * (x / size)).sum(axis=1)
    coefficient, influence = np.zeros((ranking.n, 2)), np.zeros((ranking.n, 2))
    coefficient[use] = inverse[:2].T / size[:2]
    weight = np.abs(coefficient)
    weight[use] *= root[:, None]
    if ranking.cluster is None:
        # HC2 (MacKinnon and White 1985); a row that alone decides a coefficient has no residual to speak of.
        rest = rest / np.sqrt(np.maximum(1 - reach, 1e-12))
    influence[use] = coefficient[use] * rest[:, None]
    # The average is that at the mean score, which is these users' own: others would have had another one.
    influence[:, 0] += beta[1] * score / ranking.n
    cov, df = spread(influence, ranking.cluster, ranking.side, weight)
    if ranking.cluster is None:
        cov = influence.T @ influence
    error = np.sqrt(np.diag(cov))
    unit = ranking.unit
    words = ("average effect, by weighted regression", "change of the effect with one unit of the score")
    units = (f"{unit} per user", f"{unit} per {unit}")
    found = [
        Metric(name, words[i], units[i], float(beta[i]), float(error[i]), ranking.n, df=float(df[i]))
        for i, name in enumerate(("average", "heterogeneity"))
    ]
    return BestLinear(ranking.label, found[0], found[1], alpha)
