"""Gates stay quiet on a right estimator and fire on one made wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gmvcausal import trust
from gmvcausal.trust import Cell, Report
from gmvcausal.trust.gates import gates

SAMPLE, MEAN = "trust_fakes:sample", "trust_fakes:mean"


def ask(role: str = "valid", *, effect: float = 1.0, reps: int = 600, **more: Any) -> Cell:
    name = "-".join([role.replace(" ", "-"), *(f"{k}{v}" for k, v in more.get("call", {}).items())])
    return Cell(name, SAMPLE, role, dials={"effect": effect}, verb=MEAN, reps=reps, null=effect == 0, **more)


def run(*cells: Cell) -> Report:
    return trust.run(cells, workers=0, progress=False)


def failed(*cells: Cell) -> set[str]:
    return {gate.name for gate in run(*cells).failed}


def test_a_right_estimator_passes() -> None:
    assert failed(ask(), ask("size", effect=0.0)) == set()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"shrink": 0.8}, {"coverage", "se"}),
        ({"shrink": 1.3}, {"coverage", "se"}),
        ({"shift": 0.15}, {"coverage"}),
        ({"refuse": 0.2}, {"refused_valid"}),
        ({"fail": 0.1}, {"runs"}),
        ({"crash": True}, {"runs", "coverage", "se", "interval", "refused_valid"}),
        ({"withhold": 1.0}, {"coverage", "se", "interval"}),
    ],
)
def test_a_wrong_one_fails(call: dict[str, Any], expected: set[str]) -> None:
    assert failed(ask(call=call)) == expected


def test_size() -> None:
    def size(call: dict[str, Any], **more: Any) -> Cell:
        return ask("size", effect=0.0, call=call, **more)

    assert failed(size({"shrink": 0.7})) == {"size"}
    assert failed(size({"shrink": 2.0})) == {"size"}, "never rejecting is no virtue"
    assert failed(size({"withhold": 1.0})) == set(), "no interval, and the reason said"
    assert failed(size({"withhold": 0.3}, gates=("interval",))) == {"interval"}
    assert failed(size({"withhold": 0.02}, gates=("interval",))) == set()


def with_path(**more: Any) -> Cell:
    return replace(ask(**more), dials={"effect": 1.0, "path": True})


def test_bands() -> None:
    assert "band" not in {gate.name for gate in run(ask()).gates}, "there is no event study to hold"
    (gate,) = [gate for gate in run(with_path()).gates if gate.name == "band"]
    assert gate.verdict == "holds" and not gate.warning
    assert failed(with_path(call={"shrink": 0.8})) == {"coverage", "se", "band"}
    report = run(with_path(call={"shrink": 1.5}))
    (wide,) = [gate for gate in report.gates if gate.name == "band"]
    assert wide.passed and wide.warning and wide.words in report.summary()


def test_bands_that_are_missing_are_not_a_band_that_holds() -> None:
    (result,) = run(with_path()).results
    few = {**result.scores, "bands": 300, "band": 0.95}
    found = {gate.name: gate for gate in gates(result.cell, few)}
    assert found["band"].failed and "50.0 % of runs with an interval had no band" in found["band"].words


def test_a_valid_cell_must_give_intervals() -> None:
    assert failed(ask(call={"withhold": 0.15})) == {"interval"}


def test_few_replicates_leave_a_gate_that_is_met_undecided() -> None:
    def verdicts(cell: Cell) -> dict[str, str]:
        return {gate.name: gate.verdict for gate in run(cell).gates}

    few, many = verdicts(with_path(reps=100)), verdicts(with_path(reps=600))
    assert many == dict.fromkeys(("runs", "coverage", "se", "interval", "band", "refused_valid"), "holds")
    assert few == {**many, "coverage": "undecided", "se": "undecided", "band": "undecided"}
    assert verdicts(ask("size", effect=0.0, reps=400))["size"] == "undecided"
    assert verdicts(ask("size", effect=0.0, reps=600))["size"] == "holds"
    assert verdicts(ask("size", effect=0.0, reps=100, call={"withhold": 1.0}))["size"] == "holds"
    assert verdicts(ask(reps=100, call={"refuse": 0.13}))["refused_valid"] == "undecided"
    assert verdicts(ask(reps=100, call={"shrink": 0.4}))["coverage"] == "fails", "few are enough to see it fail"
    report = run(with_path(reps=100))
    assert not report.failed and len(report.undecided) == 3
    text = report.summary()
    assert "3 of 6 gates hold. 3 more are met and yet undecided" in text and "All" not in text


def test_every_gate_says_what_would_have_passed() -> None:
    report = run(ask(), ask("size", effect=0.0))
    found = report.judgements().set_index(["cell", "gate"])
    n = 600
    error = (0.95 * 0.05 / n) ** 0.5
    assert found.loc[("valid", "coverage"), "low"] == pytest.approx(0.95 - 3 * error)
    assert found.loc[("valid", "coverage"), "high"] == pytest.approx(0.95 + 3 * error)
    assert found.loc[("size", "size"), "high"] == pytest.approx(0.065 + 3 * (0.065 * 0.935 / n) ** 0.5)
    assert found.loc[("valid", "refused_valid"), "high"] == pytest.approx(0.1)
    inside = (found["low"] <= found["value"]) & (found["value"] <= found["high"])
    assert (inside == found["verdict"].isin(("holds", "undecided"))).all()
    assert "coverage: 92.3 % to 97.7 % (1 gates, 0 undecided)" in report.summary()
    (gate,) = run(ask(call={"shift": 0.5})).failed
    assert gate.words.endswith("92.3 % to 97.7 % would have passed")


def test_what_is_to_fail_must_be_seen_failing() -> None:
    assert failed(ask("fails on purpose", call={"shift": 0.5})) == set()
    assert failed(ask("fails on purpose")) == {"seen_failing"}
    assert failed(ask("fails on purpose", effect=0.0, call={"shift": 0.5})) == set()
    assert failed(ask("fails on purpose", effect=0.0)) == {"seen_failing"}


def test_audits() -> None:
    gates = ("refused_violation", "fires")
    assert failed(ask("audit violation", call={"refuse": 0.9}, check="pre_trend", gates=gates)) == set()
    assert failed(ask("audit violation", call={"refuse": 0.5}, check="pre_trend", gates=gates)) == set(gates)
    assert failed(ask("audit violation", check="attrition", gates=("fires",))) == set(), "it always warns"
    assert failed(ask("audit violation", check="no_such", gates=("fires",))) == {"fires"}


def test_power() -> None:
    assert failed(ask("power", effect=0.52, mde=0.52)) == set()
    assert failed(ask("power", effect=0.4, mde=0.4)) == {"power"}


def test_short_runs_are_allowed_their_chance() -> None:
    call = {"refuse": 0.13}
    assert failed(ask(call=call, reps=100)) == set()
    assert failed(ask(call=call, reps=800)) == {"refused_valid"}


def test_an_explanation_excuses_its_own_gate_and_hides_nothing() -> None:
    report = run(ask(call={"shrink": 0.8}, explanation={"se": "it is so by design"}))
    assert {gate.name for gate in report.failed} == {"coverage"}
    (excused,) = report.explained
    assert excused.name == "se" and excused.value == pytest.approx(0.8, abs=0.06)
    text = report.summary()
    assert "it is so by design" in text and f"{excused.value:.3f}" in text
    everything = dict.fromkeys(("se", "coverage"), "so")
    report = run(ask(call={"shrink": 0.8}, explanation=everything))
    assert not report.failed and "or are explained" in report.summary()


def test_words_say_what_by_how_much_and_how_sure() -> None:
    report = run(ask(call={"shrink": 0.8}))
    words = {gate.name: gate.words for gate in report.failed}
    assert "points outside" in words["coverage"] and "Monte Carlo error" in words["coverage"]
    assert words["se"].startswith("mean(SE)/sd should lie in 0.95 to 1.05; it is 0.8")
    assert all(word in report.summary() for word in words.values())


# --- too few replicates to judge by -----------------------------------------------------------------------------------
@pytest.mark.parametrize("reps", [1, 2, 29])
def test_few_replicates_are_not_judged(reps: int) -> None:
    report = run(ask(reps=reps), ask("size", effect=0.0, reps=reps, call={"shift": 0.0}))
    assert not report.failed and {gate.name for gate in report.gates} == {"runs"}
    text = report.summary()
    assert "All" not in text and "gates hold" not in text
    assert "No gate that was judged fails. " in text and "fewer than 30 replicates decide nothing" in text
    assert text.count("not judged  ") + text.count("not judged\n") == 2
    assert not re.search(r"\bnan\b", text)


def test_a_crash_is_seen_in_any_number_of_runs() -> None:
    report = run(ask(reps=2, call={"crash": True}))
    assert {gate.name for gate in report.failed} == {"runs"}
    assert "FAILED" in report.summary() and "1 of 1 gates do not hold." in report.summary()


def test_words_do_not_say_nan() -> None:
    report = run(ask(call={"crash": True}, reps=40), ask("size", effect=0.0, call={"crash": True}, reps=40))
    assert {"coverage", "se", "size"} <= {gate.name for gate in report.failed}
    assert not re.search(r"\bnan\b", report.summary())
