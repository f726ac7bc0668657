"""Means of exposure conditions weighted by their probabilities, and the variance of their contrasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.exposure.chances import Chances, Mapping, joint_any
from gmvcausal.mechanism.exposure.lottery import Lottery
from gmvcausal.stats.small_sample import welch_df

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# Rows: direct, spillover, total; columns: the four conditions.
CONTRASTS = np.array([[-1.0, 0, 1, 0], [-1, 1, 0, 0], [-1, 0, 0, 1]])
MOST_PAIRS = 2_000_000_000  # pairs of units with a draw in common, beyond which no standard error is made
MOST_JOINT = 3_000_000  # pairs up to which joint probabilities are worked out
_AT_ONCE = 3_000_000


@dataclass(frozen=True, eq=False)
class Means:
    """The four means among units that can be in every condition.

    Attributes
    ----------
    can : ndarray of bool, shape (n,)
        Units with a positive probability of all four conditions.
    hajek, horvitz : ndarray, shape (4,)
        Means by weights that add up to one, and by 1 / probability as it is.
    inside : ndarray of int, shape (4,)
        Units in each condition.
    effective : ndarray, shape (4,)
        What they are worth of units of equal weight (Kish).
    influence : ndarray, shape (n, 6)
        Of direct, spillover and total: Hájek, then Horvitz-Thompson.
    """

    can: BoolArray
    hajek: FloatArray
    horvitz: FloatArray
    inside: NDArray[np.int64]
    effective: FloatArray
    influence: FloatArray

    @property
    def estimates(self) -> FloatArray:
        """Direct, spillover, total by Hájek, then by Horvitz-Thompson, shape (6,)."""
        return np.concatenate([CONTRASTS @ self.hajek, CONTRASTS @ self.horvitz])

    def df(self) -> FloatArray:
        """Degrees of freedom of the six contrasts, by the effective samples of the two means."""
        out = []
        for row in CONTRASTS:
            k = np.flatnonzero(row)
            out.append(welch_df([(1 / max(self.effective[c], 1.0), max(self.effective[c] - 1, 1e-9)) for c in k]))
        return np.array(out * 2)


def means(y: FloatArray, found: Chances) -> Means:
    """Weighted means of the outcome in each condition.

    Examples
    --------
    >>> flat = Chances(np.array([0, 1, 2, 3]), np.full((4, 4), 0.25), 0)
    >>> means(np.array([1.0, 2, 4, 8]), flat).estimates.tolist()
    [3.0, 1.0, 7.0, 3.0, 1.0, 7.0]
    """
    can = np.asarray((found.probability > 0).all(axis=1), dtype=bool)
    n = int(can.sum())
    weight = np.zeros((len(y), 4))
    rows = np.flatnonzero(can)
    at = found.condition[rows]
    weight[rows, at] = 1 / found.probability[rows, at]
    total = weight.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        hajek = weight.T @ y / total
        effective = total**2 / (weight**2).sum(axis=0)
    horvitz = weight.T @ y / max(n, 1)
    parts = weight / np.where(total > 0, total, 1.0) * (y[:, None] - np.nan_to_num(hajek))
    plain = weight * y[:, None] / max(n, 1)
    plain[rows] -= horvitz / max(n, 1)
    influence = np.column_stack([parts @ CONTRASTS.T, plain @ CONTRASTS.T])
    inside = (weight > 0).sum(axis=0)
    return Means(can, hajek, horvitz, inside, np.nan_to_num(effective), influence)


def touched(weights: Any, lottery: Lottery) -> Any:
    """Which draws a unit's condition depends on, sparse of shape (n, G): its own and its neighbours'."""
    from scipy.sparse import csr_array

    n, g = len(lottery.thing), len(lottery.drawn)
    row = np.repeat(np.arange(n), np.diff(weights.indptr))
    rows = np.concatenate([row, np.arange(n)])
    columns = np.concatenate([lottery.thing[weights.indices], lottery.thing])
    out = csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n, g))
    out.sum_duplicates()
    out.data[:] = 1
    return out


def pairs(touch: Any, live: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Any]]:
    """Rows of `live`, some at a time, with the sparse pattern of the live units they have a draw in common with."""
    part = touch[live]
    across = part.T.tocsr()
    cost = np.concatenate([[0], np.cumsum(part @ np.diff(across.indptr).astype(float))])
    start = 0
    while start < len(live):
        stop = int(np.searchsorted(cost, cost[start] + _AT_ONCE, side="right")) - 1
        stop = min(max(stop, start + 1), len(live))
        yield live[start:stop], part[start:stop] @ across
        start = stop


def many_pairs(touch: Any, live: NDArray[np.int64]) -> float:
    """How many products the pairs of `live` cost."""
    return float((np.bincount(touch[live].indices).astype(float) ** 2).sum())


def network_cov(influence: FloatArray, touch: Any) -> FloatArray | None:
    """Covariance of sums of influences, all pairs counted that have a draw in common; None where they are too many.

    The diagonal is never below that of independent rows, which a sum over a pattern of pairs can be (Leung 2022).

    Parameters
    ----------
    influence : ndarray, shape (n, k)
    touch : sparse array, shape (n, G)
    """
    live = np.flatnonzero((influence != 0).any(axis=1))
    if many_pairs(touch, live) > MOST_PAIRS:
        return None
    value = influence[live]
    cov = np.zeros((influence.shape[1],) * 2)
    seen = 0
    for rows, common in pairs(touch, live):
        common.data = np.ones(len(common.data))
        cov += value[seen : seen + len(rows)].T @ (common @ value)
        seen += len(rows)
    cov = (cov + cov.T) / 2
    low = np.einsum("ij,ij->j", influence, influence)
    more = np.sqrt(np.maximum(low / np.where(np.diag(cov) > 0, np.diag(cov), np.inf), 1.0))
    bad = np.diag(cov) <= 0
    cov = cov * np.outer(more, more)
    if bad.any():
        cov[bad, :] = cov[:, bad] = 0.0
        cov[bad, bad] = low[bad]
    return cov


def given_cov(
    y: FloatArray, found: Chances, m: Means, weights: Any, mapping: Mapping, lottery: Lottery, naive: FloatArray
) -> FloatArray:
    """Covariance of the six contrasts and the difference of means over the draws that were given, shape (7, 7).

    Each user is taken to keep its distance from the mean of its condition, as if effects were the same for all.

    Parameters
    ----------
    naive : ndarray, shape (G,)
        Influence of what was drawn on the difference of means.
    """
    assert lottery.given is not None
    rows = np.flatnonzero(m.can)
    rest = y[rows] - m.hajek[found.condition[rows]]
    per = CONTRASTS[:, None, :] / found.probability[rows] / len(rows)  # (3, n, 4)
    each = np.concatenate([per * rest[:, None], per * (rest[:, None] + m.hajek)])
    out = np.empty((lottery.given.shape[1], 7))
    weight = naive / lottery.gap
    step = max(1, _AT_ONCE // len(y))
    for start in range(0, len(out), step):
        drawn = lottery.given[:, start : start + step].astype(np.float64)
        own = drawn[lottery.thing]
        condition = (2 * own + mapping.exposed(weights, own)).astype(np.int64)[rows]
        for k in range(condition.shape[1]):
            out[start + k, :6] = each[:, np.arange(len(rows)), condition[:, k]].sum(axis=1)
        out[start : start + step, 6] = weight @ (drawn - lottery.chance[:, None])
    return np.asarray(np.cov(out.T), dtype=np.float64)


def aronow_samii(
    y: FloatArray, found: Chances, m: Means, weights: Any, lottery: Lottery, touch: Any
) -> FloatArray | None:
    """The conservative variances of the six contrasts (Aronow and Samii 2017), shape (6,); None where pairs are many.

    Their expectation over the lottery is at least the variance of the Horvitz-Thompson contrast. For Hájek they are
    taken of residuals.

    Parameters
    ----------
    y : ndarray, shape (n,)
    found : Chances
        Exact, of ``exposure="any"``, units drawn one by one, each by itself.
    m : Means
    weights : sparse array, shape (n, n)
    lottery : Lottery
    touch : sparse array, shape (n, G)
    """
    live = np.flatnonzero(m.can)
    if many_pairs(touch, live) > MOST_JOINT:
        return None
    outcome = np.column_stack([y - np.nan_to_num(m.hajek)[found.condition], y])  # Hájek, Horvitz-Thompson
    inside = np.zeros((len(y), 4))
    inside[live, found.condition[live]] = 1.0
    chance = np.where(m.can[:, None], found.probability, 1.0)
    cov = np.zeros((2, 4, 4))
    for kind in range(2):
        u = outcome[:, kind, None] * inside
        cov[kind] = np.diag(((1 - chance) * (u / chance) ** 2).sum(axis=0))
        never = (u**2 / (2 * chance)).sum(axis=0)  # no unit is in two conditions at once
        cov[kind] -= (never[:, None] + never[None, :]) * (1 - np.eye(4))
    for rows, common in pairs(touch, live):
        i, j = np.repeat(rows, np.diff(common.indptr)), live[common.indices]
        other = i != j
        i, j = i[other], j[other]
        both = joint_any(weights, lottery, i, j)
        product = chance[i][:, :, None] * chance[j][:, None, :]
        for kind in range(2):
            u = outcome[:, kind, None] * inside
            with np.errstate(divide="ignore", invalid="ignore"):
                seen = np.where(both > 0, (both - product) / both / product, 0.0)
            term = (seen * u[i][:, :, None] * u[j][:, None, :]).sum(axis=0)
            half = u**2 / (2 * chance)
            apart = ((both == 0) * (half[i][:, :, None] + half[j][:, None, :])).sum(axis=0)
            cov[kind] += term + apart * (2 * np.eye(4) - 1)
    n = len(live)
    variance = np.concatenate([np.einsum("ck,kl,cl->c", CONTRASTS, cov[k], CONTRASTS) / n**2 for k in range(2)])
    return np.asarray(np.maximum(variance, 0.0), dtype=np.float64)
