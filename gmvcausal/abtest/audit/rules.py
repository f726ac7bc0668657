"""The published rules of the audit of a test: what each check looks at, and from where on it warns or fails.

The thresholds live here and nowhere else: checks ask `judge`, the documentation prints `TABLE`.
"""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

# Clusters in the smallest arm (in all, where clusters hold several arms) below which no interval is given; where the
# arms are of like size, the t interval holds from fewer on.
MIN_CLUSTERS, MIN_BALANCED = 10, 5
# Among few clusters, one with so many times an equal share of the variance is nothing out of the way.
USUAL_SHARE = 10
# Units with a value in an arm that is mostly zero (events of a share) below which t is not relied on.
MIN_LIVE = 10
# Share of a budget that counts as all of it: what is left buys no further coupon.
EXHAUSTED = 0.99

_RULES: dict[str, Rule] = {
    "sample_ratio": Rule(
        "p-value of the chi-square test that the arms have their planned shares (equal ones unless expected_ratio=); "
        "of a switchback, their shares of the time",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "repeated_units": Rule("whether every unit has one row (and one arm); repeats are refused, not warned of"),
    "trigger_ratio": Rule(
        "p-value of the chi-square test that the triggered have the planned shares of the arms",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "budget_split": Rule("largest relative distance of an arm's budget per unit from that of all arms", 0.02, 0.1),
    "budget_spent": Rule(
        "largest share that an arm has spent of its budget; spending without a budget counts as infinite",
        None,
        1 + 1e-9,
        more_warn=f"one arm has spent {EXHAUSTED:.0%} and another has not",
    ),
    "switches": Rule("rooms of a switchback that keep one arm throughout", 0),
    "washed_out": Rule("share of the blocks of a switchback that are not longer than the washout", 0),
    "repeated_rows": Rule("share of rows of a switchback that repeat an earlier one in room, time and outcomes", 0.01),
    "block_level": Rule(
        "correlation of neighbouring runs of one arm, where they stand for blocks that were not named",
        -0.15,
        small_is_bad=True,
    ),
    "carry_over": Rule(
        "p-value of the test that the effect is the same in both halves of what is left of each block",
        0.01,
        small_is_bad=True,
    ),
    "time_balance": Rule(
        "p-value of the test that the arms have the same dates, times of day and days of the week (switchbacks)",
        0.01,
        small_is_bad=True,
    ),
    "tail": Rule(
        "skewness of the uncapped difference without its largest unit (or a third of that with it, if larger), if both "
        "arms have the tail that they have together; under clusters the units are clusters",
        0.18,
    ),
    "leverage": Rule(
        "share of the variance of the difference that comes from the largest unit (cluster; of fewer "
        f"than 100 clusters only beyond {USUAL_SHARE} times an equal share)",
        0.10,
        more_fail="adjusting by covariates makes the variance half as large again",
    ),
    "tail_balance": Rule(
        "p-value of the test that units above the cap fall into the arms by their sizes", 0.01, small_is_bad=True
    ),
    "small_arm": Rule(
        "units in the smallest arm whose value is not zero",
        200,
        small_is_bad=True,
        more_fail=f"the row that the finding is about has no interval: fewer than {MIN_LIVE} units of the smaller arm "
        "have a value, with no more to be expected from both arms together",
    ),
    "dose": Rule("arms whose labels are numbers, as the face values of a coupon are", 5),
    "few_clusters": Rule(
        "clusters of one size that those of the smallest arm are worth (of all, where they hold several arms), one "
        "over the sum of their squared shares of the rows; to fail, clusters are counted",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
        more_fail=f" (no interval is given), or < {MIN_BALANCED} where no arm has more than twice as many as another",
    ),
    "cluster_level": Rule("whether the clusters were found, not named", more_warn="they were found"),
    "relative": Rule(
        "relative effects that are missing because the control's value is not distinguishable from zero", 0
    ),
    "first_stage": Rule(
        "F (squared t) of the difference in receipt between an arm and the control",
        10,
        small_is_bad=True,
        more_fail="an arm received no more often than the control",
    ),
    "denominator": Rule("share of units whose denominator is zero", 0),
    "zero_variance": Rule("metrics that do not vary in some arm", 0),
    "all_zero": Rule("metrics that are zero throughout", 0),
    "negative_amounts": Rule("share of units with a negative outcome, where most outcomes are not", 0),
    "scale_mix": Rule(
        "share of units on the smaller hump, where amounts form two humps a factor of 30 or more apart", 0.005
    ),
    "quantisation": Rule("spacing of the numbers in their source type over their standard deviation", 1e-6),
    "balance": Rule(
        "smallest p-value of the tests that a covariate has the same mean in both arms",
        1e-6,
        small_is_bad=True,
        more_fail="a model learns from it, or it is a model's prediction",
    ),
    "leakage": Rule(
        "share of the variance of an outcome within the arms that its covariates explain",
        0.999,
        more_fail="a model learns from them",
    ),
    "novelty": Rule(
        "p-value of the test that units' slopes over the days are alike in the arms (`time=`, four days or more)",
        0.01,
        small_is_bad=True,
    ),
    "period_gaps": Rule("days within a test on which no unit has a row (`time=`)", 0),
    "silent_units": Rule(
        "share of units without any outcome, where days without a row count as zero (`time=`)",
        more_fail="there is none: those who never bought are not in the table",
    ),
}
RULES = Rules(_RULES)

TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)

judge, bound = RULES.judge, RULES.bound
