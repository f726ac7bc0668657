"""What a design adds to the words of a result: whom the estimand is about, and what that is over all."""

from __future__ import annotations

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.of_outcome import told_of
from gmvcausal.abtest.designs.designs import Facts
from gmvcausal.abtest.metrics import Mean, Proportion, name_of
from gmvcausal.abtest.terms.estimate import Term


def among(facts: Facts) -> str:
    """Whom an estimand is about, where that is not everybody; empty otherwise."""
    if facts.trigger is not None:
        return f", among those with {facts.trigger.column} = 1"
    if facts.blocks is None:
        return ""
    return f", over the time after each washout{f', within {facts.blocks.place}' if facts.blocks.within else ''}"


def diluted(case: Case) -> tuple[str, ...]:
    """What effects among the triggered are over everybody, the others being untouched."""
    trigger, labels = case.source.facts.trigger, case.source.labels
    if trigger is None:
        return ()
    share = trigger.share
    lines = [f"All of this is about the {share:.3g} of the rows with {trigger.column} = 1, not about all."]
    beside: dict[tuple[int, int], list[Term]] = {}
    for t in case.fit.terms:
        if isinstance(case.metrics[t.metric], Mean | Proportion):
            beside.setdefault((t.metric, t.arm), []).append(t)
    for (k, a), own in beside.items():
        t = told_of(case, own)
        name = name_of(case.metrics[k]) + (" capped" if t.cap is not None else "")
        name += f" in {labels[a]}" if len(labels) > 2 else ""
        found = t.contrast.difference * share
        lines.append(f"Over all, {name} moves by {found:+.4g} per row: the effect x {share:.3g}.")
    return tuple(lines)
