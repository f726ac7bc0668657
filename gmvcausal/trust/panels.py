"""What roll-outs drawn without logs are made of: the table that `did` takes, and the market with its truth."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.simulate.market import Term, Truth
from gmvcausal.trust.trials import Trial

FloatArray = NDArray[np.float64]
LASTING = 0.7  # correlation from period to period of shocks that last


def panel(y: FloatArray, start: FloatArray, **constant: FloatArray) -> Any:
    """The table: one row per unit and period; `constant` holds columns with one value per unit."""
    import pandas as pd

    n, periods = y.shape
    columns = {"unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(periods), n), "gmv": y.ravel()}
    columns["first_treated"] = np.repeat(start, periods)
    return pd.DataFrame(columns | {name: np.repeat(values, periods) for name, values in constant.items()})


def market(
    table: Any, gain: FloatArray, starts: Sequence[int], shares: FloatArray, call: dict[str, Any] | None = None
) -> Trial:
    """The market whose cohorts gain so much in every period (cohorts by periods): mean over post cells, and path."""
    import pandas as pd

    event = np.arange(gain.shape[1]) - np.asarray(starts)[:, None]
    weight = np.asarray(shares)[:, None] * np.ones(gain.shape)
    post = event >= 0
    att = float((weight * gain)[post].sum() / weight[post].sum())
    rows = []
    for e in range(int(event.min()), int(event.max()) + 1):
        at = event == e
        if at.any():
            rows.append((e, float((weight * gain)[at].sum() / weight[at].sum())))
    path = pd.DataFrame(rows, columns=["event_time", "att"])
    return Trial(table, Truth((Term("att", "att", "", att),), "att", path), SimpleNamespace(call=call or {}))


def later(effect: float, start: int, periods: int) -> FloatArray:
    """One cohort whose effect is the same in every period from the start on."""
    return np.where(np.arange(periods) >= start, float(effect), 0.0)[None]
