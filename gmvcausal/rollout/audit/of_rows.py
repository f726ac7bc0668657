"""A check on repeated cross-sections: does the tactic change who is there to be asked?"""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.effects import group_time
from gmvcausal.rollout.group_time.tables import sides_of
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.stats.inference import p_value


def composition(case: Case) -> Check | None:
    """Did the number of people seen in a place move with the tactic? Then those seen may be others, too."""
    panel = case.panel
    if not panel.crossed:
        return None
    start = np.full(panel.n_clusters, UNTREATED, dtype=np.int64)
    start[panel.cluster] = panel.start
    if panel.n_clusters == len(panel.start) or (start[panel.cluster] != panel.start).any():
        return Check(
            "composition",
            "not_run",
            "rows name no place that starts as a whole, so nothing tells whether the tactic brought other people",
            remedy="pass cluster=, the city or room where the tactic was decided",
        )
    seen = np.zeros((panel.n_clusters, panel.y.shape[1]))
    np.add.at(seen, panel.cluster, np.isfinite(panel.y))
    control = "never_treated" if (start == UNTREATED).any() else "not_yet_treated"
    effects = group_time(
        seen, start, np.arange(len(start)), None, panel.grid.position, control, "universal", case.options.anticipation
    )
    part = aggregate.simple(effects)
    if min(int(side[0]) for side in sides_of(effects, part.cells, np.arange(len(start)))) < MIN_CLUSTERS:
        return Check("composition", "not_run", f"fewer than {MIN_CLUSTERS} clusters are treated, or are controls")
    cov, spread = effects.uncertainty(part.rows)
    se = np.sqrt(np.diag(cov)) * spread.factor
    moved, p = float(part.estimate[0]), float(p_value(part.estimate, se, float(spread.df[0]))[0])
    if math.isnan(p):
        return Check("composition", "passed", "the tactic left the number of rows of a cluster as it was", 1.0, None)
    status = judge("composition", p)
    message = (
        f"the tactic moved the number of rows of a cluster and period by {moved:+.3g}, beside {seen.mean():.3g} on "
        f"average (p = {p_text(p)})"
    )
    remedy = (
        "those who came because of the tactic are in the means: the effect is not that on people who would have come "
        "anyway; follow people over time, or take the sum of GMV by place and period as outcome"
    )
    return Check("composition", status, message, p, bound("composition"), "" if status == "passed" else remedy)
