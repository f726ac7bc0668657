"""Rows of people: what rests on 1 to 9 of them is not shown in the tables that describe data.

Numbers of a column are not shown where they are those of so few: where fewer than ten rows have a value, and where most
have the same (a flag that seven users carry, GMV of a shop where four bought), so that mean, SD and share count or sum
up the rest. With two columns it is the table of both that may hold a small cell. Smallest and largest values are one
person's each and are shown: a table of descriptive statistics has them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gmvcausal.frames.facts import COARSER, TIME_NAMES, folded, frame_facts, named_unit, rows_are_people
from gmvcausal.frames.table import Table
from gmvcausal.results.describing.read import BoolArray, Column, FloatArray, IntArray
from gmvcausal.stats.describing import Summary, summary
from gmvcausal.stats.small_cells import MIN_CELL, hidden, hidden_two_way, small
from gmvcausal.stats.small_columns import FEW_VALUES, of_few
from gmvcausal.stats.tied import beside_tied, off_mode, ties

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


def told(values: FloatArray) -> bool:
    """Whether the counts of few whole numbers, one of them small, would follow from n, mean and SD.

    Examples
    --------
    >>> told(np.repeat([0.0, 1, 2], [80, 35, 5])), told(np.repeat([0.0, 1, 2], [80, 30, 10]))
    (True, False)
    """
    counts = np.unique(values[~np.isnan(values)], return_counts=True)[1]
    return len(counts) <= FEW_VALUES and bool(small(counts).any())


def away(columns: Sequence[Column]) -> dict[str, BoolArray]:
    """What of each column is hidden: of a category its levels, of a number (shape (1,)) its mean.

    Each by itself, and with those by whose sums it would follow (`tied`).
    """
    own = [
        np.array([of_few(c.values)]) if c.is_number
        else np.asarray(hidden(np.bincount(c.values[~np.isnan(c.values)].astype(np.int64), minlength=len(c.levels))))
        for c in columns
    ]  # fmt: skip
    return together(columns, own, [np.ones(len(c.values), dtype=bool) for c in columns[:1]])


def away_by(
    columns: Sequence[Column], also: Mapping[str, BoolArray], code: IntArray, groups: int
) -> dict[str, BoolArray]:
    """What of each column is hidden where its numbers are shown by group, and what is hidden of all (`also`).

    Over all groups at once: what one pair of groups hides, another that shares the control would tell.
    """
    own = [_of_groups(c, code, groups) | also[c.name] for c in columns]
    inside = [np.asarray(code == k) for k in range(groups)]
    return together(columns, own, [np.ones(len(code), dtype=bool), *inside])


def _of_groups(column: Column, code: IntArray, groups: int) -> BoolArray:
    """Which levels of a column are small in a group, with those by which they would follow; of a number shape (1,)."""
    values, live = column.values, ~np.isnan(column.values)
    names, codes = np.unique(values[live], return_inverse=True)
    if column.is_number and len(names) > FEW_VALUES:  # of fewer, mean and SD give the counts
        return np.array([any(of_few(values[code == k]) for k in range(groups))])
    rows = len(names)
    if not column.is_number:
        rows, codes = len(column.levels), values[live].astype(np.int64)
    counts = np.zeros((rows, groups), dtype=np.int64)
    np.add.at(counts, (codes, code[live]), 1)
    gone = np.asarray(hidden_two_way(counts).cells.any(axis=1), dtype=bool)
    return np.array([gone.any()]) if column.is_number else gone


def pieces(columns: Sequence[Column]) -> list[FloatArray]:
    """A number as it is, a category by the 0/1 column of each of its levels; NaN where missing."""
    return [
        piece
        for c in columns
        for piece in ([c.values] if c.is_number else [np.where(np.isnan(c.values), np.nan, c.values == k)
                                                     for k in range(len(c.levels))])
    ]  # fmt: skip


def together(columns: Sequence[Column], own: Sequence[BoolArray], parts: Sequence[BoolArray]) -> dict[str, BoolArray]:
    """What is hidden of each column by itself, and what is hidden with it since it would follow.

    Parameters
    ----------
    columns : sequence of Column
    own : sequence of ndarray of bool, shape (levels,) each
        Of a number shape (1,).
    parts : sequence of ndarray of bool, shape (n,) each
        Rows of which means are shown: all of them, or those of each group.
    """
    gone = np.concatenate([*own, np.zeros(0, dtype=bool)])
    if gone.any():
        x = pieces(columns)
        found = [ties([column[rows] for column in x]) for rows in parts]
        before = -1
        while before < (before := int(gone.sum())):
            for one in found:
                gone = beside_tied(one, gone)
    ends = np.cumsum([len(part) for part in own])
    return {c.name: part for c, part in zip(columns, np.split(gone, ends[:-1]), strict=True)} if len(own) else {}


def shown(values: FloatArray, gone: bool = False) -> Summary:
    """The summary of a column of people's values; NaN is what rests on so few of them, or would count them.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where missing.
    gone : bool
        Whether the mean of another column would follow from that of this one.

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
    none = int((live == 0).sum())
    few = gone or of_few(values)
    counts = told(values)
    return found._replace(
        mean=math.nan if few else found.mean,
        sd=math.nan if few or counts else found.sd,
        zeros=math.nan if few or counts or small(np.array([none, found.n - none])).any() else found.zeros,
    )


def hidden_pairs(x: FloatArray, gone: Sequence[bool] = ()) -> BoolArray:
    """Which correlations are not shown, shape (p, p): a column of few, or one whose counts they tell, or a small cell.

    Judged are the rows of both. A covariance is linear as a mean is: what would follow from other pairs of the same
    column takes one more with it.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN where missing.
    gone : sequence of bool, shape (p,), optional
        Columns whose mean is hidden.
    """
    out = np.zeros((x.shape[1],) * 2, dtype=bool)
    for k in np.flatnonzero(gone):
        out[k], out[:, k], out[k, k] = True, True, False
    gaps = np.isnan(x)
    alone = [of_few(column) or told(column) for column in x.T]  # once: to find the values of a column takes long
    for i in range(x.shape[1]):
        for j in range(i):
            lost = gaps[:, i] | gaps[:, j]
            both = x[:, [i, j]][~lost]
            few = any(of_few(side) or told(side) for side in both.T) if lost.any() else alone[i] or alone[j]
            few = few or _small_cell(both)
            out[i, j] = out[j, i] = out[i, j] or few
    return _beside_pairs(x, out) if out.any() else out


def _beside_pairs(x: FloatArray, out: BoolArray) -> BoolArray:
    of = ties(list(x.T))
    apart = np.column_stack([off_mode(column) for column in x.T]).astype(float)
    cells = np.rint(apart.T @ apart).astype(np.int64)
    np.fill_diagonal(cells, 0)  # the variance is as good as shown with the mean, and is no pair to hide
    before = -1
    while before < (before := int(out.sum())):
        for k in range(len(out)):
            out[k] = out[:, k] = beside_tied(of, out[k], cells[k])
    return out


def _small_cell(both: FloatArray) -> bool:
    first, second = (np.unique(side, return_inverse=True) for side in both.T)
    if len(first[0]) > 2 or len(second[0]) > 2:
        return False
    return bool(small(np.bincount(2 * first[1] + second[1], minlength=4)).any())


def without_pairs(x: FloatArray, away: Sequence[bool] = ()) -> list[int]:
    """Columns of which no correlation is hidden among themselves: a VIF is worked out from them, and they from it.

    Those in most hidden ones go first, of these the one that varies in the fewest rows (the rare flag, and not what it
    crosses), of two alike the later.
    """
    varying = [_varying(column[~np.isnan(column)]) for column in x.T]
    gone = hidden_pairs(x, away)
    kept = list(range(x.shape[1]))
    while gone[np.ix_(kept, kept)].any():
        many = gone[np.ix_(kept, kept)].sum(axis=1)
        kept.pop(max(range(len(kept)), key=lambda k: (many[k], -varying[kept[k]], k)))
    return kept


def _varying(live: FloatArray) -> int:
    """Rows whose value is not the most frequent one."""
    return len(live) - int(np.unique(live, return_counts=True)[1].max(initial=0))
