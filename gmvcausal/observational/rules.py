"""The published rules of the audit of a matching; `docs/audit.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

_RULES: dict[str, Rule] = {
    "balance": Rule("largest standardised mean difference after matching, over covariates and propensity", 0.1, 0.25),
    "balance_by_cohort": Rule(
        "largest standardised mean difference of a cohort to the weighted controls, among those that chance does not "
        "explain (5 %, Bonferroni; several starts only)",
        0.1,
        0.25,
    ),
    "variance_ratio": Rule("largest ratio of variances after matching, either way round", 2),
    "unmatched": Rule("share of the treated without a match: off the common support, or beyond the caliper", 0.1, 0.5),
    "matched_controls": Rule("control units that the weights amount to (Kish)", 30, 10, small_is_bad=True),
    "regression_to_mean": Rule(
        "largest standardised mean difference before matching among covariates that change over time", 0.25
    ),
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
