"""Regressions of which the slopes, what each row adds to them, and one Newton step with other weights are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.logit import fit_logit

FloatArray = NDArray[np.float64]

KINDS = ("linear", "logit", "log")
_STEPS = 100
_SETTLED = 1e-10


@dataclass(frozen=True, eq=False)
class Equation:
    """One fitted regression with a canonical link.

    Attributes
    ----------
    kind : {"linear", "logit", "log"}
        Least squares, logistic regression, or the Poisson likelihood with a log link (of any amounts that are not
        negative: only their mean is modelled).
    x : ndarray, shape (n, p)
    beta : ndarray, shape (p,)
    residual : ndarray, shape (n,)
        Outcome less its fitted mean; 0 in rows that are left out.
    curve : ndarray, shape (n,), or None
        Slope of the mean in its index, by which the information weighs rows; None stands for ones.
    bread : ndarray, shape (p, p)
        Inverse of the information.
    used : int
        Rows that were fitted.
    absorbed : int
        Means that fixed effects took out beforehand; they count among the slopes.
    """

    kind: str
    x: FloatArray
    beta: FloatArray
    residual: FloatArray
    curve: FloatArray | None
    bread: FloatArray
    used: int
    absorbed: int = 0

    @property
    def p(self) -> int:
        """Slopes."""
        return len(self.beta)

    def influence(self) -> FloatArray:
        """What each row adds to each slope, shape (n, p), with the factor n / (n - p) of HC1 (p with absorbed)."""
        factor = np.sqrt(self.used / max(self.used - self.p - self.absorbed, 1))
        out: FloatArray = (self.x * (self.residual * factor)[:, None]) @ self.bread
        return out

    @property
    def width(self) -> int:
        """Columns of `pieces`."""
        return self.p + self.p * (self.p + 1) // 2

    def pieces(self, rows: slice) -> FloatArray:
        """What each row adds to score and information, shape (rows, width)."""
        x = self.x[rows]
        weighted = x if self.curve is None else x * self.curve[rows, None]
        i, j = np.triu_indices(self.p)
        return np.hstack([x * self.residual[rows, None], weighted[:, i] * x[:, j]])

    def step(self, sums: FloatArray) -> FloatArray:
        """Slopes after one Newton step with other weights: exact for least squares, to second order for the others.

        Parameters
        ----------
        sums : ndarray, shape (draws, width)
            Weighted sums of `pieces`.

        Returns
        -------
        ndarray, shape (draws, p)
            NaN where the weights leave no information.
        """
        i, j = np.triu_indices(self.p)
        info = np.zeros((len(sums), self.p, self.p))
        info[:, i, j] = info[:, j, i] = sums[:, self.p :]
        # Absorbed means are not taken anew: what they cost in freedom is added to every move.
        stretch = np.sqrt(self.used / max(self.used - self.absorbed, 1))
        score = sums[:, : self.p, None] * stretch
        try:
            return np.asarray(self.beta + np.linalg.solve(info, score)[:, :, 0])
        except np.linalg.LinAlgError:
            out = np.full((len(sums), self.p), np.nan)
            for k in range(len(sums)):
                if np.linalg.matrix_rank(info[k]) == self.p:
                    out[k] = self.beta + np.linalg.solve(info[k], score[k])[:, 0]
            return out


def mean_of(kind: str, index: NDArray[Any]) -> NDArray[Any]:
    """Mean at an index; takes complex numbers, so that slopes come by a step along the imaginary axis."""
    if kind == "linear":
        return index
    if kind == "log":
        return np.asarray(np.exp(index))
    return np.asarray(1.0 / (1.0 + np.exp(-index)))


def fit(
    kind: str, x: FloatArray, y: FloatArray, keep: NDArray[np.bool_] | None = None, absorbed: int = 0
) -> Equation | None:
    """Fit one regression; None where the likelihood has no maximum (a group is told exactly).

    Parameters
    ----------
    kind : {"linear", "logit", "log"}
    x : ndarray, shape (n, p)
        Independent columns of like scale.
    y : ndarray, shape (n,)
    keep : ndarray of bool, shape (n,), optional
        Rows that are fitted.
    absorbed : int
        Means taken out of `x` and `y` beforehand (least squares).

    Examples
    --------
    >>> x = np.column_stack([np.ones(4), [0.0, 0, 1, 1]])
    >>> fit("linear", x, np.array([1.0, 3, 4, 8])).beta.round(9).tolist()
    [2.0, 4.0]
    >>> np.exp(fit("log", x, np.array([1.0, 3, 4, 8])).beta).round(9).tolist()
    [2.0, 3.0]
    """
    own = slice(None) if keep is None else keep
    used = len(x) if keep is None else int(keep.sum())
    residual, curve = np.zeros(len(x)), None
    if kind == "linear":
        q, r = np.linalg.qr(x[own])
        beta = np.linalg.solve(r, q.T @ y[own])
        back = np.linalg.solve(r, np.eye(len(r)))
        residual[own] = y[own] - x[own] @ beta
        return Equation(kind, x, beta, residual, None, back @ back.T, used, absorbed)
    if kind == "logit":
        found = fit_logit(x[own], y[own] == 1, np.ones(used))
        if found is None:
            return None
        curve = np.zeros(len(x))
        residual[own], curve[own] = y[own] - found.chance, found.chance * (1 - found.chance)
        return Equation(kind, x, found.beta, residual, curve, found.bread, used)
    slopes = _log_slopes(x[own], y[own])
    if slopes is None:
        return None
    mean = np.exp(x[own] @ slopes)
    curve = np.zeros(len(x))
    residual[own], curve[own] = y[own] - mean, mean
    bread: FloatArray = np.asarray(np.linalg.inv((x.T * curve) @ x), dtype=np.float64)
    return Equation(kind, x, slopes, residual, curve, bread, used)


def _log_slopes(x: FloatArray, y: FloatArray) -> FloatArray | None:
    """Poisson likelihood by Newton's method with halved steps."""
    top = float(y.mean())
    if not top > 0:
        return None
    level = y / top
    beta = np.linalg.lstsq(x, np.full(len(x), 0.0), rcond=None)[0]
    value = -np.inf
    index = x @ beta
    for _ in range(_STEPS):
        mean = np.exp(index)
        try:
            move = np.linalg.solve((x.T * mean) @ x, x.T @ (level - mean))
        except np.linalg.LinAlgError:
            return None
        step = x @ move
        for _ in range(40):
            moved = index + step
            with np.errstate(over="ignore"):
                now = float(level @ moved - np.exp(moved).sum())
            if now >= value - 1e-12 * abs(value):
                break
            move, step = move / 2, step / 2
        beta, index, value = beta + move, moved, now
        largest = float(np.abs(step).max())
        if not np.isfinite(largest) or float(np.abs(index).max()) > 300:
            return None
        if largest < _SETTLED * max(1.0, float(np.abs(index).max())):
            first = x[:, 0]  # the constant takes the scale back
            return np.asarray(beta + np.log(top) * np.eye(len(beta))[0] / first[0])
    return None
