"""The plan of `mediate`: a raffle that moves one mediator or three (D16), nothing by way of it, and a hidden cause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

USERS, DRAWS = 1_500, 199
OFTEN, THREE, NONE, SEEN = 240, 180, 220, 60
# Of rejections at 5 %: the product of a slope that is none and one that is some.
MOST_FOUND = 0.07
PARTS = ("total", "direct", "indirect:interacted")
MORE = ("indirect:watched", "indirect:shared")


def _named(term: str) -> str:
    return term.removeprefix("indirect:")


def mediation() -> Iterator[Cell]:
    """All cells of `mediate`; those of one world are read off one answer."""
    common: dict[str, Any] = {"n": USERS, "verb": "mediate"}
    call: dict[str, Any] = {"reps": DRAWS}
    held: dict[str, Any] = {"gates": ("runs", "coverage", "interval", "refused_valid")}
    for term in PARTS:
        yield Cell(f"mediate/one/{_named(term)}", "D16", call=call, term=term, reps=OFTEN, **common, **held)
    three = {"mediators": 3}
    for term in (*PARTS, *MORE):
        yield Cell(
            f"mediate/three/{_named(term)}", "D16", dials=three, call=call, term=term, reps=THREE, **common, **held
        )
    size: dict[str, Any] = {"null": True, "gates": ("runs", "at_most"), "most": MOST_FOUND, "reps": NONE}
    for name, dials in (("not-moved", {"lift": 0.0}), ("moves-nothing", {"through": 0.0})):
        yield Cell(
            f"mediate/none/{name}", "D16", "size", dials=dials, call=call, term="indirect:interacted", **common, **size
        )
    hidden = {"hidden": 1.0, "through": 40.0}
    more: dict[str, Any] = {"dials": hidden, "call": call, "reps": SEEN, **common, "n": 6_000}
    yield Cell("mediate/hidden/total", "D16", "shown", term="total", **more)
    yield Cell("mediate/hidden/interacted", "D16", "fails on purpose", term="indirect:interacted", **more)


# What the quick plan asks.
QUICK = ("mediate/one/interacted", "mediate/none/not-moved")


def cells() -> tuple[Cell, ...]:
    """All cells of `mediate`."""
    return tuple(mediation())
