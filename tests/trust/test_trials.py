"""Randomised tests in the trust room: the worlds and their truth, rows read off one answer, their gates, their page."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal import trust
from gmvcausal.errors import InputError
from gmvcausal.trust import Cell, page_ab, trials
from gmvcausal.trust.cells import from_spec
from gmvcausal.trust.gates import gates
from gmvcausal.trust.page import page_text
from gmvcausal.trust.replicate import replicate

TWO_PART, SEQUENTIAL = "gmvcausal.trust.trials:two_part", "gmvcausal.trust.trials:sequential"


def heavy(row: str, reps: int = 3, **more: Any) -> Cell:
    dials = {"sigma": 1.5, "split": "10/90", "lift": 0.0}
    term = "gmv capped" if row == "capped" else "gmv"
    common: dict[str, Any] = {"n": 2000, "dials": dials, "verb": "ab_test", "relative": True, "null": True}
    return Cell(f"T/{row}", TWO_PART, "shown", term=term, reps=reps, check="tail", **common, **more)


# --- worlds -----------------------------------------------------------------------------------------------------------
def test_the_truth_of_the_capped_lift_by_brute_force() -> None:
    rng = np.random.default_rng(1)
    for controls, lift in ((1, 0.05), (9, 0.5)):
        z = np.exp(1.5 * rng.standard_normal(1_000_000))
        # Weights: who buys, and in which arm.
        both = np.r_[z, z * (1 + lift)]
        weight = np.r_[np.full(len(z), controls), np.full(len(z), 1 + lift)]
        order = np.argsort(both)
        cap = both[order][np.searchsorted(np.cumsum(weight[order]), 0.98 * weight.sum())]
        brute = (1 + lift) * np.minimum(z * (1 + lift), cap).mean() / np.minimum(z, cap).mean() - 1
        capped, plain = trials.lifts(1.5, controls, lift)
        assert capped == pytest.approx(brute, abs=1e-3)
        assert plain == pytest.approx((1 + lift) ** 2 - 1)
    assert trials.lifts(2.0, 9, 0.0) == (0.0, 0.0)


def test_two_part_is_what_it_says() -> None:
    trial = trials.two_part(n=100_000, seed=3, sigma=1.5, split="10/90", lift=0.05)
    source = trial.table()
    assert source.counts().tolist() == [900_000, 100_000]
    assert trial.design.call["expected_ratio"] == {0: 0.9, 1: 0.1}
    buyers = source.live.counts() / source.counts()
    assert buyers == pytest.approx([0.05, 0.0525], abs=0.002)
    logs = np.log(source.live.column(next(iter(source.live.values))))
    for arm, centre in ((0, 0.0), (1, math.log(1.05))):
        own = logs[source.live.arm == arm]
        assert (own.mean(), own.std()) == pytest.approx((centre, 1.5), abs=0.06)
    again = trials.two_part(n=100_000, seed=3, sigma=1.5, split="10/90", lift=0.05).table()
    assert all((again.live.values[c] == x).all() for c, x in source.live.values.items())


def test_rooms_and_days_are_what_they_say() -> None:
    trial = trials.rooms(n=40, seed=2, users=200)
    frame = trial.table()
    assert (frame.groupby("room")["arm"].nunique() == 1).all()
    assert frame.groupby("room")["arm"].first().sum() == 20
    assert frame.groupby("room").size().std() > 50
    level = np.log(frame["gmv"]).groupby(frame["room"]).mean()
    assert level.var() / (level.var() + 1) == pytest.approx(0.05, abs=0.03)
    days = trials.days(n=28_000, seed=2, split="10/90", capped=True)
    cells = days.table()
    assert (len(cells), cells["n"].sum()) == (28, 280_000) and cells["mean"].mean() > 0
    answer = trials.sequential(cells, **days.design.call)
    result = gc.sequential(cells, **days.design.call)
    assert (answer.p_value, answer.conf_int(0.95)) == (result.p_value, result.conf_int())
    assert math.isnan(answer.conf_int(0.9)[0])


# --- rows of one answer -----------------------------------------------------------------------------------------------
def test_cells_of_one_question_are_read_off_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = gc.ab_test
    monkeypatch.setattr(gc, "ab_test", lambda *a, **k: (asked.append(1), real(*a, **k))[1])
    both = [heavy("capped"), heavy("plain")]
    found = replicate(both, seed=1, rep=0)
    assert len(asked) == 1 and len(found) == 2
    trial = trials.two_part(n=2000, seed=_seed(both[0]), sigma=1.5, split="10/90")
    table = real(trial.table(), **trial.design.call).to_frame().set_index("term")
    for cell in both:
        record = found[cell.key]
        row = table.loc[cell.term]
        assert (record.estimate, record.p_value) == (row["relative"], row["p_value"])
        assert (record.low[1], record.high[1]) == (row["relative_low"], row["relative_high"])
        assert math.isnan(record.low[0]) and ("tail", "warned") in record.audit and not record.error
    assert both[0].market == both[1].market and both[0].key != both[1].key


def _seed(cell: Cell) -> int:
    from gmvcausal.trust.replicate import market_seed

    return market_seed(cell.market, 1, 0)


def test_rows_by_their_difference_and_rows_that_are_not_there() -> None:
    # The truth of a difference is not known to this world, a row of another name not to the answer.
    with pytest.raises(InputError, match="no term 'gmv'"):
        replicate([Cell("a", TWO_PART, n=2000, verb="ab_test", term="gmv")], 1, 0)
    rooms = Cell("r", "gmvcausal.trust.trials:rooms", n=12, verb="ab_test", term="gmv", reps=2)
    record = replicate([rooms], 1, 0)[rooms.key]
    whole = Cell("w", "gmvcausal.trust.trials:rooms", n=12, verb="ab_test", reps=2)
    plain = replicate([whole], 1, 0)[whole.key]
    assert record.low == pytest.approx(plain.low) and record.std_error == pytest.approx(plain.std_error)


def test_what_was_kept_before_has_no_new_words() -> None:
    old = Cell("D5/two_by_two", "D5", call={"estimator": "two_by_two"})
    assert not {"term", "relative", "most"} & set(old.spec())
    new = heavy("plain")
    assert from_spec(json.loads(json.dumps(new.spec()))) == new and new.spec()["relative"] is True
    with pytest.raises(InputError, match="names no row"):
        Cell("a", TWO_PART, relative=True)
    with pytest.raises(InputError, match="without a bound"):
        Cell("a", TWO_PART, gates=("at_most",))


# --- gates ------------------------------------------------------------------------------------------------------------
def judged(gate: str, reps: int = 2000, fired: float = 0.0, **scores: float) -> Any:
    cell = heavy("plain", reps=reps, gates=(gate,), most=0.055)
    miss = 1 - scores.get("coverage95", 0.95)
    found = {
        "reps": reps,
        "intervals": reps,
        "coverage95": 0.95,
        "coverage95_mc": math.sqrt(max(miss, 1 / reps) * (1 - miss) / reps),
        "below95": 0.025,
        "above95": 0.025,
        "below95_mc": 0.0035,
        "above95_mc": 0.0035,
        "type1_5": 0.05,
        "type1_5_mc": 0.005,
        "band": math.nan,
        "audit": {"tail": {"warned": fired, "failed": 0.0}},
        **scores,
    }
    (one,) = gates(cell, found)
    return one


@pytest.mark.parametrize(
    ("gate", "scores", "verdict"),
    [
        ("misses", {"coverage95": 0.945}, "holds"),
        ("misses", {"coverage95": 0.92}, "fails"),
        ("misses", {"coverage95": 0.98}, "fails"),
        ("misses", {"coverage95": 0.96, "reps": 100, "intervals": 100}, "undecided"),
        ("tails", {}, "holds"),
        ("tails", {"below95": 0.036}, "fails"),
        ("tails", {"above95": 0.036}, "fails"),
        ("at_most", {"type1_5": 0.0549}, "holds"),
        ("at_most", {"type1_5": 0.0551}, "fails"),
        ("flag", {"coverage95": 0.96, "fired": 0.05}, "holds"),
        ("flag", {"coverage95": 0.96, "fired": 0.2}, "fails"),
        ("flag", {"coverage95": 0.96, "fired": 0.99}, "fails"),
        ("flag", {"coverage95": 0.90, "fired": 0.95}, "holds"),
        ("flag", {"coverage95": 0.90, "fired": 0.5}, "fails"),
        ("flag", {"coverage95": 0.90, "fired": 0.0}, "fails"),
        ("flag", {"coverage95": 0.938, "fired": 0.05}, "undecided"),
        ("flag", {"coverage95": 0.938, "fired": 0.5}, "fails"),
        ("flag", {"coverage95": 0.942, "fired": 0.95}, "undecided"),
    ],
)
def test_gates(gate: str, scores: dict[str, float], verdict: str) -> None:
    found = judged(gate, **scores)
    assert found.verdict == verdict, found.words
    assert found.passed == (found.low <= found.value <= found.high)


# --- the page ---------------------------------------------------------------------------------------------------------
def test_the_section_of_the_page() -> None:
    cells = [heavy("capped", reps=40), heavy("plain", reps=40)]
    cells.append(heavy("log-delta", reps=40, call={"lift": "log"}))
    cells.append(
        Cell(
            "T/rooms", "gmvcausal.trust.trials:rooms", "size", n=10, verb="ab_test", null=True, reps=2, gates=("runs",)
        )
    )
    cells.append(
        Cell(
            "T/looks",
            "gmvcausal.trust.trials:days",
            "size",
            n=2800,
            verb=SEQUENTIAL,
            null=True,
            reps=2,
            gates=("runs",),
        )
    )
    report = trust.run(cells, workers=0, progress=False)
    assert not report.failed
    text = page_text(report)
    section = page_ab.section(report)
    assert section in text and "nan" not in section
    line = next(line for line in section.splitlines() if line.startswith("| 1.5 | 2,000 | 10/90 | none |"))
    plain = report["T/plain"]
    assert line.count("|") == 16 and page_ab.missed(plain) in line and "100.0 %" in line
    assert "log-delta misses" in section and "### Clusters" in section and "| `T/looks` |" in section
    assert "`T/plain`" not in text.partition("## A/B tests")[0], "the other sections leave these cells out"
    assert page_ab.section(trust.run([Cell("a", "D5", n=20, reps=1)], workers=0, progress=False)) == ""
