"""Terms, one vector, its covariance and degrees of freedom: all that money, tables and sensitivity need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gmvcausal.stats.inference import FloatArray, critical_values, p_value, root_of_diagonal
from gmvcausal.stats.small_sample import Spread, normal


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
        None where the number of units is not known.
    spread : Spread, optional
        Degrees of freedom of each term's t distribution, and the factor on its standard error; normal without.
    withheld : str
        Why intervals are missing, where they are; empty otherwise.
    special : mapping of int to callable
        Terms whose interval is not estimate +- critical value x standard error (a ratio, placebo runs): level ->
        (low, high).
    special_p : mapping of int to float
        Their p-values, where they do not follow from estimate and standard error.
    method : str
        How the headline's interval is made.
    """

    term: tuple[str, ...]
    estimand: tuple[str, ...]
    unit: tuple[str, ...]
    estimate: FloatArray
    cov: FloatArray
    n: tuple[int | None, ...]
    spread: Spread | None = None
    withheld: str = ""
    special: Mapping[int, Callable[[float], tuple[float, float]]] = field(default_factory=dict)
    special_p: Mapping[int, float] = field(default_factory=dict)
    method: str = ""

    @property
    def std_error(self) -> FloatArray:
        """Standard errors; NaN where withheld."""
        return root_of_diagonal(self.cov)

    @property
    def p_value(self) -> FloatArray:
        """Two-sided p-values against zero."""
        t = self.t
        p = p_value(self.estimate, self.std_error * t.factor, t.df)
        for term, value in self.special_p.items():
            p[term] = value
        return p

    @property
    def t(self) -> Spread:
        """`spread`, or the normal distribution for every term."""
        return normal(len(self.term)) if self.spread is None else self.spread

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper confidence limits at `level`."""
        t = self.t
        half = critical_values(level, t.df) * t.factor * self.std_error
        low, high = self.estimate - half, self.estimate + half
        for term, limits in self.special.items():
            low[term], high[term] = limits(level)
        return low, high
