"""The catalogue of bad inputs, row by row, for the covariates of `gc.did`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout

import gmvcausal as gc

PANEL = rollout(n=120, periods=6, cohorts=(3, 5), seed=0)[["unit", "period", "gmv", "first_treated"]]
_RNG = np.random.default_rng(4)
_AT = PANEL["unit"].to_numpy()
BASE = PANEL.assign(
    age=_RNG.normal(size=120)[_AT], city=np.array(["北京", "Hefei", "O'Fallon"])[_RNG.integers(0, 3, 120)][_AT]
)
X: dict[str, Any] = {"covariates": ["age", "city"]}
N = len(BASE)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def started() -> np.ndarray:
    return BASE["first_treated"].notna().to_numpy()


# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "35 a cohort of one": (lambda: BASE.assign(first_treated=np.where(_AT == 3, 4, np.where((_AT < 40) & (_AT != 3), 3, np.nan)), rare=(_AT == 3) * 1.0),
        {"covariates": ["rare"]}, gc.DesignError, "cohort first treated in 4 from all of its control units.*fewer covariates", None, None, ()),
    "43 perfect separation": (lambda: BASE.assign(age=BASE["age"] + 40 * started()), X, gc.DesignError,
        "covariates separate the cohort first treated in 3.*adjustment='regression'", None, None, ()),
    "43 one category for the treated": (lambda: BASE.assign(city=np.where(started(), "south", "north")), X, gc.DesignError, "separate the cohort", None, None, ()),
    "43 regression, a level of the treated only": (lambda: BASE.assign(city=np.where(started(), "south", "north")), X | {"adjustment": "regression"},
        gc.DesignError, "control units of the cohort first treated in 3 cannot tell 2 covariates apart.*treated only", None, None, ()),
    "35 two controls": (lambda: BASE[(BASE["first_treated"].notna()) | BASE["unit"].isin(BASE.loc[BASE["first_treated"].isna(), "unit"].unique()[:2])],
        {"covariates": ["age"], "adjustment": "regression"}, gc.DesignError, "2 control units.*cannot tell", None, None, ()),
    "61 all constant": (lambda: BASE.assign(age=1.0), {"covariates": ["age"]}, gc.InputError, "no covariate is left: all are constant", "age", None, ()),
    "62 infinite": (lambda: put("age", [5, 9], np.inf), X, gc.InputError, "covariates holds infinite values", "age", 2, (5, 9)),
    "62 missing": (lambda: put("age", [5, 9], np.nan), X, gc.InputError, "covariates is missing.*never guessed", "age", 2, (5, 9)),
    "62 missing level": (lambda: put("city", [5, 9], None), X, gc.InputError, "covariates is missing", "city", 2, (5, 9)),
    "63 text that is no category": (lambda: BASE.assign(city=[f"¥{v:.2f}" for v in BASE["gmv"]]), X, gc.InputError, "numbers as text, for example .*strip currency signs", "city", None, ()),
    "64 dates": (lambda: BASE.assign(joined=pd.Timestamp("2025-11-01")), {"covariates": ["joined"]}, gc.InputError, "datetime.*cannot be read as numbers", "joined", None, ()),
    "65 the outcome itself": (lambda: BASE, {"covariates": ["age", "gmv"]}, gc.InputError, "'gmv', which is the outcome itself.*before the start", "gmv", None, ()),
    "65 the treatment": (lambda: BASE, {"covariates": ["first_treated"]}, gc.InputError, "which is the column of treatment", "first_treated", None, ()),
    "65 the time": (lambda: BASE, {"covariates": ["period"]}, gc.InputError, "which is the column of time", "period", None, ()),
    "no such column": (lambda: BASE, {"covariates": ["Age"]}, gc.InputError, "no column 'Age'.*did you mean 'age'", None, None, ()),
    "not names": (lambda: BASE, {"covariates": [3]}, gc.InputError, "covariates must list column names, but holds 3", None, None, ()),
    "an estimator without": (lambda: BASE, X | {"estimator": "twfe"}, gc.InputError, "covariates= has no meaning for estimator='twfe'.*callaway_santanna", None, None, ()),
    "placebo inference without them": (lambda: BASE, X | {"inference": "conley_taber"}, gc.InputError, "inference='conley_taber' is not made with covariates", None, None, ()),
    "an adjustment of nothing": (lambda: BASE, {"adjustment": "ipw"}, gc.InputError, "no meaning without covariates", None, None, ()),
    "an unknown adjustment": (lambda: BASE, X | {"adjustment": "psm"}, gc.InputError, "adjustment must be one of 'doubly_robust', 'regression', 'ipw'", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("row", list(ERRORS))
def test_errors(row: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[row]
    frame = make()
    before = frame.copy()
    with pytest.raises(gc.GmvCausalError, match=f"(?is){words}") as caught:
        gc.did(frame, **options)
    error = caught.value
    assert type(error) is kind
    assert error.remedy, "a message without the next step"
    assert column is None or error.column == column
    assert count is None or error.count == count
    assert not rows or error.rows == rows
    pd.testing.assert_frame_equal(frame, before)


REPAIRS: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any], str]] = {
    "60 collinear": (lambda: BASE.assign(months=12 * BASE["age"] + 3), {"covariates": ["age", "city", "months"]}, "'months' was dropped: it is a combination"),
    "60 the same column named twice": (lambda: BASE, {"covariates": ["age", "city", "age"]}, ""),
    "61 constant": (lambda: BASE.assign(one=1e9), {"covariates": ["one", "age", "city"]}, "'one' is constant and was dropped"),
    "63 levels are told": (lambda: BASE, X, "'city' is a category with the levels 'Hefei', \"O'Fallon\", '北京'; the first is the base"),
    "63 category with unused levels": (lambda: BASE.assign(city=pd.Categorical(BASE["city"], ["Wuhan", "北京", "O'Fallon", "Hefei"])), X, "levels 'Hefei'"),
    "66 wild scale": (lambda: BASE.assign(age=BASE["age"] * 1e-9), X, ""),
    "66 wild offset": (lambda: BASE.assign(age=BASE["age"] * 1e3 + 1e8), X, ""),
    "54 Decimal": (lambda: BASE.assign(age=[Decimal(repr(v)) for v in BASE["age"]]), X, ""),
    "55 Float64": (lambda: BASE.assign(age=BASE["age"].astype("Float64")), X, ""),
    "68 names": (lambda: BASE.rename(columns={"age": '__import__("os") `年龄`', "city": "select"}), {"covariates": ['__import__("os") `年龄`', "select"]}, ""),
    "67 index": (lambda: BASE.set_index(np.zeros(N, dtype=int)), X, ""),
}  # fmt: skip


@pytest.mark.parametrize("row", list(REPAIRS))
def test_repairs(row: str) -> None:
    make, options, words = REPAIRS[row]
    expected, found = gc.did(BASE, **X), gc.did(make(), **options)
    assert (found.estimate, found.std_error) == pytest.approx((expected.estimate, expected.std_error), rel=1e-7)
    assert any(words in note for note in found.manifest.notes)
    assert words in " ".join(found.summary().split())


def test_booleans_are_numbers() -> None:
    flag = BASE["age"] > 0
    found = [
        gc.did(BASE.assign(f=f), covariates=["f"]).estimate
        for f in (flag, flag.astype(int), flag.map({True: "y", False: "n"}))
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-10)


def test_few_treated_clusters_get_no_interval_but_a_reason() -> None:
    few = BASE.assign(first_treated=np.where(_AT < 7, 4.0, np.nan))
    result = gc.did(few, covariates=["age"])
    assert np.isfinite(result.estimate) and np.isnan([result.std_error, *result.conf_int()]).all()
    assert "7 treated" in result.estimates.withheld and "not made with covariates" in result.estimates.withheld
    assert result.audit["few_clusters"].status == "failed"
