"""Which designs have a total, and who reads it: the class of a result -> its reader, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.money.effect import Effect

# Class of the result -> function (result, cost, metric, arm) -> Effect; imported only where asked for.
_READERS = {
    "gmvcausal.abtest.result:AbResult": "gmvcausal.money.of_test:test_effect",
    "gmvcausal.mechanism.longrun.result:SurrogateResult": "gmvcausal.money.of_surrogate:surrogate_effect",
    "gmvcausal.mechanism.factors.result:Decomposition": "gmvcausal.money.of_averages:change_effect",
    "gmvcausal.targeting.result:Uplift": "gmvcausal.money.of_averages:uplift_effect",
    "gmvcausal.observational.instrument.result:InstrumentResult": "gmvcausal.money.of_averages:assigned_effect",
    "gmvcausal.observational.discontinuity.result:Threshold": "gmvcausal.money.of_averages:no_total",
}
# Those in which nothing is to be chosen: function (result, cost) -> Effect, and what they are.
_ONE_ROW = {
    "gmvcausal.results.displaced:PullForwardResult": ("gmvcausal.money.of_displaced:net_effect", "one row"),
    "gmvcausal.rollout.displaced.cannibalised:CannibalisationResult": (
        "gmvcausal.money.of_displaced:platform_effect",
        "one row",
    ),
    "gmvcausal.observational.adjustment.result:Adjusted": ("gmvcausal.money.of_adjusted:adjusted_effect", "one row"),
    "gmvcausal.observational.notch.result:Bunching": ("gmvcausal.money.of_pile:pile_effect", "one row"),
    "gmvcausal.observational.series.result:BeforeAfterResult": (
        "gmvcausal.money.of_series:series_effect",
        "one series",
    ),
    "gmvcausal.mechanism.exposure.result:SpilloverResult": (
        "gmvcausal.money.of_spillover:spillover_effect",
        "a spillover",
    ),
}
# Those whose effect has a total that another verb tells: what is wrong, and what to do.
_NONE = {
    "gmvcausal.mechanism.pathways.result:MediationResult": (
        "a mediation shares an effect out, and the money is that of the effect",
        "ask gc.ab_test (or gc.adjust, estimand='att') on the same table",
    ),
    "gmvcausal.observational.adjustment.door:FrontDoorResult": (
        "the effect by a front door is an average over everyone, and what the tactic brought is that on those who got "
        "it",
        "read the effect per unit, or measure what decided and pass it to gc.adjust with estimand='att'",
    ),
}


def effect_of(result: Any, cost: Any, metric: str | None, arm: Any) -> Effect:
    """What money needs of the result, by the design it comes from.

    Raises
    ------
    InputError, DesignError
        A result that has no total.
    """
    for kind in type(result).__mro__:
        name = f"{kind.__module__}:{kind.__name__}"
        if name in _NONE:
            words, remedy = _NONE[name]
            raise InputError(words, remedy=remedy)
        if name in _READERS:
            found: Effect = _load(_READERS[name])(result, cost, metric, arm)
            return found
        if name in _ONE_ROW:
            reader, this_is = _ONE_ROW[name]
            _refuse_choice(metric, arm, this_is)
            one: Effect = _load(reader)(result, cost)
            return one
    if not hasattr(result, "fitted") or not hasattr(result, "cluster_influence"):
        raise InputError(
            f"incremental_gmv needs an effect on GMV that adds up over units, but got {type(result).__name__}",
            remedy="pass the result of gc.did, gc.ab_test, gc.uplift, gc.adjust, gc.iv, gc.bunching, "
            "gc.before_after, gc.spillover, or of a test that gc.decompose took apart",
        )
    _refuse_choice(metric, arm, "a roll-out")
    from gmvcausal.money.of_rollout import rollout_effect

    return rollout_effect(result, cost)


def _load(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    reader: Callable[..., Any] = getattr(import_module(module), function)
    return reader


def _refuse_choice(metric: str | None, arm: Any, this_is: str) -> None:
    if metric is not None or arm is not None:
        raise InputError(f"metric= and arm= choose a row of a test, and this is {this_is}", remedy="leave them out")
