"""Users who come, cool down and leave: the path of a user in one arm, simulated and in closed form.

A user is warm or cold and changes rarely; cold ones buy seldom. From the week of the start on, whoever has not bought
for `patience` weeks leaves with a given probability after each further week without a purchase.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.simulate.worlds.lines import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Path:
    """What drives one arm.

    Attributes
    ----------
    chance : ndarray, shape (weeks, 2)
        Probability that a cold, and a warm, user buys in each week.
    leave : float
        Probability of leaving after a week, once `patience` weeks have passed without a purchase.
    stay : float
        Probability of staying warm (cold) from week to week.
    patience, start : int
    """

    chance: FloatArray
    leave: float
    stay: float
    patience: int
    start: int


@dataclass(frozen=True, eq=False)
class Expected:
    """Expectations by week, per user who was there at first.

    Attributes
    ----------
    alive : ndarray, shape (weeks,)
        Share still there.
    bought : ndarray, shape (weeks,)
        Share that is there and buys.
    base : ndarray, shape (weeks,)
        Share that is there and bought in the week before the start.
    """

    alive: FloatArray
    bought: FloatArray
    base: FloatArray


def expect(path: Path) -> Expected:
    """Exact expectations, by carrying forward the probability of each state.

    States are warmth by weeks since the last purchase (up to `patience`); the second layer carries the probability
    that the user also bought in the week before the start.

    Examples
    --------
    >>> always = Path(np.full((3, 2), 1.0), leave=0.5, stay=0.9, patience=1, start=1)
    >>> expect(always).alive.tolist()  # who always buys never leaves
    [1.0, 1.0, 1.0]
    """
    weeks, k = len(path.chance), path.patience
    mass = np.zeros((2, 2, k + 1))  # layer (all, bought at base), warmth, weeks without a purchase
    mass[0, :, 0] = 0.5
    alive, bought, base = np.zeros(weeks), np.zeros(weeks), np.zeros(weeks)
    change = np.array([[path.stay, 1 - path.stay], [1 - path.stay, path.stay]])
    for t, chance in enumerate(path.chance):
        alive[t] = mass[0].sum()
        buying = mass * chance[:, None]
        bought[t] = buying[0].sum()
        rest = mass - buying
        after = np.zeros_like(mass)
        after[:, :, 0] = buying.sum(axis=2)
        after[:, :, 1:] += rest[:, :, :-1]
        after[:, :, k] += rest[:, :, k]
        if t == path.start - 1:
            after[1] = 0.0
            after[1, :, 0] = buying[0].sum(axis=1)
        base[t] = mass[1].sum()
        if t >= path.start:
            after[:, :, k] *= 1.0 - path.leave
        mass = np.einsum("lwk,wv->lvk", after, change)
    return Expected(alive, bought, base)


def simulate(
    chance: NDArray[np.float64], leave: FloatArray, stay: float, patience: int, start: int, draws: np.random.Generator
) -> tuple[NDArray[np.bool_], IntArray]:
    """Purchases by user and week, and the last week of each user (the last of all for those who stay).

    Parameters
    ----------
    chance : ndarray, shape (n, weeks, 2)
        Probability of buying when cold, and when warm.
    leave : ndarray, shape (n,)
    stay : float
    patience, start : int
    draws : numpy.random.Generator
        Used in the same order whatever the dials, so that arms and strengths share their draws.
    """
    n, weeks = chance.shape[:2]
    uniform = draws.random((3, weeks, n))
    warm = draws.random(n) < 0.5
    quiet, last = np.zeros(n, dtype=np.int64), np.full(n, weeks - 1)
    bought = np.zeros((n, weeks), dtype=bool)
    for t in range(weeks):
        here = last >= t
        buys = uniform[0, t] < np.where(warm, chance[:, t, 1], chance[:, t, 0])
        bought[:, t] = buys & here
        quiet = np.where(buys, 0, quiet + 1)
        if t >= start:
            last[here & (quiet >= patience) & (uniform[1, t] < leave)] = t
        warm ^= uniform[2, t] >= stay
    return bought, last
