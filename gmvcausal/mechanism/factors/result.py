"""The result of `gmvcausal.decompose`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results import Audit, Result
from gmvcausal.stats.inference import critical_values
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Split:
    """What stands beside each row of a decomposition, shape (rows,) each.

    Attributes
    ----------
    factor, arm : tuple of str
        ``"total"`` or the name of the factor; the group that is compared.
    before, after : ndarray
        The factor (the product) in the control group and in the other.
    log, log_error : ndarray
        Logarithm of their ratio, and its standard error.
    spread : Spread
        Of the logarithms.
    users : ndarray
        In the group that is compared.
    """

    factor: tuple[str, ...]
    arm: tuple[str, ...]
    before: FloatArray
    after: FloatArray
    log: FloatArray
    log_error: FloatArray
    spread: Spread
    users: FloatArray


@dataclass(frozen=True, repr=False, eq=False)
class Decomposition(Result):
    """A change in GMV per user, shared out among the factors whose product it is.

    Rows of `to_frame()`: ``total``, then one for each factor; they add up. Further columns: ``arm``, ``control``,
    ``before`` and ``after`` (the factor in the control group and in the other), ``share`` (of the total, NaN where the
    total may be 0), ``log_points``, ``log_low``, ``log_high`` (log of after / before: these add up too).

    Attributes
    ----------
    checks : Audit
    split : Split
    control, outcome : str
        The control group; the last stage.
    advice : tuple of str
        How the shares are to be read.
    meta : mapping
        What `Logs` wrote beside the table.
    """

    checks: Audit
    split: Split
    control: str
    outcome: str
    advice: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def audit(self) -> Audit:
        """The checks on the groups and on the funnel."""
        return self.checks

    @property
    def alike(self) -> tuple[int, ...]:
        """The totals of the other groups."""
        return tuple(i for i, name in enumerate(self.split.factor) if i and name == "total")

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return f"that {self.control} had"

    def _about_row(self, place: int) -> dict[str, Any]:
        name, arm = self.split.factor[place], self.split.arm[place]
        several = len(set(self.split.arm)) > 1
        words = [
            *([f"with {name}"] if name != "total" else []),
            *([f"{arm} against {self.control}"] if several else []),
        ]
        about: dict[str, Any] = {"qualifier": ", ".join(words)}
        return about | ({"baseline": float(self.split.before[place])} if name == "total" else {})

    def _extra_columns(self) -> dict[str, Any]:
        s = self.split
        half = critical_values(1 - self.alpha, s.spread.df) * s.log_error
        low, high = self.estimates.interval(1 - self.alpha)
        share = np.full(len(s.log), math.nan)
        head = 0
        for i, name in enumerate(s.factor):
            head = i if name == "total" else head
            # A share of a total that may be zero says nothing.
            if not low[head] <= 0 <= high[head]:
                share[i] = self.estimates.estimate[i] / self.estimates.estimate[head]
        return {
            "arm": s.arm, "control": self.control, "before": s.before, "after": s.after, "share": share,
            "log_points": s.log, "log_low": s.log - half, "log_high": s.log + half,
        }  # fmt: skip

    def contributions(self) -> pd.DataFrame:
        """The factors in log points: metric, arm, factor, estimate, conf_low, conf_high, lift (exp(estimate) - 1)."""
        import pandas as pd

        more = self._extra_columns()
        return pd.DataFrame({
            "metric": self.outcome, "arm": self.split.arm, "factor": self.split.factor, "estimate": self.split.log,
            "conf_low": more["log_low"], "conf_high": more["log_high"], "lift": np.expm1(self.split.log),
        })  # fmt: skip

    def log_ratio(self, place: int) -> tuple[float, float]:
        """Logarithm of a row's ratio, after over before, and its standard error."""
        return float(self.split.log[place]), float(self.split.log_error[place])
