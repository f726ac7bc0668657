"""What must not move the answer, what must, and that files give the same numbers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from ab_users import users

import gmvcausal as gc
from gmvcausal.results import Result

DATA = users(n=2000, arms=3, seed=8)
METRICS = [
    gc.Mean("gmv", pre=["gmv_pre", "age"]),
    gc.Mean("orders"),
    gc.Ratio("gmv", "orders"),
    gc.Proportion("bought"),
]
NUMBERS = ["estimate", "std_error", "p_value", "conf_low", "conf_high", "relative", "relative_low", "relative_high"]


def numbers(data: Any, metrics: Any = METRICS, **options: Any) -> pd.DataFrame:
    return gc.ab_test(data, control=options.pop("control", 0), metrics=metrics, **options).to_frame()


WANTED = numbers(DATA)
SAME: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "rows in another order": lambda d: d.sample(frac=1, random_state=3),
    "columns in another order": lambda d: d[d.columns[::-1]],
    "further columns": lambda d: d.assign(noise=1.0, text="x"),
    "other dtypes": lambda d: d.astype({"arm": "int8", "orders": "float32", "age": "uint8"}),
    "covariates in other units": lambda d: d.assign(gmv_pre=d["gmv_pre"] * 100 - 7),
}


@pytest.mark.parametrize("what", SAME)
def test_unmoved(what: str) -> None:
    found = numbers(SAME[what](DATA))
    np.testing.assert_allclose(found[NUMBERS], WANTED[NUMBERS], rtol=1e-9)


def test_hash_does_not_know_the_order_of_rows() -> None:
    first, second = (gc.ab_test(d, control=0, metrics=METRICS) for d in (DATA, DATA.sample(frac=1, random_state=1)))
    assert first.manifest.data_sha256 == second.manifest.data_sha256
    other = gc.ab_test(DATA.assign(gmv=DATA["gmv"] + 1), control=0, metrics=METRICS)
    assert other.manifest.data_sha256 != first.manifest.data_sha256


def test_labels_of_the_arms_do_not_matter() -> None:
    names = {0: "zebra", 1: "1", 2: "apple"}
    found = numbers(DATA.assign(arm=DATA["arm"].map(names)), control="zebra").set_index(["metric", "estimand"])
    for (metric, what), row in found.iterrows():
        arm = {v: k for k, v in names.items()}[row["arm"]]
        mine = WANTED[(WANTED["metric"] == metric) & (WANTED["arm"] == arm)]
        mine = mine[mine["estimand"].str.contains("capped") == ("capped" in what)].iloc[0]
        np.testing.assert_allclose(row[NUMBERS].astype(float), mine[NUMBERS].astype(float), rtol=1e-12)


def test_money_in_cents() -> None:
    found = numbers(DATA.assign(gmv=DATA["gmv"] * 100))
    money = WANTED["metric"].isin(["gmv", "gmv / orders"])
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[name], WANTED[name] * np.where(money, 100, 1), rtol=1e-10)
    for name in ("p_value", "relative", "relative_low", "relative_high", "capped_share", "variance_reduction"):
        np.testing.assert_allclose(found[name], WANTED[name], rtol=1e-8)


@pytest.mark.parametrize("options", [{}, {"cluster": "place"}, {"strata": "segment"}])
def test_a_large_constant_costs_no_digits(options: dict[str, Any]) -> None:
    metrics = [gc.Mean("gmv", cap=None)] if "strata" in options else [gc.Mean("gmv", pre="gmv_pre", cap=None)]
    exact = DATA.assign(gmv=np.round(DATA["gmv"] * 64) / 64)  # so that adding 1e7 rounds nothing away
    before, after = (numbers(exact.assign(gmv=exact["gmv"] + c), metrics, **options) for c in (0.0, 1e7))
    for name in ("estimate", "std_error", "p_value"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9)


def test_swapping_the_arms_turns_the_sign() -> None:
    two = DATA[DATA["arm"] < 2]
    there, back = numbers(two), numbers(two, control=1)
    np.testing.assert_allclose(there["estimate"], -back["estimate"], rtol=1e-9)
    np.testing.assert_allclose(there["std_error"], back["std_error"], rtol=1e-9)
    np.testing.assert_allclose(1 + there["relative"], 1 / (1 + back["relative"]), rtol=1e-9)
    np.testing.assert_allclose(1 + there["relative_low"], 1 / (1 + back["relative_high"]), rtol=1e-9)


def test_a_cluster_for_each_row_is_no_cluster() -> None:
    metrics = [gc.Mean("gmv"), gc.Ratio("gmv", "orders")]
    found = numbers(DATA.assign(row=np.arange(len(DATA))), metrics, cluster="row")
    np.testing.assert_allclose(found[NUMBERS], numbers(DATA, metrics)[NUMBERS], rtol=1e-9)


def test_orders_by_user_are_users() -> None:
    """Rows split into pieces: sums per user are a ratio of clusters, and the mean per row changes as it must."""
    orders = DATA.loc[np.repeat(np.arange(len(DATA)), DATA["orders"])].assign(one=1)
    orders["amount"] = orders["gmv"] / orders["orders"]
    orders["user"] = orders.index
    by_order = numbers(orders, [gc.Mean("amount", cap=None)], cluster="user")
    by_user = numbers(DATA[DATA["orders"] > 0], [gc.Ratio("gmv", "orders", cap=None)])
    np.testing.assert_allclose(by_order["estimate"], by_user["estimate"], rtol=1e-10)
    np.testing.assert_allclose(by_order["std_error"], by_user["std_error"], rtol=0.01)  # jackknife beside delta method


def test_zero_lies_in_the_relative_interval_exactly_when_not_significant() -> None:
    rng = np.random.default_rng(2)
    seen = set()
    for _ in range(100):
        frame = pd.DataFrame({"arm": [0, 1] * 20, "gmv": rng.exponential(1, 40) * rng.uniform(1, 3, 40)})
        frame.loc[frame["arm"] == 1, "gmv"] *= rng.uniform(0.7, 1.6)
        for alpha in (0.05, 0.2):
            row = gc.ab_test(frame, metrics=["gmv"], alpha=alpha).to_frame().iloc[0]
            if np.isfinite(row["relative_low"]):
                inside = row["relative_low"] <= 0 <= row["relative_high"]
                assert inside == (row["p_value"] > alpha)
                seen.add(inside)
    assert seen == {True, False}


FILES: dict[str, dict[str, Any]] = {
    "rows": {},
    "moments only": {"hc": None},
    "clusters": {"cluster": "place", "metrics": [gc.Mean("gmv", pre="gmv_pre"), gc.Ratio("gmv", "orders")]},
    "strata": {"strata": "segment", "metrics": ["gmv"]},
    "text covariates": {"metrics": [gc.Mean("gmv", pre=["segment", "age"])]},
}


@pytest.mark.parametrize("how", FILES)
def test_files_and_relations(how: str, tmp_path: Path) -> None:
    options = {"control": 0, "metrics": METRICS} | FILES[how]
    frame = DATA.assign(gmv=DATA["gmv"] + 1e7)
    frame.to_parquet(tmp_path / "test.parquet")
    wanted = gc.ab_test(frame, **options)
    relation = duckdb.from_arrow(duckdb.from_df(frame).to_arrow_table())
    for data in (tmp_path / "test.parquet", str(tmp_path / "test.parquet"), relation):
        found: Result = gc.ab_test(data, **options)
        np.testing.assert_allclose(found.to_frame()[NUMBERS], wanted.to_frame()[NUMBERS], rtol=1e-10)
        pd.testing.assert_frame_equal(found.audit.to_frame(), wanted.audit.to_frame(), rtol=1e-6)
        assert found.manifest.notes == wanted.manifest.notes
        again = pickle.loads(pickle.dumps(found))
        assert again.manifest.data_sha256 == found.manifest.data_sha256


def test_what_logs_say_of_a_frame_comes_along() -> None:
    frame = DATA.copy()
    fact = {"name": "late_orders", "status": "warned", "message": "3 orders came late", "remedy": "wait"}
    frame.attrs["gmvcausal"] = {"checks": [fact], "unit": "user", "notes": ["read on a Monday"]}
    result = gc.ab_test(frame, control=0, metrics=["gmv"])
    assert result.audit["late_orders"].status == "warned" and result.unit == "gmv per user"
    assert "read on a Monday" in result.manifest.notes
