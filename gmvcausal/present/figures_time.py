"""Figures over time: the event study, and the mean outcome of each cohort."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.present import digits, phrases, style
from gmvcausal.results import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = 8


def event_frame(result: Result) -> pd.DataFrame | None:
    """The event study, or None where the design has none."""
    make: Callable[[], pd.DataFrame] | None = getattr(result, "event_study", None)
    if make is None:
        return None
    try:
        frame = make()
    except InputError:  # a treatment that switches has no single event time
        return None
    return frame if len(frame) else None


def describe(result: Result) -> str:
    """The event study in words."""
    frame = event_frame(result)
    assert frame is not None
    leads, after = (frame[mask].dropna(subset="std_error") for mask in (frame.event_time < 0, frame.event_time >= 0))
    parts = [f"Event study in {digits.inline(result.unit)}."]
    for name, part in (("before the start", leads), ("from the start on", after)):
        if len(part):
            low, high = part["estimate"].min(), part["estimate"].max()
            clear = int(((part["conf_low"] > 0) | (part["conf_high"] < 0)).sum())
            span = f"{digits.number(low, signed=True)} to {digits.number(high, signed=True)}"
            parts.append(f"Estimates {name}: {span}; {clear} of {len(part)} differ from zero.")
    return " ".join(parts)


def event_study(result: Result) -> Figure:
    """Estimates by time since the start, with pointwise intervals and the simultaneous band."""
    frame = event_frame(result)
    assert frame is not None
    figure, axes = style.drawing(7.4, 4.2)
    x, y = frame["event_time"].to_numpy(float), frame["estimate"].to_numpy(float)
    reference = getattr(result, "event_base", -1)
    base = math.nan if reference is None else float(reference)  # synthetic comparisons have no base period
    at_base = x == base
    band = [np.where(at_base, 0.0, frame[c].to_numpy(float)) for c in ("band_low", "band_high")]
    point = [frame[c].to_numpy(float) for c in ("conf_low", "conf_high")]
    style.bare(axes, zero="y")
    level = f"{100 * (1 - result.alpha):g}%"
    if np.nanmax(np.abs(np.where(at_base, 0, band[1] - point[1])), initial=0) > 0:
        axes.fill_between(
            x, band[0], band[1], color=style.BLUE, alpha=0.13, linewidth=0, label=f"{level} simultaneous band"
        )
    ok = np.isfinite(point[0]) & ~at_base
    axes.vlines(x[ok], point[0][ok], point[1][ok], color=style.BLUE, linewidth=1.8, label=f"{level} pointwise interval")
    axes.plot(x[~at_base], y[~at_base], "o", color=style.BLUE, markersize=5.5, label="estimate")
    if at_base.any():
        axes.plot(x[at_base], y[at_base], "s", markerfacecolor="white", markeredgecolor=style.INK, label="base period")
    line = float(getattr(result, "lead_slope", math.nan))
    if math.isfinite(line):
        grid = np.array([x.min(), x.max()])
        axes.plot(
            grid, line * (grid - base), "--", color=style.VERMILION, linewidth=1.2, label="line through the leads"
        )
    axes.axvline((base + 0.5) if base == -1 else -0.5, color=style.GREY, linewidth=0.8, linestyle=":")
    _event_ticks(axes, x, frame["n"].to_numpy())
    axes.set_xlabel("periods since the start (below: treated units behind each estimate)")
    axes.set_ylabel(style.wrapped(result.unit, 34))
    style.title(axes, "Effect by time since the start", phrases.failed_names(result))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _event_ticks(axes: Axes, x: Any, n: Any) -> None:
    step = math.ceil(len(x) / 14)
    shown = [i for i in range(len(x)) if round(x[i]) % step == 0]
    labels = [f"{digits.fixed(float(x[i]), 0)}\n{_units(n[i])}" for i in shown]
    axes.set_xticks(x[shown], labels)


def _units(n: Any) -> str:
    """Units behind an estimate; a dash where their number is kept back."""
    return digits.NOT_GIVEN if n is None or n != n or not isinstance(n, int | float | np.number) else f"{int(n):,}"


def trends(result: Any) -> Figure:
    """Mean outcome of each cohort, its start marked."""
    frame = result.trends()
    figure, axes = style.drawing(7.4, 4.2)
    periods = sorted(frame["period"].unique())
    position = {p: i for i, p in enumerate(periods)}
    untreated = ("never", "not sent")
    cohorts = list(dict.fromkeys(frame["cohort"]))
    size = frame.groupby("cohort", sort=False)["n"].max()
    treated = [c for c in cohorts if c not in untreated]
    drawn = sorted(sorted(treated, key=lambda c: -size[c])[:_LINES], key=treated.index)
    style.bare(axes)
    ends = []
    for k, cohort in enumerate([*drawn, *(c for c in cohorts if c in untreated)]):
        part = frame[frame["cohort"] == cohort]
        x, y = part["period"].map(position).to_numpy(float), part["mean"].to_numpy(float)
        never = cohort in untreated
        color = "black" if never else style.PALETTE[k % len(style.PALETTE)]
        axes.plot(x, y, color=color, linewidth=2.2 if never else 1.5, linestyle="--" if never else "-")
        start = [i for i, p in enumerate(part["period"]) if str(p)[:10] == cohort or (cohort == "sent" and p == 0)]
        axes.plot(x[start], y[start], "o", color=color, markersize=6)
        seen = np.flatnonzero(np.isfinite(y))
        if len(seen):
            name = {"never": "never treated"}.get(
                cohort, cohort if cohort == "not sent" or cohort == "sent" else f"from {cohort}"
            )
            ends.append(
                (
                    float(y[seen[-1]]),
                    float(x[seen[-1]]),
                    f"{digits.cut(digits.inline(name), 22)} ({size[cohort]:,})",
                    color,
                )
            )
    _end_labels(axes, ends, len(periods))
    longest = max(len(str(p)[:10]) for p in periods)
    shown = range(0, len(periods), math.ceil(len(periods) * longest / 60))
    axes.set_xticks(
        list(shown), [str(periods[i])[:10].replace("-", digits.MINUS, str(periods[i]).startswith("-")) for i in shown]
    )
    axes.set_xlabel("period" if result.manifest.options.get("stack") is None else "periods since the campaign began")
    axes.set_ylabel(style.wrapped(f"mean {result.unit}", 34))
    more = f" ({_LINES} largest of {len(treated)} cohorts)" if len(treated) > _LINES else ""
    style.title(axes, f"Mean outcome by start; a dot marks the start{more}", phrases.failed_names(result))
    return figure


def _end_labels(axes: Axes, ends: list[tuple[float, float, str, str]], length: int) -> None:
    """Names at the ends of their lines, pushed apart where they would overlap: no legend to look up."""
    low, high = axes.get_ylim()
    gap, at = 0.052 * (high - low), math.inf
    for y, x, name, color in sorted(ends, key=lambda e: -e[0]):
        at = min(y, at - gap)
        axes.annotate(
            name,
            (x, y),
            (length - 1 + 0.02 * length, at),
            color=color,
            fontsize=8.5,
            va="center",
            annotation_clip=False,
        )
    axes.set_ylim(min(low, at - gap), high)
