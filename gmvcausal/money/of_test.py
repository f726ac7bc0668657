"""The effect of a randomised test as money needs it: the plain mean of GMV per unit, over the units of one arm."""

from __future__ import annotations

from typing import Any

from gmvcausal.abtest.result import AbResult
from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.frames.rules import nearest
from gmvcausal.money.effect import Cost, Effect
from gmvcausal.results import Check


def test_effect(result: AbResult, cost: Any, metric: str | None, arm: Any) -> Effect:
    """The effect of one arm on one mean; `cost` is a number, or the name of another mean of the same test.

    Raises
    ------
    InputError
        A metric that has no total (a ratio, a share, a quantile, a factor), several arms and none named.
    """
    name = _metric(result, metric)
    chosen = _arm(result, arm)
    place = _plain(result, name, chosen)
    row, units = result.row(place), result.extra.units[place]
    return Effect(
        row,
        units,
        name,
        f"the {units:,} units of arm {chosen!s}",
        result.meta,
        "add gc.Mean of a column of GMV to metrics, and name it with metric=",
        _checks(result),
        _advice(result, place),
        _cost(result, cost, place, chosen) if isinstance(cost, str) else None,
    )


def _means(result: AbResult) -> list[str]:
    kinds = zip(result.extra.metric, result.extra.kind, strict=True)
    return list(dict.fromkeys(name for name, kind in kinds if kind == "Mean"))


def _metric(result: AbResult, metric: str | None) -> str:
    means = _means(result)
    name = result.extra.metric[0] if metric is None else metric
    if name in means and (metric is not None or result.extra.kind[0] == "Mean"):
        return name
    known = dict(zip(result.extra.metric, result.extra.kind, strict=True))
    if name not in known:
        raise InputError(f"the test has no metric {said(name)}", remedy=nearest(str(name), list(known)))
    remedy = f"pass metric={means[0]!r}" if means else "add gc.Mean of the column of GMV to metrics"
    raise InputError(
        f"{name!r} is a {known[name]}, whose effect times the number of units is no GMV; only a mean per unit adds up",
        remedy=remedy,
    )


def _arm(result: AbResult, arm: Any) -> Any:
    arms = list(dict.fromkeys(result.extra.arm))
    if arm is None:
        if len(arms) == 1:
            return arms[0]
        raise InputError(
            f"the test has {len(arms)} treated arms, and each has its own total",
            remedy=f"pass arm={arms[0]!r} or another of {', '.join(repr(a) for a in arms)}",
        )
    found = [a for a in arms if a == arm or str(a) == str(arm)]
    if not found:
        raise InputError(f"the test has no treated arm {said(arm)}", remedy=nearest(str(arm), [str(a) for a in arms]))
    return found[0]


def _plain(result: AbResult, name: str, arm: Any) -> int:
    """The uncapped row: the capped mean leaves out what lies above the cap, so it adds up to less than the GMV."""
    e = result.extra
    rows = zip(e.metric, e.arm, e.kind, e.caps, strict=True)
    return next(i for i, (m, a, kind, cap) in enumerate(rows) if (m, a, kind, cap) == (name, arm, "Mean", ""))


def _cost(result: AbResult, cost: str, place: int, arm: Any) -> Cost:
    if cost == result.extra.metric[place]:
        raise InputError(
            f"cost={cost!r} is the metric whose total is asked for, so there is no gain beside it",
            remedy="name another mean of the test as the cost, or give the cost as a number of money",
        )
    if cost not in _means(result):
        raise InputError(
            f"cost={cost!r} names no mean of this test",
            remedy=f"add gc.Mean({cost!r}) to metrics, or give the cost as a number of money",
        )
    other, cov = _plain(result, cost, arm), result.estimates.cov
    if {place, other} & set(result.estimates.special):
        plain = {"adjust": None, "alternative": "two-sided", "inference": "t"}
        named = [f"{k}={v!r}" for k, usual in plain.items() if (v := result.manifest.options.get(k, usual)) != usual]
        raise InputError(
            f"the intervals of this test are made with {' and '.join(named)}, and have no joint one for gain and cost",
            remedy="run gc.ab_test without this, or give the cost as a number",
        )
    return Cost(cost, float(result.estimates.estimate[other]), float(cov[other, other]), float(cov[place, other]))


def _checks(result: AbResult) -> tuple[Check, ...]:
    if result.manifest.options.get("strata"):
        message = "the effect is that of all units, strata weighted by their sizes; the total takes it for the treated"
        remedy = "read the total as approximate where the arms have other shares of the strata"
        return (Check("total_weighting", "warned", message, remedy=remedy),)
    return ()


def _advice(result: AbResult, place: int) -> tuple[str, ...]:
    """The total is of all GMV, so it stays with the uncapped row also where the finding is about the capped one."""
    e = result.extra
    neighbours = zip(e.metric, e.arm, e.caps, strict=True)
    capped = next((i for i, n in enumerate(neighbours) if n[:2] == (e.metric[place], e.arm[place]) and n[2]), None)
    if capped is None:
        return ()
    row = result.row(capped)
    span = f"{row.estimate:+.3g} per unit, {row.low:+.3g} to {row.high:+.3g}"
    lines = [
        f"The total is of all GMV, uncapped. The capped mean is another estimand and has no total of GMV ({span})."
    ]
    if e.unsafe[place]:
        lines.append("A few large values decide this total, so its interval is not to be relied on.")
    return tuple(lines)
