"""Which learner: the one that was named, or for `auto` the one that the outcome calls for."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.targeting.learners import pseudo
from gmvcausal.targeting.learners.task import Model, Task

FITS: dict[str, Callable[[Task], Model]] = {"dr": pseudo.fit_dr, "r": pseudo.fit_r}
LEARNERS = ("auto", *FITS)


def learn(task: Task, learner: str) -> tuple[str, Model, list[str]]:
    """The learner that was used, its model, and what to say of the choice."""
    if learner == "auto":
        return "dr", FITS["dr"](task), []
    return learner, FITS[learner](task), []
