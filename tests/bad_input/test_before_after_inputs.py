"""The catalogue of bad inputs, row by row, for `gc.before_after`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import gmvcausal as gc

_RNG = np.random.default_rng(0)
N, FROM = 70, 56
_WAVE = 0.1 * np.sin(np.arange(N) / 5)
BASE = pd.DataFrame({
    "day": pd.date_range("2025-03-03", periods=N),
    "gmv": 1e4 * np.exp(_WAVE + 0.03 * _RNG.standard_normal(N)) * (1 + 0.2 * (np.arange(N) >= FROM)),
    "other": 5e3 * np.exp(_WAVE + 0.03 * _RNG.standard_normal(N)),
})  # fmt: skip
START = "2025-04-28"
ROOMS = pd.concat([BASE.assign(room="a"), BASE.assign(room="b", gmv=BASE["other"])], ignore_index=True)


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def run(frame: Any, **options: Any) -> Any:
    return gc.before_after(
        frame, **({"outcome": "gmv", "time": "day", "start": START, "controls": ["other"]} | options)
    )


def text_days(rows: list[int], value: str) -> pd.DataFrame:
    day = BASE["day"].dt.strftime("%Y-%m-%d")
    day[rows] = value
    return of(day=day)


TWICE = pd.concat([BASE, BASE.iloc[[3, 4]]], ignore_index=True)
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "1 repeated days": (lambda: TWICE, {}, gc.InputError, "2 periods of 'day' occur more than once.*unit=", "day", 2, (70, 71)),
    "3 file twice": (lambda: pd.concat([BASE, BASE]), {}, gc.InputError, "70 periods", "day", 70, (70, 71, 72, 73, 74)),
    "3 rooms twice": (lambda: pd.concat([ROOMS, ROOMS]), {"unit": "room", "controls": ["b"]}, gc.InputError, "140 unit-periods occur more than once", "room", None, (140, 141, 142, 143, 144)),
    "rooms in rows, not said": (lambda: ROOMS, {}, gc.InputError, "70 periods.*unit=", "day", 70, (70, 71, 72, 73, 74)),
    "12 a room-day is missing": (lambda: ROOMS.drop(index=[80]), {"unit": "room", "controls": ["b"]}, gc.InputError, "1 unit-period is missing.*Write 0", "room", 1, ()),
    "no such room": (lambda: ROOMS, {"unit": "room", "controls": ["c"]}, gc.InputError, "'c', which is no unit", None, None, ()),
    "every room a control": (lambda: ROOMS, {"unit": "room", "controls": ["a", "b"]}, gc.InputError, "names every unit", "room", None, ()),
    "14 no date": (lambda: text_days([2, 6], "3rd of May"), {}, gc.InputError, "not an ISO date, for example '3rd of May'", "day", 2, (2, 6)),
    "15 zones mixed": (lambda: text_days([5], "2025-03-08T00:00:00+08:00"), {}, gc.InputError, "mixes time zones", "day", None, ()),
    "time is missing": (lambda: put("day", [9], pd.NaT), {}, gc.InputError, "time is missing", "day", 1, (9,)),
    "months": (lambda: BASE.assign(day=pd.date_range("2015-01-01", periods=N, freq="MS")), {"start": "2019-01-01"}, gc.InputError, "days or weeks", "day", None, ()),
    "dates as numbers": (lambda: of(day=BASE["day"].dt.strftime("%Y%m%d").astype(int) * 10), {"start": 3}, gc.InputError, "numbers", "day", None, ()),
    "numbers and a date": (lambda: of(day=np.arange(N)), {}, gc.InputError, "start must be a whole number", None, None, ()),
    "no start": (lambda: BASE, {"start": None}, gc.InputError, "start= is missing", None, None, ()),
    "start is no date": (lambda: BASE, {"start": "soon"}, gc.InputError, "start must be a date.*Write start= as year, month and day", None, None, ()),
    "start with a zone": (lambda: BASE, {"start": pd.Timestamp(START, tz="UTC")}, gc.InputError, "start carries the time zone", None, None, ()),
    "start after the data": (lambda: BASE, {"start": "2026-01-01"}, gc.DesignError, "after its last period; the series runs from 2025-03-03 to 2025-05-11", "day", None, ()),
    "7 start at the first day": (lambda: BASE, {"start": "2025-03-03"}, gc.DesignError, "at or before its first", "day", None, ()),
    "27 ten days before": (lambda: BASE, {"start": "2025-03-13"}, gc.DesignError, "10 days before the start are too few.*14", "day", None, ()),
    "end before start": (lambda: BASE, {"end": "2025-04-01"}, gc.InputError, "leaves no whole period", None, None, ()),
    "end after the data": (lambda: BASE, {"end": "2025-09-01"}, gc.InputError, "after the last period", None, None, ()),
    "45 missing GMV": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "missing.*missing='zero'", "gmv", 2, (5, 9)),
    "47 infinite GMV": (lambda: put("gmv", [7], np.inf), {}, gc.InputError, "infinite", "gmv", 1, (7,)),
    "48 all zero": (lambda: of(gmv=0.0), {}, gc.DesignError, "outcome is 0 in every period", "gmv", None, ()),
    "53 text": (lambda: of(gmv=[f"¥{v:,.2f}" for v in BASE["gmv"]]), {}, gc.InputError, "text", "gmv", N, (0, 1, 2, 3, 4)),
    "control is missing": (lambda: put("other", [5], np.nan), {}, gc.InputError, "control series is missing.*never guessed", "other", 1, (5,)),
    "61 control is constant": (lambda: of(other=3.0), {}, gc.InputError, "'other' is 3 throughout", "other", None, ()),
    "65 control is the outcome": (lambda: of(other=BASE["gmv"]), {}, gc.InputError, "is the outcome itself", "other", None, ()),
    "65 outcome named as control": (lambda: BASE, {"controls": ["gmv"]}, gc.InputError, "which is the outcome", "gmv", None, ()),
    "no such control": (lambda: BASE, {"controls": ["othr"]}, gc.InputError, "no column 'othr'.*'other'", None, None, ()),
    "controls is a number": (lambda: BASE, {"controls": 3}, gc.InputError, "controls must list", None, None, ()),
    "logarithm of a zero": (lambda: put("gmv", [5], 0.0), {"scale": "log"}, gc.InputError, "needs positive values, and the outcome", None, None, ()),
    "ratio on levels": (lambda: BASE, {"scale": "level", "controls_as": "ratio"}, gc.InputError, "needs scale='log'", None, None, ()),
    "promotions shared with nobody": (lambda: BASE, {"controls": [], "promotions_shared": True}, gc.InputError, "speaks of control series, and there is none.*controls=", None, None, ()),
    "promotions shared by name": (lambda: BASE, {"promotions_shared": "other"}, gc.InputError, "promotions_shared must be True or False", None, None, ()),
    "events of numbers": (lambda: of(day=np.arange(N)), {"start": FROM, "events": {"sale": "2025-05-01"}}, gc.InputError, "events= are dates, but the periods are numbers", "day", None, ()),
    "hac and structural": (lambda: BASE, {"method": "structural", "errors": "hac"}, gc.InputError, "belongs to method='regression'", None, None, ()),
    "no such method": (lambda: BASE, {"method": "arima"}, gc.InputError, "method must be one of 'regression', 'structural'", None, None, ()),
    "events is a list": (lambda: BASE, {"events": ["2025-05-01"]}, gc.InputError, "events must map names to dates", None, None, ()),
    "an event backwards": (lambda: BASE, {"events": {"sale": ("2025-05-03", "2025-05-01")}}, gc.InputError, "ends on 2025-05-01, before", None, None, ()),
    "an event that is no date": (lambda: BASE, {"events": {"sale": "some day"}}, gc.InputError, "must be a date", None, None, ()),
    "69 no rows": (lambda: BASE.iloc[:0], {}, gc.InputError, "no rows", None, None, ()),
    "69 one row": (lambda: BASE.iloc[:1], {}, gc.DesignError, "one period", "day", None, ()),
    "67 duplicate columns": (lambda: pd.concat([BASE, BASE[["gmv"]]], axis=1), {}, gc.InputError, "more than one column", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=str)
def test_refused(case: str) -> None:
    frame, options, error, words, column, count, rows = ERRORS[case]
    with pytest.raises(error, match=f"(?s){words}") as caught:
        run(frame(), **options)
    found = caught.value
    assert type(found) is error
    assert column is None or found.column == column
    assert count is None or found.count == count
    assert tuple(found.rows or ()) == rows
    assert found.remedy


def test_same_numbers_whatever_the_kind_of_table(tmp_path: Any) -> None:
    right = run(BASE).to_frame()
    BASE.to_parquet(tmp_path / "days.parquet")
    again = pd.concat([BASE.iloc[::-1]], keys=["x"])
    decimal = of(gmv=[Decimal(repr(float(v))) for v in BASE["gmv"]])
    for other in (tmp_path / "days.parquet", pl.from_pandas(BASE), again, decimal, of(day=BASE["day"].dt.date)):
        pd.testing.assert_frame_equal(run(other).to_frame(), right, rtol=1e-9)
    before = BASE.copy()
    run(BASE)
    pd.testing.assert_frame_equal(BASE, before)


def test_names_of_any_kind() -> None:
    names = {"gmv": "成交 额`\"'", "day": "import os", "other": "__import__('os')"}
    r = gc.before_after(BASE.rename(columns=names), names["gmv"], names["day"], START, controls=[names["other"]])
    assert r.estimate == run(BASE).estimate and r.unit.startswith("成交 额")
    assert "<script" not in run(BASE.rename(columns={"other": "<script>"}), controls=["<script>"]).to_html()


def test_numbers_as_periods_have_no_calendar() -> None:
    r = run(of(day=np.arange(N)), start=FROM)
    assert r.audit["promotion"].status == "warned" and "numbers" in r.audit["promotion"].message
    assert abs(r.to_frame().set_index("term").loc["relative", "estimate"] - 0.2) < 0.1


def test_16_days_cut_in_utc_are_told() -> None:
    utc = of(day=BASE["day"].dt.tz_localize("UTC"))
    assert run(utc).audit["day_boundary"].status == "warned"
    local = run(utc, timezone="Asia/Shanghai")
    assert local.audit["day_boundary"].status == "warned" and "08:00" in local.audit["day_boundary"].message
    shanghai = of(day=BASE["day"].dt.tz_localize("Asia/Shanghai"))
    assert run(shanghai).audit["day_boundary"].status == "passed"
    across = of(day=pd.date_range("2025-03-03", periods=N, tz="America/New_York"))  # 9 March has 23 hours
    pd.testing.assert_frame_equal(run(across).to_frame(), run(BASE).to_frame())


def test_45_zero_where_said() -> None:
    r = run(put("gmv", [5], np.nan), missing="zero")
    assert "counts as 0" in r.summary() and r.manifest.options["scale"] == "level"


def test_12_gaps_are_unknown_and_told() -> None:
    assert run(BASE.drop(index=[10])).audit["calendar_gaps"].status == "warned"
