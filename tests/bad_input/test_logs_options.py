"""Options of `Logs` and its tables that have no meaning: whatever is passed, the error is one of ours and readable."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from log_inputs import eight_orders, two_exposures

import gmvcausal as gc
from gmvcausal.errors import GmvCausalError, InputError

ODD = {
    "int": 5, "float": 2.5, "nan": float("nan"), "bool": True, "huge": 10**30, "complex": 1j, "type": int,
    "list": [], "list of texts": ["x"], "list of numbers": [1], "list of lists": [["x"]], "tuple": (1, 2),
    "tuple of huge": (-(10**30), 10**30), "set": {1}, "dict": {}, "dict of one": {"a": 1}, "object": object(),
    "array": np.array(["a", "b"]), "matrix": np.zeros((2, 2)), "series": pd.Series([1, 2]), "index": pd.Index(["a"]),
    "frame": pd.DataFrame({"a": [1]}), "dates": pd.DatetimeIndex(["2025-03-10"]), "period": pd.Period("2025-03"),
    "empty": "", "text": "zzz", "null character": "a\0b", "surrogate": "\ud800", "bytes": b"x",
    "long": "999999999999W", "NaT": pd.NaT, "NA": pd.NA, "far": np.datetime64("300000-01-01"),
    "decimal": decimal.Decimal(1), "timedelta": dt.timedelta(1), "generator": itertools.count(), "today": "today",
}  # fmt: skip
OPTIONS = {
    "Logs": ("orders", "exposures", "users", "rooms", "coverage", "columns", "gmv", "gmv_is", "refund_window",
             "timezone", "dedupe"),
    "panel": ("unit", "freq", "origin", "outcome", "tactic", "keep", "per"),
    "stack": ("tactic", "window", "freq", "outcome", "origin"),
    "users": ("tactic", "pre", "post", "anchor", "features", "complete_only"),
}  # fmt: skip
GOOD = {
    "Logs": {},
    "panel": {"freq": "W"},
    "stack": {"window": (-1, 1)},
    "users": {"pre": "7D", "post": "7D", "anchor": "2025-03-10"},
}
# What has a meaning after all.
FINE = {("columns", "dict"), ("keep", "list"), ("features", "list"), ("complete_only", "bool")}


def tables():
    sent = two_exposures().assign(start=pd.Timestamp("2025-03-11"), end=pd.NaT)
    return {"orders": eight_orders(), "exposures": sent}


@functools.cache
def shared_logs():
    return gc.Logs(**tables())


def call(table, options):
    if table == "Logs":
        return gc.Logs(**tables() | options)
    return getattr(shared_logs(), table)(**options)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("table", "option"), [(t, o) for t, names in OPTIONS.items() for o in names])
def test_an_odd_value(table, option, odd):
    options = GOOD[table] | {option: ODD[odd]}
    if (option, odd) in FINE:
        call(table, options)
        return
    with pytest.raises(GmvCausalError) as caught:
        call(table, options)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 500


@pytest.mark.parametrize(("table", "option"), [("panel", "keep"), ("panel", "freq"), ("stack", "window")])
def test_none_where_something_is_needed(table, option):
    with pytest.raises(InputError, match=f"{option} must"):
        call(table, GOOD[table] | {option: None})


@pytest.mark.parametrize("freq", ["36601D", "5231W", "1201M", "99999W", "9" * 5000 + "D"])
def test_a_period_longer_than_a_century(freq):
    with pytest.raises(InputError, match="is longer than a century"):
        call("panel", {"freq": freq})


@pytest.mark.parametrize("window", [(True, 5), (-1, False), (-1.0, 1)])
def test_windows_of_other_numbers(window):
    with pytest.raises(InputError, match="window must be two whole numbers"):
        call("stack", {"window": window})


def test_complete_only_is_no_text():
    with pytest.raises(InputError, match="complete_only must be True or False, but is 'no'"):
        call("users", GOOD["users"] | {"complete_only": "no"})


def test_columns_with_roles_that_are_no_texts():
    for role in (pd.NA, 3, ("a",), None):
        with pytest.raises(InputError, match="which does not exist"):
            gc.Logs(orders=eight_orders(), columns={role: "user"})


# --- row 74: texts that UTF-8 cannot hold -------------------------------------------------------------------------
def broken(values) -> pd.Series:
    return pd.Series(values, dtype=object)


def test_row_74_ids_with_lone_surrogates_survive():
    new = {"u1": "\ud83d", "u2": "\ude00", "u3": "u3", "u4": "\U0010ffffu4"}
    orders = eight_orders()
    orders["user"] = broken([new[u] for u in orders["user"]])
    for column in ("city", "sku"):
        orders[column] = broken(["A\udc80"] * 8)
    sent = two_exposures()
    sent["user"] = broken([new[u] for u in sent["user"]])
    sent["tactic"] = broken(["c\ud800"] * 2)
    coverage = pd.DataFrame({"tactic": broken(["c\ud800"]), "sku": broken(["A\udc80"])})
    plain = gc.Logs(orders=eight_orders(), exposures=two_exposures())
    given = {"exposures": sent, "coverage": coverage, "columns": {"product": "sku"}}
    for frame in (orders, orders.drop(columns="order")):
        logs = gc.Logs(orders=frame, **given)
        panel = logs.panel(freq="W", keep=["city"])
        expected = plain.panel(freq="W")
        old = {v: k for k, v in new.items()}
        merged = panel.assign(unit=[old[u] for u in panel["unit"]]).sort_values(["unit", "period"])
        assert merged["gmv"].tolist() == expected["gmv"].tolist()
        assert merged["treated"].tolist() == expected["treated"].tolist()
        assert set(panel["city"].dropna()) == {"A\udc80"}
        users = logs.users(tactic="c\ud800", pre="7D", post="7D", anchor="2025-03-10")
        assert set(users["user"]) == set(new.values())
        assert set(users["arm"]) == {"c\ud800", "none"}
    with pytest.raises(InputError, match="does not occur in exposures") as caught:
        logs.panel(freq="W", tactic="d\ud800")
    assert str(caught.value).isprintable()
    one = sent.assign(start=pd.Timestamp("2025-03-11"))
    stack = gc.Logs(orders=orders, **given | {"exposures": one}).stack(window=(-1, 0))
    assert set(stack["stack"]) == {"c\ud800"}
    assert set(stack["unit"]) == set(new.values())
    assert stack["gmv_covered"].tolist() == stack["gmv"].tolist()


def test_row_74_a_column_name_with_a_lone_surrogate():
    orders = eight_orders()
    orders.columns = pd.Index(["user", "time", "gmv", "order", "ro\udc80m"], dtype=object)
    with pytest.raises(InputError, match="a column whose name is no text") as caught:
        gc.Logs(orders=orders)
    assert str(caught.value).isprintable()


def test_row_74_did_takes_such_ids():
    rng = np.random.default_rng(0)
    rows = [(u, t, rng.normal(10), 4.0 if u < 20 else np.nan) for u in range(60) for t in range(1, 8)]
    panel = pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])
    expected = gc.did(panel)
    panel["unit"] = broken([f"\ud800{u:02}" for u in panel["unit"]])
    assert gc.did(panel).estimate == pytest.approx(expected.estimate, rel=1e-12)
