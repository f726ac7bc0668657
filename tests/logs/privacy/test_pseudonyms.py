"""Pseudonyms: the published vectors of HMAC-SHA256, one id one pseudonym in every table, no key anywhere."""

from __future__ import annotations

import base64
import decimal
import hashlib
import hmac
import logging
import traceback
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gmvcausal as gc
from gmvcausal.logs.privacy.key import digest as of_key
from gmvcausal.logs.privacy.key import key_of

KEY = "9b1f0c7e55a24d0f8e3c6a7714d2b8e0-5f09"


def by_hand(key: bytes, text: str) -> str:
    """HMAC of RFC 2104 from hashes alone: H((K xor opad) + H((K xor ipad) + text))."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(k ^ 0x36 for k in block) + text.encode()).digest()
    return hashlib.sha256(bytes(k ^ 0x5C for k in block) + inner).hexdigest()


@pytest.mark.parametrize(
    ("key", "text", "digest"),
    [  # RFC 4231, test cases 1, 2 and 6
        (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (b"\xaa" * 131, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    ],
)  # fmt: skip
def test_published_vectors(key: bytes, text: str, digest: str) -> None:
    assert by_hand(key, text) == digest
    # A pseudonym is the code of the id behind a tag, by the same function.
    assert of_key(key, b"id", text).hex() == by_hand(key, "id\0" + text)
    assert hmac.digest(key, text.encode(), "sha256").hex() == digest


def test_by_hand() -> None:
    frame = pd.DataFrame({"user": [7, 12, 7]})
    safe = gc.privacy.pseudonyms(frame, "user", key=KEY)
    want = ["p" + by_hand(KEY.encode(), "id\0" + t)[:32] for t in ("7", "12", "7")]
    assert safe["user"].tolist() == want
    inner = bytes.fromhex(by_hand(KEY.encode(), "purpose\0thesis"))  # the key of a purpose
    thesis = gc.privacy.pseudonyms(frame, "user", key=KEY, purpose="thesis")
    assert thesis["user"][0] == "p" + by_hand(inner, "id\0" + "7")[:32]
    ids = pd.DataFrame({"user": ["gmvcausal purpose thesis", "purpose\0thesis"]})
    assert inner.hex()[:32] not in "".join(gc.privacy.pseudonyms(ids, "user", key=KEY)["user"])


SAME: dict[str, Any] = {
    "whole": pd.Series([7, 12, 7]),
    "narrow": pd.Series([7, 12, 7], dtype="int8"),
    "unsigned": pd.Series([7, 12, 7], dtype="uint64"),
    "nullable": pd.Series([7, 12, 7], dtype="Int64"),
    "float": pd.Series([7.0, 12.0, 7.0]),
    "text": pd.Series(["7", "12", "7"]),
    "objects": pd.Series(["7", "12", "7"], dtype=object),
    "numbers as objects": pd.Series([7, 12, 7], dtype=object),
    "category": pd.Series(["7", "12", "7"], dtype="category"),
    "category of numbers": pd.Series([7, 12, 7], dtype="category"),
    "decimal": pd.Series([decimal.Decimal(7), decimal.Decimal("12.0"), decimal.Decimal(7)]),
    "arrow": pd.Series([7, 12, 7], dtype=pd.ArrowDtype(pa.int32())),
    "arrow text": pd.Series(["7", "12", "7"], dtype=pd.ArrowDtype(pa.large_string())),
}


@pytest.mark.parametrize("kind", SAME)
def test_one_id_one_pseudonym_whatever_its_type(kind: str) -> None:
    want = ["p" + by_hand(KEY.encode(), "id\0" + t)[:32] for t in ("7", "12", "7")]
    assert gc.privacy.pseudonyms(pd.DataFrame({"u": SAME[kind]}), "u", key=KEY)["u"].tolist() == want


def test_every_kind_of_table_comes_back_as_it_was() -> None:
    plain = pd.DataFrame({"u": [3, 1, 3], "v": [1, 2, 3], "gmv": [1.5, 2.5, 3.5]}, index=[5, 6, 9])
    before = plain.copy()
    safe = gc.privacy.pseudonyms(plain, ["u", "v"], key=KEY)
    pd.testing.assert_frame_equal(plain, before)
    assert list(safe.index) == [5, 6, 9] and list(safe.columns) == ["u", "v", "gmv"]
    assert safe["u"].iloc[0] == safe["v"].iloc[2] == safe["u"].iloc[2] != safe["u"].iloc[1]
    pd.testing.assert_series_equal(safe["gmv"], plain["gmv"])
    frame = pl.DataFrame(plain)
    polars = gc.privacy.pseudonyms(frame, ["u", "v"], key=KEY)
    assert isinstance(polars, pl.DataFrame) and polars["u"].to_list() == safe["u"].tolist()
    assert frame["u"].to_list() == [3, 1, 3]
    table = pa.Table.from_pandas(plain.astype({"u": "category"}))
    arrow = gc.privacy.pseudonyms(table, ["u", "v"], key=KEY)
    assert isinstance(arrow, pa.Table) and arrow["u"].to_pylist() == safe["u"].tolist()
    assert arrow.schema.metadata is None  # what pandas noted there may hold categories


def test_missing_stays_missing_and_strange_ids_are_kept_apart() -> None:
    frame = pd.DataFrame({
        "f": [1.0, np.nan, 3.0], "t": ["a", None, " a"], "n": pd.Series([1, None, 2], dtype="Int64"),
        "big": [2**64, None, 5], "half": pd.Series(["\ud800", None, "x"], dtype=object),
        "uuid": [uuid.UUID(int=1), None, uuid.UUID(int=2)], "none": [None, None, None],
    })  # fmt: skip
    safe = gc.privacy.pseudonyms(frame, list(frame), key=KEY)
    assert safe.isna().to_numpy().tolist() == frame.isna().to_numpy().tolist()
    assert safe["big"][0] == "p" + by_hand(KEY.encode(), f"id\0{2**64}")[:32]
    assert safe["uuid"][0] == "p" + by_hand(KEY.encode(), f"id\0{uuid.UUID(int=1)}")[:32]
    assert safe["t"][0] != safe["t"][2]  # a space makes another id
    zeros = gc.privacy.pseudonyms(pd.DataFrame({"u": ["007", "7"]}), "u", key=KEY)["u"]
    assert zeros[0] != zeros[1]
    polars = gc.privacy.pseudonyms(pl.DataFrame({"u": [1.0, None, float("nan")]}), "u", key=KEY)
    assert polars["u"].null_count() == 2


def test_joins_survive_and_purposes_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    orders = pd.DataFrame({"user": rng.integers(0, 500, 3000), "gmv": rng.normal(size=3000)})
    users = pd.DataFrame({"uid": [str(k) for k in range(500)], "tier": rng.integers(0, 3, 500)})
    monkeypatch.setenv("SHOP_KEY", KEY)
    left = gc.privacy.pseudonyms(orders, "user", environment="SHOP_KEY")
    right = gc.privacy.pseudonyms(users, "uid", key=KEY.encode())
    joined = left.merge(right, left_on="user", right_on="uid", how="left")
    plain = orders.astype({"user": str}).merge(users, left_on="user", right_on="uid", how="left")
    pd.testing.assert_series_equal(joined["tier"], plain["tier"])
    assert right["uid"].is_unique
    other = gc.privacy.pseudonyms(users, "uid", key=KEY, purpose="paper")
    assert not set(other["uid"]) & set(right["uid"])
    assert other["uid"].is_unique


def test_the_same_answer_from_logs_with_pseudonyms() -> None:
    orders = pd.DataFrame({
        "user": np.arange(200) % 40, "time": pd.date_range("2025-01-01", periods=200, freq="6h"),
        "gmv": np.arange(200.0),
    })  # fmt: skip
    shown = pd.DataFrame({"user": np.arange(20), "start": pd.Timestamp("2025-01-25"), "tactic": "coupon"})
    roles = {name: name for name in ("user", "time", "gmv", "tactic", "start")}
    hidden = [gc.privacy.pseudonyms(t, "user", key=KEY) for t in (orders, shown)]
    a, b = (
        gc.Logs(orders=o, exposures=e, columns=roles).panel(unit="user", freq="W", tactic="coupon")
        for o, e in ((orders, shown), hidden)
    )
    assert a["gmv"].sum() == b["gmv"].sum() and len(a) == len(b)
    assert sorted(a.groupby("unit")["gmv"].sum()) == pytest.approx(sorted(b.groupby("unit")["gmv"].sum()))


def test_files_are_written_batch_by_batch(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": np.arange(1000) % 70, "day": ["2025-01-01"] * 1000, "gmv": np.arange(1000.0)})
    (tmp_path / "in").mkdir()
    frame[:600].to_parquet(tmp_path / "in" / "a.parquet")
    frame[600:].to_parquet(tmp_path / "in" / "b.parquet")
    to = gc.privacy.pseudonyms(tmp_path / "in", "user", key=KEY, to=tmp_path / "safe.parquet")
    found = pq.read_table(to).to_pandas()
    pd.testing.assert_frame_equal(found, gc.privacy.pseudonyms(frame, "user", key=KEY))
    with pytest.raises(gc.InputError, match="to must name"):
        gc.privacy.pseudonyms(tmp_path / "in", "user", key=KEY)
    with pytest.raises(gc.InputError, match="inside the folder"):
        gc.privacy.pseudonyms(tmp_path / "in", "user", key=KEY, to=tmp_path / "in" / "c.parquet")
    with pytest.raises(gc.InputError, match="no column 'usr'"):
        gc.privacy.pseudonyms(tmp_path / "in", "usr", key=KEY, to=tmp_path / "safe.parquet")


U = pd.DataFrame({"user": [1, 2], "gmv": [1.5, 2.0]})
SECRET = "very-secret-but-short"
BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "a key is needed"),
    "both": ({"key": KEY, "environment": "K"}, "both"),
    "short": ({"key": SECRET}, "21 bytes"),
    "no text": ({"key": 12345678901234567890123456789012}, "of type int"),
    "one letter": ({"key": "a" * 40}, "pattern"),
    "repeats": ({"key": SECRET * 2}, "pattern"),
    "repeats with a tail": ({"key": "abcd1234" * 5 + "abcd"}, "pattern"),
    "counts": ({"key": "abcdefghijklmnopqrstuvwxyz0123456789"}, "pattern"),
    "few letters": ({"key": "ababbbaabababbbababababbaabababbaab" * 1}, "pattern"),
    "a common password": ({"key": "password"}, "8 bytes"),
    "digits in a row": ({"key": "123456"}, "6 bytes"),
    "a common word in it": ({"key": "Xk39-myShopPassWord-20251111-v7Tq"}, "common word"),
    "a row of the keyboard": ({"key": "7hqwertyuiop-2025-zPq84-Lm19-vB3x"}, "common word"),
    "a row that counts": ({"key": "9b1f0c7e123456a24d0f8e3c6a7714d2b8"}, "repeat or count"),
    "a row that counts down": ({"key": "9b1f0c7e987654a24d0f8e3c6a7714d2b8"}, "repeat or count"),
    "one character in a row": ({"key": "9b1f0c7eaaaaaa24d0f8e3c6a7714d2b8e"}, "repeat or count"),
    "a phrase": ({"key": "correct horse battery staple 42 shop"}, "made of words"),
    "words without blanks": ({"key": "CorrectHorseBatteryStapleUnderTheMoon"}, "made of words"),
    "pinyin with a digit": ({"key": "zhangweizhangweizhangweizhangwei8"}, "made of words"),
    "pinyin with numbers": ({"key": "woaiwodedianpu520woaiwodedianpu1314"}, "made of words"),
    "words with digits": ({"key": "correcthorsebatterystaple4correct1"}, "made of words"),
    "years and marks": ({"key": "MyShop@2024!MyShop@2025!MyShop@26"}, "made of words"),
    "words in capitals": ({"key": "TheQuickBrownFoxJumpsOverTheLazyDog1"}, "made of words"),
    "a sentence in capitals": ({"key": "thisIsMyOwnKeyForTheStudy2025" + "AndMore"}, "made of words"),
    "names in capitals": ({"key": "ZhangWeiAiLiNaWoMenDeDianPu2025Nian"}, "made of words"),
    "seasons and years": ({"key": "Summer2025Winter2024Spring2023Autumn22"}, "made of words"),
    "letters and numbers by turns": ({"key": "a1a2a3a4a5a6a7a8a9b1b2b3b4b5b6b7"}, "made of words"),
    "a Chinese phrase": ({"key": "本店二零二五年优惠券研究所用之密钥"}, "made of words"),
    "a phrase in bytes": ({"key": b"correct horse battery staple 42 shop"}, "made of words"),
    "not set": ({"environment": "NO_SUCH_KEY_VARIABLE"}, "is not set"),
    "no name": ({"environment": 3}, "the name of"),
    "a line end": ({"key": KEY + "\n"}, "blanks, a line end or quotes"),
    "quotes": ({"key": f'"{KEY}"'}, "blanks, a line end or quotes"),
    "no purpose": ({"key": KEY, "purpose": ""}, "purpose"),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_bad_keys_are_refused_without_being_shown(case: str, caplog: pytest.LogCaptureFixture) -> None:
    options, words = BAD_KEYS[case]
    caplog.set_level(logging.DEBUG)
    with pytest.raises(gc.InputError, match=words) as caught:
        gc.privacy.pseudonyms(U, "user", **options)
    told = f"{caught.value}{caught.value.__dict__}{caplog.text}"
    for value in options.values():
        assert len(str(value)) < 4 or str(value) not in told
    if case not in ("no name", "no purpose", "a line end", "quotes"):
        assert "token_hex" in str(caught.value)


def test_keys_drawn_by_lot_are_taken() -> None:
    rng = np.random.default_rng(8)
    refused = 0
    for _ in range(4_000):
        raw = rng.bytes(32)
        if raw.strip(b" \t\r\n\0\"'") == raw:  # else refused for what a shell might have added
            assert key_of(raw, None) == raw
        dashed = str(uuid.UUID(bytes=raw[:16], version=4))
        written = (raw.hex(), raw[:16].hex().upper(), dashed, base64.b64encode(raw), base64.urlsafe_b64encode(raw[:24]))
        for key in written:
            try:
                assert key_of(key, None) == (key if isinstance(key, bytes) else key.encode())
            except gc.InputError:
                refused += 1
    assert refused <= 6  # of 20,000: six characters that repeat or count


def test_a_key_passed_as_the_name_of_a_variable_is_not_shown() -> None:
    with pytest.raises(gc.InputError) as caught:
        gc.privacy.pseudonyms(U, "user", environment=KEY)
    assert KEY not in str(caught.value)


def test_the_key_is_in_nothing_that_comes_back() -> None:
    safe = gc.privacy.pseudonyms(U.assign(kind=["a", "b"]), "user", key=KEY)
    assert KEY not in f"{safe.to_dict()}{safe.attrs}{safe!r}"
    with pytest.raises(gc.InputError) as caught:
        gc.privacy.pseudonyms(U, "gmv", key=KEY)
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)


BAD_COLUMNS: dict[str, tuple[Any, Any, str]] = {
    "no such column": (U, "usr", "user"),
    "fractions": (U, "gmv", "fractions.*row position 0"),
    "text and numbers": (pd.DataFrame({"u": [1, "1"]}), "u", "mixes kinds.*positions 0, 1"),
    "numbers and fractions": (pd.DataFrame({"u": pd.Series([1, 2.5], dtype=object)}), "u", "fractions"),
    "decimal fractions": (pd.DataFrame({"u": [decimal.Decimal("1.5")]}), "u", "fractions"),
    "beyond a float": (pd.DataFrame({"u": [1e17]}), "u", "too large"),
    "blank": (pd.DataFrame({"u": ["a", " ", ""]}), "u", "blank.*2 found.*1, 2"),
    "dates": (pd.DataFrame({"u": pd.to_datetime(["2025-01-01"])}), "u", "holds no ids"),
    "booleans": (pd.DataFrame({"u": [True, False]}), "u", "holds no ids"),
    "booleans as objects": (pd.DataFrame({"u": pd.Series([True, "x"], dtype=object)}), "u", "bool holds no ids"),
    "from 2^53 on": (pd.DataFrame({"u": [3.0, 2.0**53]}), "u", "too large.*position 1"),
    "narrow floats": (pd.DataFrame({"u": np.array([5, 2**24], dtype="f4")}), "u", "too large.*position 1"),
    "half floats": (pd.DataFrame({"u": np.array([5, 2**11], dtype="f2")}), "u", "too large.*position 1"),
    "floats as objects": (pd.DataFrame({"u": pd.Series([2.0**53, "x"], dtype=object)}), "u", "too large.*position 0"),
    "narrow ones as objects": (pd.DataFrame({"u": [np.float32(2**24), None]}, dtype=object), "u", "too large"),
    "infinite decimals": (pd.DataFrame({"u": [decimal.Decimal("Infinity"), decimal.Decimal(7)]}), "u", "fractions"),
    "complex": (pd.DataFrame({"u": [7 + 0j]}), "u", "holds no ids"),
    "nothing named": (U, [], "names no column"),
    "no frame": ([1, 2], "user", "a list"),
    "none": (None, "user", "None"),
    "lazy": (U.pipe(pl.from_pandas).lazy(), "user", "LazyFrame"),
    "twice": (pd.concat([U, U], axis=1), "user", "more than one"),
    "no rows": (U[:0], "user", "no rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_bad_tables_are_refused(case: str) -> None:
    data, columns, words = BAD_COLUMNS[case]
    with pytest.raises(gc.InputError, match=words):
        gc.privacy.pseudonyms(data, columns, key=KEY)


def test_a_copy_of_the_ids_that_stays_is_said() -> None:
    frame = U.assign(again=["1", "2"])
    with pytest.warns(gc.GmvCausalWarning, match="'again' repeats"):
        gc.privacy.pseudonyms(frame, "user", key=KEY)
    with pytest.warns(gc.GmvCausalWarning, match="index"):
        gc.privacy.pseudonyms(U.set_index("user", drop=False).rename_axis("who"), "user", key=KEY)
    with pytest.raises(gc.InputError, match="to="):
        gc.privacy.pseudonyms(U, "user", key=KEY, to="x.parquet")


def test_copies_are_told_whatever_their_type() -> None:
    n = [13_800_000_000 + k for k in range(6)]
    for copy in ([float(k) for k in n], [str(k) for k in n[:4]] + [None, None], n[::-1], [n[0]] * 6):
        with pytest.warns(gc.GmvCausalWarning, match="'b' repeats"):
            gc.privacy.pseudonyms(pd.DataFrame({"u": n, "b": copy}), "u", key=KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.privacy.pseudonyms(pd.DataFrame({"u": range(6), "pieces": [1, 1, 2, 5, 3, 1]}), "u", key=KEY)


def test_files_tell_copies_and_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmvcausal.logs.privacy.files._BATCH", 2048)
    n = 13_800_000_000 + np.arange(50)
    pd.DataFrame({"u": n, "copy": n}, index=n).to_parquet(tmp_path / "a.parquet")
    with pytest.warns(gc.GmvCausalWarning) as said:
        gc.privacy.pseudonyms(tmp_path / "a.parquet", "u", key=KEY, to=tmp_path / "safe.parquet")
    assert [str(w.message).split("'")[1] for w in said] == ["copy", "__index_level_0__"]
    pd.DataFrame({"u": [7.0] * 5000 + [7.5]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(gc.InputError, match="row position 5000"):
        gc.privacy.pseudonyms(tmp_path / "b.parquet", "u", key=KEY, to=tmp_path / "safe.parquet")


def test_a_column_named_twice_is_hashed_once(tmp_path: Path) -> None:
    want = gc.privacy.pseudonyms(U, "user", key=KEY)["user"].tolist()
    U.to_parquet(tmp_path / "a.parquet")
    for data, to in ((U, None), (pl.from_pandas(U), None), (tmp_path / "a.parquet", tmp_path / "safe.parquet")):
        found = gc.privacy.pseudonyms(data, ["user", "user"], key=KEY, to=to)
        assert list((pd.read_parquet(found) if to else found)["user"]) == want


def test_notes_and_wide_numbers() -> None:
    noted = U.copy()
    noted.attrs = {"ids": [1, 2]}
    assert gc.privacy.pseudonyms(noted, "user", key=KEY).attrs == {} and noted.attrs == {"ids": [1, 2]}
    wide = pl.DataFrame({"u": pl.Series([7, 2**70], dtype=pl.Int128)})
    want = gc.privacy.pseudonyms(pd.DataFrame({"u": ["7", str(2**70)]}), "u", key=KEY)["u"].tolist()
    assert gc.privacy.pseudonyms(wide, "u", key=KEY)["u"].to_list() == want
