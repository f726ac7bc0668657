"""Bad inputs of tests by day: an error that helps, in the same words in memory and from a file."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from log_inputs import as_kind

import gmvcausal as gc

UNITS, DAYS = 40, 5
RNG = np.random.default_rng(0)
USER = np.repeat(np.arange(UNITS), DAYS)
BASE = pd.DataFrame(
    {
        "user": USER,
        "day": np.tile(pd.date_range("2025-11-03", periods=DAYS), UNITS),
        "arm": USER % 2,
        "gmv": np.where(RNG.random(UNITS * DAYS) < 0.4, RNG.exponential(10, UNITS * DAYS), 0.0),
        "bought": RNG.integers(0, 2, UNITS * DAYS),
        "gmv_pre": RNG.exponential(10, UNITS)[USER],
        "tier": np.where(USER % 3 == 0, "old", "new"),
    }
)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame.loc[rows, column] = value
    return frame


M: dict[str, Any] = {"metrics": ["gmv"]}
SHARE: dict[str, Any] = {"metrics": [gc.Proportion("bought")]}
# id: (frame, options, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any], str, str | None, int | None, tuple[int, ...]]] = {
    "a log read twice": (lambda: pd.concat([BASE, BASE.head(3)]), M, "3 rows of one 'user' and 'day' occur more than once.*read twice", "day", 3, (200, 201, 202)),
    "users in two arms": (lambda: put("arm", [2, 9], [1, 0]), M, "2 units are in more than one arm.*rule='first' keeps the arm of the first day", "user", 2, (0, 1, 2, 3, 4)),
    "days without a row": (lambda: BASE.drop(index=[3, 8, 9]), M, "2 units have no row on some day after their first, 3 unit-days in all.*missing='zero'", "day", 2, ()),
    "only buyers' rows": (lambda: BASE[BASE["gmv"] > 0], M, "units have no row on some day", "day", None, ()),
    "missing outcome": (lambda: put("gmv", [4], np.nan), M, "outcome is missing.*missing='zero'", "gmv", 1, (4,)),
    "infinite outcome": (lambda: put("gmv", [4], np.inf), M, "infinite", "gmv", 1, (4,)),
    "missing day": (lambda: put("day", [7], pd.NaT), M, "time is missing", "day", 1, (7,)),
    "missing user": (lambda: put("user", [7], np.nan), M, "unit is missing", "user", 1, (7,)),
    "missing arm": (lambda: put("arm", [7], np.nan), M, "arm is missing", "arm", 1, (7,)),
    "no flag": (lambda: put("bought", [7], 2), SHARE, "0 and 1 only", "bought", 1, (7,)),
    "half a flag": (lambda: BASE.assign(bought=BASE["bought"] / 2), SHARE, "0 and 1 only", "bought", None, ()),
    "a covariate that moves": (lambda: put("gmv_pre", [7], 0.0), {"metrics": [gc.Mean("gmv", pre="gmv_pre")]}, "covariate varies within units for 1 of them.*merge gmv_pre by unit", "gmv_pre", 1, (7,)),
    "a missing covariate": (lambda: put("gmv_pre", [5, 6, 7, 8, 9], np.nan), {"metrics": [gc.Mean("gmv", pre="gmv_pre")]}, "covariate is missing", "gmv_pre", None, ()),
    "a stratum that moves": (lambda: put("tier", [7], "old"), {**M, "strata": "tier"}, "varies within units for 1", "tier", 1, (7,)),
    "a share and a mean at once": (lambda: BASE, {"metrics": ["bought", gc.Proportion("bought")]}, "'bought' is a Proportion.*[Cc]opy the column", "bought", None, ()),
    "clusters that are the units": (lambda: BASE, {**M, "unit": "user", "cluster": "user"}, "need no cluster", "user", None, ()),
    "no unit": (lambda: BASE.rename(columns={"user": "who"}), M, "no column says whose row it is.*unit=", None, None, ()),
    "no such day": (lambda: BASE.drop(columns="day"), M, "no column .day.", None, None, ()),
    "the arm as time": (lambda: BASE, {**M, "time": "arm"}, "named a second time", "arm", None, ()),
    "times of day": (lambda: BASE.assign(day=BASE["day"] + pd.to_timedelta(np.arange(200) * 317, "s")), M, "too many to be the days.*[Rr]ound the times down", "day", None, ()),
    "an arm of one unit": (lambda: BASE.assign(arm=(USER == 0).astype(int)), M, "has 1 row.*at least 2", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["pandas", "parquet"])
@pytest.mark.parametrize("case", ERRORS)
def test_refused(case: str, kind: str, tmp_path: Path) -> None:
    make, options, words, column, count, rows = ERRORS[case]
    frame = make().reset_index(drop=True)
    before = frame.copy()
    with pytest.raises(gc.InputError, match=f"(?s){words}") as caught:
        gc.ab_test(as_kind(frame, kind, tmp_path), **{"time": "day", **options})
    pd.testing.assert_frame_equal(frame, before)
    error = caught.value
    assert column is None or error.column == column
    assert count is None or error.count == count
    assert not rows or tuple(error.rows) == rows


@pytest.mark.parametrize("kind", ["pandas", "parquet"])
def test_repairs_that_are_told(kind: str, tmp_path: Path) -> None:
    gap = put("gmv", [4, 6], np.nan)
    told = gc.ab_test(as_kind(gap, kind, tmp_path), **M, time="day", missing="zero")
    assert "2 missing values of 'gmv' count as zero" in " ".join(told.manifest.notes)
    filled = gc.ab_test(gap.fillna({"gmv": 0.0}), **M, time="day")
    assert told.estimate == pytest.approx(filled.estimate, rel=1e-12)

    two = put("arm", [2, 9], [1, 0])
    first = gc.ab_test(as_kind(two, kind, tmp_path), **M, time="day", rule="first")
    assert first.estimate == pytest.approx(gc.ab_test(BASE, **M, time="day").estimate, rel=1e-12)
    assert first.daily()["n_treated"].tolist() == [20] * DAYS
    drop = gc.ab_test(as_kind(two, kind, tmp_path), **M, time="day", rule="drop")
    left = gc.ab_test(BASE[BASE["user"] > 1], **M, time="day")
    assert drop.estimate == pytest.approx(left.estimate, rel=1e-12) and drop.n == UNITS - 2
    assert drop.manifest.dropped == {"rows of units in more than one arm": 10}
    assert drop.daily()["n_treated"].tolist() == [19] * DAYS


@pytest.mark.parametrize("kind", ["pandas", "parquet"])
def test_a_table_of_buyers_fails_the_audit(kind: str, tmp_path: Path) -> None:
    buyers = BASE[BASE["gmv"] > 0].reset_index(drop=True)
    result = gc.ab_test(as_kind(buyers, kind, tmp_path), **M, time="day", missing="zero")
    check = result.audit["silent_units"]
    assert check.status == "failed" and "Logs.panel" in check.remedy
    assert "those who never bought seem to be missing" in result.summary()


def test_data_that_changed_meanwhile() -> None:
    frame = BASE.copy()
    result = gc.ab_test(frame, metrics=["gmv"], time="day")
    frame.loc[3, "gmv"] += 1e-3
    for read in (result.daily, result.looks):
        with pytest.raises(gc.InputError, match=r"data have changed.*[Cc]all ab_test again"):
            read()


def test_days_were_not_asked_for() -> None:
    result = gc.ab_test(BASE.drop_duplicates("user"), metrics=["gmv"])
    for read in (result.daily, result.looks):
        with pytest.raises(gc.InputError, match="without time="):
            read()
    with pytest.raises(gc.InputError, match="kind must be one of"):
        result.plot("daily")


def test_clusters_have_no_daily_table() -> None:
    frame = BASE.assign(city=USER // 2, arm=USER // 2 % 2)
    result = gc.ab_test(frame, metrics=["gmv"], time="day", cluster="city")
    assert result.audit["novelty"].status == "not_run"
    with pytest.raises(gc.DesignError, match="come in clusters"):
        result.daily()


def test_information_that_the_arms_do_not_share() -> None:
    looks = gc.ab_test(BASE, metrics=["gmv"], time="day").looks()
    looks.loc[0, "information"] *= 1.5
    with pytest.raises(gc.InputError, match="different information"):
        gc.sequential(looks, arm="arm", cells="cumulative", information="information")
