"""The scan: finds what names people however it is written, shows no value, and spares order numbers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import gmvcausal as gc
from gmvcausal.logs.privacy.kinds import KINDS, by_name, card_15, card_18, luhn

CARD = "11010519491231002X"  # the example of GB 11643-1999


def kinds(values: Any, name: str = "x") -> set[tuple[str, str]]:
    found = gc.privacy.scan(pd.DataFrame({name: values})).to_frame()
    return set(zip(found["kind"], found["found_in"], strict=True))


def test_check_digits_by_hand() -> None:
    # 110105194912310 02 by the weights 7 9 10 5 8 4 2 1 6 3 7 9 10 5 8 4 2: 167 = 15 x 11 + 2, and 2 stands for X.
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    assert sum(int(c) * w for c, w in zip(CARD, weights, strict=False)) % 11 == 2
    assert card_18(CARD) and card_18(CARD.lower())
    assert not any(card_18(CARD[:17] + c) for c in "0123456789")
    assert not card_18("110105194913310023") and not card_18("990105194912310023")  # month 13, no such region
    assert card_15("110105491231002") and not card_15("110105491331002")
    assert luhn("79927398713") and not luhn("79927398710")  # the example of ISO/IEC 7812-1's description


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("13800138000", "phone number"), (13800138000, "phone number"), (13800138000.0, "phone number"),
        ("+8613800138000", "phone number"), ("+86 138 0013 8000", "phone number"), ("138-0013-8000", "phone number"),
        ("8613800138000", "phone number"), ("0086-13800138000", "phone number"),
        ("１３８００１３８０００", "phone number"),  # full width is what is meant
        ("138\u30000013\u30008000", "phone number"), ("138\u00a00013\u00a08000", "phone number"),
        ("138\u20110013\u20118000", "phone number"), ("138\u22120013\u22128000", "phone number"),
        ("138.0013.8000", "phone number"), ("138\u200b00138000", "phone number"), ("13800138000.0", "phone number"),
        ("(+86)13800138000", "phone number"), ("110105 19491231 002X", "identity card"),
        ("110105-19491231-002X", "identity card"), ("110105 1949 1231 002x", "identity card"),
        ("138 - 0013 - 8000", "phone number"), ("138  0013  8000", "phone number"), ("1380013 8000", "phone number"),
        ("138 00138000", "phone number"), ("138_0013_8000", "phone number"), ("138/0013/8000", "phone number"),
        ("138·0013·8000", "phone number"), ("138～0013～8000", "phone number"),
        ("１３８－００１３－８０００", "phone number"),
        ("1 3 8 0 0 1 3 8 0 0 0", "phone number"), ("1-3-8-0-0-1-3-8-0-0-0", "phone number"),
        ("138 001 38000", "phone number"), ("+86 - 138 - 0013 - 8000", "phone number"),
        ("008613800138000", "phone number"), ("1.3800138e10", "phone number"), ("1.3800138E+10", "phone number"),
        (b"13800138000", "phone number"), ("张三@例子.中国", "e-mail"),
        ("1.3800138e11", None), ("1.38001385e5", None), ("008623800138000", None), ("10086138001380001", None),
        ("a@b.好吗", None), ("238-0013-8000", None),
        ("138-0013-80001", None), ("1138-0013-8000", None), ("12.13800138000", None),
        ("13800138000.5", None), ("138-0013-8000-1", None), ("a13800138000b1", None), ("138001380001x", None),
        (" 13800138000 ", "phone number"), (CARD, "identity card"), (CARD.lower(), "identity card"),
        ("110105491231002", "identity card"), ("a.b+c@shop.example.com", "e-mail"), ("甲@例子.com", "e-mail"),
        ("6222021234567890128", "bank card"), ("4111111111111111", None), ("4012 8888 8888 1881", "bank card"),
    ],
)  # fmt: skip
def test_values(value: Any, kind: str | None) -> None:
    if isinstance(value, str) and value.startswith("6222"):
        value = next(value[:-1] + c for c in "0123456789" if luhn(value[:-1] + c))
    assert kinds([value, None]) == ({(kind, "values")} if kind else set())


@pytest.mark.parametrize(
    "text",
    ["收货人电话13800138000,放门口", "call 138-0013-8000!", "tel:13800138000", "VX13800138000 加我", f"身份证{CARD}。",
     "vx_13800138000", "加V13800138000", "phone=13800138000", "tel:138-0013-8000", "a13800138000", "13800138000abc",
     "加我abc13800138000谢谢", "手机1380013 8000", "ＶＸ１３８００１３８０００", "电话:+86 138－0013－8000",
     "20250101_13800138000", "13800138000_12", f"ID{CARD}李", f"id_{CARD}_1", f"NO{CARD}abc",
     "mail me: a@b.cn", "邮箱a.x@b.cn谢谢", "['13800138000']"],
)  # fmt: skip
def test_free_text(text: str) -> None:
    found = gc.privacy.scan(pd.DataFrame({"remark": ["none", text, "ok", text]}))
    frame = found.to_frame()
    assert frame["found_in"].tolist() == ["free text"] and frame["rows"].tolist() == [2] and frame["share"][0] == 0.5
    for shown in (found.summary(), repr(found), found.to_html(), frame.to_string()):
        assert "138" not in shown and "1949" not in shown and "b.cn" not in shown


def test_lists_and_mixed_objects_are_looked_into() -> None:
    assert kinds([["13800138000", "b"], ["c"]]) == {("phone number", "free text")}
    assert kinds(pd.Series([13800138000, "13900139000", b"1"], dtype=object)) == {("phone number", "values")}
    assert kinds(pd.Series(["\ud800", "13800138000"], dtype=object)) == {("phone number", "values")}
    assert kinds(pd.Series(["13800138000"], dtype="category")) == {("phone number", "values")}


@pytest.mark.parametrize(
    "column",
    ["手机号", "user_phone", "receiverMobile", "Tel", "身份证号", "id_card", "收货地址", "ship_address", "openid",
     "union_id", "微信",
     "真实姓名", "real_name", "email", "E-Mail", "银行卡", "card_no", "birthday", "ip", "device_id", "imei",
     "lng"],
)  # fmt: skip
def test_names_of_columns(column: str) -> None:
    assert by_name(column)
    found = gc.privacy.scan(pd.DataFrame({column: [1.5, 2.5]})).to_frame()
    assert found["found_in"].tolist() == ["name"] and found["rows"].isna().all()


@pytest.mark.parametrize(
    "column", ["hotel", "gmv", "orders", "description", "shipping", "zip_level", "user", "room", "tier", "telemetry",
               "mailing_arm", "macro", "城市", "优惠券", "成交额", "quantity", "mail_clicks", "ip_type",
               "street_dance_room", "qq_plot", "商品定位", "产出生效", "落地址", "邮件打开率"]
)  # fmt: skip
def test_other_names(column: str) -> None:
    assert by_name(column) == ""


def test_order_numbers_amounts_and_times_raise_no_alarm() -> None:
    rng = np.random.default_rng(11)
    n = 2_000
    drawn = {f"n{k}": rng.integers(10 ** (k - 1), min(10**k, 2**63 - 1), n) for k in range(8, 20)}
    frame = pd.DataFrame(drawn | {f"t{k}": pd.Series(drawn[f"n{k}"]).astype(str) for k in (11, 13, 15, 16, 18, 19)})
    frame["no"] = ["DD" + str(k) for k in drawn["n11"]]
    cut = [str(k) for k in drawn["n11"]]
    for gap in ("-", " ", "_", "/", "·"):
        frame["groups" + gap] = [f"{k[:3]}{gap}{k[3:7]}{gap}{k[7:]}" for k in cut]
        frame["halves" + gap] = [f"{k[:3]}{gap}{k[3:]}" for k in cut]
        frame["digits" + gap] = [gap.join(k) for k in cut]
    frame["before_"] = [f"20250101_{k}" for k in cut]
    frame["after_"] = [f"{k}_12" for k in cut]
    frame["abroad"] = [f"00{k}" for k in drawn["n13"]]
    frame["powers"] = [f"{k / 10**10:.10f}e10" for k in drawn["n11"]]
    frame["glued"] = [f"ID{k}x" for k in drawn["n18"]]
    frame["bytes"] = [k.encode() for k in cut]
    frame["ending"] = [k + "CN" for k in cut]
    frame["two_letters"] = [f"SO_{k}" for k in cut]
    frame["dated"] = [f"SO25{100 + k % 900}{k % 10**6:06d}" for k in drawn["n11"]]
    frame["hashes"] = [hashlib.md5(k.encode()).hexdigest() for k in cut]  # no secret: a code that a shop might have
    frame["amounts"] = [
        f"{a} {b} {c}" for a, b, c in zip(drawn["n8"] % 900, drawn["n9"] % 9000, drawn["n10"] % 9999, strict=True)
    ]
    frame["money"] = [f"{k / 100:,.2f}" for k in drawn["n13"]]
    frame["minutes"] = [f"{k[:4]}/{k[4:6]}/{k[6:8]} {k[8:10]}" for k in map(str, drawn["n10"])]
    frame["ratings"] = [" ".join(str(k % 5 + 1) for k in map(int, c)) for c in cut]
    frame["long"] = [f"2025{k}" for k in drawn["n11"]]
    frame["day_first"] = (20250101000000 + rng.integers(0, 10**9, n)) * 10**4 + rng.integers(0, 10**4, n)
    frame["seconds"] = 1_735_689_600 + rng.integers(0, 10**7, n)
    frame["milliseconds"] = frame["seconds"] * 1000
    frame["microseconds"] = frame["seconds"] * 1_000_000
    frame["time"] = pd.to_datetime(frame["seconds"], unit="s")
    frame["written"] = frame["time"].astype(str)
    frame["amount"] = rng.lognormal(4, 2, n)
    frame["cents"] = np.round(rng.lognormal(20, 2, n))
    frame["text"] = rng.normal(size=n).astype(str)
    found = gc.privacy.scan(frame)
    assert not found and found.columns == frame.shape[1]
    assert "Nothing was found" in found.summary()


def test_rates_by_chance_are_those_of_the_reference() -> None:
    rng = np.random.default_rng(5)
    for kind in KINDS:
        for length in kind.lengths[-1:]:
            drawn = [str(k) for k in rng.integers(10 ** (length - 1), min(10**length, 2**63 - 1), 30_000)]
            rate = np.mean([kind.real(t) for t in drawn])
            assert rate <= 1.3 * kind.by_chance + 0.001 < max(kind.share, 0.01)


def test_part_of_a_table_and_other_kinds_of_tables(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["x"] * 50 + ["13800138000"], "b": ["c@d.com"] * 51, "raw": [b"\xff1"] * 51})
    before = frame.copy()
    part = gc.privacy.scan(frame, rows=10)
    assert part.to_frame()["column"].tolist() == ["b"]
    assert "first 10 of 51" in part.summary() and "raw" in part.summary()
    assert gc.privacy.scan(frame, ["a"]).to_frame()["column"].tolist() == ["a"]
    pd.testing.assert_frame_equal(frame, before)
    frame = frame.drop(columns="raw")
    frame.to_parquet(tmp_path / "a.parquet")
    want = gc.privacy.scan(frame).to_frame()
    for other in (pl.from_pandas(frame), pl.from_pandas(frame).to_arrow(), tmp_path / "a.parquet"):
        pd.testing.assert_frame_equal(gc.privacy.scan(other).to_frame(), want)


def test_a_column_that_bears_a_number_for_a_name_is_told_by_its_place() -> None:
    found = gc.privacy.scan(pd.DataFrame({"gmv": [1.0], "13800138000": [2.0]}))
    assert found.to_frame()["column"].tolist() == ["column 1"] and "138" not in found.summary()


def test_it_can_stand_in_a_report(tmp_path: Path) -> None:
    users = pd.DataFrame({"arm": [0, 1] * 50, "gmv": np.arange(100.0), "phone": ["13800138000"] * 100})
    gc.report([gc.ab_test(users, metrics="gmv"), gc.privacy.scan(users)], tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "What may name people" in page and "13800138000" not in page


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gc.privacy.scan(pd.DataFrame({"a": [1]}), ["b"]), "no column 'b'"),
        (lambda: gc.privacy.scan(pd.DataFrame({"a": [1]}), rows=0), "rows"),
        (lambda: gc.privacy.scan(3), "no table"),
        (lambda: gc.privacy.scan(pd.DataFrame({"a": [1]})[:0]), "no rows"),
    ],
)
def test_bad_calls(call: Any, words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        call()


def test_rows_are_counted_once_whatever_forms_tell_them() -> None:
    frame = gc.privacy.scan(pd.DataFrame({"c": ["+8613800138000", "+86 13800138001", "x"]})).to_frame()
    assert frame["rows"].tolist() == [2] and frame["share"][0] == pytest.approx(2 / 3)


def test_the_index_is_looked_into() -> None:
    frame = pd.DataFrame({"gmv": [1.5, 2.5]}, index=[13800138000, 13800138001])
    found = gc.privacy.scan(frame)
    assert found.to_frame()[["column", "rows"]].to_numpy().tolist() == [["index (the index)", 2]]
    levels = frame.set_axis(pd.MultiIndex.from_tuples([("a", "x@y.cn"), ("b", "z@y.cn")], names=["tier", "who"]))
    assert gc.privacy.scan(levels).to_frame()["column"].tolist() == ["who (the index)"]
    assert not gc.privacy.scan(frame, ["gmv"])
