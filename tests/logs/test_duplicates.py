"""Repeated rows are told exactly, also where two different keys share a hash."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from log_inputs import eight_orders

from gmvcausal.errors import InputError
from gmvcausal.logs import Logs, duplicates


def test_a_shared_hash_is_no_repeat(monkeypatch):
    monkeypatch.setattr(duplicates, "hash_of", lambda columns: "CAST(1 AS UBIGINT)")
    assert Logs(orders=eight_orders()).panel(freq="W")["gmv"].sum() == 50.75
    twice = pd.concat([eight_orders(), eight_orders().iloc[[4]]])
    with pytest.raises(InputError, match="1 rows of orders repeat") as caught:
        Logs(orders=twice)
    assert caught.value.rows == (8,)
    dropped = Logs(orders=twice, dedupe="exact").panel(freq="W")
    pd.testing.assert_frame_equal(dropped, Logs(orders=eight_orders()).panel(freq="W"))


def test_rows_that_differ_only_in_a_further_column_are_two_rows():
    frame = eight_orders().drop(columns="order")
    twice = pd.concat([frame, frame.iloc[[0]]]).assign(note=[*range(9)])
    assert Logs(orders=twice).panel(freq="W")["gmv"].sum() == 60.75


def test_a_large_log_against_pandas():
    rng = np.random.default_rng(1)
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 30, 20_000),
            "time": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 400, 20_000), unit="h"),
            "gmv": rng.integers(0, 4, 20_000),
        }
    )
    expected = orders.duplicated()
    with pytest.raises(InputError) as caught:
        Logs(orders=orders)
    assert caught.value.rows == tuple(np.flatnonzero(expected)[:5])
    assert f"{expected.sum():,} rows" in str(caught.value)
    logs = Logs(orders=orders, dedupe="exact")
    assert logs.orders.n == (~expected).sum()
    assert logs.panel(freq="D")["gmv"].sum() == orders.drop_duplicates().query("time < '2025-01-18'")["gmv"].sum()
