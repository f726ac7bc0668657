"""The thresholds that the page publishes are the ones that the code uses."""

from __future__ import annotations

from pathlib import Path

from gmvcausal.targeting.audit.checks import CHECKS, OF_ROWS
from gmvcausal.targeting.audit.rules import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "uplift.md"


def test_the_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_every_check_has_its_rule() -> None:
    assert sorted(check.__name__ for check in (*CHECKS, *OF_ROWS)) == sorted(TABLE)
