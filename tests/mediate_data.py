"""A raffle in a community, and what stands between it and GMV."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import gmvcausal as gc


def people(n: int = 600, seed: int = 3, noise: float = 1.0) -> pd.DataFrame:
    """A raffle that moves interaction (0/1), watch time and sharing; activity moves all of them, and GMV."""
    rng = np.random.default_rng(seed)
    activity, raffle = rng.standard_normal(n), rng.integers(0, 2, n)
    watch = 10 + 2 * raffle + activity + rng.standard_normal(n)
    interacted = (rng.random(n) < 1 / (1 + np.exp(0.5 - raffle - 0.4 * activity))).astype(int)
    shared = (rng.random(n) < 0.2 + 0.3 * raffle).astype(int)
    index = 5 + raffle + 0.5 * watch + 2 * interacted + 0.7 * raffle * interacted + shared + activity
    gmv = index + noise * rng.standard_normal(n)
    room = rng.integers(0, 40, n)
    return pd.DataFrame({
        "raffle": raffle, "watch": watch, "interacted": interacted, "shared": shared, "activity": activity,
        "room_no": room, "gmv": gmv, "bought": (gmv > np.median(gmv) + rng.standard_normal(n)).astype(int),
        "spend": rng.poisson(np.exp(0.15 * index - 1)) * rng.exponential(2.0, n),
    })  # fmt: skip


def call(data: pd.DataFrame, **more: Any) -> Any:
    options: dict[str, Any] = {"mediators": ["watch"], "covariates": ["activity"], "reps": 0} | more
    return gc.mediate(data, options.pop("outcome", "gmv"), options.pop("treatment", "raffle"), **options)


def row(result: Any, term: str) -> pd.Series[Any]:
    return result.to_frame().set_index("term").loc[term]


def status(result: Any, name: str) -> str:
    return str(result.audit[name].status)
