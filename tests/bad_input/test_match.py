"""The catalogue of bad inputs, row by row, for `gc.match`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

_RNG = np.random.default_rng(0)
N = 200
_AGE = _RNG.normal(size=N)
BASE = pd.DataFrame({
    "user": np.arange(N), "on": (_RNG.random(N) < 1 / (1 + np.exp(0.7 - _AGE))).astype(int), "age": _AGE,
    "city": np.array(["北京", "Hefei", "O'Fallon"])[_RNG.integers(0, 3, N)],
})  # fmt: skip
ON = BASE["on"].to_numpy() == 1
FIRST = int(np.flatnonzero(ON)[0])


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(object if value is None else float) if column != "city" else frame[column]
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def panel(**columns: Any) -> pd.DataFrame:
    frame = BASE.loc[BASE.index.repeat(6)].assign(week=np.tile(np.arange(1, 7), N)).reset_index(drop=True)
    frame["start"] = np.where(frame["on"] == 1, 4.0, np.nan)
    return frame.assign(**columns)


WEEKS = {"treatment": "start", "unit": "user", "time": "week"}
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "28 text arms": (lambda: of(on=np.where(ON, "coupon", "none")), {}, gc.InputError, "not named.*'coupon', 'none'.*control=", "on", None, ()),
    "30 arms 1 and 2": (lambda: of(on=BASE["on"] + 1), {}, gc.InputError, "not named.*labels 1, 2 .*control=", "on", None, ()),
    "31 arms -1 and 1": (lambda: of(on=2 * BASE["on"] - 1), {}, gc.InputError, "not named.*labels -1, 1 .*control=", "on", None, ()),
    "33 missing arm": (lambda: put("on", [3, 8], np.nan), {}, gc.InputError, "treatment is missing", "on", 2, (3, 8)),
    "34 three arms": (lambda: of(on=np.arange(N) % 3), {}, gc.InputError, "treatment has 3 values.*compares two", "on", None, ()),
    "34 three arms, control named": (lambda: of(on=np.array(["a", "b", "c"])[np.arange(N) % 3]), {"control": "a"}, gc.InputError, "has 3 values.*two arms", "on", None, ()),
    "44 dose": (lambda: of(on=np.arange(N) // 2), {}, gc.InputError, "has 100 values of a dose", "on", None, ()),
    "35 one treated": (lambda: of(on=(np.arange(N) == 3) * 1), {}, gc.DesignError, "there is 1 treated unit.*two of each", "on", None, ()),
    "26 nobody treated": (lambda: of(on=0), {}, gc.DesignError, "treatment is 0 in every row", "on", None, ()),
    "control that does not occur": (lambda: of(on=np.where(ON, "coupon", "none")), {"control": "nothing"}, gc.InputError, "control is 'nothing'.*no label.*'none'", "on", None, ()),
    "42 users twice": (lambda: pd.concat([BASE, BASE.iloc[:4]], ignore_index=True), {"unit": "user"}, gc.InputError, "4 units occur more than once.*time=", "user", 4, (N, N + 1, N + 2, N + 3)),
    "43 perfect separation": (lambda: of(age=BASE["age"] + 50 * ON), {}, gc.DesignError, "separate the treated from all controls.*leave out", "on", None, ()),
    "43 a category of the treated": (lambda: of(city=np.where(ON, "x", "y")), {"covariates": ["city"]}, gc.DesignError, "separate the treated", "on", None, ()),
    "43 nobody within the caliper": (lambda: of(age=np.where(ON, 1.0, 0.0) + 1e-3 * np.sin(np.arange(N)) + (np.arange(N) == FIRST) * -1.0 + 1.0 * (np.arange(N) == np.flatnonzero(~ON)[0])), {"caliper": 1e-9}, gc.DesignError, "within the caliper.*widen", None, None, ()),
    "61 constant": (lambda: of(age=1.0), {"covariates": ["age"]}, gc.InputError, "all are constant", None, None, ()),
    "62 infinite": (lambda: put("age", [3, 8], np.inf), {}, gc.InputError, "infinite", "age", 2, (3, 8)),
    "62 missing": (lambda: put("age", [3, 8], np.nan), {}, gc.InputError, "covariates is missing.*never guessed", "age", 2, (3, 8)),
    "63 text of many levels": (lambda: of(city=[f"{v:.6f}" for v in BASE["age"]]), {}, gc.InputError, "numbers as text.*convert them", "city", None, ()),
    "64 dates": (lambda: of(age=pd.Timestamp("2025-11-01")), {}, gc.InputError, "cannot be read as numbers", "age", None, ()),
    "65 the treatment itself": (lambda: BASE, {"covariates": ["age", "on"]}, gc.InputError, "'on', which is treatment=", "on", None, ()),
    "65 the treatment by another name": (lambda: of(copy=BASE["on"] * 2.0), {"covariates": ["copy"]}, gc.DesignError, "separate the treated", "on", None, ()),
    "no covariates": (lambda: BASE, {"covariates": []}, gc.InputError, "names no column to match on", None, None, ()),
    "caliper of zero": (lambda: BASE, {"caliper": 0}, gc.InputError, "caliper must be a number.*above 0", None, None, ()),
    "caliper as text": (lambda: BASE, {"caliper": "auto"}, gc.InputError, "caliper must be", None, None, ()),
    "replace as text": (lambda: BASE, {"replace": "no"}, gc.InputError, "replace must be True or False", None, None, ()),
    "a column called weight": (lambda: of(weight=1), {}, gc.InputError, "column 'weight' already.*rename", "weight", None, ()),
    "time without unit": (panel, {"time": "week"}, gc.InputError, "whose units unit= must name", None, None, ()),
    "before without time": (lambda: BASE, {"before": 3}, gc.InputError, "before= is a period.*no time=", None, None, ()),
    "1 unit-periods twice": (lambda: pd.concat([panel(), panel().iloc[:2]], ignore_index=True), WEEKS, gc.InputError, "2 unit-periods occur more than once", "user", 2, (6 * N, 6 * N + 1)),
    "5 start varies": (lambda: panel(start=lambda f: f["start"].where(f.index != 6 * FIRST + 2, 5.0)), WEEKS, gc.InputError, "treatment varies within units for 1", "start", None, ()),
    "7 treated from the first period": (lambda: panel(start=np.where(np.repeat(ON, 6), 1.0, np.nan)), WEEKS, gc.DesignError, "0 treated unit", "start", None, ()),
    "periods before unknown": (lambda: panel(age=lambda f: f["age"] + f["week"]), WEEKS | {"treatment": "on"}, gc.DesignError, "not known which periods.*before=", "on", None, ()),
    "before as text": (panel, WEEKS | {"before": "week 3"}, gc.InputError, "before must be a period", None, None, ()),
    "before the first period": (panel, WEEKS | {"before": 0}, gc.DesignError, "no period lies before", None, None, ()),
    "a category that changes": (lambda: panel(city=np.tile(list("abcabc"), N)), WEEKS, gc.InputError, "covariates varies within units.*category", "city", None, ()),
    "no such column": (lambda: BASE, {"covariates": ["Age"]}, gc.InputError, "no column 'Age'.*did you mean 'age'", None, None, ()),
    "69 no rows": (lambda: BASE.iloc[:0], {}, gc.InputError, "no rows", None, None, ()),
    "70 not a table": (lambda: [1], {}, gc.InputError, "no table", None, None, ()),
}  # fmt: skip
DEFAULT: dict[str, Any] = {"treatment": "on", "covariates": ["age", "city"]}


@pytest.mark.parametrize("row", list(ERRORS))
def test_errors(row: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[row]
    with pytest.raises(gc.GmvCausalError, match=f"(?is){words}") as caught:
        gc.match(make(), **DEFAULT | options)
    error = caught.value
    assert type(error) is kind
    assert error.remedy, "a message without the next step"
    assert column is None or error.column == column
    assert count is None or error.count == count
    assert not rows or error.rows == rows


SAME: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any]]] = {
    "28 text arms, control named": (lambda: of(on=np.where(ON, "coupon", "none")), {"control": "none"}),
    "29 booleans": (lambda: of(on=ON), {}),
    "31 arms -1 and 1, control named": (lambda: of(on=2 * BASE["on"] - 1), {"control": -1}),
    "32 unused levels": (lambda: of(on=pd.Categorical(np.where(ON, "yes", "no"), ["maybe", "no", "yes"])), {"control": "no"}),
    "54 Decimal": (lambda: of(age=[Decimal(repr(v)) for v in BASE["age"]]), {}),
    "55 nullable": (lambda: of(age=BASE["age"].astype("Float64"), on=BASE["on"].astype("Int64")), {}),
    "60 collinear": (lambda: of(twice=2 * BASE["age"]), {"covariates": ["age", "city", "twice"]}),
    "61 constant": (lambda: of(flat=3), {"covariates": ["flat", "age", "city"]}),
    "66 wild scale": (lambda: of(age=1e9 * BASE["age"] + 1e12), {}),
    "68 names": (lambda: BASE.rename(columns={"age": '__import__("os")'}), {"covariates": ['__import__("os")', "city"]}),
    "panel of what does not change": (panel, WEEKS | {"treatment": "on"}),
    "panel with starts": (panel, WEEKS),
    "panel, started after the data": (lambda: panel(start=lambda f: f["start"].fillna(9)), WEEKS),
    "panel, 0 is never": (lambda: panel(start=lambda f: f["start"].fillna(0)), WEEKS),
    "panel, infinity is never": (lambda: panel(start=lambda f: f["start"].fillna(np.inf)), WEEKS),
    "panel with dates": (lambda: panel(week=lambda f: pd.Timestamp("2025-11-02") + pd.to_timedelta(7 * f["week"], unit="D"),
        start=lambda f: pd.Timestamp("2025-11-02") + pd.to_timedelta(7 * f["start"], unit="D")), WEEKS),
}  # fmt: skip


@pytest.mark.parametrize("row", list(SAME))
def test_the_same_units_are_matched(row: str) -> None:
    make, options = SAME[row]
    frame = make()
    before = frame.copy()
    expected = gc.match(BASE, **DEFAULT, unit="user").frame
    found = gc.match(frame, **DEFAULT | {"unit": "user"} | options).frame
    pd.testing.assert_frame_equal(frame, before)
    one = found.groupby("user")["weight"].first()
    pd.testing.assert_series_equal(one, expected.set_index("user")["weight"].sort_index())


def test_treated_from_the_first_period_are_left_out_and_counted() -> None:
    frame = panel(start=lambda f: f["start"].where(f["user"] != FIRST, 1.0))
    m = gc.match(frame, covariates=["age"], **WEEKS)
    assert m.manifest.dropped == {"treated from the first period on": 1}
    assert FIRST not in set(m.frame["user"]) and "1 units left out" in m.summary()
