"""One number of an evaluation, with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gmvcausal.frames.params import check
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.stats import resampling
from gmvcausal.stats.inference import critical_value, p_value
from gmvcausal.targeting.evaluate.ranked import FloatArray


@dataclass(frozen=True, eq=False)
class Metric:
    """An estimate with its standard error and interval.

    Attributes
    ----------
    term, estimand, unit : str
    estimate, std_error : float
    n : int
        Users behind it.
    draws : ndarray, optional
        Replicates of the Poisson bootstrap; the interval is then theirs (percentiles).
    df : float
        Degrees of freedom of the t interval: infinite (the normal one) unless users come in clusters.
    """

    term: str
    estimand: str
    unit: str
    estimate: float
    std_error: float
    n: int
    draws: FloatArray | None = field(default=None, repr=False)
    df: float = np.inf

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence limits at `level`."""
        level = check("level", level)
        if self.draws is not None:
            return resampling.percentile(self.draws, level, "two-sided")
        half = critical_value(level, self.df) * self.std_error
        return self.estimate - half, self.estimate + half

    @property
    def p_value(self) -> float:
        """Two-sided p-value against zero."""
        if self.draws is not None:
            return resampling.percentile_p(self.draws, "two-sided")
        return float(p_value(np.array([self.estimate]), np.array([self.std_error]), self.df)[0])

    def holds_zero(self, level: float = 0.95) -> bool:
        """Whether the interval at `level` holds zero, or there is none."""
        low, high = self.conf_int(level)
        return not (low > 0 or high < 0)

    @property
    def withheld(self) -> bool:
        """Whether there is no interval."""
        return bool(np.isnan(self.std_error))

    def row(self, level: float = 0.95) -> dict[str, object]:
        """The leading columns that every result of this library has, with limits at `level`."""
        low, high = self.conf_int(level)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = float(np.float64(self.estimate) / self.std_error)
        values = (
            self.term,
            self.estimand,
            self.unit,
            self.estimate,
            self.std_error,
            z,
            self.p_value,
            low,
            high,
            self.n,
        )
        return dict(zip(COMMON_COLUMNS, values, strict=True))
