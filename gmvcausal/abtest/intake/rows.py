"""The rows of a test in memory: validated columns, and the few things that estimators and checks ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.designs.designs import Facts, independent
from gmvcausal.abtest.intake import passes, single
from gmvcausal.abtest.intake.blocks import Block, Col, FloatArray, IntArray, column
from gmvcausal.abtest.intake.passes import Ask, Look
from gmvcausal.frames.columns import dot
from gmvcausal.moments import Moments, from_arrays

__all__ = ["Ask", "Col", "FloatArray", "IntArray", "Look", "Mass", "Rows", "Shape"]


class Shape(NamedTuple):
    """The distribution of a column over all arms.

    Attributes
    ----------
    zeros : float
        Share of zeros.
    skewness : float
        Third standardised moment; 0 without variance; NaN where nobody asks, as most values are zero.
    largest, total : float
    """

    zeros: float
    skewness: float
    largest: float
    total: float


class Mass(NamedTuple):
    """A value, and how many rows of an arm have it."""

    value: float
    rows: int


@dataclass(frozen=True, eq=False)
class Rows:
    """A test whose rows are in memory.

    Attributes
    ----------
    labels : tuple
        Labels of the arms (text or whole numbers), sorted.
    control : int
        Position of the control.
    arm : ndarray of int, shape (n,)
    values : dict of Col to ndarray, shape (n,)
        Columns without cap.
    stratum : ndarray of int, shape (n,), or None
    cluster : ndarray of int, shape (n,), or None
    cluster_name : str
        Column of the clusters; empty for rows.
    rows, columns : int
        Shape of the data as they came in.
    notes : list of str
    dropped : dict of str to int
    spacing : dict of str to float
        Distance of neighbouring numbers in the source type, where it is coarser than float64.
    expanded : dict of str to tuple of Col
        Covariates -> columns (a text column has one per level but the first).
    meta : dict
        What `Logs` wrote about the frame.
    gaps : dict of Col to ndarray of bool, shape (n,)
        Where columns that a model learns from were missing; `values` holds their mean there.
    unit_checked : str
        What was found of repeated units, as a sentence; empty where no column tells units apart.
    facts : Facts
        What was found of a design beyond users and clusters.
    of_strata : tuple of Col
        Indicators of strata that every metric is adjusted for, where there are covariates too.
    segment : ndarray of int, shape (n,), or None
    of_segment : tuple
        Level of each row in the segment that the test is taken apart by, and the levels' labels.
    """

    labels: tuple[Any, ...]
    control: int
    arm: IntArray
    values: dict[Col, FloatArray]
    stratum: IntArray | None
    cluster: IntArray | None
    cluster_name: str
    rows: int
    columns: int
    notes: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    spacing: dict[str, float] = field(default_factory=dict)
    expanded: dict[str, tuple[Col, ...]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    unit_checked: str = ""
    gaps: dict[Col, NDArray[np.bool_]] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    of_strata: tuple[Col, ...] = ()
    segment: IntArray | None = None
    of_segment: tuple[Any, ...] = ()
    _shapes: dict[Col, Shape] = field(default_factory=dict)

    @property
    def strata(self) -> int:
        """Number of strata."""
        return 1 if self.stratum is None else int(self.stratum.max()) + 1

    def counts(self) -> IntArray:
        """Independent units of each arm: rows, or clusters where each lies in one arm."""
        return independent(self.arm, self.cluster, len(self.labels))

    def part(self, mask: NDArray[np.bool_]) -> Rows:
        """Some of the rows, as a test of their own."""

        def dense(codes: IntArray | None) -> IntArray | None:
            return None if codes is None else np.unique(codes[mask], return_inverse=True)[1]

        return replace(
            self,
            arm=self.arm[mask],
            values={c: v[mask] for c, v in self.values.items()},
            gaps={c: v[mask] for c, v in self.gaps.items()},
            stratum=dense(self.stratum),
            cluster=dense(self.cluster),
            segment=None,
            rows=int(mask.sum()),
            _shapes={},
        )

    def column(self, col: Col) -> FloatArray:
        """Values of a column, capped where it says so."""
        return column(self.values[col.plain], col)

    def with_gaps(self, col: Col) -> FloatArray:
        """Values of a column, NaN where they were missing."""
        return np.where(self.gaps[col], np.nan, self.values[col]) if col in self.gaps else self.values[col]

    def matrix(self, cols: list[Col]) -> FloatArray:
        """Columns side by side, shape (n, p)."""
        return np.column_stack([self.column(c) for c in cols])

    def shape(self, col: Col) -> Shape:
        """Zeros, skewness and size of a column over all arms."""
        if col not in self._shapes:
            x = self.column(col)
            mean = float(x.mean())
            moved = x - mean
            square = dot(moved, moved) / len(x)
            dust = (1e-13 * max(abs(mean), 1e-300)) ** 2
            skewness = dot(moved * moved, moved) / len(x) / square**1.5 if square > dust else 0.0
            self._shapes[col] = Shape(float((x == 0).mean()), skewness, float(x.max()), float(x.sum()))
        return self._shapes[col]

    def pooled(self, wanted: list[tuple[Col, float]]) -> list[float]:
        """Quantiles of the non-zero values of columns over all arms; NaN where there are none."""
        return [self.quantile(col, share) for col, share in wanted]

    def quantile(self, col: Col, share: float) -> float:
        """Quantile of the non-zero values over all arms; NaN where there are none."""
        x = self.column(col)
        live = x[x != 0]
        return float(np.quantile(live, share)) if len(live) else np.nan

    def quantiles(self, col: Col, shares: FloatArray) -> FloatArray:
        """Quantiles of each arm at its own shares, shape (arms, k); interpolated (type 7)."""
        x = self.column(col)
        return np.array([np.quantile(x[self.arm == a], own) for a, own in enumerate(shares)])

    def live_quantiles(self, col: Col, share: float) -> FloatArray:
        """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
        x = self.column(col)
        live = [x[(self.arm == a) & (x != 0)] for a in range(len(self.labels))]
        return np.array([np.quantile(own, share) if len(own) else np.nan for own in live])

    def sizes(self) -> IntArray:
        """Rows of each arm."""
        return np.bincount(self.arm, minlength=len(self.labels))

    def mass(self, col: Col, at: FloatArray) -> list[list[Mass]]:
        """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
        x = self.column(col)
        found = []
        for a, places in enumerate(at):
            distinct, counts = np.unique(x[self.arm == a], return_counts=True)
            own = []
            for place in places:
                low = max(int(np.searchsorted(distinct, place, side="right")) - 1, 0)
                high = min(int(np.searchsorted(distinct, place, side="left")), len(distinct) - 1)
                best = max((low, high), key=lambda i: (counts[i], -i))
                own.append(Mass(float(distinct[best]), int(counts[best])))
            found.append(own)
        return found

    def moments(self, cols: list[Col], held: tuple[int, ...] = ()) -> Moments:
        """Moments by arm (by arm and stratum, strata varying fastest), with cluster cells where there are clusters.

        `held` are places of the columns whose products with all others are wanted within clusters.
        """
        if self.stratum is None and self.cluster is None:
            return passes.moments(self._blocks({c.plain for c in cols}), cols, len(self.labels))
        group, keys = self.arm, tuple(range(len(self.labels)))
        if self.stratum is not None:
            group, keys = self.arm * self.strata + self.stratum, tuple(range(len(self.labels) * self.strata))
        return from_arrays(self.matrix(cols), group, keys, self.cluster, held=held)

    def look(self, cols: list[Col], asks: list[Ask]) -> list[Look]:
        """The second pass."""
        return passes.looks(self._blocks({c.plain for c in cols}), cols, asks)

    def _blocks(self, wanted: set[Col]) -> Iterator[Block]:
        """The rows arm by arm."""
        order = np.argsort(self.arm.astype(np.int16), kind="stable")
        ends = np.cumsum(np.bincount(self.arm, minlength=len(self.labels)))
        for a, (low, high) in enumerate(zip([0, *ends], ends, strict=False)):
            if high > low:
                yield Block(a, {c: self.values[c][order[low:high]] for c in wanted})

    def levels(self, col: Col) -> FloatArray:
        """Decimal logarithms of the non-zero values, sorted; beyond 200,000 of them a grid of their quantiles."""
        block = Block(0, {col.plain: self.values[col.plain]})
        return single.levels([block], col, float(np.count_nonzero(self.column(col))))

    def above(self, col: Col, cut: float) -> IntArray:
        """How many values of each arm lie above `cut`."""
        return np.bincount(self.arm[self.column(col) > cut], minlength=len(self.labels))

    def analysed(self) -> list[NDArray[Any]]:
        """The analysed arrays in canonical order (sorted by arm and values), for the hash."""
        arrays: list[NDArray[Any]] = [self.arm]
        arrays += [a for a in (self.stratum, self.cluster) if a is not None]
        arrays += [self.values[c] for c in sorted(self.values, key=str)]
        order = np.lexsort(arrays[::-1])
        return [np.array([str(label) for label in self.labels], dtype=object), *(a[order] for a in arrays)]
