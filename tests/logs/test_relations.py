"""What must not change a table, and what must change it in a known way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmvcausal.logs import Logs


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(7)
    n = 4000
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 300, n),
            "time": pd.Timestamp("2025-01-05") + pd.to_timedelta(rng.integers(0, 70 * 86400, n), unit="s"),
            "gmv": rng.integers(1, 50_000, n) / 100,
            "order": np.arange(n),
            "product": rng.integers(0, 40, n),
        }
    )
    exposures = pd.DataFrame({"user": rng.permutation(320)[:90], "tactic": np.repeat(["a", "b", "c"], 30)})
    starts = {"a": "2025-01-22", "b": "2025-02-03", "c": "2025-02-18"}
    exposures["start"] = pd.to_datetime(exposures["tactic"].map(starts))
    exposures["end"] = exposures["start"] + pd.Timedelta(days=12)
    coverage = pd.DataFrame({"tactic": np.repeat(["a", "b", "c"], 10), "product": np.arange(30)})
    return {"orders": orders, "exposures": exposures, "coverage": coverage}


def every_table(tables: dict) -> list[pd.DataFrame]:
    logs = Logs(**tables)
    return [
        logs.panel(freq="W"),
        logs.stack(window=(-2, 2)),
        logs.users(pre="7D", post="14D", anchor="2025-02-03", features="rfm"),
    ]


def assert_same(left: list[pd.DataFrame], right: list[pd.DataFrame]) -> None:
    for one, two in zip(left, right, strict=True):
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_the_order_of_rows(tables):
    shuffled = {name: t.sample(frac=1, random_state=3) for name, t in tables.items()}
    assert_same(every_table(shuffled), every_table(tables))


def test_amounts_times_a_hundred(tables):
    scaled = tables | {"orders": tables["orders"].assign(gmv=tables["orders"]["gmv"] * 100)}
    for one, two in zip(every_table(scaled), every_table(tables), strict=True):
        for column in one.columns:
            if column.startswith("gmv") or column == "monetary":
                np.testing.assert_allclose(one[column], two[column] * 100, rtol=1e-12)
            else:
                pd.testing.assert_series_equal(one[column], two[column])


def test_split_files_are_one_file(tables, tmp_path):
    orders = tables["orders"]
    pq.write_table(pa.Table.from_pandas(orders, preserve_index=False), tmp_path / "whole.parquet", row_group_size=500)
    (tmp_path / "parts.parquet").mkdir()
    for i in range(4):
        part = pa.Table.from_pandas(orders.iloc[i::4], preserve_index=False)
        pq.write_table(part, tmp_path / "parts.parquet" / f"{i}.parquet")
    expected = every_table(tables)
    for path in (tmp_path / "whole.parquet", tmp_path / "parts.parquet", tmp_path / "parts.parquet" / "*.parquet"):
        assert_same(every_table(tables | {"orders": path}), expected)


def test_ids_under_other_names(tables):
    def renamed(table):
        return table.assign(user=table["user"].map("u{:04d}".format)) if "user" in table else table

    text = every_table({name: renamed(t) for name, t in tables.items()})
    for one, two in zip(text, every_table(tables), strict=True):
        key = "user" if "user" in one else "unit"
        pd.testing.assert_frame_equal(one.drop(columns=key), two.drop(columns=key), check_exact=True)
        assert one[key].str[1:].astype(int).tolist() == two[key].tolist()


def test_times_later_by_a_whole_week(tables):
    week = pd.Timedelta(weeks=1)
    orders = tables["orders"].assign(time=tables["orders"]["time"] + week)
    exposures = tables["exposures"].assign(
        start=tables["exposures"]["start"] + week, end=tables["exposures"]["end"] + week
    )
    moved = Logs(orders=orders, exposures=exposures).panel(freq="W")
    plain = Logs(orders=tables["orders"], exposures=tables["exposures"]).panel(freq="W")
    pd.testing.assert_frame_equal(
        moved.assign(period=moved["period"] - week, first_treated=moved["first_treated"] - week),
        plain,
        check_exact=True,
    )


def test_longer_periods_are_sums_of_shorter_ones(tables):
    logs = Logs(**tables)
    days, weeks = logs.panel(freq="D"), logs.panel(freq="W")
    kept = days[days["period"] < weeks["period"].max() + pd.Timedelta(weeks=1)]
    sums = kept.groupby(["unit", (kept["period"] - days["period"].min()).dt.days // 7])[["gmv", "orders"]].sum()
    np.testing.assert_allclose(sums["gmv"], weeks["gmv"], rtol=1e-12)
    np.testing.assert_array_equal(sums["orders"], weeks["orders"])


def test_covered_and_other_gmv_add_up(tables):
    stack = Logs(**tables).stack(window=(-2, 2))
    np.testing.assert_array_equal(
        ((stack["gmv_covered"] + stack["gmv_other"]) * 100).round(), (stack["gmv"] * 100).round()
    )
