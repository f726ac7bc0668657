"""Tables of cells in Markdown, and how numbers are printed in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gmvcausal.trust.report import CellResult

Column = tuple[str, Callable[[CellResult], str]]


def percent(value: Any, digits: int = 1) -> str:
    """A share as the page prints it; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def with_error(value: float, error: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} ± {100 * error:.1f} %"


def number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def amount(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.3g}".replace("-", "−") if abs(value) < 1000 else f"{value:,.0f}"


def share_of(name: str) -> Callable[[CellResult], str]:
    return lambda r: percent(r.scores.get(name, math.nan))


def share_with_error(name: str) -> Callable[[CellResult], str]:
    return lambda r: with_error(r.scores.get(name, math.nan), r.scores.get(f"{name}_mc", math.nan))


def table(rows: Sequence[CellResult], columns: Sequence[Column]) -> str:
    """A table of the cells in Markdown."""
    return grid([name for name, _ in columns], [[make(r) for _, make in columns] for r in rows])


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: names to the left, numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)]) + "\n"


def name_of(r: CellResult) -> str:
    return f"`{r.cell.id}`"


def reps_of(r: CellResult) -> str:
    return f"{r.scores['reps']:,}"
