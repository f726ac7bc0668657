"""The section on uplift: averages, rankings and plans of users by lot, equal effects, bias, targeted users."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gmvcausal.trust import prose_uplift as prose
from gmvcausal.trust.columns import END, FLAGGED, FOUND, HELD, NONE, REFUSED, SE, WHICH
from gmvcausal.trust.coupons import population
from gmvcausal.trust.gates_ab import MOST_BIAS
from gmvcausal.trust.markdown import (
    Column,
    amount,
    percent,
    share_with_error,
    table,
    with_error,
)
from gmvcausal.trust.plans_uplift import LEAST_ROOMS, MOST_FOUND, SIGMAS
from gmvcausal.trust.report import CellResult, Report

_HOLDS: tuple[Column, ...] = (*HELD, NONE)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    known = [r for r in report.results if r.cell.id.startswith("uplift/")]
    if not known:
        return ""
    parts = [prose.UPLIFT.format(skewness=_skewness())]
    for start, title, columns in (
        (("uplift/skew",), prose.BY_LOT, (*_HOLDS, REFUSED, END)),
        (("uplift/10-90/",), prose.LOPSIDED, (*_HOLDS, FLAGGED, END)),
        (("uplift/equal/",), prose.EQUAL.format(most=percent(MOST_FOUND, 0), least=percent(1 - MOST_FOUND, 0)), _FOUND),
        (("uplift/bias/",), prose.BIAS.format(most=percent(MOST_BIAS, 0)), _BIAS),
        (("uplift/D1",), prose.TARGETED, (*_HOLDS, FLAGGED, REFUSED, END)),
        (("uplift/rooms/",), prose.ROOMS.format(least=percent(LEAST_ROOMS, 0)), (*_HOLDS, REFUSED, END)),
    ):
        rows = [r for r in known if r.cell.id.startswith(start)]
        if rows:
            parts.append(f"{title}\n{table(rows, columns)}")
    return "\n".join(parts)


def _skewness() -> str:
    return " and ".join(f"{population('differ', sigma)[1]:.0f} (σ = {sigma:g})" for sigma in SIGMAS.values())


def _off(r: CellResult) -> str:
    s = r.scores
    if math.isnan(s["mean_se"]):
        return "–"
    return with_error(s["bias"] / s["mean_se"], s["bias_mc"] / s["mean_se"]).replace("-", "−")


_FOUND: Sequence[Column] = (*WHICH, FOUND, SE, END)
_BIAS: Sequence[Column] = (
    *WHICH,
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias / standard error", _off),
    ("95 %", share_with_error("coverage95")),
    SE,
    END,
)
