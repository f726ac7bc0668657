"""The hash of what `gc.adjust` analysed: one for the same rows and columns, whatever the estimator makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import gmvcausal as gc

COVARIATES = ["level", "age", "spent", "new"]


def people(n: int = 200) -> pd.DataFrame:
    """Covariates of every kind, one of them constant."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "level": rng.choice(["普通", "金"], n),
            "age": rng.integers(20, 60, n),
            "spent": rng.gamma(2.0, 50.0, n),
            "new": rng.random(n) < 0.5,
            "same": 1.0,
            "shop": rng.integers(0, 60, n),
            "got": rng.permutation(np.arange(n) % 2),
            "gmv": rng.gamma(2.0, 50.0, n),
        }
    )


def digest(data: Any, covariates: list[str] | None = None, **options: Any) -> str:
    asked = {"outcome": "gmv", "treatment": "got", "covariates": covariates or COVARIATES, "estimator": "regression"}
    return str(gc.adjust(data, **{**asked, **options}).manifest.data_sha256)


@pytest.mark.parametrize("cluster", [None, "shop"])
def test_one_hash_for_all_estimators(cluster: str | None) -> None:
    data = people()
    every = ("aipw", "dml", "regression", "ipw", "matching")
    found = {digest(data, [*COVARIATES, "same"], estimator=e, cluster=cluster) for e in every}
    assert len(found) == 1
    assert found != {digest(data, [*COVARIATES, "same"], cluster=None if cluster else "shop")}


def test_the_hash_is_of_values_not_of_their_place_or_type() -> None:
    data = people()
    whole = digest(data)
    assert digest(data.sample(frac=1, random_state=1)) == whole
    assert digest(data, COVARIATES[::-1]) == whole
    assert digest(data.astype({"age": float, "level": "category", "new": "boolean"})) == whole
    assert digest(pl.from_pandas(data)) == whole
    row = data.index[data["level"] == "普通"][0]
    changes: dict[str, Any] = {"level": "金", "age": 61, "spent": 61.5, "gmv": 61.5}
    for column, value in changes.items():
        assert digest(data.assign(**{column: data[column].where(data.index != row, value)})) != whole, column
    assert digest(data, COVARIATES[:3]) != whole
