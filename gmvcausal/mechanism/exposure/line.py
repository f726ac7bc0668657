"""Direct effect and spillover along a line: the outcome moves with one's own treatment and with the share of treated
neighbours.

The moments weigh every user alike: own draw and share of treated neighbours, each less its mean over the lottery and
divided by its variance. Everything is then a sum over what was drawn of (treated - chance) x coefficient, and draws are
independent: the variance is that of the lottery, whatever the network looks like, in time linear in its links.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.exposure.lottery import Lottery, sums

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
_ALIKE = 1e-7  # of the two moments, beyond which their difference is rounding


@dataclass(frozen=True, eq=False)
class Shares:
    """Treated shares of neighbours under a lottery.

    Attributes
    ----------
    reach : sparse array, shape (n, G)
        Share of a unit's neighbours, by weight, that were drawn with each thing; rows add up to 1, or to 0.
    own, others : ndarray, shape (n,)
        Treatment less its probability: of oneself; and of the neighbours not drawn with oneself, as a share.
    inside : ndarray, shape (n,)
        Share of neighbours that were drawn with oneself.
    variance : ndarray, shape (n,)
        Of `others` over the lottery.
    seen : ndarray, shape (n,)
        Share of treated neighbours.
    linked, told : ndarray of bool, shape (n,)
        Units with a neighbour; units whose own treatment is not that of all their neighbours.
    """

    reach: Any
    own: FloatArray
    others: FloatArray
    inside: FloatArray
    variance: FloatArray
    seen: FloatArray
    linked: BoolArray
    told: BoolArray


def shares(weights: Any, lottery: Lottery) -> Shares:
    """Read the treated shares off the links.

    Parameters
    ----------
    weights : sparse array, shape (n, n)
        Rows add up to 1, or to 0 for units without neighbours; no diagonal.
    lottery : Lottery
    """
    from scipy.sparse import csr_array

    n, g = len(lottery.thing), len(lottery.drawn)
    linked = np.diff(weights.indptr) > 0
    own = lottery.gap[lottery.thing]
    if lottery.single:
        reach, inside = weights, np.zeros(n)
    else:
        # Copies: adding up what was drawn together would change the links themselves.
        reach = csr_array((weights.data.copy(), lottery.thing[weights.indices], weights.indptr.copy()), shape=(n, g))
        reach.sum_duplicates()
        row = np.repeat(np.arange(n), np.diff(reach.indptr))
        inside = sums(row, reach.data * (reach.indices == lottery.thing[row]), n)
    squares = csr_array((reach.data**2, reach.indices, reach.indptr), shape=reach.shape)
    variance = squares @ lottery.variance - inside**2 * lottery.variance[lottery.thing]
    variance = np.where(variance > 1e-14, variance, 0.0)
    others = np.where(variance > 0, reach @ lottery.gap - inside * own, 0.0)
    seen = weights @ lottery.drawn[lottery.thing]
    return Shares(reach, own, others, inside, variance, seen, linked, ~linked | (variance > 0))


@dataclass(frozen=True, eq=False)
class Line:
    """What a unit's own draw and that of all neighbours add.

    Attributes
    ----------
    slopes : ndarray, shape (2,)
        Of one's own treatment, and of the share of treated neighbours, among those who have any.
    influence : ndarray, shape (G, 2)
    residual : ndarray, shape (n,)
        What is left of the outcome; 0 for units that are left out.
    precise : float
        Slope of the share with users weighted by how much their share varies: least squares.
    precise_influence : ndarray, shape (G,)
    moved : ndarray, shape (n, 2)
        Own treatment and treated share, less their means over the lottery and less the covariates.
    bread : ndarray, shape (2, 2)
        Slopes = bread x moments.
    """

    slopes: FloatArray
    influence: FloatArray
    residual: FloatArray
    precise: float
    precise_influence: FloatArray
    moved: FloatArray
    bread: FloatArray


def fit(y: FloatArray, x: FloatArray, s: Shares, lottery: Lottery) -> Line:
    """Estimate along the line.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, k)
        Intercept and covariates known before the lottery.
    s : Shares
    lottery : Lottery

    Notes
    -----
    Units whose neighbours were all drawn with themselves are left out (`Shares.told`).

    Raises
    ------
    DesignError
        Neighbours are treated exactly where oneself is not, or is.
    """
    keep = s.told
    moved = np.column_stack([s.own, s.others + s.inside * s.own])
    base, left = x[keep], np.column_stack([moved, y])[keep]
    left = left - base @ np.linalg.lstsq(base, left, rcond=None)[0]
    full = np.zeros((len(y), 3))
    full[keep] = left
    moved, rest = full[:, :2], full[:, 2]
    inverse = np.divide(1.0, s.variance, out=np.zeros(len(y)), where=(s.variance > 0) & keep)
    own_inverse = np.where(keep, 1 / lottery.variance[lottery.thing], 0.0)
    z = np.column_stack([s.own * own_inverse - s.inside * s.others * inverse, s.others * inverse])
    cross = moved.T @ moved
    size = np.sqrt(np.diag(cross))
    if not (size > 0).all() or abs(cross[0, 1]) > (1 - 1e-9) * size[0] * size[1]:
        raise DesignError(
            "the share of treated neighbours follows from a user's own treatment (or does not vary), so direct effect "
            "and spillover cannot be told apart",
            remedy="check who was treated: a lot leaves neighbours of both kinds to treated and untreated users alike; "
            "with whole groups treated, pass group= and saturation=",
        )
    moments = z.T @ moved
    scale = np.outer(np.sqrt((z**2).sum(axis=0)), size)
    if np.linalg.svd(moments / np.where(scale > 0, scale, 1.0), compute_uv=False)[-1] < _ALIKE:
        raise DesignError(
            "within the lottery the share of treated neighbours follows from a user's own treatment (where a fixed "
            "number of a room was drawn, and all others in it are neighbours, one sees the rest of them), so direct "
            "effect and spillover cannot be told apart",
            remedy="next time let each room draw how many are treated, and pass group= and saturation=: strata= which "
            "hold all neighbours of a user leave nothing to compare",
        )
    bread = np.asarray(np.linalg.inv(moments), dtype=np.float64)
    slopes = bread @ (z.T @ rest)
    e = rest - moved @ slopes
    by_rest = _through(s, lottery, e * inverse)
    by_own = sums(lottery.thing, e * own_inverse, len(lottery.drawn))
    by_own = by_own - _through(s, lottery, s.inside * e * inverse)
    scores = np.column_stack([by_own, by_rest])
    influence = lottery.gap[:, None] * lottery.centred(scores) @ bread.T
    plain_bread = np.linalg.inv(cross)
    plain = plain_bread @ (moved.T @ rest)
    e_plain = rest - moved @ plain
    plain_scores = np.column_stack([sums(lottery.thing, e_plain, len(lottery.drawn)), s.reach.T @ e_plain])
    precise = lottery.gap[:, None] * lottery.centred(plain_scores) @ plain_bread.T
    return Line(slopes, influence, e, float(plain[1]), precise[:, 1], moved, bread)


def _through(s: Shares, lottery: Lottery, value: FloatArray) -> FloatArray:
    """Sum over units of a value times the share of their neighbours that each thing holds, oneself left out."""
    whole = s.reach.T @ value
    if lottery.single:
        return np.asarray(whole)
    return np.asarray(whole - sums(lottery.thing, s.inside * value, len(lottery.drawn)))
