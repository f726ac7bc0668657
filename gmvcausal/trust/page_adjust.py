"""The section on `adjust`: targeted users by every estimator, hidden causes, thin overlap."""

from __future__ import annotations

import math

from gmvcausal.trust import prose_adjust as prose
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
from gmvcausal.trust.plans_adjust import LEAST_BOUND, SMALL
from gmvcausal.trust.report import CellResult, Report

_COLUMNS: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("below", share_of("below95")),
    ("above", share_of("above95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
)
_END: Column = ("verdict", verdict)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    known = [r for r in report.results if r.cell.id.startswith("adjust/")]
    if not known:
        return ""
    reps = max(r.cell.reps for r in known)
    observed = prose.OBSERVED.format(n=SMALL, reps=reps, error=math.sqrt(0.95 * 0.05 / max(reps, 1)))
    parts = [prose.ADJUST]
    for start, title, columns in (
        ("adjust/D11/", observed, (*_COLUMNS, _END)),
        ("adjust/hidden/", prose.HIDDEN.format(least=LEAST_BOUND), (*_COLUMNS, _END)),
        ("adjust/D13/", prose.THIN, (*_COLUMNS, ("flagged", _flagged), _END)),
    ):
        rows = [r for r in known if r.cell.id.startswith(start)]
        if rows:
            parts.append(f"{title}\n{table(rows, columns)}")
    return "\n".join(parts)


def _flagged(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"
