"""Bad inputs of effects by dose: an error that names column, count, rows and remedy, or a note."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

UNITS, PERIODS = 80, 4
CALL: dict[str, Any] = {"estimator": "dose", "dose": "value"}


def base() -> pd.DataFrame:
    """Forty units with coupons of 5 or 10 yuan from period 3 on, forty without."""
    unit, t = np.repeat(np.arange(UNITS), PERIODS), np.tile(np.arange(1, PERIODS + 1), UNITS)
    noise = np.random.default_rng(0).normal(size=len(unit))
    value = np.where(unit < 40, np.where(unit % 2, 5.0, 10.0), 0.0)
    return pd.DataFrame({
        "unit": unit, "period": t, "value": value, "gmv": 10 + unit % 7 + noise + 0.1 * value * (t >= 3),
        "first_treated": np.where(unit < 40, 3.0, np.nan), "thing": unit % 3,
    })  # fmt: skip


BASE = base()
SPREAD = BASE.assign(value=np.where(BASE["value"] > 0, 1.0 + BASE["unit"], 0.0))  # forty doses


def put(column: str, rows: list[int], value: Any, frame: pd.DataFrame = BASE) -> pd.DataFrame:
    frame = frame.copy()
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def unit_rows(unit: int) -> list[int]:
    return list(range(PERIODS * unit, PERIODS * (unit + 1)))


# id: (frame, options, error, words of the message, column, count, first rows)
CASES: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "no dose": (lambda: BASE, {"dose": None}, gc.InputError, "estimator='dose' needs dose=, the column of the dose", None, None, ()),
    "another estimator": (lambda: BASE, {"estimator": "twfe"}, gc.InputError, "dose= has no meaning for estimator='twfe'.*estimator='dose'", None, None, ()),
    "no such column": (lambda: BASE, {"dose": "valu"}, gc.InputError, "no column 'valu'.*did you mean 'value'", None, None, ()),
    "text": (lambda: put("value", [4], "¥5"), {}, gc.InputError, "dose holds text, for example '¥5'", "value", 1, (4,)),
    "infinite": (lambda: put("value", unit_rows(2), np.inf), {}, gc.InputError, "infinite", "value", 4, (8, 9, 10, 11)),
    "negative": (lambda: put("value", unit_rows(2), -5), {}, gc.InputError, "doses must be at least 0.*face value", "value", 4, (8, 9, 10, 11)),
    "changes within units": (lambda: put("value", [9, 14], 20), {}, gc.InputError,
        "dose varies within units for 2 of them.*from its start on into all its rows", "value", 2, (9, 14)),
    "written from the start on only": (lambda: BASE.assign(value=BASE["value"].where(BASE["period"] >= 3, 0.0)), {}, gc.InputError,
        "dose varies within units for 40 of them.*into all its rows", "value", 40, ()),
    "known in one row, missing in another": (lambda: put("value", [9], np.nan), {}, gc.InputError, "dose varies within units for 1", "value", 1, (9,)),
    "treated without a dose": (lambda: put("value", unit_rows(2) + unit_rows(7), np.nan), {}, gc.InputError,
        "2 treated units have no dose.*blank their first_treated", "value", 2, (8, 28)),
    "treated with a dose of 0": (lambda: put("value", unit_rows(2), 0), {}, gc.InputError, "1 treated units have no dose", "value", 1, (8,)),
    "never treated with a dose": (lambda: put("value", unit_rows(50), 5), {}, gc.InputError,
        "1 units have a dose but are never treated.*date of first treatment", "value", 1, (200,)),
    "absent rows and many doses": (lambda: SPREAD.drop(index=[3, 17]), {}, gc.DesignError,
        "more than ten values.*without absent rows.*round the doses", None, None, ()),
    "many doses and few clusters": (lambda: SPREAD.assign(city=SPREAD["unit"] // 8), {"cluster": "city"}, gc.DesignError,
        "no cohort has 10 clusters with as many different doses", None, None, ()),
    "covariates": (lambda: BASE, {"covariates": ["thing"]}, gc.InputError, "covariates= has no meaning for estimator='dose'", None, None, ()),
    "a stack": (lambda: BASE.assign(on=0, value=0), {"stack": "thing", "treated": "on"}, gc.InputError, "stack", None, None, ()),
    "eligible": (lambda: BASE, {"eligible": "thing"}, gc.InputError, "eligible= has no meaning", None, None, ()),
    "exposure": (lambda: BASE, {"exposed": "thing"}, gc.InputError, "exposed= has no meaning for estimator='dose'", None, None, ()),
    "nobody treated": (lambda: BASE.assign(first_treated=np.nan, value=0), {}, gc.DesignError, "no unit is treated", "first_treated", None, ()),
    "everybody at once": (lambda: BASE.assign(first_treated=3, value=5 + BASE["unit"] % 2), {}, gc.DesignError, "no control unit", "first_treated", None, ()),
    "repeated rows": (lambda: pd.concat([BASE, BASE.iloc[[5]]]), {}, gc.InputError, "1 unit-period .*dedupe='exact'", None, None, (320,)),
    "missing outcome": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "outcome is missing.*missing='zero'", "gmv", 2, (5, 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_errors(name: str) -> None:
    make, options, kind, words, column, count, rows = CASES[name]
    with pytest.raises(kind, match=f"(?is){words}") as caught:
        gc.did(make(), **{**CALL, **options})
    if column is not None:
        assert caught.value.column == column
    if count is not None:
        assert caught.value.count == count
    assert tuple(caught.value.rows[: len(rows)]) == rows
    assert caught.value.remedy


def test_units_treated_after_the_data_may_have_a_dose() -> None:
    """They are untreated in the data; the face value that they will get is no mistake."""
    later = BASE.assign(
        first_treated=BASE["first_treated"].where(BASE["unit"] < 60, 6.0),
        value=BASE["value"].where(BASE["unit"] < 60, 7.0),
    )
    result = gc.did(later, **CALL)
    assert result.by_dose()["dose"].tolist() == [5.0, 10.0]
    assert result.estimate == gc.did(BASE, **CALL).estimate
    coded = later.assign(first_treated=later["first_treated"].fillna(9))
    with pytest.raises(gc.InputError, match="20 units have a dose but are never treated"):
        gc.did(later.assign(first_treated=later["first_treated"].replace(6.0, 9.0)), **CALL, never=9)
    assert gc.did(coded, **CALL, never=9).estimate == result.estimate


def test_always_treated_units_are_left_out_with_their_dose() -> None:
    early = BASE.assign(first_treated=BASE["first_treated"].where(BASE["unit"] > 3, 1.0))
    without = gc.did(BASE[BASE["unit"] > 3], **CALL)
    pd.testing.assert_frame_equal(gc.did(early, **CALL).by_dose(), without.by_dose())
    blank = early.assign(value=early["value"].where(early["unit"] > 3))
    pd.testing.assert_frame_equal(gc.did(blank, **CALL).by_dose(), without.by_dose())


def test_one_dose() -> None:
    one = BASE.assign(value=np.where(BASE["value"] > 0, 5.0, 0.0))
    result = gc.did(one, **CALL)
    assert result.by_dose()["estimate"].tolist() == pytest.approx([result.estimate])
    assert result.to_frame()["estimate"][1] == pytest.approx(result.estimate / 5)
    assert result.audit["dose_trend"].status == "not_run"


def test_outcome_kinds_and_the_frame_is_left_alone(tmp_path: Any) -> None:
    frame = BASE.copy()
    whole = gc.did(frame, **CALL)
    whole.by_dose()
    pd.testing.assert_frame_equal(frame, BASE)
    typed = BASE.assign(value=BASE["value"].astype("Int64").mask(BASE["value"] == 0))
    assert gc.did(typed, **CALL).estimate == whole.estimate
    typed.to_parquet(tmp_path / "p.parquet")
    assert gc.did(tmp_path / "p.parquet", **CALL).by_dose().equals(whole.by_dose())
    assert gc.did(BASE.assign(gmv=0.0), **CALL).by_dose()["estimate"].tolist() == [0.0, 0.0]
    other = gc.did(BASE.assign(value=2 * BASE["value"]), **CALL)
    assert whole.manifest.data_sha256 != other.manifest.data_sha256
    assert whole.manifest.options["dose"] == "value"
