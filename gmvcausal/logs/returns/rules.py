"""The published rules of the audit of `Logs.retention`; `docs/retention.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.logs import season
from gmvcausal.results.rule import Rule, Rules, table_of

RULES = Rules(
    {
        "sample_ratio": Rule(
            "p-value of the chi-square test that the arms have their planned shares (equal ones unless "
            "expected_ratio=), where chance drew them (assignment='random')",
            0.05,
            0.01,
            small_is_bad=True,
        ),
        "starts_with_an_order": Rule(
            "share of an arm's users who order at the very moment at which their exposure starts: those who redeemed, "
            "not those to whom it was given (logs and starts with times of day)",
            0.01,
            0.1,
        ),
        "starts_on_a_day_with_an_order": Rule(
            "share of an arm's users who order on the day of their start, beyond what they do on one of the seven days "
            "before (logs or starts that are dates without times of day)",
            0.2,
            0.5,
        ),
        "cluster_level": Rule(
            "whether the arm does not vary within a column of places (city, store) of the table of users, where chance "
            "drew the arms", fail=0.5, more_fail=": they were drawn by place",
        ),
        "same_season": season.RULE,
        "watched": Rule(
            "smallest share of a group that is watched up to the end of its curve, or had its order before", 0.5, 0.05,
            small_is_bad=True, more_fail=" (arms)",
        ),
        "censoring": Rule(
            "largest difference between groups in the share whose watching ends before that without an order, "
            "for another reason than the end of the log (exit)", 0.02, 0.1,
        ),
        "small_group": Rule("users of the smallest group", 100, 10, small_is_bad=True, more_fail=" (arms)"),
    }
)  # fmt: skip

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
