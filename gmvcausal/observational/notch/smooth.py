"""Counts that run smoothly: Poisson fits of a polynomial in the logarithm of the basket, many draws at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.notch.grid import FloatArray, Grid

_STEPS = 60


@dataclass(frozen=True, eq=False)
class Design:
    """Columns of the fit.

    Attributes
    ----------
    columns : ndarray, shape (bins, p)
        Chebyshev polynomials of the logarithm of the middles, then the terms of round numbers.
    order : int
    round_terms : tuple of str
        Names of the latter.
    """

    columns: FloatArray
    order: int
    round_terms: tuple[str, ...] = ()


def design(grid: Grid, order: int, rounds: tuple[float, ...] = ()) -> Design:
    """Polynomial and terms of round numbers that bins outside of the window can tell from it.

    A multiple of a round number has two terms: the bin that ends there (prices like 99 and 299) and the bin that begins
    there (prices like 100). Their effects on the logarithm of the count are the same at every multiple.
    """
    x = np.log(grid.middles)
    x = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    columns = list(np.polynomial.chebyshev.chebvander(x, order).T)
    outside = np.ones(grid.bins, dtype=bool)
    outside[grid.low : grid.high] = False
    names: list[str] = []
    left, right = grid.edges[:-1], grid.edges[1:]
    for r in sorted(rounds):
        at = np.ceil(left / r - 1e-9) * r < right - 1e-9 * grid.width
        under = np.floor(right / r + 1e-9) * r > left + 1e-9 * grid.width
        for name, one in ((f"just below a multiple of {r:g}", under), (f"at a multiple of {r:g}", at)):
            told = min(int(one[outside].sum()), int((~one[outside]).sum())) >= 2
            wider = np.column_stack([*columns, one.astype(float)])[outside]
            if told and np.linalg.matrix_rank(wider) == wider.shape[1]:
                columns.append(one.astype(float))
                names.append(name)
    return Design(np.column_stack(columns), order, tuple(names))


def poisson(
    counts: FloatArray, columns: FloatArray, keep: NDArray[np.bool_], start: FloatArray | None = None
) -> FloatArray:
    """Coefficients of Poisson regressions, one for each row of counts, by Newton's method.

    Parameters
    ----------
    counts : ndarray, shape (draws, bins)
    columns : ndarray, shape (bins, p)
    keep : ndarray of bool, shape (bins,)
        Bins that are fitted.
    start : ndarray, shape (draws, p), optional

    Returns
    -------
    ndarray, shape (draws, p)
        NaN where it does not converge.

    Examples
    --------
    >>> counts = np.array([[8.0, 4.0, 2.0, 1.0]])
    >>> beta = poisson(counts, np.column_stack([np.ones(4), np.arange(4.0)]), np.ones(4, dtype=bool))
    >>> np.exp(beta).round(6).tolist()
    [[8.0, 0.5]]
    """
    x, n = columns[keep], counts[:, keep]
    beta: FloatArray = np.array(
        np.linalg.lstsq(x, np.log(n + 0.5).T, rcond=None)[0].T if start is None else start, dtype=np.float64
    )
    p = x.shape[1]
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), p * p)
    going = np.arange(len(n))
    for _ in range(_STEPS):
        mean = np.exp(np.clip(beta[going] @ x.T, -40, 40))
        hessian = (mean @ squares).reshape(-1, p, p)
        try:
            step = np.linalg.solve(hessian, ((n[going] - mean) @ x)[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        largest = np.abs(step @ x.T).max(axis=1)
        beta[going] += step * np.minimum(1.0, 3.0 / np.maximum(largest, 1e-300))[:, None]
        going = going[largest > 1e-9]
        if not len(going):
            return beta
    beta[going] = np.nan
    return beta


def likelihood(counts: FloatArray, columns: FloatArray, keep: NDArray[np.bool_]) -> float:
    """Logarithm of the likelihood at its maximum, without the part that only the counts decide."""
    fitted = poisson(counts[None], columns, keep)[0] @ columns[keep].T
    return float(counts[keep] @ fitted - np.exp(fitted).sum())
