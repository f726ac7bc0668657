"""Rows that stay in an engine: whatever is asked of a test, the numbers and the words are those of memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from ab_market import ADJUSTED, CALLS, MARKET, ROOMS, N, refused, same

import gmvcausal as gc
from gmvcausal.abtest import verb
from gmvcausal.abtest.intake import single


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("grouped") / "market.parquet"
    MARKET.to_parquet(made)
    return made


@pytest.fixture(autouse=True)
def _in_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither blocks nor memory: every call on a file goes through the engine."""
    opened = verb.open_grouped

    def only(*args: Any) -> Any:
        found = opened(*args)
        assert found is not None
        return found

    monkeypatch.setattr(verb, "open_files", lambda *_: None)
    monkeypatch.setattr(verb, "open_grouped", only)


@pytest.mark.parametrize("call", list(CALLS))
def test_the_same_as_in_memory(call: str, path: Path) -> None:
    metrics, options = CALLS[call]
    same(MARKET, path, metrics, **options)


def test_missing_outcomes_count_as_zero(tmp_path: Path) -> None:
    gone = MARKET.index % 7 == 3
    gaps = MARKET.assign(gmv=MARKET["gmv"].mask(gone), orders=MARKET["orders"].mask(gone))
    gaps.to_parquet(tmp_path / "gaps.parquet")
    metrics = [gc.Ratio("gmv", "orders", cap=0.9), gc.Mean("gmv", pre="gmv_pre")]
    same(gaps, tmp_path / "gaps.parquet", metrics, missing="zero")


@pytest.mark.parametrize("rule", ["first", "drop"])
@pytest.mark.parametrize("cluster", [None, "user"])
def test_units_in_two_arms(tmp_path: Path, rule: str, cluster: str | None) -> None:
    """One in fifty comes back under another arm; in clusters, one in three comes back under its own too."""
    other = np.array(["B's", "对照", "A"])[pd.Categorical(MARKET["arm"]).codes]
    moved = MARKET.assign(user=np.arange(N), arm=np.where(MARKET.index % 50 == 9, other, MARKET["arm"]))
    again = MARKET.assign(user=np.arange(N)).loc[MARKET.index % (50 if cluster is None else 3) == 0]
    rows = [MARKET.assign(user=np.arange(N)), moved[MARKET.index % 50 == 9], *([] if cluster is None else [again])]
    frame = pd.concat(rows, ignore_index=True)
    frame.to_parquet(tmp_path / "twice.parquet")
    same(frame, tmp_path / "twice.parquet", ["gmv"], rule=rule, cluster=cluster)
    told = refused(frame, tmp_path / "twice.parquet", ["gmv"], cluster=cluster)
    assert "80 units are in more than one arm" in told and ("have several rows there" in told) == (cluster is not None)


def test_rooms_that_nobody_named_are_found(tmp_path: Path) -> None:
    frame = MARKET.rename(columns={"place": "city"})
    frame.to_parquet(tmp_path / "cities.parquet")
    with pytest.warns(gc.GmvCausalWarning, match="the arm does not vary within 'city'"):
        same(frame, tmp_path / "cities.parquet", [gc.Mean("gmv", pre="gmv_pre")], arm="arm_of_room")
    same(frame, tmp_path / "cities.parquet", ["gmv"])  # the arm of rows varies within cities


def test_many_values_make_a_grid_of_levels(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = gc.ab_test(MARKET, metrics=["gmv"], control="A").audit.to_frame()
    monkeypatch.setattr(single, "ALL_LEVELS", 100)
    found = gc.ab_test(path, metrics=["gmv"], control="A").audit.to_frame()
    pd.testing.assert_series_equal(found["status"], wanted["status"])
    a, b = (dict(zip(f["name"], f["value"], strict=True)) for f in (found, wanted))
    assert "two_groups" in a or set(a) == set(b)


def test_a_relation_of_the_user(path: Path) -> None:
    connection = duckdb.connect()
    money = duckdb.read_parquet(str(path), connection=connection).project(
        'CAST("gmv" AS DECIMAL(18, 2)) AS gmv, * EXCLUDE (gmv)'
    )
    same(MARKET, money, [gc.Mean("gmv", pre="gmv_pre")], strata="tier")
    assert connection.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]


# --- what is wrong ----------------------------------------------------------------------------------------------------
def _with(**columns: Any) -> pd.DataFrame:
    frame = MARKET.copy()
    for name, (at, value) in columns.items():
        frame[name] = frame[name].astype(object if isinstance(value, str) else float)
        frame.loc[at, name] = value
        if isinstance(value, str):
            frame[name] = frame[name].astype(str)
    return frame


late, some = [N - 1], [17, 3_000]
WRONG: list[tuple[str, pd.DataFrame, list[Any], dict[str, Any]]] = [
    ("infinite", _with(gmv=(late, np.inf)), ["gmv"], {}),
    ("is missing", _with(gmv=(some, np.nan)), ["gmv"], {}),
    ("is missing", _with(gmv_pre=(some, np.nan)), [gc.Mean("gmv", pre="gmv_pre")], {}),
    ("beyond 1e\\+100", _with(gmv=(some, -1e300)), ["gmv"], {}),
    ("beyond 2\\^53", MARKET.assign(gmv=2**60 + np.arange(N)), ["gmv"], {}),
    ("0 and 1 only", _with(bought=(some, 2.0)), [gc.Proportion("bought")], {}),
    ("holds text", _with(gmv=(some, "¥1,234.50")), ["gmv"], {}),
    ("not missing in the same rows", _with(gmv=(some, np.nan)), [gc.Ratio("gmv", "orders")], {}),
    ("but no 'orders'", _with(gmv=([0, 5], 9.0), orders=([0, 5], 0.0)), [gc.Gmv("gmv", "orders")], {}),
    ("but no 'visits'", _with(visits=(range(90), 0.0)), [gc.Gmv("gmv", "orders", "visits")], {}),
    ("received must hold", _with(got=(some, 0.5)), ["gmv"], {"received": "got"}),
    ("everybody, in the control", MARKET.assign(got=1), ["gmv"], {"received": "got"}),
    ("arm is missing", MARKET.assign(arm=MARKET["arm"].mask(MARKET.index == 7)), ["gmv"], {}),
    ("strata is missing", MARKET.assign(tier=MARKET["tier"].mask(MARKET.index == 7)), ["gmv"], {"strata": "tier"}),
    ("1,000 labels|4,000 labels", MARKET.assign(arm=np.arange(N).astype(str)), ["gmv"], {}),
    ("only one label", MARKET.assign(arm="A"), ["gmv"], {}),
    ("is no label", MARKET, ["gmv"], {"control": "C"}),
    ("has 1 row", MARKET.assign(arm=np.where(MARKET.index == 3, "B", "A")), ["gmv"], {}),
    ("fewer than 2 rows", _with(tier=(some, "rare")), ["gmv"], {"strata": "tier"}),
    ("strata vary", MARKET, ["gmv"], {**ROOMS, "strata": "tier"}),
    ("the arm varies", MARKET, ["gmv"], {"cluster": "place", "strata": "area"}),
    ("fewer than 2 place clusters", MARKET.assign(area=MARKET["place"] // 2), ["gmv"], {**ROOMS, "strata": "area"}),
    ("only one cluster", MARKET.assign(place=1), ["gmv"], ROOMS),
    ("varies within units", MARKET.assign(who=np.arange(N) // 2, arm_of_room=np.where(np.arange(N) < 8, "A", "B"),
     place=np.arange(N) // 3), ["gmv"], {**ROOMS, "unit": "who"}),
    ("Add each unit's rows up", MARKET.assign(who=np.arange(N) // 2, arm=np.where(np.arange(N) // 2 % 2, "A", "B")),
     ["gmv"], {"unit": "who"}),
    ("many|levels", MARKET.assign(tier=np.arange(N).astype(str)), [gc.Mean("gmv", pre="tier")], {}),
    ("too many to adjust", MARKET.assign(level=np.arange(N) // 16, arm=np.array(["A", "B"])[np.arange(N) % 2]),
     ADJUSTED[:1], {"strata": "level"}),
    ("can bear", MARKET.assign(arm_of_room=np.where(MARKET["place"] < 4, "A", "B")), ADJUSTED[:1], ROOMS),
    ("has no column 'gmvv'", MARKET, ["gmvv"], {}),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(WRONG)), ids=[f"{i} {w[0]}" for i, w in enumerate(WRONG)])
def test_what_is_wrong_is_said_in_the_same_words(case: int, tmp_path: Path) -> None:
    said, frame, metrics, options = WRONG[case]
    frame.to_parquet(tmp_path / "wrong.parquet")
    told = refused(frame, tmp_path / "wrong.parquet", metrics, **options)
    assert re.search(said, told), told
