"""Sections of designs without a lot, and of mechanisms: cells by the beginning of their names, and their columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmvcausal.trust import (
    plans_adjust,
    plans_mediate,
    plans_series,
    plans_spillover,
    plans_surrogate,
    prose_adjust,
    prose_mediate,
    prose_quasi,
    prose_series,
    prose_spillover,
    prose_surrogate,
)
from gmvcausal.trust.columns import END, FLAGGED, FOUND, HELD, REFUSED, SE, WHICH
from gmvcausal.trust.markdown import Column, percent, table
from gmvcausal.trust.report import CellResult, Report

_ALL: tuple[Column, ...] = (*HELD, FLAGGED, REFUSED, END)
_SIZE: tuple[Column, ...] = (*WHICH, FOUND, SE, REFUSED, END)


@dataclass(frozen=True)
class Part:
    """A table with its words: the cells are those whose names begin so, after that of the section."""

    starts: tuple[str, ...]
    words: str
    columns: Sequence[Column]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    name : str
        Cells begin with it.
    words : str
        What stands above its tables.
    parts : tuple of Part
    values : mapping
        What the words leave open.
    numbers : callable, optional
        More of that, from the cells of the section.
    """

    name: str
    words: str
    parts: tuple[Part, ...]
    values: dict[str, Any] = field(default_factory=dict)
    numbers: Callable[[list[CellResult]], dict[str, Any]] | None = None


def _of_adjust(known: list[CellResult]) -> dict[str, Any]:
    reps = max(r.cell.reps for r in known)
    return {"reps": reps, "error": math.sqrt(0.95 * 0.05 / max(reps, 1))}


SECTIONS: dict[str, Section] = {
    s.name: s
    for s in (
        Section(
            "quasi",
            prose_quasi.QUASI,
            (
                Part(("iv/",), prose_quasi.IV, (*HELD, FOUND, FLAGGED, REFUSED, END)),
                Part(("threshold/",), prose_quasi.THRESHOLD, (*HELD, FOUND, FLAGGED, REFUSED, END)),
                Part(("bunching/",), prose_quasi.BUNCHING, (*HELD, FOUND, FLAGGED, REFUSED, END)),
            ),
        ),
        Section(
            "adjust",
            prose_adjust.ADJUST,
            (
                Part(("D11/",), prose_adjust.OBSERVED, (*HELD, END)),
                Part(("hidden/",), prose_adjust.HIDDEN, (*HELD, END)),
                Part(("D13/",), prose_adjust.THIN, (*HELD, FLAGGED, END)),
            ),
            {"n": plans_adjust.SMALL, "least": plans_adjust.LEAST_BOUND},
            _of_adjust,
        ),
        Section(
            "series",
            prose_series.SERIES,
            (
                Part(("no-effect/",), prose_series.SIZE, _SIZE),
                Part(("gain/",), prose_series.GAIN, (*HELD, REFUSED, END)),
                Part(("D17/",), prose_series.FESTIVAL, _ALL),
            ),
            {"most": percent(plans_series.MOST_FOUND, 0), "least": percent(plans_series.LEAST_HELD, 0)},
        ),
        Section(
            "surrogate",
            prose_surrogate.SURROGATE,
            (Part(("",), "", _ALL),),
            {
                "known": percent(plans_surrogate.KNOWN, 0),
                "direct": plans_surrogate.DIRECT,
                "season": plans_surrogate.SEASON,
            },
        ),
        Section(
            "spillover",
            prose_spillover.SPILLOVER,
            (
                Part(("D18", "line", "beyond", "bent", "naive"), prose_spillover.LINE, _ALL),
                Part(("any",), prose_spillover.ANY, _ALL),
                Part(("rooms",), prose_spillover.ROOMS, _ALL),
                Part(("fisher",), prose_spillover.FISHER, (*WHICH, FOUND, END)),
            ),
            {"least": percent(plans_spillover.LEAST, 0), "most": percent(plans_spillover.MOST_FOUND, 0)},
        ),
        Section(
            "mediate",
            prose_mediate.MEDIATE,
            (
                Part(("one/",), prose_mediate.ONE, (*HELD, REFUSED, END)),
                Part(("three/",), prose_mediate.THREE, (*HELD, REFUSED, END)),
                Part(("none/",), prose_mediate.NONE, _SIZE),
                Part(("hidden/",), prose_mediate.HIDDEN, (*HELD, REFUSED, END)),
            ),
            {
                "users": plans_mediate.USERS,
                "draws": plans_mediate.DRAWS,
                "most": percent(plans_mediate.MOST_FOUND, 0),
            },
        ),
    )
}


def section(report: Report, name: str) -> str:
    """The section `name`; empty where the report has none of its cells."""
    s = SECTIONS[name]
    known = [r for r in report.results if r.cell.id.startswith(f"{name}/")]
    if not known:
        return ""
    values = s.values | (s.numbers(known) if s.numbers else {})
    parts = [s.words.format(**values)]
    for part in s.parts:
        rows = [r for r in known if r.cell.id.startswith(tuple(f"{name}/{start}" for start in part.starts))]
        if rows:
            parts.append(f"{part.words.format(**values)}\n{table(rows, part.columns)}".lstrip("\n"))
    return "\n".join(parts)
