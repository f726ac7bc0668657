"""The thresholds that the page of `adjust` publishes are the ones that the code uses."""

from __future__ import annotations

from pathlib import Path

from gmvcausal.observational.adjustment.checks import CHECKS
from gmvcausal.observational.adjustment.rules import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "adjust.md"
OF_AMOUNTS = {"all_zero", "negative_amounts", "scale_mix", "quantisation"}


def test_the_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_every_check_has_its_rule() -> None:
    assert {check.__name__ for check in CHECKS} | OF_AMOUNTS == set(TABLE)
