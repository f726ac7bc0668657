"""The plan of gains taken from elsewhere: nets over four weeks and shares, the check's warnings, its false alarms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell
from gmvcausal.trust.plans_designs import COVER

SALE, ENDS, TWO, BENT, ROOMS, SHOP = (
    f"gmvcausal.trust.roll_outs:{name}" for name in ("sale", "ends", "two_outcomes", "bent", "rooms", "shop")
)
NET, BOTH, CHECK = (f"gmvcausal.trust.asks:{name}" for name in ("pull_forward", "cannibalisation", "check"))
MOST_ALARMS, OFTEN, FEW = 0.07, 1_000, 60
_VALID = ("runs", "coverage", "interval", "refused_valid")
SALES: dict[str, dict[str, Any]] = {
    "all-from-week-2": {"borrowed": 1.0},
    "half-from-weeks-2-and-3": {"borrowed": 0.5, "payback": 2},
}


def nets() -> Iterator[Cell]:
    """D9: +20 % in week 1, all of it or half of it taken from the weeks after."""
    for name, dials in SALES.items():
        for estimator in ("callaway_santanna", "imputation"):
            for term in ("net", "borrowed_share"):
                yield Cell(
                    f"pull/{name}/{estimator}/{term}",
                    SALE,
                    n=60,
                    dials=dials,
                    call={"estimator": estimator, "window": 4},
                    verb=NET,
                    term=term,
                    reps=COVER,
                    gates=_VALID,
                )


def warnings() -> Iterator[Cell]:
    """The same sale: the check on the whole table, and on one that ends with week 1."""
    for name, more in (("dip-seen", {}), ("week-1-alone", {"seen": 1})):
        yield Cell(
            f"pull/{name}",
            SALE,
            "audit violation",
            n=60,
            dials={"borrowed": 1.0, **more},
            call={"estimator": "callaway_santanna"},
            reps=COVER if not more else FEW,
            check="pull_forward",
            gates=("runs", "fires"),
        )


def alarms() -> Iterator[Cell]:
    """Nothing is borrowed: a gain that ends, no effect, or one that lasts; normal shocks, lasting ones, zeros."""
    still = {"bound": 0.0, "move": 0.0}
    worlds: list[tuple[str, str, int, dict[str, Any]]] = [
        ("a-gain-that-ends", ENDS, 60, {}),
        ("no-effect", BENT, 200, {**still, "effect": 0.0}),
        ("an-effect-that-lasts", BENT, 200, {**still, "effect": 2.0}),
        ("no-effect/30-of-60", ROOMS, 60, {"treated": 30}),
        ("no-effect/zeros", SHOP, 200, {"lift": 0.0, "lasting": "amounts"}),
        ("an-effect-that-lasts/zeros", SHOP, 200, {"lift": 0.5, "lasting": "amounts"}),
    ]
    for name, world, n, dials in worlds:
        yield Cell(
            f"pull/alarms/{name}",
            world,
            "size",
            n=n,
            dials=dials,
            call={"name": "pull_forward"},
            verb=CHECK,
            null=True,
            # Elsewhere hardly anything warns, so that few runs decide.
            reps=OFTEN if world == ENDS else COVER,
            most=MOST_ALARMS,
            gates=("runs", "at_most"),
        )


def platforms() -> Iterator[Cell]:
    """A gain of which three fifths are lost in another outcome of the same rooms."""
    for term in ("total", "cannibalised_share"):
        yield Cell(
            f"pull/elsewhere/{term}",
            TWO,
            n=60,
            call={"estimator": "imputation", "other": "elsewhere"},
            verb=BOTH,
            term=term,
            reps=COVER,
            gates=_VALID,
        )


# They take long, and D9 stands in the quick plan by the estimators themselves.
QUICK: tuple[str, ...] = ()


def cells() -> Iterator[Cell]:
    """All cells."""
    yield from nets()
    yield from warnings()
    yield from alarms()
    yield from platforms()
