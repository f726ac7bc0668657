"""Periods cut the same in SQL and in numpy."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from gmvcausal.errors import InputError
from gmvcausal.logs.calendar import Grid, parse_date, parse_freq, shorter_periods


@pytest.mark.parametrize("freq", ["D", "3D", "W", "4W", "M", "2M"])
@pytest.mark.parametrize("origin", ["2024-01-01", "2024-02-15", "2023-12-28 06:30:00"])
def test_sql_and_numpy_agree(freq, origin):
    grid = Grid(parse_freq("freq", freq), parse_date("origin", origin))
    rng = np.random.default_rng(0)
    times = grid.origin + rng.integers(0, 800 * 86_400, 2000).astype("timedelta64[s]")
    starts = grid.starts(np.arange(5))
    times = np.concatenate([times, starts, starts[1:] - np.timedelta64(1, "us")])
    connection = duckdb.connect()
    found = connection.execute(
        f"SELECT {grid.sql('t')} FROM (SELECT unnest(?) AS t)", [[t.item() for t in times]]
    ).fetchall()
    index = grid.index(times)
    assert [row[0] for row in found] == index.tolist()
    assert (grid.starts(index) <= times).all()
    assert (grid.starts(index + 1) > times).all()


def test_periods_before_the_origin_are_negative():
    grid = Grid(parse_freq("freq", "W"), parse_date("origin", "2025-01-05"))
    times = np.array(["2025-01-04T23:59", "2024-12-29", "2024-12-28"], dtype="datetime64[us]")
    assert grid.index(times).tolist() == [-1, -1, -2]


def test_only_whole_periods_are_complete():
    grid = Grid(parse_freq("freq", "W"), parse_date("origin", "2025-01-05"))
    assert grid.complete(np.datetime64("2025-01-12", "us")) == 1
    assert grid.complete(np.datetime64("2025-01-11T23:59", "us")) == 0
    assert grid.complete(np.datetime64("2024-01-11", "us")) == 0


def test_shorter_periods():
    assert shorter_periods(parse_freq("freq", "4W"), "W") == 4
    assert shorter_periods(parse_freq("freq", "4W"), "D") == 28
    assert shorter_periods(parse_freq("freq", "6M"), "M") == 6
    for freq, per in (("W", "2W"), ("M", "D"), ("W", "M"), ("10D", "W")):
        with pytest.raises(InputError, match="does not divide"):
            shorter_periods(parse_freq("freq", freq), per)


@pytest.mark.parametrize("value", ["", "w", "1.5W", "-1D", "W4", 7, None, "Q"])
def test_what_is_no_frequency(value):
    with pytest.raises(InputError, match="freq must be a number of"):
        parse_freq("freq", value)
