"""`gmvcausal simulate`: what is no dial, what a world has no use for, and how values are written."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import gmvcausal as gc
from gmvcausal.cli import _value, cli
from gmvcausal.simulate import dial_table

SIZE = ("--users", "60", "--quiet")


def command(out: Path, *words: str):
    return CliRunner().invoke(cli, ["simulate", "--out", str(out), *SIZE, *words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dial", "seed=3"], r"seed is not a dial\. Write --seed 3\."),
        (["--dial", "users=9"], r"users is not a dial\. Write --users 9\."),
        (["--dial", "progress=True"], r"progress is not a dial\. Write --quiet\."),
        (["--dial", "folder=x"], r"folder is not a dial\. Write --out x\."),
        (["--dial", "truth=False"], r"truth is not a dial\. Write --no-truth\."),
        (["--dial", "start=2026-05-01"], r"start is not a dial\. Write --start 2026-05-01\."),
        (["--world", "D7", "--dial", "seed=3"], r"seed is not a dial\. Write --seed 3\."),
        (["--world", "D7", "--dial", "n=40"], r"n is not a dial\. Write --users 40\."),
        (["--world", "D7", "--dial", "name=D5"], r"name is not a dial\. Write --world D5\."),
        (["--dial", "conversion"], r"'conversion' gives no value"),
        (["--dial", "conversion="], r"'conversion=' gives no value"),
        (["--dial", "stock=1", "--dial", "stock=2"], r"--dial stock is given twice"),
        (["--dial", "festivals=maybe"], r"festivals must be True or False, but is 'maybe'\. Its default is True"),
        (
            ["--world", "D7", "--rooms", "5", "--days", "40", "--tactics", "raffle", "--workers", "2"],
            r"the world D7 takes no --rooms, --days, --tactics, --workers\. Leave that out; .*--dial",
        ),
        (["--world", "D7", "--no-truth"], r"takes no --no-truth"),
        (["--world", "D7", "--start", "2026-03-02"], r"takes no --start"),
        (["--world", "D7", "--rooms", "20"], r"takes no --rooms"),  # also where it is the default
        (["--world", "D0"], r"no world 'D0'\. The worlds are 'D1', .*'D18'\.$"),
        (["--world", "D19"], r"no world 'D19'\. The worlds are"),
        (["--world", "d7"], r"no world 'd7'\. Write 'D7'"),
        (["--dial", "zzz=1"], rf"no dial 'zzz'\. The dials are 'visit_rate', .*, … \({len(dial_table())} in all\)\.$"),
        (["--dial", "Conversion=1"], r"no dial 'Conversion'\. Did you mean 'conversion'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    found = command(tmp_path / "out", *words).exception
    assert isinstance(found, gc.InputError)
    with pytest.raises(gc.InputError, match=message):
        raise found
    assert not list(tmp_path.glob("out/*"))


def test_values_of_dials_are_understood(tmp_path: Path) -> None:
    written = {
        ".06": 0.06, "6e-2": 0.06, "False": False, "false": False, "True": True, "None": None, "8,15": (8, 15),
        "[8,15]": [8, 15], "(8, 15)": (8, 15), "8": 8, "08": 8.0, "inf": float("inf"), "lot": "lot", '"lot"': "lot",
    }  # fmt: skip
    assert {text: _value(text) for text in written} == written
    dials = ("conversion=.2", "festivals=False", "adopt=8,15", "tail_limit=inf", "start_day=None")
    size = ("--days", "20", "--tactics", "raffle", "--start", "2026-05-01", "--no-truth")
    done = command(tmp_path, *size, *(word for dial in dials for word in ("--dial", dial)))
    assert done.exit_code == 0, done.output
    starts = pd.read_parquet(tmp_path / "exposures.parquet")["start"].dt.day
    assert set(starts) == {9, 16}


def test_a_world_takes_its_own_dials_and_writes_all_of_its_truth(tmp_path: Path) -> None:
    done = command(tmp_path, "--world", "D7", "--seed", "2", "--dial", "starts=8,12", "--dial", "never=.3")
    assert done.exit_code == 0, done.output
    assert {"truth.parquet", "truth_event_study.parquet"} <= {path.name for path in tmp_path.iterdir()}
    rooms = command(tmp_path / "four", "--users", "400", "--world", "D4", "--dial", "rooms=8")
    assert rooms.exit_code == 0, rooms.output
