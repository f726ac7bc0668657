"""Cells summed line by line in this process: the same numbers as groups summed by the engine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gmvcausal import Logs
from gmvcausal.logs import cells
from tests.log_inputs import eight_orders, two_exposures


def _long_log(text_ids: bool) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 4_000
    user = rng.integers(-40, 400, n)
    return pd.DataFrame(
        {
            "user": [f"u{u}" for u in user] if text_ids else user,
            "time": pd.Timestamp("2025-03-03") + pd.to_timedelta(rng.integers(0, 60 * 86_400, n), unit="s"),
            "gmv": np.round(rng.lognormal(3, 1, n), 2),
            "discount": np.where(rng.random(n) < 0.3, np.nan, np.round(rng.random(n), 2)),
            "order": np.arange(n),
        }
    )


@pytest.mark.parametrize("text_ids", [False, True])
@pytest.mark.parametrize("net", [False, True])
def test_both_ways_give_the_same_numbers(monkeypatch, text_ids, net):
    orders = _long_log(text_ids)
    options = {}
    if net:
        back = orders.iloc[:300].assign(gmv=lambda d: -d["gmv"], time=lambda d: d["time"] + pd.Timedelta("3D"))
        orders = pd.concat([orders, back])
        options = {"gmv": "net", "refund_window": "7D"}
    grouped = Logs(orders=orders, **options).panel(freq="W", keep=["discount"])
    monkeypatch.setattr(cells, "_MOST_GROUPS", 0)
    monkeypatch.setattr(cells, "_BATCH", 999)
    by_line = Logs(orders=orders, **options).panel(freq="W", keep=["discount"])
    pd.testing.assert_frame_equal(by_line, grouped, check_exact=True)
    assert by_line.attrs == grouped.attrs
    assert by_line["gmv"].sum() > 0


def test_by_hand(monkeypatch):
    monkeypatch.setattr(cells, "_MOST_GROUPS", 0)
    panel = Logs(orders=eight_orders(), exposures=two_exposures()).panel(freq="W")
    assert panel.loc[panel["unit"] == "u1", "gmv"].tolist() == [15.5, 1.25, 0.0]
    assert panel.loc[panel["unit"] == "u3", "orders"].tolist() == [0, 0, 2]


def test_amounts_that_are_no_cents_are_grouped(monkeypatch):
    orders = eight_orders().assign(gmv=lambda d: d["gmv"] / 3)
    grouped = Logs(orders=orders).panel(freq="W")
    monkeypatch.setattr(cells, "_MOST_GROUPS", 0)
    pd.testing.assert_frame_equal(Logs(orders=orders).panel(freq="W"), grouped, check_exact=True)


def test_cents_that_64_bits_could_not_add_up_are_grouped(monkeypatch):
    orders = eight_orders().assign(gmv=9e13)  # ten thousand of them in cents are beyond 64 bits
    many = pd.concat([orders.assign(order=orders["order"] + 10 * k) for k in range(2_000)])
    monkeypatch.setattr(cells, "_MOST_GROUPS", 0)
    panel = Logs(orders=many).panel(freq="W")
    assert panel["gmv"].sum() == 7 * 2_000 * 9e13
