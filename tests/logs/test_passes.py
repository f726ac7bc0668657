"""How often the orders are read: few times, and the short roads say what the long ones say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gmvcausal import InputError, Logs
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.logs import duplicates


def _orders(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    times = pd.Timestamp("2025-03-03") + pd.to_timedelta(rng.integers(0, 56 * 86_400, n), unit="s")
    return pd.DataFrame(
        {"user": rng.integers(0, 40, n), "order": np.arange(n) - 7, "time": times, "gmv": rng.integers(1, 9, n) / 4}
    )


def _sent() -> pd.DataFrame:
    return pd.DataFrame({"user": [*range(12), 90], "tactic": "coupon", "start": pd.Timestamp("2025-03-24")})


@pytest.fixture
def asked(monkeypatch):
    """The statements that read the orders or their lines."""
    found: list[str] = []

    def watched(kind):
        method = getattr(DuckEngine, kind)

        def run(self, text, *more):
            if '"orders_' in text or '"lines_' in text or "orders.parquet" in text:
                found.append(text)
            return method(self, text, *more)

        return run

    for kind in ("rows", "numpy", "arrow", "batches"):
        monkeypatch.setattr(DuckEngine, kind, watched(kind))
    return found


def test_a_panel_reads_files_of_orders_four_times(asked, tmp_path):
    _orders().to_parquet(tmp_path / "orders.parquet")
    logs = Logs(orders=tmp_path / "orders.parquet", exposures=_sent())
    assert len(asked) == 2  # what is checked and measured; repeated ids
    logs.panel(freq="W")
    assert len(asked) == 4  # units; sums
    logs.panel(freq="2W")
    assert len(asked) == 5
    logs.users(pre="14D", post="14D", anchor="2025-03-24", features="rfm")
    assert len(asked) == 7  # windows; days without orders


@pytest.mark.parametrize("low", [-7, 0, 2**40])
@pytest.mark.parametrize("repeated", [None, 0, 31, 32, 399])
def test_bits_find_every_repeated_id(monkeypatch, low, repeated):
    orders = _orders()
    orders["order"] = np.random.default_rng(4).permutation(400) + low
    if repeated is not None:
        orders.loc[repeated, "order"] = orders["order"][(repeated + 1) % 400]
    long_way = []
    monkeypatch.setattr(DuckEngine, "repeated", lambda *a: long_way.append(a))
    Logs(orders=orders)
    assert len(long_way) == (repeated is not None)


def test_ids_far_apart_go_by_their_hashes(monkeypatch):
    orders = _orders()
    orders["order"] *= 2**40
    monkeypatch.setattr(duplicates, "_GROUP", None)  # not asked for
    assert Logs(orders=orders).panel(freq="W")["gmv"].sum() == pytest.approx(orders["gmv"].sum())
    orders.loc[5, "order"] = orders["order"][6]
    with pytest.raises(InputError, match="1 rows of orders"):
        Logs(orders=orders)


def test_what_breaks_a_sum_is_named_by_its_rule(tmp_path):
    orders = _orders()
    orders.loc[3, "gmv"] = np.inf
    orders.to_parquet(tmp_path / "orders.parquet")
    with pytest.raises(InputError, match="infinite"):
        Logs(orders=tmp_path / "orders.parquet")


def test_windows_in_one_scan_are_those_added_by_hand():
    orders, cut = _orders(), pd.Timestamp("2025-03-24")
    users = Logs(orders=orders).users(pre="14D", post="7D", anchor=cut, features="rfm")
    for suffix, low, high in (("", cut, cut + pd.Timedelta("7D")), ("_pre", cut - pd.Timedelta("14D"), cut)):
        part = orders[(orders["time"] >= low) & (orders["time"] < high)].groupby("user")["gmv"]
        assert users["gmv" + suffix].tolist() == part.sum().reindex(users["user"], fill_value=0.0).tolist()
        assert users["orders" + suffix].tolist() == part.size().reindex(users["user"], fill_value=0).tolist()
    before = orders[orders["time"] < cut].groupby("user")
    assert users["monetary"].tolist() == before["gmv"].sum().reindex(users["user"], fill_value=0.0).tolist()
    last = (cut - before["time"].max()) / pd.Timedelta("1D")
    np.testing.assert_allclose(users["recency"], last.reindex(users["user"]), rtol=1e-12)
