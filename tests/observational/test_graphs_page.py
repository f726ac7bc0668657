"""The thresholds that the page on graphs publishes are the ones that the code uses."""

from __future__ import annotations

from pathlib import Path

from gmvcausal.observational.adjustment.rules import PANEL
from gmvcausal.observational.graphs.rules import TABLE
from gmvcausal.results import refutation
from gmvcausal.results.rule import table_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "graphs.md"


def test_the_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    found = {c[0].strip("`"): tuple(c[1:]) for c in cells}
    own = TABLE | table_of(PANEL)
    assert {name: found[name] for name in own} == own
    moved, placebo, spread = (
        [f"{v:g}" for v in pair] for pair in (refutation.MOVED, refutation.PLACEBO, refutation.SPREAD)
    )
    assert {name: found[name][1:] for name in found if name not in own} == {
        "placebo_treatment": (f"< {placebo[0]}", f"< {placebo[1]}"),
        "random_common_cause": (f"> {moved[0]}", f"> {moved[1]}"),
        "data_subset": (f"> {moved[0]}", f"> {moved[1]}"),
        "bootstrap": (f"> {moved[0]}; spread > {spread[0]}", f"> {moved[1]}; spread > {spread[1]}"),
    }
