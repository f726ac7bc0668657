"""A panel written by the engine: the rows, notes and checks of the panel in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal import InputError, Logs
from tests.log_inputs import eight_orders, two_exposures


def _market() -> dict[str, Any]:
    """Orders of 120 users in 9 rooms, exposures with and without an end that overlap, users who come and go."""
    rng = np.random.default_rng(3)
    n = 2_000
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 120, n),
            "time": pd.Timestamp("2025-03-05") + pd.to_timedelta(rng.integers(0, 80 * 86_400, n), unit="s"),
            "gmv": np.round(rng.lognormal(3, 1, n), 2),
            "discount": np.round(rng.random(n), 2),
            "order": np.arange(n),
            "room": rng.integers(0, 9, n),
        }
    )
    m = 90
    start = pd.Timestamp("2025-02-20") + pd.to_timedelta(rng.integers(0, 100, m), unit="D")
    end = pd.Series(start + pd.to_timedelta(rng.integers(0, 30, m), unit="D"))
    end[::4] = pd.NaT
    exposures = pd.DataFrame(
        {"user": rng.integers(0, 60, m), "tactic": rng.choice(["coupon", "push"], m), "start": start, "end": end}
    )
    users = pd.DataFrame(
        {"user": np.arange(130), "entry": pd.NaT, "exit": pd.NaT, "city": rng.choice(["上海", "杭州"], 130)}
    )
    users["entry"] = pd.to_datetime(np.where(users["user"] % 7 == 0, np.datetime64("2025-03-20"), np.datetime64("NaT")))
    users["exit"] = pd.to_datetime(np.where(users["user"] % 11 == 0, np.datetime64("2025-05-01"), np.datetime64("NaT")))
    return {"orders": orders, "exposures": exposures, "users": users}


def _same(path: str, panel: pd.DataFrame) -> None:
    there = pd.read_parquet(path)
    assert list(there.columns) == list(panel.columns)
    known, expected = there.attrs["gmvcausal"], panel.attrs["gmvcausal"]
    for name, value in expected.pop("sums").items():
        assert known["sums"][name] == pytest.approx(value, rel=1e-12)
    known.pop("sums")
    assert known == expected
    sort = ["unit", "period"]
    there, here = (f.sort_values(sort, ignore_index=True) for f in (there, panel))
    there.attrs = here.attrs = {}
    pd.testing.assert_frame_equal(there, here, check_exact=False, rtol=1e-12, check_dtype=False)


@pytest.mark.parametrize(
    "options",
    [
        {"freq": "W"},
        {"freq": "M", "origin": "2025-03-01"},
        {"freq": "4W", "per": "W", "keep": ["discount", "city"]},
        {"freq": "W", "tactic": "push", "origin": "2025-03-10"},
        {"freq": "D", "outcome": "orders"},
    ],
)
def test_rows_notes_and_checks_are_those_of_memory(tmp_path, options):
    logs = Logs(**_market())
    _same(logs.write_panel(tmp_path / "panel.parquet", **options), logs.panel(**options))


def test_rooms_and_logs_without_exposures(tmp_path):
    logs = Logs(orders=_market()["orders"])
    _same(logs.write_panel(str(tmp_path / "rooms.parquet"), unit="room", freq="W"), logs.panel("room", "W"))


def test_by_hand(tmp_path):
    path = Logs(orders=eight_orders(), exposures=two_exposures()).write_panel(tmp_path / "p.parquet", freq="W")
    panel = pd.read_parquet(path).sort_values(["unit", "period"])
    assert panel.loc[panel["unit"] == "u1", "gmv"].tolist() == [15.5, 1.25, 0.0]
    assert panel.loc[panel["unit"] == "u1", "treated"].tolist() == [0, 1, 0]
    assert panel.loc[panel["unit"] == "u4", "treated"].tolist() == [0, 0, 1]


def test_did_reads_the_file_with_all_that_is_known(tmp_path):
    market = _market()
    logs = Logs(orders=market["orders"], exposures=market["exposures"].drop(columns="end"))
    frame, path = logs.panel(freq="W"), logs.write_panel(tmp_path / "panel.parquet", freq="W")
    here, there = gc.did(frame), gc.did(path)
    assert there.estimate == pytest.approx(here.estimate, rel=1e-10)
    assert there.std_error == pytest.approx(here.std_error, rel=1e-10)
    assert there.unit == here.unit
    pd.testing.assert_frame_equal(there.audit.to_frame(), here.audit.to_frame(), check_exact=False, rtol=1e-9)


def test_paths_that_cannot_be_made(tmp_path):
    logs = Logs(orders=eight_orders())
    (tmp_path / "there.parquet").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        logs.write_panel(tmp_path / "there.parquet")
    assert (tmp_path / "there.parquet").read_bytes() == b"mine"
    with pytest.raises(InputError, match=r"does not end in \.parquet"):
        logs.write_panel(tmp_path / "panel.csv")
    with pytest.raises(InputError, match=r"cannot write '.*nowhere.*No such file.* a folder that exists and has room"):
        logs.write_panel(tmp_path / "nowhere" / "panel.parquet")
    with pytest.raises(InputError, match="path must name a parquet file"):
        logs.write_panel(5)
    with pytest.raises(InputError, match="column of every panel"):
        Logs(**_market()).write_panel(tmp_path / "p.parquet", keep=["gmv"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there.parquet"]


def test_a_panel_is_never_written_where_its_logs_are_read(tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    eight_orders().to_parquet(log / "a.parquet")
    for orders, words in ((log, "inside the folder"), (f"{log}/*.parquet", "which the pattern")):
        logs = Logs(orders=orders)
        with pytest.raises(InputError, match=rf"path is '.*panel\.parquet', {words} .* of orders"):
            logs.write_panel(log / "panel.parquet")
        assert [one.name for one in log.iterdir()] == ["a.parquet"]
    Logs(orders=log).write_panel(tmp_path / "panel.parquet")
    logs = Logs(orders=log)
    eight_orders().iloc[:5].to_parquet(log / "a.parquet")
    with pytest.raises(InputError, match=r"changed|vanished|not whole"):
        logs.write_panel(tmp_path / "other.parquet")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "panel.parquet"]
