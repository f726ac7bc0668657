"""Averages per unit as money needs them: of `uplift`, of `iv` (what assignment brought) and of `decompose`."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import said
from gmvcausal.frames.rules import nearest
from gmvcausal.money.effect import Effect, known_cost
from gmvcausal.results import Check

_GIVEN = "the effect is given covariates; the total takes it for that of the assigned"


def uplift_effect(result: Any, cost: Any, metric: str | None, arm: Any) -> Effect:
    """The average effect of one arm of an `Uplift`.

    Raises
    ------
    InputError
        A weighting by overlap, several arms and none named, a model without its rows.
    """
    known_cost(cost)
    _no_metric(metric, result.asked.outcome)
    estimand, trial = str(result.manifest.options["estimand"]), result.trial
    sampled = result.sampled
    if not trial.n and sampled is None:
        raise InputError(
            "the rows that were learned from are not in the file, so nothing says over whom the effect adds up",
            remedy="call incremental_gmv on the model before it is saved",
        )
    if estimand == "overlap":
        raise InputError(
            "an effect weighted by overlap is that of nobody in particular, and has no total",
            remedy="pass estimand='att' to gc.uplift for the total over the treated, or 'ate' for that over all users",
        )
    chosen = _chosen(arm, list(result.arms))
    place = result.extra.arm.index(result.arms[chosen])
    label, control = result.arms[chosen], result.control
    sizes = trial.sizes if sampled is None else sampled.sizes  # users of the table, not of the sample
    size = int(sum(sizes) if estimand == "ate" else sizes[chosen + 1])
    over = f"the {size:,} users who had {label}"
    advice: tuple[str, ...] = ()
    if estimand == "ate":
        over = f"all {size:,} users, had each of them {label} in place of {control}"
        advice = ("It is what treating everybody would bring, and includes users who were not treated.",)
    return Effect(
        result.row(place), size, result.asked.outcome, over, trial.facts,
        "run gc.uplift with outcome= set to a column of GMV", (), advice,
    )  # fmt: skip


def assigned_effect(result: Any, cost: Any, metric: str | None, arm: Any) -> Effect:
    """What assignment brought among the assigned: the row "intent to treat" of an `InstrumentResult`.

    It equals the effect among compliers times their number among the assigned.

    Raises
    ------
    InputError
        Several instruments, or one that is no arm: nobody is assigned.
    """
    known_cost(cost)
    _no_metric(metric, result.outcome)
    if arm is not None:
        raise InputError("arm= chooses among treated arms, and an instrument has one", remedy="leave it out")
    rows = [i for i, kind in enumerate(result.extra.kind) if kind == "intent to treat"]
    if len(rows) != 1 or result.assigned is None:
        raise InputError(
            "the effect is that of those whom the instrument moves, and without one instrument of two arms nothing "
            "says how many these are",
            remedy="name one instrument with two arms for a total; else multiply the effect by the number of those "
            "moved, as you know it",
        )
    checks: tuple[Check, ...] = ()
    if result.manifest.options.get("covariates"):
        remedy = "read the total as approximate where the assigned have other covariates than all"
        checks = (Check("total_weighting", "warned", _GIVEN, remedy=remedy),)
    advice = (
        "It is what assignment brought: the effect on those who got it because assigned, times their number there.",
    )
    return Effect(
        result.row(rows[0]), result.assigned, result.outcome, f"the {result.assigned:,} units assigned", result.meta,
        "run gc.iv with outcome= set to a column of GMV", checks, advice,
    )  # fmt: skip


def change_effect(result: Any, cost: Any, metric: str | None, arm: Any) -> Effect:
    """The total of a `Decomposition` whose groups were drawn by lot, over one of them.

    Raises
    ------
    InputError, DesignError
        Several groups and none named; groups that chance did not draw.
    """
    known_cost(cost)
    _no_metric(metric, result.outcome)
    options = result.manifest.options
    if options["assignment"] != "random":
        raise DesignError(
            f"a change between levels of {options['by']!r} is not the effect of a tactic, and has no incremental GMV",
            remedy="pass assignment='random' to gc.decompose where chance drew the groups; over time use gc.did",
        )
    totals = [i for i, name in enumerate(result.split.factor) if name == "total"]
    groups = [result.split.arm[i] for i in totals]
    place = totals[_chosen(arm, groups)]
    size, label = float(result.split.users[place]), result.split.arm[place]
    return Effect(
        result.row(place), size, result.outcome, f"the {size:,.0f} users of {label}", result.meta,
        "end factors= with a column of GMV", (),
        ("The total has no shares by factor in money beyond those of the table: they add up to it per user.",),
    )  # fmt: skip


def no_total(result: Any, cost: Any, metric: str | None, arm: Any) -> Effect:
    """An effect at a threshold is that of users there, and says nothing of those far from it.

    Raises
    ------
    DesignError
    """
    raise DesignError(
        f"the effect is that of units at {result.score} = {result.cutoff:g}, and of nobody else: it has no total over "
        "those who had the tactic",
        remedy="quote it per unit at the threshold; for a total draw the tactic by lot (gc.ab_test), or compare over "
        "time (gc.did)",
    )


def _no_metric(metric: str | None, outcome: str) -> None:
    if metric is not None:
        raise InputError(f"metric= chooses among outcomes, and there is one, {outcome!r}", remedy="leave it out")


def _chosen(arm: Any, arms: list[Any]) -> int:
    if arm is None:
        if len(arms) == 1:
            return 0
        raise InputError(
            f"there are {len(arms)} treated arms, and each has its own total",
            remedy=f"pass arm={arms[0]!r} or another of {', '.join(map(repr, arms))}",
        )
    found = [i for i, one in enumerate(arms) if one == arm or str(one) == str(arm)]
    if not found:
        raise InputError(f"there is no treated arm {said(arm)}", remedy=nearest(str(arm), [str(a) for a in arms]))
    return found[0]
