"""Resampled sums: Poisson bootstrap and permutation of labels, exact also where most units are alike.

Units that hold the same numbers are drawn together: the sum of k independent Poisson(1) weights is Poisson(k), and how
many of k equal units fall into an arm is hypergeometric. Where 95 % of the users bought nothing, their weights cost one
random number a draw instead of one each, and the law is the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BLOCK = 4_000_000


def silent(done: int) -> None:
    """No progress is shown."""


def alike(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distinct rows in canonical order, and how many units hold each.

    Draws are made for rows in this order, so that the order in which units came in does not matter.

    Parameters
    ----------
    values : ndarray, shape (n, p)

    Returns
    -------
    rows : ndarray, shape (m, p)
    counts : ndarray of int, shape (m,)

    Examples
    --------
    >>> rows, counts = alike(np.array([[0.0], [3.0], [0.0]]))
    >>> rows.ravel().tolist(), counts.tolist()
    ([0.0, 3.0], [2, 1])
    """
    # Most units may be one row: found first, they need not be sorted.
    middle = np.partition(values, len(values) // 2, axis=0)[len(values) // 2]
    same = (values == middle).all(axis=1)
    rest = values[~same]
    ordered = rest[np.lexsort(rest.T[::-1])]
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    at = np.flatnonzero(new)
    rows, counts = ordered[at], np.diff(np.append(at, len(ordered)))
    if same.any():
        return np.vstack([middle, rows]), np.append(same.sum(), counts)
    return rows, counts


def poisson_sums(
    rows: FloatArray,
    counts: IntArray,
    draws: int,
    rng: np.random.Generator,
    tick: Callable[[int], object] = silent,
) -> FloatArray:
    """Sums over units with independent Poisson(1) weights (Chamandy, Muralidharan, Najmi and Naidu 2012).

    Parameters
    ----------
    rows : ndarray, shape (m, p)
        What each unit adds to the sums; see `alike`.
    counts : ndarray of int, shape (m,)
        Units that hold each row.
    draws : int
    rng : Generator
    tick : callable, optional
        Told how many draws were made.

    Returns
    -------
    ndarray, shape (draws, p)

    Examples
    --------
    >>> sums = poisson_sums(np.array([[1.0]]), np.array([10_000]), 2_000, np.random.default_rng(0))
    >>> bool(abs(sums.mean() - 10_000) < 10), bool(abs(sums.std() - 100) < 5)
    (True, True)
    """
    single, several = rows[counts == 1], rows[counts > 1]
    shared, m = counts[counts > 1], int((counts == 1).sum())
    out = np.zeros((draws, rows.shape[1]))
    for start, stop in _blocks(draws, len(rows)):
        size = stop - start
        if len(several):
            out[start:stop] = rng.poisson(shared, (size, len(shared))) @ several
        if m:
            # A Poisson(m) number of picks among m units gives each its own Poisson(1) weight, at a fifth of the time.
            picks = rng.poisson(m, size)
            where = rng.integers(0, m, int(picks.sum())) + np.repeat(np.arange(size) * m, picks)
            weights = np.bincount(where, minlength=size * m).reshape(size, m)
            out[start:stop] += weights.astype(float) @ single
        tick(size)
    return out


def subset_sums(
    rows: FloatArray,
    counts: IntArray,
    take: int,
    draws: int,
    rng: np.random.Generator,
    tick: Callable[[int], object] = silent,
) -> FloatArray:
    """Sums over random subsets of `take` units, all equally likely.

    Parameters, returns: as for `poisson_sums`.

    Examples
    --------
    >>> sums = subset_sums(np.array([[0.0], [1.0]]), np.array([2, 2]), 2, 3_000, np.random.default_rng(0))
    >>> bool(abs((sums == 1).mean() - 4 / 6) < 0.03)
    True
    """
    single, several = rows[counts == 1], rows[counts > 1]
    m = len(single)
    out = np.zeros((draws, rows.shape[1]))
    colours = [*counts[counts > 1], m]
    for start, stop in _blocks(draws, len(rows)):
        size = stop - start
        taken = rng.multivariate_hypergeometric(colours, take, size=size)
        out[start:stop] = taken[:, :-1] @ several
        if m:
            chosen = rng.random((size, m), dtype=np.float32) < take / counts.sum()
            for row, wanted in zip(chosen, taken[:, -1], strict=True):
                _set_count(row, int(wanted), rng)
            out[start:stop] += chosen.astype(float) @ single
        tick(size)
    return out


def _set_count(row: NDArray[np.bool_], wanted: int, rng: np.random.Generator) -> None:
    """Flip as few units as needed, at random: independent picks stay equally likely subsets of the wanted size."""
    surplus = int(np.count_nonzero(row)) - wanted
    if surplus:
        among = np.flatnonzero(row == (surplus > 0))
        row[among[rng.choice(len(among), abs(surplus), replace=False, shuffle=False)]] ^= True


def assignments(sizes: Sequence[tuple[int, int]], most: int) -> int:
    """How many ways there are to take so many of so many units, stratum by stratum; at most `most` + 1 are counted.

    Parameters
    ----------
    sizes : sequence of (units, taken)
    most : int

    Examples
    --------
    >>> assignments([(8, 4)], 1000), assignments([(8, 4)], 50)
    (70, 51)
    """
    ways = sum(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for n, k in sizes)
    if ways > math.log(most) + 1:  # the number itself may have a million digits
        return most + 1
    return min(math.prod(math.comb(n, k) for n, k in sizes), most + 1)


def every_subset(sizes: Sequence[tuple[int, int]]) -> list[NDArray[np.bool_]]:
    """All of these assignments: one array for each stratum, shape (assignments, units).

    Examples
    --------
    >>> every_subset([(3, 2)])[0].astype(int).tolist()
    [[1, 1, 0], [1, 0, 1], [0, 1, 1]]
    """
    total = math.prod(math.comb(n, k) for n, k in sizes)
    found = [np.zeros((total, n), dtype=bool) for n, _ in sizes]
    ways = itertools.product(*(itertools.combinations(range(n), k) for n, k in sizes))
    for i, way in enumerate(ways):
        for one, chosen in zip(found, way, strict=True):
            one[i, list(chosen)] = True
    return found


def _blocks(draws: int, width: int) -> list[tuple[int, int]]:
    step = max(1, _BLOCK // max(width, 1))
    return [(start, min(start + step, draws)) for start in range(0, draws, step)]


# --- from draws to p-values and limits --------------------------------------------------------------------------------
def places_in_tail(share: float, draws: int) -> int:
    """How many of `draws` + 1 equally likely places lie in a tail of `share`."""
    return math.floor(share * (draws + 1) + 1e-9)


def resolution(draws: int, alternative: str, both_tails: bool) -> float:
    """The smallest p-value that so many draws can give.

    Parameters
    ----------
    draws : int
    alternative : {"two-sided", "greater", "less"}
    both_tails : bool
        Whether a two-sided p-value doubles that of one tail (`percentile_p`).
    """
    return (2 if both_tails and alternative == "two-sided" else 1) / (draws + 1)


def null_p(statistic: float, null: FloatArray, alternative: str) -> float:
    """P-value of a statistic among its draws under the null, itself counted as one of them: (1 + #) / (1 + draws).

    Examples
    --------
    >>> null_p(2.0, np.array([-3.0, 1.0, 0.5]), "two-sided")
    0.5
    """
    value, draws = _folded(statistic, null, alternative)
    return float(1 + np.count_nonzero(draws >= value)) / (1 + len(null))


def null_critical(null: FloatArray, level: float, alternative: str) -> float:
    """What the statistic must exceed so that `null_p` is at most ``1 - level``; infinite with too few draws."""
    _, draws = _folded(0.0, null, alternative)
    places = places_in_tail(1 - level, len(null))
    return math.inf if places < 1 else float(np.partition(draws, len(draws) - places)[-places])


def _folded(statistic: float, null: FloatArray, alternative: str) -> tuple[float, FloatArray]:
    if alternative == "two-sided":
        return abs(statistic), np.abs(null)
    return (statistic, null) if alternative == "greater" else (-statistic, -null)


def percentile_p(draws: FloatArray, alternative: str) -> float:
    """P-value of zero among bootstrap draws of an estimate: the level at which `percentile` ends at zero."""
    below, above = (1 + np.count_nonzero(draws <= 0), 1 + np.count_nonzero(draws >= 0))
    tail = {"greater": below, "less": above}.get(alternative, 2 * min(below, above))
    return min(float(tail) / (1 + len(draws)), 1.0)


def percentile(draws: FloatArray, level: float, alternative: str) -> tuple[float, float]:
    """Percentile interval of bootstrap draws (Efron 1979); one end is infinite for a one-sided alternative.

    It holds zero exactly where `percentile_p` exceeds ``1 - level``.

    Examples
    --------
    >>> percentile(np.arange(1.0, 100.0), 0.9, "two-sided")
    (5.0, 95.0)
    """
    places = places_in_tail((1 - level) / (2 if alternative == "two-sided" else 1), len(draws))
    if places < 1:
        return -math.inf, math.inf
    ordered = np.sort(draws)
    low, high = float(ordered[places - 1]), float(ordered[-places])
    return (-math.inf if alternative == "less" else low), (math.inf if alternative == "greater" else high)
