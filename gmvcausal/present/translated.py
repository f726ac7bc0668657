"""A figure in another language: every text on it, put in its place with the room it had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, ScalarFormatter

from gmvcausal.frames.params import check
from gmvcausal.present import digits, style
from gmvcausal.present.chinese import say

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


def in_language(figure: Figure, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
    """Put the texts of a figure into `language`: titles, labels of axes, names at ticks, legends, notes.

    Parameters
    ----------
    figure : Figure
        Changed in place; nothing is drawn.
    language : {"en", "zh"}
    labels : mapping of str to str, optional
        Names to print in place of the data's own, in either language.

    Returns
    -------
    Figure
        The same.

    Raises
    ------
    InputError
        For another language, or labels that are no texts.
    """
    check("language", language)
    names = check("labels", labels)
    if language == "en" and not names:
        return figure
    with style.applied():
        at_ticks = set()
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                at_ticks |= {id(t) for t in axis.get_ticklabels()}
                _ticks(axis, language, names)
        for text in figure.findobj(Text):
            if id(text) not in at_ticks and text.get_text():
                text.set_text(_said(text.get_text(), language, names))
    return figure


def _ticks(axis: Axis, language: str, names: Mapping[str, str]) -> None:
    """Names at ticks come from the formatter of fixed places, which would write them anew."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if not isinstance(locator, FixedLocator) or isinstance(formatter, ScalarFormatter):
        return
    shown = [formatter(place, k) for k, place in enumerate(np.asarray(locator()))]
    if any(shown):
        axis.set_ticklabels([_tick(text, language, names) for text in shown])


def _tick(text: str, language: str, names: Mapping[str, str]) -> str:
    if isinstance(text, digits.Cut):
        made = _said(text.full, language, names)
        return digits.cut(made, text.width) if text.line is None else digits.cut_lines(made, text.width, text.line)
    return _said(text, language, names)


def _said(text: str, language: str, names: Mapping[str, str]) -> str:
    """A text of several lines is one text that was broken; where the whole is not known, each line is tried."""
    if text in names:
        return names[text]
    title, mark, failed = text.partition("\naudit failed: ")
    if mark:  # the word of the audit under a title is a text of its own
        return f"{_said(title, language, names)}\n{say(mark[1:] + failed, language, names)}"
    lines = text.split("\n")
    if len(lines) > 1 and lines[-1].startswith(style.FAILED):
        return _said("\n".join(lines[:-1]), language, names) + "\n" + say(lines[-1], language, names)
    whole = " ".join(line for line in lines if line)
    made = say(whole, language, names)
    if made == whole:
        return "\n".join(say(line, language, names) for line in lines)
    width = max(digits.display_width(line) for line in lines)
    broken = digits.wrap(made, max(width, 12)) if len([line for line in lines if line]) > 1 else [made]
    return "\n".join(broken) + ("\n" if text.endswith("\n") else "")
