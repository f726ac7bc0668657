"""Blocks: rows of one arm, column by column as they are stored, and the strips that passes over them work on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STRIP = 8_192  # rows, so that a strip stays in the processor's cache


class Col(NamedTuple):
    """A column of the matrix: of the data, capped, the indicator of a level of a text column, of not being zero, of
    lying at or below a value, what the model of a metric (by its position) predicts, or the data with zero where a
    column of flags is not zero (`without`)."""

    name: str
    cap: float | None = None
    level: str | None = None
    any: bool = False
    below: float | None = None
    model: int | None = None
    without: str | None = None

    @property
    def plain(self) -> Col:
        """The column as it is stored."""
        if self.cap is None and self.below is None and not self.any:
            return self
        return self._replace(cap=None, any=False, below=None)


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of one arm.

    Attributes
    ----------
    arm : int
    columns : mapping of Col to ndarray, shape (n,)
        Plain columns, of any type of number.
    weight : ndarray of float64, shape (n,), or None
        How many equal rows each stands for; None for one.
    """

    arm: int
    columns: Mapping[Col, NDArray[Any]]
    weight: FloatArray | None = None


def column(plain: NDArray[Any], col: Col) -> FloatArray:
    """A column of the matrix as float64, from the plain one."""
    if col.below is not None:
        return np.asarray(plain <= col.below, dtype=float)
    if col.any:
        return np.asarray(plain != 0, dtype=float)
    found = np.asarray(plain, dtype=float)
    return found if col.cap is None else np.minimum(found, col.cap)


def values(block: Block, col: Col) -> FloatArray:
    """A column of the block."""
    return column(block.columns[col.plain], col)


def strips(block: Block, cols: list[Col], shift: FloatArray) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    """Matrices of shape (p, m) of the columns less `shift`, each with the rows' weights."""
    listed = [(block.columns[c.plain], c, c.plain, s) for c, s in zip(cols, shift, strict=True)]
    n = len(listed[0][0])
    room = np.empty((len(cols), min(n, STRIP)))
    for low in range(0, n, STRIP):
        high = min(low + STRIP, n)
        strip = room[:, : high - low]
        for row, (x, col, plain, s) in zip(strip, listed, strict=True):
            found = x[low:high]
            if col.cap is not None and col._replace(cap=None) == plain:
                np.subtract(np.minimum(found, col.cap, out=row, dtype=np.float64), s, out=row)
            else:
                np.subtract(found if col == plain else column(found, col), s, out=row, dtype=np.float64)
        yield strip, None if block.weight is None else block.weight[low:high]
