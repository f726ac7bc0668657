"""The plan of `surrogate`: long outcomes that surrogates foretell, and paths past them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

SHOP, ASK = (f"gmvcausal.trust.foretold:{name}" for name in ("shop", "surrogate"))
OFTEN, SOME = 200, 100
DIRECT, SEASON, KNOWN = 15.0, 15.0, 0.4
_COMMON: dict[str, Any] = {"n": 1_000, "verb": ASK, "term": "1"}
_ESTIMATORS: dict[str, dict[str, Any]] = {
    "index": {},
    "score": {"estimator": "score"},
    "doubly_robust": {"estimator": "doubly_robust"},
    "trees": {"estimator": "doubly_robust", "learner": "trees"},
}


def cells() -> Iterator[Cell]:
    """All cells of `surrogate`."""
    valid = ("runs", "coverage", "se", "interval", "refused_valid")
    for name, call in _ESTIMATORS.items():
        # The score fits the law of users by logits, which these users do not follow to the letter: shown, not judged.
        role, reps = ("shown", SOME) if name in ("score", "trees") else ("valid", OFTEN)
        gates = None if role == "shown" else valid
        yield Cell(f"surrogate/holds/{name}", SHOP, role, call=call, reps=reps, gates=gates, **_COMMON)
    apart = {"apart": 0.5}
    yield Cell("surrogate/other-users/index", SHOP, dials=apart, reps=OFTEN, gates=valid, **_COMMON)
    known = {"known": KNOWN}
    yield Cell("surrogate/known/index", SHOP, dials=known, reps=OFTEN, gates=valid, **_COMMON)
    past = {"direct": DIRECT}
    yield Cell(
        "surrogate/past/index", SHOP, "fails on purpose", dials=past, reps=SOME, gates=("runs", "seen_failing"),
        **_COMMON,
    )  # fmt: skip
    for name, check, dials in (("past", "surrogacy", past), ("season", "same_relation", {"season": SEASON})):
        yield Cell(
            f"surrogate/{name}/known", SHOP, "audit violation", dials={**dials, **known}, check=check,
            clean="surrogate/known/index", reps=SOME, gates=("runs", "refused_violation", "fires"), **_COMMON,
        )  # fmt: skip


# What the quick plan asks.
QUICK = ("surrogate/known/index", "surrogate/past/known")
