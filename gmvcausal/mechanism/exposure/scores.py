"""Score tests of what the line and the lottery assume: residuals, or links, beside draws of the lottery."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.exposure.line import Line, Shares
from gmvcausal.mechanism.exposure.lottery import Lottery, sums

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_AT_ONCE = 32_000_000  # draws of neighbours in memory


class Redrawn(NamedTuple):
    """Units under the lottery as it was (first column) and as drawn again.

    Attributes
    ----------
    units : ndarray of int, shape (k,)
    own, others : ndarray, shape (k, 1 + draws)
        Treatment less its probability: of oneself; of the neighbours not drawn with oneself, as a share.
    """

    units: IntArray
    own: FloatArray
    others: FloatArray


def redrawn(
    units: IntArray, s: Shares, lottery: Lottery, rng: np.random.Generator, draws: int, most: int
) -> Redrawn:  # fmt: skip
    """Draw again around some units; a sample of `most` where there are more, which costs power and nothing else."""
    most = min(most, int(_AT_ONCE / draws / max(s.reach.nnz / s.reach.shape[0], 1.0)))
    if len(units) > most:
        units = np.sort(rng.choice(units, most, replace=False))
    thing = lottery.thing[units]
    reach = s.reach[units]
    used = np.union1d(reach.indices, thing)
    fresh = lottery.draws(rng, draws, used).astype(np.float64) - lottery.chance[used, None]
    fresh = np.column_stack([lottery.gap[used], fresh])
    own = fresh[np.searchsorted(used, thing)]
    # One's own draw is not among the others': where clusters were drawn it is taken out again.
    return Redrawn(units, own, reach[:, used] @ fresh - s.inside[units, None] * own)


def p_of(values: FloatArray, spread: float | None = None) -> float:
    """P-value of the first value beside the others, which were drawn under the hypothesis.

    Where none of them lies as far out, by their mean, spread and skewness (Pearson's third curve), on the side to which
    they are not skewed by the normal curve, which is the wider one there.

    Parameters
    ----------
    values : ndarray, shape (1 + draws,)
    spread : float, optional
        Standard deviation, where more is known of it than the draws show.

    Examples
    --------
    >>> p_of(np.array([2.5, -1.0, 3.0, -3.0, 1.0]))
    0.6
    """
    from scipy import stats

    seen, drawn = values[0] - values[1:].mean(), values[1:] - values[1:].mean()
    own = float(drawn.std())
    if not own > 0:
        return 1.0
    wider = max((spread or 0.0) / own, 1.0)
    out = int((np.abs(drawn) * wider >= abs(seen) * (1 - 1e-12)).sum())
    share = (1 + out) / (len(drawn) + 1)
    if out:
        return share
    z, skew = abs(seen) / own / wider, float((drawn**3).mean()) / own**3
    curve = stats.pearson3(abs(skew)) if skew * seen > 0 else stats.norm
    return float(min(share, 2 * curve.sf(z)))


def chosen(degree: IntArray, s: Shares, lottery: Lottery, rng: np.random.Generator) -> float:
    """P-value of the join count: are neighbours treated alike more often (or less) than a lottery leaves them?

    The sum over links of the products of treatment less its probability at both ends (Moran 1948), beside draws of the
    lottery.

    References
    ----------
    Moran (1948), Journal of the Royal Statistical Society B 10.
    """
    found = redrawn(np.flatnonzero(s.variance > 0), s, lottery, rng, 399, 20_000)
    return p_of(degree[found.units] @ (found.own * found.others))


class Interaction(NamedTuple):
    """What own treatment and all neighbours' add together beyond their sum.

    Attributes
    ----------
    slope : float
        Least squares: per user, of treatment times the share of treated neighbours.
    p_value : float
        NaN with fewer than 20 users.
    """

    slope: float
    p_value: float


def interaction(line: Line, s: Shares, lottery: Lottery, rng: np.random.Generator) -> Interaction:
    """Score test of an interaction: residuals against own treatment times the share of treated neighbours.

    Under the hypothesis the sum is one of products of two draws each, whose spread the lottery drawn again shows. Own
    effects that differ among users leave, beside it, a sum of single draws: where these weigh more, they are counted.
    """
    units = np.flatnonzero((s.variance > 0) & (line.residual != 0))
    if len(units) < 20:
        return Interaction(float("nan"), float("nan"))
    found = redrawn(units, s, lottery, rng, 399, 20_000)
    e = line.residual[found.units]
    product = found.own * found.others
    values = e @ product
    # Each draw's part of the sum: in twice as many squares as there are products.
    mine, thing = e * product[:, 0], lottery.thing[found.units]
    back = e * found.own[:, 0]
    reach = s.reach[found.units]
    parts = sums(thing, mine - s.inside[found.units] * found.own[:, 0] * back, len(lottery.drawn))
    parts += lottery.gap * (reach.T @ back)
    linear = float(parts @ parts) - float(values[1:].var())
    square = float(product[:, 0] @ product[:, 0])
    slope = float(values[0]) / square if square > 0 else 0.0
    return Interaction(slope, p_of(values, float(np.sqrt(max(linear, 0.0)))))


def beyond(line: Line, weights: Any, lottery: Lottery) -> tuple[float, float]:
    """Do neighbours' neighbours reach a unit too? Slope's z and p-value of the score test against the fitted line.

    Parameters
    ----------
    line : Line
    weights : sparse array, shape (n, n)
    lottery : Lottery
        Units drawn one by one.
    """
    from scipy import special

    twice = weights.T @ (weights.T @ line.residual)
    back = weights.multiply(weights.T).sum(axis=1)  # one's own draw comes back along links in both directions
    second = weights @ (weights @ lottery.gap) - back * lottery.gap
    own = lottery.gap * lottery.centred(twice - back * line.residual)
    influence = own - line.influence @ (second @ line.moved)
    spread = float(np.sqrt(influence @ influence))
    z = float(second @ line.residual) / spread if spread > 0 else 0.0
    return z, 2 * float(special.ndtr(-abs(z)))


def bent(
    line: Line, s: Shares, lottery: Lottery, rng: np.random.Generator, draws: int = 199, most: int = 10_000
) -> float:
    """P-value of a bend in the share: residuals against the squared share, beside draws of the lottery.

    Parameters
    ----------
    most : int
        Units looked at; a sample of them where there are more, which costs power and nothing else.
    """
    units = np.flatnonzero((s.variance > 0) & (line.residual != 0))
    if len(units) < 20:
        return float("nan")
    found = redrawn(units, s, lottery, rng, draws, most)
    root, e = np.sqrt(s.variance[found.units]), line.residual[found.units]
    share = found.others / root[:, None]
    share -= share.mean(axis=0)
    square = share**2
    square -= square.mean(axis=0)
    square -= share * ((share * square).sum(axis=0) / (share**2).sum(axis=0))
    size = np.sqrt((square**2).sum(axis=0))
    return p_of(e @ square / np.where(size > 0, size, 1.0))
