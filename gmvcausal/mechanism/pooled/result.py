"""The result of `gmvcausal.combine`: a pooled estimate with its studies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pooled.numbers import Pool, pool, q_profile, typical_variance
from gmvcausal.results import Audit, Result
from gmvcausal.stats.inference import critical_value

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Percent:
    """The interval of a log ratio as a percentage; a function of the level that can be stored."""

    log: float
    std_error: float
    df: float

    def __call__(self, level: float) -> tuple[float, float]:
        half = critical_value(level, self.df) * self.std_error
        return 100 * math.expm1(self.log - half), 100 * math.expm1(self.log + half)


@dataclass(frozen=True, repr=False, eq=False)
class Pooled(Result):
    """Several studies together.

    Rows of `to_frame()`: ``pooled`` (the mean over studies, random effects), ``new study`` (its interval is the
    prediction interval: where the effect of a further study is expected; from three studies on), ``common effect``
    (the fixed-effect estimate), then the studies. Further columns: ``role`` (pooled, prediction, fixed, study),
    ``weight``, ``weight_fixed``.

    Attributes
    ----------
    checks : Audit
    pool : Pool
        On the scale on which studies were pooled: that of the estimates, or logs of ratios with ``relative=True``.
    labels : tuple of str
    y, v : ndarray, shape (k,)
        Estimates and variances on that scale.
    """

    checks: Audit
    pool: Pool
    labels: tuple[str, ...]
    y: FloatArray
    v: FloatArray

    @property
    def audit(self) -> Audit:
        """The checks on the studies and on how they differ."""
        return self.checks

    @property
    def everybody(self) -> str:
        """How many studies, and units where all know them."""
        return f"{len(self.y)} studies" + ("" if self.n is None else f" of {self.n:,} units in all")

    @property
    def advice(self) -> tuple[str, ...]:
        """What the mean hides."""
        low, high = self.tau_interval()
        lines = [
            f"Effects differ between studies by a standard deviation of {math.sqrt(self.pool.tau2):.3g} (95% interval "
            f"{low:.3g} to {high:.3g}{', in log points' if self.manifest.options['relative'] else ''}); I2 = "
            f"{self.pool.i2:.0%}; Q = {self.pool.q:.2f}, p = {self.pool.q_p:.3g}"
        ]
        if "new study" in self.estimates.term:
            row = self.row(1)
            lines.append(f"A further study like these is expected to find {row.low:+.3g} to {row.high:+.3g}")
        return tuple(lines)

    def tau_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the standard deviation of effects between studies (Q profile; Viechtbauer 2007)."""
        low, high = q_profile(self.y, self.v, level)
        return math.sqrt(low), math.sqrt(high)

    def i2_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of I2, from that of the variance between studies."""
        s = typical_variance(self.v)
        low, high = (t * t / (t * t + s) for t in self.tau_interval(level))
        return low, high

    def studies(self) -> pd.DataFrame:
        """The studies: label, estimate, std_error, conf_low, conf_high, n, weight, weight_fixed."""
        frame = self.to_frame()
        frame = frame[frame["role"] == "study"].rename(columns={"term": "label"}).reset_index(drop=True)
        return frame[["label", "estimate", "std_error", "conf_low", "conf_high", "n", "weight", "weight_fixed"]]

    def leave_one_out(self) -> pd.DataFrame:
        """The pooled estimate without each study in turn: without, estimate, std_error, conf_low, conf_high, tau2, i2.

        On the scale of `pool`: logs of ratios with ``relative=True``.
        """
        import pandas as pd

        o = self.manifest.options
        return pd.DataFrame(
            left_out(self.labels, self.y, self.v, o["method"], o["interval"], o["guard"], 1 - self.alpha)
        )

    def _extra_columns(self) -> dict[str, Any]:
        head = len(self.estimates.term) - len(self.y)
        role = [{"pooled": "pooled", "new study": "prediction"}.get(t, "fixed") for t in self.estimates.term[:head]]
        empty = np.full(head, math.nan)
        fixed = 1 / self.v / (1 / self.v).sum()
        return {
            "role": role + ["study"] * len(self.y),
            "weight": np.concatenate([empty, self.pool.weight]),
            "weight_fixed": np.concatenate([empty, fixed]),
        }


def left_out(
    labels: tuple[str, ...], y: FloatArray, v: FloatArray, method: str, interval: str, guard: bool, level: float
) -> list[dict[str, Any]]:
    """The pooled estimate without each study in turn; none where only two are there."""
    out = []
    for i, label in enumerate(labels if len(y) > 2 else ()):
        keep = np.arange(len(y)) != i
        one = pool(y[keep], v[keep], method, interval == "hartung_knapp", guard)
        half = critical_value(level, one.df) * one.std_error
        out.append({
            "without": label, "estimate": one.estimate, "std_error": one.std_error, "conf_low": one.estimate - half,
            "conf_high": one.estimate + half, "tau2": one.tau2, "i2": one.i2,
        })  # fmt: skip
    return out
