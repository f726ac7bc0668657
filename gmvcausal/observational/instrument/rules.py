"""The published rules of the audit of `gc.iv`; `docs/estimators/iv.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, table_of

# Clusters in the smallest arm of the instrument (in all, where clusters hold several) below which no interval is given.
MIN_CLUSTERS = 10

RULES: dict[str, Rule] = {
    "weak_instrument": Rule(
        "effective F of the first stage (Montiel Olea and Pflueger 2013) over the value that keeps the bias below 10 % "
        "of the worst case (23.1 with one instrument)",
        1,
        small_is_bad=True,
        more_fail="the confidence set has no end",
    ),
    "balance": Rule(
        "smallest p-value of the tests that an instrument is unrelated to a covariate, times the number of tests",
        0.001,
        small_is_bad=True,
    ),
    "overidentification": Rule(
        "p-value of Hansen's J (Sargan's with errors='unadjusted'): whether the instruments tell of one effect",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=", or no value is in the confidence set",
    ),
    "one_sided": Rule("share that was treated without being assigned (0/1 treatment and instrument)", 0),
    "sample_ratio": Rule(
        "p-value of the chi-square test that the arms of the instrument have the shares given (`expected_ratio=`)",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "few_clusters": Rule(
        "clusters of one size that those of the smallest arm of the instrument are worth (of all, where they hold "
        "several arms); to fail, clusters are counted",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
        more_fail=" (no interval is given)",
    ),
    "cluster_level": Rule("whether the clusters were found, not named", more_warn="they were found"),
    "tail": Rule(
        "skewness of the effect without its largest row (or a third of that with it, if larger); under clusters the "
        "rows are clusters",
        0.18,
    ),
    "leverage": Rule("share of the variance of the effect that comes from the largest row (cluster)", 0.10),
    "leakage": Rule("share of the variance of the outcome that one covariate explains along a line", 0.999),
    "zero_variance": Rule("whether the outcome is the same in every row", more_warn="it is"),
    "scale_mix": Rule(
        "share of rows on the smaller hump, where positive outcomes form two humps a factor of 30 or more apart", 0.005
    ),
}

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)


def judge(name: str, value: float) -> str:
    """Status of the check `name` at `value`."""
    return RULES[name].status(value)


def bound(name: str) -> float | None:
    """The threshold to print beside the value: that of failing, else that of warning."""
    return RULES[name].bound
