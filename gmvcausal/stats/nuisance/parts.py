"""One quantity under every arm: what arms have in common, and what sets each of them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.boost import Bins, Recipe, recipe
from gmvcausal.stats.nuisance.boosted import Matrix, Trees, unlink
from gmvcausal.stats.nuisance.line import Columns, Line, fit_least_squares, fit_line, picked, working

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# How much of what sets an arm apart the line says, the trees saying the rest: the first, unless held-out rows object.
LEANS = (0.5, 0.0, 1.0)
MANY, LARGE = 50_000, 100_000


@dataclass(frozen=True, eq=False)
class Part:
    """An outcome, a chance or an amount under every arm, on the scale of its link.

    Attributes
    ----------
    line : Line or None
        What arms have in common, along a straight line; None where there are too many columns for lines.
    trees : Trees
        What arms have in common and the line misses.
    shift : tuple of float
        Of each arm, the control first.
    lines : tuple of Line
        What each arm but the control adds to it, along a straight line; empty where there are too many columns.
    own : tuple of Trees
        The same by trees.
    share : tuple of float
        Of each arm but the control among the rows.
    lean : float
        How much of what an arm adds is said by its line; the trees say the rest.
    objective : str
    """

    line: Line | None
    trees: Trees
    shift: tuple[float, ...]
    lines: tuple[Line, ...]
    own: tuple[Trees, ...]
    share: tuple[float, ...]
    lean: float
    objective: str

    def told(self, x: Matrix, threads: int = 1) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What arms share, shape (n,), and what each adds by its line and by its trees, shape (n, k) each."""
        base = self.trees.raw(x, threads)
        if self.line is not None:
            base = base + self.line.predict(x)
        by_trees = np.column_stack([t.predict(x, threads) for t in self.own])
        by_lines = np.column_stack([v.predict(x) for v in self.lines]) if self.lines else by_trees
        return base, by_lines, by_trees

    def joined(self, base: FloatArray, by_lines: FloatArray, by_trees: FloatArray) -> FloatArray:
        """Means under every arm from what `told` has said, shape (n, arms)."""
        gain = self.lean * by_lines + (1 - self.lean) * by_trees
        # What arms share is their mixture, not the control.
        control = -(gain @ np.array(self.share))
        eta = np.column_stack([control, gain + control[:, None]]) + base[:, None] + np.array(self.shift)
        return unlink(eta, self.objective)

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, arms)."""
        return self.joined(*self.told(x, threads))

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {
            "line": None if self.line is None else self.line.to_dict(), "trees": self.trees.to_dict(),
            "shift": list(self.shift), "lines": [v.to_dict() for v in self.lines],
            "own": [t.to_dict() for t in self.own], "share": list(self.share), "lean": self.lean,
            "objective": self.objective,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Part:
        """What `to_dict` made."""
        return cls(
            None if found["line"] is None else Line.from_dict(found["line"]), Trees.from_dict(found["trees"]),
            tuple(map(float, found["shift"])), tuple(Line.from_dict(v) for v in found["lines"]),
            tuple(Trees.from_dict(t) for t in found["own"]), tuple(map(float, found["share"])), float(found["lean"]),
            str(found["objective"]),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Apart:
    """A quantity under every arm, learned from the rows of that arm alone.

    Attributes
    ----------
    own : tuple of Trees
    objective : str
    """

    own: tuple[Trees, ...]
    objective: str

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, arms)."""
        return np.column_stack([t.predict(x, threads) for t in self.own])

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {"apart": [t.to_dict() for t in self.own], "objective": self.objective}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Apart:
        """What `to_dict` made."""
        return cls(tuple(Trees.from_dict(t) for t in found["apart"]), str(found["objective"]))


def fit_apart(bins: Bins, rows: IntArray, target: FloatArray, arm: IntArray, arms: int, objective: str) -> Apart:
    """Learn `target`, which all rows of `bins` have, from `rows`: every arm by itself."""
    each = (rows[arm[rows] == a] for a in range(arms))
    return Apart(tuple(bins.train(at, target[at], recipe(len(at), objective)) for at in each), objective)


def fit_part(
    bins: Bins, columns: Columns | None, rows: IntArray, target: FloatArray, arm: IntArray, arms: int, objective: str,
    most: int | None = None,
) -> Part:  # fmt: skip
    """Learn `target` on `rows`: over all arms first, then what sets each arm apart, which is mostly little.

    What arms share is a line and, for what that misses, trees. What an arm adds is one Newton step from there, as a
    weighted regression, once along a line and once by trees, both shrunk: neither knows which of them is right.

    Parameters
    ----------
    columns : Columns or None
        None does without lines.
    target, arm : ndarray, shape (n,)
        Of all rows of `bins`.
    most : int, optional
        What an arm adds is learned from fewer than twice as many rows: every second, third, ... Default: from all.
    """
    wanted, got = target[rows], arm[rows]
    line, start = None, np.zeros(len(rows))
    if columns is not None:
        line = fit_line(columns, bins.x, rows, wanted, objective)
        start = line.predict(picked(bins.x, rows))
    how = _beneath(len(rows), objective, line is not None)
    if objective == "regression":
        trees, said = bins.grow(rows, wanted - start, how)
    else:
        trees, said = bins.grow(rows, wanted, how, start=None if line is None else start)
    known = start + said
    shift = np.array([_shift(wanted[got == a], known[got == a], objective) for a in range(arms)])
    known = known + shift[got]
    sizes = np.bincount(got, minlength=arms)
    lines: list[Line] = []
    own: list[Trees] = []
    for a in range(1, arms):
        pair = np.flatnonzero((got == 0) | (got == a))
        if most is not None:
            pair = pair[:: max(len(pair) // most, 1)]
        share = sizes[a] / max(sizes[0] + sizes[a], 1)
        on = (got[pair] == a) - share
        rest, weight = working(wanted[pair], known[pair], objective)
        gain, weight = rest / on, weight * on * on
        at = rows[pair]
        if columns is not None:
            lines.append(fit_least_squares(columns, bins.x, at, gain, weight)[0])
        own.append(bins.train(at, gain, little(len(at), objective), weight=weight))
    share_of = tuple((sizes[1:] / max(sizes.sum(), 1)).tolist())
    lean = LEANS[0] if lines else 0.0
    return Part(line, trees, tuple(shift.tolist()), tuple(lines), tuple(own), share_of, lean, objective)


def _beneath(n: int, objective: str, lined: bool) -> Recipe:
    """Trees of what arms share; above a line that has said most of it they are few unless there are many rows."""
    if not lined or objective == "regression" or n >= MANY:
        return recipe(n, objective)
    return Recipe(40, 6, 0.06, max(20, n // 50), 5.0, objective)


def little(n: int, objective: str) -> Recipe:
    """Trees of what an arm adds: shallow and slow, those of amounts most of all, since few buy and they differ most."""
    if objective == "gamma":
        return Recipe(20, 3, 0.04, max(20, n // 10), 10.0)
    few = 4 if objective == "regression" else 3
    part = 50 if objective == "regression" else 20
    if n >= LARGE:  # half as many, twice as fast: effects that vary have the same error (.454 of 240,000 rows)
        return Recipe(30, 6, 0.1, 2000, 10.0)
    return Recipe(60, 6 if n >= MANY else few, 0.05, max(20, min(n // part, 2000)), 10.0)


def _shift(target: FloatArray, start: FloatArray, objective: str) -> float:
    """What makes the mean of an arm right, on the scale of the link."""
    if not len(target):
        return 0.0
    if objective == "regression":
        return float((target - start).mean())
    if objective == "gamma":
        return float(np.log(np.maximum((target * np.exp(-start)).mean(), 1e-12)))
    shift, wanted = 0.0, float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    for _ in range(30):
        p = unlink(start + shift, objective)
        move = float((wanted - p.mean()) / max((p * (1 - p)).mean(), 1e-12))
        shift += float(np.clip(move, -1, 1))
        if abs(move) < 1e-10:
            break
    return shift


def lower(loss: FloatArray, other: FloatArray, errors: float = 1.0) -> bool:
    """Whether the mean of `loss` is below that of `other` by more than `errors` paired standard errors.

    Examples
    --------
    >>> lower(np.array([1.0, 2, 3]), np.array([2.0, 3, 4.5])), lower(np.array([1.0, 9]), np.array([2.0, 8.5]))
    (True, False)
    """
    gap = other - loss
    return bool(gap.mean() > errors * gap.std(ddof=1) / np.sqrt(len(gap)))
