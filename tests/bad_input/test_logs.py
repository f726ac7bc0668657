"""Rows of the catalogue of bad inputs that concern `Logs`, over every kind of input; ids begin with the row number."""

from __future__ import annotations

import decimal
import hashlib
import pickle

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_inputs import KINDS, as_kind, eight_orders, two_exposures

from gmvcausal.errors import InputError
from gmvcausal.logs import Logs

kinds = pytest.mark.parametrize("kind", KINDS)


def failure(**options) -> InputError:
    """The error that `Logs` raises: always one of ours, never one of DuckDB, Arrow, pandas or numpy."""
    with pytest.raises(InputError) as caught:
        Logs(**options)
    return caught.value


def replaced(column: str, values: dict[int, object], dtype: object = None) -> pd.DataFrame:
    """The eight orders with some values of one column replaced."""
    frame = eight_orders()
    new = frame[column].astype(object)
    for position, value in values.items():
        new.iloc[position] = value
    frame[column] = new if dtype is None else new.astype(dtype)
    return frame


def without_ids() -> pd.DataFrame:
    return eight_orders().drop(columns="order")


# --- rows 1 to 3: repeated rows -----------------------------------------------------------------------------------
@kinds
def test_row_1_exact_repeats(kind, tmp_path):
    for frame in (eight_orders(), without_ids()):
        twice = pd.concat([frame, frame.iloc[[2, 5]]], ignore_index=True)
        given = as_kind(twice, kind, tmp_path)
        error = failure(orders=given)
        assert error.rows == (8, 9)
        assert "2 rows of orders repeat an earlier row" in str(error)
        assert "dedupe='exact'" in str(error)
        assert "u2" not in str(error)
        clean = Logs(orders=frame).panel(freq="W")
        dropped = Logs(orders=given, dedupe="exact").panel(freq="W")
        pd.testing.assert_frame_equal(dropped, clean)
        assert dropped.attrs["gmvcausal"]["dropped"]["repeated rows of orders"] == 2
        kept = Logs(orders=given, dedupe="keep").panel(freq="W")
        assert kept["gmv"].sum() == clean["gmv"].sum() + 23
    with pytest.raises(InputError, match="dedupe must be"):
        Logs(orders=frame, dedupe="first")


@kinds
def test_row_2_conflicting_repeats(kind, tmp_path):
    frame = eight_orders()
    frame.loc[5, "order"] = 5
    frame.loc[6, "order"] = 3
    given = as_kind(frame, kind, tmp_path)
    for dedupe in (None, "exact"):
        error = failure(orders=given, dedupe=dedupe)
        assert error.rows == (5, 6)
        assert "2 rows of orders have the order of an earlier row but differ" in str(error)
    Logs(orders=given, dedupe="keep")
    two_users = as_kind(replaced("order", {6: 5}, int), kind, tmp_path)
    assert "one order cannot belong to two users" in str(failure(orders=two_users, dedupe="keep"))


def test_row_2_conflicting_lines_of_a_product():
    lines = pd.concat([eight_orders().assign(product="a"), eight_orders().head(1).assign(product="a", gmv=11.0)])
    assert failure(orders=lines, dedupe="exact").rows == (8,)
    Logs(orders=lines.assign(product=[*"abcdefghi"]))


@kinds
def test_row_3_whole_file_appended(kind, tmp_path):
    for frame in (eight_orders(), without_ids()):
        error = failure(orders=as_kind(pd.concat([frame, frame], ignore_index=True), kind, tmp_path))
        assert "8 rows of orders repeat an earlier row" in str(error)
        assert error.rows == (8, 9, 10, 11, 12)


@kinds
def test_row_3_repeated_ids_and_exposures(kind, tmp_path):
    users = as_kind(pd.DataFrame({"user": ["u1", "u2", "u3", "u2"]}), kind, tmp_path, "users")
    error = failure(orders=eight_orders(), users=users)
    assert "1 rows of users repeat the id of an earlier row" in str(error)
    assert error.rows == (3,)
    twice = pd.concat([two_exposures()] * 2, ignore_index=True)
    given = as_kind(twice, kind, tmp_path, "exposures")
    assert failure(orders=eight_orders(), exposures=given).rows == (2, 3)
    panel = Logs(orders=eight_orders(), exposures=given, dedupe="exact").panel(freq="W")
    once = Logs(orders=eight_orders(), exposures=two_exposures()).panel(freq="W")
    pd.testing.assert_frame_equal(panel, once)


# --- rows 13 to 16: times -----------------------------------------------------------------------------------------
@kinds
def test_row_13_order_of_rows(kind, tmp_path):
    shuffled = eight_orders().sample(frac=1, random_state=0)
    panel = Logs(orders=as_kind(shuffled, kind, tmp_path)).panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))


@kinds
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"])
def test_row_14_times_as_text(kind, form, tmp_path):
    frame = eight_orders()
    frame["time"] = frame["time"].dt.strftime(form)
    panel = Logs(orders=as_kind(frame, kind, tmp_path)).panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))


@kinds
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_row_14_units_of_time(kind, unit, tmp_path):
    frame = eight_orders()
    frame["time"] = frame["time"].astype(f"datetime64[{unit}]")
    panel = Logs(orders=as_kind(frame, kind, tmp_path)).panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))


@kinds
def test_row_14_dates(kind, tmp_path):
    frame = eight_orders()
    frame["time"] = frame["time"].dt.date
    logs = Logs(orders=as_kind(frame, kind, tmp_path))
    assert logs.panel(freq="W")["gmv"].sum() == 50.75
    assert logs.panel(freq="D")["period"].max() == pd.Timestamp("2025-03-24")
    assert logs.panel(freq="D").attrs["gmvcausal"]["checks"][0]["status"] == "not_run"


@kinds
@pytest.mark.parametrize("text", ["yesterday", "11/01/2025", "2025-13-01", ""])
def test_row_14_text_that_is_no_date(kind, text, tmp_path):
    frame = eight_orders()
    frame["time"] = frame["time"].dt.strftime("%Y-%m-%d")
    frame.loc[[3, 6], "time"] = text
    error = failure(orders=as_kind(frame, kind, tmp_path))
    assert "time (orders) holds text that is not an ISO date" in str(error)
    assert (error.count, error.rows) == (2, (3, 6))


@kinds
def test_row_14_numbers_for_times(kind, tmp_path):
    frame = eight_orders()
    frame["time"] = np.arange(8)
    assert "numbers where dates are needed" in str(failure(orders=as_kind(frame, kind, tmp_path)))


@kinds
def test_row_14_missing_times(kind, tmp_path):
    frame = eight_orders()
    frame.loc[4, "time"] = pd.NaT
    error = failure(orders=as_kind(frame, kind, tmp_path))
    assert "time (orders) is missing" in str(error)
    assert error.rows == (4,)


@kinds
def test_row_15_zoned_times(kind, tmp_path):
    frame = eight_orders()
    frame["time"] = frame["time"].dt.tz_localize("Asia/Shanghai").dt.tz_convert("UTC")
    given = as_kind(frame, kind, tmp_path)
    error = failure(orders=given)
    assert "time (orders) carries the time zone UTC" in str(error)
    assert "timezone='Asia/Shanghai'" in str(error)
    panel = Logs(orders=given, timezone="Asia/Shanghai").panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))
    assert "no known time zone" in str(failure(orders=given, timezone="Asia/Peking"))


@kinds
def test_row_15_offsets_in_text(kind, tmp_path):
    frame = eight_orders()
    frame["time"] = frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%S+08:00")
    given = as_kind(frame, kind, tmp_path)
    assert "time zone" in str(failure(orders=given))
    panel = Logs(orders=given, timezone="Asia/Shanghai").panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))
    frame.loc[2, "time"] = "2025-03-10 00:00"
    for timezone in (None, "Asia/Shanghai"):
        assert "mixes time zones" in str(failure(orders=as_kind(frame, kind, tmp_path), timezone=timezone))


@kinds
def test_row_15_local_times_with_a_declared_zone(kind, tmp_path):
    panel = Logs(orders=as_kind(eight_orders(), kind, tmp_path), timezone="Asia/Shanghai").panel(freq="W")
    assert any("taken as local time of Asia/Shanghai" in note for note in panel.attrs["gmvcausal"]["notes"])
    assert panel["gmv"].sum() == 50.75


@kinds
def test_row_16_day_boundary(kind, tmp_path):
    frame = eight_orders()
    utc = frame.assign(time=frame["time"] - pd.Timedelta(hours=8))
    panel = Logs(orders=as_kind(utc, kind, tmp_path)).panel(freq="D")
    check = next(c for c in panel.attrs["gmvcausal"]["checks"] if c["name"] == "day_boundary")
    assert (check["status"], check["value"], check["threshold"]) == ("warned", 0.375, 0.05)
    assert "timezone=" in check["remedy"]
    late = frame.assign(time=frame["time"].dt.normalize() + pd.Timedelta(hours=20))
    panel = Logs(orders=as_kind(late, kind, tmp_path)).panel(freq="D")
    assert panel.attrs["gmvcausal"]["checks"][0]["status"] == "passed"


# --- rows 22 and 23: ids ------------------------------------------------------------------------------------------
@kinds
def test_row_22_ids_used_twice(kind, tmp_path):
    frame = eight_orders().assign(city=["A", "A", "B", "B", "A", "A", "B", "A"])
    panel = Logs(orders=as_kind(frame, kind, tmp_path)).panel(freq="W", keep=["city"])
    check = next(c for c in panel.attrs["gmvcausal"]["checks"] if c["name"] == "attribute_constant")
    assert (check["status"], check["value"]) == ("warned", 1.0)
    assert panel.groupby("unit")["city"].first().tolist() == ["A", "B", "A"]


@kinds
@pytest.mark.parametrize("role", ["user", "order"])
def test_row_23_missing_ids(kind, role, tmp_path):
    frame = replaced(role, {1: None, 7: None}, "str" if role == "user" else "float64")
    if role == "user":
        frame["user"] = eight_orders()["user"].mask([p in (1, 7) for p in range(8)])
    error = failure(orders=as_kind(frame, kind, tmp_path))
    assert f"{role} (orders) is missing" in str(error)
    assert (error.count, error.rows) == (2, (1, 7))


@kinds
def test_row_23_missing_rooms_matter_only_for_rooms(kind, tmp_path):
    frame = eight_orders()
    frame["room"] = frame["room"].mask([p == 4 for p in range(8)])
    logs = Logs(orders=as_kind(frame, kind, tmp_path))
    assert logs.panel(freq="W")["gmv"].sum() == 50.75
    with pytest.raises(InputError, match=r"room .orders. is missing") as caught:
        logs.panel(unit="room", freq="W")
    assert caught.value.rows == (4,)


@kinds
def test_row_23_ids_of_two_kinds(kind, tmp_path):
    frame = eight_orders()
    frame["user"] = frame["user"].str[1:].astype(int)
    error = failure(orders=as_kind(frame, kind, tmp_path), exposures=two_exposures())
    assert "whole numbers in orders, text in exposures" in str(error)
    fractions = as_kind(frame.assign(user=frame["user"] + 0.5), kind, tmp_path)
    assert "numbers that are not whole" in str(failure(orders=fractions))
    whole = as_kind(frame.assign(user=frame["user"].astype(float)), kind, tmp_path)
    assert Logs(orders=whole).panel(freq="W")["unit"].tolist() == [1] * 3 + [2] * 3 + [3] * 3
    huge = as_kind(frame.assign(user=np.uint64(2**63) + frame["user"].to_numpy(np.uint64)), kind, tmp_path)
    assert "larger than 2^63" in str(failure(orders=huge))


# --- rows 45 to 55: amounts ---------------------------------------------------------------------------------------
@kinds
def test_row_45_missing_amounts(kind, tmp_path):
    error = failure(orders=as_kind(replaced("gmv", {0: np.nan, 6: np.nan}, float), kind, tmp_path))
    assert "gmv (orders) is missing" in str(error)
    assert (error.count, error.rows, error.column) == (2, (0, 6), "gmv")


@kinds
def test_row_46_negative_amounts_need_a_declaration(kind, tmp_path):
    given = as_kind(replaced("gmv", {3: -1.25}, float), kind, tmp_path)
    error = failure(orders=given)
    assert "gmv (orders) is negative, which looks like refunds" in str(error)
    assert "gmv='net'" in str(error)
    assert error.rows == (3,)
    assert "gmv='net' needs refund_window" in str(failure(orders=given, gmv="net"))
    assert "a meaning only for gmv='net'" in str(failure(orders=given, refund_window="7D"))
    error = failure(orders=given, gmv="net", refund_window="7D")
    assert "a refund without an order" in str(error)
    assert error.rows == (3,)


@kinds
def test_row_46_refund_rows(kind, tmp_path):
    frame = eight_orders()
    frame.loc[8] = ["u1", pd.Timestamp("2025-03-18"), -4.0, 1, None]
    frame.loc[9] = ["u1", pd.Timestamp("2025-03-19"), -6.0, 1, "r1"]
    given = as_kind(frame, kind, tmp_path)
    panel = Logs(orders=given, gmv="net", refund_window="7D").panel(freq="W")
    sums = panel.pivot(index="unit", columns="period", values="gmv").to_numpy().tolist()
    # Counting ends a week before the last order, in the middle of the third week.
    assert sums == [[5.5, 1.25], [0, 20], [0, 0]]
    assert panel["orders"].sum() == 4
    about = panel.attrs["gmvcausal"]
    assert about["dropped"]["orders younger than refund_window"] == 2
    assert about["outcome_unit"] == "net-of-refunds paid GMV per user-week"
    rooms = Logs(orders=given, gmv="net", refund_window="7D").panel(unit="room", freq="W")
    assert rooms["gmv"].sum() == 26.75
    over = frame.copy()
    over.loc[9, "gmv"] = -7.0
    assert "larger than what was paid" in str(
        failure(orders=as_kind(over, kind, tmp_path), gmv="net", refund_window="7D")
    )
    other = frame.copy()
    other.loc[9, "user"] = "u2"
    assert "another user" in str(failure(orders=as_kind(other, kind, tmp_path), gmv="net", refund_window="7D"))
    unmatched = as_kind(frame.drop(columns="order"), kind, tmp_path)
    assert "without an order id" in str(failure(orders=unmatched, gmv="net", refund_window="7D"))


@kinds
def test_row_46_refund_column(kind, tmp_path):
    frame = eight_orders().assign(back=[10.0, 0, 5, 0, 0, 3, 0, 0])
    options = {"columns": {"refund": "back"}, "gmv": "net", "refund_window": "7D"}
    panel = Logs(orders=as_kind(frame, kind, tmp_path), **options).panel(freq="W")
    assert panel["gmv"].tolist() == [5.5, 1.25, 0, 15, 0, 0]
    for position, value, message in (
        (0, 11.0, "larger than the order's gmv"),
        (1, -1.0, "refund (orders) is negative"),
        (2, np.nan, "refund (orders) is missing"),
    ):
        wrong = frame.copy()
        wrong.loc[position, "back"] = value
        error = failure(orders=as_kind(wrong, kind, tmp_path), **options)
        assert message in str(error)
        assert error.rows == (position,)
    wrong = frame.copy()
    wrong.loc[0, "gmv"] = 0.0
    assert "a refund without an order" in str(failure(orders=as_kind(wrong, kind, tmp_path), **options))
    assert "as long as the whole log" in str(
        failure(orders=as_kind(frame, kind, tmp_path), **{**options, "refund_window": "30D"})
    )


@kinds
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_row_47_infinite_amounts(kind, dtype, tmp_path):
    error = failure(orders=as_kind(replaced("gmv", {2: np.inf, 4: -np.inf}, dtype), kind, tmp_path))
    assert "infinite" in str(error)
    assert error.rows == (2, 4)


@kinds
def test_row_48_all_zero(kind, tmp_path):
    panel = Logs(orders=as_kind(eight_orders().assign(gmv=0.0), kind, tmp_path)).panel(freq="W")
    assert (panel["gmv"] == 0).all()
    assert "all_zero" in [c["name"] for c in panel.attrs["gmvcausal"]["checks"] if c["status"] == "warned"]


@kinds
def test_row_51_float32(kind, tmp_path):
    panel = Logs(orders=as_kind(replaced("gmv", {}, "float32"), kind, tmp_path)).panel(freq="W")
    assert panel["gmv"].sum() == pytest.approx(50.75, rel=1e-6)
    coarse = replaced("gmv", {0: 1e9}, "float32")
    coarse.loc[1:, "gmv"] = np.float32(1e9)
    panel = Logs(orders=as_kind(coarse, kind, tmp_path)).panel(freq="W")
    coarse.loc[0, "gmv"] = np.float32(1e9) + np.float32(64)
    panel = Logs(orders=as_kind(coarse, kind, tmp_path)).panel(freq="W")
    assert "quantisation" in [c["name"] for c in panel.attrs["gmvcausal"]["checks"] if c["status"] == "warned"]


@kinds
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64"])
def test_row_52_narrow_integers(kind, dtype, tmp_path):
    frame = eight_orders().assign(user="u1", time=pd.Timestamp("2025-03-03"), gmv=np.full(8, 100, dtype=dtype))
    assert Logs(orders=as_kind(frame, kind, tmp_path)).panel(freq="D")["gmv"].tolist() == [800.0]


@kinds
def test_row_53_text_amounts(kind, tmp_path):
    frame = eight_orders()
    frame["gmv"] = ["¥1,234.50"] * 8
    error = failure(orders=as_kind(frame, kind, tmp_path))
    assert "gmv (orders) holds text, for example '¥1,234.50'" in str(error)
    assert "pd.to_numeric" in str(error)
    assert (error.count, error.rows) == (8, (0, 1, 2, 3, 4))


@kinds
def test_row_54_decimals(kind, tmp_path):
    frame = eight_orders()
    frame["gmv"] = [decimal.Decimal(f"{v:.2f}") for v in frame["gmv"]]
    panel = Logs(orders=as_kind(frame, kind, tmp_path)).panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))


@kinds
def test_row_55_nullable_amounts(kind, tmp_path):
    frame = eight_orders()
    frame["gmv"] = frame["gmv"].astype("Float64")
    panel = Logs(orders=as_kind(frame, kind, tmp_path)).panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=eight_orders()).panel(freq="W"))
    frame.loc[5, "gmv"] = pd.NA
    assert failure(orders=as_kind(frame, kind, tmp_path)).rows == (5,)


# --- rows 67 to 71: frames ----------------------------------------------------------------------------------------
def test_row_67_indexes_and_column_names():
    frame = eight_orders()
    expected = Logs(orders=frame).panel(freq="W")
    pd.testing.assert_frame_equal(Logs(orders=frame.set_axis([0] * 8)).panel(freq="W"), expected)
    double = frame.set_axis(["user", "time", "gmv", "order", "gmv"], axis=1)
    assert "more than one column called 'gmv'" in str(failure(orders=double))
    assert "MultiIndex columns" in str(failure(orders=pd.concat({"a": frame}, axis=1)))


NAMES = [
    "the user",
    "用户",
    'a"b',
    "a'b",
    "a`b",
    "__import__('os')",
    "select",
    "order",
    "a;DROP TABLE orders",
    "=x",
    "{x}",
]


@pytest.mark.parametrize("kind", ["pandas", "parquet", "duckdb"])
@pytest.mark.parametrize("name", NAMES)
def test_row_68_any_column_name(kind, name, tmp_path):
    frame = eight_orders().rename(columns={"user": name, "order": "id"}).assign(**{"attribute; --": "x"})
    logs = Logs(orders=as_kind(frame, kind, tmp_path), columns={"user": name, "order": "id"})
    panel = logs.panel(freq="W", keep=["attribute; --"])
    expected = Logs(orders=eight_orders()).panel(freq="W")
    pd.testing.assert_frame_equal(panel.drop(columns="attribute; --"), expected)
    assert (panel["attribute; --"] == "x").all()


@kinds
def test_row_69_few_rows(kind, tmp_path):
    assert "orders has no rows" in str(failure(orders=as_kind(eight_orders().head(0), kind, tmp_path)))
    panel = Logs(orders=as_kind(eight_orders().head(1), kind, tmp_path)).panel(freq="D")
    assert panel["gmv"].tolist() == [10.0]


@pytest.mark.parametrize("given", [None, 3, "orders", [1, 2], {"user": [1]}, "missing.parquet", np.zeros(3)])
def test_row_70_what_is_no_table(given):
    assert isinstance(failure(orders=given), InputError)


def test_row_70_files_that_are_not_whole(tmp_path):
    path = tmp_path / "orders.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    error = failure(orders=path)
    assert "orders could not be read" in str(error)
    assert "parquet" in str(error)


def test_row_70_a_glob_of_files(tmp_path):
    frame = eight_orders()
    for i, part in enumerate((frame.iloc[:3], frame.iloc[3:])):
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), tmp_path / f"part[{i}].parquet")
    panel = Logs(orders=str(tmp_path / "part*.parquet")).panel(freq="W")
    pd.testing.assert_frame_equal(panel, Logs(orders=frame).panel(freq="W"))
    assert Logs(orders=tmp_path / "part[0].parquet").panel(freq="W")["gmv"].sum() == 15.5


def test_row_70_a_relation_keeps_its_connection_as_it_was():
    connection = duckdb.connect()
    frame = eight_orders()
    connection.register("mine", pa.Table.from_pandas(frame))
    connection.execute("CREATE TABLE orders AS SELECT * FROM mine")
    before = connection.sql("SELECT * FROM duckdb_views() WHERE NOT internal").fetchall()
    panel = Logs(orders=connection.table("orders").filter("gmv > 1.25")).panel(freq="W")
    assert panel["gmv"].sum() == 49.5
    assert connection.sql("SELECT * FROM duckdb_views() WHERE NOT internal").fetchall() == before


@kinds
def test_row_71_the_users_frames_stay_as_they_are(kind, tmp_path):
    frame = eight_orders().assign(city="A")
    given = as_kind(frame, kind, tmp_path)
    exposures = two_exposures().head(1)

    def print_of(data):
        if isinstance(data, pd.DataFrame | pl.DataFrame | pa.Table):
            return hashlib.sha256(pickle.dumps(data)).hexdigest()
        return None

    before = print_of(given), print_of(exposures)
    logs = Logs(orders=given, exposures=exposures)
    panel = logs.panel(freq="W", keep=["city"])
    panel.loc[:, "gmv"] = 0.0
    logs.stack(window=(-1, 0))
    assert (print_of(given), print_of(exposures)) == before
    if kind == "pandas":
        pd.testing.assert_frame_equal(given, eight_orders().assign(city="A"))


# --- roles --------------------------------------------------------------------------------------------------------
@kinds
def test_roles_that_do_not_exist_or_are_not_there(kind, tmp_path):
    given = as_kind(eight_orders().rename(columns={"user": "uid"}), kind, tmp_path)
    assert "the role 'customer', which does not exist" in str(failure(orders=given, columns={"customer": "uid"}))
    error = failure(orders=given)
    assert "orders has no column for the role 'user'" in str(error)
    assert "columns={'user': ...}" in str(error)
    assert "Did you mean 'uid'" in str(failure(orders=given, columns={"user": "uidd"}))
    assert "refnd" in str(failure(orders=given, columns={"user": "uid", "refund": "refnd"}))
    assert "serves as user and as room" in str(failure(orders=given, columns={"user": "uid", "room": "uid"}))
    assert "columns must be a mapping" in str(failure(orders=given, columns=["uid"]))
    assert "must be a column name" in str(failure(orders=given, columns={"user": 1}))


@kinds
def test_units_that_their_table_lacks(kind, tmp_path):
    users = as_kind(pd.DataFrame({"user": ["u1", "u2"]}), kind, tmp_path, "users")
    with pytest.raises(InputError, match="1 users of orders are not in users") as caught:
        Logs(orders=eight_orders(), users=users).panel(freq="W")
    assert caught.value.rows == (4, 5)


@kinds
def test_exposures_that_end_before_they_start(kind, tmp_path):
    wrong = two_exposures()
    wrong.loc[0, "end"] = pd.Timestamp("2025-01-01")
    given = as_kind(wrong, kind, tmp_path, "exposures")
    with pytest.raises(InputError, match="ends before it starts") as caught:
        Logs(orders=eight_orders(), exposures=given).panel(freq="W")
    assert caught.value.rows == (0,)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_every_kind_of_input_gives_the_same_error(kind, tmp_path):
    for change in (
        replaced("gmv", {3: -1.0, 5: -2.0}, float),
        replaced("gmv", {1: np.nan}, float),
        replaced("gmv", {1: np.inf}, float),
    ):
        assert str(failure(orders=as_kind(change, kind, tmp_path))) == str(failure(orders=change))
