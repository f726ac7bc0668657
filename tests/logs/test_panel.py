"""`Logs.panel` against sums made by hand, over every kind of input."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from log_inputs import KINDS, as_kind, eight_orders, two_exposures

from gmvcausal.errors import InputError
from gmvcausal.logs import Logs

WEEKS = pd.to_datetime(["2025-03-03", "2025-03-10", "2025-03-17"])


def matrix(panel: pd.DataFrame, column: str) -> list[list[float]]:
    return panel.pivot(index="unit", columns="period", values=column).to_numpy().tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_weeks_by_hand(kind, tmp_path):
    logs = Logs(
        orders=as_kind(eight_orders(), kind, tmp_path), exposures=as_kind(two_exposures(), kind, tmp_path, "exposures")
    )
    panel = logs.panel(freq="W")
    assert list(panel.columns) == ["unit", "period", "gmv", "orders", "buyers", "first_treated", "treated"]
    assert panel["unit"].tolist() == [u for u in ("u1", "u2", "u3", "u4") for _ in range(3)]
    assert panel["period"].tolist() == list(WEEKS) * 4
    assert matrix(panel, "gmv") == [[15.5, 1.25, 0], [0, 20, 4], [0, 0, 10], [0, 0, 0]]
    assert matrix(panel, "orders") == [[2, 1, 0], [0, 1, 1], [0, 0, 2], [0, 0, 0]]
    assert matrix(panel, "buyers") == [[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert matrix(panel, "treated") == [[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    first = panel.groupby("unit")["first_treated"].first()
    assert first.tolist() == [WEEKS[1], pd.NaT, pd.NaT, WEEKS[2]]
    about = panel.attrs["gmvcausal"]
    assert json.loads(json.dumps(about)) == about
    assert about["dropped"] == {"incomplete last period": 1}
    assert about["outcome_unit"] == "gross paid GMV per user-week"
    assert any("1 users have no orders" in note for note in about["notes"])


@pytest.mark.parametrize("kind", KINDS)
def test_rooms_count_distinct_buyers(kind, tmp_path):
    panel = Logs(orders=as_kind(eight_orders(), kind, tmp_path)).panel(unit="room", freq="W")
    assert matrix(panel, "gmv") == [[15.5, 0, 10], [0, 21.25, 4]]
    assert matrix(panel, "buyers") == [[1, 0, 1], [0, 2, 1]]


def test_days_and_the_last_day():
    panel = Logs(orders=eight_orders()).panel(freq="D")
    assert panel["period"].max() == pd.Timestamp("2025-03-24")
    assert panel["gmv"].sum() == 149.75
    assert {"last_day": "warned"}.items() <= {
        c["name"]: c["status"] for c in panel.attrs["gmvcausal"]["checks"]
    }.items()


def test_weekly_means_of_longer_periods():
    panel = Logs(orders=eight_orders()).panel(freq="2W", per="W")
    assert panel["gmv"].tolist() == [16.75 / 2, 10, 0]
    assert panel["orders"].tolist() == [1.5, 0.5, 0]
    assert panel.attrs["gmvcausal"]["outcome_unit"] == "gross paid GMV per user-week"


def test_an_origin_of_ones_own():
    panel = Logs(orders=eight_orders()).panel(freq="W", origin="2025-03-10")
    assert panel["period"].unique().tolist() == list(WEEKS[1:])
    assert panel.attrs["gmvcausal"]["dropped"] == {"before origin": 2, "incomplete last period": 1}
    early = Logs(orders=eight_orders(), exposures=two_exposures()).panel(freq="W", origin="2025-03-17")
    assert early.loc[early["unit"] == "u1", "first_treated"].iloc[0] == WEEKS[1]


@pytest.mark.parametrize("origin", ["2024-12-30", "2025-03-03", "1999-01-04"])
def test_an_origin_before_the_log_only_says_where_weeks_begin(origin):
    # The first local day is a Monday: nothing is cut, and no week before it is made up.
    panel = Logs(orders=eight_orders()).panel(freq="W", origin=origin)
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))


def test_a_first_period_that_the_log_does_not_cover_is_cut_and_counted():
    panel = Logs(orders=eight_orders(), exposures=two_exposures()).panel(freq="W", origin="2025-01-01")
    assert panel["period"].unique().tolist() == list(pd.to_datetime(["2025-03-05", "2025-03-12"]))
    about = panel.attrs["gmvcausal"]
    assert about["dropped"] == {"incomplete first period": 1, "incomplete last period": 2}
    assert any(note.startswith("periods begin at 2025-03-05") for note in about["notes"])


@pytest.mark.parametrize("origin", ["2025-03-25", "2999-01-01"])
def test_an_origin_after_the_log(origin):
    with pytest.raises(InputError, match=r"origin .* lies after the end of the log, which is known from 2025-03-03"):
        Logs(orders=eight_orders()).panel(freq="D", origin=origin)


def test_many_exposures_of_one_room():
    n = 65_536
    sent = pd.DataFrame({"room": "r1", "tactic": np.arange(n), "start": pd.Timestamp("2025-03-10")})
    panel = Logs(orders=eight_orders(), exposures=sent).panel(unit="room", freq="W")
    assert matrix(panel, "treated") == [[0, 1, 1], [0, 0, 0]]


def test_a_table_too_large_for_any_machine_is_refused_before_it_is_made():
    orders = pd.DataFrame({"user": range(1_500), "time": pd.Timestamp("2025-01-01"), "gmv": 1.0})
    orders.loc[0, "time"] = pd.Timestamp("1025-01-01")
    with pytest.raises(InputError, match=r"547,866,000 rows \(1,500 users × 365,244 periods of freq='D'\).*freq='W'"):
        Logs(orders=orders).panel()


def test_months_are_calendar_months():
    days = pd.date_range("2025-01-15", "2025-04-20", freq="D")
    orders = pd.DataFrame({"user": 1, "time": days, "gmv": 1.0})
    panel = Logs(orders=orders).panel(freq="M", origin="2025-01-01")
    assert panel["gmv"].tolist() == [28, 31]
    shifted = Logs(orders=orders).panel(freq="M")
    assert shifted["period"].tolist() == list(pd.to_datetime(["2025-01-15", "2025-02-15", "2025-03-15"]))
    assert shifted["gmv"].tolist() == [31, 28, 31]


def test_life_runs_from_entry_to_exit():
    users = pd.DataFrame(
        {
            "user": ["u1", "u2", "u3", "u9"],
            "entry": pd.to_datetime(["2025-01-01", "2025-03-10", None, "2025-03-11"]),
            "exit": pd.to_datetime([None, "2025-03-12", None, None]),
            "city": ["A", "B", "A", "B"],
        }
    )
    panel = Logs(orders=eight_orders(), users=users).panel(freq="W", keep=["city"])
    lives = panel.groupby("unit")["period"].agg(["min", "max", "size"])
    assert lives["size"].tolist() == [3, 1, 3, 2]
    assert panel["city"].tolist() == ["A"] * 3 + ["B"] + ["A"] * 3 + ["B"] * 2
    about = panel.attrs["gmvcausal"]
    assert about["life_known"] is True
    assert about["dropped"]["orders outside entry and exit"] == 1


def test_whole_cents_add_up_exactly():
    orders = pd.DataFrame(
        {"user": 1, "time": pd.Timestamp("2025-01-01"), "gmv": [0.1] * 30 + [0.2] * 10, "k": range(40)}
    )
    assert Logs(orders=orders).panel(freq="D")["gmv"].tolist() == [5.0]


def test_sums_of_any_amounts_do_not_depend_on_row_order():
    rng = np.random.default_rng(0)
    orders = pd.DataFrame(
        {"user": rng.integers(0, 5, 5000), "time": pd.Timestamp("2025-01-01"), "gmv": rng.lognormal(3, 3, 5000)}
    )
    one = Logs(orders=orders).panel(freq="D")
    two = Logs(orders=orders.sample(frac=1, random_state=1)).panel(freq="D")
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    np.testing.assert_allclose(one["gmv"], orders.groupby("user")["gmv"].sum(), rtol=1e-13)


def test_tactics_by_name():
    exposures = pd.concat([two_exposures(), two_exposures().head(1).assign(user="u2", tactic="push")])
    logs = Logs(orders=eight_orders(), exposures=exposures)
    assert logs.panel(freq="W", tactic="push").query("treated == 1")["unit"].unique().tolist() == ["u2"]
    assert set(logs.panel(freq="W", tactic=["push", "coupon"]).query("treated == 1")["unit"]) == {"u1", "u2", "u4"}
    with pytest.raises(InputError, match=r"tactic 'sms' does not occur in exposures.*'coupon', 'push'"):
        logs.panel(freq="W", tactic="sms")


def test_orders_are_distinct_ids_where_products_are_lines():
    lines = eight_orders().assign(order=[1, 2, 3, 4, 5, 5, 7, 8], product=list("abcdefgh"))
    panel = Logs(orders=lines).panel(freq="W")
    assert matrix(panel, "orders") == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freq": "X"}, "freq must be a number of D"),
        ({"freq": "0W"}, "freq must be a number of D"),
        ({"freq": "W", "per": "2D"}, "does not divide"),
        ({"freq": "M", "per": "W"}, "does not divide"),
        ({"freq": "9W"}, "no whole period"),
        ({"freq": "W", "unit": "shop"}, "unit must be one of"),
        ({"freq": "W", "unit": "product"}, "unit='product' needs the role 'product'"),
        ({"freq": "W", "outcome": "profit"}, "outcome must be one of"),
        ({"freq": "W", "keep": ["nothing"]}, "no column 'nothing'"),
        ({"freq": "W", "keep": [3]}, "keep must list column names"),
        ({"freq": "W", "tactic": "coupon"}, "exposures, which were not given"),
        ({"freq": "W", "origin": "soon"}, "origin must be a date"),
        ({"freq": "W", "origin": pd.Timestamp("2025-03-03", tz="UTC")}, "carries the time zone"),
        ({"freq": "M", "origin": "2025-03-31"}, "not every month"),
    ],
)
def test_calls_that_have_no_answer(options, message):
    with pytest.raises(InputError, match=message):
        Logs(orders=eight_orders()).panel(**options)


def test_repr_says_what_it_holds():
    text = repr(Logs(orders=eight_orders(), exposures=two_exposures()))
    assert "8 rows of 3 users from 2025-03-03 09:00:00 to 2025-03-24 10:00:00" in text
    assert "GMV gross, paid" in text
