"""The published rules of the audit of a mediation; `docs/estimators/mediate.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import USUAL, leverage_of, tail_of

RULES = Rules({
    "mediator_confounding": Rule(
        "smallest correlation rho of what is left of mediator and outcome, its sign left out, at which nothing would "
        "go by way of the mediator (Imai, Keele and Yamamoto 2010), over the ways that are shown",
        0.1,
        small_is_bad=True,
        more_warn="; never passed, as a strong hidden cause makes it large",
    ),
    "time_order": Rule(
        "share of the rows, of those with `times=`, whose mediator comes before the treatment or after the outcome "
        "(the largest over mediators)",
        0.0,
        0.05,
    ),
    "sample_ratio": Rule(
        "p-value of the chi-square test that the arms have their planned shares, where chance drew them "
        "(assignment='random')",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "balance": Rule(
        "smallest p-value of the tests that a covariate is the same in both arms, times the number of tests",
        0.001,
        small_is_bad=True,
        more_fail="there are no covariates, and it is not said that chance drew the arms",
    ),
    "hidden_confounding": Rule("nothing in the data, where it is not said that chance drew the arms"),
    "total_agrees": Rule(
        "distance of the sum of all ways from the plain regression of the outcome on treatment and covariates, in "
        "standard errors of the total",
        0.5,
        2.0,
    ),
    "interaction": Rule(
        "p-value of the test that the mediators' slopes are the same in both arms, where they are taken to be "
        "(interaction=False)",
        0.05,
        small_is_bad=True,
    ),
    "both_steps_vary": Rule(
        "p-value of the tests that a covariate moves both steps (treatment x covariate in the mediator; mediator x "
        "covariate or treatment x covariate in the outcome; the larger of both), the smallest over covariates and "
        "mediators, by Holm",
        0.01,
        0.0001,
        small_is_bad=True,
        more_fail=", and a part moves by more than its standard error where both steps are left free",
    ),
    "mediators_apart": Rule(
        "largest correlation of two mediators given treatment and covariates, its sign left out (several mediators, "
        "ordered=False)",
        0.3,
    ),
    "collinearity": Rule("share of the treatment that mediators explain, given covariates", 0.8, 0.99),
    "mediator_overlap": Rule(
        "largest share of an arm whose mediator has values that the other arm does not have (beyond its outermost "
        "0.5 %)",
        0.05,
        0.5,
    ),
    "part_of_outcome": Rule(
        "share of the variance of the outcome, or of its ranks, that one mediator explains along a line: a part of the "
        "outcome, or the outcome under another name",
        0.9,
        0.999,
        more_fail=", or the outcome is 0 wherever the mediator is 0 (a factor), or the mediator lies between 0 and the "
        "outcome throughout (a part)",
    ),
    "tail": tail_of("the total"),
    "leverage": leverage_of("the total"),
    **USUAL,
})  # fmt: skip

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
