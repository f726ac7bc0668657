"""The four exposure conditions of Aronow and Samii (2017), and each unit's probability of every one of them.

A unit is exposed once a number of its neighbours is treated. Conditions are numbered by own treatment and exposure:
0 neither, 1 exposed only, 2 treated only, 3 both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.exposure.lottery import Lottery

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
NAMES = ("control", "spillover only", "direct only", "both")
_ROUNDING = 1e-9  # thirds of neighbours add up to one only so far
_AT_ONCE = 20_000_000


@dataclass(frozen=True)
class Mapping:
    """When a unit counts as exposed.

    Attributes
    ----------
    kind : {"any", "share", "number"}
        One treated neighbour; at least a share of them, by weight; at least a number.
    least : float
        The share or the number.
    """

    kind: str
    least: float

    @property
    def words(self) -> str:
        """As a condition on a unit."""
        if self.kind == "any":
            return "at least one treated neighbour"
        if self.kind == "number":
            return f"at least {self.least:g} treated neighbours"
        return f"at least {self.least:.4g} of the neighbours treated"

    def needed(self, weights: Any) -> FloatArray:
        """Treated neighbours that a unit needs, where links have no weights, shape (n,)."""
        degree = np.diff(weights.indptr)
        if self.kind == "share":
            return np.asarray(np.maximum(np.ceil(self.least * degree - _ROUNDING), 1.0), dtype=np.float64)
        return np.full(len(degree), 1.0 if self.kind == "any" else self.least)

    def exposed(self, weights: Any, treated: Any) -> NDArray[np.bool_]:
        """Which units are exposed, for one or more assignments in columns."""
        reached = weights @ treated
        if self.kind == "share":
            return np.asarray(reached >= self.least - _ROUNDING)
        if self.kind == "any":
            return np.asarray(reached > 1e-12)
        degree = np.diff(weights.indptr)
        return np.asarray(reached * (degree if reached.ndim == 1 else degree[:, None]) >= self.least - 0.5)


@dataclass(frozen=True, eq=False)
class Chances:
    """Conditions as drawn, and their probabilities.

    Attributes
    ----------
    condition : ndarray of int, shape (n,)
    probability : ndarray, shape (n, 4)
        0 where a unit cannot be in a condition (or was not, in any of the draws).
    draws : int
        Of the lottery behind the probabilities; 0 where they are exact.
    """

    condition: IntArray
    probability: FloatArray
    draws: int


def chances(
    weights: Any, mapping: Mapping, lottery: Lottery, rng: np.random.Generator, draws: int, weighted: bool
) -> Chances:
    """Conditions and their probabilities: in closed form where the lottery has one, else by drawing it again.

    Parameters
    ----------
    weights : sparse array, shape (n, n)
        Rows add up to 1, or to 0; no diagonal.
    mapping : Mapping
    lottery : Lottery
    rng : Generator
    draws : int
        Of the lottery, where probabilities have no closed form.
    weighted : bool
        Whether links have weights.
    """
    own = lottery.drawn[lottery.thing]
    exposed = mapping.exposed(weights, own)
    condition = (2 * own + exposed).astype(np.int64)
    found = closed(weights, mapping, lottery, weighted)
    if found is None:
        return Chances(condition, drawn(weights, mapping, lottery, condition, rng, draws), draws)
    return Chances(condition, found, 0)


def closed(weights: Any, mapping: Mapping, lottery: Lottery, weighted: bool) -> FloatArray | None:
    """Probabilities in closed form, shape (n, 4); None where there is none.

    Units drawn one by one: binomial where all have one chance, a product where one treated neighbour is enough,
    hypergeometric where the number of treated is fixed.
    """
    from scipy import stats

    if not lottery.single or lottery.given is not None or (weighted and mapping.kind == "share"):
        return None
    p = lottery.chance
    degree, needed = np.diff(weights.indptr), mapping.needed(weights)
    if lottery.fixed:
        if lottery.stratum.any():
            return None
        n, treated = len(p), int(lottery.drawn.sum())
        parts = []
        for mine in (0, 1):
            reached = stats.hypergeom.sf(needed - 1, n - 1, treated - mine, degree)
            share = treated / n if mine else 1 - treated / n
            parts += [share * (1 - reached), share * reached]
        return _clean(np.column_stack(parts), degree, needed)
    if (needed == 1).all():
        log = _sums(weights, np.log1p(-p))
        reached, never = -np.expm1(log), np.exp(log)
    elif (p == p[0]).all():
        reached = stats.binom.sf(needed - 1, degree, p[0])
        never = stats.binom.cdf(needed - 1, degree, p[0])
    else:
        return None
    return _clean(np.column_stack([(1 - p) * never, (1 - p) * reached, p * never, p * reached]), degree, needed)


def _clean(found: FloatArray, degree: Any, needed: FloatArray) -> FloatArray:
    """Exactly zero where there are too few neighbours."""
    found[degree < needed, 1::2] = 0.0
    return np.clip(found, 0.0, 1.0)


def _sums(weights: Any, value: FloatArray) -> FloatArray:
    """Sum of a value over each unit's neighbours."""
    from scipy.sparse import csr_array

    pattern = csr_array((np.ones(len(weights.data)), weights.indices, weights.indptr), shape=weights.shape)
    return np.asarray(pattern @ value)


def drawn(
    weights: Any, mapping: Mapping, lottery: Lottery, condition: IntArray, rng: np.random.Generator, draws: int
) -> FloatArray:
    """Probabilities as shares of draws of the lottery, the one that took place among them, shape (n, 4)."""
    n = len(condition)
    count = np.zeros((n, 4))
    count[np.arange(n), condition] = 1
    step = max(1, _AT_ONCE // n)
    for start in range(0, draws, step):
        own = lottery.draws(rng, min(step, draws - start))[lottery.thing]
        exposed = mapping.exposed(weights, own)
        both = (own * exposed).sum(axis=1, dtype=float)
        treated, reached = own.sum(axis=1, dtype=float), exposed.sum(axis=1, dtype=float)
        count += np.column_stack([own.shape[1] - treated - reached + both, reached - both, treated - both, both])
    return count / (draws + 1)


def joint_any(weights: Any, lottery: Lottery, i: IntArray, j: IntArray) -> FloatArray:
    """Joint probabilities of the conditions of pairs of units, one treated neighbour being enough.

    Parameters
    ----------
    weights : sparse array, shape (n, n)
    lottery : Lottery
        Units drawn one by one, each by itself.
    i, j : ndarray of int, shape (pairs,)

    Returns
    -------
    ndarray, shape (pairs, 4, 4)
    """
    from scipy.sparse import csr_array

    p, log = lottery.chance, np.log1p(-lottery.chance)
    pattern = csr_array((np.ones(len(weights.data)), weights.indices, weights.indptr), shape=weights.shape)
    alone = pattern @ log  # of the neighbours all being untreated
    logged = csr_array((log[weights.indices], weights.indices, weights.indptr), shape=weights.shape)
    shared = np.asarray(logged[i].multiply(pattern[j]).sum(axis=1)).ravel()
    holds_j, holds_i = (np.asarray(pattern[a, b]).ravel() > 0 for a, b in ((i, j), (j, i)))
    without_i = alone[i] - holds_j * log[j]  # i's neighbours other than j
    without_j = alone[j] - holds_i * log[i]
    either = without_i + without_j - shared
    out = np.zeros((len(i), 4, 4))
    for a in (0, 1):
        for b in (0, 1):
            owns = np.where(a, p[i], 1 - p[i]) * np.where(b, p[j], 1 - p[j])
            free_i = np.where(holds_j & (b == 1), 0.0, np.exp(without_i))
            free_j = np.where(holds_i & (a == 1), 0.0, np.exp(without_j))
            free = np.where((free_i > 0) & (free_j > 0), np.exp(either), 0.0)
            for e, f, chance in (
                (0, 0, free), (0, 1, free_i - free), (1, 0, free_j - free), (1, 1, 1 - free_i - free_j + free)
            ):  # fmt: skip
                out[:, 2 * a + e, 2 * b + f] = owns * np.where(chance > 1e-14, chance, 0.0)
    return out


def smallest(probability: FloatArray) -> float:
    """The smallest positive probability of a condition; NaN without any."""
    live = probability[probability > 0]
    return float(live.min()) if len(live) else math.nan
