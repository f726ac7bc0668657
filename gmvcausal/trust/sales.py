"""Worlds in which a gain is taken from elsewhere: from later weeks (D9), from another outcome of the same rooms."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from gmvcausal.simulate.market import Term, Truth
from gmvcausal.simulate.worlds.rollout import autoregression
from gmvcausal.trust.panels import LASTING, market, panel
from gmvcausal.trust.trials import Trial

WEEKS = 4  # of the net
LEVEL = 6000.0  # GMV of a room and week in D9


def sale(
    *, n: int | None, seed: int, lift: float = 0.2, borrowed: float = 1.0, payback: int = 1, seen: int | None = None
) -> Trial:
    """D9 without waiting: one week with a gain, of which a share is taken from the weeks after it.

    Parameters
    ----------
    n : int
        Rooms, half of them treated; 60 if None.
    seed : int
    lift : float
        Gain of the first week as a share of the level.
    borrowed : float
        Share of it that is taken from later weeks.
    payback : int
        Weeks it is taken from.
    seen : int, optional
        Weeks from the start on that the table holds; None for all.
    """
    from gmvcausal import simulate

    gain = lift * LEVEL
    world = simulate.world(
        "D9", n=n or 60, seed=seed, lead=0, wait=0.0, effect=gain, duration=1, borrowed=borrowed, payback=payback
    )
    table = world.table()
    if seen is not None:
        weeks = np.sort(table["period"].unique())
        first = int(np.searchsorted(weeks, table["first_treated"].min()))
        table = table[table["period"] <= weeks[first + seen - 1]]
    paid = borrowed * gain * min(payback, WEEKS - 1) / payback
    terms = {"net": gain - paid, "during": gain, "after": -paid, "borrowed_share": paid / gain if gain else math.nan}
    truth = Truth(tuple(Term(name, name, "", value) for name, value in terms.items()), "net")
    return Trial(table, truth, SimpleNamespace(call={}))


def ends(*, n: int | None, seed: int, lift: float = 0.2, noise: float = 300.0, periods: int = 20) -> Trial:
    """Rooms like those of D9, drawn as a panel: a gain of one week, at half time, after which nothing is missing.

    Parameters
    ----------
    n : int
        Rooms, half of them treated; 60 if None.
    seed : int
    lift : float
        Gain of the week as a share of the level.
    noise : float
        Standard deviation of a room's week, correlated by .5 with the next.
    periods : int
    """
    count = n or 60
    rng = np.random.default_rng(seed)
    on = rng.permutation(count) < count // 2
    start = periods // 2
    gain = np.where(np.arange(periods) == start, lift * LEVEL, 0.0)[None]
    y = LEVEL + noise * autoregression(rng, count, periods, 0.5) + on[:, None] * gain
    return market(panel(y, np.where(on, float(start), math.inf)), gain, (start,), np.array([0.5]))


def two_outcomes(
    *, n: int | None, seed: int, effect: float = 10.0, taken: float = 0.6, together: float = -0.5, periods: int = 8
) -> Trial:
    """Rooms that gain in one outcome and lose a share of it in another, whose shocks go together.

    Parameters
    ----------
    n : int
        Rooms, a third of them treated; 60 if None.
    seed : int
    effect, taken : float
        The gain, and the share of it that the column ``elsewhere`` loses.
    together : float
        Correlation of the shocks of the two.
    periods : int
    """
    count = n or 60
    rng = np.random.default_rng(seed)
    on = rng.permutation(count) < count // 3
    after = on[:, None] & (np.arange(periods) >= periods // 2)
    one, other = (autoregression(rng, count, periods, LASTING) for _ in range(2))
    shocks = together * one + math.sqrt(1 - together**2) * other
    y = 100.0 + 5.0 * one + effect * after
    elsewhere = 80.0 + 5.0 * shocks - taken * effect * after
    table = panel(y, np.where(on, periods // 2, math.inf)).assign(elsewhere=elsewhere.ravel())
    terms = {"total": (1 - taken) * effect, "treated": effect, "elsewhere": -taken * effect}
    terms["cannibalised_share"] = taken
    truth = Truth(tuple(Term(name, name, "", value) for name, value in terms.items()), "total")
    return Trial(table, truth, SimpleNamespace(call={}))
