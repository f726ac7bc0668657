"""What an order pays: the threshold coupon 满减, other discounts, and the exact means of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from gmvcausal.simulate.amounts import FloatArray, Tail
from gmvcausal.simulate.dials import Dials

_NODES = 64


@dataclass(frozen=True, eq=False)
class Threshold:
    """Exact mean list price and mean discount under a threshold coupon, on a grid of the log basket's mean.

    Attributes
    ----------
    grid, list_price, used : array, shape (401,)
        Log mean; mean list price, top-ups included; chance that the coupon is used.
    """

    grid: FloatArray
    list_price: FloatArray
    used: FloatArray

    def means(self, mu: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean list price and chance of use for log baskets with these means."""
        return np.interp(mu, self.grid, self.list_price), np.interp(mu, self.grid, self.used)


def top_up(d: Dials, basket: FloatArray, chance: FloatArray, over: FloatArray) -> FloatArray:
    """Baskets just under the threshold are topped up to just above it, some of them.

    Examples
    --------
    >>> import numpy as np
    >>> top_up(Dials(), np.array([290.0, 290.0, 100.0]), np.array([0.1, 0.9, 0.1]), np.array([0.5, 0.5, 0.5])).tolist()
    [307.5, 290.0, 100.0]
    """
    near = (basket >= d.threshold - d.topup_reach) & (basket < d.threshold) & (chance < d.topup)
    return np.where(near, d.threshold + d.topup_over * over, basket)


def threshold_means(d: Dials, tail: Tail) -> Threshold:
    """Work out the means: closed in the lognormal part, Gauss–Legendre over the Pareto that multiplies it."""
    spread = 6.0 * (abs(d.basket_budget) + abs(d.basket_host)) + 0.01
    grid = np.linspace(d.basket - spread, d.basket + spread, 401)
    x, w = np.polynomial.legendre.leggauss(_NODES)
    factors = np.concatenate([[1.0], tail.factor(np.full(_NODES, -1.0), 0.5 * (x + 1.0))])
    weights = np.concatenate([[1.0 - tail.share], tail.share * 0.5 * w])
    list_price, used = np.zeros(len(grid)), np.zeros(len(grid))
    low = max(d.threshold - d.topup_reach, 1e-9)
    for factor, weight in zip(factors, weights, strict=True):
        mu = grid + np.log(factor)
        mean = np.exp(mu + 0.5 * d.basket_sd**2)

        def below(at: float, power: float, mu: FloatArray = mu) -> FloatArray:
            return np.asarray(ndtr((np.log(at) - mu) / d.basket_sd - power * d.basket_sd))

        near = below(d.threshold, 0.0) - below(low, 0.0)
        theirs = mean * (below(d.threshold, 1.0) - below(low, 1.0))
        list_price += weight * (mean + d.topup * ((d.threshold + 0.5 * d.topup_over) * near - theirs))
        used += weight * (1.0 - below(d.threshold, 0.0) + d.topup * near)
    # the heavy tail's mean is closed, and better than its quadrature
    exact = np.exp(grid + 0.5 * d.basket_sd**2) * tail.moment(1.0)
    rough = np.exp(grid + 0.5 * d.basket_sd**2) * float(weights @ factors)
    return Threshold(grid, list_price + exact - rough, used)
