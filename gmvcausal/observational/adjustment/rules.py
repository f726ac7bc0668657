"""The published rules of the audit of `gc.adjust`; `docs/estimators/adjust.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.observational.adjustment.learn import NEAREST
from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import USUAL, leverage_of, tail_of

# Standard deviations by which arms may differ before a regression carries its lines to where an arm has hardly a row,
# and standard errors by which bends may move an estimate.
FAR, MOVED = 0.5, 2

RULES: dict[str, Rule] = {
    "overlap": Rule(
        f"share of the rows that the effect is about with a chance below {NEAREST:g} of the arm that they are compared "
        "with",
        0.01,
        0.1,
    ),
    "effective_sample_size": Rule(
        "rows of equal weight that the weighted rows of the smaller arm are worth", 200, 30, small_is_bad=True
    ),
    "balance": Rule(
        "largest standardised difference of a covariate between the arms once they are weighted",
        0.1,
        0.25,
        more_fail=f" (estimators that rest on weights alone: ipw, matching), > {FAR:g} (regression)",
    ),
    "form": Rule(
        "p-value of the test that lines which bend in the covariates (hinges, products) give the same effect "
        "(regression, ipw; at a front door lines in the mediators)",
        0.05,
        0.001,
        small_is_bad=True,
        more_fail=f"; or < 0.01 and more than {MOVED:g} standard errors away",
    ),
    "selection": Rule("whether the covariates tell who was treated at all", more_warn="they do not"),
    "hidden_confounding": Rule("nothing in the data: `r.sensitivity()` says how strong it would have to be"),
    "tail": tail_of("the effect"),
    "leverage": leverage_of("the effect"),
    "few_clusters": USUAL["few_clusters"],
    "cluster_level": USUAL["cluster_level"],
    "leakage": USUAL["leakage"],
    "self_selected": Rule(
        "whether the treatment, or its label, is called what users do themselves (redeemed, clicked, joined, "
        "核销, 领取)",
        more_warn="it is",
    ),
    "copies": USUAL["copies"],
    "zero_variance": Rule("arms in which the outcome does not vary", 0),
    "all_zero": USUAL["all_zero"],
    "negative_amounts": USUAL["negative_amounts"],
    "scale_mix": USUAL["scale_mix"],
    "quantisation": USUAL["quantisation"],
}

# Of panels; `docs/estimators/graphs.md` prints them.
PANEL = Rules(
    {
        "panel_conflict": Rule(
            "p-value of the test that the effect across units is the effect within units and periods (Hausman's, with "
            "clustered errors)",
            0.05,
            0.01,
            small_is_bad=True,
            more_fail="; or units change arms, but within periods nothing is left to compare",
        ),
        "calendar": Rule(
            "share of the variance of the arm that the period explains, where the period is no covariate", 0.5, 0.9
        ),
        "holes": Rule(
            "share of unit-periods without a row",
            0,
            more_fail="> 0.1 lie between rows of their unit, and no outcome is 0",
        ),
    }
)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)


def judge(name: str, value: float) -> str:
    """Status of the check `name` at `value`."""
    return RULES[name].status(value)


def bound(name: str) -> float | None:
    """The threshold to print beside the value: that of failing, else that of warning."""
    return RULES[name].bound
