"""The published rules of the audit of `gc.bunching`; `docs/estimators/bunching.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_rules import USUAL

RULES = Rules({
    "excess": Rule(
        "p-value of the excess of orders above the threshold", 0.05, more_warn=", or there is a lack of them"
    ),
    "missing_mass": Rule(
        "p-value that as many orders are missing below the threshold as are in excess above it", 0.05, 0.01,
        small_is_bad=True, more_warn=", or `window=\"converge\"` finds no such window",
    ),
    "window_ends": Rule(
        "smaller p-value of the orders next to the window, on either side, against those expected (Holm)", 0.05, 0.001,
        small_is_bad=True,
    ),
    "other_thresholds": Rule(
        "smallest p-value of steps elsewhere (a lack of orders below, a pile above), adjusted for their number "
        "(Bonferroni)", 0.01, 0.001, small_is_bad=True,
    ),
    "pile_in_place": Rule(
        "share of the excess orders that lies in the first twentieth above the threshold (where there is an excess)",
        0.15, 0.0, small_is_bad=True,
    ),
    "each_time": Rule(
        "p-value that orders do not pile up at twice the threshold too, where `discount=` is taken off once an order",
        0.01, 0.0001, small_is_bad=True,
    ),
    "new_orders": Rule(
        "p-value that no more orders came from the window on upwards than the comparison leads to expect (with "
        "`compare=` only)", 0.05, 0.01, small_is_bad=True,
    ),
    "polynomial": Rule(
        "largest change of the extra GMV with polynomials of one order less, one and two more, in standard errors "
        "(without `compare=` only)", 1.0, 2.0,
    ),
    "fit": Rule(
        "p-value of the fit outside of the window (Pearson; without `compare=` and `cluster=` only)", 0.01, 0.0001,
        small_is_bad=True,
    ),
    "round_cutoff": Rule(
        "whether the threshold is a round number, where baskets heap without any promotion (without `compare=` only)",
        more_warn="a multiple of 10",
    ),
    "few_orders": Rule("orders in the window on the thinner side of the threshold", 200, 50, small_is_bad=True),
    "few_clusters": USUAL["few_clusters"],
    "scale_mix": USUAL["scale_mix"],
})  # fmt: skip

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
