"""The audit of a test: which checks run. Their rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.abtest.audit import of_days as checks_days
from gmvcausal.abtest.audit import of_design as checks_design
from gmvcausal.abtest.audit import of_outcome as checks_outcome
from gmvcausal.abtest.audit import of_split as checks_split
from gmvcausal.abtest.audit import of_switchback as checks_switchback
from gmvcausal.abtest.audit.case import Case
from gmvcausal.results import Audit, Check

# Every check of a test, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    checks_design.sample_ratio,
    checks_design.repeated_units,
    checks_split.trigger_ratio,
    checks_split.budget_split,
    checks_split.budget_spent,
    checks_switchback.switches,
    checks_switchback.washed_out,
    checks_switchback.repeated_rows,
    checks_switchback.block_level,
    checks_switchback.carry_over,
    checks_switchback.time_balance,
    checks_outcome.tail,
    checks_outcome.leverage,
    checks_outcome.tail_balance,
    checks_outcome.small_arm,
    checks_design.dose,
    checks_design.few_clusters,
    checks_design.cluster_level,
    checks_outcome.relative,
    checks_design.first_stage,
    checks_outcome.denominator,
    checks_outcome.zero_variance,
    checks_outcome.all_zero,
    checks_outcome.negative_amounts,
    checks_outcome.scale_mix,
    checks_outcome.quantisation,
    checks_design.balance,
    checks_design.leakage,
    checks_days.novelty,
    checks_days.silent_units,
)


def run_audit(case: Case) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    names = {check.name for check in found}
    for facts in case.source.meta.get("checks", []):
        if facts["name"] not in names:
            found.append(
                Check(
                    str(facts["name"]),
                    str(facts["status"]),
                    str(facts["message"]),
                    _number(facts.get("value")),
                    _number(facts.get("threshold")),
                    str(facts.get("remedy", "")),
                )
            )
    return Audit(tuple(found))


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) else None
