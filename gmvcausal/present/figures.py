"""Figures of a result: which there are, how each is drawn, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gmvcausal.frames.params import check, one_of
from gmvcausal.present import (
    curves,
    digits,
    figures_cells,
    figures_rows,
    figures_time,
    forest,
    names,
    phrases,
    style,
    synthetic,
)
from gmvcausal.present.compare import compare
from gmvcausal.present.labels import warn_unknown
from gmvcausal.present.translated import in_language
from gmvcausal.results import Result
from gmvcausal.results.curves import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["compare", "describe", "describe_curves", "kinds", "plot"]


def kinds(result: Result) -> tuple[str, ...]:
    """The kinds of figure that `result` can be drawn as; the first is the default."""
    found = [*synthetic.kinds(result), *(["forest"] if hasattr(result, "studies") else [])]
    if figures_time.event_frame(result) is not None:
        found.append("event_study")
    if "relative" in result.to_frame():
        found.append("metrics")
    if figures_rows.contributions(result) is not None:
        found.append("waterfall")
    found += [*result.curve_kinds, *(["estimates"] if "estimates" not in result.curve_kinds else [])]
    if hasattr(result, "trends") and getattr(result, "has_trends", True):
        found.append("trends")
    if hasattr(result, "by_stack") and result.manifest.options.get("stack") is not None:
        found.append("stacks")
    found += getattr(result, "figure_kinds", ())
    return tuple(found)


def plot(
    result: Result, kind: str | None = None, *, language: str = "en", labels: Mapping[str, str] | None = None
) -> Figure:
    """Draw one result.

    Parameters
    ----------
    result : Result
    kind : str, optional
        ``"event_study"`` or ``"metrics"`` (defaults where they exist), ``"waterfall"`` (the factors of GMV),
        ``"forest"`` (studies and their mean), ``"estimates"``, ``"trends"``, ``"stacks"``, ``"heatmap"`` (effects by
        cohort and period), ``"bacon"`` (a two-way estimate taken apart), ``"synthetic"``, ``"gap"``, ``"placebo"``, and
        what the verb draws itself; which of them exist depends on the result.
    language : {"en", "zh"}
        Of every text on the figure.
    labels : mapping of str to str, optional
        Names to print in place of the data's own.

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
    given = check("labels", labels)
    warn_unknown(given, [result], whole=False, frames_up=4)
    if chosen in result.curve_kinds:
        made = curves.draw(result.curves(chosen), phrases.failed_names(result))
    else:
        with style.applied():
            made = _KINDS[chosen](result)
    return in_language(made, language, names.known(result, language, given))


def describe(result: Result, kind: str) -> str:
    """The figure in words, for those who cannot see it."""
    if kind in result.curve_kinds:
        return describe_curves(result.curves(kind))
    if kind == "event_study":
        return figures_time.describe(result)
    if kind == "trends":
        return f"Mean outcome by period and cohort, in {digits.inline(result.unit)}; starts are marked by a dot."
    if kind == "metrics":
        return "Relative effect of every metric against the control, in per cent; dots to the right of zero are gains."
    if kind == "waterfall":
        return figures_rows.describe_waterfall(result)
    if kind == "forest":
        return forest.describe(result)
    if kind in synthetic.TITLES:
        return digits.inline(f"{synthetic.TITLES[kind]}, in {result.unit}.")
    if kind in figures_cells.TITLES:
        return digits.inline(f"{figures_cells.TITLES[kind]}, in {result.unit}.")
    if kind == "stacks":
        return "Estimate of each campaign by its weight; dots to the right of zero are gains."
    return f"Estimates with intervals, in {digits.inline(result.unit)}."


def describe_curves(said: Curves) -> str:
    """Lines over one axis in words."""
    lines = [line.label for line in said.lines if line.label]
    return digits.inline(f"{said.title}; {said.y_label} by {said.x_label}: {', '.join(lines)}.")


_KINDS: dict[str, Callable[[Any], Figure]] = {
    "event_study": figures_time.event_study,
    "metrics": figures_rows.metrics,
    "waterfall": figures_rows.waterfall,
    "estimates": figures_rows.estimates,
    "trends": figures_time.trends,
    "stacks": figures_rows.stacks,
    "bacon": figures_cells.bacon,
    "heatmap": figures_cells.heatmap,
    "synthetic": synthetic.paths,
    "gap": synthetic.gap,
    "placebo": synthetic.placebo,
    "forest": forest.forest,
}
