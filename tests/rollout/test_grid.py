"""Which periods are months, and which event time is the base."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from panels import rollout

import gmvcausal as gc
from gmvcausal.rollout.intake.grid import make_grid


def micro(dates: list[str]) -> np.ndarray:
    return np.array(dates, dtype="datetime64[us]").view(np.int64)


@pytest.mark.parametrize(
    ("dates", "position"),
    [
        (["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"], [0, 1, 2, 3]),
        (["2024-01-31", "2024-02-29", "2024-04-30"], [0, 1, 3]),
        (["2025-02-28", "2025-04-30", "2025-06-30"], [0, 1, 2]),
        (["2025-01-30", "2025-02-28", "2025-03-30"], [0, 1, 2]),
        (["2025-01-01", "2025-02-01", "2025-04-01"], [0, 1, 3]),
        (["2025-01-06", "2025-01-13", "2025-01-27"], [0, 1, 3]),
        (["2025-01-31", "2025-02-28", "2025-03-28"], [0, 1, 2]),  # four weeks apart: the third is no month's end
    ],
)
def test_dates(dates: list[str], position: list[int]) -> None:
    grid = make_grid(micro(dates), True, "month")
    assert grid.position.tolist() == position
    assert bool(grid.note) == (grid.monthly and len({d[-2:] for d in dates}) > 1)


@pytest.mark.parametrize(
    ("values", "position", "monthly"),
    [
        ([202411, 202412, 202501, 202502], [0, 1, 2, 3], True),
        ([202411, 202501, 202503], [0, 1, 2], True),
        ([202401, 202402, 202403], [0, 1, 2], False),  # the same either way
        ([202412, 202413, 202501], [0, 1, 89], False),
        ([1999, 2000, 2001], [0, 1, 2], False),
        ([189912, 190001], [0, 1], False),
    ],
)
def test_numbers(values: list[int], position: list[int], monthly: bool) -> None:
    grid = make_grid(np.array(values), False, "month")
    assert (grid.position.tolist(), grid.monthly, bool(grid.note)) == (position, monthly, monthly)


def test_steps_after_the_last_month() -> None:
    grid = make_grid(np.array([202411, 202412, 202501]), False, "month")
    assert grid.steps_after(np.array([202502, 202601])).tolist() == [1, 12]
    grid = make_grid(micro(["2024-12-31", "2025-01-31", "2025-02-28"]), True, "month")
    assert grid.steps_after(micro(["2025-03-31", "2025-05-31"])).tolist() == [1, 3]


@pytest.mark.parametrize("write", ["YYYYMM", "month ends"])
def test_months_give_the_numbers_of_plain_periods(write: str) -> None:
    frame = rollout()
    plain = gc.did(frame)
    months = pd.period_range("2024-10", periods=6, freq="M")
    as_written = np.array([p.year * 100 + p.month for p in months]) if write == "YYYYMM" else months.to_timestamp(
        "M").normalize()  # fmt: skip
    written = pd.Series(as_written, index=range(1, 7))
    moved = frame.assign(period=frame["period"].map(written), first_treated=frame["first_treated"].map(written))
    found = gc.did(moved)
    pd.testing.assert_frame_equal(found.event_study(), plain.event_study())
    assert found.estimate == plain.estimate
    assert any("month" in note for note in found.manifest.notes)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_by_two", "twfe"])
def test_the_base_is_the_last_period_there_is(estimator: str) -> None:
    frame = rollout(cohorts=(4,), periods=7)
    result = gc.did(frame[frame["period"] != 3], estimator=estimator)
    study = result.event_study()
    assert study.loc[study["std_error"].isna(), "event_time"].tolist() == [-2] == [result.event_base]
    assert study["event_time"].tolist() == [-3, -2, 0, 1, 2, 3]
    result.plot("event_study")


def test_where_gaps_make_bases_differ_the_nearest_is_marked() -> None:
    """Cohort 4 has its base at -2, cohort 6 at -1; the leads of both are those before -1."""
    frame = rollout(cohorts=(4, 6), periods=8, n=300)
    result = gc.did(frame[frame["period"] != 3])
    study = result.event_study().set_index("event_time")
    assert result.event_base == -1 and np.isnan(study.loc[-1, "std_error"]) and study.loc[-2, "std_error"] > 0


def test_anticipation_moves_the_base() -> None:
    assert gc.did(rollout(cohorts=(4,), periods=7), anticipation=1).event_base == -2
