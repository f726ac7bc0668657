"""Small markets and verbs of known behaviour, importable by worker processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from gmvcausal.errors import DesignError
from gmvcausal.results import Audit, Check
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth


# --- a verb on a bare sample, whose answers are right or wrong by a dial ----------------------------------------------
@dataclass
class Sample:
    """Thirty normal draws around the truth."""

    seed: int
    effect: float = 1.0
    n: int = 30
    treated: int = 0
    path: bool = False
    design: Any = field(default_factory=lambda: SimpleNamespace(call={}))

    @property
    def truth(self) -> Any:
        path = pd.DataFrame({"event_time": [0], "att": [self.effect]}) if self.path else None
        return SimpleNamespace(value=self.effect, event_study=path)

    def table(self) -> Any:
        return np.random.default_rng(self.seed).normal(self.effect, 1.0, self.n)

    def to_logs(self) -> Any:
        return SimpleNamespace(half=lambda part=2: self.table()[: self.n // part])


def sample(*, n: int | None, seed: int, **dials: Any) -> Sample:
    return Sample(seed, n=n or 30, **dials)


@cache
def quantile(level: float, df: int) -> float:
    """Two-sided quantile of t."""
    return float(special.stdtrit(df, 0.5 + level / 2))


class Answer:
    """A mean and its t interval."""

    def __init__(self, estimate: float, std_error: float, df: int, withheld: str, checks: tuple[Check, ...]) -> None:
        self.estimate, self.std_error, self.df, self.audit = estimate, std_error, df, Audit(checks)
        self.estimates = SimpleNamespace(withheld=withheld)
        self.p_value = float(2 * special.stdtr(df, -abs(estimate / std_error)))
        self.detectable = 2.8 * std_error

    def conf_int(self, level: float) -> tuple[float, float]:
        half = quantile(level, self.df) * self.std_error
        return self.estimate - half, self.estimate + half

    def event_study(self) -> pd.DataFrame:
        low, high = self.conf_int(0.95)
        return pd.DataFrame({"event_time": [-1, 0], "band_low": [math.nan, low], "band_high": [math.nan, high]})


def mean(
    y: Any,
    *,
    shrink: float = 1.0,
    shift: float = 0.0,
    withhold: float = 0.0,
    refuse: float = 0.0,
    fail: float = 0.0,
    crash: bool = False,
) -> Answer:
    """The mean of `y`; each dial spoils it in one way, `withhold`, `refuse` and `fail` in that share of samples."""
    if crash:
        raise ZeroDivisionError("by design")
    turn = float(np.random.default_rng(int(abs(y[0]) * 1e9)).random())
    if turn < fail:
        raise DesignError("there is no control unit", remedy="find some")
    hidden = turn < withhold
    std_error = math.nan if hidden else shrink * float(y.std(ddof=1)) / math.sqrt(len(y))
    checks = (Check("pre_trend", "failed" if turn < refuse else "passed", "x"), Check("attrition", "warned", "x"))
    return Answer(float(y.mean()) + shift, std_error, len(y) - 1, "too few clusters" if hidden else "", checks)


# --- a tiny livestream market: raw logs to panel to did ---------------------------------------------------------------
def rooms(
    *, n: int | None, seed: int, effect: float = 40.0, shuffled: bool = False, files: str | None = None
) -> Market:
    """Room-weeks of a few orders each; half of the rooms get the tactic in week 5 of 8."""
    units, weeks, per = n or 40, 8, 12
    rng = np.random.default_rng(seed)
    room = np.repeat(np.arange(units), weeks * per)
    week = np.tile(np.repeat(np.arange(weeks), per), units)
    level = rng.normal(100.0, 10.0, units)[room] + rng.normal(0, 10.0, weeks)[week]
    gmv = np.round(np.maximum(level + rng.normal(0, 30.0, len(room)), 1.0), 2)
    on = (room < units // 2) & (week >= 4)
    begin = np.datetime64("2025-01-06")
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 500, len(room)),
            "room": room,
            "time": begin + (7 * week + rng.integers(0, 7, len(room))).astype("timedelta64[D]"),
            "gmv": gmv + on * effect,
        }
    )
    if shuffled:
        orders = orders.sample(frac=1.0, random_state=7, ignore_index=True)
    starts = np.full(units // 2, begin + np.timedelta64(28, "D"))
    exposures = pd.DataFrame({"room": np.arange(units // 2), "tactic": "host", "start": starts})
    tables: dict[str, Any] = {"orders": orders, "exposures": exposures}
    if files is not None:
        import duckdb

        for part in range(3):
            orders.iloc[part::3].to_parquet(f"{files}/orders-{part}.parquet", index=False)
        tables["orders"] = duckdb.read_parquet(f"{files}/orders-*.parquet")

    def truth() -> Truth:
        att = effect * per
        path = pd.DataFrame({"event_time": np.arange(4), "att": att, "n": units // 2})
        return Truth((Term("att", "ATT", "gmv per room-week", att),), "att", path)

    design = Design("did", "panel", {"unit": "room", "freq": "W", "tactic": "host"}, {"estimator": "two_by_two"})
    logs = MarketLogs.__new__(MarketLogs)
    logs.tables = tables
    logs._inputs = {**tables, "columns": {}}
    return Market("rooms", logs, design, truth)
