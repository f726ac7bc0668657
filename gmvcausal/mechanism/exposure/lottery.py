"""The lottery that treated: what was drawn (users, or clusters), with which chance, and how it is drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_MANY = 8  # strata, from which on all are shuffled at once


def sums(group: NDArray[np.integer], value: FloatArray, count: int) -> FloatArray:
    """Sums of a value by group, shape (count,)."""
    return np.asarray(np.bincount(group, value, minlength=count), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Lottery:
    """How treatment was assigned.

    Attributes
    ----------
    thing : ndarray of int, shape (n,)
        What was drawn with each unit: itself, or its cluster.
    drawn : ndarray, shape (G,)
        1 where it was treated.
    chance : ndarray, shape (G,)
        Probability of treatment, in (0, 1).
    stratum : ndarray of int, shape (G,)
        Within which a fixed number was drawn; all 0 where chances are independent.
    fixed : bool
        Whether the number of treated was fixed (complete randomisation within strata), or each drawn by itself.
    given : ndarray of uint8, shape (G, draws), optional
        Draws of the lottery as the user supplied them.
    """

    thing: IntArray
    drawn: FloatArray
    chance: FloatArray
    stratum: IntArray
    fixed: bool
    given: NDArray[np.uint8] | None = None

    @property
    def single(self) -> bool:
        """Whether every unit was drawn by itself."""
        return len(self.thing) == len(self.drawn)

    @property
    def independent(self) -> bool:
        """Whether each was drawn by itself, with a known chance."""
        return not self.fixed and self.given is None

    @property
    def gap(self) -> FloatArray:
        """Treatment less its probability, shape (G,)."""
        return self.drawn - self.chance

    @property
    def variance(self) -> FloatArray:
        """Of the treatment, shape (G,)."""
        return self.chance * (1 - self.chance)

    def centred(self, score: FloatArray) -> FloatArray:
        """What of a coefficient on each draw matters, so that squares add up to the variance.

        With fixed numbers only its distance from the stratum's mean, times the root of m / (m - 1) for m draws in it.
        """
        if not self.fixed:
            return score
        size = np.bincount(self.stratum)
        columns = score.reshape(len(score), -1)
        mean = np.column_stack([np.bincount(self.stratum, column) / size for column in columns.T])
        apart = (columns - mean[self.stratum]) * np.sqrt(size / np.maximum(size - 1, 1))[self.stratum, None]
        return np.asarray(apart.reshape(score.shape))

    @property
    def free(self) -> float:
        """Draws, less one for every stratum of which the number was fixed."""
        strata = int(self.stratum.max()) + 1 if self.fixed else 0
        return float(len(self.drawn) - strata)

    def over_draws(self, influence: FloatArray) -> tuple[FloatArray, float]:
        """Covariance of sums over the draws that were given, and how many independent draws they are worth.

        Parameters
        ----------
        influence : ndarray, shape (G, k)
            Parts of k sums, each a coefficient times (treated - chance).

        Notes
        -----
        Draws that move together (rooms drawn whole) share the variance among fewer directions: they are worth the
        squared sum of the eigenvalues of the covariance of the parts over the sum of their squares (those of the last
        column, on 300 draws at most, less what so few draws add to it).
        """
        assert self.given is not None
        weight = influence / self.gap[:, None]
        count = self.given.shape[1]
        total = np.zeros((count, influence.shape[1]))
        some = min(count, 300)
        gram = np.zeros((some, some))
        for start in range(0, len(weight), 20_000):
            at = slice(start, start + 20_000)
            moved = self.given[at] - self.chance[at, None]
            total += moved.T @ weight[at]
            part = moved[:, :some] * weight[at, -1:]
            gram += part.T @ part
        trace, square = float(np.trace(gram)), float((gram**2).sum())
        left = max(square - trace**2 / some, trace**2 / len(weight))
        return np.atleast_2d(np.cov(total.T)), trace**2 / left if left > 0 else float(len(weight))

    def draws(self, rng: np.random.Generator, count: int, among: IntArray | None = None) -> NDArray[np.float32]:
        """Draw again, among all or some of what was drawn, shape (len(among), count)."""
        at = np.arange(len(self.drawn)) if among is None else among
        if self.given is not None:
            pick = rng.integers(0, self.given.shape[1], count)
            return self.given[at][:, pick].astype(np.float32)
        if not self.fixed:
            return (rng.random((len(at), count), dtype=np.float32) < self.chance[at, None]).astype(np.float32)
        out = np.empty((len(at), count), dtype=np.float32)
        seen, order = self.drawn[at].astype(np.float32), np.argsort(self.stratum[at], kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(self.stratum[at]))])
        parts = [order[a:b] for a, b in pairwise(ends.tolist()) if b > a]
        if len(parts) > _MANY:
            inside, sorted_ = self.stratum[at][order].astype(np.float64), seen[order]
            for k in range(count):
                out[order, k] = sorted_[np.argsort(inside + rng.random(len(at)))]  # strata stay in their order
            return out
        for k in range(count):
            for part in parts:
                out[part, k] = rng.permutation(seen[part])
        return out


def by_draws(drawn: FloatArray, chance: FloatArray) -> Lottery:
    """Units drawn one by one, each by itself.

    Examples
    --------
    >>> by_draws(np.array([1.0, 0.0]), np.full(2, 0.5)).gap.tolist()
    [0.5, -0.5]
    """
    n = len(drawn)
    return Lottery(np.arange(n), drawn, chance, np.zeros(n, dtype=np.int64), False)
