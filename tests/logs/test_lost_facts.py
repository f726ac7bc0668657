"""A table of `Logs` that lost what was known of it says so in every verb; a table of the user's own says nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gmvcausal as gc

PRE = ["gmv_pre"]
VERBS: dict[str, Callable[[Any], Any]] = {
    "ab_test": lambda t: gc.ab_test(t, metrics=["gmv"], control="none"),
    "adjust": lambda t: gc.adjust(
        t, outcome="gmv", treatment="arm", covariates=PRE, control="none", estimator="regression"
    ),
    "uplift": lambda t: gc.uplift(
        t, outcome="gmv", treatment="arm", features=PRE, control="none", learner="s", propensity=0.5
    ),
    "iv": lambda t: gc.iv(t, outcome="gmv", treatment="got", instrument="drawn"),
    "match": lambda t: gc.ab_test(
        gc.match(t, "arm", PRE, control="none").frame, metrics=["gmv"], control="none"
    ),
    "mediate": lambda t: gc.mediate(t, "gmv", "arm", ["orders"], covariates=PRE, control="none", reps=99),
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    """Users sent a coupon in June and July, against others who count from May: orders grew for all in June."""
    rng = np.random.default_rng(1)
    days, ids = pd.date_range("2025-03-01", "2025-08-31", freq="D"), np.array([f"u{k:03}" for k in range(600)])
    orders = pd.DataFrame({"user": rng.choice(ids, 9000), "time": rng.choice(days, 9000)})
    orders["gmv"] = rng.lognormal(4, 0.5, 9000).round(2) * np.where(orders["time"] >= "2025-06-01", 1.5, 1.0)
    sent = pd.DataFrame({"user": ids[:300], "tactic": "c"})
    sent["start"] = rng.choice(pd.date_range("2025-06-10", "2025-07-25"), 300)
    people = pd.DataFrame(
        {"user": ids, "tier": rng.choice(["a", "b"], 600), "drawn": (rng.random(600) < 0.5).astype(int)}
    )
    people["got"] = np.where(rng.random(600) < 0.9, people["drawn"], 1 - people["drawn"])
    logs = gc.Logs(orders=orders, exposures=sent, users=people)
    return logs.users("c", pre="28D", post="28D", anchor="2025-05-01", features=["tier", "drawn", "got"])


def merged(made: pd.DataFrame) -> pd.DataFrame:
    people = made[["user", "tier", "drawn", "got"]]
    out = made.drop(columns=["tier", "drawn", "got"]).merge(people, on="user")
    out.attrs = {}  # pandas of some versions carries them over a merge
    return out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_that_facts_are_lost(made: pd.DataFrame, verb: str) -> None:
    """The failure that the merge hides is named as possible, and copying what `Logs` wrote brings it back."""
    asked = VERBS[verb]
    whole, lost = asked(made).audit, asked(merged(made)).audit
    assert whole["same_season"].status == "failed" and "log_facts" not in whole
    check = lost["log_facts"]
    assert check.status == "warned" and "same_season" not in lost
    assert "one of them may have failed" in check.message and "logs.users(..., features=[...])" in check.remedy
    back = merged(made)
    back.attrs = made.attrs
    assert asked(back).audit["same_season"].status == "failed"


def test_every_engine_says_so(made: pd.DataFrame, tmp_path: Path) -> None:
    frame = merged(made)
    frame.to_parquet(tmp_path / "users.parquet")
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    kinds = [pl.from_pandas(frame), pl.from_pandas(frame).lazy(), arrow, duckdb.sql("SELECT * FROM arrow")]
    for data in (*kinds, tmp_path / "users.parquet"):
        assert VERBS["ab_test"](data).audit["log_facts"].status == "warned", type(data)
    made.to_parquet(tmp_path / "made.parquet")
    assert "log_facts" not in VERBS["ab_test"](tmp_path / "made.parquet").audit


@pytest.mark.parametrize("absent", ["assigned", "gmv_pre", "orders_pre"])
def test_a_table_of_the_user_s_own_says_nothing(made: pd.DataFrame, absent: str) -> None:
    own = merged(made).drop(columns=absent)
    assert "log_facts" not in VERBS["ab_test"](own).audit
    assert "log_facts" not in VERBS["ab_test"](own[["user", "arm", "gmv"]]).audit


def test_a_column_may_be_called_as_a_property_of_other_frames(made: pd.DataFrame) -> None:
    frame = merged(made).assign(column_names=1, collect_schema=2)
    assert VERBS["ab_test"](frame).audit["log_facts"].status == "warned"


def test_the_remedy_names_what_the_table_has() -> None:
    unit, period = np.repeat(np.arange(80), 6), np.tile(np.arange(1, 7), 80)
    start = np.where(unit < 40, 3.0, np.nan)
    panel = pd.DataFrame({"unit": unit, "period": period, "gmv": unit % 7 * period, "orders": 1, "buyers": 1})
    panel = panel.assign(first_treated=start, treated=(period >= start).astype(int))
    assert "logs.panel(..., keep=[...])" in gc.did(panel).audit["log_facts"].remedy
