"""The published rules of the audit of `gc.uplift`: what each check looks at, and from where on it warns or fails."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import MIN_CLUSTERS, USUAL, leverage_of, tail_of

__all__ = ["MIN_CLUSTERS", "RARE", "RULES", "TABLE", "bound", "judge"]

# A chance of an arm below this counts as hardly any.
RARE = 0.01

_RULES: dict[str, Rule] = {
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
    "tail": tail_of("an average effect"),
    "leverage": leverage_of("an average effect"),
    "few_clusters": USUAL["few_clusters"],
    "cluster_level": USUAL["cluster_level"],
    "first_stage": Rule(
        "F (squared t) of the effect of an arm on receipt (`received=`)",
        10,
        small_is_bad=True,
        more_fail="an arm received no more often than the control",
    ),
    "leakage": USUAL["leakage"],
    "copies": Rule("share of the rows that are copies of others, where rows can be told apart", 0.01, 0.3),
    "dose": Rule("arms whose labels are numbers, as the face values of a coupon are", 5),
    "zero_variance": Rule("arms in which the outcome does not vary", 0),
    "all_zero": USUAL["all_zero"],
    "negative_amounts": USUAL["negative_amounts"],
    "scale_mix": USUAL["scale_mix"],
    "quantisation": USUAL["quantisation"],
}
RULES = Rules(_RULES)

TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)

judge, bound = RULES.judge, RULES.bound
