"""The audit of an uplift study: which checks run. Their rules are in `rules`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gmvcausal.results import Audit, Check
from gmvcausal.results.audit import audit_with
from gmvcausal.targeting.audit.case import Case
from gmvcausal.targeting.audit.of_design import (
    balance,
    cluster_level,
    dose,
    effective_sample_size,
    few_clusters,
    first_stage,
    overlap,
    sample_ratio,
)
from gmvcausal.targeting.audit.of_outcome import (
    all_zero,
    leakage,
    leverage,
    negative_amounts,
    quantisation,
    scale_mix,
    tail,
    zero_variance,
)
from gmvcausal.targeting.audit.of_rows import chances_followed, copies
from gmvcausal.targeting.intake.trial import Trial

# Every check, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    sample_ratio, chances_followed, balance, overlap, effective_sample_size, tail, leverage, few_clusters,
    cluster_level, first_stage, copies, dose, zero_variance,
)  # fmt: skip

OF_ROWS: tuple[Callable[[Trial], Check | None], ...] = (leakage, all_zero, negative_amounts, scale_mix, quantisation)


def run_audit(case: Case, instead: Mapping[str, Check] | None = None) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows.

    `instead` are checks of all rows that stand in the place of those of the case, which is a sample of them.
    """
    better = instead or {}
    found = [better.get(check.name, check) for function in CHECKS if (check := function(case)) is not None]
    found += checks_of_rows(case.trial)
    return audit_with(found, case.trial.facts)


def checks_of_rows(trial: Trial) -> list[Check]:
    """What outcome and features alone say, whoever was treated and how much."""
    return [check for function in OF_ROWS if (check := function(trial)) is not None]
