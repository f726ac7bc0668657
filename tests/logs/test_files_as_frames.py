"""What a frame is refused for, a file is refused for too: no engine reads half of a text, or rounds an amount."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pytest

import gmvcausal as gc


def orders(**changed: list[Any]) -> pa.Table:
    return pa.table({"user": [1, 2], "time": ["2026-03-09 08:00", "2026-03-09 09:00"], "gmv": [1.0, 2.0]} | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"time": ["2026-03-09 08:00", "2026-03-09 10:00 PM"]},
        {"time": ["2026-03-09 08:00", "2026-03-09 10:00:00 Asia/Shanghai"]},
        {"time": ["2026-03-09 08:00", "2026-03-09 10:00:00 UTC"]},
        {"gmv": [1.0, 1e300]},
        {"gmv": [1, 2**60 + 1]},
    ],
)
def test_a_relation_is_refused_in_the_words_of_a_frame(changed: dict[str, list[Any]]) -> None:
    rows = orders(**changed)
    told = []
    for data in (rows, duckdb.connect().from_arrow(rows)):
        with pytest.raises(gc.InputError) as caught:
            gc.Logs(orders=data)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "first at row position 1" in told[0]


@pytest.mark.parametrize(
    "time", ["2026-03-09", " 2026-03-09T10:00 ", "2026-03-09 10:00:00.123456", "2026-03-09 10:00:00"]
)
def test_iso_times_are_read_alike(time: str) -> None:
    rows = orders(time=[time, time])
    panels = [gc.Logs(orders=data).panel(freq="D") for data in (rows, duckdb.connect().from_arrow(rows))]
    assert panels[0].equals(panels[1]) and panels[0]["gmv"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("time", ["2026-03-09T20:00:00Z", "2026-03-09 20:00:00+00:00", "2026-03-10T04:00:00 +0800"])
def test_offsets_are_read_alike(time: str) -> None:
    rows = orders(time=[time, time])
    for data in (rows, duckdb.connect().from_arrow(rows)):
        panel = gc.Logs(orders=data, timezone="Asia/Shanghai").panel(freq="D")
        assert panel["period"].dt.day.tolist() == [10, 10]
