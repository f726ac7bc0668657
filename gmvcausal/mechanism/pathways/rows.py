"""The rows of a mediation, checked and in an order of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.within import absorbed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that are analysed.

    Attributes
    ----------
    y : ndarray, shape (n,)
    t : ndarray, shape (n,)
        1 under treatment, 0 in the control arm.
    m : ndarray, shape (n, K)
        Mediators: those of 0 and 1 as they are, others less `middle`, over `scale`.
    x : ndarray, shape (n, p)
        Covariates, standardised, those that say nothing left out.
    outcome, treatment : str
    mediators, covariates : tuple of str
    binary : tuple of bool, length K
    middle, scale : ndarray, shape (K,)
    cluster : ndarray of int, shape (n,), or None
        Ascending.
    fixed : tuple of ndarray of int, shape (n,)
    fixed_names : tuple of str
    moderator : ndarray, shape (n,), or None
    labels : tuple
        Of the arms, the control first.
    per : {"user", "row"}
        What a row is: a user, or one of several rows of a user.
    """

    y: FloatArray
    t: FloatArray
    m: FloatArray
    x: FloatArray
    outcome: str
    treatment: str
    mediators: tuple[str, ...]
    covariates: tuple[str, ...]
    binary: tuple[bool, ...]
    middle: FloatArray
    scale: FloatArray
    cluster: IntArray | None
    fixed: tuple[IntArray, ...]
    labels: tuple[Any, ...]
    fixed_names: tuple[str, ...] = ()
    cluster_name: str = ""
    found_cluster: bool = False
    moderator: FloatArray | None = None
    moderator_levels: tuple[str, ...] = ()
    spacing: float = 0.0
    shape: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    order: Mapping[str, Any] = field(default_factory=dict, repr=False)
    per: str = "user"

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @property
    def vary(self) -> tuple[int, ...]:
        """Mediators that vary in both arms."""
        on = self.t == 1
        return tuple(j for j, m in enumerate(self.m.T) if np.ptp(m[on]) > 0 and np.ptp(m[~on]) > 0)

    @property
    def groups(self) -> IntArray:
        """Arm of every row (cluster), shape (units,); all 0 where clusters hold both arms."""
        arm = self.t.astype(np.int64)
        if self.cluster is None:
            return arm
        size = np.bincount(self.cluster)
        share = np.bincount(self.cluster, self.t) / size
        return np.zeros(len(size), dtype=np.int64) if ((share > 0) & (share < 1)).any() else share.astype(np.int64)

    @cached_property
    def absorbed(self) -> int:
        """Means that fixed effects took out, beyond those of groups within clusters; 0 without fixed effects."""
        return absorbed(self.fixed, self.cluster) if self.fixed else 0

    @cached_property
    def sums(self) -> FloatArray:
        """Rows, treated rows and mediators of every row (cluster), shape (units, 2 + K)."""
        return self.by_unit(np.column_stack([np.ones(self.n), self.t, self.m]))

    def spread_out(self, weight: FloatArray, own: slice) -> FloatArray:
        """Weights of units as those of some rows, shape (draws, rows)."""
        return weight[:, own] if self.cluster is None else weight[:, self.cluster[own]]

    def by_unit(self, own: FloatArray) -> FloatArray:
        """Sums of rows over clusters, where there are any; shape (units, a)."""
        if self.cluster is None:
            return own
        return np.column_stack([np.bincount(self.cluster, c) for c in own.T])
