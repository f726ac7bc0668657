"""Permuted arms: the t statistic of a test under assignments that the lot could have made instead."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gmvcausal.abtest.draws.drawn import Permuted, Plan, by_cluster, facts, scores
from gmvcausal.abtest.intake.rows import FloatArray, IntArray, Rows
from gmvcausal.abtest.terms.compare import Contrast
from gmvcausal.abtest.terms.estimate import Fit, Term
from gmvcausal.abtest.terms.values import centre
from gmvcausal.errors import DesignError, InputError
from gmvcausal.stats import resampling as rs


def permute(fit: Fit, rows: Rows, plan: Plan, tick: Callable[[int], object]) -> tuple[list[Contrast], list[str]]:
    """The contrasts of all terms with their statistics under permuted arms, and what is to be said of these."""
    if fit.sample.between is not None:
        raise InputError(
            f"clusters by {rows.cluster_name!r} hold several arms, so it is not known what was drawn by lot, and arms "
            "cannot be permuted",
            column=rows.cluster_name,
            remedy="name as cluster= what was assigned, or use inference='t' or 'poisson_bootstrap'",
        )
    contrasts: list[Contrast] = [t.contrast for t in fit.terms]
    exact: set[bool] = set()
    for a in sorted({t.arm for t in fit.terms}):
        where = [i for i, t in enumerate(fit.terms) if t.arm == a]
        null, observed, all_ = _permuted(fit, [fit.terms[i] for i in where], rows, a, plan, tick)
        exact.add(all_)
        for k, i in enumerate(where):
            contrasts[i] = _held_against(fit.terms[i].contrast, null[:, k], observed[k], all_)
    unit = f"whole {rows.cluster_name} clusters" if rows.cluster_name else "units"
    within = " within strata" if rows.stratum is not None or rows.of_strata else ""
    how = "every possible assignment" if exact == {True} else f"{plan.draws:,} random assignments (seed {plan.seed})"
    said = (
        f"p-values and intervals are from {how} of {unit}{within} to the arms (t statistic of each, Chung and Romano "
        "2013); the standard errors are the analytic ones"
    )
    return contrasts, [said]


def _held_against(contrast: Contrast, null: FloatArray, observed: tuple[float, float], all_: bool) -> Permuted:
    """The contrast with its null, on the scale of its own standard error."""
    error = math.sqrt(contrast.variance)
    if not error > 0:
        # Arms that do not vary are further apart than any spread: only assignments that part them so come up to that.
        own = np.flatnonzero(null == np.copysign(math.inf, contrast.difference))[: int(all_)]
        return Permuted(**facts(contrast), null=np.delete(null, own))
    scaled = null * (observed[1] / error)
    t = contrast.difference / error
    if all_:  # the observed assignment is one of them
        scaled = np.delete(scaled, np.argmin(np.abs(scaled - t)))
    # Assignments that give the same numbers give the same statistic; rounding must not tell them apart.
    tied = np.abs(np.abs(scaled) - abs(t)) <= 1e-9 * max(abs(t), 1e-3)
    return Permuted(**facts(contrast), null=np.where(tied, np.copysign(t, scaled), scaled))


def _permuted(
    fit: Fit, terms: list[Term], rows: Rows, a: int, plan: Plan, tick: Callable[[int], object]
) -> tuple[FloatArray, list[tuple[float, float]], bool]:
    """Statistics of the terms of one arm under permuted arms, shape (draws, terms); observed (difference, error)."""
    inside = np.flatnonzero((rows.arm == a) | (rows.arm == rows.control))
    blocks, levels = [], []
    for term in terms:
        e, d, value = _pooled_scores(fit, term, rows, inside)
        levels.append(value)
        blocks.append(np.column_stack([e, d]))
    units, treated = np.hstack(blocks), rows.arm[inside] == a
    stratum = np.zeros(len(inside), dtype=np.int64) if rows.stratum is None else rows.stratum[inside]
    for k, col in enumerate(rows.of_strata):  # strata that the metrics are adjusted for
        stratum = stratum + (k + 1) * (rows.column(col)[inside] != 0)
    if rows.cluster is not None:
        code = np.unique(rows.cluster[inside], return_inverse=True)[1]
        first = np.empty(int(code.max()) + 1, dtype=np.int64)
        first[code[::-1]] = np.arange(len(code))[::-1]
        units, treated, stratum = by_cluster(rows, inside, units), treated[first], stratum[first]
    pools = [units[stratum == s] for s in np.unique(stratum)]
    chosen = [treated[stratum == s] for s in np.unique(stratum)]
    share = np.ones(1) if rows.stratum is None else np.bincount(rows.stratum) / len(rows.stratum)
    sizes = [(len(pool), int(one.sum())) for pool, one in zip(pools, chosen, strict=True)]
    if min(min(take, n - take) for n, take in sizes) < 2:
        unit = f"{rows.cluster_name} clusters" if rows.cluster_name else "units"
        raise DesignError(
            f"a stratum has fewer than 2 {unit} in an arm, so the statistic does not exist under permuted arms",
            remedy="merge small strata, or use inference='t'",
        )
    all_ = rs.assignments(sizes, plan.draws) <= plan.draws
    rng = np.random.default_rng([plan.seed, 0])
    ways = rs.every_subset(sizes) if all_ else None
    found, seen, totals = [], [], []
    for k, (pool, (_, take)) in enumerate(zip(pools, sizes, strict=True)):
        if ways is not None:
            own = _products(pool)
            found.append(ways[k].astype(float) @ own)
            totals.append(own.sum(axis=0))
        else:
            some, counts = rs.alike(pool)
            own = _products(some)
            step = tick if k == 0 else rs.silent
            found.append(rs.subset_sums(own, counts, take, plan.draws, rng, step))
            totals.append(counts @ own)
        seen.append(_products(pool[chosen[k]]).sum(axis=0)[None])
    if rows.stratum is None and len(pools) > 1:  # drawn within strata, compared over all of them
        found, seen, totals = ([np.sum(part, axis=0)] for part in (found, seen, totals))
        sizes = [(sum(n for n, _ in sizes), sum(take for _, take in sizes))]
    null = np.column_stack(
        [_statistic(found, totals, sizes, share, k, t.recipe.log, levels[k])[0] for k, t in enumerate(terms)]
    )
    observed = []
    for k, t in enumerate(terms):
        statistic, error = _statistic(seen, totals, sizes, share, k, t.recipe.log, levels[k])
        gap = float(statistic[0] * error[0]) if error[0] > 0 else math.nan
        observed.append((gap, float(error[0])))
    return null, observed, all_


def _pooled_scores(fit: Fit, term: Term, rows: Rows, inside: IntArray) -> tuple[FloatArray, FloatArray, float]:
    """e and d about what both arms have together, so that no label enters; the slopes are those within the arms."""
    one, other = fit.sample.arms[term.arm], fit.sample.arms[rows.control]
    at = centre(one, other)
    e, d, value = scores(term.recipe, fit, rows, inside, at, one.cross + other.cross, at)
    if rows.stratum is None:
        return e, d, value
    # Within strata: linear, about each stratum's own mean.
    code = rows.stratum[inside]
    size = np.maximum(np.bincount(code, minlength=rows.strata), 1)
    e = e - (np.bincount(code, weights=e, minlength=rows.strata) / size)[code]
    return e, np.ones(len(e)), value


def _products(pairs: FloatArray) -> FloatArray:
    """e, d and their products for every pair of columns, shape (n, 5 pairs)."""
    out = np.empty((len(pairs), 5 * (pairs.shape[1] // 2)))
    e, d = pairs[:, ::2], pairs[:, 1::2]
    for k, column in enumerate((e, d, e * e, e * d, d * d)):
        out[:, k::5] = column
    return out


def _statistic(
    sums: list[FloatArray],
    totals: list[FloatArray],
    sizes: list[tuple[int, int]],
    share: FloatArray,
    k: int,
    log: bool,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    """t statistics and their standard errors from the treated sums of every stratum, shape (draws,)."""
    here = slice(5 * k, 5 * k + 5)
    stratified = len(sums) > 1
    gap, variance = np.zeros(len(sums[0])), np.zeros(len(sums[0]))
    with np.errstate(invalid="ignore", divide="ignore"):
        for one, total, (n, take), weight in zip(sums, totals, sizes, share, strict=True):
            for sign, part, size in ((1, one[:, here], take), (-1, total[here] - one[:, here], n - take)):
                e, d, ee, ed, dd = part.T
                off = e / d
                spread = np.maximum(ee - 2 * off * ed + off * off * dd, 0.0) / (d * d) * size / (size - 1)
                if log and not stratified:
                    spread = spread / (level + off) ** 2
                    off = np.log1p(off / level)
                gap += sign * weight * off
                variance += weight * weight * spread
        if log and stratified:
            gap, variance = gap / level, variance / level**2
        error = np.sqrt(variance)
        statistic = np.where(error > 0, gap / error, np.where(gap == 0, 0.0, np.copysign(np.inf, gap)))
    # An assignment in which a value does not exist counts as extreme: on the safe side.
    return np.where(np.isnan(statistic), np.inf, statistic), error
