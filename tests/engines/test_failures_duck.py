"""What breaks while DuckDB reads: pages, disks, memory, processes; the file is named, and nothing is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gmvcausal as gc
from gmvcausal import InputError, Logs
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.frames.engines.engine import reading
from gmvcausal.frames.files import Files, find_files
from gmvcausal.frames.scratch import scratch, sweep
from gmvcausal.frames.table import open_table

DAYS = pd.date_range("2025-03-01", periods=28, freq="D")


def orders(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "order": np.arange(n) + n * seed,
            "user": rng.integers(0, 200, n),
            "time": DAYS[rng.integers(0, 28, n)] + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s"),
            "gmv": rng.gamma(2.0, 10.0, n),
        }
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    for k in range(4):
        orders(3_000, k).to_parquet(tmp_path / "log" / f"part-{k}.parquet", compression="zstd", row_group_size=500)
    return tmp_path / "log"


@pytest.fixture
def spills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files lie in a test."""
    folder = tmp_path / "spills"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def break_page(path: Path, column: str) -> None:
    """Overwrite the head of a page in the middle of a file, whose footer stays whole."""
    found = pq.read_metadata(path)
    group = found.row_group(found.num_row_groups // 2)
    place = [group.column(k).path_in_schema for k in range(group.num_columns)].index(column)
    chunk = group.column(place)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)


# --- pages ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("column", ["user", "time", "gmv"])
def test_a_page_that_is_broken_inside_a_whole_file_is_named(log: Path, spills: Path, column: str) -> None:
    break_page(log / "part-2.parquet", column)
    with pytest.raises(InputError, match=r"orders could not be read: the file '.*part-2\.parquet' is not whole"):
        Logs(orders=log).panel(freq="W")
    with pytest.raises(InputError, match=r"data could not be read: the file '.*part-2\.parquet' is not whole"):
        open_table(log, "data", [column])
    with pytest.raises(InputError, match=r"part-2\.parquet' is not whole"):
        open_table(log / "part-2.parquet", "data", [column])


def test_a_broken_column_that_nobody_reads_breaks_nothing(log: Path) -> None:
    whole = Logs(orders=log, columns={"order": "order"}).panel(freq="W")
    for path in log.iterdir():
        pd.read_parquet(path).assign(note="x").to_parquet(path, row_group_size=500)
    break_page(log / "part-2.parquet", "note")
    pd.testing.assert_frame_equal(Logs(orders=log).panel(freq="W"), whole)


def test_what_is_wrong_with_a_statement_is_not_blamed_on_a_file(log: Path) -> None:
    space = DuckEngine()
    source = space.source(log, "orders", ["user"])
    with pytest.raises(InputError, match=r"orders could not be read: Binder Error.*nobody"):
        space.rows(f"SELECT nobody FROM {source}", "orders")
    space.close()


# --- files that move ------------------------------------------------------------------------------------------------
def test_all_passes_read_the_files_that_the_first_one_found(log: Path) -> None:
    logs = Logs(orders=log)
    before = logs.panel(freq="W")
    assert before["gmv"].sum() == pytest.approx(sum(pd.read_parquet(p)["gmv"].sum() for p in log.iterdir()))
    late = log / "part-9.parquet"
    orders(10, 9).to_parquet(late)
    for verb in (
        lambda: logs.panel(freq="W"),
        lambda: logs.users(anchor="2025-03-15", pre="7D"),
        lambda: logs.retention(horizon=2),
    ):
        with pytest.raises(InputError, match=r"the file '.*part-9\.parquet' came to orders while it was read"):
            verb()
    late.unlink()
    pd.testing.assert_frame_equal(logs.panel(freq="W"), before)
    (log / "part-1.parquet").unlink()
    with pytest.raises(InputError, match=r"the file '.*part-1\.parquet' of orders vanished while it was read"):
        logs.panel(freq="W")


def test_a_file_that_is_written_anew_between_two_passes_is_named(log: Path) -> None:
    space = DuckEngine()
    with pytest.raises(InputError, match=r"'.*part-1\.parquet' of orders changed"), reading(space):  # noqa: PT012  # two passes
        source = space.source(log, "orders", ["gmv"])
        space.files.whole("orders", int(space.row(f"SELECT count(*) FROM {source}", "orders")[0]))
        orders(3_000, 7).to_parquet(log / "part-1.parquet")
        space.row(f"SELECT sum(gmv) FROM {source}", "orders")
    # Whatever came of it: here a sum of fewer rows than the first pass counted.
    space = DuckEngine()
    source = space.source(log, "orders", ["gmv"])
    orders(2_000, 7).to_parquet(log / "part-1.parquet")
    with pytest.raises(InputError, match=r"'.*part-1\.parquet' of orders changed"):
        space.files.whole("orders", int(space.row(f"SELECT count(*) FROM {source}", "orders")[0]))
    space.close()


def test_harmless_differences_are_said_in_the_notes(log: Path) -> None:
    frame = pd.read_parquet(log / "part-3.parquet")
    frame.assign(gmv=frame["gmv"].astype("float32"), user=frame["user"].astype("int16")).to_parquet(
        log / "part-3.parquet"
    )
    (log / "_temporary").mkdir()
    shutil.copy(log / "part-0.parquet", log / "_temporary" / "part-0.parquet")
    notes = Logs(orders=log).panel(freq="W").attrs["gmvcausal"]["notes"]
    assert any("column 'gmv' is 64-bit floats in 3 and 32-bit floats in 1 of 4 files" in note for note in notes)
    assert any("1 file beside the data was left out" in note for note in notes)
    assert not any("'user'" in note for note in notes)


# --- disks and memory -----------------------------------------------------------------------------------------------
@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """Files of this process may grow to so many bytes and no further, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_is_told_with_the_remedy(spills: Path, small_disk: Callable[[int], None]) -> None:
    space = DuckEngine()
    small_disk(1_000_000)
    with pytest.raises(
        InputError, match=r"the disk is full.*orders does not fit.*goes to '.*spills/gmvcausal-.*TMPDIR"
    ):
        space.keep("lines", "SELECT random() AS x FROM range(1000000)", "orders")
    space.close()
    assert list(spills.iterdir()) == []


def test_a_disk_that_fills_while_spilling_is_told(spills: Path) -> None:
    space = DuckEngine(memory_limit=2**27)
    space.run("SET threads = 1")
    space.run("SET max_temp_directory_size = '1MB'")
    text = "CREATE TABLE z AS SELECT hash(range) AS h, random() AS x FROM range(5000000) ORDER BY h"
    with pytest.raises(InputError, match=r"the disk is full \(.* used\): what of orders .* 64 MiB .*memory_limit="):
        space.run(text, "orders")
    with pytest.raises(
        InputError, match=r"orders needs more memory than the 64 MiB .* Raise memory_limit=|orders needs"
    ):
        space.rows("SELECT list(x) FROM (SELECT random() AS x FROM range(50000000))", "orders")
    space.close()
    assert list(spills.iterdir()) == []


# --- what is left behind --------------------------------------------------------------------------------------------
def test_nothing_is_left_after_an_error_or_an_interrupt(log: Path, spills: Path) -> None:
    def stops() -> None:
        logs = Logs(orders=log)
        assert len(list(spills.iterdir())) == 1
        logs.panel(freq="W")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stops()
    assert list(spills.iterdir()) == []
    break_page(log / "part-2.parquet", "gmv")
    with pytest.raises(InputError):
        Logs(orders=log)
    assert list(spills.iterdir()) == []


def test_the_next_run_removes_what_a_killed_process_left(spills: Path) -> None:
    code = """
import os, signal
from gmvcausal.frames.scratch import scratch
made = scratch()
open(os.path.join(made.path, "spilled"), "wb").write(b"x" * 1000)
print(made.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    mine = scratch()
    (spills / "gmvcausal-demo").mkdir()  # has no lock: it is not one of ours
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    left = done.stdout.strip()
    assert os.path.isdir(left)
    assert sweep() == [left]
    assert sorted(path.name for path in spills.iterdir()) == sorted([os.path.basename(mine.path), "gmvcausal-demo"])
    assert sweep() == []
    mine.remove()
    assert not os.path.exists(mine.path)


def test_a_forked_child_removes_nothing_of_its_parents(spills: Path) -> None:
    made = scratch()
    child = os.fork()
    if child == 0:
        made.remove()
        os._exit(0 if not made.ours and os.path.isdir(made.path) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert os.path.isdir(made.path)
    made.remove()


def test_no_place_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", none)
    with pytest.raises(InputError, match=r"no temporary directory can be made.*TMPDIR"):
        scratch()


def test_a_table_of_arrow_is_read_whole(log: Path) -> None:
    table = open_table(log, "data", ["gmv"])
    assert table.n == 12_000
    assert pa.table(table.frame.to_native()).num_rows == 12_000


# --- the verbs ------------------------------------------------------------------------------------------------------
def rollout(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(2)
    for k in range(3):
        frame = pd.DataFrame({"unit": np.repeat(np.arange(20) + 20 * k, 6), "period": np.tile(np.arange(6), 20)})
        frame["first_treated"] = np.where(frame["unit"] % 2 == 0, 3.0, np.nan)
        frame["gmv"] = rng.normal(10, 1, len(frame)) + (frame["period"] >= frame["first_treated"])
        frame.to_parquet(folder / f"{k}.parquet", compression="zstd")
    return folder


def trial(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(2)
    for k in range(3):
        frame = pd.DataFrame({"user": np.arange(200) + 200 * k, "arm": np.arange(200) % 2, "gmv": rng.gamma(2, 9, 200)})
        frame.to_parquet(folder / f"{k}.parquet", compression="zstd")
    return folder


VERBS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "did": (rollout, gc.did),
    "ab_test": (trial, lambda path: gc.ab_test(path, metrics=[gc.Mean("gmv")], control=0)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_names_the_file_that_is_broken_or_moves(
    tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, call = VERBS[verb]
    folder = make(tmp_path / verb)
    parts = [pd.read_parquet(path) for path in sorted(folder.iterdir())]
    parts[1].astype({"gmv": "float32"}).to_parquet(folder / "1.parquet")
    notes = " ".join(call(folder).manifest.notes)  # type: ignore[attr-defined]
    assert notes.count("column 'gmv' is 64-bit floats in 2 and 32-bit floats in 1 of 3 files") == 1
    parts[1].to_parquet(folder / "1.parquet", compression="zstd")
    for name, change in {
        "came to data": lambda: parts[0].to_parquet(folder / "9.parquet"),
        "of data changed": lambda: parts[2].head(6).to_parquet(folder / "1.parquet"),
        "of data vanished": (folder / "1.parquet").unlink,
    }.items():
        waiting = [change]

        def finds(data: object, of: str, waiting: list[Callable[[], object]] = waiting) -> Files:
            found = find_files(data, of)
            if waiting:  # it happens as soon as the files have been found
                waiting.pop()()
            return found

        with monkeypatch.context() as patch:
            patch.setattr("gmvcausal.frames.found.find_files", finds)
            with pytest.raises(InputError, match=rf"the file '.*\d\.parquet' {name}.* while it was read"):
                call(folder)
        (folder / "9.parquet").unlink(missing_ok=True)
        parts[1].to_parquet(folder / "1.parquet", compression="zstd")
    break_page(folder / "1.parquet", "gmv")
    with pytest.raises(InputError, match=r"data could not be read: the file '.*1\.parquet' is not whole"):
        call(folder)
