"""Straight lines on the scale of a link: ridge regressions whose penalty the data choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.boosted import Matrix, link, unlink
from gmvcausal.stats.threads import one_thread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WIDEST = 200  # columns; the moments of more are slow, and trees do without
_FAR = 3.0  # standard deviations from which on a number counts as this far: a line must not run away with a tail
_BLOCK = 65_536
_ENOUGH = 50_000  # rows that bring a line near enough for the last step
_SETTLED = 3  # steps after which the penalty is kept
_RIDGES = 10.0 ** np.arange(-6.0, 6.01, 0.25)  # times the mean eigenvalue


@dataclass(frozen=True, eq=False)
class Columns:
    """Features as a line takes them: numbers in standard deviations, gaps at the mean and marked, a column for a level.

    Attributes
    ----------
    middle, spread : ndarray, shape (p,)
        Of each number, without gaps; 0 and 1 for categories.
    gaps : tuple of bool
        Whether a column had gaps.
    levels : tuple of int
        Number of levels of each category; 0 for numbers.
    """

    middle: FloatArray
    spread: FloatArray
    gaps: tuple[bool, ...]
    levels: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of columns that a line has coefficients for."""
        return sum((n or 1) + gap for n, gap in zip(self.levels, self.gaps, strict=True))

    def each(self, x: Matrix) -> Iterator[FloatArray]:
        """One column after the other, each of shape (n,)."""
        for j, (levels, gap) in enumerate(zip(self.levels, self.gaps, strict=True)):
            own = x[:, j].astype(np.float64)
            gone = np.isnan(own)
            if levels:
                yield from ((own == level).astype(float) for level in range(levels))
            else:
                own -= self.middle[j]
                own /= self.spread[j]
                np.clip(own, -_FAR, _FAR, out=own)
                own[gone] = 0.0
                yield own
            if gap:
                yield gone.astype(float)

    def dense(self, x: Matrix) -> FloatArray:
        """All columns, shape (n, width)."""
        out = np.empty((len(x), self.width), order="F")
        for j, column in enumerate(self.each(x)):
            out[:, j] = column
        return out

    def to_dict(self) -> dict[str, Any]:
        """Numbers for a file."""
        return {
            "middle": self.middle.tolist(), "spread": self.spread.tolist(), "gaps": list(self.gaps),
            "levels": list(self.levels),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Columns:
        """What `to_dict` made."""
        return cls(
            np.array(found["middle"], dtype=float), np.array(found["spread"], dtype=float),
            tuple(map(bool, found["gaps"])), tuple(map(int, found["levels"])),
        )  # fmt: skip


def picked(x: Matrix, rows: IntArray) -> Matrix:
    """Rows of `x` with each column in one piece, as it is read: `x[rows]` would put them row after row."""
    return x.T[:, rows].T


def columns_of(x: Matrix, categorical: Sequence[int]) -> Columns | None:
    """What the columns of `x` are; None if they would be more than 200.

    Examples
    --------
    >>> found = columns_of(np.array([[1, 0], [3, 1], [np.nan, 2]], dtype=np.float32), [1])
    >>> found.width, found.dense(np.array([[3, 2]], dtype=np.float32)).tolist()
    (5, [[1.0, 0.0, 0.0, 0.0, 1.0]])
    """
    p = x.shape[1]
    middle, spread, gaps, levels = np.zeros(p), np.ones(p), [], []
    for j in range(p):
        own = np.asarray(x[:, j], dtype=np.float64)
        live = own[~np.isnan(own)]
        gaps.append(len(live) < len(own))
        levels.append(int(live.max(initial=-1.0)) + 1 if j in categorical else 0)
        if j not in categorical and len(live):
            middle[j], spread[j] = live.mean(), live.std() or 1.0
    found = Columns(middle, spread, tuple(gaps), tuple(levels))
    return found if 0 < found.width <= WIDEST else None


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line: a constant and a slope for each column.

    Attributes
    ----------
    columns : Columns
    constant : float
    slope : ndarray, shape (width,)
    """

    columns: Columns
    constant: float
    slope: FloatArray

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Where the line is at each row, on the scale of the link, shape (n,); `threads` is not used."""
        out = np.full(len(x), self.constant)
        if not self.slope.any():
            return out
        for slope, column in zip(self.slope, self.columns.each(x), strict=True):
            out += slope * column
        return out

    def to_dict(self) -> dict[str, Any]:
        """Numbers for a file."""
        return {"columns": self.columns.to_dict(), "constant": self.constant, "slope": self.slope.tolist()}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Line:
        """What `to_dict` made."""
        slope = np.array(found["slope"], dtype=float)
        return cls(Columns.from_dict(found["columns"]), float(found["constant"]), slope)


def fit_least_squares(
    columns: Columns, x: Matrix, rows: IntArray, target: FloatArray, weight: FloatArray, ridge: float | None = None
) -> tuple[Line, float]:
    """The line nearest to `target` in weighted squares, its slopes shrunk; and the penalty.

    Parameters
    ----------
    columns : Columns
    x : ndarray, shape (N, p)
    rows : ndarray of int, shape (n,)
        What is learned from.
    target, weight : ndarray, shape (n,)
    ridge : float, optional
        Penalty on the squared slopes. By default the one under which the data are most likely: `likeliest`.
    """
    total = float(weight.sum())
    if not len(rows) or not total > 0:
        return Line(columns, 0.0, np.zeros(columns.width)), np.inf
    middle = float((weight * target).sum()) / total
    rest = target - middle
    gram, moment, mean = np.zeros((columns.width, columns.width)), np.zeros(columns.width), np.zeros(columns.width)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        z, w = columns.dense(picked(x, rows[part])), weight[part]
        weighted = z * w[:, None]
        gram += weighted.T @ z
        moment += weighted.T @ rest[part]
        mean += weighted.sum(axis=0)
    gram -= np.outer(mean, mean) / total
    value, vector = np.linalg.eigh(gram)
    value, along = np.maximum(value, 0.0), vector.T @ moment
    chosen = ridge
    if chosen is None:
        varying = int((np.diag(gram) > 1e-12 * np.diag(gram).max(initial=0.0)).sum())
        chosen = likeliest(value, along, float((weight * rest * rest).sum()), len(rows), varying)
    live = value + chosen > 1e-12 * value.max(initial=0.0)
    slope = np.asarray(vector @ np.divide(along, value + chosen, out=np.zeros(len(along)), where=live))
    return Line(columns, middle - float(slope @ mean) / total, slope), chosen


def likeliest(value: FloatArray, along: FloatArray, square: float, n: int, varying: int | None = None) -> float:
    """The penalty that makes the data most likely if slopes and errors are normal with variances that are not known.

    Parameters
    ----------
    value, along : ndarray, shape (p,)
        Eigenvalues of the weighted products of the centred columns, and those with the target along the eigenvectors.
    square : float
        Of the centred target.
    n : int
        Rows.
    varying : int, optional
        Columns that vary: a constant one does not move the grid. By default all.

    Returns
    -------
    float
        The variance of the errors over that of the slopes, from a grid; infinite where no slopes are likelier still.

    References
    ----------
    MacKay (1992), Neural Computation 4: the marginal likelihood, with the errors' variance at its maximum.

    Examples
    --------
    >>> likeliest(np.array([100.0]), np.array([1.0]), 90.0, 100)
    inf
    >>> round(likeliest(np.array([100.0]), np.array([90.0]), 90.0, 100), 3)
    0.1
    """
    scale = float(value.sum()) / max(len(value) if varying is None else varying, 1)
    if not scale > 0 or not square > 0 or n < 3:
        return float("inf")
    tried = _RIDGES[:, None] * scale
    left = np.maximum(square - (along**2 / (value + tried)).sum(axis=1), 1e-12 * square)
    unlikely = np.log1p(value / tried).sum(axis=1) + (n - 1) * np.log(left / square)
    best = int(np.argmin(unlikely))
    return float(tried[best, 0]) if unlikely[best] < 0 else float("inf")  # no slopes at all have 0


@one_thread()
def fit_line(
    columns: Columns, x: Matrix, rows: IntArray, target: FloatArray, objective: str, ridge: float | None = None
) -> Line:
    """A generalised linear model by iterated weighted least squares: log odds of chances, logarithms of amounts, means.

    Parameters
    ----------
    columns, x, rows, target, ridge
        As in `fit_least_squares`; the target is a chance, an amount or any number.
    objective : {"binary", "gamma", "regression"}

    References
    ----------
    Nelder and Wedderburn (1972), Journal of the Royal Statistical Society A 135. Of 100,000 rows or more the steps are
    taken on a sample of every second, third, ... row, and one step follows on all of them, which is as good as the
    maximum (Le Cam 1956): what the sample leaves is squared by it.
    """
    flat = Line(columns, float(link(target.mean(), objective)) if len(target) else 0.0, np.zeros(columns.width))
    if not len(target) or target.min() == target.max():
        return flat
    if objective == "regression":
        return fit_least_squares(columns, x, rows, target, np.ones(len(rows)), ridge)[0]
    own, eta, found = picked(x, rows), np.full(len(rows), flat.constant), flat
    every = len(rows) // _ENOUGH
    if every > 1:
        eta = fit_line(columns, x, rows[::every], target[::every], objective, ridge).predict(own)
    for step in range(25 if every < 2 else 1):
        rest, weight = working(target, eta, objective)
        found, used = fit_least_squares(columns, x, rows, eta + rest, weight, ridge)
        if step == _SETTLED:
            ridge = used  # from here on one problem, whose steps converge
        new = found.predict(own)
        moved = float(np.abs(new - eta).max())
        eta = new
        if moved < 1e-6:
            break
    even = deviance(target, np.full(len(target), target.mean()), objective).sum()
    return found if deviance(target, unlink(eta, objective), objective).sum() <= even else flat


def working(target: FloatArray, eta: FloatArray, objective: str) -> tuple[FloatArray, FloatArray]:
    """How far each target is from its mean on the scale of the link, and the weight of that: one step of Newton.

    Examples
    --------
    >>> rest, weight = working(np.array([1.0, 0.0]), np.zeros(2), "binary")
    >>> rest.tolist(), weight.tolist()
    ([2.0, -2.0], [0.25, 0.25])
    """
    if objective == "regression":
        return target - eta, np.ones(len(eta))
    mean = unlink(eta, objective)
    if objective == "gamma":
        return target / np.maximum(mean, 1e-300) - 1, np.ones(len(eta))
    weight = np.maximum(mean * (1 - mean), 1e-6)
    return (target - mean) / weight, weight


def deviance(target: FloatArray, mean: FloatArray, objective: str) -> FloatArray:
    """Loss of each row, shape (n,): squares; -2 log likelihood of chances and, but for a constant, of amounts.

    Examples
    --------
    >>> deviance(np.array([2.0]), np.array([2.0]), "gamma").round(9).tolist()
    [3.386294361]
    """
    if objective == "regression":
        return np.asarray((target - mean) ** 2)
    if objective == "gamma":
        safe = np.maximum(mean, 1e-300)
        return np.asarray(2 * (np.log(safe) + target / safe))
    safe = np.clip(mean, 1e-12, 1 - 1e-12)
    return np.asarray(-2 * np.where(target > 0.5, np.log(safe), np.log1p(-safe)))
