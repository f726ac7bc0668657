"""The audit of a test: which checks run. Their rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.abtest.audit import of_days, of_design, of_outcome, of_split, of_switchback
from gmvcausal.abtest.audit.case import Case
from gmvcausal.results import Audit, Check
from gmvcausal.results.audit import audit_with

# Every check of a test, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    of_design.sample_ratio,
    of_design.repeated_units,
    of_split.trigger_ratio,
    of_split.budget_split,
    of_split.budget_spent,
    of_switchback.switches,
    of_switchback.washed_out,
    of_switchback.repeated_rows,
    of_switchback.block_level,
    of_switchback.carry_over,
    of_switchback.time_balance,
    of_outcome.tail,
    of_outcome.leverage,
    of_outcome.tail_balance,
    of_outcome.small_arm,
    of_design.dose,
    of_design.few_clusters,
    of_design.cluster_level,
    of_outcome.relative,
    of_design.first_stage,
    of_outcome.denominator,
    of_outcome.zero_variance,
    of_outcome.all_zero,
    of_outcome.negative_amounts,
    of_outcome.scale_mix,
    of_outcome.quantisation,
    of_design.balance,
    of_design.leakage,
    of_days.novelty,
    of_days.period_gaps,
    of_days.silent_units,
)


def run_audit(case: Case) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    return audit_with(found, case.source.meta)
