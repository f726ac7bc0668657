"""The spine of the simulator: keyed draws, the logs as `Logs` takes them, the truth by name."""

import pickle

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Design, Market, MarketLogs, Term, Truth


def test_streams_are_keyed_by_seed_and_names() -> None:
    a, again = stream(3, "orders", 1).random(4), stream(3, "orders", 1).random(4)
    np.testing.assert_array_equal(a, again)
    for other in (stream(4, "orders", 1), stream(3, "orders", 2), stream(3, "orders", "1"), stream(3, "orders1")):
        assert not np.array_equal(a, other.random(4))


def small_truth() -> Truth:
    return Truth((Term("att", "ATT", "gmv per room-W", 2.0), Term("direct", "part", "gmv", 1.5, 0.1)), "att")


def small_market() -> Market:
    orders = pd.DataFrame(
        {
            "user": np.arange(8) % 2,
            "time": pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(8) // 2 * 7, unit="D"),
            "gmv": np.arange(8.0),
            "order": np.arange(8),
        }
    )
    logs = MarketLogs({"orders": orders, "sessions": pd.DataFrame({"user": [0]})}, {})
    return Market("small", logs, Design("did", "panel", {"freq": "W"}), small_truth)


def test_logs_unpack_into_logs_and_hold_every_table() -> None:
    market = small_market()
    assert set(market.logs) == {"orders", "columns"}
    assert list(market.logs.sessions.columns) == ["user"]
    gc.Logs(**market.logs)
    assert market.table()["gmv"].sum() == 0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 - (6 + 7)  # the last week is not complete
    with pytest.raises(AttributeError, match="no table 'carts'; its tables are orders, sessions"):
        market.logs.carts  # noqa: B018  # the lookup is the test
    again = pickle.loads(pickle.dumps(market))
    pd.testing.assert_frame_equal(again.logs.orders, market.logs.orders)


def test_truth_by_name() -> None:
    truth = small_market().truth
    assert (truth.value, truth["direct"], truth.std_error) == (2.0, 1.5, 0.0)
    assert list(truth.to_frame().columns) == ["term", "estimand", "unit", "value", "std_error", "target"]
    with pytest.raises(gc.InputError, match=r"no term 'atts'\. Did you mean 'att'\?"):
        truth["atts"]


def test_write_and_read_back(tmp_path) -> None:
    paths = small_market().write(tmp_path / "out")
    assert {p.name for p in paths} == {"orders.parquet", "sessions.parquet", "truth.parquet"}
    assert len(pd.read_parquet(tmp_path / "out" / "truth.parquet")) == 2
