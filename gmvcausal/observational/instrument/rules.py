"""The published rules of the audit of `gc.iv`; `docs/estimators/iv.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import USUAL, leverage_of, tail_of

_RULES: dict[str, Rule] = {
    "weak_instrument": Rule(
        "effective F of the first stage (Montiel Olea and Pflueger 2013) over the value that keeps the bias below 10 % "
        "of the worst case (23.1 with one instrument)",
        1,
        small_is_bad=True,
        more_fail="the confidence set has no end",
    ),
    "same_as_treatment": Rule("whether an instrument and the treatment are one column", 0.5, more_warn=": they are"),
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
    "few_clusters": USUAL["few_clusters"],
    "cluster_level": USUAL["cluster_level"],
    "tail": tail_of("the effect"),
    "leverage": leverage_of("the effect"),
    "leakage": USUAL["leakage"],
    "copies": USUAL["copies"],
    "zero_variance": Rule("whether the outcome is the same in every row", more_warn="it is"),
    **{name: USUAL[name] for name in ("all_zero", "negative_amounts", "scale_mix", "quantisation")},
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)

judge, bound = RULES.judge, RULES.bound
