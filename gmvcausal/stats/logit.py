"""Logistic regression by Newton's method, and which columns of a design are independent of those before them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_STEPS = 50
_SETTLED = 1e-10
_TOLERANCE = 1e-7
_PLAIN = 1e-6


class Logit(NamedTuple):
    """A fitted logistic regression.

    Attributes
    ----------
    beta : ndarray, shape (p,)
    odds : ndarray, shape (n,)
        x'beta: the log odds.
    chance : ndarray, shape (n,)
    bread : ndarray, shape (p, p)
        Inverse of the information, sum of w chance (1 - chance) x x'.
    """

    beta: FloatArray
    odds: FloatArray
    chance: FloatArray
    bread: FloatArray


def log_odds(x: FloatArray, beta: FloatArray) -> FloatArray:
    """x'beta, summed in one order for every row, so that equal rows have equal odds to the last bit."""
    out = np.zeros(len(x))
    for column, b in zip(x.T, beta, strict=True):
        out += column * b
    return out


def fit_logit(x: FloatArray, on: NDArray[np.bool_], weight: FloatArray) -> Logit | None:
    """Maximum likelihood of P(on) = 1 / (1 + exp(-x'beta)); None where the columns separate the two groups.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Independent columns of like scale, a constant among them.
    on : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)

    Notes
    -----
    Where some combination of the columns tells (nearly) all of one group from the other, the likelihood has no maximum:
    every Newton step moves the odds by about one and never less. So convergence is asked of the odds, not of the
    gradient, which dies away even then.

    Examples
    --------
    >>> x = np.column_stack([np.ones(4), [0.0, 0, 1, 1]])
    >>> fit = fit_logit(x, np.array([True, False, True, False]), np.array([1.0, 3, 1, 1]))
    >>> fit.chance.round(6).tolist()
    [0.25, 0.25, 0.5, 0.5]
    >>> fit_logit(x, np.array([False, False, True, True]), np.ones(4)) is None
    True
    """
    beta, index = np.zeros(x.shape[1]), np.zeros(len(x))
    target = on.astype(float)
    value = -np.inf
    # Column by column in memory: what follows are sums along columns.
    x = np.asfortranarray(x)
    chance = np.full(len(x), 0.5)
    for _ in range(_STEPS):
        info = (x.T * (weight * chance * (1.0 - chance))) @ x
        try:
            bread: FloatArray = np.asarray(np.linalg.inv(info), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        move = bread @ (x.T @ (weight * (target - chance)))
        step = log_odds(x, move)
        largest = float(np.abs(step).max())
        if not np.isfinite(largest):
            return None
        for _ in range(30):
            moved = index + step
            # log likelihood, written so that large odds cannot overflow
            small = np.exp(-np.abs(moved))
            now = float(weight @ (target * moved - np.maximum(moved, 0.0) - np.log1p(small)))
            if now >= value - 1e-9 * abs(value):
                break
            step, move = step / 2, move / 2
        beta, index, value = beta + move, moved, now
        chance = np.where(moved > 0, 1.0, small) / (1.0 + small)
        if largest < _SETTLED * max(1.0, float(np.abs(index).max())):
            index = log_odds(x, beta)
            with np.errstate(over="ignore"):  # odds beyond a double: the chance is 0
                chance = 1.0 / (1.0 + np.exp(-index))
            return Logit(beta, index, chance, bread)
    return None


def independent(x: FloatArray) -> NDArray[np.bool_]:
    """Which columns are no combination of those before them, shape (p,); a column of zeros is none either.

    Examples
    --------
    >>> x = np.array([[1.0, 2, 0, 1], [1, 2, 1, 3], [1, 2, 2, 6]])
    >>> independent(x).tolist()
    [True, False, True, True]
    """
    if _plainly(x):
        return np.ones(x.shape[1], dtype=bool)
    keep = np.zeros(x.shape[1], dtype=bool)
    basis = np.zeros((len(x), 0))
    for j in range(x.shape[1]):
        column = x[:, j].astype(float)
        size = float(np.sqrt(column @ column))
        for _ in range(2):
            column = column - basis @ (basis.T @ column)
        left = float(np.sqrt(column @ column))
        if size > 0 and left > _TOLERANCE * size and len(basis.T) < len(x):
            keep[j] = True
            basis = np.column_stack([basis, column / left])
    return keep


def _plainly(x: FloatArray) -> bool:
    """Whether products of the columns, which keep half the digits only, leave no doubt that none depends on others."""
    gram = x.T @ x
    size = np.sqrt(np.diag(gram))
    if not len(x) > x.shape[1] or not (size > 0).all() or not np.isfinite(size).all():
        return False
    return bool(np.linalg.eigvalsh(gram / np.outer(size, size)).min(initial=1.0) > _PLAIN)
