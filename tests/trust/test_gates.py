"""Gates stay quiet on a right estimator and fire on one made wrong."""

from __future__ import annotations

from typing import Any

import pytest

from gmvcausal import trust
from gmvcausal.trust import Cell, Report

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
        ({"crash": True}, {"runs", "coverage", "se", "refused_valid"}),
        ({"withhold": 1.0}, {"coverage", "se"}),
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
