"""Tables wider than a page, parted into panels of whole columns, so that no number is broken over lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from gmvcausal.present.digits import display_width

if TYPE_CHECKING:
    from gmvcausal.present.table import Table

_CHINESE = 8  # Chinese may break after any character; four keep a word together
CONTINUED = {"en": " (continued)", "zh": "（续）"}


def lettered(text: str) -> bool:
    """Whether a cell holds a letter of any script, and not a number with its brackets and stars alone."""
    return re.search(r"[^\W\d_]", text) is not None


def least(text: str) -> int:
    """How many letters of a cell stay on one line: all of a number with its brackets and stars, a word of a text.

    Examples
    --------
    >>> least("[−1.25, 3.50]"), least("clusters (treated, control)"), least("(1) 双向固定效应")
    (13, 9, 8)
    """
    if not lettered(text):
        return display_width(text)
    words = (min(display_width(w), _CHINESE) if not w.isascii() else len(w) for w in text.split())
    return max(words, default=0)


def parted(table: Table, widths: Sequence[float], room: float) -> list[Table]:
    """The table in as few panels as keep every column as wide as it must be; each begins with the labels of the rows.

    Parameters
    ----------
    table : Table
    widths : sequence of float
        The least width of each column.
    room : float
        The width of the page, in the same measure.

    Returns
    -------
    list of Table
        The table itself where it fits, or where it has but one column beside the labels; the note is under the last.
    """
    last = len(widths)
    for count in range(1, last):
        edges = [1 - (-k * (last - 1) // count) for k in range(count + 1)]  # the smaller ones come last
        spans = [range(a, b) for a, b in pairwise(edges)]
        if count == last - 1 or all(widths[0] + sum(widths[j] for j in span) <= room for span in spans):
            return [table] if count == 1 else [_columns(table, span, note=span is spans[-1]) for span in spans]
    return [table]


def _columns(table: Table, span: range, *, note: bool) -> Table:
    chosen = (0, *span)
    rows = tuple(tuple(row[j] for j in chosen) for row in table.rows)
    header = tuple(table.header[j] for j in chosen)
    return replace(table, header=header, rows=rows, note=table.note if note else "")
