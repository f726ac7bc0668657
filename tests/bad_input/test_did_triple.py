"""Bad inputs of the triple difference: an error that names column, count, rows and remedy, or a note."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

UNITS, PERIODS = 80, 4


def base() -> pd.DataFrame:
    """Twenty towns of four members, half of them eligible; ten towns start in period 3."""
    unit, t = np.repeat(np.arange(UNITS), PERIODS), np.tile(np.arange(1, PERIODS + 1), UNITS)
    noise = np.random.default_rng(0).normal(size=len(unit))
    return pd.DataFrame({
        "unit": unit, "period": t, "town": unit // 4, "eligible": unit % 2, "gmv": 10 + unit % 7 + noise,
        "first_treated": np.where(unit // 4 < 10, 3.0, np.nan),
    })  # fmt: skip


BASE = base()
TREATED, EVEN = BASE["first_treated"].notna(), BASE["eligible"] == 1


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


# id: (frame, options, error, words of the message, column, count, first rows)
CASES: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "no eligible": (lambda: BASE, {"eligible": None}, gc.InputError, "needs eligible=, the 0/1 column", None, None, ()),
    "another estimator": (lambda: BASE, {"estimator": "callaway_santanna"}, gc.InputError,
        "eligible= has no meaning for estimator='callaway_santanna'.*estimator='triple'", None, None, ()),
    "no such column": (lambda: BASE, {"eligible": "elligible"}, gc.InputError, "no column 'elligible'.*eligible", None, None, ()),
    "not a column's name": (lambda: BASE, {"eligible": 3}, gc.InputError, "eligible", None, None, ()),
    "values other than 0 and 1": (lambda: put("eligible", [2, 9], 2), {}, gc.InputError, "2", "eligible", 2, (2, 9)),
    "missing": (lambda: put("eligible", [2, 9], np.nan), {}, gc.InputError, "eligible is missing", "eligible", 2, (2, 9)),
    "text": (lambda: BASE.assign(eligible="new"), {}, gc.InputError, "holds text, for example 'new'", "eligible", 320, (0, 1)),
    "varies within a unit": (lambda: put("eligible", [2, 9], 1), {}, gc.InputError,
        "eligible varies within units for 2 of them.*before the start", "eligible", 2, (2, 9)),
    "all eligible": (lambda: BASE.assign(eligible=1), {}, gc.DesignError, "eligible is 1 for every unit.*callaway_santanna", "eligible", None, ()),
    "ineligible without the date of their place": (lambda: BASE.assign(first_treated=BASE["first_treated"].where(EVEN)), {"cluster": "unit"},
        gc.DesignError, "no treated place holds both.*give the ineligible units of a place the date", "eligible", None, ()),
    "only the eligible of untreated places": (lambda: BASE[TREATED | EVEN], {}, gc.DesignError,
        "no unit of the untreated places is ineligible", "eligible", None, ()),
    "everybody starts at once": (lambda: BASE.assign(first_treated=3), {}, gc.DesignError, "no control unit|no place to compare", None, None, ()),
    "nobody starts": (lambda: BASE.assign(first_treated=np.nan), {}, gc.DesignError, "no unit is treated", "first_treated", None, ()),
    "covariates": (lambda: BASE, {"covariates": ["town"]}, gc.InputError, "covariates= has no meaning for estimator='triple'", None, None, ()),
    "a stack": (lambda: BASE.assign(on=0), {"stack": "town", "treated": "on"}, gc.InputError, "stack", None, None, ()),
    "small-sample factor": (lambda: BASE, {"ssc": "full"}, gc.InputError, "ssc= has no meaning", None, None, ()),
    "repeated rows": (lambda: pd.concat([BASE, BASE.iloc[[5]]]), {}, gc.InputError, "1 unit-period .*dedupe='exact'", None, None, (320,)),
    "missing outcome": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "outcome is missing.*missing='zero'", "gmv", 2, (5, 9)),
    "infinite outcome": (lambda: put("gmv", [5, 9], np.inf), {}, gc.InputError, "infinite", "gmv", 2, (5, 9)),
    "always treated": (lambda: BASE.assign(first_treated=np.where(TREATED, 1.0, np.nan)), {}, gc.DesignError, "treated from the first period", "first_treated", None, ()),
    "residuals of controls": (lambda: BASE, {"inference": "conley_taber"}, gc.InputError,
        "inference='conley_taber'.*estimator='triple'.*wild, conley", None, None, ()),
    "exposure": (lambda: BASE, {"exposed": "town"}, gc.InputError, "exposed= has no meaning for estimator='triple'", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_errors(name: str) -> None:
    make, options, kind, words, column, count, rows = CASES[name]
    call: dict[str, Any] = {"estimator": "triple", "eligible": "eligible", "cluster": "town", **options}
    with pytest.raises(kind, match=f"(?is){words}") as caught:
        gc.did(make(), **call)
    if column is not None:
        assert caught.value.column == column
    if count is not None:
        assert caught.value.count == count
    assert tuple(caught.value.rows[: len(rows)]) == rows
    assert caught.value.remedy or name == "not a column's name"


def test_the_frame_is_not_changed() -> None:
    frame = BASE.copy()
    result = gc.did(frame, estimator="triple", eligible="eligible", cluster="town")
    pd.testing.assert_frame_equal(frame, BASE)
    other = gc.did(BASE.assign(eligible=BASE["unit"] // 2 % 2), estimator="triple", eligible="eligible", cluster="town")
    assert result.manifest.data_sha256 != other.manifest.data_sha256


def test_booleans_and_files(tmp_path: Any) -> None:
    BASE.assign(eligible=BASE["eligible"].astype(bool)).to_parquet(tmp_path / "p.parquet")
    call: dict[str, Any] = {"estimator": "triple", "eligible": "eligible", "cluster": "town"}
    assert gc.did(tmp_path / "p.parquet", **call).estimate == gc.did(BASE, **call).estimate
