"""The section on uplift: averages, rankings and plans of users by lot, equal effects, bias, targeted users."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gmvcausal.trust import prose_uplift as prose
from gmvcausal.trust.bounds import firing
from gmvcausal.trust.coupons import population
from gmvcausal.trust.gates_ab import MOST_BIAS
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
    with_error,
)
from gmvcausal.trust.page_ab import verdict
from gmvcausal.trust.plans_uplift import LEAST_ROOMS, MOST_FOUND, SIGMAS
from gmvcausal.trust.report import CellResult, Report

_HOLDS: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("below", share_of("below95")),
    ("above", share_of("above95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    ("no interval", share_of("no_interval")),
)
_END: Column = ("verdict", verdict)
_REFUSED: Column = ("refused", share_of("refused"))


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    known = [r for r in report.results if r.cell.id.startswith("uplift/")]
    if not known:
        return ""
    parts = [prose.UPLIFT.format(skewness=_skewness())]
    for start, title, columns in (
        (("uplift/skew",), prose.BY_LOT, (*_HOLDS, _REFUSED, _END)),
        (("uplift/10-90/",), prose.LOPSIDED, (*_HOLDS, ("flagged", _flagged), _END)),
        (("uplift/equal/",), prose.EQUAL.format(most=percent(MOST_FOUND, 0), least=percent(1 - MOST_FOUND, 0)), _FOUND),
        (("uplift/bias/",), prose.BIAS.format(most=percent(MOST_BIAS, 0)), _BIAS),
        (("uplift/D1",), prose.TARGETED, (*_HOLDS, ("flagged", _flagged), _REFUSED, _END)),
        (("uplift/rooms/",), prose.ROOMS.format(least=percent(LEAST_ROOMS, 0)), (*_HOLDS, _REFUSED, _END)),
    ):
        rows = [r for r in known if r.cell.id.startswith(start)]
        if rows:
            parts.append(f"{title}\n{table(rows, columns)}")
    return "\n".join(parts)


def _skewness() -> str:
    return " and ".join(f"{population('differ', sigma)[1]:.0f} (σ = {sigma:g})" for sigma in SIGMAS.values())


def _flagged(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"


def _off(r: CellResult) -> str:
    s = r.scores
    if math.isnan(s["mean_se"]):
        return "–"
    return with_error(s["bias"] / s["mean_se"], s["bias_mc"] / s["mean_se"]).replace("-", "−")


_FOUND: Sequence[Column] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("interval without 0", share_with_error("type1_5")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    _END,
)
_BIAS: Sequence[Column] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias / standard error", _off),
    ("95 %", share_with_error("coverage95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    _END,
)
