"""The event study of a Poisson roll-out on one base, in logarithms: for what holds trends before and after together.

The leads of `poisson` are a model of the untreated cells, its effects are measured from all periods before the start.
Here both come from one regression with a dummy for every cohort and period but the base and, as controls, the units
never treated: on complete panels each coefficient is the logarithm of a ratio of ratios of four means.
"""

from __future__ import annotations

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.fitted import Options, Series
from gmvcausal.rollout.group_time.aggregate import cluster_counts
from gmvcausal.rollout.group_time.cells import make_cells
from gmvcausal.rollout.group_time.effects import groups_of
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.ratios.effects import Imputed, Loads, uncertainty
from gmvcausal.rollout.ratios.model import fit_ratios
from gmvcausal.rollout.ratios.poisson import group_sums, sample_of

_TOLERANCE = 1e-6


def log_event_study(panel: Panel, options: Options) -> Series:
    """Mean logarithm of the ratio by event time, cohorts weighted by their units, on the universal base.

    Raises
    ------
    DesignError
        No unit is never treated, or no cohort sold anything in its base and beside it.
    """
    starts, group = groups_of(panel.start)
    position, width = panel.grid.position, panel.y.shape[1]
    n = np.bincount(group[group >= 0], minlength=len(starts) + 1).astype(float)
    if not n[-1]:
        raise DesignError(
            "no unit is never treated, so leads and effects in per cent have no common base",
            remedy="use estimator='callaway_santanna', which compares with units not yet treated",
        )
    sample, patterns = sample_of(panel, group, n)
    sold = group_sums(patterns, patterns.total * patterns.seen) > 0
    listed = make_cells(starts, position, True, "never_treated", "universal", options.anticipation)
    base, period, cohort = listed.base, listed.period, listed.cohort
    cells = listed.keep(sold[cohort, period] & sold[cohort, base] & sold[-1, period] & sold[-1, base])
    if not (cells.event >= 0).any():
        raise DesignError(
            "no cohort and its controls sold anything both in the base period and after the start",
            remedy="supply more periods or units, or use an estimator that compares differences",
        )
    k = len(cells.cohort)
    design = np.zeros((len(n), width, width + k))
    design[:, np.arange(width), np.arange(width)] = 1.0
    design[cells.cohort, cells.period, width + np.arange(k)] = 1.0
    used = np.zeros((len(n), width), dtype=bool)
    used[-1] = sold[-1]
    used[cells.cohort, cells.period] = used[cells.cohort, cells.base] = True
    fit = Imputed(fit_ratios(patterns, used, design))
    # Where no unit links a cell to its base, it has no coefficient.
    known = np.abs(np.diag(fit.model.identified)[width:] - 1.0) < _TOLERANCE
    units = n[cells.cohort]
    at = np.unique(cells.event[known])
    mark = (cells.event == at[:, None]) & known
    share = mark * units
    rows = np.zeros((len(at), width + k))
    rows[:, width:] = share / share.sum(axis=1, keepdims=True)
    nothing = np.zeros((len(at), len(n), width))
    cov, spread = uncertainty(sample, [fit.part(Loads(rows @ fit.model.beta, nothing, nothing, rows))])
    behind = np.zeros((len(at), len(starts)), dtype=bool)
    behind[np.nonzero(mark)[0], cells.cohort[np.nonzero(mark)[1]]] = True
    never = np.zeros((len(at), len(n)), dtype=bool)
    never[:, -1] = True
    sides = (cluster_counts(groups, sample, panel.cluster) for groups in (behind, never))
    return Series(
        at, rows @ fit.model.beta, cov, (behind @ n[:-1]).astype(np.int64), np.minimum(*sides), spread,
        cells.reference(position),
    )  # fmt: skip
