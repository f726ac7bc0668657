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

import numpy as np

from gmvcausal.abtest.intake.rows import Ask, Col, FloatArray, IntArray, Look, Rows
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Metric, name_of
from gmvcausal.abtest.terms.sample import Arm, Sample
from gmvcausal.errors import DesignError
from gmvcausal.stats.small_sample import trust_in

# Clusters that an arm needs for each slope, indicators among them.
CLUSTERS_PER_SLOPE = 2.5


@dataclass(frozen=True, eq=False)
class ClusterFit:
    """The regression of one arm on covariates, its clusters and what each of its rows weighs.

    Attributes
    ----------
    rows : Rows
    cols : list of Col
    arm : Arm
    inside : ndarray of int, shape (n,)
        The rows of the arm.
    covariates : tuple of int
    at : ndarray, shape (p,)
        Where the covariates are held.
    """

    rows: Rows
    cols: list[Col]
    arm: Arm
    inside: IntArray
    covariates: tuple[int, ...]
    at: FloatArray

    @cached_property
    def _cluster(self) -> IntArray:
        assert self.rows.cluster is not None
        return self.rows.cluster[self.inside]

    @cached_property
    def _stratum(self) -> IntArray:
        if self.rows.stratum is None:
            return np.zeros(len(self.inside), dtype=np.int64)
        return self.rows.stratum[self.inside]

    @cached_property
    def _sizes(self) -> tuple[IntArray, FloatArray, IntArray]:
        """Clusters of the arm (codes), their rows, their strata."""
        codes, first, size = np.unique(self._cluster, return_index=True, return_counts=True)
        return codes, size.astype(float), self._stratum[first]

    def _centred(self, gradient: FloatArray) -> FloatArray:
        """gradient . (row - mean of its stratum in the arm), shape (n,)."""
        mean, out = self.arm.mean + self.arm.rest, np.zeros(len(self.inside))
        for j in np.flatnonzero(gradient):
            out += gradient[j] * (self.rows.column(self.cols[j])[self.inside] - mean[j])
        count = np.bincount(self._stratum, minlength=self.rows.strata)
        return np.asarray(out - (np.bincount(self._stratum, out, self.rows.strata) / count)[self._stratum])

    @cached_property
    def _weight(self) -> FloatArray:
        """What the residual of each row is multiplied by, shape (n,)."""
        strata, held = self.rows.strata, list(self.covariates)
        n = np.bincount(self._stratum, minlength=strata).astype(float)
        share = np.ones(1)
        if self.rows.stratum is not None:
            share = np.bincount(self.rows.stratum, minlength=strata) / len(self.rows.arm)
        q, value = np.empty((len(held) + 1, len(self.inside))), np.zeros(len(held) + 1)
        q[0] = 1 / np.sqrt(n[self._stratum])
        if held:
            scale = np.sqrt(np.diag(self.arm.cross)[held])
            root, turn = np.linalg.eigh(self.arm.cross[np.ix_(held, held)] / np.outer(scale, scale))
            white = turn / np.sqrt(root)
            unit = np.eye(len(self.at))
            q[1:] = white.T @ np.array([self._centred(unit[j]) / s for j, s in zip(held, scale, strict=True)])
            value[1:] = white.T @ ((self.at[held] - self.arm.mean[held] - self.arm.rest[held]) / scale)
        codes, _, of = self._sizes
        place = np.searchsorted(codes, self._cluster)
        lean = np.tile(value, (len(codes), 1))
        lean[:, 0] = share[of] / np.sqrt(n[of])
        hat = np.empty((len(codes), len(q), len(q)))
        for i in range(len(q)):
            for j in range(i + 1):
                hat[:, i, j] = hat[:, j, i] = np.bincount(place, q[i] * q[j], len(codes))
        root, turn = np.linalg.eigh(np.eye(len(q)) - hat)
        # A direction that one cluster alone decides is fitted exactly: nothing is left of it, and nothing is added.
        inverse = np.where(root > 1e-9, 1 / np.sqrt(np.maximum(root, 1e-9)), 0.0)
        turned = np.einsum("cij,cj,ckj,ck->ci", turn, inverse, turn, lean, optimize=True)
        return np.asarray(np.einsum("in,ni->n", q, turned[place], optimize=True))

    def scores(self, gradient: FloatArray) -> FloatArray:
        """The parts of all clusters of the test in the value; their squares add up to its variance (CR2)."""
        assert self.rows.cluster is not None
        parts = self._weight * self._centred(gradient)
        return np.bincount(self._cluster, parts, int(self.rows.cluster.max()) + 1).astype(float)

    def parts(self, gradient: FloatArray) -> list[tuple[float, float]]:
        """The variance of the value as parts (of strata) with their degrees of freedom."""
        codes, size, of = self._sizes
        strata = self.rows.strata
        variance = np.bincount(of, self.scores(gradient)[codes] ** 2, strata)
        left = left_over(len(codes), strata, len(self.covariates))
        df = np.maximum(trust_in(size, of, strata).df * left, 1.0)
        return [(float(v), float(d)) for v, d in zip(variance, df, strict=True)]


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
    _made: dict[tuple[int, tuple[int, ...], bytes], ClusterFit] = field(default_factory=dict)

    def of(self, arm: int, covariates: tuple[int, ...], at: FloatArray) -> ClusterFit:
        """That of an arm on covariates held at `at`."""
        key = (arm, covariates, at[list(covariates)].tobytes())
        if key not in self._made:
            rows = self.source
            assert isinstance(rows, Rows)  # adjusted tests in clusters are read into memory
            inside = np.flatnonzero(rows.arm == arm)
            self._made[key] = ClusterFit(rows, self.cols, self.sample.arms[arm], inside, covariates, at)
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
