"""Intervals and p-values from draws instead of t: the Poisson bootstrap, and permuted arms.

Every unit (row, or cluster) enters with two numbers per metric, e and d: over any weights w, a metric's value is off
from what it is now by sum(w e) / sum(w d). For a mean e is the distance from the mean and d is 1; for a ratio of totals
d is the denominator over its mean, and e the residual. Covariates enter with their slopes held fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gmvcausal.abtest.compare import Contrast
from gmvcausal.abtest.estimate import Fit, Term
from gmvcausal.abtest.rows import FloatArray, IntArray, Rows
from gmvcausal.abtest.sample import slopes
from gmvcausal.abtest.values import Recipe, centre
from gmvcausal.errors import DesignError, InputError
from gmvcausal.stats import resampling as rs

INFERENCES = ("t", "poisson_bootstrap", "randomisation")
_LONG = 100_000_000  # weights to draw, from which on a bar shows how far it is


class Plan(NamedTuple):
    """How draws are made."""

    inference: str
    draws: int
    seed: int
    progress: bool


@dataclass(frozen=True, eq=False)
class Bootstrapped(Contrast):
    """A contrast whose interval is that of the percentiles of bootstrap draws.

    Attributes
    ----------
    treated_off, control_off : ndarray, shape (draws,)
        How far both values are off in every draw.
    """

    treated_off: FloatArray = field(default_factory=lambda: np.zeros(0))
    control_off: FloatArray = field(default_factory=lambda: np.zeros(0))
    by_draws: ClassVar[str] = "percentiles of the Poisson bootstrap"

    @property
    def _gaps(self) -> FloatArray:
        return self.difference + (self.treated_off - self.control_off)

    def p_value(self) -> float:
        """The level at which the interval ends at zero."""
        return rs.percentile_p(self._gaps, self.alternative) if self.variance > 0 else math.nan

    def interval(self, level: float) -> tuple[float, float]:
        """Percentiles of the difference."""
        return rs.percentile(self._gaps, level, self.alternative)

    def relative_interval(self, level: float) -> tuple[float, float]:
        """Percentiles of the relative effect; NaN where some draw of the control's value is not above zero."""
        if self.log:
            low, high = self.interval(level)
            return math.expm1(low), math.expm1(high)
        controls = self.control + self.control_off
        if not self.control > 0 or not (controls > 0).all():
            return math.nan, math.nan
        return rs.percentile(self._gaps / controls, level, self.alternative)


@dataclass(frozen=True, eq=False)
class Permuted(Contrast):
    """A contrast whose t statistic is held against its draws under permuted arms.

    Attributes
    ----------
    null : ndarray, shape (draws,)
        The statistic in every draw, without the one that was observed.
    """

    null: FloatArray = field(default_factory=lambda: np.zeros(0))
    by_draws: ClassVar[str] = "the t statistic under permuted arms"

    def p_value(self) -> float:
        """Share of assignments, the observed one among them, whose statistic is as large."""
        if not self.variance > 0:
            return math.nan
        return rs.null_p(self.difference / math.sqrt(self.variance), self.null, self.alternative)

    def _critical(self, level: float) -> float:
        # A hair wider, so that where p is above alpha by a tie the interval does hold zero.
        return rs.null_critical(self.null, level, self.alternative) * (1 + 1e-12)


def resample(fit: Fit, plan: Plan) -> Fit:
    """The same fit, its contrasts with intervals and p-values from draws.

    Raises
    ------
    InputError
        Arms permuted where clusters hold several of them; rows that are not in memory.
    DesignError
        Draws in which an arm (a denominator) is empty; too few assignments to permute.
    """
    rows = fit.source
    if not isinstance(rows, Rows):
        raise InputError("draws are made from rows in memory, which this source has not", remedy="use inference='t'")
    if fit.withheld:
        return fit
    make = _bootstrap if plan.inference == "poisson_bootstrap" else _permute
    width = len(fit.sample.arms) * plan.draws * max(int((v != 0).sum()) for v in rows.values.values())
    with _bar(plan, width) as tick:
        contrasts, notes = make(fit, rows, plan, tick)
    terms = tuple(replace(t, contrast=c) for t, c in zip(fit.terms, contrasts, strict=True))
    return replace(fit, terms=terms, notes=[*fit.notes, *notes])


def refuse_few_draws(fit: Fit, inference: str, asked: int, share: float, alternative: str) -> None:
    """Refuse a level that so many draws cannot reach."""
    if inference == "t" or fit.withheld:
        return
    draws = min([asked, *(len(t.contrast.null) for t in fit.terms if isinstance(t.contrast, Permuted))])
    finest = rs.resolution(draws, alternative, inference == "poisson_bootstrap")
    if finest <= share * (1 + 1e-9):
        return
    told = f"the smallest p-value is {finest:.2g}, above the {share:.2g} that this test asks for"
    if draws < asked:
        raise DesignError(
            f"there are only {draws + 1:,} ways to assign the arms, so {told}",
            remedy="collect more units, use a larger alpha, or inference='t'",
        )
    raise InputError(f"with draws={asked:,} {told}", remedy=f"pass draws={math.ceil((asked + 1) * finest / share)}")


def _bar(plan: Plan, width: int) -> Any:
    from tqdm import tqdm

    if not plan.progress or width < _LONG:
        return nullcontext(lambda done: None)
    return _Ticking(tqdm(desc=plan.inference, unit="draw", leave=False))


class _Ticking:
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def __enter__(self) -> Callable[[int], object]:
        return lambda done: self.bar.update(done)

    def __exit__(self, *error: object) -> None:
        self.bar.close()


# --- scores -----------------------------------------------------------------------------------------------------------
def _gradients(recipe: Recipe, cross: FloatArray) -> list[FloatArray]:
    found = []
    for column in recipe.outcomes:
        gradient = np.zeros(len(cross))
        gradient[column] = 1.0
        if recipe.covariates:
            gradient[list(recipe.covariates)] = -slopes(cross, column, list(recipe.covariates))
        found.append(gradient)
    return found


def _scores(
    recipe: Recipe, fit: Fit, rows: Rows, inside: IntArray, mean: FloatArray, cross: FloatArray, at: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """e and d of the rows `inside`, whose means are `mean`, and the value that they have together."""
    held = list(recipe.covariates)
    moved, levels = [], []
    for column, gradient in zip(recipe.outcomes, _gradients(recipe, cross), strict=True):
        out = np.zeros(len(inside))
        for j in np.flatnonzero(gradient):
            out += gradient[j] * (rows.column(fit.cols[j])[inside] - mean[j])
        moved.append(out)
        # An adjusted mean is that of y - slope (x - at): the covariates' own means enter by their distance from `at`.
        levels.append(float(mean[column] + gradient[held] @ (mean[held] - at[held])))
    if recipe.denominator is None:
        return moved[0], np.ones(len(inside)), levels[0]
    ratio = levels[0] / levels[1]
    return (moved[0] - ratio * moved[1]) / levels[1], 1 + moved[1] / levels[1], ratio


def _moved(value: float, off: FloatArray, log: bool) -> FloatArray:
    """What a value whose level is `value` becomes when it is off by `off`: its logarithm's move, or its own."""
    if not log:
        return off
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log1p(off / value))


def _by_cluster(rows: Rows, inside: IntArray, scores: FloatArray) -> FloatArray:
    """Sums of the scores over the clusters of these rows, shape (clusters, columns)."""
    assert rows.cluster is not None
    labels, code = np.unique(rows.cluster[inside], return_inverse=True)
    return np.column_stack([np.bincount(code, weights=c, minlength=len(labels)) for c in scores.T])


# --- bootstrap --------------------------------------------------------------------------------------------------------
def _bootstrap(fit: Fit, rows: Rows, plan: Plan, tick: Callable[[int], object]) -> tuple[list[Contrast], list[str]]:
    control, arms = rows.control, fit.sample.arms
    sides = [(i, a) for i, t in enumerate(fit.terms) for a in (t.arm, control)]
    scores: dict[tuple[int, int], tuple[FloatArray, float]] = {}
    for i, a in sides:
        scores[i, a] = _arm_scores(fit, fit.terms[i], rows, a)
    off: dict[tuple[int, int], FloatArray] = {}
    crossed = fit.sample.between is not None
    for group in [sides] if crossed else [[s for s in sides if s[1] == a] for a in range(len(arms))]:
        off |= _draw_group(group, scores, rows, plan, tick, crossed)
    contrasts: list[Contrast] = []
    for i, term in enumerate(fit.terms):
        log = term.recipe.log and rows.stratum is None
        moves = [_moved(scores[i, a][1], off[i, a], log) for a in (term.arm, control)]
        lost = int((~np.isfinite(moves[0]) | ~np.isfinite(moves[1])).sum())
        if lost:
            raise DesignError(
                f"in {lost:,} of {plan.draws:,} bootstrap draws an arm (or its denominator) is empty: there are too "
                "few units for a bootstrap",
                remedy="use inference='randomisation' or 't', or collect more units",
            )
        contrasts.append(Bootstrapped(**_own(term.contrast), treated_off=moves[0], control_off=moves[1]))
    unit = f"{rows.cluster_name} clusters" if rows.cluster_name else "units"
    said = (
        f"p-values and intervals are from {plan.draws:,} draws of the Poisson bootstrap over {unit} (percentiles, seed "
        f"{plan.seed}); caps, slopes and models are held fixed; standard errors are the analytic ones"
    )
    return contrasts, [said]


def _arm_scores(fit: Fit, term: Term, rows: Rows, a: int) -> tuple[FloatArray, float]:
    """e and d, shape (rows of the arm, 2), and the level of the value."""
    arm, other = fit.sample.arms[term.arm], fit.sample.arms[rows.control]
    own = fit.sample.arms[a]
    inside = np.flatnonzero(rows.arm == a)
    mean = own.mean + own.rest
    e, d, value = _scores(term.recipe, fit, rows, inside, mean, own.cross, centre(arm, other))
    if rows.stratum is None:
        return np.column_stack([e, d]), value
    # Post-stratified: linear, each stratum by its share of the test, about its own mean.
    stratum = rows.stratum[inside]
    share = np.bincount(rows.stratum, minlength=rows.strata) / len(rows.stratum)
    size = np.bincount(stratum, minlength=rows.strata)
    e = (e - (np.bincount(stratum, weights=e, minlength=rows.strata) / size)[stratum]) / (
        value if term.recipe.log else 1.0
    )
    return np.column_stack([e * (share / size * len(inside))[stratum], np.ones(len(inside))]), value


def _draw_group(
    group: list[tuple[int, int]],
    scores: dict[tuple[int, int], tuple[FloatArray, float]],
    rows: Rows,
    plan: Plan,
    tick: Callable[[int], object],
    crossed: bool,
) -> dict[tuple[int, int], FloatArray]:
    """How far each value of the group is off in every draw; its units are weighted together."""
    blocks = []
    for i, a in group:
        inside, own = np.flatnonzero(rows.arm == a), scores[i, a][0]
        if crossed:
            whole = np.zeros((len(rows.arm), 2))
            whole[inside] = own
            blocks.append(_by_cluster(rows, np.arange(len(rows.arm)), whole))
        else:
            blocks.append(own if rows.cluster is None else _by_cluster(rows, inside, own))
    # The streams belong to roles, not to labels: a new name for an arm changes nothing.
    role = 0 if crossed or group[0][1] == rows.control else 1 + group[0][1] + (group[0][1] < rows.control)
    rng = np.random.default_rng([plan.seed, role])
    sums = rs.poisson_sums(*rs.alike(np.hstack(blocks)), plan.draws, rng, tick)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {side: sums[:, 2 * k] / sums[:, 2 * k + 1] for k, side in enumerate(group)}


def _own(contrast: Contrast) -> dict[str, Any]:
    return {f.name: getattr(contrast, f.name) for f in fields(Contrast)}


# --- permutation ------------------------------------------------------------------------------------------------------
def _permute(fit: Fit, rows: Rows, plan: Plan, tick: Callable[[int], object]) -> tuple[list[Contrast], list[str]]:
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
        return Permuted(**_own(contrast), null=np.zeros(len(null)))
    scaled = null * (observed[1] / error)
    t = contrast.difference / error
    if all_:  # the observed assignment is one of them
        scaled = np.delete(scaled, np.argmin(np.abs(scaled - t)))
    # Assignments that give the same numbers give the same statistic; rounding must not tell them apart.
    tied = np.abs(np.abs(scaled) - abs(t)) <= 1e-9 * max(abs(t), 1e-3)
    return Permuted(**_own(contrast), null=np.where(tied, np.copysign(t, scaled), scaled))


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
        units, treated, stratum = _by_cluster(rows, inside, units), treated[first], stratum[first]
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
            step = tick if k == 0 else _silent
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
        observed.append((float(statistic[0] * error[0]), float(error[0])))
    return null, observed, all_


def _pooled_scores(fit: Fit, term: Term, rows: Rows, inside: IntArray) -> tuple[FloatArray, FloatArray, float]:
    """e and d about what both arms have together, so that no label enters; the slopes are those within the arms."""
    one, other = fit.sample.arms[term.arm], fit.sample.arms[rows.control]
    at = centre(one, other)
    e, d, value = _scores(term.recipe, fit, rows, inside, at, one.cross + other.cross, at)
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


def _silent(done: int) -> None:
    """No progress is shown."""


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
