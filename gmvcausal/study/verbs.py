"""Verbs whose options a study file holds as they are: columns, numbers, lists and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Verb:
    """A verb as a study calls it.

    Attributes
    ----------
    module : str
        Where it lives; it is named as its key.
    makers : tuple of str
        Tables of `Logs` that it can take: "users" (one row per user), "panel" (one per unit and period); none where
        rows are orders. A ready frame it takes always.
    files : tuple of str
        Options that are files beside the study file.
    """

    module: str
    makers: tuple[str, ...] = ("users",)
    files: tuple[str, ...] = ()


PLAIN: dict[str, Verb] = {
    "adjust": Verb("gmvcausal.observational.adjustment.verb", ("users", "panel")),
    "iv": Verb("gmvcausal.observational.instrument.verb"),
    "threshold": Verb("gmvcausal.observational.discontinuity.verb"),
    "bunching": Verb("gmvcausal.observational.notch.verb", ()),
    "before_after": Verb("gmvcausal.observational.series.verb", ("panel",)),
    "decompose": Verb("gmvcausal.mechanism.factors.verb", ("users", "panel")),
    "mediate": Verb("gmvcausal.mechanism.pathways.verb"),
    "spillover": Verb("gmvcausal.mechanism.exposure.verb", ("users",), ("edges",)),
    "surrogate": Verb("gmvcausal.mechanism.longrun.verb", ("users",), ("history",)),
    "efficiency": Verb("gmvcausal.mechanism.frontier.verb", ("panel",)),
}


def load(name: str) -> Callable[..., Any]:
    """The verb itself."""
    verb: Callable[..., Any] = getattr(import_module(PLAIN[name].module), name)
    return verb
