"""Doses: the mean effect on the treated as by default, what one more unit of dose adds, and the tables by dose.

Level effects ATT(d) compare units given d with untreated ones, under ordinary parallel trends. Differences between
doses compare units that were given different doses: they are effects of the dose only if, without selection on gains,
units of one dose would have answered to another as those who got it (strong parallel trends; Callaway, Goodman-Bacon
and Sant'Anna 2024).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gmvcausal.frames.params import counted
from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF
from gmvcausal.rollout.dose.rows import Doses
from gmvcausal.rollout.dose.saturated import saturated
from gmvcausal.rollout.dose.spline import spline
from gmvcausal.rollout.fitted import Fitted, FloatArray, Options
from gmvcausal.rollout.group_time.callaway import callaway_santanna
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.small_sample import Spread

MOST_LEVELS = 10  # distinct doses, up to which each has an effect of its own


def dose(panel: Panel, options: Options) -> Fitted:
    """Effects by dose (Callaway, Goodman-Bacon and Sant'Anna 2024)."""
    base = callaway_santanna(panel, options)
    assert panel.dose is not None  # the verb asks for the column
    control = options.control if (panel.start == UNTREATED).any() else "not_yet_treated"
    few = len(np.unique(panel.dose[panel.start >= 0])) <= MOST_LEVELS
    found = (saturated if few else spline)(panel, options, control)
    return replace(
        base,
        estimates=_two_terms(panel, options, base, found),
        doses=found,
        notes=(*base.notes, *found.notes),
        rows=None,
        per_cell=2 if base.per_cell else 0,
        of_total=lambda: _of_total(base),
    )


def _of_total(base: Fitted) -> FloatArray:
    """Influence of every unit on the mean over treated unit-periods as they were seen."""
    if not base.per_cell:
        return base.influence()
    assert base.effects is not None and base.rows is not None  # group-time effects
    return base.effects.influence(base.rows[base.per_cell])


def _two_terms(panel: Panel, options: Options, base: Fitted, found: Doses) -> Estimates:
    """The mean effect as the default estimates it, and the average causal response, with their covariance.

    Where rows are absent, what a total is made of stands below them.
    """
    whole, response = base.estimates, found.average
    below = [base.per_cell] if base.per_cell else []
    _, spread = found.effects.uncertainty(response.load[None])
    influences = [base.influence(), found.effects.influence(response.load), *(_of_total(base) for _ in below)]
    scores = np.column_stack([np.bincount(panel.cluster, i) for i in influences])
    cov = np.asarray(scores.T @ scores, dtype=float)
    withheld, known = whole.withheld, math.isfinite(float(whole.std_error[0]))
    df = float(spread.df[0])
    if not known:
        cov[:] = np.nan
        withheld = withheld or f"only the mean effect, by {whole.method}, has an interval"
    elif response.clusters < MIN_CLUSTERS or df < MIN_DF:
        cov[1] = cov[:, 1] = np.nan
        withheld = (
            f"the average causal response has no interval: some dose stands on {counted(response.clusters, 'cluster')}"
            if response.clusters < MIN_CLUSTERS
            else f"the average causal response has no interval: its clusters count as {df + 1:.1f}"
        )
    every = whole.t
    return Estimates(
        ("overall", "per unit of dose", *(whole.term[k] for k in below)),
        (
            "ATT, post group-time effects weighted by cohort size, over the doses given",
            "average causal response: effect of one more unit of dose, mean over the treated (strong parallel trends)",
            *(whole.estimand[k] for k in below),
        ),
        (
            options.outcome_unit,
            f"{options.outcome_unit} per unit of {options.dose}",
            *(whole.unit[k] for k in below),
        ),
        np.array([whole.estimate[0], response.estimate, *whole.estimate[below]]),
        cov,
        (whole.n[0], response.n, *(whole.n[k] for k in below)),
        Spread(
            np.array([every.df[0], df, *every.df[below]]),
            np.array([every.factor[0], spread.factor[0], *every.factor[below]]),
        ),
        withheld,
        {0: whole.special[0]} if 0 in whole.special else {},
        {0: whole.special_p[0]} if 0 in whole.special_p else {},
        whole.method,
    )
