"""Which learner: the one that was named, or for `auto` the one that the outcome calls for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmvcausal.stats.nuisance.aipw import scores
from gmvcausal.stats.nuisance.outcomes import MOSTLY_ZERO
from gmvcausal.stats.nuisance.parts import MANY, lower
from gmvcausal.targeting.learners import forest, plug_in, pseudo
from gmvcausal.targeting.learners.plug_in import winsorised_columns
from gmvcausal.targeting.learners.task import FloatArray, Model, Task

FITS: dict[str, Callable[[Task], Model]] = {
    "s": plug_in.fit_s,
    "t": plug_in.fit_t,
    "x": pseudo.fit_x,
    "r": pseudo.fit_r,
    "dr": pseudo.fit_dr,
    "hurdle": plug_in.fit_hurdle,
    "causal_forest": forest.fit_forest,
}
LEARNERS = ("auto", *FITS)


def learn(task: Task, learner: str) -> tuple[str, Model, list[str]]:
    """The learner that was used, its model, and what to say of the choice."""
    if learner != "auto":
        return learner, FITS[learner](task), []
    zeros = float((task.y == 0).mean())
    # Imputed effects have less noise and more bias than doubly robust scores: with many rows the bias is what is left.
    plain = "x" if len(task.y) < MANY else "dr"
    first = plain if task.kind == "plain" else "hurdle"
    model = FITS[first](task)
    psi = scores(task.y, task.arm, task.e, task.mu)
    gain = winsorised_columns(psi[:, 1:] - psi[:, :1], task.live)
    told = f"{zeros:.1%} of the outcomes are zero" + (
        f", above {MOSTLY_ZERO:.0%}: hurdle comes first"
        if task.kind == "hurdle"
        else ", the others one: hurdle, the chance alone, comes first"
        if first == "hurdle"
        else f": {first} comes first"
    )
    best, name = _loss(model, task, gain), first
    for other in (o for o in ("dr", "r") if o != first):
        rival = FITS[other](task)
        loss = _loss(rival, task, gain)
        if lower(loss, best):
            best, name, model = loss, other, rival
    why = "no other" if name == first else name
    what = "had a held-out loss lower by more than a standard error" if name == first else (
        "had a held-out loss lower by more than a standard error, and is used"
    )  # fmt: skip
    return name, model, [f"of the learners auto chose {name}: {told}; {why} {what}"]


def _loss(model: Model, task: Task, gain: FloatArray) -> FloatArray:
    """Squared distance of held-out effects from the winsorised doubly robust scores, each with its mean, shape (n,)."""
    own = model.own(task)
    return np.asarray((((gain - gain.mean(axis=0)) - (own - own.mean(axis=0))) ** 2).sum(axis=1))
