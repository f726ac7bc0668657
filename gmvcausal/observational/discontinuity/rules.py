"""The published rules of the audit of `gc.threshold`; `docs/estimators/threshold.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

_RULES: dict[str, Rule] = {
    "density": Rule(
        "p-value of the test that the score has one density on both sides (Cattaneo, Jansson and Ma 2020)",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "heap_at_cutoff": Rule(
        "p-value that no more rows lie exactly at the threshold than at the median of the scores next to it",
        0.01,
        0.0001,
        small_is_bad=True,
    ),
    "covariate_continuity": Rule(
        "smallest p-value of the jumps of the covariates at the threshold, adjusted for their number (Holm)",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "mass_points": Rule("distinct scores within the bandwidth on the side that has fewer", 50, 10, small_is_bad=True),
    "few_observations": Rule("rows within the bandwidth on the thinner side", 50, 20, small_is_bad=True),
    "few_clusters": Rule("clusters within the bandwidth on the thinner side", 30, 10, small_is_bad=True),
    "placebo_cutoffs": Rule(
        "smallest p-value of the jumps at thresholds that do not exist, the quartiles of the scores on either side, "
        "adjusted for their number (Holm)",
        0.05,
        0.001,
        small_is_bad=True,
    ),
    "first_stage": Rule(
        "squared t of the jump of the treatment (fuzzy only)",
        104.7,
        10,
        small_is_bad=True,
        more_fail=", or the jump goes the other way",
    ),
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
