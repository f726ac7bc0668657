"""The plan of `before_after`: size and coverage under noise that remembers, and a market with a festival (D17)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

DAYS = "gmvcausal.trust.series:days"
OFTEN, SOME, FEW = 120, 50, 20
# Of rejections at 5 %; of intervals at 95 %.
MOST_FOUND, LEAST_HELD = 0.07, 0.93


def _memory() -> Iterator[Cell]:
    """Days with an autoregression of .7: nothing to find, and a gain of 10 %."""
    common: dict[str, Any] = {"verb": "before_after", "reps": OFTEN}
    size: dict[str, Any] = {"null": True, "gates": ("runs", "at_most"), "most": MOST_FOUND}
    for n, window in ((60, 14), (100, 28)):
        dials = {"window": window}
        alone = {**dials, "controls": 0}
        yield Cell(f"series/no-effect/{n}", DAYS, "size", n=n, dials=dials, **common, **size)
        yield Cell(f"series/no-effect/{n}-alone", DAYS, "size", n=n, dials=alone, **common, **size)
    hac = {"errors": "hac"}
    yield Cell(
        "series/no-effect/100-hac", DAYS, "shown", n=100, dials={"window": 28}, call=hac, verb="before_after",
        reps=OFTEN, null=True,
    )  # fmt: skip
    gain = {"window": 28, "effect": 0.1}
    held: dict[str, Any] = {"gates": ("runs", "at_least", "interval", "refused_valid"), "least": LEAST_HELD}
    yield Cell("series/gain/100", DAYS, n=100, dials=gain, **common, **held)
    structural = {"method": "structural"}
    yield Cell(
        "series/gain/100-structural", DAYS, "shown", n=100, dials=gain, call=structural, verb="before_after", reps=FEW
    )


def _festival() -> Iterator[Cell]:
    """D17: a tactic from 2 November, and 11.11 beside it."""
    common: dict[str, Any] = {"verb": "before_after"}
    clean = "series/D17/beside"
    yield Cell(
        clean, "D17", reps=OFTEN, gates=("runs", "at_least", "interval", "refused_valid"), least=LEAST_HELD, **common
    )
    refused = ("runs", "refused_violation")
    yield Cell(
        "series/D17/alone", "D17", "audit violation", call={"controls": [], "promotions_shared": False},
        check="control_series", clean=clean, reps=OFTEN, gates=(*refused, "fires"), **common,
    )  # fmt: skip
    yield Cell(
        "series/D17/unsaid", "D17", "audit violation", call={"promotions_shared": False}, check="promotion",
        clean=clean, reps=OFTEN, gates=(*refused, "fires"), **common,
    )  # fmt: skip
    yield Cell(
        "series/D17/half-a-festival", "D17", "audit violation", dials={"shared": 0.5}, check="promotion", clean=clean,
        reps=SOME, gates=refused, **common,
    )  # fmt: skip
    yield Cell(
        "series/D17/regression", "D17", "audit violation", call={"controls_as": "regression"}, check="extrapolation",
        clean=clean, reps=SOME, gates=refused, **common,
    )  # fmt: skip


# What the quick plan asks.
QUICK = ("series/no-effect/60", "series/D17/beside", "series/D17/alone")


def cells() -> tuple[Cell, ...]:
    """All cells of `before_after`."""
    return (*_memory(), *_festival())
