"""Rules of the checks that designs share (`usual_checks`), so that one threshold means one thing everywhere."""

from __future__ import annotations

from gmvcausal.results.rule import Rule

# Clusters in the smallest arm (in all, where clusters hold several arms) below which no interval is given.
MIN_CLUSTERS = 10

USUAL: dict[str, Rule] = {
    "few_clusters": Rule(
        "clusters of one size that those of the smallest arm are worth (of all, where they hold several arms); to "
        "fail, clusters are counted",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
        more_fail=" (no interval is given)",
    ),
    "cluster_level": Rule("whether the clusters were found, not named", more_warn="they were found"),
    "leakage": Rule(
        "share of the variance of the outcome, or of its ranks, that one column explains along a line: the outcome "
        "under another name, or what came of it",
        0.9,
        0.999,
    ),
    "copies": Rule("share of the rows that are copies of others, where no column names the units", 0.01, 0.1),
    "all_zero": Rule("whether the outcome is zero throughout", more_warn="it is"),
    "negative_amounts": Rule("share of rows with a negative outcome, where most outcomes are not", 0),
    "scale_mix": Rule(
        "share of rows on the smaller hump, where positive outcomes form two humps a factor of 30 or more apart", 0.005
    ),
    "quantisation": Rule("spacing of the numbers in their source type over their standard deviation", 1e-6),
}


def tail_of(what: str) -> Rule:
    """Rule of `tail` for the estimate named `what`."""
    return Rule(
        f"skewness of {what} without its largest row (or a third of that with it, if larger); under clusters the rows "
        "are clusters",
        0.18,
    )


def leverage_of(what: str) -> Rule:
    """Rule of `leverage` for the estimate named `what`."""
    return Rule(f"share of the variance of {what} that comes from the largest row (cluster)", 0.10)
