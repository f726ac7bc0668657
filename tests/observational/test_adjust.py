"""`gc.adjust`: every estimator by hand, beside second implementations, under relabelling, and on known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from tests.protocol import assert_protocol

EVERY = ("aipw", "regression", "ipw", "matching", "dml")
COVARIATES = ["a", "b", "c"]


def people(n: int, seed: int, *, effect: float = 2.0, bend: float = 0.0) -> pd.DataFrame:
    """Selection and outcome by three covariates, along lines or bent."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    lean = 0.6 * x[:, 0] - 0.4 * x[:, 1] + bend * np.abs(x[:, 2])
    got = rng.random(n) < 1 / (1 + np.exp(-lean))
    level = 10 + 2 * x[:, 0] - x[:, 1] + bend * 2 * np.abs(x[:, 2])
    y = level + got * (effect + 0.5 * x[:, 0]) + rng.standard_normal(n)
    return pd.DataFrame(x, columns=COVARIATES).assign(got=got.astype(int), gmv=y)


def asked(data: Any, **options: Any) -> Any:
    return gc.adjust(data, **{"outcome": "gmv", "treatment": "got", "covariates": COVARIATES, **options})


@pytest.mark.parametrize("estimator", EVERY)
def test_protocol(estimator: str, tmp_path: Path) -> None:
    r = asked(people(300, 1), estimator=estimator)
    plots: tuple[str | None, ...] = (None, "overlap", "love") if estimator == "ipw" else (None,)
    assert_protocol(r, tmp_path if estimator == "aipw" else None, plots)
    assert abs(r.estimate - 2) < 4 * r.std_error
    assert r.audit["hidden_confounding"].status == "not_run"
    assert r.estimates.term == ("1", "1 (unadjusted)")
