"""What every estimator of this room is given, what it returns, and the small helpers they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.group_time.effects import Effects
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    from gmvcausal.rollout.chance.moment_scores import Loads
    from gmvcausal.rollout.dose.rows import Doses
    from gmvcausal.rollout.group_time.spillover import Spillover
    from gmvcausal.rollout.switching.fit import Switching
    from gmvcausal.rollout.synthetic.fit import Synthetic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Beyond this many terms their joint covariance is not formed: bands then rest on an inequality that needs variances
# only.
MAX_JOINT = 1_000

# Regressions with effects by cohort and period; see `family`.
FAMILY = ("sun_abraham", "imputation", "two_stage", "etwfe")


@dataclass(frozen=True)
class Options:
    """The checked options of one call."""

    estimator: str
    control: str
    base_period: str
    anticipation: int
    alpha: float
    bands: str
    ssc: str
    seed: int
    outcome_unit: str
    assignment: str | None = None
    inference: str | None = None
    cutoff: float | None = None
    kernel: str = "bartlett"
    adjustment: str = "doubly_robust"
    outcome: str = ""
    dose: str = ""
    eligible: str = ""


@dataclass(frozen=True)
class Series:
    """Effects along one axis, with their joint covariance.

    Attributes
    ----------
    at : ndarray, shape (a,)
        Event time, cohort column, or period column.
    estimate : ndarray, shape (a,)
    cov : ndarray, shape (a, a), or (a,)
        Variances only where there are more than `MAX_JOINT` terms.
    n : ndarray of int, shape (a,)
        Treated units that contribute.
    clusters : ndarray of int, shape (a,)
        Clusters on the smaller side, treated or control; below `MIN_CLUSTERS` no interval is given.
    reference : int or None
        The base event time, whose effect is zero by construction (not among `at`).
    spread : Spread
        How each term's interval is made from its standard error.
    origin : float or None
        Mean event time from which the effects are measured where that is not the base of the leads (imputation).
    """

    at: IntArray
    estimate: FloatArray
    cov: FloatArray
    n: IntArray
    clusters: IntArray
    spread: Spread
    reference: int | None = None
    origin: float | None = None

    def take(self, use: NDArray[np.bool_]) -> Series:
        """The terms marked by `use`."""
        cov = self.cov[np.ix_(use, use)] if self.cov.ndim == 2 else self.cov[use]
        return replace(
            self,
            at=self.at[use],
            estimate=self.estimate[use],
            cov=cov,
            n=self.n[use],
            clusters=self.clusters[use],
            spread=self.spread.take(use),
        )

    @property
    def behind(self) -> IntArray:
        """Clusters on the smaller side; where few of a cohort's units are seen, no more than these."""
        return np.minimum(self.clusters, self.n)

    def withheld(self) -> FloatArray:
        """`cov` with NaN where too few clusters stand behind a term."""
        few = self.behind < MIN_CLUSTERS
        out = self.cov.copy()
        out[few] = np.nan
        if out.ndim == 2:
            out[:, few] = np.nan
        return out


class HasCells(Protocol):
    """Effects by cohort and period, whatever made them."""

    @property
    def cells(self) -> Cells:
        """Which cohorts and periods they are of."""

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one weighted sum of the effects."""


@dataclass(frozen=True)
class EventCells:
    """What an event study is made of, so that one of some cohorts alone can be made too.

    Attributes
    ----------
    cells : Cells
        On the base of the event study.
    group : ndarray of int, shape (R,)
        Cohort of every row among those of `cells`; others are no treated units.
    of : callable
        The event study of the marked cells, shape (K,).
    """

    cells: Cells
    group: IntArray
    of: Callable[[NDArray[np.bool_]], Series]


@dataclass(frozen=True)
class Fitted:
    """What an estimator hands to the result.

    Attributes
    ----------
    estimates : Estimates
    influence : callable
        Influence of every panel row on the headline, shape (R,), scaled so that clustered sums of squares give its
        variance.
    event : callable
        Event study on the universal base, or None where the design has no single event time.
    treated, control : ndarray of bool, shape (R,)
        Rows that are ever treated, and rows that never are.
    clusters : (int, int)
        Treated and control clusters behind the headline.
    treated_cells : int
        Unit-periods under treatment in the data used.
    effects : FromMoments, FromUnits, CellEffects, RatioEffects or None
        Group-time effects, where the design has them.
    series : mapping of str to callable
        Further tables of those effects: "cohort", "period", "cells".
    on : callable or None
        Makes the 0/1 treatment that was compared, shape (R, T) (regressions and the naive comparison).
    residual : callable or None
        Makes that treatment less unit and period effects, shape (R, T), where the headline is its coefficient.
    block : ndarray of int, shape (R,), or None
        Campaign of each row in that regression; zeros without campaigns.
    weights : Effects or None
        Where the headline compares given covariates: what knows who is compared with whom, by which weights.
    lost_units : int
        Treated units that no post comparison reaches.
    notes : tuple of str
        What the estimator decided or had to leave out, for the manifest.
    synthetic : Synthetic or None
        Weights, paths and placebo runs of a synthetic comparison.
    rows : ndarray, or None
        Loadings of every term on `effects`.
    switching : Switching or None
        Who switches and what each switch shows, where the tactic may switch off.
    spillover : Spillover or None
        Where exposed units were set apart; the last two terms are then "spillover" and "total".
    doses : Doses or None
        Effects by dose.
    per_cell : int
        The term that, times `treated_cells`, is the total: the mean over treated unit-periods as they were seen.
    of_total : callable or None
        Influence of every panel row on that term, where `rows` does not give it.
    event_cells : callable or None
        Makes the `EventCells`, where the event study is one of cohorts.
    loads : callable or None
        What makes `influence` of any unit, where the panel has moments.
    """

    estimates: Estimates
    influence: Callable[[], FloatArray]
    event: Callable[[], Series | None]
    treated: NDArray[np.bool_]
    control: NDArray[np.bool_]
    clusters: tuple[int, int]
    treated_cells: int
    effects: HasCells | None = None
    series: Mapping[str, Callable[[], Series]] = field(default_factory=dict)
    on: Callable[[], FloatArray] | None = None
    residual: Callable[[], FloatArray] | None = None
    block: IntArray | None = None
    weights: Effects | None = None
    lost_units: int = 0
    notes: tuple[str, ...] = ()
    synthetic: Synthetic | None = None
    rows: FloatArray | None = None
    switching: Switching | None = None
    spillover: Spillover | None = None
    doses: Doses | None = None
    per_cell: int = 0
    of_total: Callable[[], FloatArray] | None = None
    event_cells: Callable[[], EventCells] | None = None
    loads: Callable[[], Loads] | None = None


def count(cluster: IntArray, rows: NDArray[np.bool_]) -> int:
    """Number of distinct clusters among the marked rows."""
    # Counting marks is many times faster than a hash or a sort when every unit is a cluster.
    seen = np.zeros(int(cluster.max()) + 1, dtype=bool)
    seen[cluster[rows]] = True
    return int(np.count_nonzero(seen))


def no_anticipation(options: Options) -> None:
    """Refuse `anticipation=` where the estimator has no use for it."""
    if options.anticipation:
        raise InputError(
            f"anticipation= has no meaning for estimator={options.estimator!r}",
            remedy="use estimator='callaway_santanna', or leave out the rows of the anticipation periods",
        )


def control_rule(asked: str, panel: Panel) -> str:
    """Who serves as control: without never-treated units the not-yet-treated."""
    return asked if (panel.start == UNTREATED).any() else "not_yet_treated"


def no_stack(panel: Panel) -> None:
    """Refuse `stack=` where the estimator has no use for it."""
    if panel.stack is not None:
        raise InputError("stack= is for estimator='stacked'", remedy="leave it out, or pass estimator='stacked'")


def treatment(panel: Panel) -> FloatArray:
    """The 0/1 treatment of every cell: as given, or from the date of first treatment."""
    if panel.on is not None:
        return panel.on
    return np.where(np.isfinite(panel.y), dated(panel.start, panel.y.shape[1]), np.nan)


def dated(start: IntArray, width: int) -> FloatArray:
    """The 0/1 treatment of every cell, absent ones too, of units that stay on from column `start` on."""
    # Units treated before the data stay on throughout; they carry no variation but belong to the period effects.
    on = ((start[:, None] >= 0) & (np.arange(width) >= start[:, None])) | (start[:, None] == ALWAYS)
    return np.asarray(on, dtype=float)
