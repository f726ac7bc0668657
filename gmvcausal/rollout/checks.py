"""The audit of a roll-out: one function per check, and the published table of what each is held against.

`credible` means that no check failed. The thresholds live in `TABLE` and nowhere else; `docs/audit.md` prints it.
"""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.results import Audit, Check
from gmvcausal.rollout.case import Case
from gmvcausal.rollout.checks_design import (
    always_treated,
    attrition,
    campaign_overlap,
    cohort_size,
    few_clusters,
    forbidden_comparisons,
    late_entry,
    never_treated,
    period_gaps,
)
from gmvcausal.rollout.checks_outcome import all_zero, id_reuse, leverage, quantisation, scale_mix
from gmvcausal.rollout.checks_trend import pre_trend, pre_trend_slope, selection
from gmvcausal.rollout.fitted import MIN_CLUSTERS

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = {
    "selection": (
        "p-value of the difference, before any treatment, between units that are later treated and units that "
        "never are (naive only)",
        "p < .05",
        "p < .01",
    ),
    "pre_trend": (
        "p-value of the joint test that all leads are zero (universal base)",
        "p < .05, or one lead period only",
        "p < .01",
    ),
    "pre_trend_slope": (
        "p-value of the straight line through the leads, and how much of the effect it would give if carried forward",
        "p < .05",
        "p < .01 and the line carried forward is at least half the effect",
    ),
    "few_clusters": (
        "clusters on the smaller of the treated and the control side",
        "< 30",
        f"< {MIN_CLUSTERS} (no interval is given)",
    ),
    "cohort_size": (
        "units in the smallest cohort",
        "< 5",
        "never",
    ),
    "always_treated": (
        "share of units left out because they were treated from the start",
        "> 0",
        "> .5",
    ),
    "never_treated": (
        "whether never-treated units exist",
        "none",
        "never",
    ),
    "period_gaps": (
        "periods missing for all units",
        "> 0",
        "never",
    ),
    "attrition": (
        "share of unit-periods that are absent",
        "> 0 (bounds are printed)",
        "never",
    ),
    "late_entry": (
        "difference between treated and untreated units in the share first active after the first thirteenth "
        "of the panel",
        "> .10 (rerun on units seen early)",
        "never",
    ),
    "leverage": (
        "share of the variance that comes from the largest unit",
        "> .10 (rerun with winsorised outcome)",
        "never",
    ),
    "scale_mix": (
        "share of units whose level is a hundred times the median, apart from the rest",
        "> .005",
        "never",
    ),
    "id_reuse": (
        "units that occur under more than one room, city, store or region",
        "> 0",
        "never",
    ),
    "all_zero": (
        "share of outcomes that are exactly zero",
        "= 1",
        "never",
    ),
    "quantisation": (
        "spacing of the numbers in their source type over their standard deviation",
        "> 1e-6",
        "never",
    ),
    "forbidden_comparisons": (
        "whether units already treated serve as controls",
        "never",
        "they do (staggered or switching treatment)",
    ),
    "campaign_overlap": (
        "share of comparison unit-periods under another campaign",
        "> .05 (rerun without them)",
        "the rerun lies more than 2 standard errors away and changes the conclusion",
    ),
    "spillover": (
        "whether treated units can affect others: not testable from these columns",
        "never",
        "never",
    ),
}


def run_audit(case: Case) -> Audit:
    """Run every check that applies to the estimator."""
    found: list[Check] = []
    design: tuple[Callable[[Case], Check | None], ...] = (
        pre_trend, pre_trend_slope, cohort_size, always_treated, never_treated, late_entry, forbidden_comparisons,
        campaign_overlap,
    )  # fmt: skip
    if case.options.estimator == "naive":
        design = (selection,)
    for function in (
        *design,
        few_clusters,
        period_gaps,
        attrition,
        leverage,
        scale_mix,
        id_reuse,
        all_zero,
        quantisation,
    ):
        check = function(case)
        if check is not None:
            found.append(check)
    found.append(
        Check("spillover", "not_run",
        "the data name no links between units; the estimate assumes that one unit's treatment leaves "
              "the others alone", remedy="compare with units that cannot be reached, for example in other cities")
    )  # fmt: skip
    found += [_from_meta(c) for c in case.panel.meta.get("checks", [])]
    return Audit(tuple(found))


def _from_meta(facts: dict[str, object]) -> Check:
    """A check that `Logs` made when it built the frame."""
    value, threshold = facts.get("value"), facts.get("threshold")
    return Check(
        str(facts["name"]), str(facts["status"]), str(facts["message"]),
        None if value is None else float(value),  # type: ignore[arg-type]  # JSON numbers by contract of Logs
        None if threshold is None else float(threshold),  # type: ignore[arg-type]
        str(facts.get("remedy", "")),
    )  # fmt: skip
