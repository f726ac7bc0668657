"""The published rules of the audit of `gc.spillover`: what is looked at, and from where on it warns or fails."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, table_of
from gmvcausal.results.usual_rules import USUAL, tail_of

# Groups at a saturation below which no interval is given.
MIN_GROUPS = 5
# Distance of twice the mean probability of treatment from 1, below which the total holds an interaction.
NEAR_HALF = 0.1

RULES: dict[str, Rule] = {
    "sample_ratio": Rule(
        "p-value of the test that as many were treated as the probability given says", 0.05, 0.01, small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "exposure_overlap": Rule(
        "smallest effective sample of an exposure condition, by Kish's formula (`exposure=` other than the line)",
        30, 10,
        small_is_bad=True,
    ),
    "extrapolation": Rule(
        "distance between the 5 % and the 95 % quantile of the share of treated neighbours: everyone and nobody lie "
        "beyond (the line)",
        0.5,
        small_is_bad=True,
    ),
    "linear_share": Rule(
        "p-value of a bend in the share of treated neighbours, beside 199 draws of the lottery (the line)", 0.01,
        0.0001, small_is_bad=True,
    ),
    "interaction": Rule(
        "p-value of the test that own treatment adds the same whatever the share of treated neighbours, beside 399 "
        "draws of the lottery (the line)",
        0.05, 0.001,
        small_is_bad=True,
        more_fail=" (warned where about half are treated: the total holds it)",
    ),
    "lottery": Rule(
        "p-value of the join count: neighbours are treated alike as often as in 399 draws of the lottery",
        0.001, 0.0001, small_is_bad=True,
    ),
    "second_order": Rule(
        "p-value of the test that neighbours' neighbours reach nobody (users drawn one by one)", 0.01, small_is_bad=True
    ),
    "degree_balance": Rule(
        "p-value of the test that treatment is unrelated to the number of neighbours", 0.01, 0.0001, small_is_bad=True
    ),
    "edges_after_treatment": Rule("share of links made after the start (`edge_time=`)", 0, 0.01),
    "isolated": Rule("share of users without a neighbour", 0.5),
    "few_groups": Rule(
        "groups at the saturation that has fewest (`group=`)", 10, MIN_GROUPS,
        small_is_bad=True,
        more_fail=" at a saturation of the total, or of what money adds up (rows of such saturations have no interval)",
    ),
    "size_balance": Rule(
        "p-value of the test that the saturation is unrelated to the size of the group (Kruskal and Wallis; `group=`)",
        0.01, 0.0001, small_is_bad=True,
    ),
    "outside": Rule(
        "share of links that name users who are not in the data (`outside='drop'`)", 0.05, 0.3
    ),
    "tail": tail_of("the total"),
    "leverage": Rule(
        "share of the variance of the total that comes from the largest draw (of a user, with all whom it reaches; of "
        "a cluster; a group)",
        0.1, 0.5,
        more_fail=" (`exposure=` other than the line)",
    ),
    **{name: USUAL[name] for name in ("few_clusters", "cluster_level", "leakage", "scale_mix", "all_zero")},
}  # fmt: skip

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
