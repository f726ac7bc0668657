"""Checks on covariates: is there anyone to compare the treated with, and are the covariates what they should be?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.fitted import FloatArray, IntArray
from gmvcausal.rollout.group_time.adjusted import Sides
from gmvcausal.rollout.group_time.from_covariates import FromCovariates
from gmvcausal.rollout.group_time.from_rows_given import FromRowsGiven
from gmvcausal.stats.logit import fit_logit


def _post_blends(case: Case) -> list[tuple[str, Sides]]:
    """What each cohort is compared with after its start: every different comparison once."""
    effects = case.fitted.weights
    if isinstance(effects, FromRowsGiven):
        cells = effects.cells
        return [
            (effects.label[cells.cohort[k]], one.sides)
            for k, one in enumerate(effects.compared)
            if one is not None and cells.event[k] >= 0
        ]
    if not isinstance(effects, FromCovariates):
        return []
    out = list[tuple[str, Sides]]()
    for block in effects.blocks:
        post = block.at[effects.cells.event[block.at] >= 0]
        if len(post):
            out.append((effects.label[effects.cells.cohort[post[0]]], block.blend))
    return out


def overlap(case: Case) -> Check | None:
    """Which share of the treated looks like no control unit?"""
    blends = _post_blends(case)
    if not blends:
        return None
    worst, who, trimmed, separated = -1.0, "", 0, False
    for label, found in blends:
        chance = found.chance
        if chance is None:  # a regression needs no propensity; the audit does
            logit = fit_logit(found.x, found.treated, np.ones(len(found.units)))
            chance = None if logit is None else logit.chance
        share = 1.0 if chance is None else _outside(chance, found)
        trimmed = max(trimmed, found.trimmed)
        if share > worst:
            worst, who, separated = share, label, chance is None
    status = judge("overlap", worst)
    message = (
        f"the covariates separate {who} from its controls: the answer is an extrapolation"
        if separated
        else f"{worst:.1%} of the treated have a propensity beyond that of every control unit (most in {who})"
    )
    if trimmed:
        message += f"; up to {trimmed:,} control units had a propensity too near 1 and got no weight"
    remedy = "use fewer covariates or coarser categories, or restrict the data to units of which both kinds exist"
    return Check("overlap", status, message, worst, bound("overlap"), "" if status == "passed" else remedy)


def _outside(chance: np.ndarray, found: Sides) -> float:
    highest = float(chance[~found.treated].max())
    return float((chance[found.treated] > highest * (1 + 1e-12)).mean())


def effective_sample_size(case: Case) -> Check | None:
    """How many clusters do the weighted controls of a cohort amount to?"""
    blends = _post_blends(case)
    if not blends:
        return None
    sizes = [_effective(found, case.panel.cluster, case.panel.weight) for _, found in blends]
    k = int(np.argmin(sizes))
    least = sizes[k]
    control = len(np.unique(case.panel.cluster[blends[k][1].units[~blends[k][1].treated]]))
    status = judge("effective_sample_size", least)
    return Check(
        "effective_sample_size",
        status,
        f"weighted to look like {blends[k][0]}, its {control:,} control clusters count as {least:.1f}",
        least,
        bound("effective_sample_size"),
        "" if status == "passed" else "a few controls decide: use fewer covariates, or more control units",
    )


def _effective(found: Sides, cluster: IntArray, weight: FloatArray | None) -> float:
    """Clusters of controls, times what is left of their effective number by the weighting on covariates.

    The effective number is the squared sum of weights over their sum of squares, by cluster (Kish 1965). Cities are
    unequal before any weighting too: their degrees of freedom allow for that, and it says nothing of the covariates.
    """
    control = found.units[~found.treated]
    own = np.ones(len(control)) if weight is None else weight[control]

    def number(of_unit: FloatArray) -> float:
        sums = np.bincount(cluster[control], of_unit)
        return float(sums.sum() ** 2 / (sums @ sums))

    return len(np.unique(cluster[control])) * min(number(found.beside[~found.treated]) / number(own), 1.0)


def covariate_is_outcome(case: Case) -> Check | None:
    """Is a covariate the outcome under another name?"""
    given = case.panel.covariates
    if given is None:
        return None
    if not given.copies:
        return Check("covariate_is_outcome", "passed", "no covariate is the outcome under another name", 0.0, 0.999)
    name, r2 = max(given.copies.items(), key=lambda item: item[1])
    return Check(
        "covariate_is_outcome",
        judge("covariate_is_outcome", r2),
        f"{name!r} says the outcome of the same period almost exactly (R² = {r2:.6f})",
        r2,
        bound("covariate_is_outcome"),
        "leave it out: what is measured with the outcome may be moved by the tactic",
    )


def covariates_moved(case: Case) -> Check | None:
    """Does the tactic seem to move a covariate that changes within units?"""
    panel = case.panel
    given = panel.covariates
    if given is None or not (given.moving or panel.crossed):
        return None
    worst, name, tried = np.inf, "", 0
    for j, label in enumerate(given.names):
        # In repeated cross-sections the tactic may bring other people; else only a column that changes can be moved.
        y = np.where(np.isfinite(panel.y), given.x[:, j, None], np.nan) if panel.crossed else given.x[:, :, j]
        if not panel.crossed and np.nanmax(np.nanmax(y, axis=1) - np.nanmin(y, axis=1)) <= 1e-12:
            continue
        p = float(case.rerun(replace(panel, y=y, covariates=None, notes=[], dropped={})).p_value[0])
        tried += np.isfinite(p)
        if np.isfinite(p) and p < worst:
            worst, name = p, label
    if not name:
        return None
    worst = min(1.0, float(worst * tried))  # Bonferroni: the smallest of several
    status = judge("covariates_moved", worst)
    return Check(
        "covariates_moved",
        status,
        f"{name!r} changes after the start by {'more or less' if status != 'passed' else 'about as much'} than among "
        f"the controls (p = {worst:.3g}); "
        + ("each row counts with its own" if panel.crossed else "only its values before the start are used"),
        worst,
        bound("covariates_moved"),
        "" if status == "passed" else "do not read the effect as holding this covariate fixed: part may run through it",
    )
