"""The plan of estimators beyond the first: each in the worlds of roll-outs that it is for, and other designs.

Cells get 180 replicates where coverage is judged and 450 where a size is, the fewest that decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

KINDS, PAUSES, VALUES = (f"gmvcausal.trust.roll_outs:{name}" for name in ("kinds", "pauses", "values"))
AMONG = "gmvcausal.trust.asks:among"
SIZE, COVER = 450, 180
_GIVEN_SIZES = ("sun_abraham", "imputation", "two_stage", "etwfe", "poisson")


def designs() -> Iterator[Cell]:
    """Triple differences, tactics that switch on and off, doses, spillover."""
    triple = {"estimator": "triple", "eligible": "eligible"}
    yield Cell("design/triple", KINDS, n=40, call=triple, reps=SIZE)
    wrong = "fails on purpose"
    yield Cell("design/eligible-alone", KINDS, wrong, n=40, call={"column": "eligible"}, verb=AMONG, reps=COVER)
    yield Cell("design/triple-by-unit", KINDS, wrong, n=40, call={**triple, "cluster": "unit"}, reps=COVER)
    switching = {"estimator": "switching"}
    for left in (0.0, 1.0):
        name, dials = ("carried" if left else "paused"), {"left": left}
        yield Cell(f"design/{name}/switching", PAUSES, n=300, dials=dials, call=switching, reps=SIZE)
        yield Cell(
            f"design/{name}/at-the-switch",
            PAUSES,
            wrong if left else "valid",
            n=300,
            dials=dials,
            call=switching,
            reps=SIZE,
            term="at the switch",
            check="carry_over" if left else "",
            clean="design/paused/at-the-switch" if left else "",
            gates=("runs", "seen_failing", "fires") if left else None,
        )
        yield Cell(f"design/{name}/twfe", PAUSES, "shown", n=300, dials=dials, call={"estimator": "twfe"}, reps=SIZE)
    for dealt in ("lot", "answers"):
        for what, term in (("effect", ""), ("slope", "per unit of dose")):
            role = wrong if dealt == "answers" and term else "valid"
            name = f"design/values-{dealt}/{what}"
            yield Cell(name, VALUES, role, n=500, dials={"dealt": dealt}, reps=COVER, term=term)
    spill: dict[str, Any] = {"unit": "room", "spill": -200.0}
    for name, term in (("exposed", ""), ("spillover", "spillover")):
        yield Cell(f"D6/spill/{name}", "D6", n=300, dials=spill, reps=COVER, term=term)
    yield Cell("D6/spill/as-controls", "D6", wrong, n=300, dials=spill, call={"edges": None}, reps=COVER)


def every() -> Iterator[Cell]:
    """Further estimators in the worlds of roll-outs, through raw logs."""
    rooms, users = {"unit": "room"}, {"unit": "user"}
    asked: list[tuple[str, str, int, dict[str, Any], tuple[str, ...]]] = [
        ("D5/room", "D5", 200, rooms, ("imputation", "poisson", "synthetic_did")),
        ("D5/user", "D5", 4000, users, ("imputation", "poisson")),
        ("D6/room", "D6", 200, rooms, ("sun_abraham", "imputation", "poisson")),
        ("D7/room", "D7", 200, rooms, (*_GIVEN_SIZES, "synthetic_did")),
        ("D7/fixed", "D7", 200, {**rooms, "shares": "fixed"}, ("callaway_santanna", *_GIVEN_SIZES, "synthetic_did")),
        ("D9/declared", "D9", 200, {}, ("sun_abraham", "imputation", "etwfe", "poisson")),
        ("D10/nobody-leaves", "D10", 4000, {"strength": 0.0}, ("imputation", "poisson")),
    ]
    for start, world, n, dials, estimators in asked:
        for estimator in estimators:
            # Standard errors that take cohort sizes as given are not for lots drawn unit by unit where effects differ.
            role = "shown" if start == "D7/room" and estimator in _GIVEN_SIZES else "valid"
            call = {"estimator": estimator}
            yield Cell(f"{start}/{estimator}", world, role, n=n, dials=dials, call=call, reps=COVER)
    yield Cell(
        "D9/undeclared/imputation",
        "D9",
        "fails on purpose",
        n=200,
        call={"estimator": "imputation", "anticipation": None},
        reps=COVER,
    )
    for estimator in ("imputation", "poisson"):
        yield Cell(
            f"D10/leaving/{estimator}",
            "D10",
            "fails on purpose",
            n=4000,
            call={"estimator": estimator},
            reps=COVER,
            gates=("runs", "seen_failing", "refused_violation"),
        )
