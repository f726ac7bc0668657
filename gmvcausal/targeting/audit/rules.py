"""The published rules of the audit of `gc.uplift`: what each check looks at, and from where on it warns or fails."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, table_of

# Clusters in the smallest arm (in all, where clusters hold several arms) below which no interval is given.
MIN_CLUSTERS = 10
# A chance of an arm below this counts as hardly any.
RARE = 0.01

RULES: dict[str, Rule] = {
    "sample_ratio": Rule(
        "p-value of the chi-square test that the arms have the sizes that the given chances lead to (`propensity=`)",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "chances_followed": Rule(
        "smallest p-value of the tests that arms follow the given chances where these vary (slope one of the log "
        "odds), times the number of tests",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "balance": Rule(
        "smallest p-value of the tests that a feature, weighted by the given chances, has the same mean in every arm, "
        "times the number of tests",
        1e-6,
        small_is_bad=True,
    ),
    "overlap": Rule(
        f"share of the rows that the effect is about with a chance below {RARE:g} of an arm that they are compared in",
        0.01,
        0.1,
    ),
    "effective_sample_size": Rule(
        "rows of equal weight that the weighted rows of the smallest arm are worth", 200, 30, small_is_bad=True
    ),
    "tail": Rule(
        "skewness of an average effect without its largest row (or a third of that with it, if larger); under clusters "
        "the rows are clusters",
        0.18,
    ),
    "leverage": Rule("share of the variance of an average effect that comes from the largest row (cluster)", 0.10),
    "few_clusters": Rule(
        "clusters of one size that those of the smallest arm are worth (of all, where they hold several arms); to "
        "fail, clusters are counted",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
        more_fail=" (no interval is given)",
    ),
    "cluster_level": Rule("whether the clusters were found, not named", more_warn="they were found"),
    "first_stage": Rule(
        "F (squared t) of the effect of an arm on receipt (`received=`)",
        10,
        small_is_bad=True,
        more_fail="an arm received no more often than the control",
    ),
    "leakage": Rule(
        "share of the variance of the outcome, or of its ranks, that one feature explains along a line: the outcome "
        "under another name, or what came of it",
        0.9,
        0.999,
    ),
    "copies": Rule("share of the rows that are copies of others, where rows can be told apart", 0.01, 0.3),
    "dose": Rule("arms whose labels are numbers, as the face values of a coupon are", 5),
    "zero_variance": Rule("arms in which the outcome does not vary", 0),
    "all_zero": Rule("whether the outcome is zero throughout", more_warn="it is"),
    "negative_amounts": Rule("share of rows with a negative outcome, where most outcomes are not", 0),
    "scale_mix": Rule(
        "share of rows on the smaller hump, where positive outcomes form two humps a factor of 30 or more apart", 0.005
    ),
    "quantisation": Rule("spacing of the numbers in their source type over their standard deviation", 1e-6),
}

TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)


def judge(name: str, value: float) -> str:
    """Status of the check `name` at `value`."""
    return RULES[name].status(value)


def bound(name: str) -> float | None:
    """The threshold to print beside the value: that of failing, else that of warning."""
    return RULES[name].bound
