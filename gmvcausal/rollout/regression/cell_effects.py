"""Effects by cohort and period of the regression family, and their weighted means with covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmvcausal.rollout.fitted import MAX_JOINT, Series
from gmvcausal.rollout.group_time.aggregate import cluster_counts, most_units
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.regression.cell_regression import Fitting
from gmvcausal.rollout.regression.imputation import cautious_means, centre_on
from gmvcausal.rollout.regression.linear import Loaded, Part, influence, loaded, uncertainty
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Units
from gmvcausal.stats.small_sample import Spread

_CELLS_AT_ONCE = 250


@dataclass(frozen=True)
class Means:
    """Weighted means over cells.

    Attributes
    ----------
    at : ndarray, shape (a,)
        Event time, cohort or period of each.
    rows : ndarray, shape (a, K)
    place : ndarray of int, shape (K,)
        The mean that each cell belongs to where they were formed; -1 for none.
    """

    at: IntArray
    rows: FloatArray
    place: IntArray

    def mean(self, weight: FloatArray | None = None) -> Means:
        """One mean over all of them, plain or weighted."""
        share = np.full(len(self.at), 1.0 / len(self.at)) if weight is None else weight
        return Means(np.array([0]), (share @ self.rows)[None, :], self.place)


class CellEffects:
    """Effects by cohort and period.

    Parameters
    ----------
    cells : Cells
        Those asked for; the attribute holds those that are identified.
    fitting : Fitting
    units : Units
    variance : {"regression", "cautious", "second stage"}
        What the residuals of treated cells are taken from: the regression's own fit; their mean by cohort and period
        (Borusyak, Jaravel and Spiess); or the fit of a second stage that has one dummy for each mean formed (Gardner).
    """

    def __init__(self, cells: Cells, fitting: Fitting, units: Units, variance: str) -> None:
        keep = np.zeros(len(cells.cohort), dtype=bool)
        keep[fitting.cells] = True
        self.asked, self.cells = cells, cells.keep(keep)
        self.fitting, self.units, self.variance = fitting, units, variance
        self.n, self.group = units.n, units.group

    @property
    def att(self) -> FloatArray:
        """Effect of every cell, shape (K,)."""
        return self.fitting.part.estimate

    def means(self, key: IntArray, inside: BoolArray) -> Means:
        """Means of the cells `inside` by `key`, weighted by the treated units seen in each."""
        at, place = np.unique(key[inside], return_inverse=True)
        rows = np.zeros((len(at), len(key)))
        cell = np.flatnonzero(inside)
        total = np.bincount(place, self.fitting.size[cell])
        rows[place, cell] = self.fitting.size[cell] / total[place]
        of_cell = np.full(len(key), -1, dtype=np.int64)
        of_cell[cell] = place
        return Means(at, rows, of_cell)

    def estimate(self, means: Means) -> FloatArray:
        """The means themselves."""
        return np.asarray(means.rows @ self.att)

    @cached_property
    def _cautious(self) -> Part:
        asked = self.asked
        centre = cautious_means(self.units, self.fitting, asked.cohort, asked.period)
        return centre_on(self.fitting, asked.cohort, asked.period, centre)

    def loaded(self, means: Means) -> Loaded:
        """The regression loaded with these means, residuals as the variance asks."""
        if self.variance == "regression":
            return loaded(self.fitting.part, means.rows)
        if self.variance == "cautious":
            return loaded(self._cautious, means.rows)
        inside = means.place >= 0
        size = self.fitting.size
        total = np.bincount(means.place[inside], size[inside])
        fit = np.bincount(means.place[inside], (size * self.att)[inside]) / total
        centre = np.where(inside, fit[means.place], self.att)
        return loaded(centre_on(self.fitting, self.asked.cohort, self.asked.period, centre), means.rows)

    def uncertainty(self, means: list[Means]) -> tuple[FloatArray, Spread]:
        """Joint covariance of several means and how intervals are made from it."""
        return uncertainty(self.units, [self.loaded(m) for m in means])

    def influence(self, row: FloatArray) -> FloatArray:
        """Influence of every unit on one weighted sum of the effects; in a second stage, of a dummy for each effect."""
        each = np.arange(len(row))
        return influence(self.units, self.loaded(Means(np.array([0]), row[None, :], each)))

    def _cohorts(self, means: Means) -> FloatArray:
        """Most units that any cell of a cohort brings to each mean, shape (a, G)."""
        return most_units(means.rows, self.cells.cohort, self.fitting.count, len(self.units.starts))

    def clusters(self, means: Means) -> tuple[IntArray, IntArray]:
        """Treated and control clusters behind each mean."""
        live = (means.rows != 0).astype(np.float32)
        controls = live @ self.cells.controls.astype(np.float32) > 0
        return self._sides(self._cohorts(means) > 0, controls)

    def _sides(self, cohorts: BoolArray, controls: BoolArray) -> tuple[IntArray, IntArray]:
        cluster, moments = self.units.cluster, self.units.moments
        return cluster_counts(cohorts, self, cluster, moments), cluster_counts(controls, self, cluster, moments)

    def series(self, means: Means, reference: int | None = None) -> Series:
        """The means as a table."""
        cov, spread = self.uncertainty([means])
        n = self._cohorts(means).sum(axis=1).astype(np.int64)
        return Series(means.at, self.estimate(means), cov, n, np.minimum(*self.clusters(means)), spread, reference)

    def series_with_leads(
        self, means: Means, base: int, leads: tuple[Part, IntArray, FloatArray], untreated: BoolArray
    ) -> Series:
        """Effects by event time after leads from a regression of their own, with their joint covariance."""
        after = self.series(means, base)
        part, at, behind = leads
        if not len(at):
            return replace(after, origin=float(base))
        cov, spread = uncertainty(self.units, [loaded(part, np.eye(len(at))), self.loaded(means)])
        live = part.used[:-1] & (self.n[:-1] > 0)[:, None]
        anyone = np.array([(untreated[:, live[b > 0].any(axis=0)]).any(axis=1) for b in behind])
        clusters = np.minimum(*self._sides(behind > 0, anyone))
        return Series(
            np.r_[at, after.at],
            np.r_[part.estimate, after.estimate],
            cov,
            np.r_[behind.sum(axis=1).astype(np.int64), after.n],
            np.r_[clusters, after.clusters],
            spread,
            base,
            float(np.mean(np.r_[at, base])),
        )

    def cell_series(self) -> Series:
        """Every effect on its own; beyond `MAX_JOINT` of them without their joint covariance."""
        k = len(self.att)
        each = self.means(np.arange(k), np.ones(k, dtype=bool))
        if k <= MAX_JOINT:
            return self.series(replace(each, at=self.cells.event))
        variance, df, factor = np.empty(k), np.empty(k), np.empty(k)
        for low in range(0, k, _CELLS_AT_ONCE):
            at = slice(low, min(low + _CELLS_AT_ONCE, k))
            cov, spread = self.uncertainty([replace(each, at=each.at[at], rows=each.rows[at])])
            variance[at], df[at], factor[at] = np.diag(cov), *spread
        n = self.fitting.count.astype(np.int64)
        return Series(self.cells.event, self.att, variance, n, np.minimum(*self.clusters(each)), Spread(df, factor))

    def lost(self) -> BoolArray:
        """Treated units of which no cell after the start enters any effect, because rows are absent; shape (N,)."""
        out = np.zeros(len(self.group), dtype=bool)
        for g in np.unique(self.asked.cohort[self.asked.event >= 0]):
            periods = self.cells.period[(self.cells.cohort == g) & (self.cells.event >= 0)]
            if self.units.moments is not None:
                if not len(periods):
                    out[self.group == g] = True
                continue
            at = np.flatnonzero(self.group == g)
            present = np.isfinite(self.units.y[at])
            basis = (present & self.fitting.part.basis[g]).any(axis=1)
            several = (present & self.fitting.part.used[g]).sum(axis=1) > 1
            out[at] = ~(present[:, periods].any(axis=1) & basis & several)
        return out
