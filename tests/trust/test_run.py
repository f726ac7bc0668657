"""The same numbers whatever the number of workers, after a kill, and for the same market in another order."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from gmvcausal import trust
from gmvcausal.errors import InputError
from gmvcausal.trust import Cell, Report
from gmvcausal.trust.replicate import replicate
from gmvcausal.trust.store import Store

SAMPLE, MEAN, ROOMS = "trust_fakes:sample", "trust_fakes:mean", "trust_fakes:rooms"


def cells(reps: int = 6) -> list[Cell]:
    return [
        Cell("rooms/two_by_two", ROOMS, reps=reps),
        Cell("rooms/twfe", ROOMS, call={"estimator": "twfe"}, reps=reps - 2),
        Cell("rooms/again", ROOMS, "shown", reps=reps),
        Cell("sample/mean", SAMPLE, verb=MEAN, reps=3 * reps),
        Cell("sample/half", SAMPLE, verb=MEAN, table={"method": "half", "part": 3}, reps=reps, null=True),
    ]


def run(out: Path | None = None, workers: int = 0, **more: Any) -> Report:
    return trust.run(more.pop("cells", cells()), out=out, workers=workers, progress=False, **more)


def same(report: Report) -> str:
    """All scores to the last bit."""
    return json.dumps([[r.cell.spec(), r.scores] for r in report.results])


def files(folder: Path) -> dict[str, Any]:
    found = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    for value in found.values():
        del value["seconds"]
    return found


def test_workers_change_nothing(tmp_path: Path) -> None:
    before = dict(os.environ)
    first = run(tmp_path / "0")
    for workers in (1, 2):
        assert same(run(tmp_path / str(workers), workers)) == same(first)
        assert files(tmp_path / str(workers)) == files(tmp_path / "0")
    assert dict(os.environ) == before


def test_another_seed_is_another_run_and_a_longer_one_begins_alike() -> None:
    short, long, other = (run(cells=cells(3)[:2]), run(cells=cells(4)[:2]), run(cells=cells(3)[:2], seed=1))
    assert same(short) != same(other)
    a, b = short["rooms/twfe"].done, long["rooms/twfe"].done
    assert a is not None and b is not None
    assert a.columns["estimate"].tolist() == b.columns["estimate"].tolist()[: len(a.columns)]


def test_cells_of_one_market_share_it() -> None:
    report = run()
    first, again = report["rooms/two_by_two"].done, report["rooms/again"].done
    assert first is not None and again is not None
    assert first.columns["estimate"].tolist() == again.columns["estimate"].tolist()


def test_a_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole")
    kept, real = tmp_path / "kept", Store.keep
    count = 0

    def killed(self: Store, *args: Any) -> None:
        nonlocal count
        count += 1
        if count > 7:
            raise KeyboardInterrupt
        real(self, *args)

    monkeypatch.setattr(Store, "keep", killed)
    with pytest.raises(KeyboardInterrupt):
        run(kept)
    monkeypatch.undo()
    (left, *_) = (kept / "unfinished").glob("*.jsonl")
    left.write_text(left.read_text()[:-40])  # the last line is cut short
    made: list[int] = []
    monkeypatch.setattr(
        "gmvcausal.trust.execute.replicate", lambda c, s, rep: (made.append(rep), replicate(c, s, rep))[1]
    )
    assert same(run(kept)) == same(whole) and files(kept) == files(tmp_path / "whole")
    assert 0 < len(made) < 6 + 18
    made.clear()
    assert same(run(kept)) == same(whole) and not made, "what is there is not run again"
    assert not list((kept / "unfinished").glob("*"))
    # A file that is cut short, one that is gone, and one from other code are run again.
    one, two, three = sorted(kept.glob("*.json"))[:3]
    one.write_text(one.read_text()[:100])
    two.unlink()
    three.write_text(three.read_text().replace('"source":"', '"source":"x'))
    assert same(run(kept)) == same(whole) and files(kept) == files(tmp_path / "whole") and made


def test_rows_in_another_order_and_in_several_files_are_the_same_market(tmp_path: Path) -> None:
    plain = Cell("a", ROOMS)
    for dials in ({"shuffled": True}, {"files": str(tmp_path)}, {"shuffled": True, "files": str(tmp_path)}):
        other = Cell("b", ROOMS, dials=dials)
        first = _record(plain, plain)
        again = _record(other, plain)
        for name in ("truth", "estimate", "std_error", "p_value", "low", "high", "detectable"):
            assert getattr(again, name) == pytest.approx(getattr(first, name), rel=1e-12), (name, dials)
        assert (again.band, again.credible) == (first.band, first.credible)


def _record(cell: Cell, seeded: Cell) -> Any:
    """The first replicate of `cell`, on the draws of `seeded`: the dials do not change the seed here."""
    from unittest.mock import patch

    from gmvcausal.trust.replicate import market_seed

    number = market_seed(seeded.market, 0, 0)
    with patch("gmvcausal.trust.replicate.market_seed", lambda *_: number):
        return replicate([cell], 0, 0)[cell.key]


def test_cells_and_reports_are_pickled() -> None:
    report = run()
    again = pickle.loads(pickle.dumps(report))
    assert same(again) == same(report) and again.summary() == report.summary()
    assert hash(again.results[0].cell) == hash(report.results[0].cell)
    assert [r.cell for r in again.results] == [r.cell for r in report.results]


def test_the_report() -> None:
    report = run()
    frame = report.to_frame()
    assert frame["cell"].tolist() == [c.id for c in cells()]
    assert frame["reps"].tolist() == [6, 4, 6, 18, 6]
    sd = report["rooms/two_by_two"].scores["sd"]
    best = min(sd, report["rooms/twfe"].scores["sd"])
    length = report["rooms/two_by_two"].scores["length95"]
    assert frame["length_ratio"].iloc[0] == pytest.approx(length / (2 * 1.959964 * best), rel=1e-6)
    assert set(report.audits()["check"]) >= {"pre_trend", "attrition"}
    assert "rooms/twfe" in repr(report)
    with pytest.raises(InputError, match="no cell 'x'"):
        report["x"]


def test_the_progress_bar_can_be_turned_off(capfd: pytest.CaptureFixture[str]) -> None:
    one = [Cell("sample", SAMPLE, verb=MEAN, reps=2)]
    trust.run(one, workers=0, progress=False)
    assert capfd.readouterr().err == ""
    trust.run(one, workers=0)
    assert "market" in capfd.readouterr().err


@pytest.mark.parametrize(
    "call",
    [
        lambda: trust.run([]),
        lambda: trust.run(["D5"]),
        lambda: trust.run([Cell("a", "D5"), Cell("A", "D5")]),
        lambda: trust.run([Cell("a", "D5")], workers=-1),
        lambda: trust.run([Cell("a", "D5")], workers=1.5),
        lambda: trust.run([Cell("a", "D5")], seed=-1),
        lambda: trust.run([Cell("a", "D5")], out=__file__),
        lambda: trust.run([Cell("a", "no.such.module:world")], workers=0, progress=False),
        lambda: trust.run([Cell("a", "D99")], workers=0, progress=False),
        lambda: trust.run([Cell("a", SAMPLE, verb="no_verb")], workers=0, progress=False),
        lambda: Cell("", "D5"),
        lambda: Cell("a b", "D5"),
        lambda: Cell(7, "D5"),  # type: ignore[arg-type]  # the wrong type is what is tested
        lambda: Cell("a", "D5", "splendid"),
        lambda: Cell("a", "D5", reps=0),
        lambda: Cell("a", "D5", gates=("wide",)),
        lambda: Cell("a", "D5", explanation={"wide": "why"}),
        lambda: Cell("a", "D5", explanation="why"),  # type: ignore[arg-type]  # the wrong type is what is tested
        lambda: Cell("a", "D5", dials={"x": object()}),
        lambda: trust.chosen(only="no such cell"),
        lambda: trust.read_report("no-such-folder"),
        lambda: run(cells=[Cell("a", SAMPLE, verb=MEAN, reps=2)]).plot("pie"),
    ],
)
def test_bad_options_are_input_errors_with_a_remedy(call: Any) -> None:
    with pytest.raises(InputError) as found:
        call()
    assert found.value.remedy
