"""Intervals on request: what stands in for an estimator's t interval, made from its cluster scores or contrasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS
from gmvcausal.rollout.chance.headline import lacking, same_number
from gmvcausal.rollout.chance.placebo import followed
from gmvcausal.rollout.fitted import Fitted, FloatArray, IntArray, Options
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.regression.within import take_out
from gmvcausal.stats import wild
from gmvcausal.stats.control_runs import ControlRuns, conley_taber, ferman_pinto
from gmvcausal.stats.few_treated import MIN_PLACEBOS, MOST_TREATED, Contrasts
from gmvcausal.stats.small_sample import groups_of_clusters
from gmvcausal.stats.spatial import conley

BY_SCORES = ("wild", "conley")  # from what each cluster adds to the estimate
BY_CONTROLS = ("conley_taber", "ferman_pinto")  # from the changes of controls in the place of the treated
INFERENCE = ("wild", *BY_CONTROLS, "conley")
WILDER = 2.0  # times as variable as the controls, from which on clusters are not taken as alike
MIN_WILD = 5  # clusters on the smaller side: with three, 0.2 % were rejected at a nominal 5 %


def with_inference(panel: Panel, options: Options, fitted: Fitted) -> Fitted:
    """The fit with the intervals that were asked for.

    Raises
    ------
    DesignError
        The method does not hold in this design; the message says why.
    """
    made = {"wild": _wild, "conley": _spatial, "conley_taber": _controls, "ferman_pinto": _controls}
    how = made.get(str(options.inference))
    if how is None:
        return fitted
    try:
        return how(panel, options, fitted)
    except DesignError as error:
        if error.remedy:
            raise
        raise DesignError(error.rule, column=error.column, remedy=_instead(panel, options, fitted)) from None


def _instead(panel: Panel, options: Options, fitted: Fitted) -> str:
    """What does hold in this design, tried out: advice that is refused in its turn is none."""
    found = []
    if np.isfinite(fitted.estimates.interval(1 - options.alpha)[0][0]):
        found.append("leave inference= out")
    for name in ("wild", *BY_CONTROLS):
        if name != options.inference:
            try:
                (_wild if name == "wild" else _controls)(panel, replace(options, inference=name), fitted)
            except DesignError:
                continue
            found.append(f"use inference={name!r}")
    if found:
        return ", or ".join(found)
    return (
        "no other interval holds here either: collect more treated or control clusters, or show the point without one"
    )


# --- scores of clusters -----------------------------------------------------------------------------------------
def cluster_scores(panel: Panel, fitted: Fitted) -> FloatArray:
    """Influence of every cluster on every term (on the headline alone where the others have none), shape (G, k)."""
    if fitted.effects is not None and fitted.rows is not None:
        rows = np.column_stack([fitted.effects.influence(row) for row in fitted.rows])
    else:
        rows = fitted.influence()[:, None]
    return np.column_stack([np.bincount(panel.cluster, r, minlength=panel.n_clusters) for r in rows.T])


def _groups(panel: Panel, fitted: Fitted) -> tuple[IntArray, FloatArray]:
    """Group and size of every cluster; groups are cohorts, those of several cohorts form one more."""
    used = panel.start != ALWAYS if fitted.residual is None else np.ones(len(panel.start), dtype=bool)
    starts, place = np.unique(panel.start, return_inverse=True)
    group = groups_of_clusters(np.where(used, place, -1), panel.cluster, len(starts))
    weight = used.astype(float) if panel.weight is None else used * panel.weight
    size = np.bincount(panel.cluster, weight, minlength=panel.n_clusters)
    # Clusters that take no part have influence zero, and are put among themselves.
    return np.where(group < 0, len(starts) + 1, group), np.where(group < 0, 1.0, size)


def regression(panel: Panel, fitted: Fitted) -> wild.Regression:
    """Cluster sums of the regression behind a two-way estimate."""
    block = fitted.block
    assert fitted.residual is not None and block is not None
    present = np.isfinite(panel.y)
    weight = present.astype(float) if panel.weight is None else present * panel.weight[:, None]
    y, x = take_out(np.where(present, panel.y, 0.0), weight, block), fitted.residual()
    width, blocks, g = y.shape[1], int(block.max()) + 1, panel.n_clusters
    code = panel.cluster * blocks + block

    def columns(z: FloatArray) -> FloatArray:
        out = np.zeros((g * blocks, width))
        np.add.at(out, code, weight * z)
        return out.reshape(g, blocks * width)

    inverse = np.zeros((blocks * width, blocks * width))
    for b in range(blocks):
        w, here = weight[block == b], slice(b * width, (b + 1) * width)
        rows = w.sum(axis=1, keepdims=True)
        inverse[here, here] = np.linalg.pinv(
            np.diag(w.sum(axis=0)) - w.T @ (w / np.where(rows > 0, rows, 1.0)), rcond=1e-12, hermitian=True
        )
    return wild.Regression(
        np.asarray(np.bincount(panel.cluster, (weight * x * y).sum(axis=1), minlength=g), dtype=float),
        np.asarray(np.bincount(panel.cluster, (weight * x * x).sum(axis=1), minlength=g), dtype=float),
        columns(x),
        columns(y),
        inverse,
    )


def _wild(panel: Panel, options: Options, fitted: Fitted) -> Fitted:
    imposed = fitted.residual is not None
    # Scores cannot have the null imposed: with five treated clusters 7 % were rejected, with three 11 %.
    needed = MIN_WILD if imposed else MIN_CLUSTERS
    if min(fitted.clusters) < needed:
        raise DesignError(
            f"the wild bootstrap needs {needed} clusters on each side, and there are {fitted.clusters[0]} treated "
            f"and {fitted.clusters[1]} control: with fewer it rejects almost never, or far too often",
            column=panel.cluster_name,
        )
    e = fitted.estimates
    draws = wild.multipliers(panel.n_clusters, options.seed)
    how = f"{draws.name} weights, {'all ' if draws.exact else ''}{len(draws.weight):,} draws"
    if imposed:
        r = regression(panel, fitted)
        # Draws are dealt in the order of what clusters did, not of their names.
        order = np.lexsort((r.square, r.product))
        found = wild.restricted(
            wild.Regression(r.product[order], r.square[order], r.x[order], r.y[order], r.inverse), draws
        )
        method = f"wild cluster bootstrap with the null imposed ({how}), inverted"
        return _told(fitted, {0: found.limits}, {0: found.p_value()}, method)
    group, size = _groups(panel, fitted)
    psi = cluster_scores(panel, fitted)
    order = np.lexsort((size, psi[:, 0], group))
    made = wild.scores(e.estimate[: psi.shape[1]], psi[order], group[order], size[order], draws)
    terms = range(psi.shape[1])
    method = f"wild bootstrap of cluster scores ({how})"
    return _told(fitted, {k: made.limits(k) for k in terms}, {k: made.p_value(k) for k in terms}, method)


def _told(fitted: Fitted, limits: dict[int, wild.Limits], p: dict[int, float], method: str) -> Fitted:
    e = fitted.estimates
    rest = [k for k in range(len(e.term)) if k not in limits]
    cov = e.cov.copy()
    # The other aggregates would show t intervals beside another method's: none rather than two kinds in a table.
    cov[rest], cov[:, rest] = np.nan, np.nan
    withheld = lacking(e.term, limits, "an interval by the method that was asked for")
    estimates = replace(e, cov=cov, special=limits, special_p=p, method=method, withheld=withheld)
    return replace(fitted, estimates=estimates)


# --- few treated clusters ---------------------------------------------------------------------------------------
def _controls(panel: Panel, options: Options, fitted: Fitted) -> Fitted:
    base = "last" if options.estimator in ("callaway_santanna", "sun_abraham", "dose") else "mean"
    name = str(options.inference)
    made = followed(panel, options, float(fitted.estimates.estimate[0]), base)
    if isinstance(made, str):
        raise DesignError(f"inference={name!r} does not hold here: {made}")
    contrasts, cluster = made[0], made[2]
    treated, control = len(contrasts.treated), len(contrasts.control)
    if control < MIN_PLACEBOS or treated > MOST_TREATED * control:
        raise DesignError(
            f"inference={name!r} reads chance off the controls: it needs {MIN_PLACEBOS} control clusters and twice as "
            f"many as are treated, and there are {control} and {treated}",
            column=panel.cluster_name,
        )
    runs: ControlRuns
    if name == "conley_taber":
        _alike(contrasts)
        runs, how = conley_taber(contrasts, options.seed), "Conley and Taber (2011)"
    else:
        members = contrasts.size
        if panel.size is not None:
            members = np.asarray(np.bincount(cluster, panel.size[panel.start != ALWAYS]), dtype=float)
        if np.ptp(members[contrasts.control]) <= 1e-12 * members.max():
            raise DesignError(
                f"inference='ferman_pinto' needs clusters of different sizes, and all control clusters have "
                f"{members[0]:g} units",
                column=panel.cluster_name,
                remedy="pass size=, a column of how many members each unit has, or use inference='conley_taber'",
            )
        _within_sizes(contrasts, members)
        runs = ferman_pinto(contrasts, members, options.seed, total=panel.size is not None)
        how = "Ferman and Pinto (2019), variance by " + ("size" if panel.size is not None else "number of units")
    if not np.isfinite(runs.limits(1 - options.alpha)[0]):
        raise DesignError(
            f"{len(runs.runs):,} residuals of controls cannot reject at {options.alpha:g}", remedy="raise alpha="
        )
    terms = same_number(fitted.estimates.estimate) if len(contrasts.weight) == 1 else [0]
    method = f"residuals of {control} control clusters in the place of the treated: {how}"
    return _told(fitted, dict.fromkeys(terms, runs.limits), dict.fromkeys(terms, runs.p_value), method)


def _alike(contrasts: Contrasts) -> None:
    """Refuse to take the treated as like the controls where their own past says that they are wilder."""
    c = contrasts
    own = float((c.load**2 @ c.scale[c.treated, c.role[c.treated]] ** 2) / (c.load @ c.load))
    rest = float((c.scale[c.control] ** 2).mean())
    if own > WILDER**2 * rest:
        raise DesignError(
            f"Conley and Taber take all clusters as alike, but before the start the treated varied "
            f"{np.sqrt(own / rest) if rest > 0 else np.inf:.2g} times as much as the controls"
        )


def _within_sizes(contrasts: Contrasts, members: FloatArray) -> None:
    """Refuse to carry the fit of the variance beyond the sizes that it was made on."""
    own, rest = members[contrasts.treated], members[contrasts.control]
    outside = int(((own > rest.max()) | (own < rest.min())).sum())
    if outside:
        raise DesignError(
            f"{outside} treated clusters are larger or smaller than every control, and a variance fitted on the "
            "controls says nothing there"
        )


# --- places -----------------------------------------------------------------------------------------------------
def _spatial(panel: Panel, options: Options, fitted: Fitted) -> Fitted:
    e = fitted.estimates
    if min(fitted.clusters) < MIN_CLUSTERS:
        raise DesignError(
            f"Conley's standard errors need {MIN_CLUSTERS} clusters on each side, and there are {fitted.clusters[0]} "
            f"treated and {fitted.clusters[1]} control",
            column=panel.cluster_name,
        )
    assert panel.place is not None and options.cutoff is not None  # the verb asks for both
    where = np.empty((panel.n_clusters, 2))
    where[panel.cluster] = panel.place
    if (where[panel.cluster] != panel.place).any():
        raise DesignError(
            f"units of one cluster (by {panel.cluster_name!r}) lie in different places",
            remedy="cluster by the unit, or give each cluster one place",
        )
    psi = cluster_scores(panel, fitted)
    cov = np.full_like(e.cov, np.nan)
    k = psi.shape[1]
    cov[:k, :k] = conley(psi, where[:, 0], where[:, 1], options.cutoff, options.kernel)
    if not (np.diag(cov)[:k] > 0).all():
        raise DesignError(
            f"the {options.kernel} kernel with a cutoff of {options.cutoff:g} km gives a variance that is not positive",
            remedy="use kernel='bartlett', or another cutoff",
        )
    method = (
        f"Conley (1999) standard errors, {options.kernel} kernel up to {options.cutoff:g} km; t distribution with "
        "Welch's degrees of freedom"
    )
    note = "tables by event time, cohort and period have standard errors by cluster, without distance"
    withheld = lacking(e.term, range(k), "a standard error by distance")
    # Intervals of their own that other terms had (per cent) know no distance either.
    special = {t: limits for t, limits in e.special.items() if t < k}
    p = {t: value for t, value in e.special_p.items() if t < k}
    made = replace(e, cov=cov, method=method, withheld=withheld, special=special, special_p=p)
    return replace(fitted, estimates=made, notes=(*fitted.notes, note))
