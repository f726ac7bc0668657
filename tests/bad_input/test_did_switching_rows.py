"""Bad inputs where a tactic switches on and off, and where rows are people seen once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout, switching

import gmvcausal as gc
from gmvcausal.errors import GmvCausalWarning

SWITCHES = switching(n=60, seed=3)
ROWS = rollout(n=200, periods=5, cohorts=(3, 4), seed=3).drop(columns="unit")


def did(kind: str, frame: pd.DataFrame, **options: Any) -> Any:
    own: dict[str, Any] = {"estimator": "switching", "treated": "treated", "cluster": "unit"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)  # columns coarser than the unit are found
        return gc.did(frame, **((own if kind == "switching" else {"unit": None}) | options))


def put(frame: pd.DataFrame, column: str, rows: list[int], value: Any) -> pd.DataFrame:
    out = frame.copy()
    out[column] = out[column].astype(object) if isinstance(value, str) else out[column].astype(float)
    out.loc[rows, column] = value
    return out


# id: (frame of the kind, changed frame, options, error, words)
ERRORS: dict[str, tuple[str, Callable[[], pd.DataFrame], dict[str, Any], type, str]] = {
    "1 exact duplicate": ("switching", lambda: pd.concat([SWITCHES, SWITCHES.iloc[[7]]]), {}, gc.InputError,
        "1 unit-period .*identical"),
    "2 conflicting duplicate": ("switching", lambda: pd.concat([SWITCHES, SWITCHES.iloc[[7]].assign(gmv=1.0)]), {},
        gc.InputError, "repeats disagree"),
    "3 appended twice": ("switching", lambda: pd.concat([SWITCHES, SWITCHES]), {}, gc.InputError, "appended file"),
    "23 missing unit": ("switching", lambda: put(SWITCHES, "unit", [3], np.nan), {}, gc.InputError, "missing"),
    "treatment between 0 and 1": ("switching", lambda: put(SWITCHES, "treated", [4], 0.5), {}, gc.InputError, "0"),
    "treatment missing": ("switching", lambda: put(SWITCHES, "treated", [4], np.nan), {}, gc.InputError, "missing"),
    "26 constant treatment": ("switching", lambda: SWITCHES.assign(treated=1), {}, gc.DesignError, "no unit changes"),
    "25 negative weights": ("switching", lambda: put(SWITCHES, "w", [1], -1.0), {"weights": "w"}, gc.InputError,
        "weights must be positive"),
    "45 missing outcome": ("switching", lambda: put(SWITCHES, "gmv", [1], np.nan), {}, gc.InputError, "missing="),
    "47 infinite outcome": ("switching", lambda: put(SWITCHES, "gmv", [1], np.inf), {}, gc.InputError, "inf"),
    "8 codes of never, rows": ("rows", lambda: ROWS.assign(first_treated=ROWS["first_treated"].fillna(-1)), {},
        gc.InputError, "never=-1"),
    "9 off the grid, rows": ("rows", lambda: put(ROWS, "first_treated", [0, 1], 3.5), {}, gc.InputError, "fractions"),
    "14 text that is no date, rows": ("rows", lambda: put(ROWS, "period", [2], "next week"), {}, gc.InputError, "text"),
    "25 zero weights, rows": ("rows", lambda: put(ROWS, "w", [1], 0.0), {"weights": "w"}, gc.InputError, "positive"),
    "45 missing outcome, rows": ("rows", lambda: put(ROWS, "gmv", [1], np.nan), {}, gc.InputError, "missing="),
    "47 infinite outcome, rows": ("rows", lambda: put(ROWS, "gmv", [1], -np.inf), {}, gc.InputError, "inf"),
    "19 one cluster, rows": ("rows", lambda: ROWS.assign(place=1), {"cluster": "place"}, gc.InputError,
        "single cluster"),
    "missing cluster, rows": ("rows", lambda: put(ROWS, "place", [5], np.nan), {"cluster": "place"}, gc.InputError,
        "missing"),
    "7 all from the first period, rows": ("rows", lambda: ROWS.assign(first_treated=1), {}, gc.DesignError,
        "no period before"),
    "26 nobody treated, rows": ("rows", lambda: ROWS.assign(first_treated=np.nan), {}, gc.DesignError,
        "no unit is treated"),
    "69 one row": ("rows", lambda: ROWS.iloc[:1], {}, gc.InputError, "single row"),
    "62 infinite covariate, rows": ("rows", lambda: put(ROWS, "w", [5], np.inf), {"covariates": ["w"]}, gc.InputError,
        "inf"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ERRORS))
def test_errors(name: str) -> None:
    kind, frame, options, error, words = ERRORS[name]
    with pytest.raises(error, match=words):
        did(kind, frame(), **options)


@pytest.mark.parametrize("kind", ["switching", "rows"])
def test_repaired_or_warned(kind: str) -> None:
    frame = SWITCHES if kind == "switching" else ROWS
    before = frame.copy()
    plain = did(kind, frame)
    pd.testing.assert_frame_equal(frame, before)
    status = {c.name: c.status for c in plain.audit.checks}
    assert status["pre_trend"] in ("passed", "warned")
    filled = did(kind, put(frame, "gmv", [1], np.nan), missing="zero")
    assert filled.estimate == did(kind, put(frame, "gmv", [1], 0.0)).estimate
    assert any("set to 0" in note for note in filled.manifest.notes)
    zero = did(kind, frame.assign(gmv=0.0))
    assert zero.estimate == 0.0
    assert {c.name: c.status for c in zero.audit.checks}["all_zero"] == "warned"
    whale = did(kind, put(frame, "gmv", [int(np.flatnonzero(frame["period"] == 4)[0])], 1e9))
    assert {c.name: c.status for c in whale.audit.checks}["leverage"] == "warned"
    odd = frame.rename(columns={"gmv": "销售额 `x`", "period": 'a "b"'})
    assert did(kind, odd, outcome="销售额 `x`", time='a "b"').estimate == plain.estimate
    gap = did(kind, frame[frame["period"] != 2])
    assert {c.name: c.status for c in gap.audit.checks}["period_gaps"] == "warned"


def test_a_whole_file_twice_is_not_refused_where_rows_are_people() -> None:
    assert did("rows", pd.concat([ROWS, ROWS])).estimate == pytest.approx(did("rows", ROWS).estimate, rel=1e-12)
