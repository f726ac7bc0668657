"""Covariates that hold numbers or dates as text: no categories, whose order would be lost without a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

ROWS = np.arange(240)


def users(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"coupon": ROWS % 2, "age": rng.normal(size=240), "gmv": rng.exponential(50, 240), **columns})


def ask(verb: str, column: str, data: pd.DataFrame) -> Any:
    both = ["age", column]
    if verb == "uplift":
        return gc.uplift(data, treatment="coupon", features=both, propensity=0.5, folds=2)
    if verb == "match":
        return gc.match(data, treatment="coupon", covariates=both)
    return gc.adjust(
        data, treatment="coupon", covariates=both, estimator=verb, **({"folds": 2} if verb == "aipw" else {})
    )


VERBS = ("aipw", "regression", "uplift", "match")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([f"¥{1000 + k % 40:,}" for k in ROWS], r"numbers as text, for example '¥1,000'.*Strip currency signs"),
        ([f"{k % 40 / 4}" for k in ROWS], r"numbers as text, for example '0.25'.*pd.to_numeric\(df\[col\]\)"),
        (["未知" if k % 40 == 0 else f"1,{k % 40:03}" for k in ROWS], r"numbers as text, for example '1,001'"),
        ([f"2025/03/{1 + k % 28:02}" for k in ROWS], r"dates as text, for example '2025/03/01'.*pd.to_datetime"),
        ([f"2025年3月{1 + k % 28}日" for k in ROWS], r"dates as text"),
        ([f"202503{1 + k % 28:02}" for k in ROWS], r"dates as text"),
        ([f"2025-03-{1 + k % 28:02} 08:00:00" for k in ROWS], r"dates as text"),
    ],
)
def test_refused(verb: str, texts: list[str], told: str) -> None:
    with pytest.raises(gc.InputError, match=told) as caught:
        ask(verb, "spend", users(spend=texts))
    assert caught.value.column == "spend"


@pytest.mark.parametrize("verb", VERBS)
def test_levels_stay_levels(verb: str) -> None:
    """Codes in digits, months, ranges, mixed words; and whatever is a category by its type."""
    for texts in (
        [str(1 + k // 2 % 3) for k in ROWS],
        [f"2025-{1 + k // 2 % 4:02}" for k in ROWS],
        [("18-24", "25-34", "35+")[k // 2 % 3] for k in ROWS],
        [("gold", "0.5", "none")[k // 2 % 3] for k in ROWS],
        pd.Categorical([f"¥{10 * (1 + k // 2 % 3)}" for k in ROWS]),
    ):
        assert ask(verb, "level", users(level=texts)) is not None
