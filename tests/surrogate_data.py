"""A shop in which two weeks foretell ninety days, and what the tactic does past them."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = ["visits", "gmv_14d"]


def users(rng: np.random.Generator, n: int, treated: np.ndarray, direct: float = 0.0) -> pd.DataFrame:
    """Users whose 90 days follow their first two weeks; the tactic moves visits, and the rest directly."""
    taste = rng.gamma(2.0, 1.0, n)
    visits = rng.poisson(taste + 0.5 * treated)
    gmv = visits * rng.gamma(2.0, 5.0, n)
    long = 20 + 2 * gmv + 4 * visits + 6 * taste + rng.normal(0, 20, n) + direct * treated
    return pd.DataFrame({"taste": taste, "visits": visits, "gmv_14d": gmv, "gmv_90d": long})


def tables(seed: int, n: int = 600, m: int = 800, direct: float = 0.0, known: int = 0):
    """Experiment and history; the true effect is 12 + direct."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    test = users(rng, n, arm, direct).assign(arm=arm)
    test.loc[known:, "gmv_90d"] = np.nan
    return (test if known else test.drop(columns="gmv_90d")), users(rng, m, np.zeros(m))


TRUTH = 12.0  # half a visit more, of 2 x 10 + 4 each
