"""The section on instruments, thresholds and piles of baskets."""

from __future__ import annotations

from gmvcausal.trust import prose_quasi as prose
from gmvcausal.trust.bounds import firing
from gmvcausal.trust.markdown import (
    Column,
    amount,
    name_of,
    number,
    percent,
    reps_of,
    share_of,
    share_with_error,
    table,
)
from gmvcausal.trust.page_ab import verdict
from gmvcausal.trust.report import CellResult, Report


def _flagged(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"


def _found(r: CellResult) -> str:
    """How often the interval leaves out zero."""
    return percent(r.scores["type1_5" if r.cell.null else "power_5"])


_COLUMNS: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("below", share_of("below95")),
    ("above", share_of("above95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    ("0 left out", _found),
    ("flagged", _flagged),
    ("refused", share_of("refused")),
    ("verdict", verdict),
)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    parts = []
    for start, title in (
        ("quasi/iv/", prose.IV), ("quasi/threshold/", prose.THRESHOLD), ("quasi/bunching/", prose.BUNCHING),
    ):  # fmt: skip
        rows = [r for r in report.results if r.cell.id.startswith(start)]
        if rows:
            parts.append(f"{title}\n{table(rows, _COLUMNS)}")
    return "\n".join([prose.QUASI, *parts]) if parts else ""
