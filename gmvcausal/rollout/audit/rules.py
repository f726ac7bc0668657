"""The published rules of the audit: what each check looks at, and from where on it warns or fails.

`credible` means that no check failed. The thresholds live here and nowhere else: checks ask `judge`, `docs/audit.md`
prints `TABLE`.
"""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

# Below this many treated (or control) clusters the analytic standard errors reject far too often, so none is given.
MIN_CLUSTERS = 10
# Below this many degrees of freedom Satterthwaite's approximation is not to be relied on.
MIN_DF = 4


_RULES: dict[str, Rule] = {
    "no_design": Rule(
        "whether the estimate compares changes with a control group (naive only)", more_fail="always: it does not"
    ),
    "selection": Rule(
        "p-value of the difference between units not yet treated and units never treated, in the same periods "
        "(naive only)",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "pre_trend": Rule(
        "p-value of the joint test that all leads are zero (universal base)",
        0.05,
        0.01,
        small_is_bad=True,
        more_warn=", or no lead to test",
    ),
    "pre_trend_slope": Rule(
        "p-value of the straight line through the leads",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=", and the line carried forward gives at least half of the effect, or outweighs it in the other "
        "direction",
    ),
    "pull_forward": Rule(
        "p-value, adjusted for the number of looks, of the test that no later period (nor the mean of all from it on) "
        "lies below zero after a period with a gain",
        0.05,
        small_is_bad=True,
        more_warn=", or there is a gain and only the first period after the start is seen",
    ),
    "pre_fit": Rule(
        "root mean squared gap before the start over the standard deviation of the controls there (synthetic only)",
        0.25,
        1.0,
    ),
    "backdating": Rule(
        "p-value of the gap found when the start is set back by a third of the periods before it (synthetic only)",
        0.1,
        0.01,
        small_is_bad=True,
    ),
    "convex_hull": Rule(
        "share of the periods before the start in which the treated lie above or below every control (synthetic "
        "controls only)",
        0.05,
        0.5,
        more_fail=" (warned for the augmented one)",
    ),
    "pre_periods": Rule("periods before the start (synthetic only)", 10, 3, small_is_bad=True),
    "donors_per_period": Rule(
        "controls for each period before the start (synthetic controls only)",
        3.0,
        more_warn=", or a perfect fit, whose weights are not the only ones",
    ),
    "donor_concentration": Rule("largest share that one control has in the weights (synthetic only)", 0.5),
    "few_clusters": Rule(
        "clusters on the smaller of the treated and the control side",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
        more_warn=", or fewer than 10 (or of 4 degrees of freedom) with an interval by placebo runs",
        more_fail=" or of 4 degrees of freedom, and placebo runs do not hold: no interval is given",
    ),
    "cohort_size": Rule("units in the smallest cohort", 5, small_is_bad=True),
    "always_treated": Rule("share of units left out because they were treated from the start", 0, 0.5),
    "never_treated": Rule("number of never-treated units", 1, small_is_bad=True),
    "ineligible_moved": Rule(
        "p-value of the double difference among the ineligible (triple only)",
        0.05,
        small_is_bad=True,
    ),
    "dose_size": Rule(
        "clusters on the smaller side at the dose that has fewest (dose only)",
        MIN_CLUSTERS,
        small_is_bad=True,
        more_warn=", or a dose has no interval",
    ),
    "dose_trend": Rule(
        "p-value of the joint test that the leads do not change with the dose (dose only)",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "strong_parallel_trends": Rule("whether units would have answered alike to each other's doses: not testable"),
    "lost_units": Rule("share of treated units that no comparison reaches, because rows are absent", 0, 0.33),
    "log_facts": Rule("whether the frame is as Logs made it, with what Logs wrote about it", more_warn="it is not"),
    "period_gaps": Rule("periods missing for all units", 0),
    "attrition": Rule(
        "share of unit-periods that are absent",
        0,
        0.5,
        more_warn=" (bounds are printed where they say something)",
        more_fail=", or the tactic moves the share absent (p < 0.01) and the bounds hold zero",
    ),
    "late_entry": Rule(
        "difference between treated and untreated units in the share first active after the first thirteenth of the "
        "panel",
        0.10,
        more_warn=", and beyond chance (p < 0.01; rerun on units seen early)",
    ),
    "leverage": Rule(
        "share of the variance that comes from the largest unit",
        0.10,
        more_warn=", and more than the largest of as many normal units of its side or cohort in 39 of 40 samples "
        "(rerun with capped outcomes)",
    ),
    "scale_mix": Rule(
        "share of units on the smaller hump, where the units' levels form two humps a factor of 30 or more apart",
        0.005,
    ),
    "id_reuse": Rule("units that occur under more than one room, city, store or region", 0),
    "cluster_level": Rule("unused columns within which treatment does not vary", 0),
    "log_zeros": Rule(
        "whether the outcome is a logarithm of amounts with zeros among them (by its name or its values)",
        more_warn="it is: mean of logs and log of means are set beside each other",
    ),
    "cap": Rule(
        "sign and significance at both ends of the cut-point's 95 % interval (winsorise= only)",
        more_warn="they differ",
    ),
    "all_zero": Rule("share of outcomes that are exactly zero", more_warn="= 1"),
    "quantisation": Rule("spacing of the numbers in their source type over their standard deviation", 1e-6),
    "forbidden_comparisons": Rule(
        "whether units already treated serve as controls", more_fail="they do (staggered or switching treatment)"
    ),
    "composition": Rule(
        "p-value of the tactic's effect on the number of rows of a cluster (unit=None only)",
        0.05,
        small_is_bad=True,
    ),
    "switchers": Rule(
        "share of the units that switch which have nobody with the same first treatment to be compared with (switching "
        "only)",
        0,
        0.33,
    ),
    "carry_over": Rule(
        "p-value of the effect left in the first period back at the first treatment (switching only)",
        0.05,
        small_is_bad=True,
        more_warn=": DID_M then mixes effects of today and of before",
    ),
    "overlap": Rule(
        "share of the treated whose propensity lies beyond that of every control unit, in the worst cohort (with "
        "covariates)",
        0.05,
        0.25,
    ),
    "effective_sample_size": Rule(
        "clusters that the weighted controls of a cohort amount to, set against how unequal they are without the "
        "weighting, in the worst cohort (with covariates)",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
    ),
    "covariate_is_outcome": Rule("squared correlation of a covariate with the outcome of the same period", 0.999),
    "covariates_moved": Rule(
        "p-value of the tactic's own effect on a covariate that changes within units", 0.01, small_is_bad=True
    ),
    "campaign_overlap": Rule(
        "share of comparison unit-periods under another campaign",
        0.05,
        more_warn=" (rerun without them)",
        more_fail="the rerun lies more than 2 standard errors away and changes the conclusion",
    ),
    "placebo": Rule(
        "share of placebo estimates, the true one among them, at least as far from zero (placebo only)",
        0.1,
        more_warn=", where the estimate's own p-value is below alpha, unless no placebo estimate is as far",
    ),
    "segment_levels": Rule("levels of the segment that are not estimated (by only)", 0),
    "leave_one_out": Rule(
        "clusters without which the estimate has the other sign, or there is none (leave_one_out only)",
        0,
    ),
    "robustness": Rule(
        "share of specifications whose interval does not hold the main estimate, or whose estimate has the other sign "
        "where one of the two intervals leaves zero out (robustness only)",
        0,
    ),
    "spillover": Rule(
        "share of the units never treated that others' treatment reached (exposed= or edges= only; else it is not run: "
        "no column here tells)",
        0.5,
    ),
    "window_end": Rule(
        "p-value, one-sided, that the last period of the window lies below zero (pull_forward only)",
        0.05,
        small_is_bad=True,
    ),
    "tactic_again": Rule(
        "share of the treated units under the tactic again before the window ends (pull_forward only, with treated=)",
        0,
    ),
    "seen_too_short": Rule(
        "share of the treated units left out because they are not seen, or have nobody to be compared with, for the "
        "whole window (pull_forward only)",
        0.2,
    ),
    "counted_twice": Rule(
        "pairs of columns of which one is nowhere above the other (cannibalisation with other= only)",
        0,
        more_fail="and, without the tactic, the larger one moves with it one for one",
    ),
    "other_units": Rule(
        "how many times as large as another one a column is on average (cannibalisation with other= only)", 50
    ),
    "reached_apart": Rule(
        "share of the exposed units that are in no cluster with a treated unit (cannibalisation with exposed= or "
        "edges= only)",
        0.1,
    ),
    "other_outcomes": Rule(
        "checks of the same call on the other outcomes (cannibalisation with other= only)",
        more_warn="one of their tests of trends warns",
        more_fail="one of their checks fails",
    ),
    "pre_moves": Rule(
        "moves (changes of slope) of the difference in trends that are seen before the start (sensitivity only)",
        3,
        small_is_bad=True,
    ),
    "breakdown": Rule(
        "times what was seen before the start that trends may differ before the interval holds zero (sensitivity only)",
        1,
        small_is_bad=True,
    ),
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)

judge, bound = RULES.judge, RULES.bound
