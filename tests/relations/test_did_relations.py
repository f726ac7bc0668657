"""What must not change an answer, and what must change it in a known way: every estimator, on the same panels."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from panels import campaigns, rollout, switching, thinned

import gmvcausal as gc
from gmvcausal.rollout.methods import METHODS

ROUNDING = {"rtol": 1e-9, "atol": 1e-10}

PANEL = rollout(n=90, periods=5, cohorts=(3, 4), seed=2)
ONE, TWO = (rollout(n=24, periods=12, cohorts=(9,), never=0.96, seed=s) for s in (12, 31))  # units treated
TREATED = PANEL["first_treated"].notna()
DOSES = {"few": 5.0 * (1 + PANEL["unit"] % 3), "many": 1.0 + PANEL["unit"]}
DOSED = {name: PANEL.assign(value=value.where(TREATED, 0.0)) for name, value in DOSES.items()}
KINDS = PANEL.assign(kind=PANEL["unit"] % 2)
ESTIMATORS: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "callaway_santanna": (PANEL, {}),
    "not_yet_treated": (PANEL, {"control": "not_yet_treated", "base_period": "universal", "cluster": "place"}),
    "unbalanced": (thinned(PANEL), {}),
    "weighted": (PANEL, {"weights": "w"}),
    "two_by_two": (rollout(n=80, periods=5, cohorts=(3,), seed=3), {"estimator": "two_by_two"}),
    "twfe": (thinned(PANEL), {"estimator": "twfe"}),
    "stacked": (campaigns(n=50), {"estimator": "stacked", "stack": "campaign", "treated": "treated"}),
    "naive": (PANEL, {"estimator": "naive"}),
    "synthetic_control": (ONE, {"estimator": "synthetic_control"}),
    "augmented_synthetic_control": (ONE, {"estimator": "augmented_synthetic_control"}),
    "synthetic_did": (TWO, {"estimator": "synthetic_did"}),
    "synthetic_did, jackknife": (rollout(n=60, periods=6, cohorts=(4, 5), seed=2), {"estimator": "synthetic_did"}),
    "sun_abraham": (PANEL, {"estimator": "sun_abraham"}),
    "imputation": (PANEL, {"estimator": "imputation", "cluster": "place"}),
    "two_stage": (thinned(PANEL), {"estimator": "two_stage"}),
    "etwfe": (thinned(PANEL), {"estimator": "etwfe", "weights": "w"}),
    "poisson": (PANEL, {"estimator": "poisson"}),
    "poisson, unbalanced": (thinned(PANEL), {"estimator": "poisson", "cluster": "place"}),
    "dose": (thinned(DOSED["few"]), {"estimator": "dose", "dose": "value", "weights": "w"}),
    "dose, a curve": (DOSED["many"], {"estimator": "dose", "dose": "value", "cluster": "place"}),
    "triple": (KINDS, {"estimator": "triple", "eligible": "kind"}),
    "triple, unbalanced": (thinned(KINDS), {"estimator": "triple", "eligible": "kind", "cluster": "place"}),
    "switching": (switching(n=90, seed=1), {"estimator": "switching", "treated": "treated", "cluster": "unit"}),
    "switching, unbalanced": (
        thinned(switching(n=120, seed=2)),
        {"estimator": "switching", "treated": "treated", "cluster": "place", "weights": "w"},
    ),
}


def test_every_estimator_is_here() -> None:
    assert {o.get("estimator", n) for n, (_, o) in ESTIMATORS.items() if n != "not_yet_treated"} >= set(METHODS)


def numbers(result: Any, tables: bool = True) -> pd.DataFrame:
    """All numbers of a result: the terms, and its tables where there are any."""
    columns = ["estimate", "std_error", "p_value", "conf_low", "conf_high", "n"]
    parts = [result.to_frame()[columns]]
    if tables and result.options.estimator != "naive":
        event = result.event_study()
        parts.append(event[["event_time", "estimate", "std_error", "band_low", "band_high", "n"]])
        if result.fitted.doses is not None:
            parts.append(result.by_dose())
        if result.fitted.effects is not None:
            parts.append(result.att_gt()[["event_time", "estimate", "std_error", "n"]])
    return pd.concat(parts, ignore_index=True).astype(float)


def same(a: Any, b: Any, **tolerance: float) -> None:
    np.testing.assert_allclose(numbers(a), numbers(b), **(tolerance or ROUNDING))


Case = tuple[pd.DataFrame, dict[str, Any]]


@pytest.fixture(params=list(ESTIMATORS))
def estimator(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case(estimator: str) -> Case:
    return ESTIMATORS[estimator]


@functools.cache
def as_it_stands(name: str) -> Any:
    frame, options = ESTIMATORS[name]
    return gc.did(frame, **options)


@pytest.fixture
def plain(estimator: str) -> Any:
    """The result that the others are held against, estimated once."""
    return as_it_stands(estimator)


# --- rows and names ------------------------------------------------------------------------------------------------
def test_row_order(case: Case, plain: Any) -> None:
    frame, options = case
    for seed in (0, 1):
        mixed = gc.did(frame.sample(frac=1, random_state=seed), **options)
        same(plain, mixed, rtol=0, atol=0)
        assert mixed.manifest.data_sha256 == plain.manifest.data_sha256
    same(plain, gc.did(frame.iloc[::-1], **options), rtol=0, atol=0)


@pytest.mark.parametrize(
    "rename",
    [
        lambda u: "u" + u.astype(str), lambda u: 10_000 - u, lambda u: u.astype("uint64") + 2**63,
        lambda u: pd.Categorical("房间" + u.astype(str)), lambda u: u.astype(float),
        lambda u: pd.to_datetime("2020-01-01") + pd.to_timedelta(u, unit="D"),
    ],
    ids=["text", "reversed", "huge", "categories", "floats", "dates"],
)  # fmt: skip
def test_unit_labels(case: Case, plain: Any, rename: Callable[[pd.Series], Any]) -> None:
    frame, options = case
    same(plain, gc.did(frame.assign(unit=rename(frame["unit"])), **options))


PERIODS: dict[str, Callable[[pd.Series], Any]] = {
    "shifted": lambda t: t + 2019,
    "negative": lambda t: t - 40,
    "every third": lambda t: 3 * t,
    "int8": lambda t: t.astype("Int8"),
    "decimal": lambda t: t.map(lambda v: None if pd.isna(v) else Decimal(int(v))),
    "weeks": lambda t: pd.Timestamp("2025-01-05") + pd.to_timedelta(7 * t, unit="D"),
    "days as text": lambda t: (pd.Timestamp("2025-01-05") + pd.to_timedelta(t, unit="D")).dt.strftime("%Y-%m-%d"),
    "months": lambda t: t.map(dict(enumerate(pd.date_range("2024-11-01", periods=20, freq="MS")))),
    "pandas months": lambda t: t.map(lambda v: pd.NaT if pd.isna(v) else pd.Period("2024-10", "M") + int(v)),
    "python dates": lambda t: t.map(lambda v: None if pd.isna(v) else date(2025, 3, 1) + timedelta(days=int(v))),
    "zoned over a clock change": lambda t: (pd.Timestamp("2025-10-30") + pd.to_timedelta(t,
    unit="D")).dt.tz_localize("America/New_York"),
    "zoned text": lambda t: (pd.Timestamp("2025-01-05") + pd.to_timedelta(t,
    unit="D")).dt.strftime("%Y-%m-%dT00:00:00+08:00"),
}  # fmt: skip


@pytest.mark.parametrize("relabel", list(PERIODS.values()), ids=list(PERIODS))
@pytest.mark.parametrize(
    "name",
    [
        "callaway_santanna", "unbalanced", "two_by_two", "twfe", "stacked", "synthetic_did", "sun_abraham", "two_stage",
        "etwfe",
    ],
)  # fmt: skip
def test_period_labels(name: str, relabel: Callable[[pd.Series], Any]) -> None:
    frame, options = ESTIMATORS[name]
    changed = frame.assign(period=relabel(frame["period"]))
    if "first_treated" in frame:
        changed["first_treated"] = relabel(frame["first_treated"])
    same(as_it_stands(name), gc.did(changed, **options))


@pytest.mark.parametrize("never", [np.inf, 0, -1, 9999, None])
def test_codes_of_never(never: float | None) -> None:
    """NaN, infinity and 0 are read; other codes are named."""
    frame = PANEL.assign(first_treated=PANEL["first_treated"].fillna(np.nan if never is None else never))
    same(gc.did(PANEL), gc.did(frame, never=never if never in (-1, 9999) else None))


def test_flags_in_place_of_dates() -> None:
    flags = PANEL.assign(on=(PANEL["period"] >= PANEL["first_treated"]).astype(int))
    same(gc.did(PANEL), gc.did(flags, treated="on"))
    same(gc.did(PANEL), gc.did(flags.assign(on=flags["on"].astype(bool)), treated="on"))


def test_strange_column_names() -> None:
    names = ["GMV (元)", "unit id", "`week`", "__import__('os').abort()", 'a "quoted" name', "select"]
    frame = PANEL[["gmv", "unit", "period", "first_treated", "place", "w"]].set_axis(names, axis=1)
    found = gc.did(
        frame,
        outcome=names[0],
        unit=names[1],
        time=names[2],
        first_treated=names[3],
        cluster=names[4],
        weights=names[5],
    )
    same(gc.did(PANEL, cluster="place", weights="w"), found)


def test_index_and_other_columns_do_not_matter(case: Case, plain: Any) -> None:
    frame, options = case
    twice = frame.set_axis([0] * len(frame))
    deep = frame.set_index(pd.MultiIndex.from_arrays([frame["unit"], frame["period"]], names=["unit", "period"]))
    for changed in (twice, deep, frame.rename_axis("gmv_index"), frame.assign(note=[[1]] * len(frame), store=None)):
        same(plain, gc.did(changed, **options), rtol=0, atol=0)


# --- the outcome ---------------------------------------------------------------------------------------------------
def scaled(result: Any, factor: float) -> pd.DataFrame:
    table = numbers(result)
    rows = np.ones(len(table), dtype=bool)
    rows[: len(result.to_frame())] = result.to_frame()["unit"] != "%"  # a share is the same in every currency
    slopes = ("slope", "slope_std_error", "slope_conf_low", "slope_conf_high")
    for column in ("estimate", "std_error", "conf_low", "conf_high", "band_low", "band_high", *slopes):
        if column in table:
            table.loc[rows, column] *= factor
    return table


def test_money_in_cents(case: Case, plain: Any) -> None:
    frame, options = case
    cents = gc.did(frame.assign(gmv=frame["gmv"] * 100), **options)
    np.testing.assert_allclose(scaled(plain, 100), numbers(cents), **ROUNDING)


def test_sign(case: Case, plain: Any) -> None:
    frame, options = case
    if options.get("estimator") == "poisson":
        with pytest.raises(gc.InputError, match="outcomes of at least 0"):
            gc.did(frame.assign(gmv=-frame["gmv"]), **options)
        return
    turned = gc.did(frame.assign(gmv=-frame["gmv"]), **options)
    np.testing.assert_allclose(plain.to_frame()["estimate"], -turned.to_frame()["estimate"], **ROUNDING)
    np.testing.assert_allclose(plain.to_frame()["std_error"], turned.to_frame()["std_error"], **ROUNDING)


@pytest.mark.parametrize("offset", [1e7, 1e10])
def test_large_offset(case: Case, plain: Any, offset: float) -> None:
    """A double near 1e10 is 2e-6 apart from the next, so that much must be lost."""
    frame, options = case
    if options.get("estimator") == "poisson":
        return  # ratios: what is added to both sides changes them
    spacing = float(np.spacing(offset))
    moved = gc.did(frame.assign(gmv=frame["gmv"] + offset), **options)
    same(plain, moved, rtol=20 * spacing, atol=20 * spacing)


def test_unit_and_period_levels_drop_out() -> None:
    """Anything added to a unit for good, or to a period for all, changes no comparison over time."""
    frame = PANEL.assign(gmv=PANEL["gmv"] + 7 * (PANEL["unit"] % 5) + PANEL["period"] ** 2)
    for options in ({}, {"control": "not_yet_treated"}, {"estimator": "twfe"}):
        same(gc.did(PANEL, **options), gc.did(frame, **options))


DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "Int64",
"Float64",
          "int8[pyarrow]", "uint64[pyarrow]", "double[pyarrow]", "decimal", "object"]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str) -> None:
    whole = PANEL.assign(gmv=np.clip(np.round(PANEL["gmv"] * 3.5), 0, 120))
    assert whole["gmv"].max() > 100  # sums of a unit's cells overflow int8 and uint8
    reference = gc.did(whole)
    if dtype == "decimal":
        column: Any = whole["gmv"].map(lambda v: Decimal(int(v)))
    elif dtype == "double[pyarrow]" or dtype.endswith("[pyarrow]"):
        column = whole["gmv"].astype("int64").astype(dtype)
    else:
        column = whole["gmv"].astype(dtype)
    same(reference, gc.did(whole.assign(gmv=column)), rtol=0, atol=0)


def test_arrow_decimals_and_booleans() -> None:
    whole = PANEL.assign(gmv=np.round(PANEL["gmv"], 2))
    table = pa.Table.from_pandas(whole, preserve_index=False)
    place = table.column_names.index("gmv")
    decimals = pa.array([Decimal(str(round(v, 2))) for v in whole["gmv"]], pa.decimal128(12, 2))
    same(gc.did(whole), gc.did(table.set_column(place, "gmv", decimals)))
    high = whole.assign(gmv=whole["gmv"] > whole["gmv"].median())
    same(gc.did(high), gc.did(high.assign(gmv=high["gmv"].astype(int))), rtol=0, atol=0)


def test_missing_as_zero_in_every_coat() -> None:
    """A nullable dtype with gaps, asked to read them as 0, equals the zeros written out."""
    gaps = PANEL.assign(gmv=PANEL["gmv"].round().where(np.arange(len(PANEL)) % 7 != 0))
    reference = gc.did(PANEL.assign(gmv=gaps["gmv"].fillna(0)))
    for dtype in ("float64", "Float64", "Int64", "double[pyarrow]", "object"):
        result = gc.did(gaps.assign(gmv=gaps["gmv"].astype(dtype)), missing="zero")
        same(reference, result, rtol=0, atol=0)
        assert any("set to 0" in note for note in result.manifest.notes)


# --- where the data come from ----------------------------------------------------------------------------------------
def test_frames_files_and_relations(estimator: str, case: Case, plain: Any, tmp_path: Path) -> None:
    """All coats for a balanced, a stacked and an unbalanced panel of doses; a frame, a file and a relation for all."""
    frame, options = case
    file = tmp_path / "panel.parquet"
    frame.to_parquet(file)
    connection = duckdb.connect()
    coats: list[Any] = [pl.from_pandas(frame), file, connection.from_df(frame)]
    if estimator in ("callaway_santanna", "stacked", "dose"):
        coats += [
            pl.from_pandas(frame).lazy(), pa.Table.from_pandas(frame), nw.from_native(frame), str(file),
            connection.read_parquet(str(file)),
        ]  # fmt: skip
    for coat in coats:
        result = gc.did(coat, **options)
        same(plain, result, rtol=0, atol=0)
        assert result.manifest.data_sha256 == plain.manifest.data_sha256


def test_files_and_frames_choose_the_same_clusters(tmp_path: Path) -> None:
    """A column that is a cluster by its name is found in a file too."""
    frame = PANEL.assign(city=PANEL["unit"] // 3)
    frame["first_treated"] = frame["city"].map(lambda c: {0: 3.0, 1: 4.0}.get(c % 3))
    frame.to_parquet(tmp_path / "p.parquet")
    with pytest.warns(gc.GmvCausalWarning, match="'city'"):
        plain = gc.did(frame)
    with pytest.warns(gc.GmvCausalWarning, match="'city'"):
        same(plain, gc.did(tmp_path / "p.parquet"), rtol=0, atol=0)
    same(plain, gc.did(frame, cluster="city"), rtol=0, atol=0)


def test_split_and_appended_again(case: Case, plain: Any) -> None:
    frame, options = case
    parts = np.array_split(np.random.default_rng(0).permutation(len(frame)), 3)
    same(plain, gc.did(pd.concat([frame.iloc[p] for p in parts]), **options), rtol=0, atol=0)
    with pytest.raises(gc.InputError, match="occur more than once"):
        gc.did(pd.concat([frame, frame]), **options)
    same(plain, gc.did(pd.concat([frame, frame]), dedupe="exact", **options), rtol=0, atol=0)


# --- no side effects -------------------------------------------------------------------------------------------------
def fingerprint(frame: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(frame).to_numpy().tobytes()).hexdigest()


def test_the_user_s_frame_and_the_random_state_are_left_alone(case: Case) -> None:
    frame, options = case
    frame = frame.copy()
    before = fingerprint(frame)
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the legacy state is what must not move
    result = gc.did(frame, **options)
    kept = numbers(result)
    result.audit.to_frame()
    assert fingerprint(frame) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002  # as above
    # What was read was copied: changing the frame afterwards changes nothing, not even tables made later.
    frame["gmv"] *= -3
    frame.loc[:, "unit"] = 0
    pd.testing.assert_frame_equal(numbers(result), kept)


def test_the_user_s_arrow_buffers_are_not_shared() -> None:
    values = PANEL["gmv"].to_numpy().copy()
    frame = pd.DataFrame({"unit": PANEL["unit"], "period": PANEL["period"], "first_treated": PANEL["first_treated"]})
    frame["gmv"] = pd.Series(values, copy=False)
    result = gc.did(frame)
    kept, table = numbers(result), result.manifest.data_sha256
    values[:] = 0
    frame.iloc[:, -1] = 0
    pd.testing.assert_frame_equal(numbers(gc.did(PANEL)), kept)
    assert result.manifest.data_sha256 == table


def test_same_seed_same_bands_other_seed_other_bands() -> None:
    first, again, other = (gc.did(PANEL, seed=s).event_study() for s in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["band_low"].dropna(), other["band_low"].dropna(), rtol=1e-12)
