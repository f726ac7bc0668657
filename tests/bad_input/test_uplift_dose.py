"""The catalogue of bad inputs, row by row, for `gc.uplift(dose=True)`."""

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

RNG = np.random.default_rng(0)
N = 200
BASE = pd.DataFrame(
    {
        "user": np.arange(N),
        "yuan": RNG.permutation(np.arange(N) % 5) * 2.0,
        "age": RNG.normal(size=N).round(6),
        "room": np.arange(N) % 20,
        "mean": 4.0,
    }
)
BASE["gmv"] = (10 + BASE["age"] + 0.5 * BASE["yuan"] + RNG.normal(size=N)).round(6)
CALL: dict[str, Any] = {"treatment": "yuan", "features": ["age"], "dose": True, "folds": 2}


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(object if isinstance(value, str) else float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "44 missing dose": (lambda: put("yuan", [2, 5], np.nan), {}, gc.InputError, "dose is missing.*0 where they got nothing", "yuan", 2, (2, 5)),
    "44 infinite dose": (lambda: put("yuan", [3], np.inf), {}, gc.InputError, "dose holds infinite", "yuan", 1, (3,)),
    "44 text dose": (lambda: BASE.assign(yuan=BASE["yuan"].map("¥{:.2f}".format)), {}, gc.InputError, "dose holds text.*strip currency", "yuan", N, (0, 1, 2, 3, 4)),
    "44 one dose for all": (lambda: BASE.assign(yuan=5), {}, gc.InputError, "dose is 5 in every row", "yuan", None, ()),
    "44 no such dose": (lambda: BASE, {"treatment": "yuans"}, gc.InputError, "no column 'yuans'.*did you mean 'yuan'", None, None, ()),
    "the dose is the outcome": (lambda: BASE, {"treatment": "gmv"}, gc.InputError, "outcome and treatment are both 'gmv'", None, None, ()),
    "the dose is a feature": (lambda: BASE, {"features": ["age", "yuan"]}, gc.InputError, "'yuan', which is the treatment", "yuan", None, ()),
    "features tell the dose": (lambda: BASE.assign(yuan=BASE["mean"] + BASE["age"], mean=BASE["mean"] + BASE["age"]), {"propensity": "mean"}, gc.DesignError, "got the dose that was expected.*vary the dose", None, None, ()),
    "dose neither true nor false": (lambda: BASE, {"dose": "yuan"}, gc.InputError, "dose must be True or False", None, None, ()),
    "a control": (lambda: BASE, {"control": 0}, gc.InputError, "control= and dose=True.*dose 0.*leave control= out", None, None, ()),
    "estimand": (lambda: BASE, {"estimand": "overlap"}, gc.InputError, "estimand= and dose=True", None, None, ()),
    "received": (lambda: BASE, {"received": "room"}, gc.InputError, "received= and dose=True", None, None, ()),
    "redeemed": (lambda: BASE, {"redeemed": "room"}, gc.InputError, "redeemed= and dose=True", None, None, ()),
    "rule": (lambda: BASE, {"rule": "first"}, gc.InputError, "rule= and dose=True", None, None, ()),
    "learner": (lambda: BASE, {"learner": "dr"}, gc.InputError, "learner is 'dr'.*by 'r' alone", None, None, ()),
    "cost by arm": (lambda: BASE, {"cost": {1: 2.0}}, gc.InputError, "one unit of the dose costs", None, None, ()),
    "cost by user": (lambda: BASE, {"cost": "mean"}, gc.InputError, "one unit of the dose costs", None, None, ()),
    "negative cost": (lambda: BASE, {"cost": -1}, gc.InputError, "cost must be a number", None, None, ()),
    "cost True": (lambda: BASE, {"cost": True}, gc.InputError, "cost must be a number", None, None, ()),
    "chances of arms": (lambda: BASE, {"propensity": {0: 0.5}}, gc.InputError, "propensity is .*expected dose", None, None, ()),
    "expected dose True": (lambda: BASE, {"propensity": True}, gc.InputError, "propensity is True.*expected dose", None, None, ()),
    "expected dose infinite": (lambda: BASE, {"propensity": np.inf}, gc.InputError, "propensity is inf", None, None, ()),
    "expected dose missing": (lambda: put("mean", [4], np.nan), {"propensity": "mean"}, gc.InputError, "propensity is missing.*expected dose", "mean", 1, (4,)),
    "no such expected dose": (lambda: BASE, {"propensity": "means"}, gc.InputError, "no column 'means'", None, None, ()),
    "38 users twice": (lambda: pd.concat([BASE, BASE.iloc[:4]], ignore_index=True), {}, gc.InputError, "4 units occur more than once", "user", 4, (N, N + 1, N + 2, N + 3)),
    "19 one cluster": (lambda: BASE.assign(room=1), {"cluster": "room"}, gc.InputError, "only one cluster", "room", None, ()),
    "45 missing outcome": (lambda: put("gmv", [2], np.nan), {}, gc.InputError, "outcome is missing", "gmv", 1, (2,)),
    "69 no rows": (lambda: BASE.head(0), {}, gc.InputError, "no rows", None, None, ()),
    "69 one row": (lambda: BASE.head(1), {}, gc.InputError, "in every row", "yuan", None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", list(ERRORS), ids=str)
def test_refused(case: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[case]
    data = make()
    before = data.copy()
    with pytest.raises(kind, match=f"(?i){words}") as caught:
        gc.uplift(data, **{**CALL, **options})
    assert isinstance(caught.value, gc.GmvCausalError)
    assert caught.value.column == column and caught.value.count == count and caught.value.rows == rows
    pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize("groups", [1, 21, True, 2.5])
def test_groups_of_a_calibration(groups: Any) -> None:
    with pytest.raises(gc.InputError, match="groups must be a whole number from 2 to 20"):
        gc.uplift(BASE, **CALL).calibration(BASE.assign(age=0.5 * BASE["age"]), groups=groups)


def test_taken_as_they_are() -> None:
    """Decimals, whole numbers and polars give the numbers of floats; two rows are little, and no crash."""
    base = gc.uplift(BASE, **CALL)
    for other in (
        BASE.assign(yuan=[Decimal(str(v)) for v in BASE["yuan"]]),
        BASE.astype({"yuan": "Int64"}),
        pl.from_pandas(BASE),
    ):
        found = gc.uplift(other, **CALL)
        assert found.estimate == base.estimate and found.std_error == base.std_error
    two = gc.uplift(BASE[BASE["yuan"] > 0].drop_duplicates("yuan").head(2), **{**CALL, "features": []})
    assert not two.audit.credible
    zero = gc.uplift(BASE.assign(gmv=0.0), **CALL)
    assert zero.estimate == 0 and zero.audit["all_zero"].status == "warned"
