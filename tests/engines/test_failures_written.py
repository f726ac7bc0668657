"""Files that we write are whole or not there: after an error, an interrupt, a full disk, a killed process."""

import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmvcausal import InputError
from gmvcausal.frames.written import whole_file
from gmvcausal.present import files, spreadsheet
from gmvcausal.simulate import parquet as market_files
from gmvcausal.simulate.folder import write_frame
from gmvcausal.targeting.saved import write as write_result


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bad")])
def test_what_stops_in_the_middle_leaves_what_was_there(tmp_path: Path, problem: BaseException) -> None:
    path = tmp_path / "sums.csv"
    path.write_text("old")

    def stops() -> None:
        with whole_file(path) as beside:
            beside.write_text("ne")
            raise problem

    with pytest.raises(type(problem)):
        stops()
    assert path.read_text() == "old"
    assert left(tmp_path) == {"sums.csv"}


def test_links_and_rights_stay(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "sums.csv"
    path.write_text("old")
    path.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(path)
    with whole_file(tmp_path / "link.csv") as beside:
        beside.write_text("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (tmp_path / "link.csv").is_symlink()
    files.write(tmp_path / "fresh.txt", "x")
    (tmp_path / "plain.txt").write_text("x")
    assert (tmp_path / "fresh.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_what_is_no_plain_file_is_written_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    files.write("/dev/stdout", "all of it\n")
    assert capfd.readouterr().out == "all of it\n"


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """Files of this process may grow to so many bytes and no further, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_the_old_files_stay(tmp_path: Path, small_disk: Callable[[int], None]) -> None:
    old = {name: tmp_path / name for name in ("a.html", "b.csv", "c.parquet", "d.uplift")}
    for path in old.values():
        path.write_text("old")
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=20_000)})
    calls: tuple[Callable[[], object], ...] = (
        lambda: files.write(old["a.html"], "x" * 100_000),
        lambda: spreadsheet.to_csv(frame, old["b.csv"]),
        lambda: write_frame(tmp_path, "c", frame),
        lambda: write_result({"x": rng.bytes(50_000).hex()}, old["d.uplift"]),
    )
    small_disk(20_000)
    for call in calls:
        with pytest.raises(InputError, match="File too large"):
            call()
    assert {path: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(old.values(), "old")


def test_a_market_that_stops_leaves_the_last_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dials = {"users": 60, "rooms": 2, "days": 7, "truth": False}
    market_files.write_livestream(tmp_path, **dials)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(market_files.make, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        market_files.write_livestream(tmp_path, seed=2, **dials)
    monkeypatch.undo()
    once = market_files._Files.write

    def stops(self: market_files._Files, name: str, frame: pd.DataFrame) -> None:
        once(self, name, frame)
        if len(self.paths) > 3:
            raise OSError("the disk is gone")

    monkeypatch.setattr(market_files._Files, "write", stops)
    with pytest.raises(OSError, match="the disk is gone"):
        market_files.write_livestream(tmp_path, seed=2, **dials)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_killed_process_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sums.csv"
    path.write_text("old")
    code = f"""
import os, signal, pathlib
from gmvcausal.frames.written import whole_file
with whole_file({str(path)!r}) as beside:
    beside.write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    (beside,) = left(tmp_path) - {"sums.csv"}
    assert beside.startswith(".gmvcausal-")  # hidden: no reader takes it for data
