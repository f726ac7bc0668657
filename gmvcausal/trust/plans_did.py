"""The plan of roll-outs beyond the first estimators.

Every estimator in the worlds of roll-outs, zero-inflated GMV, trends that depend on covariates, few rooms, trends that
differ, and the tests that a referee asks for. Cells get 180 replicates where coverage is judged and 450 where a size
is, the fewest that decide, and 40 to 100 where calls are slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gmvcausal.trust.cells import Cell
from gmvcausal.trust.plans_designs import COVER, SIZE, designs, every

SHOP, CHOSEN, CITY, UNLIKE, BENT, ROOMS = (
    f"gmvcausal.trust.roll_outs:{name}" for name in ("shop", "chosen", "city", "unlike", "bent", "rooms")
)
SENSITIVITY, MATCHED, PLACEBO, SEGMENTS, CHECK = (
    f"gmvcausal.trust.asks:{name}" for name in ("sensitivity", "matched", "placebo", "segments", "check")
)
HONEST, FEW, SLOW = 600, 100, 40
TREATED = (1, 3, 5, 10, 30)
# Calendars of the worlds of GMV with zeros: those of D5 and of D6.
CALENDARS: dict[str, dict[str, Any]] = {
    "12-weeks": {"periods": 12, "starts": [6]},
    "20-weeks": {"periods": 20, "starts": [6, 10, 14]},
}
RATIO = {"12-weeks": 1000, "20-weeks": 200}
LASTING = ("no", "amounts", "both")
LEAST_HONEST = 0.94
_SYMMETRIC = (
    "the difference of two groups of heavy-tailed GMV of one size has heavy tails on both sides alike; a t interval "
    "then holds the truth a little more often than it says, as in tests of users (plain rows, 50/50, below)"
)
_SKEWED = (
    "a band holds the effect of every single week, and that of one cohort is the mean of 33 skewed numbers: where it "
    "comes out low, so does its standard error, and the band lies below the truth (14 of 15 misses); with imputation "
    "little noise of the controls is left to cover that; the mean of all weeks holds"
)


def _why(calendar: str, larger: float, estimator: str) -> dict[str, str]:
    """What is known beside a cell of GMV with zeros."""
    if larger:
        return {}
    few = {"band": _SKEWED} if (calendar, estimator) == ("20-weeks", "imputation") else {}
    return {"coverage": _SYMMETRIC, **few}


def ratios() -> Iterator[Cell]:
    """Zero-inflated lognormal GMV, parallel in ratios: who is least far from the truth."""
    for calendar, dials in CALENDARS.items():
        for larger in (0.0, 1.0) if calendar == "12-weeks" else (0.0,):
            for lasting in LASTING:
                start = f"ratio/{calendar}/{'larger' if larger else 'alike'}/{lasting}"
                asked: dict[str, dict[str, Any]] = {
                    name: {"estimator": name} for name in ("callaway_santanna", "poisson", "imputation")
                }
                asked["adjusted"] = {"covariates": ["before", "last"], "adjustment": "regression"}
                for name, call in asked.items():
                    wrong = larger > 0 and name != "poisson"
                    yield Cell(
                        f"{start}/{name}",
                        SHOP,
                        "shown" if wrong else "valid",
                        n=200,
                        dials={**dials, "lasting": lasting, "larger": larger},
                        call=call,
                        reps=COVER if larger else RATIO[calendar],
                        explanation=_why(calendar, larger, name),
                    )


def capped() -> Iterator[Cell]:
    """Outcomes capped at a quantile, held against the effect on capped outcomes."""
    for estimator in ("callaway_santanna", "imputation"):
        yield Cell(
            f"ratio/capped/{estimator}",
            SHOP,
            n=400,
            dials={**CALENDARS["12-weeks"], "cap": 0.99},
            call={"estimator": estimator, "winsorise": 0.99},
            reps=SIZE,
        )


def honest() -> Iterator[Cell]:
    """Sensitivity intervals where the trends differ by just what they allow."""
    for bound, move in ((1.0, 1.0), (2.0, 1.0), (2.0, 3.0)):
        yield Cell(
            f"trend/moves/{bound:g}/{move:g}",
            BENT,
            n=200,
            dials={"bound": bound, "move": move},
            call={"bound": bound},
            verb=SENSITIVITY,
            reps=HONEST,
            gates=("runs", "at_least"),
            least=LEAST_HONEST,
        )
    yield Cell(
        "trend/slopes/0.25",
        BENT,
        n=200,
        dials={"shape": "slopes", "bound": 0.25},
        call={"bound": 0.25, "method": "smoothness"},
        verb=SENSITIVITY,
        reps=FEW,
        gates=("runs", "at_least"),
        least=LEAST_HONEST,
    )
    yield Cell(
        "trend/moves/1/1/parallel",
        BENT,
        "fails on purpose",
        n=200,
        dials={"bound": 1.0, "move": 1.0},
        reps=COVER,
        check="pre_trend",
        clean="kit/leads/200",
        gates=("runs", "seen_failing", "fires"),
    )


def few() -> Iterator[Cell]:
    """One to thirty of sixty rooms treated: the default, other inference, other estimators, GMV with zeros."""
    largest = {"spread": 0.6, "among": "largest"}
    zeros = {"lasting": "amounts", "lift": 0.0, "periods": 20, "starts": [10]}
    asked: list[tuple[str, str, str, dict[str, Any], dict[str, Any], tuple[int, ...]]] = [
        ("equal", "callaway_santanna", ROOMS, {}, {}, TREATED),
        ("equal", "imputation", ROOMS, {}, {"estimator": "imputation"}, TREATED),
        ("equal", "poisson", ROOMS, {}, {"estimator": "poisson"}, (10, 30)),
        ("equal", "conley_taber", ROOMS, {}, {"inference": "conley_taber"}, TREATED[:-1]),
        ("equal", "wild", ROOMS, {}, {"inference": "wild"}, (10, 30)),
        ("equal", "synthetic_did", ROOMS, {}, {"estimator": "synthetic_did"}, (30,)),
        ("largest", "callaway_santanna", ROOMS, largest, {}, TREATED),
        ("zeros", "callaway_santanna", SHOP, zeros, {}, TREATED),
        ("zeros", "poisson", SHOP, zeros, {"estimator": "poisson"}, (10, 30)),
    ]
    for name, how, world, dials, call, counts in asked:
        for treated in counts:
            yield Cell(
                f"few/{name}/{treated:02d}/{how}",
                world,
                "size",
                n=60,
                dials={"treated": treated, **dials},
                call=call,
                null=True,
                reps=SIZE,
                # Conley and Taber refuse treated rooms that varied otherwise than the others, which chance can do too.
                gates=("size",) if how == "conley_taber" else None,
            )
    sizes = {"inference": "ferman_pinto", "size": "viewers"}
    for how, call in (("callaway_santanna", {}), ("ferman_pinto", sizes)):
        dials = {"treated": 5, "spread": 1.0, "among": "upper"}
        role = "shown" if call else "size"
        yield Cell(f"few/upper/05/{how}", ROOMS, role, n=60, dials=dials, call=call, null=True, reps=SIZE)


def covariates() -> Iterator[Cell]:
    """Trends that depend on what decided who was treated."""
    columns = ["x1", "x2"]
    valid: dict[tuple[str, str], tuple[str, ...]] = {
        ("line", "logit"): ("doubly_robust", "regression", "ipw", "matched"),
        ("curve", "logit"): ("doubly_robust", "ipw"),
        ("line", "curve"): ("doubly_robust", "regression"),
        ("curve", "curve"): (),
    }
    for (trend, lot), right in valid.items():
        start, dials = f"given/{trend}-{lot}", {"trend": trend, "lot": lot}
        for how in ("doubly_robust", "regression", "ipw"):
            call = {"covariates": columns, "adjustment": how}
            role = "valid" if how in right else "fails on purpose"
            # A small bias is seen in many runs only.
            reps = SIZE if (trend, lot, how) == ("line", "curve", "ipw") else COVER
            yield Cell(f"{start}/{how}", CHOSEN, role, n=500, dials=dials, call=call, reps=reps)
        if "matched" in right:
            yield Cell(f"{start}/matched", CHOSEN, n=500, dials=dials, call={"on": columns}, verb=MATCHED, reps=COVER)
            yield Cell(f"{start}/none", CHOSEN, "fails on purpose", n=500, dials=dials, reps=COVER)


def places() -> Iterator[Cell]:
    """Rooms that are neighbours."""
    yield Cell("far/conley", CITY, "size", n=250, null=True, reps=SIZE)
    plain = {"coordinates": None, "cutoff": None, "inference": None}
    yield Cell("far/rooms-on-their-own", CITY, "fails on purpose", n=250, call=plain, null=True, reps=2 * SIZE)


def synthetic() -> Iterator[Cell]:
    """A treated room that moves unlike the others."""
    for estimator in ("synthetic_control", "synthetic_did", "callaway_santanna"):
        yield Cell(
            f"unlike/01/{estimator}",
            UNLIKE,
            "shown" if estimator == "callaway_santanna" else "valid",
            n=30,
            dials={"treated": 1},
            call={"estimator": estimator},
            reps=COVER,
            gates=("runs", "coverage", "interval"),
        )


def kit() -> Iterator[Cell]:
    """Placebo tests, tests of equal effects and of the leads, where there is nothing to find."""
    still = {"bound": 0.0, "move": 0.0, "effect": 0.0}
    half = {"treated": 30}
    shop = {"lift": 0.0, "lasting": "amounts", **CALENDARS["20-weeks"]}
    asked: list[tuple[str, str, int, dict[str, Any], str, dict[str, Any]]] = [
        ("by/2-levels", BENT, 200, still, SEGMENTS, {}),
        ("by/5-levels", BENT, 200, still, SEGMENTS, {"levels": 5}),
        ("by/zeros", SHOP, 200, shop, SEGMENTS, {}),
        ("leads/200", BENT, 200, still, CHECK, {"name": "pre_trend"}),
        ("leads/30-of-60", ROOMS, 60, half, CHECK, {"name": "pre_trend"}),
        ("leads/zeros", SHOP, 200, shop, CHECK, {"name": "pre_trend"}),
        ("slope/200", BENT, 200, still, CHECK, {"name": "pre_trend_slope"}),
        ("slope/30-of-60", ROOMS, 60, half, CHECK, {"name": "pre_trend_slope"}),
        ("slope/zeros", SHOP, 200, shop, CHECK, {"name": "pre_trend_slope"}),
        ("placebo-unit/30-of-60", ROOMS, 60, half, PLACEBO, {"reps": 99}),
    ]
    for name, world, n, dials, verb, call in asked:
        reps = COVER if verb == PLACEBO else SIZE
        yield Cell(f"kit/{name}", world, "size", n=n, dials=dials, call=call, verb=verb, null=True, reps=reps)
    yield Cell(
        "kit/placebo-unit/05-largest",
        ROOMS,
        "fails on purpose",
        n=60,
        dials={"treated": 5, "spread": 0.6, "among": "largest"},
        call={"reps": 99},
        verb=PLACEBO,
        null=True,
        reps=SLOW,
    )


# What the quick plan asks beyond the first estimators.
QUICK = (
    *("D5/room/imputation", "D5/user/poisson", "D9/declared/sun_abraham"),
    *("ratio/12-weeks/alike/no/callaway_santanna", "ratio/12-weeks/alike/no/poisson"),
    *("given/line-logit/doubly_robust", "given/line-logit/none", "unlike/01/synthetic_did"),
)


def cells() -> tuple[Cell, ...]:
    """All cells of this plan."""
    return (
        *every(),
        *ratios(),
        *capped(),
        *covariates(),
        *designs(),
        *few(),
        *places(),
        *synthetic(),
        *honest(),
        *kit(),
    )
