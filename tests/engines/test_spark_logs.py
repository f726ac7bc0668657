"""Logs on Spark: the tables, notes and checks of frames in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmvcausal import InputError, Logs
from gmvcausal.frames.facts import frame_facts

pytestmark = pytest.mark.spark


def _orders() -> pd.DataFrame:
    """A quarter of orders; hours around a change of clocks in the session's zone, and ids that need quoting."""
    rng = np.random.default_rng(11)
    n = 3_000
    seconds = rng.integers(0, 84 * 86_400, n)
    seconds[:40] = 6 * 86_400 + 2 * 3_600 + np.arange(40) * 60  # 9 March 2025, 02:00 to 02:40
    frame = pd.DataFrame(
        {
            "user": [f"o'u\\{u}" for u in rng.integers(0, 300, n)],
            "order": np.arange(n),
            "time": pd.Timestamp("2025-03-03") + pd.to_timedelta(seconds, unit="s"),
            "gmv": np.round(rng.lognormal(3, 1, n), 2),
            "room": rng.integers(0, 12, n),
        }
    )
    return frame


def _exposures() -> pd.DataFrame:
    start = np.where(np.arange(150) < 60, np.datetime64("2025-04-07"), np.datetime64("2025-04-28"))
    tactic = np.where(np.arange(150) < 60, "early", "late")
    return pd.DataFrame(
        {"user": [f"o'u\\{u}" for u in range(150)], "tactic": tactic, "start": start.astype("datetime64[us]")}
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """Parquet files of the orders (in two parts) and the exposures."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "orders").mkdir()
    orders = _orders()
    orders.iloc[:1_000].to_parquet(folder / "orders" / "a.parquet")
    orders.iloc[1_000:].to_parquet(folder / "orders" / "b.parquet")
    _exposures().to_parquet(folder / "exposures.parquet")
    return {"orders": str(folder / "orders"), "exposures": str(folder / "exposures.parquet")}


@pytest.fixture(scope="module")
def logs(spark, files) -> tuple[Logs, Logs]:
    """The same logs in memory and on Spark."""
    here = Logs(orders=_orders(), exposures=_exposures())
    there = Logs(orders=spark.read.parquet(files["orders"]), exposures=spark.read.parquet(files["exposures"]))
    return here, there


def _same(there: pd.DataFrame, here: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(there, here, check_exact=False, rtol=1e-10, atol=0)
    assert there.attrs == here.attrs


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("panel", {"freq": "D"}),
        ("panel", {"freq": "M", "keep": ["room"]}),
        ("panel", {"freq": "W", "tactic": "early"}),
        ("users", {"pre": "28D", "post": "14D", "anchor": "2025-04-07", "features": "rfm"}),
        ("stack", {"window": (-3, 3)}),
    ],
)
def test_tables_are_those_of_memory(logs, table, options):
    here, there = logs
    _same(getattr(there, table)(**options), getattr(here, table)(**options))


def test_rooms_and_retention(logs):
    here, there = logs
    orders = _orders()
    rooms = Logs(orders=orders).panel(unit="room", freq="W")
    _same(Logs(orders=there._raw_orders.space.session.createDataFrame(_as_texts(orders))).panel("room", "W"), rooms)
    ours, theirs = (one.retention(freq="W", horizon=4) for one in (here, there))
    pd.testing.assert_frame_equal(theirs.curve(), ours.curve(), check_exact=False, rtol=1e-12)


def _as_texts(orders: pd.DataFrame) -> pd.DataFrame:
    """Times as ISO texts, as a table read from a CSV file has them."""
    return orders.assign(time=orders["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))


def test_net_of_refund_rows(spark, tmp_path):
    orders = _orders()
    back = orders.iloc[:200].assign(gmv=lambda d: -d["gmv"], time=lambda d: d["time"] + pd.Timedelta("2D"))
    orders = pd.concat([orders, back])
    orders = orders[orders["time"] < "2025-05-20"]
    orders = orders[(orders["gmv"] > 0) | orders["order"].isin(orders.loc[orders["gmv"] > 0, "order"])]
    orders.to_parquet(tmp_path / "orders.parquet")
    options: dict[str, Any] = {"gmv": "net", "refund_window": "7D"}
    there = Logs(orders=str(tmp_path / "orders.parquet"), engine=spark, **options)
    _same(there.panel(freq="W"), Logs(orders=orders, **options).panel(freq="W"))


def test_moments_of_the_session_need_a_zone(spark):
    orders = _orders().assign(time=lambda d: d["time"].dt.tz_localize("UTC"))
    there = spark.createDataFrame(orders)
    with pytest.raises(InputError, match="whose midnights cut the days is not said"):
        Logs(orders=there)
    options: dict[str, Any] = {"timezone": "Asia/Shanghai"}
    _same(Logs(orders=there, **options).panel(freq="D"), Logs(orders=orders, **options).panel(freq="D"))


def test_repeated_rows_are_refused_or_dropped(spark, tmp_path):
    orders = pd.concat([_orders(), _orders().iloc[:7]])
    orders.to_parquet(tmp_path / "orders.parquet")
    there = spark.read.parquet(str(tmp_path / "orders.parquet"))
    with pytest.raises(InputError, match="7 rows of orders repeat an earlier row"):
        Logs(orders=there)
    _same(Logs(orders=there, dedupe="exact").panel(freq="W"), Logs(orders=orders, dedupe="exact").panel(freq="W"))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("gmv", np.nan, "is missing"), ("gmv", np.inf, "infinite"), ("gmv", -1.0, "negative"), ("user", None, "missing")],
)
def test_bad_rows_are_counted(spark, tmp_path, column, value, words):
    orders = _orders()
    orders.loc[[5, 9], column] = value
    orders.to_parquet(tmp_path / "orders.parquet")
    with pytest.raises(InputError, match=words) as caught:
        Logs(orders=spark.read.parquet(str(tmp_path / "orders.parquet")))
    assert caught.value.count == 2


def test_a_panel_written_by_spark_says_what_is_known_of_it(logs, spark, tmp_path):
    here, there = logs
    panel = here.panel(freq="W", keep=["room"])
    path = there.write_panel(str(tmp_path / "panel.parquet"), freq="W", keep=["room"])
    for written in (pd.read_parquet(path), spark.read.parquet(path).toArrow().to_pandas()):
        written = written.sort_values(["unit", "period"], ignore_index=True)[list(panel.columns)]
        plain = panel.copy()
        plain.attrs = written.attrs = {}
        pd.testing.assert_frame_equal(written, plain, check_exact=False, rtol=1e-12, check_dtype=False)
    for data in (path, spark.read.parquet(path)):
        facts = frame_facts(data)
        assert facts.pop("sums") == pytest.approx(panel.attrs["gmvcausal"]["sums"], rel=1e-12)
        assert facts == {k: v for k, v in panel.attrs["gmvcausal"].items() if k != "sums"}
    with pytest.raises(InputError, match="exists already"):
        there.write_panel(path, freq="W")


def test_nothing_is_left_behind(spark, files):
    logs = Logs(orders=files["orders"], exposures=files["exposures"], engine=spark)
    logs.panel(freq="W")
    ours = logs.orders.view.rpartition("_orders_")[0]

    def left() -> list[str]:
        return [table.name for table in spark.catalog.listTables() if table.name.startswith(ours)]

    assert left()
    logs.close()
    assert not left()
