"""Two-stage designs: groups draw a share to treat, then users within them are drawn (Hudgens and Halloran 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.exposure.lottery import sums
from gmvcausal.stats.small_sample import trust_in, welch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cells:
    """Mean outcomes of the treated and the untreated at every saturation.

    Attributes
    ----------
    levels : ndarray, shape (L,)
        Shares that groups drew, in ascending order.
    mean : ndarray, shape (L, 2)
        Of the untreated and of the treated; NaN where there are none.
    users, groups : ndarray of int, shape (L, 2) and (L,)
    influence : ndarray, shape (groups, 2 L)
        On the means, untreated and treated of each level in turn.
    level : ndarray of int, shape (groups,)
        Position in `levels` of each group.
    size : ndarray, shape (groups,)
        Users.
    """

    levels: FloatArray
    mean: FloatArray
    users: IntArray
    groups: IntArray
    influence: FloatArray
    level: IntArray
    size: FloatArray

    @property
    def mixed(self) -> list[int]:
        """Levels that have treated and untreated users."""
        return [k for k in range(len(self.levels)) if self.users[k].all()]


@dataclass(frozen=True, eq=False)
class Contrast:
    """A difference of two cells.

    Attributes
    ----------
    term, estimand : str
    plus, minus : int
        Cells: 2 x level + treated.
    """

    term: str
    estimand: str
    plus: int
    minus: int


def cells(y: FloatArray, treated: FloatArray, group: IntArray, saturation: FloatArray) -> Cells:
    """Means over users, every user alike, and how each group moves them.

    Parameters
    ----------
    y, treated : ndarray, shape (n,)
    group : ndarray of int, shape (n,)
        Dense codes.
    saturation : ndarray, shape (groups,)

    Examples
    --------
    >>> found = cells(np.array([1.0, 3, 2, 6]), np.array([0.0, 0, 0, 1]), np.array([0, 0, 1, 1]), np.array([0, 0.5]))
    >>> found.mean.tolist()
    [[2.0, nan], [2.0, 6.0]]
    """
    levels, level = np.unique(saturation, return_inverse=True)
    k, g = len(levels), len(saturation)
    cell = 2 * level[group] + treated.astype(np.int64)
    users = np.bincount(cell, minlength=2 * k)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(cell, y, minlength=2 * k) / users
    rest = (y - mean[cell]) / users[cell]
    influence = sums(group * 2 * k + cell, rest, g * 2 * k).reshape(g, 2 * k)
    size = np.bincount(group).astype(float)
    return Cells(
        levels, mean.reshape(k, 2), users.reshape(k, 2), np.bincount(level, minlength=k), influence, level, size
    )


def contrasts(c: Cells) -> list[Contrast]:
    """Direct, spillover and total at the highest level with both arms, then at each level, then with all treated."""
    shown = [f"{level:.4g}" for level in c.levels]
    base = f"untreated users in groups at {shown[0]}"
    top = c.mixed[-1] if c.mixed else None
    out: list[Contrast] = []
    for k in [] if top is None else [top, *c.mixed]:
        first = k == top and not out
        end = "" if first else f" at {shown[k]}"
        at = f"in groups at {shown[k]}"
        out.append(Contrast(f"direct{end}", f"treated less untreated users {at}", 2 * k + 1, 2 * k))
        if k:
            out.append(Contrast(f"spillover{end}", f"untreated users {at} less {base}", 2 * k, 0))
            out.append(Contrast(f"total{end}", f"treated users {at} less {base}", 2 * k + 1, 0))
    last = len(c.levels) - 1
    if last not in c.mixed:
        more = "total" if top is None else "total, all treated"
        out.append(Contrast(more, f"users in groups at {shown[last]} less {base}", 2 * last + 1, 0))
    return out


def estimate(c: Cells, asked: list[Contrast]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Estimates, their covariance by groups, degrees of freedom and factor (Bell and McCaffrey 2002)."""
    flat = c.mean.ravel()
    value = np.array([flat[a.plus] - flat[a.minus] for a in asked])
    moved = np.column_stack([c.influence[:, a.plus] - c.influence[:, a.minus] for a in asked])
    k = len(c.levels)
    variance = np.stack([sums(c.level, column**2, k) for column in moved.T])
    spread = welch(variance, trust_in(c.size, c.level, k))
    return value, moved.T @ moved, spread.df, spread.factor
