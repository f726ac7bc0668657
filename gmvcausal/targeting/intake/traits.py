"""Features one by one as people read them: numbers in their own unit, categories as shares of their levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.features import Features, Matrix

FloatArray = NDArray[np.float64]


def in_units(features: Features, j: int, column: FloatArray) -> FloatArray:
    """Feature `j` as the table has it: beyond the digits that single precision has kept there is only noise."""
    places = math.floor(-math.log10(2 * float(np.finfo(np.float32).eps) * features.scale[j]))
    # What is added makes 0.0 of -0.0.
    return np.asarray(np.round(column * features.scale[j] + features.shift[j], places) + 0.0)


class Traits(Mapping[str, FloatArray]):
    """Name -> one value per row, made when it is asked for.

    A number is called as its column, NaN where missing; a level of a category ``"tier = gold"`` is 0 or 1; what is
    missing anywhere has a trait ``"age missing"`` of its own.

    Parameters
    ----------
    features : Features
    x : ndarray, shape (n, p)
    """

    def __init__(self, features: Features, x: Matrix) -> None:
        self._features, self._x = features, x
        self._at: dict[str, tuple[int, int]] = {}
        for j, name in enumerate(features.names):
            found = [(f"{name} = {level}", k) for k, level in enumerate(features.levels[j])] or [(name, -1)]
            if np.isnan(x[:, j]).any():
                found.append((f"{name} missing", -2))
            self._at |= {told: (j, k) for told, k in found}

    def __getitem__(self, name: str) -> FloatArray:
        j, k = self._at[name]
        column = self._x[:, j].astype(np.float64)
        if k >= 0:
            return np.asarray(column == k, dtype=np.float64)
        if k == -2:
            return np.asarray(np.isnan(column), dtype=np.float64)
        return in_units(self._features, j, column)

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)
