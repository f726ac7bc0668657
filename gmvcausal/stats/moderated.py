"""An effect along a number known before: an interacted regression, its errors, where it is told from zero."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.inference import critical_value, p_value, sup_t
from gmvcausal.stats.logit import independent
from gmvcausal.stats.two_ways import of_basis

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_POINTS = 101
_LEVERAGE = 1 - 1e-9


class Fit(NamedTuple):
    """Least squares: slopes, shape (p,), and what each cluster adds to them, shape (G, p), residuals by CR2.

    `basis` (n, p) has orthonormal columns that span the regressors; `pull` (n, p) is what multiplies the residuals.
    """

    beta: FloatArray
    influence: FloatArray
    basis: FloatArray
    pull: FloatArray


def least_squares(x: FloatArray, y: FloatArray, cluster: IntArray | None = None) -> Fit:
    """Slopes with the scores of CR2 (Bell and McCaffrey 2002), which are those of HC2 where every row is a cluster.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Independent columns of like scale.
    y : ndarray, shape (n,)
    cluster : ndarray of int, shape (n,), optional
        Dense codes.

    Notes
    -----
    Residuals of a cluster are multiplied by (I - H)^-1/2, H its block of the hat matrix. H has at most p eigenvalues
    above zero, so only matrices of p by p are ever formed.

    Examples
    --------
    >>> x = np.column_stack([np.ones(4), [0.0, 0, 1, 1]])
    >>> found = least_squares(x, np.array([1.0, 3, 4, 8]))
    >>> found.beta.round(9).tolist(), float((found.influence[:, 1] ** 2).sum().round(9))
    ([2.0, 4.0], 5.0)
    """
    q, r = np.linalg.qr(x)
    beta = np.linalg.solve(r, q.T @ y)
    rest = y - x @ beta
    # In the columns of q the information is the identity, and a cluster's block of the hat matrix has q_g'q_g inside.
    if cluster is None:
        pull = q / np.sqrt(1 - np.minimum((q * q).sum(axis=1), _LEVERAGE))[:, None]
        scores = pull * rest[:, None]
    else:
        groups, p = int(cluster.max()) + 1, x.shape[1]
        inner = np.empty((groups, p, p))
        for i in range(p):
            for j in range(i + 1):
                inner[:, i, j] = inner[:, j, i] = np.bincount(cluster, q[:, i] * q[:, j], minlength=groups)
        values, vectors = np.linalg.eigh(inner)
        grown = np.einsum("gij,gj,gkj->gik", vectors, 1 / np.sqrt(1 - np.minimum(values, _LEVERAGE)), vectors)
        pull = np.einsum("nij,nj->ni", grown[cluster], q)
        scores = np.column_stack([np.bincount(cluster, c * rest, minlength=groups) for c in pull.T])
    return Fit(beta, np.linalg.solve(r, scores.T).T, q, np.linalg.solve(r, pull.T).T)


class Piece(NamedTuple):
    """The rows of one side of one line: what degrees of freedom are made of.

    Attributes
    ----------
    side : int
        As of `Along`.
    basis : ndarray, shape (n, p)
        Orthonormal columns that span the line's regressors.
    pull : ndarray, shape (n, 2)
        What multiplies the residuals in height and slope, the adjustment of CR2 included.
    influence : ndarray, shape (G, 2)
    cluster : ndarray of int, shape (n,)
    """

    side: int
    basis: FloatArray
    pull: FloatArray
    influence: FloatArray
    cluster: IntArray

    def scaled(self, share: float) -> Piece:
        """That of a line that counts for a share."""
        return self._replace(pull=share * self.pull, influence=share * self.influence)

    def variance(self, loading: FloatArray) -> float:
        """Of a sum of height and slope."""
        return float(((self.influence @ loading) ** 2).sum())

    def df(self, loading: FloatArray) -> float:
        """Degrees of freedom of Bell and McCaffrey (2002)."""
        return of_basis(self.basis, self.pull @ loading, self.cluster)


class Along(NamedTuple):
    """An effect as a straight line: effect at `middle`, and its change with one more of the moderator.

    Attributes
    ----------
    value : ndarray, shape (2,)
    influence : ndarray, shape (G, 2)
        What each cluster adds.
    side : ndarray of int, shape (G,)
        0 for clusters of controls, 1 of treated, 2 where clusters hold both.
    middle : float
    bend : float
        P-value of the test that the effect has no curve (a squared term); NaN where none can be told.
    pieces : tuple of Piece
        Sides of the lines behind it.
    """

    value: FloatArray
    influence: FloatArray
    side: IntArray
    middle: float
    bend: float
    pieces: tuple[Piece, ...]

    @property
    def cov(self) -> FloatArray:
        """Covariance of both, shape (2, 2)."""
        return np.asarray(self.influence.T @ self.influence)

    def at(self, places: FloatArray) -> FloatArray:
        """Loadings of the effect at values of the moderator, shape (places, 2)."""
        return np.column_stack([np.ones(len(places)), places - self.middle])

    def df(self, loading: FloatArray) -> float:
        """Degrees of freedom of a sum of both: Bell and McCaffrey's of each side, joined by Satterthwaite's rule.

        Lines that share their controls count for the least of theirs.
        """
        squares = (self.influence @ loading) ** 2
        live = np.bincount(self.side, minlength=3)
        parts = np.bincount(self.side, squares, minlength=3)
        used = parts > 0
        if not used.any() or (live[used] <= 2).any():
            return math.nan
        own = np.array([self._side_df(k, loading) for k in np.flatnonzero(used).tolist()])
        return float(parts.sum() ** 2 / (parts[used] ** 2 / own).sum()) if (own > 0).all() else math.nan

    def _side_df(self, side: int, loading: FloatArray) -> float:
        behind = [p for p in self.pieces if side in (p.side, 2)]
        parts = [(p.variance(loading), p.df(loading)) for p in behind]
        if side != 1:
            return min(df for _, df in parts)
        below = sum(v * v / df for v, df in parts if v > 0 and df > 0)
        return sum(v for v, _ in parts) ** 2 / below if below > 0 else math.nan


def interacted(
    y: FloatArray, treated: BoolArray, w: FloatArray, middle: float, cluster: IntArray | None
) -> Along | None:
    """Lin's (2013) interacted regression on one moderator: each side has its own straight line.

    Parameters
    ----------
    y : ndarray, shape (n,)
    treated : ndarray of bool, shape (n,)
    w : ndarray, shape (n,)
    middle : float
        Value of the moderator at which the effect is told.
    cluster : ndarray of int, shape (n,), optional
        Dense codes.

    Returns
    -------
    Along or None
        None where the moderator does not vary on a side.

    Examples
    --------
    >>> w = np.array([0.0, 1, 2, 3] * 2)
    >>> found = interacted(np.array([0.0, 1, 2, 4, 5, 6, 9, 11]), np.arange(8) > 3, w, 1.5, None)
    >>> found.value.round(9).tolist()
    [6.0, 0.8]
    """
    scale = float(w.std()) or 1.0
    z, t = (w - middle) / scale, treated.astype(float)
    if min(len(np.unique(w[treated])), len(np.unique(w[~treated]))) < 2:
        return None
    start = float(y[~treated].mean())  # a common size costs no digits
    one = np.column_stack([np.ones(len(y)), z])
    fit = least_squares(np.column_stack([one, one * t[:, None]]), y - start, cluster)
    take = np.array([[0, 0, 1, 0], [0, 0, 0, 1 / scale]])
    code = np.arange(len(y)) if cluster is None else cluster
    groups = int(code.max()) + 1
    on, size = np.bincount(code, t, minlength=groups), np.bincount(code, minlength=groups)
    side = np.where(on == 0, 0, np.where(on == size, 1, 2))
    if (side == 2).any():
        side = np.full(groups, 2)
    influence, pull = fit.influence @ take.T, fit.pull @ take.T
    pieces = tuple(
        Piece(k, fit.basis[side[code] == k], pull[side[code] == k], influence[side == k],
              np.unique(code[side[code] == k], return_inverse=True)[1])
        for k in np.unique(side).tolist()
    )  # fmt: skip
    bend = math.nan
    bent = np.column_stack([one, z * z])
    columns = np.column_stack([bent, bent * t[:, None]])
    if len(y) > 12 and independent(columns).all():
        curve = least_squares(columns, y - start, cluster)
        own = curve.influence[:, 5]
        bend = float(p_value(curve.beta[5:], np.sqrt([own @ own]), max(groups - 6, 1))[0])
    return Along(take @ fit.beta, influence, side, middle, bend, pieces)


def leverage(w: FloatArray) -> float:
    """The largest weight that one row has for its own point on a straight line along `w`.

    Examples
    --------
    >>> round(leverage(np.array([0.0, 0.0, 0.0, 1.0])), 9)
    1.0
    """
    off = (w - w.mean()) ** 2
    return float(1 / len(w) + off.max() / off.sum()) if off.sum() > 0 else 1.0


class Band(NamedTuple):
    """The effect over a range: places, effect, limits, shape (points,) each, and the critical value behind them."""

    places: FloatArray
    effect: FloatArray
    low: FloatArray
    high: FloatArray
    critical: float


def band(line: Along, reach: tuple[float, float], level: float, seed: int, *, simultaneous: bool) -> Band:
    """The effect from `reach` to `reach` with limits that hold at every value alone, or at all of them together.

    Parameters
    ----------
    line : Along
    reach : (float, float)
    level : float
    seed : int
        Of the draws behind the simultaneous critical value.
    simultaneous : bool
    """
    places = np.linspace(*reach, _POINTS)
    take = line.at(places)
    effect = take @ line.value
    cov = take @ line.cov @ take.T
    df = min((line.df(row) for row in take[::10]), key=lambda v: -math.inf if math.isnan(v) else v)
    critical = sup_t(cov, level, seed, df) if simultaneous and not math.isnan(df) else critical_value(level, df)
    half = critical * np.sqrt(np.maximum(np.diag(cov), 0.0))
    return Band(places, effect, effect - half, effect + half, critical)


def region(
    value: FloatArray, cov: FloatArray, critical: float, reach: tuple[float, float], middle: float
) -> tuple[tuple[float, float], ...]:
    """Values within `reach` at which a line is more than `critical` standard errors from zero (Johnson, Neyman 1936).

    Parameters
    ----------
    value, cov : ndarray, shape (2,) and (2, 2)
        Of the line's height at `middle` and of its slope.
    critical : float
    reach : (float, float)
    middle : float

    Examples
    --------
    >>> found = region(np.array([0.0, 1.0]), np.array([[1.0, 0.0], [0.0, 0.0]]), 2.0, (-5.0, 5.0), 0.0)
    >>> [(round(low, 9), round(high, 9)) for low, high in found]
    [(-5.0, -2.0), (2.0, 5.0)]
    """
    square = critical * critical
    a = value[1] ** 2 - square * cov[1, 1]
    b = 2 * (value[0] * value[1] - square * cov[0, 1])
    c = value[0] ** 2 - square * cov[0, 0]
    roots = np.roots([a, b, c]) if a else np.roots([b, c])
    ends = sorted(float(r.real) + middle for r in roots if abs(r.imag) < 1e-12)
    marks = [reach[0], *(e for e in ends if reach[0] < e < reach[1]), reach[1]]
    out: list[tuple[float, float]] = []
    for low, high in pairwise(marks):
        at = (low + high) / 2 - middle
        if a * at * at + b * at + c > 0:
            out.append((low, high))
    return tuple(out)
