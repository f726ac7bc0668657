"""The section on one series before and after: size, coverage, and what the audit refuses."""

from __future__ import annotations

from gmvcausal.trust import prose_series as prose
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
from gmvcausal.trust.plans_series import LEAST_HELD, MOST_FOUND
from gmvcausal.trust.report import CellResult, Report

_REFUSED: Column = ("refused", share_of("refused"))
_END: Column = ("verdict", verdict)
_FOUND: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("found at 5 %", share_with_error("type1_5")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    _REFUSED,
    _END,
)
_HELD: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    known = [r for r in report.results if r.cell.id.startswith("series/")]
    if not known:
        return ""
    parts = [prose.SERIES]
    for start, title, columns in (
        ("series/no-effect/", prose.SIZE.format(most=percent(MOST_FOUND, 0)), _FOUND),
        ("series/gain/", prose.GAIN.format(least=percent(LEAST_HELD, 0)), (*_HELD, _REFUSED, _END)),
        ("series/D17/", prose.FESTIVAL, (*_HELD, ("flagged", _flagged), _REFUSED, _END)),
    ):
        rows = [r for r in known if r.cell.id.startswith(start)]
        if rows:
            parts.append(f"{title}\n{table(rows, columns)}")
    return "\n".join(parts)


def _flagged(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"
