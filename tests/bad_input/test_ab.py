"""The catalogue of bad inputs, row by row, for `gc.ab_test`: an error that helps, a check that warns, or a repair that is told."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from ab_users import users

import gmvcausal as gc

BASE = users(n=600, seed=1)
TRUE = gc.ab_test(BASE, metrics=["gmv"])
N = len(BASE)


def put(column: str, rows: Any, value: Any) -> pd.DataFrame:
    """The base table with a value written into some row positions."""
    frame = BASE.copy()
    frame[column] = frame[column].astype(object)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame if isinstance(value, str) else frame.infer_objects()


def twice(rows: int, flip: bool) -> pd.DataFrame:
    """Some users occur again, in the other arm or in the same one."""
    frame = BASE.assign(uid=np.arange(N))
    again = frame.head(rows)
    return pd.concat([frame, again.assign(arm=1 - again["arm"]) if flip else again], ignore_index=True)


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


named = BASE["arm"].map({0: "none", 1: "coupon"})
gap = put("gmv", [3, 8], np.nan)
M: dict[str, Any] = {"metrics": ["gmv"]}
I, D = gc.InputError, gc.DesignError  # noqa: E741  # short names, for the table below
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "28 string arms": (lambda: of(arm=named), M, I, "control arm is not named.*'coupon', 'none'.*control=", "arm", None, ()),
    "28 control not among them": (lambda: of(arm=named), {**M, "control": "non"}, I, "no label of the arms.*Did you mean 'none'", "arm", None, ()),
    "28 control of another kind": (lambda: of(arm=named), {**M, "control": 0}, I, "control is 0, which is no label", "arm", None, ()),
    "30 arms 1 and 2": (lambda: of(arm=BASE["arm"] + 1), M, I, "control arm is not named.*1, 2", "arm", None, ()),
    "31 arms -1 and 1": (lambda: of(arm=2 * BASE["arm"] - 1), M, I, "control arm is not named.*-1, 1", "arm", None, ()),
    "three arms 0 1 2": (lambda: users(300, arms=3), M, I, "control arm is not named", "arm", None, ()),
    "33 missing arm": (lambda: put("arm", [5], np.nan), M, I, "arm is missing.*1 found.*position 5", "arm", 1, (5,)),
    "35 an arm of one": (lambda: pd.concat([BASE, BASE.head(1).assign(arm=2)]), {**M, "control": 0}, I, "arm '2' has 1 row.*at least 2", None, None, ()),
    "one arm": (lambda: of(arm=0), M, I, "only one label.*nothing to compare", "arm", None, ()),
    "an id as the arm": (lambda: of(arm=np.arange(N)), {**M, "control": 0}, I, "600 labels.*too many to be arms", "arm", None, ()),
    "fractional arms": (lambda: of(arm=BASE["arm"] + 0.5), M, I, "not whole", "arm", N, (0, 1, 2, 3, 4)),
    "38 users in two arms": (lambda: twice(4, True), {**M, "unit": "uid"}, I, "4 units are in more than one arm.*rule=", "uid", 4, (0, 1, 2, 3, 600)),
    "38 by the name of the column": (lambda: twice(4, True).rename(columns={"uid": "user"}), M, I, "4 units are in more than one arm", "user", 4, (0, 1, 2, 3, 600)),
    "users twice": (lambda: twice(6, False), {**M, "unit": "uid"}, I, "6 units occur more than once.*cluster='uid'", "uid", 6, (600, 601, 602, 603, 604)),
    "the log appended to itself": (lambda: twice(N, False), {**M, "unit": "uid"}, I, "600 units occur more than once", "uid", 600, (600, 601, 602, 603, 604)),
    "39 exposed before assigned": (lambda: of(given=np.arange(N), seen=np.arange(N) + 1 - 3 * (BASE.index < 2)), {**M, "assigned_at": "given", "exposed_at": "seen"}, I, "2 rows were exposed before they were assigned.*first exposure after", "seen", 2, (0, 1)),
    "45 missing outcome": (lambda: gap, M, I, "outcome is missing.*2 found.*positions 3, 8.*missing='zero'", "gmv", 2, (3, 8)),
    "47 infinite": (lambda: put("gmv", [2], np.inf), M, I, "infinite values", "gmv", 1, (2,)),
    "47 minus infinity": (lambda: put("gmv", [2], -np.inf), M, I, "infinite values", "gmv", 1, (2,)),
    "beyond all bounds": (lambda: put("gmv", [2], 1e200), M, I, "whose squares cannot be computed", "gmv", 1, (2,)),
    "53 text": (lambda: of(gmv="¥1,234.50"), M, I, "holds text.*¥1,234.50.*pd.to_numeric", "gmv", N, (0, 1, 2, 3, 4)),
    "57 parts missing apart": (lambda: gap, {"metrics": [gc.Ratio("gmv", "orders")], "missing": "zero"}, I, "not missing in the same rows", "gmv", 2, (3, 8)),
    "56 no denominator at all": (lambda: of(orders=0), {"metrics": [gc.Ratio("gmv", "orders")]}, D, "zero throughout arm", "orders", None, ()),
    "a share of what is no flag": (lambda: BASE, {"metrics": [gc.Proportion("age")]}, I, "0 and 1 only.*gc.Mean", "age", N, (0, 1, 2, 3, 4)),
    "62 infinite covariate": (lambda: put("gmv_pre", [7], np.inf), {"metrics": [gc.Mean("gmv", pre="gmv_pre")]}, I, "covariate holds infinite", "gmv_pre", 1, (7,)),
    "62 missing covariate": (lambda: put("gmv_pre", [7], np.nan), {"metrics": [gc.Mean("gmv", pre="gmv_pre")]}, I, "covariate is missing.*Fill it deliberately", "gmv_pre", 1, (7,)),
    "65 an outcome as covariate": (lambda: BASE, {"metrics": ["orders", gc.Mean("gmv", pre="orders")]}, I, "is an outcome of this test", "orders", None, ()),
    "the arm as covariate": (lambda: BASE, {"metrics": [gc.Mean("gmv", pre="arm")]}, I, "arm itself", "arm", None, ()),
    "a covariate of many levels": (lambda: of(id=[f"u{i}" for i in range(N)]), {"metrics": [gc.Mean("gmv", pre="id")]}, I, "600 levels", "id", None, ()),
    "no such column": (lambda: BASE, {"metrics": ["gmw"]}, I, "no column 'gmw'.*Did you mean 'gmv'", None, None, ()),
    "missing cluster": (lambda: put("place", [1], np.nan), {**M, "cluster": "place"}, I, "cluster is missing", "place", 1, (1,)),
    "19 one cluster": (lambda: of(place=1), {**M, "cluster": "place"}, I, "only one cluster", "place", None, ()),
    "cluster varies within the unit": (lambda: twice(3, False).assign(place=np.arange(N + 3)), {**M, "unit": "uid", "cluster": "place"}, I, "varies within units", "place", 3, (600, 601, 602)),
    "a stratum without an arm": (lambda: of(segment=np.where(BASE.index < 1, "rare", BASE["segment"])), {**M, "strata": "segment"}, I, "1 strata have fewer than 2", "segment", 1, (0,)),
    "strata that vary within clusters": (lambda: BASE, {**M, "strata": "segment", "cluster": "place"}, I, "vary within 'place' for 40", "segment", 40, (9, 14, 18, 20, 26)),
    "expected ratio of a stranger": (lambda: BASE, {**M, "expected_ratio": {0: 0.5, 2: 0.5}}, I, "names 2, which is no arm", None, None, ()),
    "expected ratio incomplete": (lambda: BASE, {**M, "expected_ratio": {0: 0.5}}, I, "no share for arm '1'", None, None, ()),
    "expected ratio negative": (lambda: BASE, {**M, "expected_ratio": {0: 1, 1: -1}}, I, "positive shares", None, None, ()),
    "75 a quantile among zeros": (lambda: of(gmv=BASE["gmv"] * (BASE.index % 20 == 0)), {"metrics": [gc.Quantile("gmv", 0.9)]}, I, r"9\d\.\d% of arm '0' are zero.*quantile among buyers is \d.*selected after assignment", "gmv", None, ()),
    "75 a quantile of orders": (lambda: BASE, {"metrics": [gc.Quantile("orders", 0.9)]}, I, "many rows share.*are 1,.*gc.Proportion", "orders", None, ()),
    "75 an extreme quantile": (lambda: BASE, {"metrics": [gc.Quantile("gmv_pre", 0.999)]}, D, "too few for its 0.999 quantile", "gmv_pre", None, ()),
    "75 a quantile over strata": (lambda: BASE, {"metrics": [gc.Quantile("gmv_pre", 0.5)], "strata": "segment"}, I, "strata= and a quantile", "gmv_pre", None, ()),
    "no metric": (lambda: BASE, {"metrics": []}, I, "metrics is empty", None, None, ()),
    "what is no metric": (lambda: BASE, {"metrics": [3]}, I, "holds 3, which is no metric", None, None, ()),
    "the same metric twice": (lambda: BASE, {"metrics": ["gmv", gc.Mean("gmv")]}, I, "'gmv' twice", None, None, ()),
    "alpha 5": (lambda: BASE, {**M, "alpha": 5}, I, "alpha must be a number", None, None, ()),
    "strange alternative": (lambda: BASE, {**M, "alternative": "bigger"}, I, "alternative must be one of", None, None, ()),
    "strange adjustment": (lambda: BASE, {**M, "adjust": "bonferroni"}, I, "adjust must be one of", None, None, ()),
    "69 no rows": (lambda: BASE.head(0), M, I, "no rows", None, None, ()),
    "69 one row": (lambda: BASE.head(1), M, I, "only one label", "arm", None, ()),
    "67 two columns of one name": (lambda: pd.concat([BASE, BASE[["gmv"]]], axis=1), M, I, "more than one column called 'gmv'", None, None, ()),
    "no table": (lambda: [1, 2], M, I, "is a list, which is no table", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case: str) -> None:
    make, options, kind, message, column, count, rows = ERRORS[case]
    data = make()
    before = data.copy() if isinstance(data, pd.DataFrame) else None
    with pytest.raises(gc.GmvCausalError, match=f"(?s){message}") as caught:
        gc.ab_test(data, **options)
    error = caught.value
    assert type(error) is kind and (error.column, error.count, error.rows) == (column, count, rows)
    if before is not None:
        pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize(
    "case", [c for c in ERRORS if c.split()[0] in {"28", "30", "33", "38", "45", "47", "53", "57", "62", "75"}]
)
def test_a_file_is_refused_for_the_same_reason(case: str, tmp_path: Path) -> None:
    make, options, kind, message, column, count, rows = ERRORS[case]
    path = tmp_path / "t.parquet"
    make().to_parquet(path)
    with pytest.raises(kind, match=f"(?s){message}") as caught:
        gc.ab_test(path, **options)
    assert (caught.value.column, caught.value.count, caught.value.rows) == (column, count, rows)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gc.Quantile("gmv", 90), "q must be a quantile between 0 and 1"),
        (lambda: gc.Mean("gmv", cap=1.5), "cap must be 'auto', None or a quantile"),
        (lambda: gc.Mean("gmv", cap=100), "cut the column yourself"),
        (lambda: gc.Mean("gmv", cap="p99"), "cap must be"),
        (lambda: gc.Mean("gmv", pre="gmv"), "outcome itself"),
        (lambda: gc.Mean("gmv", pre=[3]), "pre must name columns"),
        (lambda: gc.Mean(3), "must be a column name"),
        (lambda: gc.Proportion(None), "must be a column name"),
        (lambda: gc.Ratio("gmv", "gmv"), "is 1 in every arm"),
    ],
)
def test_metrics_refuse(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(gc.InputError, match=message):
        make()


# --- W: the answer, with a check that warns or fails ------------------------------------------------------------------
def mixed() -> pd.DataFrame:
    cents = np.random.default_rng(0).random(N) < 0.1
    return of(gmv=np.where(cents, BASE["gmv_pre"] * 1000, BASE["gmv_pre"]))


# id: (frame, options, check, status)
WARNED: dict[str, tuple[Callable[[], Any], dict[str, Any], str, str]] = {
    "36 an arm that does not vary": (lambda: of(gmv=np.where(BASE["arm"] == 1, BASE["gmv"], 7.0)), M, "zero_variance", "warned"),
    "36 no arm varies": (lambda: of(gmv=5.1 + BASE["arm"]), M, "zero_variance", "warned"),
    "37 lost users": (lambda: pd.concat([BASE[BASE["arm"] == 1], BASE[BASE["arm"] == 0].head(200)]), M, "sample_ratio", "failed"),
    "37 a few lost users": (lambda: pd.concat([BASE[BASE["arm"] == 1].head(300), BASE[BASE["arm"] == 0].head(248)]), M, "sample_ratio", "warned"),
    "48 all zero": (lambda: of(gmv=0.0), M, "all_zero", "warned"),
    "49 a whale": (lambda: put("gmv", [0], 1e9), M, "leverage", "warned"),
    "50 cents among the money": (mixed, M, "scale_mix", "warned"),
    "51 coarse numbers": (lambda: of(gmv=(BASE["gmv"] / 1e4 + 1e5).astype("float32")), M, "quantisation", "warned"),
    "56 zero denominators": (lambda: BASE, {"metrics": [gc.Ratio("gmv", "orders")]}, "denominator", "warned"),
    "58 control at zero": (lambda: of(gmv=BASE["gmv"] - BASE.loc[BASE["arm"] == 0, "gmv"].mean()), M, "relative", "warned"),
    "58 control below zero": (lambda: of(gmv=-BASE["gmv"]), M, "relative", "warned"),
    "64 a covariate moved by the tactic": (lambda: of(gmv_pre=BASE["gmv_pre"] + 60 * BASE["arm"]), {"metrics": [gc.Mean("gmv", pre="gmv_pre")]}, "balance", "warned"),
    "65 the outcome renamed": (lambda: of(again=BASE["gmv"] * 1.1), {"metrics": [gc.Mean("gmv", pre="again")]}, "leakage", "warned"),
    "18 few clusters": (lambda: of(place=BASE["place"] % 6), {**M, "cluster": "place"}, "few_clusters", "failed"),
    "small arms": (lambda: BASE.head(60), M, "small_arm", "warned"),
    "no column of users": (lambda: BASE, M, "repeated_units", "not_run"),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNED)
def test_warned(case: str) -> None:
    make, options, name, status = WARNED[case]
    result = gc.ab_test(make(), **options)
    assert result.audit[name].status == status, result.audit[name]
    assert np.isfinite(result.estimate) and name in result.summary()


@pytest.mark.parametrize("case", ["58 control at zero", "58 control below zero"])
def test_no_relative_effect_with_the_reason(case: str) -> None:
    result = gc.ab_test(WARNED[case][0](), metrics=["gmv"])
    table = result.to_frame()
    assert table[["relative", "relative_low", "relative_high"]].isna().all(axis=None)
    assert "no relative effect is given" in " ".join(result.summary().split())


def test_the_relative_effect_never_has_the_other_sign() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        frame = pd.DataFrame({"arm": [0, 1] * 6, "gmv": rng.normal(rng.uniform(-1, 2), 1, 12)})
        table = gc.ab_test(frame, metrics=["gmv"]).to_frame().dropna(subset="relative")
        assert (np.sign(table["relative"]) == np.sign(table["estimate"])).all()


def test_a_whale_and_its_capped_row() -> None:
    table = gc.ab_test(put("gmv", [0], 1e9), metrics=[gc.Mean("gmv", pre="gmv_pre")]).to_frame().set_index("term")
    assert abs(table.loc["gmv", "estimate"]) > 1e6 > abs(table.loc["gmv capped", "estimate"])
    assert table.loc["gmv capped", "capped_share"] > 0.99


# --- R: repaired, and said so where anything was decided --------------------------------------------------------------
NULLABLE = {"arm": "Int64", "gmv": "Float64"}
# id: (frame, options, what the manifest says)
REPAIRED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "29 booleans": (lambda: of(arm=BASE["arm"] == 1), M, ""),
    "0.0 and 1.0": (lambda: of(arm=BASE["arm"].astype(float)), M, ""),
    "named arms with control": (lambda: of(arm=named), {**M, "control": "none"}, ""),
    "32 unused levels": (lambda: of(arm=pd.Categorical(named, ["none", "coupon", "raffle"])), {**M, "control": "none"}, ""),
    "arms 1 and 2 with control": (lambda: of(arm=BASE["arm"] + 1), {**M, "control": 1}, ""),
    "45 zero by word": (lambda: of(gmv=BASE["gmv"].where(BASE["gmv"] > 0)), {**M, "missing": "zero"}, "count as zero"),
    "52 int16": (lambda: of(gmv=BASE["gmv"]), M, ""),
    "54 Decimal": (lambda: of(gmv=[Decimal(str(v)) for v in BASE["gmv"]]), M, ""),
    "55 nullable": (lambda: BASE.astype(NULLABLE), M, ""),
    "arrow types": (lambda: BASE.convert_dtypes(dtype_backend="pyarrow"), M, ""),
    "67 strange index": (lambda: BASE.set_index(np.zeros(N, int)), M, ""),
    "70 polars": (lambda: pl.from_pandas(BASE), M, ""),
    "70 polars lazy": (lambda: pl.from_pandas(BASE).lazy(), M, ""),
    "70 pyarrow": (lambda: pa.Table.from_pandas(BASE), M, ""),
    "duckdb": (lambda: duckdb.from_arrow(pa.Table.from_pandas(BASE)), M, ""),
    "duckdb, named arms": (lambda: duckdb.from_arrow(pa.Table.from_pandas(of(arm=named))), {**M, "control": "none"}, ""),
    "shuffled": (lambda: BASE.sample(frac=1, random_state=1), M, ""),
    "38 the first arm": (lambda: twice(4, True), {**M, "unit": "uid", "rule": "first"}, "4 units were in more than one arm"),
}  # fmt: skip


@pytest.mark.parametrize("case", REPAIRED)
def test_repaired(case: str) -> None:
    make, options, said = REPAIRED[case]
    result = gc.ab_test(make(), **options)
    columns = ["estimate", "std_error", "p_value", "conf_low", "relative_low", "capped_share"]
    found, wanted = result.to_frame()[columns], TRUE.to_frame()[columns]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    assert said in " ".join(result.manifest.notes)


def test_users_in_two_arms_left_out() -> None:
    result = gc.ab_test(twice(4, True), metrics=["gmv"], unit="uid", rule="drop")
    wanted = gc.ab_test(BASE.iloc[4:], metrics=["gmv"])
    assert result.estimate == pytest.approx(wanted.estimate, rel=1e-12)
    assert result.manifest.dropped == {"rows of units in more than one arm": 8}


def test_whole_numbers_of_eight_bits() -> None:
    small = of(gmv=np.full(N, 120, dtype=np.int8) + BASE["arm"].astype(np.int8))
    assert gc.ab_test(small, metrics=["gmv"]).estimate == 1.0
    assert gc.ab_test(of(gmv=np.where(BASE["arm"] == 1, 200, 250).astype(np.uint8)), metrics=["gmv"]).estimate == -50.0


@pytest.mark.parametrize(
    "name", ["total gmv", "成交额", 'a "quoted" one', "select", "`tick`", "__import__('os')", "x'; DROP TABLE t; --"]
)
def test_any_name_of_a_column(name: str, tmp_path: Path) -> None:
    frame = BASE.rename(columns={"gmv": name, "gmv_pre": f"{name} before"})
    metrics = [gc.Mean(name, pre=f"{name} before"), gc.Ratio(name, "orders")]
    frame.to_parquet(tmp_path / "t.parquet")
    first, second = (gc.ab_test(d, metrics=metrics) for d in (frame, tmp_path / "t.parquet"))
    np.testing.assert_allclose(first.to_frame()["estimate"], second.to_frame()["estimate"], rtol=1e-10)
    assert name in first.summary().replace("\n            ", " ") or len(name) > 15
    assert "<table" in first.to_html()


def test_covariates_that_say_nothing() -> None:
    frame = of(one=1.0, double=BASE["age"] * 2.0)
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre=["age", "one", "double"])])
    wanted = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre="age")])
    assert result.estimate == pytest.approx(wanted.estimate, rel=1e-10)
    assert "'one', 'double'" in " ".join(result.manifest.notes)


def test_wild_scales() -> None:
    frame = of(age=BASE["age"] * 1e12 + 1e15, small=BASE["gmv_pre"] * 1e-12)
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre=["age", "small"])])
    wanted = gc.ab_test(BASE, metrics=[gc.Mean("gmv", pre=["age", "gmv_pre"])])
    assert result.estimate == pytest.approx(wanted.estimate, rel=1e-7)
    assert result.std_error == pytest.approx(wanted.std_error, rel=1e-7)


def test_rooms_are_found_and_said() -> None:
    frame = users(n=2000, seed=3).rename(columns={"place": "room"})
    frame["arm"] = frame["room"] % 2
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'"):
        found = gc.ab_test(frame, metrics=["gmv"])
    named = gc.ab_test(frame, metrics=["gmv"], cluster="room")
    assert found.std_error == named.std_error and found.audit["cluster_level"].status == "warned"
    assert "cluster_level" not in named.audit
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a place that does not decide the arm must not be warned of
        gc.ab_test(users(n=2000, seed=3).rename(columns={"place": "room"}), metrics=["gmv"])


def test_40_a_trigger_that_is_not_alike_in_both_arms() -> None:
    wide = of(seen=np.where(BASE["arm"] == 1, BASE.index % 3 > 0, BASE.index % 3 == 0).astype(int))
    result = gc.ab_test(wide, metrics=["gmv"], triggered="seen")
    assert (
        result.audit["trigger_ratio"].status == "failed" and "analyse all units" in result.audit["trigger_ratio"].remedy
    )


def test_34_three_arms_where_two_are_compared() -> None:
    cells = pd.DataFrame({"look": [1, 1, 1], "arm": [0, 1, 2], "n": 50, "mean": 1.0, "variance": 1.0})
    with pytest.raises(gc.DesignError, match=r"two arms, but the data have 3.*Filter to the control"):
        gc.sequential(cells, arm="arm", control=0)


def test_44_arms_that_are_steps_of_an_amount() -> None:
    steps = users(n=3000, seed=4).assign(arm=lambda f: 5 * (np.arange(len(f)) % 7))
    check = gc.ab_test(steps, metrics=["gmv"], control=0).audit["dose"]
    assert check.status == "warned" and check.value == 7 and "model the dose" in check.remedy
    assert "dose" not in gc.ab_test(users(n=600, arms=3), metrics=["gmv"], control=0).audit


@pytest.mark.parametrize("road", ["frame", "parquet"])
def test_46_refunds_booked_as_negative_amounts(road: str, tmp_path: Path) -> None:
    frame: Any = of(gmv=np.where(np.arange(N) % 100 == 7, -20.0, BASE["gmv"]))
    if road == "parquet":
        frame.to_parquet(tmp_path / "net.parquet")
        frame = tmp_path / "net.parquet"
    check = gc.ab_test(frame, metrics=["gmv"]).audit["negative_amounts"]
    assert check.status == "warned" and check.value == pytest.approx(6 / N) and "6 units" in check.message
    assert "gross or net" in check.remedy
    change = gc.ab_test(of(gmv=BASE["gmv"] - BASE["gmv_pre"]), metrics=["gmv"])  # negative as often as not
    assert "negative_amounts" not in change.audit


def _rooms() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    room = rng.integers(0, 40, 2000)
    return pd.DataFrame(
        {
            "user": np.arange(2000),
            "room": room,
            "arm": room % 2,
            "city": rng.choice(["a", "b"], 2000),
            "gmv": rng.gamma(2, 5, 2000),
        }
    )


@pytest.mark.parametrize("road", ["frame", "parquet"])
def test_strata_beside_clusters_that_were_found_are_refused(road: str, tmp_path: Path) -> None:
    frame: Any = _rooms()
    if road == "parquet":
        frame.to_parquet(tmp_path / "rooms.parquet")
        frame = tmp_path / "rooms.parquet"
    with pytest.warns(gc.GmvCausalWarning), pytest.raises(gc.InputError, match=r"within .room."):
        gc.ab_test(frame, metrics="gmv", strata="city")


@pytest.mark.parametrize("road", ["frame", "parquet"])
def test_users_in_two_arms_are_found_beside_named_clusters(road: str, tmp_path: Path) -> None:
    frame: Any = _rooms()
    frame = pd.concat([frame, frame.iloc[:50].assign(arm=lambda f: 1 - f["arm"])], ignore_index=True)
    if road == "parquet":
        frame.to_parquet(tmp_path / "rooms.parquet")
        frame = tmp_path / "rooms.parquet"
    with pytest.raises(gc.InputError, match="50 units are in more than one arm"):
        gc.ab_test(frame, metrics="gmv", cluster="room")


@pytest.mark.parametrize("road", ["frame", "parquet"])
def test_whole_numbers_beyond_doubles_are_refused(road: str, tmp_path: Path) -> None:
    frame: Any = pd.DataFrame({"arm": np.arange(100) % 2, "gmv": np.arange(100, dtype=np.int64) + 2**60})
    if road == "parquet":
        frame.to_parquet(tmp_path / "large.parquet")
        frame = tmp_path / "large.parquet"
    with pytest.raises(gc.InputError, match=r"whole numbers beyond 2\^53"):
        gc.ab_test(frame, metrics="gmv")


def test_one_whale_among_the_covariates_fails_the_audit() -> None:
    """Its slope is its own: the adjusted answer is a million off while the plain one is -1."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"arm": np.arange(1200) % 2, "pre": rng.gamma(2, 5, 1200)})
    frame["gmv"] = 2 * frame["pre"] + rng.normal(0, 5, 1200)
    clean = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre="pre")])
    assert clean.audit["leverage"].status == "passed"
    frame.loc[5, "pre"] = 1e9
    check = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre="pre")]).audit["leverage"]
    assert check.status == "failed" and "adjusting makes the variance" in check.message and "capped" in check.remedy
