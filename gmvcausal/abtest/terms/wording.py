"""What a design adds to the words of a result: whom the estimand is about, and what that is over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmvcausal.abtest.designs.designs import Facts
from gmvcausal.abtest.metrics import Mean, Metric, Proportion, name_of
from gmvcausal.abtest.terms.estimate import Fit


def among(facts: Facts) -> str:
    """Whom an estimand is about, where that is not everybody; empty otherwise."""
    if facts.trigger is not None:
        return f", among those with {facts.trigger.column} = 1"
    if facts.blocks is None:
        return ""
    return f", over the time after each washout{f', within {facts.blocks.place}' if facts.blocks.within else ''}"


def diluted(fit: Fit, metrics: Sequence[Metric], labels: Sequence[Any], facts: Facts) -> tuple[str, ...]:
    """What effects among the triggered are over everybody, the others being untouched."""
    if facts.trigger is None:
        return ()
    share = facts.trigger.share
    lines = [f"All of this is about the {share:.3g} of the rows with {facts.trigger.column} = 1, not about all."]
    for t in fit.terms:
        metric = metrics[t.metric]
        if isinstance(metric, Mean | Proportion) and t.cap is None:
            found = t.contrast.difference * share
            arm = f" in {labels[t.arm]}" if len(labels) > 2 else ""
            lines.append(f"Over all, {name_of(metric)}{arm} moves by {found:+.4g} per row: the effect x {share:.3g}.")
    return tuple(lines)
