"""A folder holds one market: what would be left of another is refused, and so is what is no folder."""

from pathlib import Path

import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.simulate import livestream, world, write_livestream

SMALL = {"users": 60, "rooms": 3, "days": 12, "truth_draws": 2}
ROOMS = {**SMALL, "tactics": "raffle", "adopt": (8,)}


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_a_market_writes_all_of_its_truth(tmp_path: Path) -> None:
    market = livestream(**SMALL)
    written = {path.stem for path in market.write(tmp_path / "a")}
    assert written == names(tmp_path / "a")
    assert written == {*market.logs.tables, "truth", "truth_users", "truth_event_study"}
    assert written == {path.stem for path in write_livestream(tmp_path / "b", **SMALL)}
    for name in written:
        one, other = (pd.read_parquet(tmp_path / folder / f"{name}.parquet") for folder in "ab")
        pd.testing.assert_frame_equal(one, other, obj=name)
    world("D7", n=40).write(tmp_path / "c")
    assert {"truth", "truth_event_study"} <= names(tmp_path / "c") and "truth_users" not in names(tmp_path / "c")


def test_tables_of_another_market_are_refused(tmp_path: Path) -> None:
    first, second = livestream(**SMALL), livestream(**ROOMS)
    first.write(tmp_path)
    before = (tmp_path / "orders.parquet").read_bytes()
    stale = r"parquet files that this market would not replace: coupons\.parquet\. Name an empty folder"
    with pytest.raises(gc.InputError, match=stale):
        second.write(tmp_path)
    with pytest.raises(gc.InputError, match=stale):
        write_livestream(tmp_path, **ROOMS)
    with pytest.raises(gc.InputError, match=r"truth\.parquet, truth_event_study\.parquet, truth_users\.parquet"):
        write_livestream(tmp_path, **SMALL, truth=False)
    assert (tmp_path / "orders.parquet").read_bytes() == before
    first.write(tmp_path)  # the same tables are replaced
    write_livestream(tmp_path, **SMALL, seed=1)
    assert (tmp_path / "orders.parquet").read_bytes() != before
    # a truth without users would leave those of an earlier one
    world("D7", n=40).write(tmp_path / "w")
    (tmp_path / "w" / "truth_users.parquet").write_bytes(b"")
    with pytest.raises(gc.InputError, match=r"would not replace: truth_users\.parquet"):
        world("D7", n=40).write(tmp_path / "w")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    market = world("D7", n=40)
    for write in (market.write, lambda folder: write_livestream(folder, **SMALL, truth=False)):
        with pytest.raises(gc.InputError, match=r"file is a file, not a folder\. Name another folder"):
            write(file)
        with pytest.raises(gc.InputError, match=r"cannot be made \(.*\)\. Name another folder"):
            write(file / "deeper")
        for wrong in (None, 3, ""):
            with pytest.raises(gc.InputError, match="folder must be a path, but is"):
                write(wrong)
    (tmp_path / "orders.parquet").mkdir()
    with pytest.raises(gc.InputError, match=r"orders\.parquet cannot be written"):
        market.write(tmp_path)


def test_the_mapping_says_where_the_other_tables_are() -> None:
    logs = livestream(**SMALL).logs
    with pytest.raises(KeyError, match=r"visits is not one of the tables that Logs takes.*logs\.tables\['visits'\]"):
        logs["visits"]
    with pytest.raises(KeyError, match=r"no table 'carts'; logs\.tables holds users, rooms"):
        logs["carts"]
    assert logs.get("visits") is None and "visits" not in logs
