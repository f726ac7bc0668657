"""The published rules of the audit of a pooled estimate; `docs/combining-results.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

_RULES: dict[str, Rule] = {
    "credible_studies": Rule("number of studies whose own audit failed", None, 0),
    "shared_data": Rule("number of pairs of studies that were read from tables of one shape", 0),
    "few_studies": Rule("number of studies", 5, small_is_bad=True),
    "heterogeneity": Rule(
        "I2: share of the variance between estimates that chance within studies does not explain", 0.5
    ),
    "one_study": Rule("largest weight of a study", 0.5),
    "leave_one_out": Rule("number of studies without which the finding (gain, loss, neither) is another", 0),
    "small_studies": Rule(
        "p-value of Egger's regression: do small studies find other effects? (10 studies and more)",
        0.1,
        small_is_bad=True,
    ),
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
