"""The published rules of the audit of a decomposition; `docs/estimators/decompose.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import USUAL

_RULES: dict[str, Rule] = {
    "sample_ratio": Rule(
        "p-value of the chi-square test that the arms have their planned shares (equal ones unless expected_ratio=), "
        "where chance drew them (assignment='random')",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "funnel": Rule(
        "share of a stage that stands in rows where the stage before it is 0 (the largest over stages)", 0.001, 0.1
    ),
    "thin_stage": Rule("largest standard error of a stage's mean in a group, as a share of that mean", 0.2, 0.5),
    "few_clusters": Rule(
        "clusters (rows without cluster=) of the smallest group; where clusters hold several groups, of all",
        30,
        10,
        small_is_bad=True,
    ),
    "leverage": Rule("share of the variance of the total that comes from the largest cluster (row)", 0.25, 0.75),
    "copies": USUAL["copies"],
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
