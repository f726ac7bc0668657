"""The thresholds that docs/audit.md publishes are the ones that the code uses."""

from __future__ import annotations

import re
from pathlib import Path

from gmvcausal.observational.rules import TABLE as MATCH_TABLE
from gmvcausal.rollout.audit.checks import TABLE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "audit.md"


def rows(heading: str) -> dict[str, tuple[str, ...]]:
    """The first table under a heading: the name in the first cell to the other cells."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    return {c[0].strip("`"): tuple(c[1:]) for c in cells}


def test_the_table_of_did_is_the_code_s() -> None:
    assert rows("Checks and thresholds of `gc.did`") == TABLE
    assert rows("Checks and thresholds of `gc.match`") == MATCH_TABLE


def test_every_check_has_a_way_out() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## What to do\n", 1)[1].split("\n## ", 1)[0]
    first = [line.split("|")[1] for line in text.splitlines() if "|" in line]
    named = set(re.findall(r"`([a-z_]+)`", "\n".join(first)))
    known = set(TABLE) - {"spillover"} | {
        *MATCH_TABLE,
        *rows("Checks that come from `Logs`"),
        *rows("Checks that come from money"),
    }
    assert named == known
