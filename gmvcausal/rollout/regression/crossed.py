"""Two-way fixed effects of repeated cross-sections: effects of cohorts and periods, from the means of their cells.

Nobody is seen twice, so there are no unit effects. Treatment varies by cohort and period alone, and so do its residual
and the fitted values: the regression is one of (cohorts x periods) means, weighted by their rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.audit.case import subset
from gmvcausal.rollout.chance.headline import headline
from gmvcausal.rollout.chance.placebo import placebo
from gmvcausal.rollout.fitted import Fitted, FloatArray, IntArray, Options, Series, count, dated
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.inference import small_sample_factor
from gmvcausal.stats.small_sample import Spread, by_cluster

_COLLINEAR = 1e-10


@dataclass(frozen=True)
class Cross:
    """Coefficients of regressors that vary by cohort and period.

    Attributes
    ----------
    kept : ndarray of bool, shape (all regressors,)
        Where two are collinear with the effects, the later one goes.
    beta, cov : ndarray, shape (k,) and (k, k)
        Clustered, with the small-sample factor.
    scores : ndarray, shape (R, k)
        Influence of every row, with the square root of the factor.
    """

    kept: NDArray[np.bool_]
    beta: FloatArray
    cov: FloatArray
    scores: FloatArray


def fit(
    value: FloatArray, place: tuple[IntArray, IntArray], shape: tuple[int, int], regressors: list[FloatArray],
    cluster: IntArray, weight: FloatArray | None, ssc: str,
) -> Cross:  # fmt: skip
    """Least squares of the rows' outcomes on cohort effects, period effects and the regressors.

    Parameters
    ----------
    value : ndarray, shape (R,)
    place : (ndarray, ndarray), shape (R,) each
        Cohort and period of each row.
    shape : (int, int)
        Cohorts and periods.
    regressors : list of ndarray, shape (cohorts, periods)
    cluster : ndarray of int, shape (R,)
    weight : ndarray, shape (R,), or None
    ssc : str
        K counts all cohort and period effects: no cohort lies within a cluster.
    """
    w = np.ones(len(value)) if weight is None else weight / weight.mean()
    at = place[0] * shape[1] + place[1]
    centred = value - value.mean()
    size = np.bincount(at, w, minlength=shape[0] * shape[1])
    live = size > 0
    mean = np.bincount(at, w * centred, minlength=len(size))[live] / size[live]
    cohort, period = np.divmod(np.flatnonzero(live), shape[1])
    effects = np.column_stack([cohort[:, None] == np.unique(cohort), period[:, None] == np.unique(period)[1:]])
    root = np.sqrt(size[live])
    q, r = np.linalg.qr(root[:, None] * effects.astype(float))
    q = q[:, np.abs(np.diag(r)) > _COLLINEAR * np.abs(np.diag(r)).max()]
    x = np.column_stack([root * one.reshape(-1)[live] for one in regressors])
    length = np.linalg.norm(x, axis=0)
    kept = np.zeros(x.shape[1], dtype=bool)
    basis, rest = q, np.zeros((len(root), 0))
    for j in range(x.shape[1]):
        left = x[:, j] - basis @ (basis.T @ x[:, j])
        left -= basis @ (basis.T @ left)
        norm = np.linalg.norm(left)
        if norm > 1e-8 * length[j]:
            kept[j] = True
            basis = np.column_stack([basis, left / norm])
            own = x[:, j] - q @ (q.T @ x[:, j])
            rest = np.column_stack([rest, own])
    inverse = np.linalg.inv(rest.T @ rest)
    z = root * mean
    beta = inverse @ (rest.T @ z)
    fitted = (q @ (q.T @ z) + rest @ beta) / root
    path, slope = np.zeros(len(size)), np.zeros((len(size), len(beta)))
    path[live], slope[live] = fitted, (rest / root[:, None]) @ inverse
    clusters = int(cluster.max()) + 1
    factor = small_sample_factor(ssc, len(value), len(beta) + q.shape[1], 0, 0, clusters)
    scores = np.sqrt(factor) * (w * (centred - path[at]))[:, None] * slope[at]
    sums = np.column_stack([np.bincount(cluster, s, minlength=clusters) for s in scores.T])
    return Cross(kept, beta, np.asarray(sums.T @ sums, dtype=float), scores)


TERM = "coefficient of the treatment with cohort and period effects (a weighted mix, not always an ATT)"


def crossed(panel: Panel, options: Options) -> Fitted:
    """Two-way fixed effects where every row is a person seen once."""
    seen = np.asarray(np.isfinite(panel.y).any(axis=1), dtype=bool)
    if not seen.all():  # their period was left out
        return crossed(subset(panel, seen), options)
    column = np.isfinite(panel.y).argmax(axis=1)
    value = panel.y[np.arange(len(column)), column]
    starts, cohort = np.unique(panel.start, return_inverse=True)
    width, position = panel.y.shape[1], panel.grid.position

    def run(regressors: list[FloatArray]) -> Cross:
        return fit(value, (cohort, column), (len(starts), width), regressors, panel.cluster, panel.weight, options.ssc)

    on = dated(starts, width)
    found = run([on])
    treated = panel.start >= 0
    under = on[cohort, column] == 1
    begun = column >= starts[starts >= 0].min()
    switching = panel.start > 0
    clusters = (count(panel.cluster, switching), count(panel.cluster, begun & ~under))
    alone = len(value) == panel.n_clusters
    # Independent rows vary about the mean of their cohort and period, clusters about that of their cohort.
    group = cohort * width + column if alone else cohort
    spread = by_cluster(found.scores, panel.cluster, group, np.diag(found.cov), panel.weight)
    estimates = headline(
        [("treated (period effects)", TERM)], options.outcome_unit, found.beta, found.cov, len(value), spread, clusters,
        lambda: placebo(panel, options, float(found.beta[0]), "mean"),
    )  # fmt: skip

    def event() -> Series:
        own = starts[starts > 0]
        base = int((position[own - 1] - position[own]).max()) if len(own) else -1
        since = np.where(starts[:, None] > 0, position - position[np.maximum(starts, 0)][:, None], base)
        times = np.unique(since[since != base])
        # Nearest to the start first: where two leads are collinear with the effects, the farther one goes.
        times = times[np.argsort(np.abs(times + 0.5), kind="stable")]
        made = run([(since == e).astype(float) for e in times])
        kept = times[made.kept]
        order = np.argsort(kept)
        rows = [(since == e)[cohort, column] for e in kept[order]]
        k = len(order)
        return Series(
            kept[order],
            made.beta[order],
            made.cov[np.ix_(order, order)],
            np.array([int(r.sum()) for r in rows]),
            np.array([min(count(panel.cluster, r), clusters[1]) for r in rows]),
            Spread(np.repeat(spread.df, k), np.repeat(spread.factor, k)),
            base,
        )

    control = panel.start < 0
    return Fitted(
        estimates,
        lambda: found.scores[:, 0],
        event,
        treated,
        control if control.any() else treated,
        clusters,
        int(under.sum()),
        on=lambda: np.where(np.isfinite(panel.y), on[cohort], np.nan),
    )
