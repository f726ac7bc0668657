"""Mean changes of some units less those of others, over many pairs of periods: estimate and influence.

Used for the effects at the switch (de Chaisemartin and D'Haultfoeuille 2020), and for what is left when it is off
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gmvcausal.rollout.switching.design import BoolArray, FloatArray, Switches


@dataclass(frozen=True)
class Pair:
    """Units whose change from one period to another is compared with that of others.

    Attributes
    ----------
    own, beside : ndarray of bool, shape (R,)
    period, base : int
        Columns.
    sign : float
        -1 where the change is one away from the tactic.
    """

    own: BoolArray
    beside: BoolArray
    period: int
    base: int
    sign: float


@dataclass(frozen=True)
class Compared:
    """The mean over pairs, each weighted by its own units.

    Attributes
    ----------
    estimate : float
        NaN where nothing can be compared.
    influence : ndarray, shape (R,)
        With the uncertainty of the weights.
    own, beside : ndarray of bool, shape (R,)
        Units that take part.
    changes, pairs, lost : int
        Changes of own units in the mean, the pairs they fall into, and changes without anybody to compare with.
    """

    estimate: float
    influence: FloatArray
    own: BoolArray
    beside: BoolArray
    changes: int
    pairs: int
    lost: int


def compare(y: FloatArray, weight: FloatArray, pairs: Iterable[Pair]) -> Compared:
    """Weighted mean over pairs of (mean change of `own` less mean change of `beside`) times the sign.

    Parameters
    ----------
    y : ndarray, shape (R, T)
    weight : ndarray, shape (R,)
    pairs : iterable of Pair
        Units must be seen in both periods.
    """
    own, beside = np.zeros((2, len(y)), dtype=bool)
    influence, share = np.zeros((2, len(y)))
    total, mean, lost, changes, used = 0.0, 0.0, 0, 0, 0
    for pair in pairs:
        if not pair.own.any():
            continue
        if not pair.beside.any():
            lost += int(pair.own.sum())
            continue
        change = pair.sign * (y[:, pair.period] - y[:, pair.base])
        size, other = float(weight[pair.own].sum()), float(weight[pair.beside].sum())
        without = float(weight[pair.beside] @ change[pair.beside]) / other
        influence[pair.own] += weight[pair.own] * (change[pair.own] - without)
        influence[pair.beside] -= weight[pair.beside] * (change[pair.beside] - without) * size / other
        share[pair.own] += weight[pair.own]
        total += size
        mean += float(weight[pair.own] @ change[pair.own]) - size * without
        changes += int(pair.own.sum())
        used += 1
        own |= pair.own
        beside |= pair.beside
    if not total:
        return Compared(float("nan"), influence, own, beside, 0, 0, lost)
    estimate = mean / total
    return Compared(estimate, (influence - estimate * share) / total, own, beside, changes, used, lost)


def at_the_switch(on: FloatArray, joining: bool) -> Iterator[Pair]:
    """Joiners against those that stay off, or leavers against those that stay on, between consecutive periods."""
    came, went = (0.0, 1.0) if joining else (1.0, 0.0)
    for t in range(1, on.shape[1]):
        from_here = on[:, t - 1] == came
        yield Pair(from_here & (on[:, t] == went), from_here & (on[:, t] == came), t, t - 1, 1.0 if joining else -1.0)


def back_again(on: FloatArray, found: Switches) -> Iterator[Pair]:
    """Units in their first period back at the treatment they began with, against those that have not switched yet.

    What is carried over fades, so the first period shows the most of it.
    """
    seen, width = np.isfinite(on), on.shape[1]
    stays = np.where(found.switchers, found.first, width)
    for h in np.flatnonzero(found.starts < width):
        start, came = int(found.starts[h]), found.came_from[h]
        cohort, alike = found.group == h, found.before == came
        for t in range(start + 1, width):
            both = seen[:, t] & seen[:, start - 1]
            back = cohort & both & (on[:, t] == came) & (on[:, t - 1] == 1 - came)
            yield Pair(back, alike & both & (stays > t), t, start - 1, -1.0 if came else 1.0)
