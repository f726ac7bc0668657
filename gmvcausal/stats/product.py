"""A change of a product shared out among its factors, so that the shares add up.

Both ways take complex numbers, so that derivatives come by a step along the imaginary axis, without rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_NEAR = 1e-4  # below it the series of expm1(u) / u has more digits than the quotient


def shapley(then: Any, now: Any) -> Any:
    """Shapley's share of each factor: what its change adds to the product, averaged over all orders of the changes.

    The mean over the K! orders weighs the subsets S of the other factors, those that have changed before, by
    |S|! (K - 1 - |S|)! / K!, which is the integral of t^|S| (1 - t)^(K - 1 - |S|) over t from 0 to 1. So the sum over
    2^(K - 1) subsets is an integral along the straight line from `then` to `now`,

        (now_k - then_k) * integral of the product over j != k of (then_j + t (now_j - then_j)),

    of a polynomial of degree K - 1, for which the rule of Gauss and Legendre with K / 2 nodes is exact.

    Parameters
    ----------
    then, now : ndarray, shape (K, ...)
        The factors before and after.

    Returns
    -------
    ndarray, shape (K, ...)
        They add up to the product of `now` less that of `then`.

    References
    ----------
    Shapley (1953); Shorrocks (2013), Journal of Economic Inequality 11.

    Examples
    --------
    >>> shapley(np.array([2.0, 3.0]), np.array([4.0, 5.0])).tolist()
    [8.0, 6.0]
    """
    k = len(then)
    nodes, weights = np.polynomial.legendre.leggauss((k + 1) // 2)
    step = now - then
    share = np.zeros_like(step)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        level = (1 - node) * then + node * now
        for i in range(k):
            share[i] += weight * np.prod(np.delete(level, i, axis=0), axis=0)
    return step * share


def lmdi(then: Any, now: Any) -> Any:
    """Additive shares by the logarithmic mean Divisia index (LMDI-I): L(now, then) x the log ratio of each factor.

    L(a, b) = (a - b) / log(a / b) is the logarithmic mean of the product. Nothing is left over, and a factor that does
    not change has no share.

    Parameters
    ----------
    then, now : ndarray, shape (K, ...)
        The factors before and after, above 0.

    Returns
    -------
    ndarray, shape (K, ...)
        They add up to the product of `now` less that of `then`.

    References
    ----------
    Ang (2004), Energy Policy 32; Ang (2005), Energy Policy 33.

    Examples
    --------
    >>> shares = lmdi(np.array([2.0, 3.0]), np.array([4.0, 5.0]))
    >>> shares.round(6).tolist(), round(float(shares.sum()), 9)
    ([8.060033, 5.939967], 14.0)
    """
    logs = np.log(now / then)
    u = logs.sum(axis=0)
    safe = np.where(np.abs(u) < _NEAR, 1.0, u)
    mean = np.where(np.abs(u) < _NEAR, 1 + u / 2 + u * u / 6 + u**3 / 24, np.expm1(safe) / safe)
    return np.prod(then, axis=0) * mean * logs
