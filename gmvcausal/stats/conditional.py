"""Are two things unrelated, given others? Products of what curves leave of each (generalised covariance measure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.inference import wald

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


# Quantiles at which curves may jump or bend: as many as one for so many rows, and so many columns of all variables.
_EACH, _MOST, _ALL = 50, 19, 300


class Tied(NamedTuple):
    """A test that two groups of columns are unrelated given a third.

    Attributes
    ----------
    p_value : float
        NaN where nothing varies or there are too few rows.
    strength : float
        The largest partial correlation of a column of one with a column of the other, with its sign.
    """

    p_value: float
    strength: float


class Curves:
    """Columns with their squares, hinges and steps at quantiles, with sums of products formed once for all tests.

    Parameters
    ----------
    groups : sequence of ndarray, shape (n, p_k) each
        The columns of every variable; 0/1 columns are as they are.
    cluster : ndarray of int, shape (n,), optional
        Rows that depend on each other.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(4000, 1))
    >>> a, b = z + rng.normal(size=(4000, 1)), z**2 + rng.normal(size=(4000, 1))
    >>> curves = Curves([a, b, z])
    >>> bool(curves.tied(0, 1, [2]).p_value > 0.01), bool(curves.tied(0, 2, []).p_value < 1e-6)
    (True, True)
    """

    def __init__(self, groups: Sequence[FloatArray], cluster: IntArray | None = None) -> None:
        self.n = len(groups[0])
        self.cluster = cluster
        parts, self.linear, self.all = [], list[IntArray](), list[IntArray]()
        at = 0
        lines = [_standard(np.asarray(group, dtype=np.float64)) for group in groups]
        several = [[len(np.unique(c)) > 2 for c in line.T] for line in lines]
        rows = self.n if cluster is None else int(cluster.max()) + 1
        knots = min(rows // _EACH, _MOST, _ALL // max(2 * sum(map(sum, several)), 1))
        for line, on in zip(lines, several, strict=True):
            bent = np.column_stack([_standard(line**2 - 1)[:, on], *(_broken(c, knots) for c in line[:, on].T)])
            parts += [line, bent]
            self.linear.append(np.arange(at, at + line.shape[1]))
            self.all.append(np.arange(at, at + line.shape[1] + bent.shape[1]))
            at += line.shape[1] + bent.shape[1]
        self.basis = np.hstack(parts)
        self.products = self.basis.T @ self.basis

    def tied(self, one: int, other: int, given: Sequence[int]) -> Tied:
        """Test that the groups `one` and `other` are unrelated given the groups `given`.

        What curves of `given` (columns, squares, hinges, steps) leave of either is multiplied row by row; unrelated the
        products have mean zero, if one of the two curves is right and the other not far off (Shah and Peters 2020,
        Annals of Statistics 48). Variances are those of the products, so that they may differ from row to row.
        """
        z = np.concatenate([self.all[k] for k in given]) if len(given) else np.zeros(0, dtype=np.int64)
        rest_a, rest_b = self._rest(self.linear[one], z), self._rest(self.linear[other], z)
        pairs = np.einsum("ia,ib->iab", rest_a, rest_b).reshape(self.n, -1)
        size = np.sqrt(np.outer((rest_a**2).sum(axis=0), (rest_b**2).sum(axis=0))).ravel()
        live = size > 1e-9 * self.n
        if not live.any():
            return Tied(np.nan, 0.0)
        pairs, size = pairs[:, live], size[live]
        total = pairs.sum(axis=0)
        strength = total / size
        at = int(np.argmax(np.abs(strength)))
        units = pairs
        if self.cluster is not None:
            units = np.column_stack([np.bincount(self.cluster, c) for c in pairs.T])
        worth = float(len(units)) - (len(z) + 1) * len(units) / self.n
        if worth <= pairs.shape[1] + 1:
            return Tied(np.nan, float(strength[at]))
        spread = units.T @ units * (len(units) / worth)
        return Tied(wald(total, spread, worth)[1], float(strength[at]))

    def _rest(self, columns: IntArray, given: IntArray) -> FloatArray:
        own = self.basis[:, columns]
        if not len(given):
            return own
        slope = np.linalg.lstsq(self.products[np.ix_(given, given)], self.products[np.ix_(given, columns)], rcond=1e-10)
        left: FloatArray = own - self.basis[:, given] @ slope[0]
        return left


def _broken(column: FloatArray, knots: int) -> FloatArray:
    """Hinges and steps of a column at its quantiles, so that curves may bend and tiers jump."""
    at = np.unique(np.quantile(column, np.arange(1, knots + 1) / (knots + 1))) if knots else np.zeros(0)
    at = at[at < column.max()]
    over = column[:, None] > at
    return _standard(np.column_stack([np.where(over, column[:, None] - at, 0.0), over]))


def _standard(columns: FloatArray) -> FloatArray:
    """Mean 0, mean square 1; constant columns are 0."""
    moved = columns - columns.mean(axis=0)
    top = np.abs(moved).max(axis=0)
    moved = moved / np.where(top > 0, top, 1.0)
    size = np.sqrt((moved**2).mean(axis=0))
    out: FloatArray = moved / np.where(size > 1e-12, size, np.inf)
    return out
