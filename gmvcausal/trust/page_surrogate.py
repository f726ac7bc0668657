"""The section on surrogates."""

from __future__ import annotations

from gmvcausal.trust import prose_surrogate as prose
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
from gmvcausal.trust.plans_surrogate import DIRECT, KNOWN, SEASON
from gmvcausal.trust.report import CellResult, Report


def _fired(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"


_COLUMNS: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    ("its check fired", _fired),
    ("refused", share_of("refused")),
    ("verdict", verdict),
)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    rows = [r for r in report.results if r.cell.id.startswith("surrogate/")]
    if not rows:
        return ""
    return f"{prose.SURROGATE.format(known=percent(KNOWN, 0), direct=DIRECT, season=SEASON)}\n{table(rows, _COLUMNS)}"
