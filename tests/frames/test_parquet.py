"""Where parquet data lie: files, patterns, folders and lists give the same rows, and parts that differ are told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmvcausal import InputError
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import open_table

FRAME = pd.DataFrame({"unit": [1, 1, 2, 2], "period": [1, 2, 1, 2], "gmv": [1.0, 2.0, 3.0, 4.5]})


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for day, part in FRAME.groupby("period"):
        folder = tmp_path / "panel" / f"period={day}"
        folder.mkdir(parents=True)
        part.drop(columns="period").to_parquet(folder / "part [0].parquet")
    return tmp_path / "panel"


def _rows(data: object) -> np.ndarray:
    table = open_table(data, needed=["unit", "period", "gmv"])
    return np.asarray(table.frame.select("unit", "period", "gmv").sort("unit", "period").to_numpy())


def test_a_folder_a_pattern_and_a_list_of_them(parts: Path) -> None:
    files = sorted(parts.glob("*/*.parquet"))
    for data in (parts, str(parts), f"{parts}/*/*.parquet", f"{parts}/**/*.parquet", files, [parts]):
        assert is_path(data)
        assert (_rows(data) == FRAME.to_numpy()).all()


def test_a_list_is_a_path_only_where_it_holds_paths() -> None:
    assert not is_path([])
    assert not is_path([1, 2])
    assert not is_path(["a.parquet", 1])


@pytest.mark.parametrize("first", [0, 1])
def test_whole_amounts_of_one_part_do_not_round_those_of_another(tmp_path: Path, first: int) -> None:
    FRAME.iloc[:2].astype(int).to_parquet(tmp_path / f"{first}.parquet")
    FRAME.iloc[2:].to_parquet(tmp_path / f"{1 - first}.parquet")
    assert (_rows(tmp_path) == FRAME.to_numpy()).all()


def test_a_column_that_only_some_parts_have_is_not_read_as_missing(tmp_path: Path) -> None:
    for k, part in enumerate((FRAME, FRAME.drop(columns="gmv"), FRAME.assign(note="x"))):
        part.to_parquet(tmp_path / f"{k}.parquet")
    with pytest.raises(InputError, match=r"1 of the 3 files of data lack a column.*column 'gmv'"):
        open_table(tmp_path, needed=["unit", "period", "gmv"])
    assert open_table(tmp_path, needed=["unit", "period"]).n == 12  # what is not asked for may differ


def test_what_is_no_place_of_parquet_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"which holds no \.parquet file"):
        open_table(tmp_path)
    FRAME.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="does not end in"):
        open_table([tmp_path / "a.parquet", tmp_path / "b.csv"])
    with pytest.raises(InputError, match="does not exist"):
        open_table([tmp_path / "a.parquet", tmp_path / "b.parquet"])
