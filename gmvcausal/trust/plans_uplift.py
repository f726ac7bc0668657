"""The plan of `uplift`: averages, rankings and plans on users by lot, targeted users, several arms, rooms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell

USERS, ROOMS = (f"gmvcausal.trust.coupons:{name}" for name in ("users", "rooms"))
AVERAGES, LEARNED = (f"gmvcausal.trust.asks_uplift:{name}" for name in ("averages", "learned"))
# Standard deviation of the logarithm of amounts, by the skewness of GMV that it makes.
SIGMAS = {"skew-16": 1.05, "skew-38": 1.3}
# A learner that is quick: averages do not depend on it, and what is said of a ranking does not know who made it.
QUICKLY: dict[str, Any] = {"learner": "dr", "folds": 2}
RANKING = ("qini", "auuc", "autoc", "qini_robust", "autoc_robust", "top", "slope")
PLAN = ("value", "value_weighted", "roi")
# Whose truth is zero where all effects are equal.
ZERO = ("qini", "autoc", "qini_robust", "autoc_robust", "slope")
# As often as decides where coverage is judged; what is asked less often is called undecided.
OFTEN, EQUAL, BIAS, SOME, FEW = 236, 500, 2_000, 60, 30
MOST_FOUND, LEAST_ROOMS = 0.07, 0.94
_VALID = ("runs", "coverage", "interval", "refused_valid")


def by_lot() -> Iterator[Cell]:
    """Everything that is said of users by lot, 50/50, with the heavier tail."""
    for term in ("ate", *RANKING, *PLAN):
        # A ratio to a cost that may be nothing has no interval where the cost is not told from zero.
        gates = tuple(gate for gate in _VALID if gate != "interval" or term != "roi")
        yield Cell(
            f"uplift/skew-38/{term}",
            USERS,
            n=20_000,
            dials={"sigma": SIGMAS["skew-38"]},
            call=QUICKLY,
            verb=LEARNED,
            term=term,
            reps=OFTEN,
            gates=gates,
        )


def lopsided() -> Iterator[Cell]:
    """10/90: the treated arm has 2,000 users, so that means are skewed and the audit has to say so."""
    for term in ("ate", *RANKING, *PLAN):
        yield Cell(
            f"uplift/10-90/{term}",
            USERS,
            "shown",
            n=20_000,
            dials={"sigma": SIGMAS["skew-16"], "split": "10/90"},
            call=QUICKLY,
            verb=LEARNED,
            term=term,
            reps=SOME,
            check="tail",
            gates=("runs", "flag"),
        )


def equal() -> Iterator[Cell]:
    """The coupon adds the same to everyone: no ranking is better than lot."""
    for term in ZERO:
        yield Cell(
            f"uplift/equal/{term}",
            USERS,
            "size",
            n=4_000,
            dials={"sigma": SIGMAS["skew-16"], "effects": "equal", "test": 8_000},
            call=QUICKLY,
            verb=LEARNED,
            term=term,
            null=True,
            reps=EQUAL,
            gates=("runs", "at_most"),
            most=MOST_FOUND,
        )


def bias() -> Iterator[Cell]:
    """Averages of small trials, again and again."""
    yield Cell(
        "uplift/bias/50-50",
        USERS,
        n=1_000,
        dials={"sigma": SIGMAS["skew-16"], "split": "50/50", "test": 0},
        call=QUICKLY,
        verb=AVERAGES,
        term="ate",
        reps=BIAS,
        gates=("runs", "bias"),
    )


def markets() -> Iterator[Cell]:
    """D11 to D13 through raw logs, and rooms."""
    common: dict[str, Any] = {"n": 4_000, "verb": AVERAGES, "reps": SOME}
    for estimand in ("ate", "att", "overlap"):
        call = {**QUICKLY, "estimand": estimand}
        yield Cell(f"uplift/D11/{estimand}", "D11", call=call, term=estimand, gates=_VALID, **common)
    estimated = {**QUICKLY, "propensity": None}
    yield Cell("uplift/D11/estimated", "D11", "shown", call=estimated, term="ate", **common)
    for value in (5, 10, 20):
        yield Cell(
            f"uplift/D12/coupon_{value}", "D12", call=QUICKLY, term=f"ate:coupon_{value}", gates=_VALID, **common
        )
    yield Cell("uplift/D13/overlap", "D13", call=QUICKLY, term="overlap", gates=_VALID, **common)
    yield Cell(
        "uplift/D13/ate",
        "D13",
        "audit violation",
        call={**QUICKLY, "estimand": "ate"},
        term="ate",
        check="overlap",
        clean="uplift/D11/ate",
        gates=("runs", "fires"),
        **common,
    )
    for n, call, reps in ((20, QUICKLY, 200), (40, {}, 50)):
        asked = {**common, "n": n, "call": call, "term": "ate", "reps": reps}
        gates = ("runs", "at_least", "interval", "refused_valid")
        yield Cell(f"uplift/rooms/{n}", ROOMS, **asked, gates=gates, least=LEAST_ROOMS)


# What the quick plan asks, in worlds that take least.
QUICK = ("uplift/D11/ate", "uplift/equal/qini", "uplift/rooms/40")


def cells() -> tuple[Cell, ...]:
    """All cells of `uplift`."""
    return (*by_lot(), *lopsided(), *equal(), *bias(), *markets())
