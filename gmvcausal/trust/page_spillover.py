"""The section on spillover: the line, exposure conditions, saturations, Fisher's test."""

from __future__ import annotations

from gmvcausal.trust import prose_spillover as prose
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
from gmvcausal.trust.plans_spillover import LEAST, MOST_FOUND
from gmvcausal.trust.report import CellResult, Report


def _flagged(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"


_HOLDS: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("below", share_of("below95")),
    ("above", share_of("above95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    ("flagged", _flagged),
    ("refused", share_of("refused")),
    ("verdict", verdict),
)
_FOUND: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("rejected at 5 %", lambda r: share_with_error("type1_5" if r.cell.null else "power_5")(r)),
    ("verdict", verdict),
)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    parts = []
    for starts, title, columns in (
        (("D18", "line", "beyond", "bent", "naive"), prose.LINE, _HOLDS),
        (("any",), prose.ANY.format(least=percent(LEAST, 0)), _HOLDS),
        (("rooms",), prose.ROOMS, _HOLDS),
        (("fisher",), prose.FISHER.format(most=percent(MOST_FOUND, 0)), _FOUND),
    ):
        rows = [r for r in report.results if r.cell.id.startswith(tuple(f"spillover/{s}" for s in starts))]
        if rows:
            parts.append(f"{title}\n{table(rows, columns)}")
    return "\n".join([prose.SPILLOVER, *parts]) if parts else ""
