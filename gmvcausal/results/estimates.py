"""Terms, one vector, its covariance and degrees of freedom: all that money, tables and sensitivity need."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gmvcausal.stats.inference import FloatArray, critical_value, p_value, root_of_diagonal


@dataclass(frozen=True, eq=False)
class Estimates:
    """Named estimates with their joint uncertainty.

    Attributes
    ----------
    term, estimand, unit : tuple of str, length k
        Name, what is estimated, and the unit of measurement of each.
    estimate : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        NaN rows where the interval is withheld.
    n : tuple of int, length k
    df : float
        Degrees of freedom of the t distribution; ``inf`` for the normal.
    withheld : str
        Why intervals are missing, where they are; empty otherwise.
    special : mapping of int to callable
        Terms whose interval is not estimate +- critical value x standard error (a ratio): level -> (low, high).
    """

    term: tuple[str, ...]
    estimand: tuple[str, ...]
    unit: tuple[str, ...]
    estimate: FloatArray
    cov: FloatArray
    n: tuple[int, ...]
    df: float = math.inf
    withheld: str = ""
    special: Mapping[int, Callable[[float], tuple[float, float]]] = field(default_factory=dict)

    @property
    def std_error(self) -> FloatArray:
        """Standard errors; NaN where withheld."""
        return root_of_diagonal(self.cov)

    @property
    def p_value(self) -> FloatArray:
        """Two-sided p-values against zero."""
        return p_value(self.estimate, self.std_error, self.df)

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper confidence limits at `level`."""
        half = critical_value(level, self.df) * self.std_error
        low, high = self.estimate - half, self.estimate + half
        for term, limits in self.special.items():
            low[term], high[term] = limits(level)
        return low, high
