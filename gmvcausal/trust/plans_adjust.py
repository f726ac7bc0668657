"""The plan of `adjust`: targeted users whom nobody drew lots for, by every estimator; hidden causes; thin overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

USERS, ANSWERS = (f"gmvcausal.trust.targeted:{name}" for name in ("users", "answers"))
ROWS = (
    *("aipw/ate", "aipw/att", "aipw/overlap", "dml/overlap"),
    *("regression/ate", "regression/att", "regression/overlap"),
    *("ipw/ate", "ipw/att", "ipw/overlap", "matching/ate", "matching/att"),
)
SMALL, OFTEN, FEW = 1_000, 100, 40
LEAST_BOUND = 0.95
_HOLDS = ("runs", "coverage", "interval")


def observed() -> Iterator[Cell]:
    """D11 with all that decided in the data: effects along lines, and in steps."""
    common: dict[str, Any] = {"n": SMALL, "verb": ANSWERS, "reps": OFTEN}
    for shape in ("linear", "steps"):
        for row in ROWS:
            yield Cell(
                f"adjust/D11/{shape}/{row}", USERS, dials={"shape": shape}, term=row, gates=_HOLDS, **common
            )  # fmt: skip


def hidden() -> Iterator[Cell]:
    """D11 where a cause that nobody recorded decided too: estimates are wrong, bounds of its true strength hold."""
    for strength in (0.5, 1.0):
        common: dict[str, Any] = {"n": 2 * SMALL, "dials": {"hidden": strength}, "verb": ANSWERS, "reps": FEW}
        name = f"adjust/hidden/{strength:g}"
        yield Cell(f"{name}/aipw/ate", USERS, "shown", term="aipw/ate", **common)
        gates = ("runs", "at_least", "interval")
        yield Cell(f"{name}/bound/ate", USERS, term="bound/ate", gates=gates, least=LEAST_BOUND, **common)


def thin() -> Iterator[Cell]:
    """D13: chances near 0 and 1. By overlap it is to hold, on everyone the audit is to say so."""
    common: dict[str, Any] = {"n": 2 * SMALL, "dials": {"world": "D13"}, "verb": ANSWERS, "reps": FEW}
    for row in ("aipw/overlap", "dml/overlap", "regression/overlap", "ipw/overlap"):
        yield Cell(f"adjust/D13/{row}", USERS, term=row, gates=_HOLDS, **common)
    for row in ("aipw/ate", "ipw/ate", "matching/ate", "regression/ate"):
        gates = ("runs", "fires") if row == "aipw/ate" else ("runs",)
        clean = "adjust/D11/linear/aipw/ate"
        role = "audit violation" if row == "aipw/ate" else "shown"
        yield Cell(
            f"adjust/D13/{row}", USERS, role, term=row, check="overlap", clean=clean if row == "aipw/ate" else "",
            gates=gates, **common,
        )  # fmt: skip


# What the quick plan asks.
QUICK = ("adjust/D11/linear/aipw/ate", "adjust/D11/linear/ipw/att")


def cells() -> tuple[Cell, ...]:
    """All cells of `adjust`."""
    return (*observed(), *hidden(), *thin())
