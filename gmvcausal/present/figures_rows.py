"""Figures of rows: estimates, relative effects of metrics, contributions, campaigns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.present import digits, phrases, style, words
from gmvcausal.results import Result
from gmvcausal.stats.small_cells import MIN_CELL

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_ROWS, _PANELS = 40, 4
LOG = "log points"


def stacks(result: Any) -> Figure:
    """The estimate of each campaign, heaviest first."""
    frame = result.by_stack().sort_values("weight", ascending=False)
    total, seen = len(frame), frame.dropna(subset=["weight"])  # campaigns on so few people are not drawn
    frame = seen.head(_ROWS).iloc[::-1]
    figure, axes = style.drawing(7.4, 1.6 + 0.24 * len(frame))
    style.bare(axes, zero="x")
    rows = np.arange(len(frame))
    weight = frame["weight"].to_numpy(float)
    axes.scatter(
        frame["estimate"],
        rows,
        s=14 + 190 * weight / weight.max(initial=0.0),
        color=style.BLUE,
        alpha=0.75,
        linewidth=0,
    )
    axes.axvline(result.estimate, color=style.VERMILION, linewidth=1.2, linestyle="--")
    axes.annotate(
        "weighted mean",
        (result.estimate, 1),
        (3, 2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=style.VERMILION,
        fontsize=8.5,
    )
    axes.set_yticks(rows, [digits.cut(digits.inline(s), 30) for s in frame["stack"]])
    axes.set_ylim(-0.7, len(frame) - 0.3)
    for row, (share, treated) in enumerate(zip(weight, frame["treated"], strict=True)):
        axes.text(
            1.01,
            row,
            f"{digits.percent(share)}  ({treated:,})",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
        )
    axes.set_xlabel(style.wrapped(result.unit, 70))
    more = f", {_ROWS} heaviest of {total}" if len(seen) > _ROWS else ""
    if len(seen) < total:
        more += f", without those on fewer than {MIN_CELL} people"
    axes.set_title(f"Estimate of each campaign{more}; right: weight (treated units)\n")
    return figure


def estimates(result: Result) -> Figure:
    """All rows in the unit of the first."""
    frame = result.to_frame()
    same = frame["unit"] == frame["unit"].iloc[0]
    left_out = [digits.inline(t) for t in frame.loc[~same, "term"]]
    frame = frame[same].head(_ROWS).iloc[::-1]
    figure, axes = style.drawing(7.4, 1.5 + 0.38 * len(frame))
    style.bare(axes, zero="x")
    color = style.GREY if words.verdict(result) == "refused" else style.BLUE
    rows = np.arange(len(frame))
    fill = "white" if words.verdict(result) == "refused" else color
    axes.hlines(rows, frame["conf_low"], frame["conf_high"], color=color, linewidth=1.8)
    axes.plot(frame["estimate"], rows, "o", markeredgecolor=color, markerfacecolor=fill, markersize=6.5)
    axes.set_yticks(rows, [digits.cut(digits.inline(t), 34) for t in frame["term"]])
    axes.set_ylim(-0.6, len(frame) - 0.4)
    axes.set_xlabel(style.wrapped(result.unit, 70))
    note = f" (in other units, not drawn: {phrases.join(left_out)})" if left_out else ""
    style.title(axes, f"Estimates with {phrases.level_words(result)}s{note}", phrases.failed_names(result))
    return figure


def metrics(result: Result) -> Figure:
    """Metrics have different units, so they share one axis as a percentage of their control."""
    frame = result.to_frame()
    factors = frame["unit"] == LOG
    if not factors.all():  # the waterfall shows them
        frame = frame[~factors]
    given = np.isfinite(frame["relative"].to_numpy(float))
    left_out = [digits.inline(t) for t in frame.loc[~given, "term"]]
    frame = frame[given].head(_ROWS).iloc[::-1]
    figure, axes = style.drawing(7.4, 1.7 + 0.38 * len(frame))
    style.bare(axes, zero="x")
    refused = words.verdict(result) == "refused"
    color = style.GREY if refused else style.BLUE
    rows = np.arange(len(frame))
    low, middle, high = (100 * frame[c].to_numpy(float) for c in ("relative_low", "relative", "relative_high"))
    # One-sided intervals have no end on one side: the line then runs as far as the estimates do.
    far = 2 * max([*np.abs(middle), *np.abs(low[np.isfinite(low)]), *np.abs(high[np.isfinite(high)]), 1.0])
    known = ~np.isnan(low)
    axes.hlines(rows[known], np.maximum(low, -far)[known], np.minimum(high, far)[known], color=color, linewidth=1.8)
    fill = "white" if refused else color
    axes.plot(middle, rows, "o", markeredgecolor=color, markerfacecolor=fill, markersize=6.5)
    axes.set_yticks(rows, [digits.cut(digits.inline(t), 34) for t in frame["term"]])
    axes.set_ylim(-0.6, len(frame) - 0.4)
    axes.set_xlabel("effect, % of the control arm's value")
    note = f" (not drawn, for their control is too near zero: {phrases.join(left_out)})" if left_out else ""
    style.title(axes, f"Relative effects with {phrases.level_words(result)}s{note}", phrases.failed_names(result))
    return figure


def contributions(result: Any) -> pd.DataFrame | None:
    """The factors of GMV by metric and arm, or None where the result takes nothing apart."""
    make = getattr(result, "contributions", None)
    frame: pd.DataFrame | None = None if make is None else make()
    return None if frame is None or frame.empty else frame


def waterfall(result: Any) -> Figure:
    """How the factors of GMV add up to its log-lift, one panel for each metric and arm."""
    frame = contributions(result)
    assert frame is not None
    groups = list(frame.groupby(["metric", "arm"], sort=False))[:_PANELS]
    figure, panels = style.panels(len(groups), 1.2 + 4.6 * len(groups), 4.3)
    refused = words.verdict(result) == "refused"
    for axes, ((metric, arm), part) in zip(panels, groups, strict=True):
        style.bare(axes, zero="y")
        step, total = part[part["factor"] != "total"], part[part["factor"] == "total"]
        ordered: list[Any] = [*step.itertuples(), *total.itertuples()]
        level = 0.0
        for i, one in enumerate(ordered):
            whole = one.factor == "total"
            start = 0.0 if whole else level
            end = start + one.estimate
            color = (
                style.GREY if refused else style.INK if whole else style.BLUE if one.estimate >= 0 else style.VERMILION
            )
            fill = "white" if refused else color
            axes.bar(i, one.estimate, bottom=start, width=0.62, color=fill, edgecolor=color, alpha=0.85, linewidth=1.4)
            # A one-sided interval has one end.
            low, high = (start + v if math.isfinite(v) else end for v in (one.conf_low, one.conf_high))
            axes.vlines(i, low, high, color="black", linewidth=1.3)
            axes.hlines([low, high], i - 0.07, i + 0.07, color="black", linewidth=1.3)
            axes.annotate(
                digits.percent(one.lift) if one.lift < 0 else f"+{digits.percent(one.lift)}",
                (i, max(high, end, start, 0.0)),
                (0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
            if not whole:
                axes.hlines(end, i + 0.31, i + 1 - 0.31, color=style.GREY, linewidth=0.8, linestyle=":")
            level = end
        axes.set_xticks(range(len(ordered)), ["\n".join(digits.wrap(one.factor, 10)) for one in ordered])
        axes.margins(y=0.12)
        axes.set_title(digits.cut(f"{digits.inline(metric)}: {digits.inline(arm)}", 44))
    panels[0].set_ylabel("contribution, log points")
    left_out = frame.groupby(["metric", "arm"]).ngroups - len(groups)
    more = f"; {left_out} more not drawn" if left_out else ""
    style.heading(
        figure,
        f"What the lift of GMV is made of, with {phrases.level_words(result)}s{more}",
        phrases.failed_names(result),
    )
    return figure


def describe_waterfall(result: Any) -> str:
    """The contributions in words."""
    frame = contributions(result)
    assert frame is not None
    told = []
    for (metric, arm), part in frame.groupby(["metric", "arm"], sort=False):
        pairs = zip(part["factor"], 100 * part["lift"].to_numpy(float), strict=True)
        steps = [f"{factor} {digits.fixed(float(lift), 1, signed=True)}%" for factor, lift in pairs]
        told.append(f"{digits.inline(metric)}, {digits.inline(arm)}: {', '.join(steps)}")
    return f"Lift of GMV and of its factors. {'; '.join(told)}."
