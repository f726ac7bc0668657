"""Columns that make up a whole together: what is hidden of one must not follow from the others.

Dummies of a category add up to one, and so do a flag and its opposite; a number may be the sum of others. A mean is
linear, and so is a covariance with any third column: where a hidden column is a combination of columns shown, its mean
is that combination of theirs. So the smallest of those shown is hidden with it, as in every list with a total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.cell_network import BoolArray, IntArray
from gmvcausal.stats.small_cells import enough

FloatArray = NDArray[np.float64]

_ROWS = 20_000  # looked at in one piece
_NONE = 1e-11  # of the squared length of columns of length one, below which a combination of them is nothing
_PART = 1e-6  # of the largest coefficient, below which a column has no part in a combination


@dataclass(frozen=True, eq=False)
class Ties:
    """The linear combinations of columns that are nothing in every row.

    Attributes
    ----------
    basis : ndarray, shape (d, k + known)
        Coefficients; after the columns come the constant and what is missing of each, which are always shown.
    sizes : ndarray of int, shape (k,)
        Rows of each column whose value is not the most frequent one.
    """

    basis: FloatArray
    sizes: IntArray


def ties(x: Sequence[FloatArray]) -> Ties:
    """The combinations of columns that are nothing in every row, from their products.

    Parameters
    ----------
    x : sequence of ndarray, shape (n,) each
        NaN where missing: sums are over what is there.

    Examples
    --------
    >>> flag = np.array([1.0] * 4 + [0] * 16)
    >>> found = ties([flag, 1 - flag, np.arange(20.0)])
    >>> found.basis.shape, found.sizes.tolist()
    ((1, 4), [4, 4, 19])
    """
    n = len(x[0]) if x else 0
    gappy = [column for column in x if np.isnan(column).any()]
    many = len(x) + 1 + len(gappy)
    scale = np.array([*(float(np.nanmax(np.abs(c), initial=0.0)) for c in x), *[1.0] * (1 + len(gappy))])
    scale[scale == 0] = 1.0
    products = np.zeros((many, many))
    for start in range(0, n, _ROWS):
        own = slice(start, start + _ROWS)
        gaps = [np.isnan(column[own]) for column in gappy]
        part = np.column_stack([*(np.nan_to_num(c[own]) for c in x), np.ones(len(x[0][own])), *gaps]) / scale
        products += part.T @ part
    length = np.sqrt(np.diag(products))
    length[length == 0] = 1.0
    value, vector = np.linalg.eigh(products / np.outer(length, length))
    none = value < _NONE * many
    return Ties(
        (vector[:, none] / (length * scale)[:, None]).T, np.array([off_mode(c).sum() for c in x], dtype=np.int64)
    )


def off_mode(values: FloatArray) -> BoolArray:
    """Rows that have a value, and not the most frequent one.

    Examples
    --------
    >>> off_mode(np.array([0.0, 0, 3, np.nan])).tolist()
    [False, False, True, False]
    """
    live = ~np.isnan(values)
    found, counts = np.unique(values[live], return_counts=True)
    return live & (values != found[np.argmax(counts)]) if len(found) else live


def beside_tied(of: Ties, gone: BoolArray, sizes: IntArray | None = None) -> BoolArray:
    """Those `gone`, and what of the others is hidden as well, so that none of them follows.

    Parameters
    ----------
    of : Ties
    gone : ndarray of bool, shape (k,)
    sizes : ndarray of int, shape (k,), optional
        How many people each counts; default those of the ties.

    Examples
    --------
    >>> new, gold, black = (np.repeat(np.array(d), [60, 30, 4]) for d in ([1.0, 0, 0], [0.0, 1, 0], [0.0, 0, 1]))
    >>> beside_tied(ties([new, gold, black]), np.array([False, False, True])).tolist()
    [False, True, True]
    """
    sizes = of.sizes if sizes is None else sizes
    out = gone.copy()
    while out.any() and len(of.basis):
        # Hidden ones first: each line then tells of as few of them as can be.
        order = np.r_[np.flatnonzero(out), np.flatnonzero(~out), np.arange(len(out), of.basis.shape[1])]
        lines = np.abs(_reduced(of.basis[:, order])) > _PART
        for line in lines:
            inside = order[line]
            inside = inside[inside < len(out)]
            hidden, open_ = inside[out[inside]], inside[~out[inside] & (sizes[inside] > 0)]
            if len(hidden) and len(open_) and not enough(sizes[hidden]):
                out[open_[np.argmin(sizes[open_])]] = True
                break
        else:
            break
    return out


def _reduced(lines: FloatArray) -> FloatArray:
    """Reduced row echelon form, every line divided by its largest coefficient."""
    a = lines / np.abs(lines).max(axis=1, keepdims=True)
    row = 0
    for column in range(a.shape[1]):
        if row == len(a):
            break
        pivot = row + int(np.argmax(np.abs(a[row:, column])))
        if abs(a[pivot, column]) < _PART:
            continue
        a[[row, pivot]] = a[[pivot, row]]
        a[row] /= a[row, column]
        others = np.arange(len(a)) != row
        a[others] -= np.outer(a[others, column], a[row])
        row += 1
    return np.asarray(a / np.abs(a).max(axis=1, keepdims=True))
