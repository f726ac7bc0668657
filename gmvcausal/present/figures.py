"""Figures of a result, and of several side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of
from gmvcausal.present import digits, phrases, style, words
from gmvcausal.present.compare import compare
from gmvcausal.results import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compare", "describe", "kinds", "plot"]

_LINES, _ROWS = 8, 40


def kinds(result: Result) -> tuple[str, ...]:
    """The kinds of figure that `result` can be drawn as; the first is the default."""
    found = []
    if _event_frame(result) is not None:
        found.append("event_study")
    if "relative" in result.to_frame():
        found.append("metrics")
    found.append("estimates")
    if hasattr(result, "trends"):
        found.append("trends")
    if hasattr(result, "by_stack") and result.manifest.options.get("stack") is not None:
        found.append("stacks")
    return tuple(found)


def plot(result: Result, kind: str | None = None) -> Figure:
    """Draw one result.

    Parameters
    ----------
    result : Result
    kind : str, optional
        ``"event_study"`` or ``"metrics"`` (defaults where they exist), ``"estimates"``, ``"trends"``, ``"stacks"``;
        which of them exist depends on the result.

    Returns
    -------
    Figure
        A matplotlib figure that belongs to no global state; it needs no screen.

    Raises
    ------
    InputError
        For a kind that this result does not have; the message lists those it has.
    """
    offered = kinds(result)
    chosen = offered[0] if kind is None else one_of("kind", kind, offered)
    with style.applied():
        return _KINDS[chosen](result)


def describe(result: Result, kind: str) -> str:
    """The figure in words, for those who cannot see it."""
    if kind == "event_study":
        frame = _event_frame(result)
        assert frame is not None
        leads, after = (
            frame[mask].dropna(subset="std_error") for mask in (frame.event_time < 0, frame.event_time >= 0)
        )
        parts = [f"Event study in {digits.inline(result.unit)}."]
        for name, part in (("before the start", leads), ("from the start on", after)):
            if len(part):
                low, high = part["estimate"].min(), part["estimate"].max()
                clear = int(((part["conf_low"] > 0) | (part["conf_high"] < 0)).sum())
                span = f"{digits.number(low, signed=True)} to {digits.number(high, signed=True)}"
                parts.append(f"Estimates {name}: {span}; {clear} of {len(part)} differ from zero.")
        return " ".join(parts)
    if kind == "trends":
        return f"Mean outcome by period and cohort, in {digits.inline(result.unit)}; starts are marked by a dot."
    if kind == "metrics":
        return "Relative effect of every metric against the control, in per cent; dots to the right of zero are gains."
    if kind == "stacks":
        return "Estimate of each campaign by its weight; dots to the right of zero are gains."
    return f"Estimates with intervals, in {digits.inline(result.unit)}."


# --- event study ------------------------------------------------------------------------------------------------------
def _event_frame(result: Result) -> pd.DataFrame | None:
    """The event study, or None where the design has none."""
    make: Callable[[], pd.DataFrame] | None = getattr(result, "event_study", None)
    if make is None:
        return None
    try:
        frame = make()
    except InputError:  # a treatment that switches has no single event time
        return None
    return frame if len(frame) else None


def _event_study(result: Result) -> Figure:
    frame = _event_frame(result)
    assert frame is not None
    figure, axes = style.drawing(7.4, 4.2)
    x, y = frame["event_time"].to_numpy(float), frame["estimate"].to_numpy(float)
    base = float(getattr(result, "event_base", None) or -1)
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
    axes.set_ylabel(_wrapped(result.unit, 34))
    _title(axes, result, "Effect by time since the start")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _event_ticks(axes: Axes, x: Any, n: Any) -> None:
    step = math.ceil(len(x) / 14)
    shown = [i for i in range(len(x)) if round(x[i]) % step == 0]
    labels = [f"{digits.fixed(float(x[i]), 0)}\n{n[i]:,}" for i in shown]
    axes.set_xticks(x[shown], labels)


# --- trends -----------------------------------------------------------------------------------------------------------
def _trends(result: Any) -> Figure:
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
    axes.set_ylabel(_wrapped(f"mean {result.unit}", 34))
    more = f" ({_LINES} largest of {len(treated)} cohorts)" if len(treated) > _LINES else ""
    _title(axes, result, f"Mean outcome by start; a dot marks the start{more}")
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


# --- campaigns and terms ----------------------------------------------------------------------------------------------
def _stacks(result: Any) -> Figure:
    frame = result.by_stack().sort_values("weight", ascending=False)
    total, frame = len(frame), frame.head(_ROWS).iloc[::-1]
    figure, axes = style.drawing(7.4, 1.6 + 0.24 * len(frame))
    style.bare(axes, zero="x")
    rows = np.arange(len(frame))
    weight = frame["weight"].to_numpy(float)
    axes.scatter(frame["estimate"], rows, s=14 + 190 * weight / weight.max(), color=style.BLUE, alpha=0.75, linewidth=0)
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
    axes.set_xlabel(_wrapped(result.unit, 70))
    more = f", {_ROWS} heaviest of {total}" if total > _ROWS else ""
    axes.set_title(f"Estimate of each campaign{more}; right: weight (treated units)\n")
    return figure


def _estimates(result: Result) -> Figure:
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
    axes.set_xlabel(_wrapped(result.unit, 70))
    note = f" (in other units, not drawn: {phrases.join(left_out)})" if left_out else ""
    _title(axes, result, f"Estimates with {phrases.level_words(result)}s{note}")
    return figure


def _metrics(result: Result) -> Figure:
    """Metrics have different units, so they share one axis as a percentage of their control."""
    frame = result.to_frame()
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
    _title(axes, result, f"Relative effects with {phrases.level_words(result)}s{note}")
    return figure


def _title(axes: Axes, result: Result, text: str) -> None:
    """The title, with the word of the audit beside it where it failed: figures travel without their page."""
    failed = [c.name for c in result.audit.failed]
    axes.set_title("\n".join([*digits.wrap(text, 80), *([f"audit failed: {phrases.join(failed)}"] if failed else [])]))


def _wrapped(text: str, width: int) -> str:
    lines = digits.wrap(digits.inline(text), width)
    return "\n".join([*lines[:3], "..."] if len(lines) > 3 else lines)


_KINDS: dict[str, Callable[[Any], Figure]] = {
    "event_study": _event_study,
    "metrics": _metrics,
    "estimates": _estimates,
    "trends": _trends,
    "stacks": _stacks,
}
