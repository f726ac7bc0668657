"""The published rules of the audit of a surrogate index; `docs/estimators/surrogates.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import USUAL, leverage_of, tail_of

_ALL: dict[str, Rule] = {
    "surrogacy": Rule(
        "p-value of the test that the index tells the whole effect on those of the experiment whose long outcome is "
        "known (times the number of arms); not run where it is known for fewer than 20 of an arm",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "same_relation": Rule(
        "p-value of the test that the index is right on average in the control arm, where the long outcome is known",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "comparable": Rule(
        "area under the curve of a logit that tells the control arm from the history by surrogates and covariates "
        "(0.5: they are alike; held-out rows)",
        0.65,
        0.9,
    ),
    "extrapolation": Rule("share of the experiment outside the range that a surrogate had in the history", 0.01, 0.1),
    "index_r2": Rule(
        "share of the variance of the long outcome that the index tells in rows of the history it has not seen",
        0.1,
        0.01,
        small_is_bad=True,
    ),
    "index_shape": Rule(
        "p-value of the test that curved surrogates in the index give the same effect (linear index)",
        0.01,
        small_is_bad=True,
    ),
    "history_treated": Rule("share of the history that had the tactic, where the history says so", 0),
    "history_arm": Rule(
        "p-value of the test that the tactic moved the long outcome of the history past the surrogates, where the "
        "history holds both",
        0.01,
        small_is_bad=True,
    ),
    "effective_sample_size": Rule(
        "rows of the history that its weights amount to (Kish; estimators that weigh it)",
        100,
        30,
        small_is_bad=True,
    ),
    "unseen_path": Rule(
        "what a path past the surrogates must add to turn the finding, over what the strongest surrogate adds "
        "(findings only, several surrogates)",
        1,
        small_is_bad=True,
    ),
    "sample_ratio": Rule(
        "p-value of the chi-square test that the arms have their planned shares (equal ones unless expected_ratio=)",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "balance": Rule(
        "smallest p-value of the tests that a covariate is the same in all arms, times the number of tests",
        0.01,
        0.001,
        small_is_bad=True,
    ),
    "few_clusters": USUAL["few_clusters"],
    "cluster_level": USUAL["cluster_level"],
    "copies": USUAL["copies"],
    "shared_units": Rule("units that stand in both tables", 0),
    "tail": tail_of("the effect"),
    "leverage": leverage_of("the effect"),
    **{name: USUAL[name] for name in ("negative_amounts", "scale_mix", "quantisation")},
}

RULES = Rules(_ALL)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
