"""Figures of a report: coverage by cell, size by number of treated rooms, what the audit fires on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gmvcausal.frames.params import one_of
from gmvcausal.present import style
from gmvcausal.trust.bounds import SIZE_BOUNDS, coverage_error, firing
from gmvcausal.trust.report import CellResult, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("coverage", "size", "audit")
_MARKS = "osD^v"
_LEFT = 0.85


def _percent(value: float, _: float) -> str:
    return f"{100 * value:.3g} %"


def plot(report: Report, kind: str = "coverage") -> Figure:
    """Draw one figure of a report.

    Parameters
    ----------
    report : Report
    kind : {"coverage", "size", "audit"}
    """
    one_of("kind", kind, KINDS)
    with style.applied():
        return {"coverage": _coverage, "size": _size, "audit": _audit}[kind](report)


def _coverage(report: Report) -> Figure:
    """How often 95 % intervals hold the truth, with three Monte Carlo errors."""
    roles = ("valid", "fails on purpose", "power")
    rows = [r for r in report.results if r.scores["intervals"] and r.cell.role in roles and not r.cell.apart]
    figure, axes = style.drawing(7.0, 0.9 + 0.24 * max(len(rows), 1))
    for y, r in enumerate(reversed(rows)):
        s, fails = r.scores, r.cell.role == "fails on purpose"
        colour = style.VERMILION if fails else style.BLUE
        error = 3 * coverage_error(s)
        axes.plot([0.95 - error, 0.95 + error], [y, y], color=style.LIGHT, linewidth=6, solid_capstyle="butt")
        value = s["coverage95"]
        if value < _LEFT:  # beyond the axis: at its edge, with the number
            axes.plot(_LEFT, y, "<", color=colour, markersize=5, clip_on=False)
            axes.annotate(
                f"{100 * value:.0f} %", (_LEFT, y), (8, 0), textcoords="offset points", va="center", fontsize=8
            )
        else:
            axes.plot(value, y, "o", color=colour, markersize=5)
    axes.axvline(0.95, color=style.INK, linewidth=0.9)
    axes.set_xlim(_LEFT, 1.005)
    axes.set_yticks(range(len(rows)), [r.cell.id for r in reversed(rows)])
    axes.xaxis.set_major_formatter(_percent)
    axes.set_xlabel("95 % intervals that hold the truth (grey: ± 3 Monte Carlo errors; red: fails on purpose)")
    axes.xaxis.label.set(x=1.0, ha="right")
    return figure


def few_treated(report: Report) -> dict[str, list[CellResult]]:
    """Size cells of the worlds with few treated rooms, by series, in the order of treated rooms."""
    series: dict[str, list[CellResult]] = {}
    for r in report.results:
        if r.cell.role == "size" and "treated" in r.cell.dials and not r.cell.apart:
            world, _, estimator = (*r.cell.id.split("/"), "", "")[1:4]
            series.setdefault(f"{world}, {estimator}", []).append(r)
    return {name: sorted(rows, key=lambda r: r.cell.dials["treated"]) for name, rows in series.items()}


def _size(report: Report) -> Figure:
    """Rejections of a true null at 5 % by number of treated rooms."""
    series = few_treated(report)
    figure, axes = style.drawing(7.0, 3.6)
    axes.axhspan(*SIZE_BOUNDS, color=style.LIGHT, zorder=0)
    places: dict[int, int] = {}
    for rows in series.values():
        for r in rows:
            places.setdefault(r.cell.dials["treated"], 0)
    places = {treated: i for i, treated in enumerate(sorted(places))}
    for k, (name, rows) in enumerate(series.items()):
        x = [places[r.cell.dials["treated"]] + (k - (len(series) - 1) / 2) * 0.11 for r in rows]
        y = [r.scores["type1_5"] for r in rows]
        error = [0.0 if math.isnan(e) else e for e in (r.scores["type1_5_mc"] for r in rows)]
        colour = style.PALETTE[k % len(style.PALETTE)]
        axes.errorbar(x, y, yerr=error, fmt=_MARKS[k % len(_MARKS)], color=colour, markersize=4, label=name)
    axes.set_xticks(list(places.values()), [str(treated) for treated in places])
    axes.set_xlim(-0.5, max(len(places), 1) - 0.5)
    axes.set_xlabel("treated rooms of 60 (no mark: no interval was given)")
    axes.set_ylabel("rejected at 5 %, no effect")
    axes.set_ylim(0, 1.3 * max(axes.get_ylim()[1], SIZE_BOUNDS[1]))
    axes.yaxis.set_major_formatter(_percent)
    if series:
        axes.legend(ncols=2)
    style.bare(axes)
    return figure


def _audit(report: Report) -> Figure:
    """How often each check fires on clean and on violating data."""
    pairs = confusion(report)
    figure, axes = style.drawing(7.0, 0.9 + 0.4 * max(len(pairs), 1))
    for y, (cell, clean) in enumerate(reversed(pairs)):
        _bar(axes, y + 0.18, firing(cell.scores, cell.cell.check), style.VERMILION, "violation" if y == 0 else "")
        _bar(axes, y - 0.18, firing(clean.scores, cell.cell.check), style.BLUE, "clean" if y == 0 else "")
    axes.set_yticks(range(len(pairs)), [f"{c.cell.check}\n{c.cell.id}" for c, _ in reversed(pairs)])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(_percent)
    axes.set_xlabel("runs in which the check warned or failed")
    if pairs:
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return figure


def _bar(axes: Axes, y: float, value: float, colour: str, label: str) -> None:
    axes.barh(y, value, height=0.32, color=colour, label=label or None)


def confusion(report: Report) -> list[tuple[CellResult, CellResult]]:
    """Cells with a violation, each with its clean one where the report has it."""
    known = {r.cell.id: r for r in report.results}
    found = [r for r in report.results if r.cell.check and r.cell.clean in known]
    return [(r, known[r.cell.clean]) for r in found]
