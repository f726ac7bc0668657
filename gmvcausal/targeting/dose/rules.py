"""The published rules of the audit of doses; checks that look at the outcome alone have those of every design."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import MIN_CLUSTERS, USUAL, leverage_of, tail_of

_SHARED = ("leakage", "all_zero", "negative_amounts", "scale_mix", "quantisation")

_RULES: dict[str, Rule] = {
    "expected_dose": Rule(
        "p-value of the test that the doses have the mean that was given (`propensity=`)",
        0.05,
        0.01,
        small_is_bad=True,
        more_fail=" (srm_alpha=)",
    ),
    "dose_balance": Rule(
        "p-value of the test that features do not predict, out of fold, by how much doses miss the given mean",
        0.001,
        small_is_bad=True,
    ),
    "dose_variation": Rule(
        "share of the variance of the dose that the features (or the given mean) explain, so that it tells nothing",
        0.9,
        0.99,
    ),
    "curvature": Rule(
        "p-value of the test that the square of the residual dose adds nothing to the line", 0.05, small_is_bad=True
    ),
    "effective_sample_size": Rule(
        "rows of equal weight that the rows are worth, each weighted by its residual dose squared",
        200,
        30,
        small_is_bad=True,
    ),
    "tail": tail_of("the average slope"),
    "leverage": leverage_of("the average slope"),
    "few_clusters": Rule(
        "clusters of equal weight that the clusters are worth, each weighted by its residual doses squared; to fail, "
        "clusters are counted",
        30,
        MIN_CLUSTERS,
        small_is_bad=True,
        more_fail=" (no interval is given)",
    ),
    "cluster_level": USUAL["cluster_level"],
    **{name: USUAL[name] for name in _SHARED},
}
RULES = Rules(_RULES)

TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)

judge, bound = RULES.judge, RULES.bound
