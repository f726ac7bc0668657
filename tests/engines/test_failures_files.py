"""Files that are broken, doubled, left over, moving, or not alike: a message that names the file, or the right rows."""

import os
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmvcausal import InputError
from gmvcausal.frames.files import find_files
from gmvcausal.frames.parquet import parquet_source, stored_names


def write(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def rows(data: object, *needed: str) -> list[tuple[object, ...]]:
    listed = ", ".join(f'"{c}"' for c in needed)
    return duckdb.connect().sql(f"SELECT {listed} FROM {parquet_source(data, 'orders', needed)}").fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(5):
        write(tmp_path / "log" / f"part-{k}.parquet", gmv=[float(k), 10.0])
    return tmp_path / "log"


# --- which files ----------------------------------------------------------------------------------------------------
def test_what_writers_leave_behind_is_no_data_and_is_said(folder: Path) -> None:
    write(folder / "_temporary" / "0" / "part-9.parquet", gmv=[99.0])
    write(folder / ".part-1.parquet", gmv=[99.0])
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_bytes(b"crc")
    (folder / "part-7.parquet.tmp").write_bytes(b"half")
    for asked in (folder, f"{folder}/**/*.parquet"):
        files = find_files(asked, "orders")
        assert [os.path.basename(path) for path in files.paths] == [f"part-{k}.parquet" for k in range(5)]
        assert sum(row[0] for row in rows(asked, "gmv")) == 60.0
    assert "3 files beside the data were left out as hidden" in find_files(folder, "orders").notes()[0]
    assert find_files(folder / ".part-1.parquet", "orders").rows == 1  # named outright, it is meant
    assert find_files(folder / "part-0.parquet", "orders").notes() == []


def test_parquet_that_is_not_called_so_is_not_lost(folder: Path) -> None:
    write(folder / "000001_0", gmv=[100.0])
    (folder / "README.md").write_text("notes")
    with pytest.raises(InputError, match=r"parquet that is not called so: '.*000001_0' \(1 in all\).*log/\*'"):
        find_files(folder, "orders")
    assert sum(row[0] for row in rows(f"{folder}/*", "gmv")) == 160.0
    assert "README.md" in find_files(f"{folder}/*", "orders").notes()[0]
    assert sum(row[0] for row in rows(f"{folder}/*.parquet", "gmv")) == 60.0
    find_files(f"{folder}/*", "orders").unchanged()


def test_folders_of_hive_are_read_by_a_pattern(tmp_path: Path) -> None:
    for day in (1, 2):
        write(tmp_path / "log" / f"day={day}" / "000000_0", gmv=[float(day)])
    with pytest.raises(InputError, match=r"\(2 in all\).*log/\*\*/\*'"):
        find_files(tmp_path / "log", "orders")
    for pattern in ("*", "**/*", "day=*/*", "day=*"):
        assert rows(f"{tmp_path}/log/{pattern}", "gmv", "day") == [(1.0, 1), (2.0, 2)]


@pytest.mark.parametrize("other", ["b.csv", "b.CSV.gz", "b.json", "b.orc", "b.avro"])
def test_rows_of_another_format_are_not_lost(folder: Path, other: str) -> None:
    (folder / other).write_text("gmv\n7\n")
    for asked in (folder, f"{folder}/*"):
        with pytest.raises(InputError, match=rf"also holds '{re.escape(other)}', which is no parquet.*\*\.parquet"):
            find_files(asked, "orders")
    assert find_files(f"{folder}/*.parquet", "orders").rows == 10
    (folder / other).rename(folder / f"_{other}")
    assert find_files(folder, "orders").rows == 10


def test_where_nothing_is_the_format_is_not_blamed(tmp_path: Path) -> None:
    for asked, words in (
        (tmp_path / "nosuchfolder", "the path '.*nosuchfolder', which does not exist"),
        (f"{tmp_path}/*", r"the pattern '.*\*', which finds no parquet file"),
        (f"{tmp_path}/*.parquet", "the file .* which does not exist"),
        ("orders.csv", r"does not end in \.parquet"),
    ):
        with pytest.raises(InputError, match=words):
            find_files(asked, "orders")
    (tmp_path / "notes").write_text("x")
    with pytest.raises(InputError, match=r"does not end in \.parquet"):
        find_files(tmp_path / "notes", "orders")


def test_a_folder_of_hidden_files_alone_says_so(tmp_path: Path) -> None:
    write(tmp_path / "_temporary" / "part-9.parquet", gmv=[99.0])
    with pytest.raises(InputError, match=r"holds no \.parquet file, only 1 that are hidden.*part-9"):
        find_files(tmp_path, "orders")


def test_a_folder_that_ends_in_parquet_is_found_by_a_pattern(tmp_path: Path) -> None:
    for day in (1, 2):
        write(tmp_path / f"day{day}.parquet" / "part-0.snappy.parquet", gmv=[float(day)])
        (tmp_path / f"day{day}.parquet" / "_SUCCESS").touch()
    assert rows(f"{tmp_path}/*.parquet", "gmv") == [(1.0,), (2.0,)]


def test_one_file_under_two_names_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = folder / "part-0.parquet"
    monkeypatch.chdir(folder)
    for asked in (
        [folder, first],
        [first, first],
        ["part-0.parquet", "./part-0.parquet"],
        [f"{folder}/*.parquet", first],
    ):
        with pytest.raises(InputError, match=r"orders names one file twice.*part-0\.parquet.*count double"):
            find_files(asked, "orders")
    (folder / "again.parquet").symlink_to(first)
    with pytest.raises(InputError, match=r"twice, as '.*again\.parquet' and as '.*part-0\.parquet'"):
        find_files(folder, "orders")


@pytest.mark.parametrize(("mark", "kind"), [("_delta_log", "Delta"), (".hoodie", "Hudi"), ("metadata", "Iceberg")])
def test_a_lakes_folder_holds_files_that_were_deleted(folder: Path, mark: str, kind: str) -> None:
    (folder / mark).mkdir()
    (folder / mark / "v1.metadata.json").write_text("{}")
    for asked in (folder, f"{folder}/*.parquet", folder.parent):
        with pytest.raises(InputError, match=f"is a {kind} table and also holds files that are no longer part"):
            find_files(asked, "orders")
    assert find_files(folder / "part-0.parquet", "orders").rows == 2


def test_the_order_of_a_list_is_kept_and_a_pattern_is_sorted(folder: Path) -> None:
    last = folder / "part-4.parquet"
    asked = [last, f"{folder}/part-[0-2].parquet"]
    assert find_files(asked, "orders").paths == [str(last), *(str(folder / f"part-{k}.parquet") for k in range(3))]
    assert [row[0] for row in rows(asked, "gmv")][::2] == [4.0, 0.0, 1.0, 2.0]


# --- files that move ------------------------------------------------------------------------------------------------
def test_files_found_once_are_the_files_of_every_pass(folder: Path) -> None:
    files = find_files(folder, "orders")
    files.unchanged()
    write(folder / "part-5.parquet", gmv=[1e6])
    assert sum(row[0] for row in rows(files, "gmv")) == 60.0
    assert find_files(files, "orders") is files
    assert stored_names(files) == ["gmv"]
    files.unchanged(added=False)
    with pytest.raises(InputError, match=r"the file '.*part-5\.parquet' came to orders while it was read"):
        files.unchanged()


def test_a_file_that_changed_or_vanished_is_named(folder: Path) -> None:
    files = find_files(folder, "orders")
    part = folder / "part-3.parquet"
    times = part.stat()
    write(folder / "new", gmv=[3.0, 11.0])
    os.replace(folder / "new", part)  # as many bytes, and the time is set back: still another file
    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert part.stat().st_size == times.st_size
    with pytest.raises(InputError, match=r"the file '.*part-3\.parquet' of orders changed while it was read"):
        files.unchanged(added=False)
    part.unlink()
    with pytest.raises(InputError, match=r"the file '.*part-3\.parquet' of orders vanished while it was read"):
        files.unchanged()


def test_a_pass_over_fewer_rows_is_no_sum(folder: Path) -> None:
    files = find_files(folder, "orders")
    files.whole(10)
    with pytest.raises(InputError, match=r"8 rows of orders were read, but its 5 files hold 10.*ignoreCorruptFiles"):
        files.whole(8)
    (folder / "part-3.parquet").unlink()
    with pytest.raises(InputError, match=r"part-3\.parquet' of orders vanished"):
        files.whole(8)


# --- files that are not whole ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda whole: b"", "it has 0 bytes"),
        (lambda whole: whole[: len(whole) // 2], "bytes and no footer of parquet at its end"),
        (lambda whole: whole[:5], "it has 5 bytes"),
        (lambda whole: b"user,gmv\n1,2.0\n" * 40, "bytes and no footer of parquet at its end"),
        (lambda whole: whole[:-8] + b"\xff\xff\xff\x7f" + whole[-4:], ""),
        (lambda whole: whole[:-60] + bytes(52) + whole[-8:], ""),
    ],
)  # fmt: skip
def test_a_file_that_is_not_whole_is_named(folder: Path, content: object, why: str, many: bool) -> None:
    part = folder / "part-3.parquet"
    part.write_bytes(content(part.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=rf"orders could not be read: .*part-3\.parquet' is not whole: .*{why}"):
        parquet_source(folder if many else part, "orders", ["gmv"])


def test_a_file_without_rights_and_a_link_to_nothing_are_named(folder: Path) -> None:
    (folder / "part-9.parquet").symlink_to(folder / "gone")
    with pytest.raises(InputError, match=r"the file '.*part-9\.parquet' of orders cannot be read: No such file"):
        find_files(folder, "orders")


# --- columns that are not alike -------------------------------------------------------------------------------------
NS = datetime(2025, 1, 1)
LIKE = {
    "widths": ([1, 2], pa.int32(), [2**40], pa.int64(), [1, 2, 2**40], ""),
    "signs": ([2**64 - 1], pa.uint64(), [-1], pa.int8(), [2**64 - 1, -1], ""),
    "whole and broken": ([1, 2], pa.int64(), [2.5], pa.float64(), [1.0, 2.0, 2.5], "read as the widest of these"),
    "floats": ([0.5], pa.float32(), [2.5], pa.float64(), [0.5, 2.5], "those amounts carry 7 digits"),
    "flags": ([True], pa.bool_(), [0], pa.int64(), [1, 0], "flags in 1"),
    "scales": ([Decimal("1.25")], pa.decimal128(10, 2), [Decimal("1.2512")], pa.decimal128(12, 4),
               [Decimal("1.25"), Decimal("1.2512")], ""),
    "units": ([NS], pa.timestamp("ms"), [NS], pa.timestamp("us"), [NS, NS], ""),
    "no value": ([None], pa.null(), ["a"], pa.string(), [None, "a"], ""),
    "categories": (["b"], pa.dictionary(pa.int32(), pa.string()), ["a"], pa.large_string(), ["b", "a"], ""),
}  # fmt: skip
UNLIKE = {
    "text": ([1], pa.int64(), ["1"], pa.string(), "text"),
    "flags": ([True], pa.bool_(), ["1"], pa.string(), "text"),
    "zones": ([NS], pa.timestamp("us"), [NS], pa.timestamp("us", "UTC"), "times with a zone"),
    "dates": ([NS], pa.timestamp("us"), [date(2025, 1, 1)], pa.date32(), "dates"),
    "numbers for times": ([NS], pa.timestamp("us"), [1735689600], pa.int64(), "whole numbers"),
    "bytes": (["a"], pa.string(), [b"a"], pa.binary(), "binary"),
    "nested": ([1], pa.int64(), [[1]], pa.list_(pa.int64()), "list<element: int64>"),
}  # fmt: skip


@pytest.mark.parametrize("case", LIKE)
@pytest.mark.parametrize("turned", [False, True])
def test_differences_that_change_no_value_are_read(tmp_path: Path, case: str, turned: bool) -> None:
    a, a_type, b, b_type, expected, said = LIKE[case]
    write(tmp_path / f"{int(turned)}.parquet", x=pa.array(a, a_type))
    write(tmp_path / f"{1 - int(turned)}.parquet", x=pa.array(b, b_type))
    found = [row[0] for row in rows(tmp_path, "x")]
    wanted = expected if not turned else [*expected[len(a) :], *expected[: len(a)]]
    assert found == wanted
    notes = find_files(tmp_path, "orders").check(["x"])
    assert (said in notes[0]) if said else notes == []


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize("turned", [False, True])
def test_differences_that_change_values_are_refused(tmp_path: Path, case: str, turned: bool) -> None:
    a, a_type, b, b_type, words = UNLIKE[case]
    odd = 0 if turned else 2
    for k in range(3):
        write(tmp_path / f"{k}.parquet", x=pa.array(b, b_type) if k == odd else pa.array(a, a_type), y=[k])
    message = rf"changes its type: .* in 2 and {re.escape(words)} in 1 of 3 files, first '.*{odd}\.parquet'.*column 'x'"
    with pytest.raises(InputError, match=message):
        parquet_source(tmp_path, "orders", ["y", "x"])
    assert len(rows(tmp_path, "y")) == 3  # a column that nobody uses may differ


def test_decimals_that_no_type_holds_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", x=pa.array([Decimal("1.5")], pa.decimal128(38, 3)))
    write(tmp_path / "1.parquet", x=pa.array([Decimal("1.5")], pa.decimal128(20, 11)))
    with pytest.raises(
        InputError, match=r"35 digits before the point and 11 after it, more than 38; first at '.*1\.parq"
    ):
        parquet_source(tmp_path, "orders", ["x"])


def test_capitals_make_another_column(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", gmv=[1.0])
    write(tmp_path / "1.parquet", GMV=[2.0])
    with pytest.raises(
        InputError, match=r"1 of the 2 files of orders lack a column.*first '.*1\.parquet', which has 'GMV'"
    ):
        parquet_source(tmp_path, "orders", ["gmv"])
    # Matched by name, the second file's "GMV" was read as "gmv", and its own "gmv" as a column of its own.
    write(tmp_path / "1.parquet", GMV=[2.0], gmv=[3.0])
    with pytest.raises(
        InputError, match=r"'.*1\.parquet' of orders has columns whose names differ only in case: 'GMV', 'gmv'"
    ):
        parquet_source(tmp_path, "orders", ["gmv"])


def test_one_type_that_arrow_does_not_know_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    duckdb.connect().sql("SELECT 1 AS x, INTERVAL 3 DAY AS y").write_parquet(str(path))
    assert rows(path, "x") == [(1,)]


# --- keys of folders ------------------------------------------------------------------------------------------------
def test_keys_of_folders_are_columns_where_all_files_have_them(tmp_path: Path) -> None:
    for day in ("2025-01-01", "2025-01-02"):
        write(tmp_path / f"day={day}" / "a.parquet", gmv=[1.0])
    assert {row[0] for row in rows(tmp_path, "day")} == {date(2025, 1, 1), date(2025, 1, 2)}
    write(tmp_path / "b.parquet", gmv=[7.0])
    assert len(rows(tmp_path, "gmv")) == 3
    with pytest.raises(InputError, match=r"1 of the 3 files of orders lack a column.*first '.*b\.parquet'.*'day'"):
        parquet_source(tmp_path, "orders", ["day", "gmv"])
    write(tmp_path / "b.parquet", gmv=[7.0], day=["2025-01-03"])
    with pytest.raises(InputError, match=r"is the name of some files' folders only.*first '.*b\.parquet'.*'day'"):
        parquet_source(tmp_path, "orders", ["day"])


def test_a_folder_must_not_contradict_its_files(tmp_path: Path) -> None:
    write(tmp_path / "week=1" / "a.parquet", gmv=[1.0, 2.0], week=[1, 1])
    write(tmp_path / "week=2" / "a.parquet", gmv=[1.0, 2.0], week=[2, 2])
    assert sorted(rows(tmp_path, "week", "gmv")) == [(1, 1.0), (1, 2.0), (2, 1.0), (2, 2.0)]
    write(tmp_path / "week=2" / "a.parquet", gmv=[1.0, 2.0], week=[2, 3])
    with pytest.raises(
        InputError, match=r"week=2/a\.parquet' of orders lies in the folder week=2, but .* holds 2 to 3"
    ):
        parquet_source(tmp_path, "orders", ["week", "gmv"])


def test_many_files_are_read_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=300)})
    for k, part in enumerate(np.array_split(np.arange(300), 30)):
        frame.iloc[part].to_parquet(tmp_path / f"{k:02}.parquet")
    files = find_files(tmp_path, "orders")
    assert files.rows == 300
    assert files.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert "union_by_name" not in parquet_source(files, "orders", ["x"])
    assert [row[0] for row in rows(files, "x")] == frame["x"].tolist()
