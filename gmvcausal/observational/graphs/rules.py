"""The published rules of what a graph is held against; `docs/estimators/graphs.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

RULES = Rules(
    {
        "graph": Rule(
            "smallest p-value, by Holm's method, of the tests that columns are unrelated (given others) as the graph "
            "implies; a right graph warns at most once in a hundred times",
            0.01,
            0.001,
            small_is_bad=True,
        ),
    }
)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
