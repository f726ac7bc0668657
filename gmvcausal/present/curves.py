"""Draw lines over one axis: looks of a test, curves of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.present import digits, style
from gmvcausal.results.curves import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLES: dict[str, dict[str, Any]] = {
    "line": {"linestyle": "-", "linewidth": 1.8},
    "dashed": {"linestyle": "--", "linewidth": 1.3},
    "dotted": {"linestyle": ":", "linewidth": 1.3},
    "points": {"linestyle": "none", "marker": "o", "markersize": 5.0},
}
_TICKS = 12
_LONG_TICK = 44


def draw(curves: Curves, failed: Sequence[str] = ()) -> Figure:
    """The figure of `curves`, in the style of the house; `failed` checks are written on it."""
    with style.applied():
        figure, axes = style.drawing(7.4, 4.2)
        style.bare(axes, zero="y" if curves.zero else "")
        used = -1
        for line in curves.lines:
            used += 1 if line.label else 0  # a line without a name belongs to the one before it
            color = style.PALETTE[max(used, 0) % len(style.PALETTE)]
            ok = np.isfinite(line.y)
            axes.plot(
                line.x[ok], line.y[ok], color=color, label=digits.inline(line.label) or None, **_STYLES[line.style]
            )
            if line.low is not None and line.high is not None:
                both = np.isfinite(line.low) & np.isfinite(line.high)
                low, high = np.where(both, line.low, np.nan), np.where(both, line.high, np.nan)
                if line.style == "points":
                    axes.vlines(line.x, low, high, color=color, linewidth=1.4)
                else:
                    axes.fill_between(line.x, low, high, color=color, alpha=0.15, linewidth=0)
        if curves.log_x:
            from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))  # powers need mathematics in texts
            axes.xaxis.set_minor_formatter(NullFormatter())
        if curves.ticks and curves.slanted:
            names = [digits.cut(digits.inline(name), _LONG_TICK) for name in curves.ticks]
            axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
        elif curves.ticks:
            shown = list(range(0, len(curves.ticks), math.ceil(len(curves.ticks) / _TICKS)))
            axes.set_xticks(shown, [digits.cut(digits.inline(curves.ticks[i]), 12) for i in shown])
        axes.set_xlabel(digits.inline(curves.x_label))
        axes.set_ylabel(style.wrapped(digits.inline(curves.y_label), 40))
        style.title(axes, digits.inline(curves.title), failed)
        if any(line.label for line in curves.lines):
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return figure
