"""The thresholds that the page publishes are the ones that the code uses."""

from __future__ import annotations

from pathlib import Path

from gmvcausal.abtest.audit.checks import CHECKS
from gmvcausal.abtest.audit.rules import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "ab-test.md"


def test_the_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `") and line[3:].partition("`")[0].isidentifier()]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_every_check_has_its_rule() -> None:
    assert [check.__name__ for check in CHECKS] == list(TABLE)
