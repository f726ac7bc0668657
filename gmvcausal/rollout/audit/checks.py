"""The audit of a roll-out: which checks run for which estimator. Their rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.results import Audit, Check
from gmvcausal.results.audit import audit_with
from gmvcausal.rollout.audit import (
    of_absence,
    of_design,
    of_dose,
    of_forward,
    of_outcome,
    of_overlap,
    of_rows,
    of_switching,
    of_synthetic,
    of_trend,
)
from gmvcausal.rollout.audit.case import Case
from gmvcausal.rollout.audit.rules import TABLE
from gmvcausal.rollout.intake import winsor

__all__ = ["TABLE", "run_audit"]

_DESIGN: tuple[Callable[[Case], Check | None], ...] = (
    of_trend.pre_trend,
    of_trend.pre_trend_slope,
    of_forward.pull_forward,
    of_design.cohort_size,
    of_design.always_treated,
    of_design.never_treated,
    of_design.ineligible_moved,
    of_dose.dose_size,
    of_dose.dose_trend,
    of_dose.strong_parallel_trends,
    of_design.lost_units,
    of_absence.late_entry,
    of_rows.composition,
    of_overlap.overlap,
    of_overlap.effective_sample_size,
    of_overlap.covariate_is_outcome,
    of_overlap.covariates_moved,
    of_design.forbidden_comparisons,
    of_design.campaign_overlap,
)
_NAIVE: tuple[Callable[[Case], Check | None], ...] = (of_trend.no_design, of_trend.selection)
_SYNTHETIC: tuple[Callable[[Case], Check | None], ...] = (
    of_synthetic.pre_fit,
    of_synthetic.backdating,
    of_synthetic.convex_hull,
    of_synthetic.pre_periods,
    of_synthetic.donors_per_period,
    of_synthetic.donor_concentration,
    of_forward.pull_forward,
    of_design.always_treated,
    of_absence.late_entry,
)
_SWITCHING: tuple[Callable[[Case], Check | None], ...] = (
    of_trend.pre_trend,
    of_trend.pre_trend_slope,
    of_forward.pull_forward,
    of_switching.switchers,
    of_switching.carry_over,
    of_absence.late_entry,
)
_ALWAYS: tuple[Callable[[Case], Check | None], ...] = (
    of_design.few_clusters,
    of_design.log_facts,
    of_design.cluster_level,
    of_design.period_gaps,
    of_absence.attrition,
    of_design.id_reuse,
    of_design.spillover,
    of_outcome.leverage,
    of_outcome.scale_mix,
    of_outcome.log_zeros,
    winsor.cap,
    of_outcome.all_zero,
    of_outcome.quantisation,
)


def run_audit(case: Case) -> Audit:
    """Run every check that applies to the estimator; checks that `Logs` made follow, unless the name is taken."""
    special = {"naive": _NAIVE, "switching": _SWITCHING}
    own = _SYNTHETIC if case.fitted.synthetic else special.get(case.options.estimator, _DESIGN)
    found = [check for function in (*own, *_ALWAYS) if (check := function(case)) is not None]
    return audit_with(found, case.panel.meta)
