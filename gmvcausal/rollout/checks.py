"""The audit of a roll-out: which checks run for which estimator. Their rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.results import Audit, Check
from gmvcausal.rollout import (
    checks_absence,
    checks_design,
    checks_outcome,
    checks_overlap,
    checks_synthetic,
    checks_trend,
    winsor,
)
from gmvcausal.rollout.case import Case
from gmvcausal.rollout.rules import TABLE

__all__ = ["TABLE", "run_audit"]

_DESIGN: tuple[Callable[[Case], Check | None], ...] = (
    checks_trend.pre_trend,
    checks_trend.pre_trend_slope,
    checks_design.cohort_size,
    checks_design.always_treated,
    checks_design.never_treated,
    checks_design.lost_units,
    checks_absence.late_entry,
    checks_overlap.overlap,
    checks_overlap.effective_sample_size,
    checks_overlap.covariate_is_outcome,
    checks_overlap.covariates_moved,
    checks_design.forbidden_comparisons,
    checks_design.campaign_overlap,
)
_NAIVE: tuple[Callable[[Case], Check | None], ...] = (checks_trend.no_design, checks_trend.selection)
_SYNTHETIC: tuple[Callable[[Case], Check | None], ...] = (
    checks_synthetic.pre_fit,
    checks_synthetic.backdating,
    checks_synthetic.convex_hull,
    checks_synthetic.pre_periods,
    checks_synthetic.donors_per_period,
    checks_synthetic.donor_concentration,
    checks_design.always_treated,
    checks_absence.late_entry,
)
_ALWAYS: tuple[Callable[[Case], Check | None], ...] = (
    checks_design.few_clusters,
    checks_design.log_facts,
    checks_design.cluster_level,
    checks_design.period_gaps,
    checks_absence.attrition,
    checks_design.id_reuse,
    checks_design.spillover,
    checks_outcome.leverage,
    checks_outcome.scale_mix,
    checks_outcome.log_zeros,
    winsor.cap,
    checks_outcome.all_zero,
    checks_outcome.quantisation,
)


def run_audit(case: Case) -> Audit:
    """Run every check that applies to the estimator; checks that `Logs` made follow, unless the name is taken."""
    own = _SYNTHETIC if case.fitted.synthetic else _NAIVE if case.options.estimator == "naive" else _DESIGN
    found = [check for function in (*own, *_ALWAYS) if (check := function(case)) is not None]
    names = {check.name for check in found}
    found += [check for facts in case.panel.meta.get("checks", []) if (check := _from_meta(facts)).name not in names]
    return Audit(tuple(found))


def _from_meta(facts: dict[str, object]) -> Check:
    """A check that `Logs` made when it built the frame."""
    return Check(
        str(facts["name"]),
        str(facts["status"]),
        str(facts["message"]),
        _number(facts.get("value")),
        _number(facts.get("threshold")),
        str(facts.get("remedy", "")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
