"""The plans: which estimators are asked in which worlds, and what is expected of them.

Headline cells get 2,000 replicates in the full plan, equal rooms of which 1, 5 or 30 are treated 1,000, the others 500;
other designs have plans of their own, named in `_DESIGNS`.
The quick plan asks the same kinds of questions of the worlds in which a mistake shows first, 100
times each (`uplift`, which learns in every run, 30 times).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gmvcausal.trust import (
    plans_ab,
    plans_adjust,
    plans_did,
    plans_mediate,
    plans_pull,
    plans_quasi,
    plans_series,
    plans_spillover,
    plans_surrogate,
    plans_uplift,
)
from gmvcausal.trust.cells import Cell, select

HEADLINE, SIZES, OTHER, QUICK = 2000, 1000, 500, 100
TREATED = (1, 2, 5, 10, 30)
# On either side of where standard errors take over from the ratios of rooms without the tactic.
TURN = (9, 12)
SMALLEST = (2, 5, 9)
# Effects that are to be found with 80 % power: 2.8 standard deviations of the estimator in that world.
MDE = {
    "D5/room/two_by_two": 97.0,
    "D5/room/callaway_santanna": 120.0,
    "D5/user/two_by_two": 3.2,
    "D5/user/callaway_santanna": 5.9,
    "D6/room/callaway_santanna": 105.0,
}
# Where clusters are many, standard errors must be right too.
_MANY = ("runs", "size", "se")
# Two-way fixed effects are refused wherever starts differ, also where the effect happens to be constant.
_ALWAYS_REFUSED = ("runs", "coverage", "se", "interval", "band")

# Designs with plans of their own: `cells()`, and the names in QUICK of those that the quick plan has.
_DESIGNS: tuple[Any, ...] = (
    plans_did,
    plans_ab,
    plans_uplift,
    plans_pull,
    plans_quasi,
    plans_surrogate,
    plans_spillover,
    plans_series,
    plans_mediate,
    plans_adjust,
)


def _ask(estimator: str, **call: Any) -> dict[str, Any]:
    return {"estimator": estimator, **call}


def _two_by_two() -> Iterator[Cell]:
    """D5: one start; rooms, and users who mostly buy nothing."""
    for unit, n in (("room", 200), ("user", 4000)):
        dials: dict[str, Any] = {"unit": unit}
        for estimator in ("two_by_two", "callaway_santanna", "twfe"):
            reps = HEADLINE if unit == "room" else OTHER
            yield Cell(f"D5/{unit}/{estimator}", "D5", n=n, dials=dials, call=_ask(estimator), reps=reps)
        null = {**dials, "effect": 0.0}
        for estimator in ("two_by_two", "callaway_santanna"):
            name, call = f"D5/{unit}/no-effect/{estimator}", _ask(estimator)
            yield Cell(name, "D5", "size", n=n, dials=null, call=call, null=True, gates=_MANY)
        for estimator in ("two_by_two", "callaway_santanna"):
            mde = MDE[f"D5/{unit}/{estimator}"]
            just = {**dials, "effect": mde}
            yield Cell(f"D5/{unit}/power/{estimator}", "D5", "power", n=n, dials=just, call=_ask(estimator), mde=mde)
    stack = {"method": "stack", "tactic": "rollout", "window": [-4, 3], "freq": "W", "origin": "2026-03-02"}
    yield Cell(
        "D5/user/stacked",
        "D5",
        n=4000,
        dials={"unit": "user"},
        table=stack,
        call={"estimator": "stacked", "treated": "treated", "stack": "stack"},
    )


def _staggered() -> Iterator[Cell]:
    """D6 and D7: staggered starts, constant and growing effects."""
    for unit, n in (("room", 200), ("user", 4000)):
        dials, room = {"unit": unit}, unit == "room"
        for control in ("never_treated", "not_yet_treated"):
            if control == "not_yet_treated" and not room:
                continue
            name = "callaway_santanna" + ("" if control == "never_treated" else "-not-yet")
            call = _ask("callaway_santanna", control=control)
            reps = HEADLINE if room and control == "never_treated" else OTHER
            yield Cell(f"D6/{unit}/{name}", "D6", n=n, dials=dials, call=call, reps=reps)
            yield Cell(f"D7/{unit}/{name}", "D7", n=n, dials=dials, call=call, reps=reps)
        yield Cell(f"D6/{unit}/twfe", "D6", n=n, dials=dials, call=_ask("twfe"), gates=_ALWAYS_REFUSED)
        yield Cell(
            f"D7/{unit}/twfe",
            "D7",
            "fails on purpose",
            n=n,
            dials=dials,
            call=_ask("twfe"),
            check="forbidden_comparisons",
            clean=f"D5/{unit}/twfe",
            gates=("runs", "seen_failing", "refused_violation", "fires"),
        )
    yield Cell(
        "D6/room/no-effect/callaway_santanna",
        "D6",
        "size",
        n=200,
        dials={"unit": "room", "effect": 0.0},
        call=_ask("callaway_santanna"),
        null=True,
        gates=_MANY,
    )
    mde = MDE["D6/room/callaway_santanna"]
    yield Cell(
        "D6/room/power/callaway_santanna",
        "D6",
        "power",
        n=200,
        dials={"unit": "room", "effect": mde},
        call=_ask("callaway_santanna"),
        mde=mde,
    )


def _few_rooms() -> Iterator[Cell]:
    """D8: 1 to 30 of 60 rooms treated, lasting shocks, no effect; once with treated rooms unlike the others."""
    for sizes, visible in (("equal", True), ("proportional", True), ("proportional", False)):
        name = sizes if sizes == "equal" else f"proportional-{'visible' if visible else 'hidden'}"
        for treated in sorted((*TREATED, *TURN)) if sizes == "equal" else TREATED:
            dials: dict[str, Any] = {"treated": treated, "sizes": sizes}
            if sizes != "equal":
                dials["visible"] = visible
            gates = ("runs", "size", "se", "interval") if treated == max(TREATED) else None
            for estimator in ("callaway_santanna", "two_by_two"):
                few = treated < 10 and sizes == "equal" and estimator == "callaway_santanna"
                often = SIZES if sizes == "equal" and treated in (1, 5, 30) else OTHER
                yield Cell(
                    f"D8/{name}/{treated:02d}/{estimator}",
                    "D8",
                    "size",
                    n=60,
                    dials=dials,
                    call=_ask(estimator),
                    null=True,
                    reps=OTHER if treated in TURN else often,
                    check="few_clusters" if few else "",
                    clean=f"D8/{name}/{max(TREATED)}/{estimator}" if few else "",
                    gates=gates,
                )
    for treated in SMALLEST:
        for estimator in ("callaway_santanna", "two_by_two"):
            yield Cell(
                f"D8/proportional-smallest/{treated:02d}/{estimator}",
                "D8",
                "size",
                n=60,
                dials={"treated": treated, "sizes": "proportional", "treat": "smallest"},
                call=_ask(estimator),
                null=True,
                reps=OTHER,
            )
    yield Cell(
        "D8/persistent/03/two_by_two",
        "D8",
        "fails on purpose",
        n=60,
        dials={"treated": 3, "rho_treated": 0.95},
        call=_ask("two_by_two"),
        null=True,
        reps=OTHER,
    )


def _violations() -> Iterator[Cell]:
    """Worlds that break an assumption, each beside the world without the violation."""
    for unit, n, drift in (("room", 200, 40.0), ("user", 4000, 2.0)):
        for check in ("pre_trend", "pre_trend_slope"):
            yield Cell(
                f"D6/{unit}/drift/{check}",
                "D6",
                "audit violation",
                n=n,
                dials={"unit": unit, "pretrend": drift},
                call=_ask("callaway_santanna"),
                check=check,
                clean=f"D6/{unit}/callaway_santanna",
                gates=("runs", "refused_violation", "fires"),
            )


def _waiting() -> Iterator[Cell]:
    """D9: buyers wait for an announced tactic; the design says so, or the audit must."""
    yield Cell("D9/declared/callaway_santanna", "D9", n=200, call=_ask("callaway_santanna"))
    for check in ("pre_trend", "pre_trend_slope"):
        yield Cell(
            f"D9/undeclared/{check}",
            "D9",
            "audit violation",
            n=200,
            call=_ask("callaway_santanna", anticipation=None),
            check=check,
            clean="D9/declared/callaway_santanna",
            gates=("runs", "seen_failing", "refused_violation", "fires") if check == "pre_trend" else ("runs",),
        )


def _unaware() -> Iterator[Cell]:
    """D9 asked by an estimator that knows nothing of waiting."""
    call = _ask("two_by_two", anticipation=None)
    yield Cell("D9/two_by_two", "D9", "fails on purpose", n=200, call=call)


def _leaving() -> Iterator[Cell]:
    """D10: users who stop buying leave, unless the tactic keeps them."""
    for estimator in ("callaway_santanna", "two_by_two"):
        nobody = f"D10/nobody-leaves/{estimator}"
        yield Cell(nobody, "D10", n=4000, dials={"strength": 0.0}, call=_ask(estimator))
        if estimator == "callaway_santanna":
            yield Cell(
                f"D10/leaving/{estimator}",
                "D10",
                "audit violation",
                n=4000,
                call=_ask(estimator),
                check="attrition",
                clean=nobody,
                gates=("runs", "seen_failing", "refused_violation", "fires"),
            )


def plan(*, quick: bool = False) -> tuple[Cell, ...]:
    """The cells of the full plan, or of the quick one.

    Examples
    --------
    >>> len(plan(quick=True)) < len(plan())
    True
    """
    cells = [*_two_by_two(), *_staggered(), *_few_rooms(), *_violations(), *_waiting(), *_unaware(), *_leaving()]
    cells += [cell for design in _DESIGNS for cell in design.cells()]
    if not quick:
        return tuple(cells)
    named = {cell.id: cell.id in design.QUICK for design in _DESIGNS for cell in design.cells()}
    first = [c for c in cells if (named[c.id] if c.id in named else _first(c))]
    slow = (*plans_uplift.QUICK, *plans_adjust.QUICK)
    return tuple(replace(cell, reps=plans_uplift.FEW if cell.id in slow else QUICK) for cell in first)


def _first(cell: Cell) -> bool:
    """Whether the quick plan has the cell; designs with a plan of their own name theirs."""
    if "/proportional-smallest/" in cell.id:
        return cell.id.endswith("/05/callaway_santanna")
    if cell.world == "D8":
        return cell.dials.get("visible", True) and cell.dials["treated"] in (1, 5, 10, 30)
    return "/power/" not in cell.id


def chosen(*, quick: bool = False, only: str = "", reps: int | None = None) -> tuple[Cell, ...]:
    """A part of a plan, with another number of replicates if given.

    Examples
    --------
    >>> [cell.id for cell in chosen(only="D9/declared/imputation", reps=10)]
    ['D9/declared/imputation']
    """
    cells = plan(quick=quick)
    if only:
        cells = select(cells, only)
    return cells if reps is None else tuple(replace(cell, reps=reps) for cell in cells)
