"""A market for tests of `ab_test` wherever its rows lie: ties, zeros, a heavy tail, rooms, and calls of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

N = 4_000
SAME = {"rtol": 1e-10, "atol": 1e-300}


def _market() -> pd.DataFrame:
    """Ties (whole numbers of orders, rounded amounts), many zeros, a heavy tail, rooms of unlike sizes."""
    rng = np.random.default_rng(8)
    room = np.sort(rng.integers(0, 90, N))
    taste = rng.normal(size=N) + 0.2 * rng.normal(size=90)[room]
    bought = rng.random(N) < 0.4
    visits = rng.geometric(0.3, N)
    return pd.DataFrame(
        {
            "arm": np.array(["A", "B's", "对照"])[rng.integers(0, 3, N)],
            "arm_of_room": np.array(["A", "B"])[(room * 7 % 90) % 2],
            "place": room,
            "tier": np.array(["new", "old", "vip \\ '"])[rng.integers(0, 3, N)],
            "area": (room % 3).astype("int16"),
            "level": rng.integers(1, 4, N).astype("int8"),
            "visits": visits.astype("int32"),
            "orders": np.where(bought, 1 + rng.poisson(0.5, N), 0),
            "bought": bought,
            "gmv": np.where(bought, np.round(np.exp(3 + taste), 2), 0.0),
            "minutes": 1e7 + rng.exponential(5, N),
            "watched": rng.exponential(5, N).astype("float32"),
            "got": (rng.random(N) < 0.7).astype(int),
            "gmv_pre": np.round(np.exp(2.5 + 0.6 * taste + 0.8 * rng.normal(size=N)), 2),
            "visits_pre": (visits + rng.poisson(3, N)).astype("int16"),
        }
    )


MARKET = _market()
ADJUSTED: list[Any] = [
    gc.Mean("gmv", pre=["gmv_pre", "visits_pre"]),
    gc.Ratio("gmv", "orders", pre="gmv_pre", cap=0.95),
    gc.Mean("visits"),
    gc.Proportion("bought"),
]
ROOMS: dict[str, Any] = {"arm": "arm_of_room", "control": "A", "cluster": "place"}
CALLS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "adjusted": (ADJUSTED, {}),
    "of each arm's own regression": (ADJUSTED, {"hc": None, "alternative": "greater", "adjust": "holm"}),
    "text as a covariate": ([gc.Mean("gmv", pre=["tier", "gmv_pre"])], {"alternative": "less"}),
    "far from zero": ([gc.Mean("minutes", pre="gmv_pre"), gc.Mean("watched", pre="visits_pre")], {}),
    "factors of GMV": ([gc.Gmv(gmv="gmv", orders="orders", visits="visits")], {}),
    "quantiles": ([gc.Quantile("minutes", 0.5), gc.Quantile("gmv_pre", 0.9), gc.Mean("gmv", cap=0.9)], {}),
    "guarded": (["gmv", "visits"], {"guardrails": {"visits": -0.02}, "adjust": "hierarchical", "lift": "log"}),
    "received": ([gc.Mean("gmv", pre="gmv_pre", cap=0.99), gc.Proportion("bought")], {"received": "got"}),
    "strata": (["gmv", gc.Ratio("gmv", "visits"), gc.Proportion("bought")], {"strata": ["tier", "level"]}),
    "strata beside covariates": (ADJUSTED[:2], {"strata": "tier"}),
    "rooms": (["gmv", gc.Ratio("gmv", "orders"), gc.Quantile("minutes", 0.5)], ROOMS),
    "rooms adjusted": ([*ADJUSTED, gc.Mean("orders", pre="tier")], ROOMS),
    "rooms in strata": ([gc.Mean("gmv"), gc.Mean("visits", cap=0.9)], {**ROOMS, "strata": "area"}),
    "rooms received": ([gc.Mean("gmv", pre="gmv_pre")], {**ROOMS, "received": "got"}),
    "rooms that hold several arms": ([gc.Mean("gmv", pre=["gmv_pre", "visits_pre"]), "visits"], {"cluster": "place"}),
}


def same(frame: pd.DataFrame, data: Any, metrics: Any, **options: Any) -> None:
    """The same numbers, audit, notes and advice."""
    options = {"control": "A", **options}
    wanted, found = (gc.ab_test(d, metrics=metrics, **options) for d in (frame, data))
    a, b = found.to_frame(), wanted.to_frame()
    numbers = [c for c in b.columns if b[c].dtype.kind == "f"]
    assert {"estimate", "std_error", "conf_low", "p_value", "relative_low"} <= set(numbers)
    np.testing.assert_allclose(a[numbers], b[numbers], **SAME)
    pd.testing.assert_frame_equal(a.drop(columns=numbers), b.drop(columns=numbers))
    pd.testing.assert_frame_equal(found.audit.to_frame(), wanted.audit.to_frame(), rtol=1e-9)
    assert found.manifest.notes == wanted.manifest.notes
    assert found.manifest.dropped == wanted.manifest.dropped
    assert found.summary() == wanted.summary()


def refused(frame: pd.DataFrame, data: Any, metrics: Any, **options: Any) -> str:
    """The same error from memory and from the engine."""
    told = []
    for d in (frame, data):
        with pytest.raises(gc.GmvCausalError) as found:
            gc.ab_test(d, metrics=metrics, **{"control": "A", **options})
        told.append(str(found.value))
    assert told[1] == told[0]
    return told[0]
