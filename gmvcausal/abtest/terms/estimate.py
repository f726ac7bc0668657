"""From the rows of a test to its terms: one row per metric and arm, capped ones beside uncapped ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmvcausal.abtest.audit.rules import MIN_BALANCED, MIN_CLUSTERS
from gmvcausal.abtest.intake.rows import Ask, Col, FloatArray, Look, Shape
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Metric, Quantile, name_of, parts
from gmvcausal.abtest.terms import quantiles, received
from gmvcausal.abtest.terms.caps import Cap, find_caps
from gmvcausal.abtest.terms.compare import Contrast
from gmvcausal.abtest.terms.cupac import adjusters, learned_from, with_predictions
from gmvcausal.abtest.terms.of_clusters import ClusterFits, look_at_sums, most_slopes, refuse_slopes
from gmvcausal.abtest.terms.recipes import needed_columns, recipes_of
from gmvcausal.abtest.terms.sample import Sample, clustered, plain, without_dust
from gmvcausal.abtest.terms.values import (
    Hc2,
    Recipe,
    Value,
    centre,
    hc2,
    regression_variance,
    value,
    variance_parts,
)
from gmvcausal.errors import DesignError
from gmvcausal.stats.small_sample import welch_df


@dataclass(frozen=True)
class Settings:
    """Options of the estimation."""

    alternative: str = "two-sided"
    lift: str = "fieller"
    hc: str | None = "hc2"
    seed: int = 0
    progress: bool = False
    received: str | None = None


@dataclass(frozen=True, eq=False)
class Term:
    """One metric, one arm against the control.

    Attributes
    ----------
    metric : int
        Position among the metrics.
    arm : int
        Position of the arm.
    cap : Cap or None
    recipe : Recipe
    values : tuple of Value
        Of the arm and of the control.
    contrast : Contrast
    looks : tuple of Look
        Residuals of the arm and of the control.
    capped_share : float
        Share of the total (of a ratio: of its numerator) that lies above the cap; NaN where negative values leave a
        total of which it is no share.
    variance_reduction : float
        Share of the variance that the covariates take away; NaN without covariates.
    linear_reduction : float
        What the columns behind a model's prediction take away linearly; NaN without a model.
    """

    metric: int
    arm: int
    cap: Cap | None
    recipe: Recipe
    values: tuple[Value, Value]
    contrast: Contrast
    looks: tuple[Look, Look]
    capped_share: float
    variance_reduction: float
    linear_reduction: float = math.nan


@dataclass(frozen=True, eq=False)
class Fit:
    """Everything estimated.

    Attributes
    ----------
    terms : tuple of Term
    cov : ndarray, shape (k, k)
        Joint covariance of the differences; NaN where withheld.
    cols : list of Col
    sample : Sample
    shapes : dict of str to Shape
    compliers : tuple of received.Complier
        Rows among those who receive because they are assigned; empty unless receipt is named.
    receipts : tuple of received.Receipt
    joint : ndarray, shape (k + c, k + c)
        Joint covariance of all rows, those among compliers last.
    withheld : str
        Why intervals are missing; empty where they are not.
    notes : list of str
    source : Source
        What the columns were taken from: the rows of the test, models' predictions among them.
    """

    terms: tuple[Term, ...]
    cov: FloatArray
    cols: list[Col]
    sample: Sample
    shapes: dict[str, Shape]
    withheld: str
    notes: list[str]
    source: Source
    compliers: tuple[received.Complier, ...]
    receipts: tuple[received.Receipt, ...]
    joint: FloatArray


def fit(
    source: Source, metrics: tuple[Metric, ...], settings: Settings, held: Sequence[Cap | None] | None = None
) -> Fit:
    """Estimate every metric in every arm against the control; `held` are caps that are fixed already."""
    notes: list[str] = []
    shapes = {p: source.shape(Col(p)) for p in dict.fromkeys(p for m in metrics for p in parts(m))}
    caps = find_caps(metrics, source, shapes, notes) if held is None else list(held)
    source = with_predictions(source, metrics, caps, settings.seed, settings.progress, notes)
    at = {k: (m, quantiles.find(m, source)) for k, m in enumerate(metrics) if isinstance(m, Quantile)}
    cols = needed_columns(metrics, caps, source, at)
    if settings.received is not None:
        firsts = [(None,) if cap is None else cap.at[:1] for cap in caps]
        cols = list(dict.fromkeys([*cols, *received.columns(metrics, firsts, settings.received)]))
    moments = without_dust(source.moments(cols, _within_clusters(metrics, source, cols)))
    arms = len(source.labels)
    sample = plain(moments, arms, source.strata) if moments.cells is None else clustered(moments, arms, source.strata)
    recipes = [recipes_of(k, m, caps[k], cols, source, sample, notes) for k, m in enumerate(metrics)]
    points = {k: quantiles.values(*own, cols, sample, source) for k, own in at.items()}
    drafts = [
        _draft(k, a, cap, recipe, source, sample, metrics[k], points.get(k))
        for k, pair in enumerate(recipes)
        for a in range(arms)
        if a != source.control
        for cap, recipe in pair
    ]
    of_clusters = ClusterFits(source, cols, sample, moments)
    rows_only = moments.cells is None and settings.hc == "hc2"
    # The checks look at uncapped rows only; a capped one is passed over again just for its HC2.
    seen = [(d.cap is None and d.recipe.quantile is None) or (rows_only and bool(d.recipe.covariates)) for d in drafts]
    asks = [a for d, use in zip(drafts, seen, strict=True) if use for a in _asks(d, sample, source.control, rows_only)]
    looks = iter(source.look(cols, asks) if moments.cells is None else look_at_sums(sample, asks))
    unseen = Look(math.nan, math.nan, math.nan, math.nan)
    pairs = [(next(looks), next(looks)) if use else (unseen, unseen) for use in seen]
    terms = tuple(
        _term(d, pair, of_clusters, shapes, metrics[d.metric], settings) for d, pair in zip(drafts, pairs, strict=True)
    )
    withheld = _too_few(sample, source)
    rows = [received.Line(t.arm, t.values[0].gradient, t.values[1].gradient, t.contrast.variance) for t in terms]
    among: tuple[received.Complier, ...] = ()
    receipts: tuple[received.Receipt, ...] = ()
    if settings.received is not None:
        receipts = received.receipts(of_clusters, settings.received)
        among = received.compliers(terms, metrics, of_clusters, settings.received, settings.hc, settings.alternative)
        rows += [row.line for row in among]
    joint = np.full((len(rows),) * 2, np.nan) if withheld else _joint(rows, sample, source.control)
    cov = joint[: len(terms), : len(terms)]
    return Fit(terms, cov, cols, sample, shapes, withheld, notes, source, among, receipts, joint)


def _within_clusters(metrics: tuple[Metric, ...], source: Source, cols: list[Col]) -> tuple[int, ...]:
    """Columns whose products within clusters the variance of adjusted values needs."""
    if not source.cluster_name:
        return ()
    held = {c for k, m in enumerate(metrics) for c in (*adjusters(k, m, source), *learned_from(m, source))}
    return tuple(sorted(cols.index(c) for c in held))


@dataclass(frozen=True, eq=False)
class _Draft:
    metric: int
    arm: int
    cap: Cap | None
    recipe: Recipe
    at: FloatArray
    values: tuple[Value, Value]


def _draft(
    k: int,
    a: int,
    cap: Cap | None,
    recipe: Recipe,
    source: Source,
    sample: Sample,
    metric: Metric,
    points: list[Value] | None,
) -> _Draft:
    treated, control = sample.arms[a], sample.arms[source.control]
    smallest = min(treated.n, control.n)
    if recipe.covariates and smallest < len(recipe.covariates) + 3:
        raise DesignError(
            f"{name_of(metric)!r} is adjusted for {len(recipe.covariates)} covariates, but an arm has only "
            f"{smallest:.0f} rows",
            remedy="adjust for fewer covariates",
        )
    if recipe.covariates and source.cluster_name:
        refuse_slopes(len(recipe.covariates), most_slopes(sample, (a, source.control), source.strata), metric, source)
    at = centre(treated, control)
    if points is not None:
        return _Draft(k, a, cap, recipe, at, (points[a], points[source.control]))
    values = (value(recipe, treated, at), value(recipe, control, at))
    for one, arm in zip(values, (a, source.control), strict=True):
        if math.isnan(one.value) and recipe.log:
            raise DesignError(
                f"{recipe.factor} of {name_of(metric)!r} is not above zero in arm {str(source.labels[arm])!r}, so it "
                "has no logarithm",
                column=name_of(metric),
                remedy="use gc.Mean: there is nothing to take apart",
            )
        if math.isnan(one.value):
            raise DesignError(
                f"the denominator of {name_of(metric)!r} is zero throughout arm {str(source.labels[arm])!r}, so the "
                "ratio does not exist there",
                column=parts(metric)[1],
                remedy="use another denominator, or a mean per unit",
            )
    return _Draft(k, a, cap, recipe, at, values)


def _asks(draft: _Draft, sample: Sample, control: int, rows_only: bool) -> list[Ask]:
    found = []
    for one, a in zip(draft.values, (draft.arm, control), strict=True):
        arm = sample.arms[a]
        second: Hc2 | None = hc2(draft.recipe, one, arm, draft.at) if rows_only and draft.recipe.covariates else None
        found.append(Ask(a, arm.mean + arm.rest, one.gradient, second, draft.cap is None))
    return found


def _term(
    draft: _Draft,
    looks: tuple[Look, Look],
    of_clusters: ClusterFits,
    shapes: dict[str, Shape],
    metric: Metric,
    settings: Settings,
) -> Term:
    sample, source = of_clusters.sample, of_clusters.source
    both = (sample.arms[draft.arm], sample.arms[source.control])
    variances: list[float] = []
    all_parts: list[tuple[tuple[float, float], ...]] = []
    for one, a, look in zip(draft.values, (draft.arm, source.control), looks, strict=True):
        arm = sample.arms[a]
        pieces = variance_parts(one, arm)
        if draft.recipe.covariates and source.cluster_name:
            pieces = of_clusters.of(a, draft.recipe.covariates, draft.at).parts(one.gradient)
        elif draft.recipe.covariates:
            classic, df = regression_variance(draft.recipe, one, arm, draft.at)
            pieces = [(classic if math.isnan(look.hc2) else look.hc2, df)]
        variances.append(sum(v for v, _ in pieces))
        all_parts.append(tuple(pieces))
    first, second = draft.values
    cov, df = 0.0, welch_df([part for own in all_parts for part in own])
    if sample.between is not None:
        cov = _shared(draft, draft.recipe.covariates, draft.values, of_clusters)
        df = of_clusters.crossed_df(draft.recipe.covariates)
    contrast = Contrast(
        first.value + first.rest,
        second.value + second.rest,
        (first.value - second.value) + (first.rest - second.rest),
        variances[0],
        variances[1],
        cov,
        df,
        settings.alternative,
        settings.lift,
        draft.recipe.log,
        () if sample.between is not None else tuple(all_parts),
    )
    share = 0.0
    column = parts(metric)[0]
    if draft.cap is not None and draft.cap.at[0] is not None and shapes[column].total != 0:
        whole = shapes[column].total
        share = (whole - source.shape(Col(column, draft.cap.at[0])).total) / abs(whole)
        # Where refunds eat up the total, what lies above the cap is no share of it.
        share = share if whole > 0 and share <= 1 else math.nan
    reduction = linear = math.nan
    if draft.recipe.covariates or draft.recipe.instead:
        bare = _variance(draft, (), of_clusters)
        reduction = 1 - contrast.variance / bare if bare > 0 else 0.0
        most = min(a.n for a in both) - 3
        if source.cluster_name:
            most = most_slopes(sample, (draft.arm, source.control), source.strata)
        if draft.recipe.instead and bare > 0 and len(draft.recipe.instead) <= most:
            linear = 1 - _variance(draft, draft.recipe.instead, of_clusters) / bare
    return Term(
        draft.metric, draft.arm, draft.cap, draft.recipe, draft.values, contrast, looks, share, reduction, linear
    )


def _shared(draft: _Draft, covariates: tuple[int, ...], values: Sequence[Value], of_clusters: ClusterFits) -> float:
    """Covariance of the values of both arms, where clusters hold both."""
    arms, (first, second) = (draft.arm, of_clusters.source.control), (v.gradient for v in values)
    if covariates:
        return of_clusters.covariance(arms, covariates, draft.at, (first, second))
    between = of_clusters.sample.between
    return 0.0 if between is None else float(first @ between[arms] @ second)


def _variance(draft: _Draft, covariates: tuple[int, ...], of_clusters: ClusterFits) -> float:
    """Variance of the same difference with other covariates."""
    recipe, sample, source = replace(draft.recipe, covariates=covariates), of_clusters.sample, of_clusters.source
    places = (draft.arm, source.control)
    arms = [sample.arms[a] for a in places]
    own = [value(recipe, arm, draft.at) for arm in arms]
    if source.cluster_name:
        # Without covariates too, so that like is compared with like.
        fits = [of_clusters.of(a, covariates, draft.at) for a in places]
        found = sum(v for one, f in zip(own, fits, strict=True) for v, _ in f.parts(one.gradient))
        if sample.between is not None:
            gradients = (own[0].gradient, own[1].gradient)
            found -= 2 * of_clusters.covariance(places, covariates, draft.at, gradients)
        return found
    if covariates:
        return sum(regression_variance(recipe, one, arm, draft.at)[0] for one, arm in zip(own, arms, strict=True))
    return sum(v for one, arm in zip(own, arms, strict=True) for v, _ in variance_parts(one, arm))


def _joint(rows: list[received.Line], sample: Sample, control: int) -> FloatArray:
    """Covariance of all differences: of the linearised values, each scaled to its own printed variance."""
    size = len(sample.arms[0].mean)
    arms = len(sample.arms)
    gradient = received.gradients_of(rows, arms, size, control)
    if sample.between is not None:
        cov = np.einsum("iap,abpq,jbq->ij", gradient, sample.between, gradient, optimize=True)
    else:
        cov = np.zeros((len(rows),) * 2)
        for a, arm in enumerate(sample.arms):
            cov += gradient[:, a] @ arm.cov @ gradient[:, a].T
    printed = np.array([row.variance for row in rows])
    own = np.diag(cov)
    live = (own > 0) & (printed > 0)
    scale = np.sqrt(np.where(live, printed / np.where(live, own, 1.0), 0.0))
    cov = cov * np.outer(scale, scale)
    np.fill_diagonal(cov, printed)
    return np.asarray((cov + cov.T) / 2)


def _too_few(sample: Sample, source: Source) -> str:
    """Why no interval can be given; empty where one can."""
    if not source.cluster_name:
        return ""
    if sample.crossed:
        fewest, where, lopsided = sample.crossed, "in all", True
    else:
        counts = [a.units for a in sample.arms]
        fewest, where, lopsided = min(counts), "in the smallest arm", max(counts) > 2 * min(counts)
    if fewest >= MIN_CLUSTERS or (fewest >= MIN_BALANCED and not lopsided):
        return ""
    return (
        f"there are only {fewest:.0f} clusters (by {source.cluster_name}) {where}, and standard errors from fewer than "
        f"{MIN_CLUSTERS} are too small (from {MIN_BALANCED} on if no arm has more than twice as many as another)"
    )
