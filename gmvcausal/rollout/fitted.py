"""What every estimator of this room is given, what it returns, and the small helpers they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF
from gmvcausal.rollout.group_time.adjusted import TRIM
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.group_time.effects import Effects
from gmvcausal.rollout.group_time.from_covariates import FromCovariates
from gmvcausal.rollout.group_time.from_rows_given import FromRowsGiven
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.covariates import Given
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
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


def count(cluster: IntArray, rows: NDArray[np.bool_]) -> int:
    """Number of distinct clusters among the marked rows."""
    # Counting marks is many times faster than a hash or a sort when every unit is a cluster.
    seen = np.zeros(int(cluster.max()) + 1, dtype=bool)
    seen[cluster[rows]] = True
    return int(np.count_nonzero(seen))


def headline(
    terms: list[tuple[str, str]],
    unit: str,
    estimate: FloatArray,
    cov: FloatArray,
    n: int,
    spread: Spread,
    clusters: tuple[int, int],
    runs: Callable[[], Runs] | None = None,
) -> Estimates:
    """Estimates, with placebo runs in place of the standard error where either side has too few clusters for one.

    Parameters
    ----------
    runs : callable
        Makes the placebo runs of the headline, or says why there can be none.
    """
    k = len(terms)
    out = Estimates(
        tuple(t[0] for t in terms),
        tuple(t[1] for t in terms),
        (unit,) * k,
        estimate,
        cov,
        (n,) * k,
        spread,
        method="t distribution with Welch's degrees of freedom",
    )
    enough = min(clusters) >= MIN_CLUSTERS
    if enough and not spread.df[0] < MIN_DF:
        return out
    found = None if runs is None else runs()
    why = "" if found is None else found.why
    few = f"{clusters[0]} treated and {clusters[1]} control clusters: " + (
        "many of the treated are alone in their cohort, so "
        if enough and spread.df[0] == 0
        else f"so unequal that they count as {spread.df[0] + 1:.1f}, so "
        if enough
        else f"with fewer than {MIN_CLUSTERS} on a side the usual standard errors are far too small, so "
    )
    out = replace(out, cov=np.full_like(cov, np.nan))
    if found is None or found.limits is None:
        return replace(out, withheld=few + "no interval is given" + (f" ({why})" if why else ""), method="")
    terms_told = same_number(estimate) if found.whole else [0]
    return replace(
        out,
        special=dict.fromkeys(terms_told, found.limits),
        special_p=dict.fromkeys(terms_told, found.p_value),
        method=found.method,
        withheld="" if len(terms_told) == k else few + "only the headline, from placebo runs, has an interval",
    )


def same_number(estimate: FloatArray) -> list[int]:
    """Terms that are the headline's own number: with one start all means of effects are, a slope by dose is not."""
    return [int(i) for i in np.flatnonzero(np.abs(estimate - estimate[0]) <= 1e-9 * np.abs(estimate[0]))]


@dataclass(frozen=True)
class Runs:
    """What few treated clusters allow.

    Attributes
    ----------
    limits : callable or None
        level -> (low, high); None where nothing holds.
    p_value : float
    method : str
        How the interval is made.
    why : str
        Why there is none.
    whole : bool
        Whether every aggregate is the same number, so that the interval is that of all.
    """

    limits: Callable[[float], tuple[float, float]] | None = None
    p_value: float = float("nan")
    method: str = ""
    why: str = ""
    whole: bool = False


def given(panel: Panel, options: Options) -> Given | None:
    """The covariates of the panel and what is asked to be done with them; None without."""
    if panel.covariates is None:
        return None
    return Given(panel.covariates, options.adjustment, tuple(panel.grid.text(v) for v in panel.grid.values))


def trimmed_note(effects: Effects) -> list[str]:
    """Say how many controls got no weight."""
    count = effects.trimmed if isinstance(effects, FromCovariates | FromRowsGiven) else 0
    if not count:
        return []
    return [f"up to {count:,} control units have a propensity of {TRIM} or more and got no weight"]


def idle_note(panel: Panel, effects: Effects) -> list[str]:
    """Say which covariates change over time but never between the units of a base period: they adjust nothing."""
    found = panel.covariates
    if found is None or not found.moving:
        return []
    cells, flat = effects.cells, np.ones(len(found.names), dtype=bool)
    _, first = np.unique(np.column_stack([cells.cohort, cells.base]), axis=0, return_index=True)
    for k in first:
        sides = np.append(cells.controls[k], False)  # the last for units left out
        sides[cells.cohort[k]] = True
        x = found.at(int(cells.base[k]))[sides[effects.group]]
        x = x[np.isfinite(x).all(axis=1)]
        flat &= (x == x[:1]).all(axis=0)
    return [
        f"covariate {name!r} is the same for all units in every base period, so it adjusts nothing"
        for name, idle in zip(found.names, flat, strict=True) if idle
    ]  # fmt: skip


NO_RUNS = "placebo runs are not made with covariates: leave them out, or treat more clusters"


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
