"""The page of segments publishes the thresholds that the code uses."""

from __future__ import annotations

from pathlib import Path

from gmvcausal.results.by_level import SEGMENT_RULES
from gmvcausal.results.rule import table_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "many-metrics.md"


def test_the_table_is_the_code_s() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `segment_")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == table_of(SEGMENT_RULES)
