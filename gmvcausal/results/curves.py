"""A figure said in numbers, and text of the usual width: what planning and sequential results share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a figure.

    Attributes
    ----------
    label : str
        For the legend; empty for none.
    x, y : ndarray, shape (k,)
        Places that are not finite are left open.
    style : {"line", "points", "dashed", "dotted"}
    low, high : ndarray, shape (k,), optional
        A band around the line.
    """

    label: str
    x: FloatArray
    y: FloatArray
    style: str = "line"
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Curves:
    """Lines over one axis.

    Attributes
    ----------
    title, x_label, y_label : str
    lines : tuple of Line
    zero : bool
        Whether a line at zero is drawn.
    log_x : bool
    ticks : tuple of str, optional
        Names of the places 0, 1, 2, ... on the x axis.
    slanted : bool
        Whether every name is shown, slanted, instead of a few short ones.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    zero: bool = False
    log_x: bool = False
    ticks: tuple[str, ...] = ()
    slanted: bool = False

    def draw(self, *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """A matplotlib figure that belongs to no global state; it needs no screen.

        `language` is ``"en"`` or ``"zh"``; `labels` maps names in the data to the names to print.
        """
        from gmvcausal.present import curves, translated

        return translated.in_language(curves.draw(self), language, labels)


def wrapped(lines: Iterable[str], indent: int = 11, width: int = 92) -> str:
    """Lines of a summary, those too long continued under their text."""
    rest = " " * indent
    return "\n".join(
        part for line in lines for part in textwrap.wrap(line, width, subsequent_indent=rest, break_on_hyphens=False)
    )
