"""The plan of designs without a lot of their own: instruments, thresholds, and thresholds that shoppers choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

ORDERS, SETS = "gmvcausal.trust.baskets:orders", "gmvcausal.trust.asks_quasi:weak"
# As often as decides coverage and standard errors, and size (447).
OFTEN, EQUAL, SOME = 240, 450, 60
_VALID = ("runs", "coverage", "se", "interval", "refused_valid")
_SIZE = ("runs", "size", "se")
_FLAGGED = ("runs", "refused_violation", "fires")
# Draws of the bootstrap: fewer than the default, which costs 5 % of the standard error's own precision.
DRAWS = 200
WEAK = 0.93  # of those in reach have the push anyway


def instruments() -> Iterator[Cell]:
    """D14 through raw logs: pushes by lot that reach some, and some whom nobody sent one."""
    common: dict[str, Any] = {"n": 10_000, "reps": OFTEN, "verb": "iv"}
    yield Cell("quasi/iv/one-sided", "D14", gates=_VALID, **common)
    yield Cell("quasi/iv/two-sided", "D14", dials={"unsent": 0.3}, gates=_VALID, **common)
    none = {**common, "reps": EQUAL}
    yield Cell("quasi/iv/no-effect", "D14", "size", dials={"effect": 0.0}, null=True, gates=_SIZE, **none)
    yield Cell(
        "quasi/iv/weak",
        "D14",
        "shown",
        n=4_000,
        dials={"unsent": WEAK},
        verb=SETS,
        term="late",
        check="weak_instrument",
        clean="quasi/iv/one-sided",
        gates=("runs", "coverage", "fires"),
        reps=OFTEN,
    )
    yield Cell(
        "quasi/iv/direct",
        "D14",
        "fails on purpose",
        dials={"direct": 15.0},
        gates=("runs", "seen_failing"),
        **common,
    )


def thresholds() -> Iterator[Cell]:
    """D15 through raw logs: 300 spent before decides who has the coupon, known beforehand or not."""
    common: dict[str, Any] = {"n": 8_000, "verb": "threshold"}
    yield Cell("quasi/threshold/known-to-nobody", "D15", gates=_VALID, reps=OFTEN, **common)
    yield Cell(
        "quasi/threshold/no-effect", "D15", "size", dials={"effect": 0.0}, null=True, gates=_SIZE, reps=EQUAL, **common
    )
    yield Cell(
        "quasi/threshold/chosen",
        "D15",
        "audit violation",
        n=20_000,
        dials={"bunching": 0.35},
        verb="threshold",
        check="density",
        clean="quasi/threshold/known-to-nobody",
        gates=_FLAGGED,
        reps=SOME,
    )


def piles() -> Iterator[Cell]:
    """Orders drawn as `bunching` sees them, with a comparison and along a curve."""
    call = {"reps": DRAWS}
    common: dict[str, Any] = {"call": call, "verb": "bunching", "n": 20_000}
    worlds: dict[str, dict[str, Any]] = {
        "compare": {"compare": True},
        "curve": {},
        "users": {"each": 3},
        "heaps-compare": {"compare": True, "heap": 0.1},
        "heaps-curve": {"heap": 0.1},
    }
    for name, dials in worlds.items():
        for term in ("extra_gmv", "excess_orders"):
            yield Cell(
                f"quasi/bunching/{name}/{term}", ORDERS, dials=dials, term=term, gates=_VALID, reps=OFTEN, **common
            )
    converge = {**common, "call": {**call, "window": "converge"}}
    for term in ("extra_gmv", "excess_orders"):
        yield Cell(f"quasi/bunching/converge/{term}", ORDERS, "shown", term=term, reps=OFTEN, **converge)
    for name in ("compare", "curve"):
        yield Cell(
            f"quasi/bunching/no-effect/{name}",
            ORDERS,
            "size",
            dials={**worlds[name], "topup": 0.0},
            term="extra_gmv",
            null=True,
            gates=_SIZE,
            reps=EQUAL,
            **common,
        )
    violations = {
        "new-orders": ({"compare": True, "new": 0.02}, "new_orders", "quasi/bunching/compare/extra_gmv"),
        "ladder": ({"rung": 0.35}, "other_thresholds", "quasi/bunching/curve/extra_gmv"),
    }
    for name, (dials, check, clean) in violations.items():
        yield Cell(
            f"quasi/bunching/{name}",
            ORDERS,
            "audit violation",
            dials=dials,
            term="extra_gmv",
            check=check,
            clean=clean,
            gates=_FLAGGED,
            reps=SOME,
            **common,
        )


# What the quick plan asks, in worlds that take least.
QUICK = ("quasi/iv/one-sided", "quasi/threshold/chosen", "quasi/bunching/curve/extra_gmv")


def cells() -> tuple[Cell, ...]:
    """All cells of these designs."""
    return (*instruments(), *thresholds(), *piles())
