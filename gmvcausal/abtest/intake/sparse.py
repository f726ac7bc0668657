"""The rows of a test of which most are zero throughout, without writing these out.

A market drawn for a study of the verb has millions of users of whom one in twenty buys. What the verb asks of its rows
follows from the rows of buyers and the number of the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gmvcausal.abtest.designs.designs import Facts
from gmvcausal.abtest.intake.rows import Ask, Col, FloatArray, IntArray, Look, Mass, Rows, Shape
from gmvcausal.moments import Moments, merge


@dataclass(frozen=True, eq=False)
class Sparse:
    """A test of independent rows; members as in `Rows`.

    Attributes
    ----------
    live : Rows
        The rows that are not zero throughout.
    zeros : ndarray of int, shape (arms,)
        How many further rows of each arm are zero in every column.
    """

    live: Rows
    zeros: IntArray
    strata: int = 1
    cluster_name: str = ""
    unit_checked: str = ""
    notes: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    spacing: dict[str, float] = field(default_factory=dict)
    expanded: dict[str, tuple[Col, ...]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    of_strata: tuple[Col, ...] = ()

    @property
    def labels(self) -> tuple[Any, ...]:
        """Labels of the arms."""
        return self.live.labels

    @property
    def control(self) -> int:
        """Position of the control."""
        return self.live.control

    @property
    def rows(self) -> int:
        """Rows, zeros counted."""
        return int(self.counts().sum())

    @property
    def columns(self) -> int:
        """The arm and the outcomes."""
        return self.live.columns

    def counts(self) -> IntArray:
        """Rows of each arm."""
        return self.live.counts() + self.zeros

    def shape(self, col: Col) -> Shape:
        """Zeros, skewness and size of a column over all arms."""
        x, n, none = self.live.column(col), self.rows, int(self.zeros.sum())
        total = float(x.sum())
        mean = total / n
        moved = x - mean
        square = (float(moved @ moved) + none * mean**2) / n
        cube = (float((moved * moved) @ moved) - none * mean**3) / n
        dust = (1e-13 * max(abs(mean), 1e-300)) ** 2
        largest = float(x.max()) if len(x) else 0.0
        return Shape(
            (int((x == 0).sum()) + none) / n,
            cube / square**1.5 if square > dust else 0.0,
            max(largest, 0.0) if none else largest,
            total,
        )

    def pooled(self, wanted: list[tuple[Col, float]]) -> list[float]:
        """Quantiles of the non-zero values of columns over all arms; NaN where there are none."""
        return self.live.pooled(wanted)

    def live_quantiles(self, col: Col, share: float) -> FloatArray:
        """A quantile of the non-zero values of each arm."""
        return self.live.live_quantiles(col, share)

    def quantiles(self, col: Col, shares: FloatArray) -> FloatArray:
        """Quantiles of each arm at its own shares."""
        return self._written_out().quantiles(col, shares)

    def mass(self, col: Col, at: FloatArray) -> list[list[Mass]]:
        """For each arm and each of its places, the commoner of the two values around it."""
        return self._written_out().mass(col, at)

    def sizes(self) -> IntArray:
        """Rows of each arm."""
        return self.counts()

    def _written_out(self) -> Rows:
        """All rows: order statistics need them."""
        arm = np.concatenate([self.live.arm, np.repeat(np.arange(len(self.zeros)), self.zeros)])
        none = np.zeros(int(self.zeros.sum()))
        return replace(self.live, arm=arm, values={c: np.concatenate([x, none]) for c, x in self.live.values.items()})

    def moments(self, cols: list[Col], held: tuple[int, ...] = ()) -> Moments:
        """Moments by arm."""
        found = self.live.moments(cols)
        mean = np.where(self.zeros[:, None] > 0, _at_zero(cols), 0.0)
        none = Moments(found.keys, self.zeros.astype(float), mean, np.zeros_like(found.cross), np.zeros_like(mean))
        return merge(found, none)

    def look(self, cols: list[Col], asks: list[Ask]) -> list[Look]:
        """The second pass."""
        out = []
        for ask, found in zip(asks, self.live.look(cols, asks), strict=True):
            residual, times = float((_at_zero(cols) - ask.mean) @ ask.gradient), int(self.zeros[ask.arm])
            square = residual**2
            out.append(
                Look(
                    max(found.largest, square if times else 0.0),
                    found.squares + times * square,
                    found.cubes + times * square * residual,
                    math.nan,
                )
            )
        return out

    def levels(self, col: Col) -> FloatArray:
        """Decimal logarithms of the non-zero values."""
        return self.live.levels(col)

    def above(self, col: Col, cut: float) -> IntArray:
        """How many values of each arm lie above `cut`."""
        return self.live.above(col, cut) + self.zeros * (float(_at_zero([col])[0]) > cut)

    def analysed(self) -> list[Any]:
        """Labels, numbers of rows that are zero, and the others as they came, for the hash."""
        text = np.array([str(label) for label in self.labels], dtype=object)
        return [text, self.zeros, self.live.arm, *(self.live.values[c] for c in sorted(self.live.values, key=str))]


def _at_zero(cols: list[Col]) -> FloatArray:
    """What a row that is zero has in each column: an indicator may be one there."""
    return np.array([float(c.below is not None and c.below >= 0) for c in cols])


def sparse(labels: tuple[Any, ...], control: int, sizes: IntArray, arm: IntArray, outcomes: dict[str, Any]) -> Sparse:
    """A test from the rows of those who did something.

    Parameters
    ----------
    labels : tuple
        Labels of the arms, sorted.
    control : int
        Position of the control.
    sizes : ndarray of int, shape (arms,)
        Rows of each arm, zeros counted.
    arm : ndarray of int, shape (n,)
        Position of the arm of each row that is not zero throughout.
    outcomes : dict of str to ndarray, shape (n,)

    Examples
    --------
    >>> import gmvcausal as gc
    >>> arm, gmv = np.array([0, 0, 1, 1]), np.array([3.0, 5.0, 4.0, 8.0])
    >>> test = sparse(("A", "B"), 0, np.array([400, 200]), arm, {"gmv": gmv})
    >>> r = gc.ab_test(test, metrics=[gc.Mean("gmv", cap=None)], expected_ratio={"A": 2, "B": 1})
    >>> round(r.estimate, 12)
    0.04
    """
    values = {Col(name): np.asarray(x, dtype=float) for name, x in outcomes.items()}
    live = Rows(labels, control, arm, values, None, None, "", len(arm), 1 + len(values))
    return Sparse(live, sizes - live.counts())
