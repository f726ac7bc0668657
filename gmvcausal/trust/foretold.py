"""Tests whose long outcome follows from their first two weeks, with the effect on it known; and what breaks that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gmvcausal.trust.trials import Trial, trial

# The tactic brings so many visits more, each worth so much in two weeks, and these so much over ninety days.
VISITS, PER_VISIT, SLOPE, OWN, TASTE = 0.5, 10.0, 2.0, 4.0, 6.0
EFFECT = VISITS * (SLOPE * PER_VISIT + OWN)
OUTCOME, ARM, SURROGATES, COVARIATES = "gmv_90d", "arm", ["gmv_14d", "visits"], ["taste"]


def shop(
    *, n: int | None, seed: int, direct: float = 0.0, season: float = 0.0, known: float = 0.0, apart: float = 0.0
) -> Trial:
    """An experiment on `n` users and a history of half as many again.

    Parameters
    ----------
    n : int
        Users of the experiment; 1,000 if None.
    seed : int
    direct : float
        What the tactic adds to the long outcome past the surrogates: surrogacy is broken.
    season : float
        What the experiment's long outcomes are above what the history foretells: comparability is broken.
    known : float
        Share of the experiment whose long outcome is known already.
    apart : float
        By how much more taste the experiment's users have than those of the history.
    """
    rng = np.random.default_rng(seed)
    n = 1_000 if n is None else n
    arm = rng.permutation(n) % 2
    test, past = _users(rng, n, arm, 1.0 + apart), _users(rng, n + n // 2, np.zeros(n + n // 2), 1.0)
    test[OUTCOME] += direct * arm + season
    test[ARM] = arm
    if known:
        test.loc[np.arange(n) >= known * n, OUTCOME] = np.nan
    else:
        test = test.drop(columns=OUTCOME)
    call = {"outcome": OUTCOME, "arm": ARM, "surrogates": SURROGATES, "covariates": COVARIATES}
    return trial((test, past), {"1": EFFECT + direct}, call)


def _users(rng: np.random.Generator, n: int, arm: Any, taste: float) -> pd.DataFrame:
    liking = taste * rng.gamma(2.0, 1.0, n)
    visits = rng.poisson(liking + VISITS * arm)
    early = visits * rng.gamma(2.0, PER_VISIT / 2, n)
    long = 20 + SLOPE * early + OWN * visits + TASTE * liking + rng.gamma(1.0, 20.0, n)
    return pd.DataFrame({"taste": liking, "visits": visits, "gmv_14d": early, OUTCOME: long})


def surrogate(data: tuple[pd.DataFrame, pd.DataFrame], **call: Any) -> Any:
    """`gc.surrogate` of the two tables."""
    import gmvcausal as gc

    return gc.surrogate(*data, **call)
