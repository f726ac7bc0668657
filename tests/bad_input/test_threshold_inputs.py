"""The catalogue of bad inputs, row by row, for `gc.threshold`."""

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
N = 400
_X = _RNG.uniform(100, 500, N)
BASE = pd.DataFrame({
    "spent": _X, "gmv": 20 + 0.1 * _X + 30 * (_X >= 300) + _RNG.gamma(2, 10, N), "got": (_X >= 300) * 1,
    "age": _RNG.normal(35, 9, N), "who": np.arange(N),
})  # fmt: skip


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def run(frame: Any, **options: Any) -> Any:
    return gc.threshold(frame, **({"outcome": "gmv", "score": "spent", "cutoff": 300} | options))


COUPON = {"treatment": "got"}
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "45 missing GMV": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "missing.*missing='zero'", "gmv", 2, (5, 9)),
    "47 infinite GMV": (lambda: put("gmv", [7], np.inf), {}, gc.InputError, "infinite", "gmv", 1, (7,)),
    "48 all zero": (lambda: of(gmv=0.0), {}, gc.DesignError, "outcome is 0 in every row", "gmv", None, ()),
    "53 text": (lambda: of(gmv=[f"¥{v:,.2f}" for v in BASE["gmv"]]), {}, gc.InputError, "text", "gmv", N, (0, 1, 2, 3, 4)),
    "missing score": (lambda: put("spent", [2], np.nan), {}, gc.InputError, "score is missing.*never guessed", "spent", 1, (2,)),
    "infinite score": (lambda: put("spent", [3], np.inf), {}, gc.InputError, "infinite", "spent", 1, (3,)),
    "text score": (lambda: of(spent=BASE["spent"].astype(str)), {}, gc.InputError, "text", "spent", N, (0, 1, 2, 3, 4)),
    "cutoff beyond the data": (lambda: BASE, {"cutoff": 30_000}, gc.DesignError, "0 rows with 0 distinct scores lie at or above the cutoff 30000.*the score runs from.*Check cutoff", "spent", None, ()),
    "score of two values": (lambda: of(spent=np.where(_X >= 300, 1, 0)), {"cutoff": 1}, gc.DesignError, "1 distinct score lies below", "spent", None, ()),
    "cutoff is text": (lambda: BASE, {"cutoff": "300"}, gc.InputError, "cutoff must be a number", None, None, ()),
    "cutoff is not finite": (lambda: BASE, {"cutoff": np.nan}, gc.InputError, "cutoff must be a number", None, None, ()),
    "no such side": (lambda: BASE, {"treated": "right"}, gc.InputError, "treated must be one of 'above', 'below'", None, None, ()),
    "treated on the other side": (lambda: of(got=(_X < 300) * 1), COUPON, gc.InputError, "all units on the other side.*treated='below'", "got", N, (0, 1, 2, 3, 4)),
    "26 treatment constant": (lambda: of(got=1), COUPON, gc.DesignError, "treatment is 1 in every row", "got", None, ()),
    "30 treatment 1 and 2": (lambda: of(got=BASE["got"] + 1), COUPON, gc.InputError, "0", "got", None, ()),
    "33 missing treatment": (lambda: put("got", [3, 8], np.nan), COUPON, gc.InputError, "treatment is missing", "got", 2, (3, 8)),
    "28 text treatment": (lambda: of(got=np.where(_X >= 300, "yes", "no")), COUPON, gc.InputError, "text", "got", N, (0, 1, 2, 3, 4)),
    "62 missing covariate": (lambda: put("age", [4], np.nan), {"covariates": ["age"]}, gc.InputError, "missing.*never guessed", "age", 1, (4,)),
    "65 the outcome as covariate": (lambda: BASE, {"covariates": ["gmv"]}, gc.InputError, "which is the outcome too", "gmv", None, ()),
    "score as covariate": (lambda: BASE, {"covariates": ["spent"]}, gc.InputError, "which is the score too", "spent", None, ()),
    "the rule as covariate": (lambda: BASE, {"covariates": ["got"]}, gc.InputError, "one value below the cutoff and another above", "got", None, ()),
    "outcome is the score": (lambda: BASE, {"outcome": "spent"}, gc.InputError, "which is the outcome too", "spent", None, ()),
    "rows twice": (lambda: pd.concat([BASE.rename(columns={"who": "user"}), BASE.rename(columns={"who": "user"})[:2]]), {}, gc.InputError, "units occur more than once.*cluster='user'", "user", 2, (N, N + 1)),
    "19 one cluster below": (lambda: of(room=np.where(_X < 300, 0, BASE["who"])), {"cluster": "room"}, gc.DesignError, "only 1 cluster below", "room", None, ()),
    "69 no rows": (lambda: BASE[:0], {}, gc.InputError, "no rows", None, None, ()),
    "67 columns twice": (lambda: pd.concat([BASE, BASE[["gmv"]]], axis=1), {}, gc.InputError, "more than one column called 'gmv'", None, None, ()),
    "no such column": (lambda: BASE, {"score": "spend"}, gc.InputError, "no column 'spend'.*'spent'", None, None, ()),
    "bandwidth 0": (lambda: BASE, {"bandwidth": 0}, gc.InputError, "bandwidth must be a number above 0", None, None, ()),
    "bandwidth too narrow": (lambda: BASE, {"bandwidth": 0.001}, gc.DesignError, "too few distinct scores.*larger bandwidth", "spent", None, ()),
    "nothing varies near the cutoff": (lambda: of(gmv=np.where(np.abs(_X - 300) > 150, BASE["gmv"], 0.0)), {}, gc.DesignError, "or the outcome does not vary", "spent", None, ()),
    "treatment constant near the cutoff": (lambda: of(got=(np.abs(_X - 300) > 150) * 1), COUPON | {"bandwidth": 50}, gc.DesignError, "the treatment does not change", "spent", None, ()),
    "bias bandwidth alone": (lambda: BASE, {"bias_bandwidth": 50}, gc.InputError, "bias_bandwidth= goes with bandwidth=", None, None, ()),
    "donut below 0": (lambda: BASE, {"donut": -1}, gc.InputError, "donut must be a number of at least 0", None, None, ()),
    "donut that takes all": (lambda: BASE, {"donut": 250}, gc.DesignError, "the donut leaves fewer than 10", "spent", None, ()),
    "no such errors": (lambda: BASE, {"errors": "hc9"}, gc.InputError, "errors must be one of 'nn'", None, None, ()),
    "alpha in percent": (lambda: BASE, {"alpha": 5}, gc.InputError, "alpha must be", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused(case: str) -> None:
    made, options, kind, words, column, count, rows = ERRORS[case]
    with pytest.raises(gc.GmvCausalError, match=f"(?s){words}") as caught:
        run(made(), **options)
    assert type(caught.value) is kind
    if column is not None:
        assert caught.value.column == column
    if count is not None:
        assert caught.value.count == count and tuple(caught.value.rows) == rows


SAME: dict[str, Callable[[], Any]] = {
    "13 unsorted": lambda: BASE.sample(frac=1, random_state=3),
    "29 booleans": lambda: of(got=_X >= 300),
    "54 Decimal": lambda: of(gmv=[Decimal(repr(float(v))) for v in BASE["gmv"]]),
    "67 an index of its own": lambda: BASE.set_axis(np.zeros(N), axis=0),
    "70 polars": lambda: pl.from_pandas(BASE),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_number(case: str) -> None:
    want, got = run(BASE, treatment="got").to_frame(), run(SAME[case](), treatment="got").to_frame()
    pd.testing.assert_frame_equal(want, got)


def test_71_the_frame_is_not_changed() -> None:
    frame = BASE.copy()
    run(frame, covariates=["age"], donut=1)
    pd.testing.assert_frame_equal(frame, BASE)


def test_60_61_covariates_that_say_nothing_are_dropped_and_told() -> None:
    frame = of(twice=BASE["age"] * 2, same=1.0)
    r = run(frame, covariates=["age", "twice", "same"])
    assert r.estimate == pytest.approx(run(BASE, covariates=["age"]).estimate, rel=1e-9)
    assert "'twice' was dropped" in r.summary() and "'same' is constant" in r.summary()


def test_45_missing_zero_is_told() -> None:
    r = run(put("gmv", [5, 9], np.nan), missing="zero")
    assert r.estimate == run(put("gmv", [5, 9], 0.0)).estimate and "missing in 2 rows" in r.summary()


def test_68_names_that_are_code() -> None:
    names = {"gmv": "成交 `额`", "spent": "__import__('os')", "age": 'a "b"; DROP'}
    r = gc.threshold(BASE.rename(columns=names), names["gmv"], names["spent"], 300, covariates=[names["age"]])
    assert r.estimate == run(BASE, covariates=["age"]).estimate
