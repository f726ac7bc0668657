"""One panel from anywhere: frames, files in any split and order, relations; the same numbers, and the same refusals."""

from __future__ import annotations

import decimal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gmvcausal as gc
from gmvcausal import DesignError, GmvCausalWarning, InputError
from gmvcausal.rollout.intake import read, scan

PERIODS = 8


def market(units: int = 240, seed: int = 3) -> pd.DataFrame:
    """Zero-inflated GMV in three cohorts and never treated; ids with holes, rows in any order."""
    rng = np.random.default_rng(seed)
    unit = np.sort(rng.choice(3 * units, units, replace=False)) + 1_000
    first = rng.choice([0, 4, 5, 7], units, p=[0.4, 0.2, 0.2, 0.2])
    period = np.arange(1, PERIODS + 1)
    on = (first[:, None] > 0) & (period >= first[:, None])
    y = np.where(rng.random((units, PERIODS)) < 0.4, 0.0, rng.gamma(2.0, 20.0, (units, PERIODS))) + 3.0 * on
    frame = pd.DataFrame(
        {
            "unit": np.repeat(unit, PERIODS),
            "period": np.tile(period, units),
            "gmv": y.ravel().round(2),
            "first_treated": np.repeat(np.where(first > 0, first, np.nan), PERIODS),
            "team": np.repeat(unit % 17, PERIODS),
        }
    )
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


FRAME = market()


def dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Weeks in place of numbers, NaT where never treated."""
    first = pd.Timestamp("2025-01-06")
    week = pd.to_timedelta(7 * frame["period"], unit="D")
    start = first + pd.to_timedelta(7 * frame["first_treated"], unit="D")
    return frame.assign(period=first + week, first_treated=start)


def _parts(frame: pd.DataFrame, folder: Path, k: int = 3) -> list[Path]:
    paths = [folder / f"part-{i}.parquet" for i in range(k)]
    for i, path in enumerate(paths):
        frame.iloc[i::k].to_parquet(path, index=False)
    return paths


def _hive(frame: pd.DataFrame, folder: Path) -> Path:
    root = folder / "hive"
    for period, part in frame.groupby("period"):
        (root / f"period={period}").mkdir(parents=True)
        part.drop(columns="period").to_parquet(root / f"period={period}" / "x.parquet", index=False)
    return root


def _file(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "panel.parquet", index=False)
    return folder / "panel.parquet"


def _relation(frame: pd.DataFrame, folder: Path) -> Any:
    return duckdb.connect().read_parquet(str(_file(frame, folder)))


PLACES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "file": _file,
    "list": _parts,
    "pattern": lambda frame, folder: str(_parts(frame, folder)[0]).replace("-0", "-*"),
    "folder": lambda frame, folder: _parts(frame, folder)[0].parent,
    "hive": _hive,
    "relation": _relation,
}
FRAMES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "polars": lambda frame, _: pl.from_pandas(frame),
    "arrow": lambda frame, _: pa.Table.from_pandas(frame, preserve_index=False),
}


def same(a: Any, b: Any, exact: bool = True) -> None:
    """Two results: every number and every word, audit and notes included; `exact` where no number was converted."""
    pd.testing.assert_frame_equal(a.to_frame(), b.to_frame(), rtol=1e-10, atol=1e-10)
    pd.testing.assert_frame_equal(a.event_study(), b.event_study(), rtol=1e-10, atol=1e-10)
    if "cells" in a.fitted.series:
        pd.testing.assert_frame_equal(a.att_gt(), b.att_gt(), rtol=1e-10, atol=1e-10)
    assert [(c.name, c.status, c.message) for c in a.audit] == [(c.name, c.status, c.message) for c in b.audit]
    assert a.manifest.notes == b.manifest.notes
    assert a.manifest.dropped == b.manifest.dropped
    assert a.manifest.rows == b.manifest.rows
    assert (a.manifest.data_sha256 == b.manifest.data_sha256) or not exact


@pytest.mark.parametrize("where", FRAMES)
def test_frames_of_any_library(where: str, tmp_path: Path) -> None:
    same(gc.did(FRAME), gc.did(FRAMES[where](FRAME, tmp_path)))


@pytest.mark.parametrize("where", PLACES)
def test_files_and_relations(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gc.did(FRAME)
    monkeypatch.setattr(read, "from_table", None)
    same(plain, gc.did(PLACES[where](FRAME, tmp_path)))


@pytest.mark.parametrize(
    "options",
    [
        {"estimator": "sun_abraham"},
        {"estimator": "imputation"},
        {"estimator": "two_stage"},
        {"estimator": "etwfe"},
        {"estimator": "twfe"},
        {"estimator": "poisson"},
        {"control": "not_yet_treated", "base_period": "universal", "anticipation": 1},
        {"cluster": "team", "first_treated": "team_start"},
        {"weights": "size"},
        {"treated": "on"},
        {"estimator": "twfe", "treated": "on"},
        {"missing": "zero", "outcome": "holes"},
        {"winsorise": 0.95},
        {"time": "date", "first_treated": "date_start"},
        {"time": "text", "first_treated": "text_start"},
        {"unit": "name"},
        {"outcome": "price"},
        {"outcome": "narrow"},
    ],
    ids=str,
)
def test_options(options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dates, start = dated(FRAME), FRAME["team"].map({t: (t % 3 + 4 if t % 2 else np.nan) for t in range(17)})
    more = FRAME.assign(
        team_start=start,
        size=1.0 + FRAME["unit"] % 5,
        on=(FRAME["period"] >= FRAME["first_treated"]).astype(int),
        holes=FRAME["gmv"].where(FRAME["gmv"] > 0),
        date=dates["period"].dt.date,
        date_start=dates["first_treated"],
        text=dates["period"].dt.strftime("%Y-%m-%d"),
        text_start=dates["first_treated"].dt.strftime("%Y-%m-%d"),
        name="用户 " + FRAME["unit"].astype(str),
        price=FRAME["gmv"].map(lambda v: decimal.Decimal(f"{v:.2f}")),
        narrow=FRAME["gmv"].astype(np.float32),
    )
    file = _file(more, tmp_path)
    kept = [*("unit", "period", "gmv", "first_treated"), *(str(v) for v in options.values() if v in more.columns)]
    more = pd.read_parquet(file)[list(dict.fromkeys(kept))]
    plain = gc.did(more, **options)
    more.to_parquet(file, index=False)
    monkeypatch.setattr(read, "from_table", None)
    same(plain, gc.did(file, **options), exact=options.get("outcome") != "price")


def test_absent_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = FRAME.iloc[40:]
    plain = gc.did(some)
    monkeypatch.setattr(read, "from_table", None)  # so that an answer can only be a streamed one
    same(plain, gc.did(_file(some, tmp_path)))


def test_rooms_are_found_where_the_tactic_was_assigned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column named room, an id used in two rooms, and a column that nobody named: as in memory."""
    room = FRAME["unit"] % 40
    rooms = FRAME.assign(room=room.map("R{}".format), first_treated=(4.0 + room % 3).where(room % 2 == 0))
    moved = rooms.drop(columns="room").assign(city=np.where(FRAME["period"] > 6, "A", "B"))
    other = rooms.rename(columns={"room": "pod"})
    found = []
    for k, frame in enumerate((rooms, moved, other)):
        file = tmp_path / f"{k}.parquet"
        frame.to_parquet(file, index=False)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", GmvCausalWarning)
            plain = gc.did(frame)
            with monkeypatch.context() as patch:
                patch.setattr(read, "from_table", None)
                read_again = gc.did(file)
        assert len({str(w.message) for w in told}) == (k == 0)
        assert all(w.filename == __file__ for w in told)
        same(plain, read_again)
        found.append({c.name for c in plain.audit if c.status == "warned"})
    assert "id_reuse" in found[1]
    assert "cluster_level" in found[2]


@pytest.mark.parametrize("batch", [7, 64])
def test_pieces_of_any_size(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gc.did(FRAME)
    monkeypatch.setattr(scan, "_BATCH", batch)
    monkeypatch.setattr(read, "from_table", None)
    same(plain, gc.did(_file(FRAME, tmp_path)))


WRONG: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "missing": (FRAME.assign(gmv=FRAME["gmv"].where(FRAME.index % 500 != 77)), {}),
    "infinite": (FRAME.assign(gmv=FRAME["gmv"].where(FRAME.index != 900, np.inf)), {}),
    "text": (FRAME.assign(gmv=FRAME["gmv"].astype(str)), {}),
    "repeated": (pd.concat([FRAME, FRAME.iloc[5:8]], ignore_index=True), {}),
    "conflicting": (pd.concat([FRAME, FRAME.iloc[5:8].assign(gmv=-1.0)], ignore_index=True), {}),
    "varying start": (FRAME.assign(first_treated=FRAME["first_treated"].where(FRAME.index != 300, 6.0)), {}),
    "start sometimes missing": (FRAME.assign(first_treated=FRAME["first_treated"].where(FRAME["period"] > 1)), {}),
    "off the grid": (
        dated(FRAME).assign(first_treated=dated(FRAME)["first_treated"] + pd.Timedelta(days=1)),
        {},
    ),
    "fractions": (FRAME.assign(period=FRAME["period"] + 0.5), {}),
    "no dates": (FRAME.assign(period="week " + FRAME["period"].astype(str)), {}),
    "two clocks": (dated(FRAME).assign(first_treated=FRAME["first_treated"]), {}),
    "missing unit": (FRAME.assign(unit=FRAME["unit"].where(FRAME.index != 12)), {}),
    "weights that vary": (FRAME.assign(w=1.0 + FRAME["period"]), {"weights": "w"}),
    "weights of zero": (FRAME.assign(w=0.0), {"weights": "w"}),
    "clusters that vary": (FRAME, {"cluster": "period"}),
    "no flags": (FRAME.assign(on=FRAME["period"]), {"treated": "on"}),
    "switched off": (FRAME.assign(on=(FRAME["period"] == FRAME["first_treated"]).astype(int)), {"treated": "on"}),
    "code": (FRAME.assign(first_treated=FRAME["first_treated"].fillna(9999)), {}),
    "negative": (FRAME.assign(gmv=FRAME["gmv"] - 5), {"estimator": "poisson"}),
    "one period": (FRAME[FRAME["period"] == 3], {}),
    "nobody untreated": (FRAME.assign(first_treated=4.0), {}),
    "nobody treated": (FRAME.assign(first_treated=np.nan), {}),
    "moments": (
        pd.DataFrame({"unit": range(3_000), "period": range(0, 9_000, 3), "gmv": 1.0, "first_treated": np.nan}),
        {},
    ),
    "no such column": (FRAME, {"outcome": "gvm"}),
    "same column": (FRAME, {"time": "unit"}),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_told_in_the_same_words(kind: str, tmp_path: Path) -> None:
    frame, options = WRONG[kind]
    file = _file(frame, tmp_path)
    frame = pd.read_parquet(file)
    with pytest.raises((InputError, DesignError)) as plain:
        gc.did(frame, **options)
    for data in (file, duckdb.connect().read_parquet(str(file))):
        with pytest.raises(type(plain.value)) as told:
            gc.did(data, **options)
        assert str(told.value).replace("DOUBLE", "") == str(plain.value)


IN_ONE_COLUMN = ("missing", "infinite", "text", "fractions", "no dates", "missing unit", "weights of zero", "no flags")


@pytest.mark.parametrize("kind", IN_ONE_COLUMN)
def test_what_is_wrong_with_one_column_needs_no_other(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, options = WRONG[kind]
    file = _file(frame, tmp_path)
    with pytest.raises(InputError) as plain:
        gc.did(pd.read_parquet(file), **options)
    monkeypatch.setattr(read, "from_table", None)
    with pytest.raises(InputError) as told:
        gc.did(file, **options)
    assert (told.value.rule, told.value.count, told.value.rows) == (
        plain.value.rule,
        plain.value.count,
        plain.value.rows,
    )


def test_what_needs_the_rows_one_by_one_says_so(tmp_path: Path) -> None:
    twice = pd.concat([FRAME, FRAME.iloc[:3]], ignore_index=True)
    plain, found = gc.did(twice, dedupe="exact"), gc.did(_file(twice, tmp_path), dedupe="exact")
    assert found.estimate == plain.estimate
    assert found.manifest.notes[: len(plain.manifest.notes)] == plain.manifest.notes
    assert "all rows were read into memory for dedupe=" in found.manifest.notes[-1]


def test_the_files_and_the_relation_stay_as_they_are(tmp_path: Path) -> None:
    file = _file(FRAME, tmp_path)
    connection = duckdb.connect()
    relation = connection.read_parquet(str(file))
    before, tables = file.read_bytes(), connection.execute("SHOW ALL TABLES").fetchall()
    gc.did(relation)
    gc.did(file)
    assert file.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["panel.parquet"]
    assert connection.execute("SHOW ALL TABLES").fetchall() == tables
