"""Rows told apart by their values alone: a number for each, and an order that does not depend on where they stood."""

from __future__ import annotations

from collections.abc import Iterable

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvcausal.frames.columns import Codes
from gmvcausal.frames.table import Table

Prints = NDArray[np.uint64]
IntArray = NDArray[np.int64]


def prints(*columns: ArrayLike) -> Prints:
    """A 64-bit number for every row, from its values alone: neither order nor index matters.

    Parameters
    ----------
    *columns : array, shape (n,) or (n, p)

    Examples
    --------
    >>> a = prints([1.0, 2.0, 1.0], [[0.0], [5.0], [0.0]])
    >>> bool(a[0] == a[2]), bool(a[0] == a[1])
    (True, False)
    """
    blocks = [np.asarray(c, dtype=float) for c in columns]
    wide = [b[:, None] if b.ndim == 1 else b for b in blocks]
    out = np.full(len(wide[0]), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for block in wide:
        for column in block.T:
            clean = np.where(np.isnan(column), np.nan, column + 0.0)  # one NaN, and no minus zero
            out = _mixed(out ^ _mixed(np.ascontiguousarray(clean).view(np.uint64)))
    return out


def _mixed(x: Prints) -> Prints:
    """A bijection that scatters bits (splitmix64, Steele, Lea and Flood 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def canonical_order(x: NDArray[np.floating], y: NDArray[np.float64], arm: IntArray, key: IntArray | None) -> IntArray:
    """Positions of the rows by arm, then by a hash of what was known of them, then by outcome."""
    import pandas as pd

    mixed = np.zeros(len(y), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in x.T:
            mixed = mixed * np.uint64(1_000_003) ^ pd.util.hash_array(np.ascontiguousarray(column))
    return np.asarray(np.lexsort((y, mixed, arm) if key is None else (y, mixed, key, arm)), dtype=np.int64)


def scattered(codes: Codes) -> IntArray:
    """Codes in the order of a hash of the labels, so that folds do not follow the alphabet."""
    import pandas as pd

    hashed = pd.util.hash_array(np.array([str(v) for v in codes.labels], dtype=object))
    return np.asarray(np.argsort(np.argsort(hashed, kind="stable"), kind="stable"))[codes.codes]


def row_prints(table: Table, columns: Iterable[str], role: str) -> Prints:
    """A number for every row from what the columns hold, whatever is made of them later.

    Numbers count as floats, whatever their type; all else as its text. Neither the order of the columns matters nor
    how often one is named.

    Parameters
    ----------
    table : Table
    columns : iterable of str
    role : str
        What messages call the columns.
    """
    import pandas as pd

    out = np.zeros(table.n, dtype=np.uint64)
    for column in sorted(set(columns)):
        series = table.series(column, role)
        if series.dtype.is_numeric() or series.dtype == nw.Boolean:
            out = _mixed(out ^ prints(series.cast(nw.Float64).to_numpy()))
            continue
        items = np.empty(table.n, dtype=object)
        items[:] = series.to_list()
        codes, held = pd.factorize(items)
        hashed = pd.util.hash_array(np.array([*map(str, held), ""], dtype=object))  # the last is for what is missing
        out = _mixed(out ^ hashed[codes])
    return out
