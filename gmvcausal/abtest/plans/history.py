"""Power and size by simulation on the user's own history: tests of nothing against nothing, and planted effects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.plans.plan import Outcome
from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import numeric
from gmvcausal.frames.table import open_table
from gmvcausal.stats import power as pw
from gmvcausal.stats.inference import FloatArray


@dataclass(frozen=True)
class Simulation:
    """What happened in simulated tests.

    Attributes
    ----------
    reps, n : int
        Simulated tests, and units in each.
    false_positives : float
        Share of tests without an effect (A/A) that reject.
    false_low, false_high : float
        The same, by the side on which they reject.
    power : float
        Share of tests with the planted effect that reject; NaN where none was planted.
    reused : bool
        Whether the history is shorter than the planned test, so that units were drawn with replacement.
    """

    reps: int
    n: int
    false_positives: float
    false_low: float
    false_high: float
    power: float
    reused: bool

    def interval(self, share: float) -> tuple[float, float]:
        """95 % interval of a share of the simulated tests (Clopper and Pearson 1934)."""
        from scipy import stats

        if math.isnan(share):
            return math.nan, math.nan
        hits = round(share * self.reps)
        low = float(stats.beta.ppf(0.025, hits, self.reps - hits + 1)) if hits else 0.0
        high = float(stats.beta.ppf(0.975, hits + 1, self.reps - hits)) if hits < self.reps else 1.0
        return low, high


def read_history(history: Any) -> FloatArray:
    """One number for each unit of the past."""
    try:
        frame: Any = nw.from_native(history, series_only=True).alias("history").to_frame().to_native()
    except TypeError:
        import pandas as pd

        if isinstance(history, str | bytes) or not isinstance(history, np.ndarray | list | tuple):
            raise InputError(
                f"history must be one column of numbers, but is a {type(history).__name__}",
                remedy="pass history=df['gmv'], one row for each unit",
            ) from None
        values = np.asarray(history)
        if values.ndim != 1:
            raise InputError(f"history must be one column, but has {values.ndim} dimensions") from None
        frame = pd.DataFrame({"history": values})
    read = numeric(open_table(frame, "history"), "history", "history", missing="write 0 for units that bought nothing")
    if len(read.values) < 20:
        raise DesignError(f"history has {len(read.values)} units, too few to draw tests from", remedy="pass more units")
    if np.ptp(read.values) == 0:
        raise DesignError("history does not vary", remedy="pass the outcome of each unit")
    return read.values


def outcome_of(values: FloatArray, part: str | None) -> Outcome:
    """The outcome as the history has it; a history of 0 and 1 is a proportion."""
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    skewness = float(((values - mean) ** 3).mean() / values.var() ** 1.5)
    base = pw.PerUnit(mean, variance, skewness)
    if np.isin(values, (0.0, 1.0)).all():
        if part == "amount":
            raise InputError("a history of 0 and 1 has no amounts", remedy="leave part= out")
        return Outcome("proportion", pw.proportion(mean), None, "rate", mean)
    rate = float(np.count_nonzero(values) / len(values))
    return Outcome("gmv" if mean > 0 else "mean", base, None, part or "amount", rate)


def simulate(
    values: FloatArray,
    outcome: Outcome,
    *,
    n: int,
    effect: float | None,
    share: float,
    alternative: str,
    alpha: float,
    shift: float,
    reps: int,
    seed: int,
) -> Simulation:
    """Draw units, assign them at random, test by Welch's t; once as they are and once with the effect planted.

    Parameters
    ----------
    values : ndarray, shape (N,)
    outcome : Outcome
        Says whether an effect makes amounts larger or buyers more frequent.
    n : int
        Units in each test; drawn without replacement where the history is long enough.
    effect : float or None
        On the mean. Planted by multiplying amounts, or by letting non-buyers buy what a random buyer bought (buyers
        cease to buy, where negative); added to every unit where the mean is not positive.
    share, alternative, alpha, shift
        As planned.
    reps, seed : int

    Returns
    -------
    Simulation
    """
    from scipy import stats

    rng = np.random.default_rng(seed)
    treated = round(n * share)
    if min(treated, n - treated) < 2:
        raise DesignError(f"{n:,} units leave fewer than two in an arm", remedy="plan more units")
    reused = n > len(values)
    buyers = values[values != 0]
    z, df = np.zeros((2, reps)), np.ones((2, reps))
    for rep in range(reps):
        drawn = values[rng.integers(0, len(values), n)] if reused else rng.permutation(values)[:n]
        a, b = drawn[treated:], drawn[:treated]
        z[0, rep], df[0, rep] = _welch(a, b, 0.0)
        if effect is not None:
            z[1, rep], df[1, rep] = _welch(a, _planted(b, effect, outcome, buyers, rng), shift)
    tail = alpha / (2 if alternative == "two-sided" else 1)
    none = np.zeros(z.shape, dtype=bool)
    high = none if alternative == "less" else np.asarray(stats.t.sf(z, df) <= tail)
    low = none if alternative == "greater" else np.asarray(stats.t.cdf(z, df) <= tail)
    power = math.nan if effect is None else float((high | low)[1].mean())
    return Simulation(
        reps, n, float((high | low)[0].mean()), float(low[0].mean()), float(high[0].mean()), power, reused
    )


def _welch(a: NDArray[np.float64], b: NDArray[np.float64], shift: float) -> tuple[float, float]:
    variances = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    total = variances[0] + variances[1]
    if total == 0:  # nobody bought: no test rejects
        return 0.0, 1.0
    df = total**2 / (variances[0] ** 2 / (len(a) - 1) + variances[1] ** 2 / (len(b) - 1))
    return float((b.mean() - a.mean() + shift) / math.sqrt(total)), float(df)


def _planted(
    b: FloatArray, effect: float, outcome: Outcome, buyers: FloatArray, rng: np.random.Generator
) -> FloatArray:
    if outcome.metric == "mean":
        return b + effect
    lift = effect / outcome.base.mean
    if outcome.part == "amount":
        return b * (1.0 + lift)
    zero = b == 0
    if lift < 0:
        return np.where(rng.uniform(size=len(b)) < -lift, 0.0, b)
    starts = zero & (rng.uniform(size=len(b)) < lift * outcome.rate / (1.0 - outcome.rate))
    return np.where(starts, rng.choice(buyers, size=len(b)), b)
