"""Effects period by period with their joint covariance: sums of them, and what one sum is a share of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.fraction import Fraction, Piece
from gmvcausal.stats.inference import FloatArray
from gmvcausal.stats.small_sample import Spread


def weighted_sums(
    estimate: FloatArray, cov: FloatArray, spread: Spread, loads: FloatArray
) -> tuple[FloatArray, FloatArray, Spread]:
    """Weighted sums of estimates, their covariance, and how their intervals are made.

    A sum has the degrees of freedom of the least certain estimate in it, and the largest factor. An estimate without
    an interval leaves those sums without one in which it counts, and no other.

    Parameters
    ----------
    estimate : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        NaN where an interval is withheld.
    spread : Spread
    loads : ndarray, shape (a, k)
    """
    used = loads != 0
    df = np.where(used, spread.df, np.inf).min(axis=1)
    factor = np.where(used, spread.factor, 1.0).max(axis=1)
    out = np.full((len(loads), len(loads)), np.nan)
    known = ~(used & np.isnan(np.diag(cov))).any(axis=1)
    whole = np.where(np.isnan(cov), 0.0, cov)
    out[np.ix_(known, known)] = loads[known] @ whole @ loads[known].T
    return loads @ estimate, out, Spread(df, factor)


@dataclass(frozen=True, eq=False)
class Path:
    """Effects along one axis.

    Attributes
    ----------
    at : ndarray of int, shape (k,)
        Periods since the start, ascending.
    estimate : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        NaN where an interval is withheld.
    spread : Spread
        Of every period.
    """

    at: NDArray[np.int64]
    estimate: FloatArray
    cov: FloatArray
    spread: Spread

    def sums(self, loads: FloatArray) -> tuple[FloatArray, FloatArray, Spread]:
        """`weighted_sums` of the effects; `loads` has shape (a, k)."""
        return weighted_sums(self.estimate, self.cov, self.spread, loads)

    def cumulative(self) -> tuple[FloatArray, FloatArray, Spread]:
        """The running sum: estimate, variance and spread of each, shapes (k,)."""
        found, cov, spread = self.sums(np.tril(np.ones((len(self.at),) * 2)))
        return found, np.diag(cov).copy(), spread


def share_taken(estimate: FloatArray, cov: FloatArray, spread: Spread, lost: Sequence[int], gained: int) -> Fraction:
    """What was lost as a share of what was gained: minus the sum of the rows `lost`, over the row `gained`.

    Parameters
    ----------
    estimate : ndarray, shape (a,)
    cov : ndarray, shape (a, a)
    spread : Spread
        Of the same rows.

    Returns
    -------
    Fraction
        Its accepted set is Fieller's (1954): it holds however small the gain is, and has no end where the gain cannot
        be told from zero.

    Examples
    --------
    >>> flat = Spread(np.full(2, np.inf), np.ones(2))
    >>> share = share_taken(np.array([10.0, -5.0]), np.diag([0.0, 1.0]), flat, [1], 0)
    >>> share.estimate, [round(x, 3) for x in share.accepted(0.95)[:2]]
    (0.5, [0.304, 0.696])
    """
    rows = [gained, *lost]
    load = np.zeros((2, len(estimate)))
    load[0, list(lost)], load[1, gained] = -1.0, 1.0
    top, bottom = load @ estimate
    joint = load[:, rows] @ cov[np.ix_(rows, rows)] @ load[:, rows].T * float(spread.factor[rows].max()) ** 2
    piece = Piece(float(joint[0, 0]), float(joint[0, 1]), float(joint[1, 1]), float(spread.df[rows].min()))
    return Fraction(float(top), float(bottom), (piece,))
