"""Covariates as numbers: categories become 0/1 columns with their levels told; nothing is guessed from text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import identifiers, numeric
from gmvcausal.frames.table import Table

FloatArray = NDArray[np.float64]

MOST_LEVELS = 50


@dataclass(frozen=True)
class Encoded:
    """Covariates of every row of a table.

    Attributes
    ----------
    names : tuple of str
        One per column of numbers: that of the column, or ``"city = Hefei"`` for a level.
    source : tuple of str
        The column of the table behind each.
    columns : tuple of ndarray, shape (n,) each
    notes : tuple of str
        The levels of every category.
    """

    names: tuple[str, ...]
    source: tuple[str, ...]
    columns: tuple[FloatArray, ...]
    notes: tuple[str, ...]

    @property
    def values(self) -> FloatArray:
        """The columns side by side, shape (n, p)."""
        return np.column_stack(self.columns)


def encode(table: Table, columns: Sequence[str], missing: str) -> Encoded:
    """Read covariates: numbers as they are, text and categories as one 0/1 column for each level but the first.

    Parameters
    ----------
    table : Table
    columns : sequence of str
    missing : str
        Remedy for missing values, which are refused.

    Raises
    ------
    InputError
        Missing or infinite values, a dtype that is neither numbers nor text, text of more than `MOST_LEVELS` levels,
        numbers or dates written as text.
    """
    names: list[str] = []
    source: list[str] = []
    parts: list[FloatArray] = []
    notes: list[str] = []
    for column in columns:
        series = table.series(column, "covariates")
        if not is_text(series):
            parts.append(numeric(table, column, "covariates", missing=missing).values)
            names.append(column)
            source.append(column)
            continue
        codes = identifiers(table, column, "covariates")
        levels = [str(v) for v in codes.labels]
        if not is_category(series):
            rules.refuse_written(levels, column, "covariates")
        rules.refuse_people(column, "covariates", len(levels))
        if len(levels) > MOST_LEVELS:
            raise InputError(
                f"covariates holds text of {len(levels):,} levels, for example {rules.shown(levels[0], column)}, "
                f"and at most {MOST_LEVELS} can be told apart",
                column=column,
                remedy="group the levels, or convert the column to numbers if it holds numbers",
            )
        shown = ", ".join(repr(v) for v in levels[:10]) + (f", … ({len(levels)} in all)" if len(levels) > 10 else "")
        notes.append(f"covariate {column!r} is a category with the levels {shown}; the first is the base")
        for k in range(1, len(levels)):
            parts.append((codes.codes == k).astype(float))
            names.append(f"{column} = {levels[k]}")
            source.append(column)
        if len(levels) == 1:
            parts.append(np.zeros(table.n))
            names.append(column)
            source.append(column)
    return Encoded(tuple(names), tuple(source), tuple(parts), tuple(notes))


def is_category(series: nw.Series[Any]) -> bool:
    """Whether a column is one of categories by its type, not by what it holds."""
    return series.dtype in (nw.Categorical, nw.Enum)


def is_text(series: nw.Series[Any]) -> bool:
    """Whether a column holds text or a category."""
    if series.dtype in (nw.String, nw.Categorical, nw.Enum):
        return True
    if series.dtype != nw.Object and series.dtype != nw.Unknown:
        return False
    return any(isinstance(v, str) for v in series.to_list())
