"""Figures of cohorts and periods: effects as a heat map, and a two-way estimate taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.present import digits, phrases, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {
    "bacon": "Two-by-two comparisons behind the two-way estimate, by weight",
    "heatmap": "Effect by cohort and period; frames mark the cells after the start",
}
_FAIR, _FORBIDDEN = ("o", "s"), ("X", "D")
_NUMBERED = 150  # cells, up to which each carries its number
_SMALLEST = 5.0  # points, below which no number is written into a cell
_TICKS = 24


def bacon(result: Any) -> Figure:
    """Estimate of every comparison against its weight; those with treated controls are crosses and diamonds."""
    frame = result.bacon()
    figure, axes = style.drawing(7.4, 4.4)
    style.bare(axes, zero="y")
    marks = {False: iter(_FAIR), True: iter(_FORBIDDEN)}
    for color, kind in zip(style.PALETTE, dict.fromkeys(frame["type"]), strict=False):
        rows = frame[frame["type"] == kind]
        share = digits.percent(float(rows["weight"].sum()))
        forbidden = bool(rows["forbidden"].any())
        mark, note = next(marks[forbidden]), ", forbidden" if forbidden else ""
        axes.scatter(rows["weight"], rows["estimate"], marker=mark, s=44, color=color, label=f"{kind} ({share}{note})")
    axes.axhline(result.estimate, color=style.VERMILION, linewidth=1.2, linestyle="--", label="two-way estimate")
    axes.set_xlim(left=0)
    axes.set_xlabel("weight in the two-way estimate")
    axes.set_ylabel(style.wrapped(result.unit, 40))
    axes.legend(frameon=False, fontsize=8.5)
    style.title(axes, TITLES["bacon"], phrases.failed_names(result))
    return figure


def heatmap(result: Any) -> Figure:
    """ATT of every cohort (rows) and period (columns); white where there is none."""
    frame = result.att_gt()
    cohorts, row = np.unique(frame["cohort"].to_numpy(), return_inverse=True)
    periods, column = np.unique(frame["period"].to_numpy(), return_inverse=True)
    values = np.full((len(cohorts), len(periods)), np.nan)
    values[row, column] = frame["estimate"]
    figure, axes = style.drawing(7.4, 1.9 + min(0.34 * len(cohorts), 7.0))
    far = float(np.nanmax(np.abs(values))) or 1.0
    edges = [np.arange(n + 1) - 0.5 for n in reversed(values.shape)]
    # A mesh and not an image: it stays lines in SVG.
    image = axes.pcolormesh(*edges, values, cmap="RdBu_r", vmin=-far, vmax=far)
    axes.invert_yaxis()
    after = frame["event_time"].to_numpy() >= 0
    from matplotlib.patches import Rectangle

    for y, x in zip(row[after], column[after], strict=True):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=style.INK, linewidth=1.0))
    told = [_cell(v) for v in values[row, column]]
    # A digit is about .62 of its height wide, and the cells share two thirds of the figure's width.
    size = min(7.5, 7.4 * 72 * 2 / 3 / len(periods) / (0.62 * max(map(len, told))))
    if values.size <= _NUMBERED and size >= _SMALLEST:
        for y, x, text in zip(row, column, told, strict=True):
            if np.isnan(values[y, x]):  # kept back: fewer than ten people
                continue
            color = "white" if abs(values[y, x]) > 0.6 * far else style.INK
            axes.text(x, y, text, ha="center", va="center", fontsize=size, color=color)
    for ticks, labels in ((axes.set_xticks, periods), (axes.set_yticks, cohorts)):
        at = np.arange(0, len(labels), max(1, -(-len(labels) // _TICKS)))
        ticks(at, [_day(labels[i]) for i in at])
    axes.tick_params(axis="x", labelrotation=45 if np.issubdtype(periods.dtype, np.datetime64) else 0)
    axes.set_xlabel("period")
    axes.set_ylabel("first treated")
    scale = figure.colorbar(image, ax=axes, label=style.wrapped(result.unit, 30))
    if scale.solids is not None:
        scale.solids.set_rasterized(False)
    style.title(axes, TITLES["heatmap"], phrases.failed_names(result))
    return figure


def _cell(value: float) -> str:
    """Three significant digits; whole numbers with separators from a thousand on, thousands as k from 100,000 on."""
    places = digits.decimals(value, 3)
    if round(abs(value), places) >= 1e5:
        return digits.fixed(value / 1000, 0) + "k"
    return digits.fixed(value, places)


def _day(label: Any) -> str:
    return str(label).removesuffix("T00:00:00.000000")
