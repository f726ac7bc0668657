"""The plan of `spillover`: the line, exposure conditions, saturations, Fisher's test, and what the audit sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

FRIENDS, ROOMS = (f"gmvcausal.trust.friends:{name}" for name in ("friends", "rooms"))
FISHER = "gmvcausal.trust.asks_spillover:fisher"
TERMS = ("direct", "spillover", "total")
OFTEN, TESTS, SOME = 240, 450, 100
MOST_FOUND = 0.07
# The variance of Aronow and Samii is an upper bound: intervals may hold more often than they say.
LEAST = 0.94
_AT_LEAST = ("runs", "at_least", "interval", "refused_valid")
_VALID = ("runs", "coverage", "interval", "refused_valid")


def cells() -> Iterator[Cell]:
    """All cells of `spillover`."""
    asked: dict[str, Any] = {"verb": "spillover", "reps": OFTEN, "gates": _VALID}
    for term in TERMS:
        yield Cell(f"spillover/D18/{term}", "D18", n=2_000, call={"reps": 0}, term=term, **asked)
    for term in TERMS:
        yield Cell(
            f"spillover/any/{term}", FRIENDS, n=2_000, dials={"shape": "any", "chance": 0.3},
            call={"exposure": "any"}, term=term, **{**asked, "gates": _AT_LEAST}, least=LEAST,
        )  # fmt: skip
    for term in (*TERMS, "total, all treated"):
        name = term.replace(", ", "-").replace(" ", "-")
        yield Cell(f"spillover/rooms/{name}", ROOMS, n=30, term=term, **asked)
    yield Cell(
        "spillover/naive", FRIENDS, "fails on purpose", n=8_000, dials={"degree": 2.0, "spill": 24.0},
        term="difference of means", verb="spillover", reps=SOME, gates=("runs", "seen_failing"),
    )  # fmt: skip
    yield Cell("spillover/line/total", FRIENDS, n=2_000, term="total", **asked)
    yield Cell(
        "spillover/beyond/total", FRIENDS, "audit violation", n=2_000, dials={"beyond": 120.0}, term="total",
        verb="spillover", reps=SOME, check="second_order", clean="spillover/line/total", gates=("runs", "fires"),
    )  # fmt: skip
    yield Cell(
        "spillover/bent/total", FRIENDS, "audit violation", n=8_000, dials={"shape": "any", "spill": 40.0},
        term="total", verb="spillover", reps=SOME, check="linear_share", clean="spillover/line/total",
        gates=("runs", "fires"),
    )  # fmt: skip
    test: dict[str, Any] = {"n": 1_000, "call": {"reps": 199}, "verb": FISHER, "term": "fisher"}
    yield Cell(
        "spillover/fisher/none", FRIENDS, "size", dials={"spill": 0.0}, null=True, reps=TESTS,
        gates=("runs", "at_most"), most=MOST_FOUND, **test,
    )  # fmt: skip
    yield Cell("spillover/fisher/24", FRIENDS, "shown", dials={"spill": 24.0}, reps=SOME, **test)


# What the quick plan asks.
QUICK = ("spillover/D18/total", "spillover/rooms/total", "spillover/fisher/none")
