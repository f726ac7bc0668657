"""Columns that sections of the page share."""

from __future__ import annotations

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
)
from gmvcausal.trust.page_ab import verdict
from gmvcausal.trust.report import CellResult


def _flagged(r: CellResult) -> str:
    """How often the check of the cell fired."""
    return percent(firing(r.scores, r.cell.check)) if r.cell.check else "–"


def _found(r: CellResult) -> str:
    return "type1_5" if r.cell.null else "power_5"


WHICH: tuple[Column, ...] = (("cell", name_of), ("runs", reps_of))
SE: Column = ("SE/sd", lambda r: number(r.scores["se_ratio"], 3))
# What an interval does: the truth, the bias, what it holds, on which side it misses, its width.
HELD: tuple[Column, ...] = (
    *WHICH,
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias/sd", lambda r: number(r.scores["bias_sd"])),
    ("95 %", share_with_error("coverage95")),
    ("below", share_of("below95")),
    ("above", share_of("above95")),
    SE,
)
FOUND: Column = ("interval without 0", lambda r: share_with_error(_found(r))(r))
FLAGGED: Column = ("flagged", _flagged)
NONE: Column = ("no interval", share_of("no_interval"))
REFUSED: Column = ("refused", share_of("refused"))
END: Column = ("verdict", verdict)
