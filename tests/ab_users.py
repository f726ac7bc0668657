"""Users with purchases that are mostly zero and heavy-tailed, for the tests of this room."""

from __future__ import annotations

import numpy as np
import pandas as pd


def users(n: int = 3000, arms: int = 2, seed: int = 0, sigma: float = 1.0, buys: float = 0.4) -> pd.DataFrame:
    """One row per user: arm, orders, gmv, gmv_pre, bought, segment, room; an effect of .1 per arm on the basket."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, arms, n)
    taste = rng.normal(0, 0.7, n)
    orders = rng.poisson(buys * np.exp(0.3 * taste), n)
    gmv = np.round(orders * np.exp(rng.normal(3 + 0.5 * taste, sigma, n)) * (1 + 0.1 * arm), 2)
    return pd.DataFrame(
        {
            "arm": arm,
            "orders": orders,
            "gmv": gmv,
            "gmv_pre": np.round(np.exp(rng.normal(3 + taste, 0.5, n)), 2),
            "age": rng.integers(18, 70, n),
            "bought": orders > 0,
            "segment": rng.choice(["new", "old", "vip"], n),
            "place": rng.integers(0, 40, n),
        }
    )
