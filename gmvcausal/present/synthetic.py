"""Figures of synthetic comparisons: the two paths, the gap between them, and the gap beside placebo runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.present import digits, phrases, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "synthetic": "Treated beside weighted controls; the line marks the start",
    "gap": "Treated less weighted controls; the line marks the start",
    "placebo": "The gap beside those of controls put in its place",
}
_COHORTS = 6
_WILD = (
    5.0  # placebo runs whose gap before the start is so many times that of the treated say little, and hide the rest
)


def kinds(result: Any) -> tuple[str, ...]:
    """The kinds of figure that a synthetic comparison adds."""
    if not hasattr(result, "paths"):
        return ()
    return ("synthetic", "gap", "placebo") if _gaps(result) is not None else ("synthetic", "gap")


def _gaps(result: Any) -> Any:
    """Gap of every placebo run and its size before the start, where a single unit is treated; else None."""
    runs = result.fitted.synthetic.runs
    return None if runs is None or runs.gaps is None else runs


def paths(result: Any) -> Figure:
    """Treated and synthetic path of each cohort."""
    figure, axes, frames = _drawing(result, "synthetic")
    for part, frame in zip(axes, frames, strict=True):
        x = np.arange(len(frame))
        part.plot(x, frame["treated"], color=style.INK, linewidth=2.0, label="treated")
        part.plot(x, frame["synthetic"], "--", color=style.BLUE, linewidth=1.8, label="weighted controls")
    axes[0].set_ylabel(style.wrapped(f"mean {result.unit}", 34))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def gap(result: Any) -> Figure:
    """Treated less weighted controls."""
    figure, axes, frames = _drawing(result, "gap", zero="y")
    for part, frame in zip(axes, frames, strict=True):
        part.plot(np.arange(len(frame)), frame["gap"], color=style.BLUE, linewidth=2.0)
    axes[0].set_ylabel(style.wrapped(f"gap in {result.unit}", 34))
    return figure


def placebo(result: Any) -> Figure:
    """The gap of the treated unit over those of all controls put in its place."""
    runs = _gaps(result)
    if runs is None:
        raise DesignError("placebo gaps are drawn where a single unit is treated, and placebo runs were made")
    figure, axes, frames = _drawing(result, "placebo", zero="y")
    frame, own = frames[0], result.fitted.synthetic.answer.scale
    tame = runs.before <= _WILD * own
    shown = runs.gaps[tame] if tame.any() else runs.gaps
    x = np.arange(len(frame))
    axes[0].plot(x, shown.T, color=style.GREY, linewidth=0.7, alpha=0.55)
    axes[0].plot([], [], color=style.GREY, linewidth=0.7, label="controls in its place")
    axes[0].plot(x, frame["gap"], color=style.VERMILION, linewidth=2.2, label="treated")
    left_out = len(runs.gaps) - len(shown)
    if left_out:
        axes[0].set_xlabel(f"period (not drawn: {left_out} runs whose gap before is over {_WILD:g} times as large)")
    axes[0].set_ylabel(style.wrapped(f"gap in {result.unit}", 34))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _drawing(result: Any, kind: str, zero: str = "") -> tuple[Figure, list[Axes], list[Any]]:
    """One panel per cohort (the largest where there are many), its periods named and its start marked."""
    table = result.paths()
    cohorts = list(dict.fromkeys(table["cohort"]))
    heaviest = sorted(range(len(cohorts)), key=lambda g: -result.fitted.synthetic.answer.share[g])[:_COHORTS]
    frames = [table[table["cohort"] == cohorts[g]].reset_index(drop=True) for g in sorted(heaviest)]
    figure, first = style.drawing(7.4, 4.2)
    axes = [first]
    if len(frames) > 1:
        first.remove()
        rows = math.ceil(len(frames) / 3)
        figure.set_size_inches(7.4, 1.2 + 2.6 * rows)
        axes = list(figure.subplots(rows, min(3, len(frames)), squeeze=False).ravel())
        for spare in axes[len(frames) :]:
            spare.remove()
        axes = axes[: len(frames)]
    for part, frame in zip(axes, frames, strict=True):
        style.bare(part, zero=zero)
        names = [str(p)[:10] for p in frame["period"]]
        room = 60 if len(frames) == 1 else 22
        shown = range(0, len(names), math.ceil(len(names) * max(map(len, names)) / room))
        part.set_xticks(list(shown), [names[i].replace("-", digits.MINUS, names[i].startswith("-")) for i in shown])
        part.axvline(int(frame["after"].to_numpy().argmax()) - 0.5, color=style.GREY, linewidth=0.8, linestyle=":")
        if len(frames) > 1:
            part.set_title(f"from {str(frame['cohort'].iloc[0])[:10]}")
    failed = phrases.failed_names(result)
    if len(frames) == 1:
        style.title(first, TITLES[kind], failed)
    else:
        style.heading(figure, TITLES[kind], failed)
    return figure, axes, frames
