"""Adjusted values under clusters: the cluster-robust variance (CR2) of each arm's own regression.

The slopes are estimated from the same few clusters as the means. A variance that takes them for known is far too small:
with ten clusters an arm and three covariates it rejects a true null 13 % of the time at 5 %. CR2 (Bell and McCaffrey
2002) weighs the residuals of cluster c by (I - H_cc)^-1/2, H being the hat matrix of the whole regression. For
Q = Z M^1/2 with M = (Z'Z)^-1 and G_c the sum of q q' over the rows of the cluster, its part in the value is

    lambda' (I - G_c)^-1/2 (sum of q e over its rows),        lambda = M^1/2 l, the value being l' beta,

so that matrices of the size of the regression do, however many rows a cluster has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gmvcausal.abtest.intake.rows import Ask, Col, FloatArray, IntArray, Look
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Metric, name_of
from gmvcausal.abtest.terms.sample import Arm, Sample
from gmvcausal.errors import DesignError
from gmvcausal.moments import Moments
from gmvcausal.stats.small_sample import trust_in

# Clusters that an arm needs for each slope, indicators among them.
CLUSTERS_PER_SLOPE = 2.5


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """The regression of one arm on covariates, made of what its clusters add up to.

    Attributes
    ----------
    moments : Moments
        By arm and stratum, with the products of the covariates within clusters.
    arm : Arm
    place, strata : int
        Position of the arm; number of strata.
    covariates : tuple of int
    at : ndarray, shape (p,)
        Where the covariates are held.
    """

    moments: Moments
    arm: Arm
    place: int
    strata: int
    covariates: tuple[int, ...]
    at: FloatArray

    @cached_property
    def _own(self) -> _Own:
        cells = self.moments.cells
        assert cells is not None
        (inside,) = np.nonzero(cells.group // self.strata == self.place)
        labels, code = np.unique(cells.cluster, return_inverse=True)
        sums = cross = None
        if self.covariates:
            assert cells.products is not None
            rows = [cells.products.held.index(j) for j in self.covariates]
            sums, cross = cells.products.sums[inside], cells.products.cross[inside][:, rows]
        else:
            group = cells.group[inside]
            off = (cells.mean[inside] - self.moments.mean[group]) - self.moments.rest[group]
            sums, cross = cells.n[inside, None] * off, np.empty((len(inside), 0, len(self.at)))
        return _Own(len(labels), code[inside], cells.n[inside], cells.group[inside] % self.strata, sums, cross)

    @cached_property
    def _turned(self) -> tuple[FloatArray, FloatArray]:
        """What makes the parts of the clusters: of the sums of residuals, and of their products with covariates."""
        own, held = self._own, list(self.covariates)
        size = self.moments.n.reshape(-1, self.strata)
        n, share = size[self.place], size.sum(axis=0) / size.sum()
        root_n = np.sqrt(n[own.stratum])
        value, white = np.zeros(len(held) + 1), np.zeros((len(held), len(held)))
        if held:
            scale = np.sqrt(np.diag(self.arm.cross)[held])
            root, turn = np.linalg.eigh(self.arm.cross[np.ix_(held, held)] / np.outer(scale, scale))
            white = turn / np.sqrt(root)
            value[1:] = white.T @ ((self.at[held] - self.arm.mean[held] - self.arm.rest[held]) / scale)
            white = white / scale[:, None]
        lean = np.tile(value, (len(own.n), 1))
        lean[:, 0] = share[own.stratum] / root_n
        hat = np.empty((len(own.n), len(value), len(value)))
        hat[:, 0, 0] = own.n / n[own.stratum]
        hat[:, 0, 1:] = hat[:, 1:, 0] = own.sums[:, held] @ white / root_n[:, None]
        hat[:, 1:, 1:] = np.einsum("jk,cji,il->ckl", white, own.cross[:, :, held], white, optimize=True)
        root, turn = np.linalg.eigh(np.eye(len(value)) - hat)
        # A direction that one cluster alone decides is fitted exactly: nothing is left of it, and nothing is added.
        inverse = np.where(root > 1e-9, 1 / np.sqrt(np.maximum(root, 1e-9)), 0.0)
        turned = np.einsum("cij,cj,ckj,ck->ci", turn, inverse, turn, lean, optimize=True)
        return turned[:, 0] / root_n, turned[:, 1:] @ white.T

    def scores(self, gradient: FloatArray) -> FloatArray:
        """The parts of all clusters of the test in the value; their squares add up to its variance (CR2)."""
        (of_sums, of_products), own = self._turned, self._own
        out = np.zeros(own.clusters)
        out[own.code] = of_sums * (own.sums @ gradient) + np.einsum("ch,ch->c", of_products, own.cross @ gradient)
        return out

    def parts(self, gradient: FloatArray) -> list[tuple[float, float]]:
        """The variance of the value as parts (of strata) with their degrees of freedom."""
        own = self._own
        variance = np.bincount(own.stratum, self.scores(gradient)[own.code] ** 2, self.strata)
        left = left_over(len(own.n), self.strata, len(self.covariates))
        df = np.maximum(trust_in(own.n, own.stratum, self.strata).df * left, 1.0)
        return [(float(v), float(d)) for v, d in zip(variance, df, strict=True)]


class _Own(NamedTuple):
    """The clusters of an arm: how many the test has, and of each its code, rows, stratum, sums and products."""

    clusters: int
    code: IntArray
    n: FloatArray
    stratum: IntArray
    sums: FloatArray
    cross: FloatArray


def left_over(clusters: float, intercepts: int, slopes: int) -> float:
    """Share of the degrees of freedom that slopes leave."""
    free = clusters - intercepts
    return max(free - slopes, 1.0) / free if free > 0 else 1.0


def most_slopes(sample: Sample, arms: tuple[int, int], strata: int) -> int:
    """Covariates for which the clusters of two arms can bear slopes; where clusters hold both, they bear those of both.

    Indicators of strata count as slopes.
    """
    if sample.crossed:
        return int(sample.crossed / (2 * CLUSTERS_PER_SLOPE))
    return int(min(sample.arms[a].units for a in arms) / CLUSTERS_PER_SLOPE) - (strata - 1)


def refuse_slopes(slopes: int, most: int, metric: Metric, source: Source) -> None:
    """Refuse more slopes than the clusters of an arm can bear.

    Raises
    ------
    DesignError
    """
    if slopes > most:
        fewer = f"adjust for at most {most} (a column of text counts once per level but one)" if most > 0 else ""
        raise DesignError(
            f"{name_of(metric)!r} is adjusted for {slopes} covariates, but the clusters (by {source.cluster_name}) of "
            f"an arm can bear {max(most, 0)}: with fewer than {CLUSTERS_PER_SLOPE} clusters for each slope, standard "
            "errors do not hold",
            remedy=f"{fewer or 'leave pre= out'}, or assign more clusters",
        )


def look_at_sums(sample: Sample, asks: list[Ask]) -> list[Look]:
    """What a second pass would find if each cluster were one row: its deviations added up."""
    found = []
    for ask in asks:
        sums = sample.arms[ask.arm].sums
        assert sums is not None
        total = sums @ ask.gradient
        square = total * total
        found.append(Look(float(square.max()), float(square.sum()), float(square @ total), math.nan))
    return found


@dataclass(frozen=True, eq=False)
class ClusterFits:
    """Regressions under clusters, each made once."""

    source: Source
    cols: list[Col]
    sample: Sample
    moments: Moments
    _made: dict[tuple[int, tuple[int, ...], bytes], ClusterFit] = field(default_factory=dict)

    def of(self, arm: int, covariates: tuple[int, ...], at: FloatArray) -> ClusterFit:
        """That of an arm on covariates held at `at`."""
        key = (arm, covariates, at[list(covariates)].tobytes())
        if key not in self._made:
            own = self.sample.arms[arm]
            self._made[key] = ClusterFit(self.moments, own, arm, self.source.strata, covariates, at)
        return self._made[key]

    def covariance(
        self,
        arms: tuple[int, int],
        covariates: tuple[int, ...],
        at: FloatArray,
        gradients: tuple[FloatArray, FloatArray],
    ) -> float:
        """Of two values, one in each arm, where clusters hold both."""
        first, second = (self.of(a, covariates, at).scores(g) for a, g in zip(arms, gradients, strict=True))
        return float(first @ second)

    def crossed_df(self, covariates: tuple[int, ...]) -> float:
        """Degrees of freedom where clusters hold several arms: each arm has slopes of its own."""
        return max(self.sample.df * left_over(self.sample.crossed, 1, 2 * len(covariates)), 1.0)
