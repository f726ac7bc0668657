"""The Poisson bootstrap of a test: what every value is in every draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmvcausal.abtest.draws.drawn import Bootstrapped, Plan, by_cluster, facts, moved
from gmvcausal.abtest.draws.drawn import scores as scores_of
from gmvcausal.abtest.intake.rows import FloatArray, Rows
from gmvcausal.abtest.terms.compare import Contrast
from gmvcausal.abtest.terms.estimate import Fit, Term
from gmvcausal.abtest.terms.values import centre
from gmvcausal.errors import DesignError
from gmvcausal.stats import resampling as rs


def bootstrap(fit: Fit, rows: Rows, plan: Plan, tick: Callable[[int], object]) -> tuple[list[Contrast], list[str]]:
    """The contrasts of all terms with their draws, and what is to be said of these."""
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
        moves = [moved(scores[i, a][1], off[i, a], log) for a in (term.arm, control)]
        lost = int((~np.isfinite(moves[0]) | ~np.isfinite(moves[1])).sum())
        if lost:
            raise DesignError(
                f"in {lost:,} of {plan.draws:,} bootstrap draws an arm (or its denominator) is empty: there are too "
                "few units for a bootstrap",
                remedy="use inference='randomisation' or 't', or collect more units",
            )
        contrasts.append(Bootstrapped(**facts(term.contrast), treated_off=moves[0], control_off=moves[1]))
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
    e, d, value = scores_of(term.recipe, fit, rows, inside, mean, own.cross, centre(arm, other))
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
            blocks.append(by_cluster(rows, np.arange(len(rows.arm)), whole))
        else:
            blocks.append(own if rows.cluster is None else by_cluster(rows, inside, own))
    # The streams belong to roles, not to labels: a new name for an arm changes nothing.
    role = 0 if crossed or group[0][1] == rows.control else 1 + group[0][1] + (group[0][1] < rows.control)
    rng = np.random.default_rng([plan.seed, role])
    sums = rs.poisson_sums(*rs.alike(np.hstack(blocks)), plan.draws, rng, tick)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {side: sums[:, 2 * k] / sums[:, 2 * k + 1] for k, side in enumerate(group)}
