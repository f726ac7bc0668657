"""The section on mediation: coverage of total, direct and indirect effects, size, and a hidden cause."""

from __future__ import annotations

from gmvcausal.trust import prose_mediate as prose
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
from gmvcausal.trust.plans_mediate import DRAWS, MOST_FOUND, USERS
from gmvcausal.trust.report import Report

_SE: Column = ("SE/sd", lambda r: number(r.scores["se_ratio"], 3))
_REFUSED: Column = ("refused", share_of("refused"))
_END: Column = ("verdict", verdict)
_HELD: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("below", share_of("below95")),
    ("above", share_of("above95")),
    _SE,
    _REFUSED,
    _END,
)
_FOUND: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("interval without 0", share_with_error("type1_5")),
    _SE,
    _REFUSED,
    _END,
)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    known = [r for r in report.results if r.cell.id.startswith("mediate/")]
    if not known:
        return ""
    parts = [prose.MEDIATE.format(users=USERS, draws=DRAWS)]
    for start, title, columns in (
        ("mediate/one/", prose.ONE, _HELD),
        ("mediate/three/", prose.THREE, _HELD),
        ("mediate/none/", prose.NONE.format(most=percent(MOST_FOUND, 0)), _FOUND),
        ("mediate/hidden/", prose.HIDDEN, _HELD),
    ):
        rows = [r for r in known if r.cell.id.startswith(start)]
        if rows:
            parts.append(f"{title}\n{table(rows, columns)}")
    return "\n".join(parts)
