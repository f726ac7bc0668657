"""The one object on which the designs stand, and how two of them merge.

Only counts, means and centred products cross a border, never raw sums: with an offset of 1e9 on every value a raw
sum of squares has lost all digits of the variance, a centred one has lost none.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class CellProducts:
    """Deviations from the mean of the group, added up over the rows of every (group, cluster) cell.

    Attributes
    ----------
    held : tuple of int
        Places of the columns whose products with all others are kept.
    sums : ndarray of float64, shape (c, p)
    cross : ndarray of float64, shape (c, len(held), p)
    """

    held: tuple[int, ...]
    sums: FloatArray
    cross: FloatArray


@dataclass(frozen=True)
class ClusterCells:
    """Counts and means of every (group, cluster) cell that occurs.

    Attributes
    ----------
    group : ndarray of int64, shape (c,)
        Position of the cell's group in `Moments.keys`.
    cluster : ndarray, shape (c,)
        Label of the cell's cluster.
    n : ndarray of float64, shape (c,)
    mean : ndarray of float64, shape (c, p)
    products : CellProducts or None
        Where they were asked for; a merge leaves them out.
    """

    group: IntArray
    cluster: NDArray[Any]
    n: FloatArray
    mean: FloatArray
    products: CellProducts | None = None


@dataclass(frozen=True)
class Weighted:
    """What is needed beside the moments where rows have weights.

    Attributes
    ----------
    count : ndarray of float64, shape (k,)
        Rows of every group.
    square : ndarray of float64, shape (k, p + 1, p + 1)
        Sum over the group of w^2 z z', with z = (x - mean, 1): scores that are linear in x are weighted once, their
        products twice.
    powers : ndarray of float64, shape (k, 5)
        Sums of w, w^2, ..., w^5.
    """

    count: FloatArray
    square: FloatArray
    powers: FloatArray

    def moved(self, shift: FloatArray) -> Weighted:
        """About other means: `shift`, shape (k, p), is the old mean less the new one."""
        p = shift.shape[1]
        step = np.tile(np.eye(p + 1), (len(shift), 1, 1))
        step[:, :p, p] = shift
        return replace(self, square=step @ self.square @ step.transpose(0, 2, 1))

    def take(self, at: IntArray) -> Weighted:
        """The groups `at`; nothing for -1."""
        there = at >= 0

        def of(x: FloatArray) -> FloatArray:
            return np.asarray(x[at] * there.reshape(-1, *[1] * (x.ndim - 1)))

        return Weighted(of(self.count), of(self.square), of(self.powers))


@dataclass(frozen=True)
class Moments:
    """Group key -> count, mean vector, centred cross-products.

    Attributes
    ----------
    keys : tuple
        Group keys (a cohort; later arm, stratum, day), in the order of the first axis of the arrays.
    n : ndarray of float64, shape (k,)
        Rows, or their weight.
    mean : ndarray of float64, shape (k, p)
        Zero where a group is empty.
    cross : ndarray of float64, shape (k, p, p)
        Sum over the group of w (x - mean)(x - mean)', w = 1 without weights; no degrees of freedom are taken off.
    rest : ndarray of float64, shape (k, p)
        What rounding took from `mean`. Two means near 1e9 differ by a number of which a double keeps seven digits; with
        the rest all sixteen, and so a merge loses none.
    cells : ClusterCells or None
        The cluster level, where one was asked for.
    weighted : Weighted or None
        Where rows have weights.
    """

    keys: tuple[Hashable, ...]
    n: FloatArray
    mean: FloatArray
    cross: FloatArray
    rest: FloatArray
    cells: ClusterCells | None = None
    weighted: Weighted | None = None

    @property
    def count(self) -> FloatArray:
        """Rows of every group, shape (k,)."""
        return self.n if self.weighted is None else self.weighted.count

    def select(self, keys: tuple[Hashable, ...]) -> Moments:
        """Reorder to `keys`; a key that did not occur becomes an empty group. Cluster cells of other keys go."""
        place = {k: i for i, k in enumerate(self.keys)}
        p = self.mean.shape[1]
        k = len(keys)
        out = Moments(keys, np.zeros(k), np.zeros((k, p)), np.zeros((k, p, p)), np.zeros((k, p)))
        at, source = np.full(len(self.keys), -1), np.full(k, -1)
        for j, key in enumerate(keys):
            i = place.get(key)
            if i is not None:
                out.n[j], out.mean[j], out.cross[j], out.rest[j] = self.n[i], self.mean[i], self.cross[i], self.rest[i]
                at[i], source[j] = j, i
        if self.weighted is not None:
            out = replace(out, weighted=self.weighted.take(source))
        if self.cells is None:
            return out
        group = at[self.cells.group]
        keep = group >= 0
        c, own = self.cells, self.cells.products
        products = None if own is None else CellProducts(own.held, own.sums[keep], own.cross[keep])
        return replace(out, cells=ClusterCells(group[keep], c.cluster[keep], c.n[keep], c.mean[keep], products))


def add(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum of two arrays and what rounding took from it, exactly (Knuth's two-sum)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def merge(a: Moments, b: Moments) -> Moments:
    """Merge the moments of two disjoint sets of rows; associative and commutative up to the order of keys.

    Parameters
    ----------
    a, b : Moments
        Over the same columns.

    Returns
    -------
    Moments
        Of the union of the rows (Chan, Golub and LeVeque 1983).

    Examples
    --------
    >>> import numpy as np
    >>> from gmvcausal.moments import from_arrays, merge
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> both = merge(from_arrays(x[:1], np.zeros(1, int), ("a",)), from_arrays(x[1:], np.zeros(2, int), ("a",)))
    >>> float(both.mean[0, 0]), float(both.cross[0, 0, 0])
    (3.0, 14.0)
    """
    if a.mean.shape[1] != b.mean.shape[1]:
        raise InputError(f"moments of {a.mean.shape[1]} and of {b.mean.shape[1]} columns cannot be merged")
    if (a.cells is None) != (b.cells is None):
        raise InputError("moments with and without a cluster level cannot be merged")
    if (a.weighted is None) != (b.weighted is None):
        raise InputError("moments with and without weights cannot be merged")
    keys = tuple(dict.fromkeys((*a.keys, *b.keys)))
    x, y = a.select(keys), b.select(keys)
    n = x.n + y.n
    safe = np.where(n > 0, n, 1.0)
    gap = (y.mean - x.mean) + (y.rest - x.rest)
    # An empty side has mean 0, which is no distance: take the other side as it is.
    share = (y.n / safe)[:, None]
    mean, rest = add(x.mean, x.rest + gap * share)
    whole = share == 1.0
    mean, rest = np.where(whole, y.mean, mean), np.where(whole, y.rest, rest)
    weight = x.n * y.n / safe
    cross = x.cross + y.cross + weight[:, None, None] * gap[:, :, None] * gap[:, None, :]
    cells = None
    if x.cells is not None and y.cells is not None:
        cells = _merge_cells(x.cells, y.cells)
    weighted = None
    if x.weighted is not None and y.weighted is not None:
        # What is empty has no products to move; else the means lie a share of the gap away.
        v, u = x.weighted.moved(-gap * share), y.weighted.moved(gap * (1.0 - share))
        weighted = Weighted(v.count + u.count, v.square + u.square, v.powers + u.powers)
    return Moments(keys, n, mean, cross, rest, cells, weighted)


def _merge_cells(a: ClusterCells, b: ClusterCells) -> ClusterCells:
    group = np.concatenate([a.group, b.group])
    cluster = np.concatenate([a.cluster, b.cluster])
    n = np.concatenate([a.n, b.n])
    mean = np.concatenate([a.mean, b.mean])
    _, code = np.unique(cluster, return_inverse=True)
    key = group * (code.max(initial=0) + 1) + code
    _, first, cell = np.unique(key, return_index=True, return_inverse=True)
    total = np.asarray(np.bincount(cell, n), dtype=float)
    # Shift by each cell's first mean, so that a large common offset costs no digits.
    shift = mean[first]
    moved = (mean - shift[cell]) * n[:, None]
    out = np.zeros_like(shift)
    np.add.at(out, cell, moved)
    return ClusterCells(group[first], cluster[first], total, shift + out / total[:, None])
