"""Small roll-outs whose truth is planted: a gain, a loss, none, a trend that was there before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def rollout(effect: float, slope: float = 0.0, units: int = 240, treated: int = 110) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    unit, period = np.repeat(np.arange(units), 8), np.tile(np.arange(1, 9), units)
    start = np.where(np.arange(units) < treated // 2, 5.0, np.where(np.arange(units) < treated, 6.0, np.nan))[unit]
    gmv = 20 + unit % 7 + 0.3 * period + rng.normal(0, 1, len(unit))
    gmv += np.where(period >= start, effect, 0.0) + np.where(start > 0, 6 + slope * period, 0.0)
    return pd.DataFrame({"unit": unit, "period": period, "gmv": gmv, "first_treated": start})


def campaigns(effect: float, names: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    parts = []
    for k, name in enumerate(names):
        treated = np.arange(80) < 20 + 5 * k
        for t in range(-3, 3):
            gmv = 10 + rng.normal(0, 1, 80) + effect * (treated & (t >= 0))
            on = (treated & (t >= 0)).astype(int)
            parts.append(
                pd.DataFrame({"unit": np.arange(80), "campaign": name, "period": t, "gmv": gmv, "treated": on})
            )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def results() -> dict[str, Any]:
    stack = campaigns(1.0, ["A", "B", "C"])
    return {
        "gain": gc.did(rollout(2.0)),
        "loss": gc.did(rollout(-2.0)),
        "none": gc.did(rollout(0.0)),
        "trend": gc.did(rollout(0.0, slope=0.6)),
        "few": gc.did(rollout(2.0, units=26, treated=8)),  # 18 controls are too few for placebo runs
        "naive": gc.did(rollout(0.0), estimator="naive"),
        "twfe": gc.did(rollout(2.0), estimator="twfe"),
        "stacked": gc.did(stack, estimator="stacked", stack="campaign", treated="treated"),
    }


@pytest.fixture(scope="session")
def make() -> Callable[..., pd.DataFrame]:
    return rollout
