"""Rows of people: what rests on 1 to 9 of them is not shown in the tables that describe data.

Numbers of a column are not shown where they are those of so few: where fewer than ten rows have a value, and where most
have the same (a flag that seven users carry, GMV of a shop where four bought), so that mean, SD and share count or sum
up the rest. With two columns it is the table of both that may hold a small cell. Smallest and largest values are one
person's each and are shown: a table of descriptive statistics has them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gmvcausal.frames.facts import COARSER, TIME_NAMES, folded, frame_facts, named_unit, rows_are_people
from gmvcausal.frames.table import Table
from gmvcausal.results.describing.read import BoolArray, FloatArray
from gmvcausal.stats.describing import Summary, summary
from gmvcausal.stats.small_cells import MIN_CELL, small
from gmvcausal.stats.small_columns import FEW_VALUES, of_few

_FILLED = 0.5  # of the grid of places and times, from which on rows are taken for a panel of places


def describes_people(table: Table, data: Any) -> bool:
    """Whether rows are of people, for all that the table says: rooms, shops and cities are none, and are shown whole.

    The column of units counts, and what `Logs` wrote; without both, rows are of places where places, or places by
    time, tell every row apart and fill their grid.
    """
    facts = frame_facts(data)
    unit = named_unit(table.columns)
    if facts or unit is not None:
        return rows_are_people(unit, facts)
    names = {folded(name): name for name in table.columns}
    places = [names[folded(name)] for name in COARSER if folded(name) in names]
    times = [names[folded(name)] for name in TIME_NAMES if folded(name) in names]
    grids = [*([place] for place in places), *([place, when] for place in places for when in times)]
    return not any(_grid(table, keys) for keys in grids)


def _grid(table: Table, columns: list[str]) -> bool:
    keys = table.frame.select(columns)
    cells = math.prod(keys[column].n_unique() for column in columns)
    return bool(table.n >= _FILLED * cells and keys.is_unique().all())


def shown(values: FloatArray) -> Summary:
    """The summary of a column of people's values; NaN is what rests on so few of them, or would count them.

    Examples
    --------
    >>> shown(np.array([0.0] * 50 + [1] * 4))[2:5]
    (nan, nan, 0.0)
    """
    found = summary(values)
    if not found.n:
        return found
    if found.n < MIN_CELL:
        return Summary(found.n, found.missing, *(math.nan,) * 8)
    live = values[~np.isnan(values)]
    counts = np.unique(live, return_counts=True)[1]
    none = int((live == 0).sum())
    few = of_few(values)
    told = len(counts) <= FEW_VALUES and bool(small(counts).any())
    return found._replace(
        mean=math.nan if few else found.mean,
        sd=math.nan if few or told else found.sd,
        zeros=math.nan if few or told or small(np.array([none, found.n - none])).any() else found.zeros,
    )


def hidden_pairs(x: FloatArray) -> BoolArray:
    """Which correlations are not shown, shape (p, p): on the rows of both a column is of few, or a cell of two flags.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN where missing.
    """
    out = np.zeros((x.shape[1],) * 2, dtype=bool)
    for i in range(x.shape[1]):
        for j in range(i):
            both = x[~np.isnan(x[:, [i, j]]).any(axis=1)][:, [i, j]]
            out[i, j] = out[j, i] = of_few(both[:, 0]) or of_few(both[:, 1]) or _small_cell(both)
    return out


def _small_cell(both: FloatArray) -> bool:
    first, second = (np.unique(side, return_inverse=True) for side in both.T)
    if len(first[0]) > 2 or len(second[0]) > 2:
        return False
    return bool(small(np.bincount(2 * first[1] + second[1], minlength=4)).any())


def without_pairs(x: FloatArray) -> list[int]:
    """Columns of which no correlation is hidden among themselves: those in most hidden ones go first, of two the later.

    A VIF is worked out from correlations, and they from it.
    """
    gone = hidden_pairs(x)
    kept = list(range(x.shape[1]))
    while gone[np.ix_(kept, kept)].any():
        many = gone[np.ix_(kept, kept)].sum(axis=1)
        del kept[len(kept) - 1 - int(np.argmax(many[::-1]))]
    return kept
