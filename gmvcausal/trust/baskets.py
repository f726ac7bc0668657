"""Worlds of orders with and without a promotion that shoppers top baskets up to, drawn as `bunching` sees them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from gmvcausal.trust.trials import Trial, trial

CUTOFF, REACH, OVER, DISCOUNT = 300.0, 60.0, 15.0, 40.0
MEDIAN, SPREAD = 120.0, 0.7  # of a basket, and of its logarithm
_BETWEEN = 0.5  # share of the variance of the logarithm that lies between users
_GRID = 400_000


def orders(
    *, n: int | None, seed: int, topup: float = 0.35, compare: bool = False, each: int = 1, heap: float = 0.0,
    new: float = 0.0, rung: float = 0.0,
) -> Trial:  # fmt: skip
    """Orders of which some that are 60 or less below 300 are topped up, to at most 315.

    Parameters
    ----------
    n : int
        Orders with the promotion; 20,000 if None. As many without it where `compare`.
    seed : int
    topup : float
        Share of those in reach who top up.
    compare : bool
        Whether there are orders without the promotion.
    each : int
        Orders of each user: tastes differ, and a user tops up always or never.
    heap : float
        Share of baskets at 99, 199, 299, ... with and without the promotion.
    new : float
        The violation: orders that would not have come at all, as a share of `n`, at 300 and above.
    rung : float
        The violation without a comparison: share of those up to 30 below 200 who top up to 200.
    """
    n = n or 20_000
    rng = np.random.default_rng(seed)
    users = -(-n // each)
    basket, user = [], []
    for which in range(2 if compare else 1):
        who = np.arange(n) % users
        z = np.sqrt(_BETWEEN) * rng.standard_normal(users)[who] + np.sqrt(1 - _BETWEEN) * rng.standard_normal(n)
        wish = _priced(np.exp(np.log(MEDIAN) + SPREAD * z), rng.random(n) < heap)
        if which == 0:
            moves = (rng.random(users) < topup)[who] & (wish >= CUTOFF - REACH) & (wish < CUTOFF)
            wish = np.where(moves, CUTOFF + OVER * rng.random(n), wish)
            wish = np.where((wish >= 170) & (wish < 200) & (rng.random(n) < rung), 200 + 10 * rng.random(n), wish)
        basket.append(wish)
        user.append(who + which * users)
    more = round(new * n)
    basket.append(CUTOFF + rng.exponential(80.0, more))
    user.append(np.arange(more) + 2 * users)
    on = np.repeat([1, 0, 1] if compare else [1, 1], [*(n for _ in range(1 + compare)), more])
    table = pd.DataFrame({"basket": np.concatenate(basket), "user": np.concatenate(user), "promotion": on})
    extra, moved, above = _truth(topup, heap)
    call: dict[str, Any] = {"basket": "basket", "cutoff": CUTOFF, "cluster": "user" if each > 1 else None}
    if compare:
        call["compare"] = "promotion"
    truth = {
        "extra_gmv": extra, "excess_orders": moved * n, "excess_share": moved / above,
        "response": extra / moved if moved else 0.0, "reach": REACH, "new_orders": float(more),
    }  # fmt: skip
    return trial(table, truth, call)


def _priced(wish: Any, heaps: Any) -> Any:
    """Some baskets are one product of 99, 199, 299, ..."""
    return np.where(heaps, np.maximum(100.0 * np.round(wish / 100.0), 100.0) - 1.0, wish)


@cache
def _truth(topup: float, heap: float) -> tuple[float, float, float]:
    """GMV that topping up adds per order, share of orders topped up, share at or above the threshold; by quadrature."""
    wish = np.exp(np.log(MEDIAN) + SPREAD * ndtri((np.arange(_GRID) + 0.5) / _GRID))
    extra = moved = above = 0.0
    for share, at in ((1 - heap, wish), (heap, _priced(wish, True))):
        near = (at >= CUTOFF - REACH) & (at < CUTOFF)
        moved += share * topup * float(near.mean())
        extra += share * topup * float(((CUTOFF + OVER / 2 - at) * near).mean())
        above += share * float((at >= CUTOFF).mean())
    return extra, moved, above + moved
