"""Weighted means of effects as rows: loadings on cells, on the shares that weigh them, and on means of the doses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.audit.rules import MIN_DF
from gmvcausal.rollout.fitted import Series
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Linear(Protocol):
    """Effects of which sums have an influence."""

    @property
    def att(self) -> FloatArray:
        """Effects, shape (K,)."""

    @property
    def shares(self) -> FloatArray:
        """Shares of the groups, shape (G,)."""

    def uncertainty(self, rows: FloatArray) -> tuple[FloatArray, Spread]:
        """Covariance of rows, and how intervals are made from it."""

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one row."""


@dataclass(frozen=True)
class Row:
    """One number of a table.

    Attributes
    ----------
    estimate : float
    load : ndarray, shape (width,)
        On the cells, the shares, and whatever the effects have behind them.
    n : int
        Treated units behind it.
    clusters : int
        On the smaller side: treated (of either dose, where two are compared) or control.
    """

    estimate: float
    load: FloatArray
    n: int
    clusters: int


@dataclass(frozen=True)
class Doses:
    """Effects by dose.

    Attributes
    ----------
    at : ndarray, shape (m,)
        The doses of the tables.
    effects : Linear
    level, slope : tuple of Row
        ATT at every dose, and what one more unit of dose adds there.
    average : Row
        The slope, averaged over the treated.
    trend : callable
        Slope of the leads on the dose by event time; None where there is none.
    saturated : bool
        Whether every dose has an effect of its own; else a spline joins them.
    notes : tuple of str
    """

    at: FloatArray
    effects: Linear
    level: tuple[Row, ...]
    slope: tuple[Row, ...]
    average: Row
    trend: Callable[[], Series | None]
    saturated: bool
    notes: tuple[str, ...]

    def series(self, rows: tuple[Row, ...]) -> Series:
        """Rows with their covariance."""
        return series(self.effects, np.arange(len(rows)), rows)


def series(effects: Linear, at: IntArray, rows: tuple[Row, ...]) -> Series:
    """Rows with their covariance, as a table of effects."""
    cov, spread = effects.uncertainty(np.array([r.load for r in rows]))
    clusters = np.array([r.clusters for r in rows], dtype=np.int64)
    # Units that are alone with their dose in their cohort show no chance of their own: that is none, not a small one.
    clusters = np.where(spread.df < MIN_DF, 0, clusters)
    return Series(
        at,
        np.array([r.estimate for r in rows]),
        cov,
        np.array([r.n for r in rows], dtype=np.int64),
        clusters,
        spread,
    )


def weighted(effects: Linear, load: Any, group: IntArray, width: int) -> tuple[float, FloatArray]:
    """Mean of sums of effects, each weighted by the share of its group, and its row.

    Parameters
    ----------
    load : sparse array, shape (P, K)
    group : ndarray of int, shape (P,)
        Whose share weighs each sum.
    width : int
        Of the row: K, G and what follows.
    """
    att, shares = effects.att, effects.shares
    value, weight = load @ att, shares[group]
    total = weight.sum()
    estimate = float(weight @ value / total)
    row = np.zeros(width)
    row[: len(att)] = (weight / total) @ load
    row[len(att) : len(att) + len(shares)] = np.bincount(group, (value - estimate) / total, minlength=len(shares))
    return estimate, row
