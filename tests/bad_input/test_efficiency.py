"""Bad inputs to `gc.efficiency`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

GOOD = pd.DataFrame({
    "room": list("ABCDEFGHIJKL"), "hours": [1.0, 2, 2, 3, 4, 4, 5, 8, 6, 7, 3, 2],
    "gmv": [4.0, 8, 20, 15, 10, 30, 16, 40, 20, 31, 9, 15], "age": range(12), "t": [1, 2] * 6,
})  # fmt: skip


def ask(data: Any = GOOD, **change: Any) -> Any:
    return gc.efficiency(data, **({"unit": "room", "inputs": ["hours"], "outputs": ["gmv"], "reps": 0} | change))


def with_(column: str, place: int, value: Any) -> pd.DataFrame:
    data = GOOD.astype({column: object}) if isinstance(value, str) else GOOD.copy()
    data.loc[place, column] = value
    return data


@pytest.mark.parametrize(
    ("data", "change", "said"),
    [
        (
            with_("hours", 3, 0.0),
            {},
            r"inputs must be above 0.*holds 0; column 'hours'; 1 found; first at row position 3",
        ),
        (
            with_("gmv", 2, -5.0),
            {},
            r"outputs must be above 0.*holds -5; column 'gmv'.*row position 2.*did not operate",
        ),
        (with_("gmv", 2, np.nan), {}, "outputs is missing.*column 'gmv'.*row position 2.*never guessed"),
        (with_("gmv", 2, np.inf), {}, "infinite"),
        (with_("gmv", 2, 1e99), {}, r"outputs reach from 4 to 1e\+99.*'gmv'.*row positions 0, 2"),
        (with_("gmv", 2, "¥1,234"), {}, "text"),
        (pd.concat([GOOD, GOOD.head(2)]), {}, r"2 units occur more than once.*12, 13.*time="),
        (pd.concat([GOOD, GOOD.head(2)]), {"time": "t"}, "2 unit-periods occur more than once"),
        (with_("room", 1, None), {}, "missing"),
        (GOOD.head(0), {}, "no rows"),
        (GOOD, {"inputs": []}, "inputs= names no column"),
        (GOOD, {"outputs": []}, "outputs= names no column"),
        (GOOD, {"outputs": ["gmw"]}, "Did you mean 'gmv'"),
        (GOOD, {"outputs": ["hours"]}, "outputs= names 'hours', which is inputs= already"),
        (GOOD, {"inputs": ["room"]}, "inputs= names 'room', which is unit= already"),
        (GOOD, {"inputs": ["t"], "time": "t"}, "which is time= already"),
        (GOOD, {"covariates": ["gmv"], "reps": 99}, "covariates= names 'gmv', which is outputs= already"),
        (GOOD, {"returns": "increasing"}, "returns must be one of"),
        (GOOD, {"orientation": "both"}, "orientation must be one of"),
        (GOOD, {"reps": 20}, "reps must be a whole number of at least 99"),
        (GOOD, {"reps": False}, "reps must be"),
        (GOOD, {"seed": -1}, "seed"),
        (GOOD, {"alpha": 5}, "alpha"),
        (GOOD, {"progress": 1}, "progress must be True or False"),
        (GOOD, {"covariates": ["age"]}, "covariates= needs draws"),
        (GOOD, {"covariates": ["age"], "time": "t", "reps": 99}, "one period at a time"),
        (GOOD, {"unit": 3}, "unit must be a column name"),
    ],
)
def test_input_errors(data: pd.DataFrame, change: dict[str, Any], said: str) -> None:
    with pytest.raises(gc.InputError, match=said):
        ask(data, **change)


@pytest.mark.parametrize(
    ("data", "change", "said"),
    [
        (GOOD.head(1), {}, "one unit, which has nobody to be compared with"),
        (GOOD.assign(t=1), {"time": "t"}, "one period, so nothing changes"),
        (GOOD, {"time": "t"}, "no unit has an index from 1 to 2"),
        (GOOD.assign(age=1), {"covariates": ["age"], "reps": 99}, "no covariate varies"),
        (GOOD.head(8), {"covariates": ["age"], "reps": 99}, "lie off the frontier, and a regression on 1 covariates"),
    ],
)
def test_design_errors(data: pd.DataFrame, change: dict[str, Any], said: str) -> None:
    with pytest.raises(gc.DesignError, match=said):
        ask(data, **change)
