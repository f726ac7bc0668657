"""The catalogue of bad inputs, row by row, for `gc.surrogate`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from surrogate_data import COLUMNS, tables

import gmvcausal as gc

TEST, PAST = tables(0, 60, 80)
GIVEN: dict[str, Any] = {"outcome": "gmv_90d", "arm": "arm", "surrogates": COLUMNS, "covariates": ["taste"]}


def put(frame: pd.DataFrame, column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = frame.copy()
    frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


Case = tuple[Callable[[], tuple[Any, Any]], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]
ERRORS: dict[str, Case] = {
    "no surrogates": (lambda: (TEST, PAST), {"surrogates": []}, gc.InputError, "surrogates= names no column.*two weeks", None, None, ()),
    "surrogate is the outcome": (lambda: (TEST, PAST), {"surrogates": ["gmv_90d"]}, gc.InputError, "'gmv_90d', which is the outcome", "gmv_90d", None, ()),
    "surrogate and covariate": (lambda: (TEST, PAST), {"covariates": ["visits"]}, gc.InputError, "covariates= names 'visits', which is the surrogate", "visits", None, ()),
    "outcome is the arm": (lambda: (TEST, PAST), {"outcome": "arm"}, gc.InputError, "outcome and arm are both", None, None, ()),
    "no surrogate in the history": (lambda: (TEST, PAST.drop(columns="visits")), {}, gc.InputError, "history has no column 'visits'", None, None, ()),
    "no surrogate in the experiment": (lambda: (TEST.drop(columns="visits"), PAST), {}, gc.InputError, "experiment has no column 'visits'", None, None, ()),
    "no outcome in the history": (lambda: (TEST, PAST.drop(columns="gmv_90d")), {}, gc.InputError, "history has no column 'gmv_90d'", None, None, ()),
    "45 missing long outcome": (lambda: (TEST, put(PAST, "gmv_90d", [3, 8], np.nan)), {}, gc.InputError, "missing.*missing='zero'", "gmv_90d", 2, (3, 8)),
    "missing surrogate": (lambda: (put(TEST, "visits", [1], np.nan), PAST), {}, gc.InputError, "missing.*never guessed", "visits", 1, (1,)),
    "47 infinite": (lambda: (put(TEST, "gmv_14d", [7], np.inf), PAST), {}, gc.InputError, "infinite", "gmv_14d", 1, (7,)),
    "33 missing arm": (lambda: (put(TEST, "arm", [3, 8], np.nan), PAST), {}, gc.InputError, "arm is missing", "arm", 2, (3, 8)),
    "28 text arms": (lambda: (TEST.assign(arm=np.where(TEST["arm"] == 1, "a", "b")), PAST), {}, gc.InputError, "control arm is not named", "arm", None, ()),
    "26 one arm": (lambda: (TEST.assign(arm=0), PAST), {}, gc.InputError, "only one label", "arm", None, ()),
    "48 constant outcome": (lambda: (TEST, PAST.assign(gmv_90d=0.0)), {}, gc.DesignError, "is 0 in every row of history", "gmv_90d", None, ()),
    "constant surrogates": (lambda: (TEST, PAST.assign(visits=1, gmv_14d=2.0)), {}, gc.DesignError, "no surrogate varies in the history", None, None, ()),
    "short history": (lambda: (TEST, PAST[:4]), {}, gc.DesignError, "4 rows of history are too few", None, None, ()),
    "a level never seen": (lambda: (TEST.assign(taste=np.where(TEST.index < 3, "new", "x")), PAST.assign(taste="x")), {}, gc.DesignError, "is 'new' in the experiment and never in the history.*3 rows", "taste", None, (0, 1, 2)),
    "text here, numbers there": (lambda: (TEST.assign(taste="x"), PAST), {}, gc.InputError, "holds text in the experiment and numbers in the history", "taste", None, ()),
    "apart without fail": (lambda: (TEST.assign(taste=TEST["taste"] + 99), PAST), {"estimator": "score"}, gc.DesignError, "tell the experiment from the history.*estimator='index'", None, None, ()),
    "trees alone": (lambda: (TEST, PAST), {"learner": "trees"}, gc.InputError, "off by as much as trees are.*doubly_robust", None, None, ()),
    "no such estimator": (lambda: (TEST, PAST), {"estimator": "best"}, gc.InputError, "estimator must be one of", None, None, ()),
    "half a fold": (lambda: (TEST, PAST), {"folds": 2.5}, gc.InputError, "folds must be a whole number from 2 to 50", None, None, ()),
    "one fold": (lambda: (TEST, PAST), {"folds": 1}, gc.InputError, "folds must be a whole number", None, None, ()),
    "alpha in percent": (lambda: (TEST, PAST), {"alpha": 5}, gc.InputError, "alpha must be", None, None, ()),
    "units twice": (lambda: (TEST.assign(user=np.arange(60) // 2), PAST), {}, gc.InputError, "units occur more than once.*cluster='user'", "user", 30, (1, 3, 5, 7, 9)),
    "one cluster": (lambda: (TEST.assign(shop=1), PAST), {"cluster": "shop"}, gc.InputError, "only one cluster", "shop", None, ()),
    "69 no rows": (lambda: (TEST[:0], PAST), {}, gc.InputError, "experiment has no rows", None, None, ()),
    "no table": (lambda: (TEST, None), {}, gc.InputError, "history is a NoneType", None, None, ()),
    "cluster is the arm": (lambda: (TEST, PAST), {"cluster": "arm"}, gc.InputError, "cluster= names 'arm', which is the arm", "arm", None, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ERRORS))
def test_refused(name: str) -> None:
    make, options, error, words, column, count, rows = ERRORS[name]
    test, past = make()
    with pytest.raises(error, match="(?s)" + words) as caught:
        gc.surrogate(test, past, **GIVEN | options)
    if column is not None:
        assert caught.value.column == column
    if count is not None:
        assert caught.value.count == count
    if rows:
        assert tuple(caught.value.rows) == rows


def test_what_is_taken() -> None:
    base = gc.surrogate(TEST, PAST, **GIVEN)
    before = TEST.copy(), PAST.copy()
    for change in (
        lambda t: t.astype({"visits": "Int64", "gmv_14d": "float32"}),
        lambda t: t.convert_dtypes(),
        lambda t: t.set_index(np.arange(len(t))[::-1] * 7),
    ):
        r = gc.surrogate(change(TEST), change(PAST), **GIVEN)
        assert r.estimate == pytest.approx(base.estimate, rel=1e-5)
    pd.testing.assert_frame_equal(TEST, before[0])
    pd.testing.assert_frame_equal(PAST, before[1])
    zero = gc.surrogate(TEST, put(PAST, "gmv_90d", [3], np.nan), **GIVEN, missing="zero")
    assert "counts as 0" in " ".join(zero.manifest.notes)
    text = [t.assign(city=np.where(t["taste"] > 2, "x", "y")) for t in (TEST, PAST)]
    r = gc.surrogate(*text, **GIVEN | {"covariates": ["city"]})
    flag = [t.assign(city=(t["taste"] > 2) * 1) for t in (TEST, PAST)]
    assert r.std_error == pytest.approx(gc.surrogate(*flag, **GIVEN | {"covariates": ["city"]}).std_error)
    same = gc.surrogate(TEST, PAST.assign(visits=1), **GIVEN)
    assert "'visits' is constant" in " ".join(same.manifest.notes)
