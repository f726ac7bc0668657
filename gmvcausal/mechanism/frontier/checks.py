"""The audit of `gc.efficiency`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import counted
from gmvcausal.mechanism.frontier.malmquist import Changes
from gmvcausal.mechanism.frontier.read import Amounts
from gmvcausal.mechanism.frontier.rules import RULES
from gmvcausal.mechanism.frontier.scores import Scores
from gmvcausal.results import Check

FloatArray = NDArray[np.float64]
_NAMED = 3
FEWER = "name fewer inputs and outputs (add alike ones up in money), or collect more units"


def of_columns(amounts: Amounts, columns: Sequence[str]) -> list[Check]:
    """What inputs and outputs themselves show."""
    (m, s) = amounts.x.shape[1], amounts.y.shape[1]
    n = int(np.bincount(amounts.period).min())
    asked = max(m * s, 3 * (m + s))
    when = "" if len(amounts.periods) == 1 else " in the smallest period"
    values = np.column_stack([amounts.x, amounts.y])
    same = [c for c, v in zip(columns, values.T, strict=True) if (v == v[0]).all()]
    keyed = np.column_stack([amounts.period, values])
    twins = len(keyed) - len(np.unique(keyed, axis=0))
    return [
        RULES.check(
            "units", n / asked, f"{counted(n, 'unit')}{when} for {counted(m, 'input')} and {counted(s, 'output')}, "
            f"which ask for {asked}: with few units most are best for want of company", FEWER,
        ),
        RULES.check(
            "constant_column", len(same),
            f"the same for all units: {', '.join(map(repr, same))}" if same else "all inputs and outputs vary",
            "leave it out: it tells no unit from another, and with constant returns it acts as a bound on scale",
        ),
        RULES.check(
            "identical_units", twins,
            f"{counted(twins, 'unit')} repeat{'s' if twins == 1 else ''} the inputs and outputs of another",
            "check that no unit is in the data under two names",
        ),
    ]  # fmt: skip


def of_scores(scores: Scores, rise: FloatArray, labels: Sequence[str]) -> list[Check]:
    """What one frontier shows."""
    best = scores.score >= 1
    beyond = np.where(np.isfinite(scores.beyond), scores.beyond, 0.0)
    top, lever = int(beyond.argmax()), int(rise.argmax())
    lonely = [labels[int(i)] for i in np.flatnonzero(~np.isfinite(scores.beyond))]
    more = ", ..." if len(lonely) > _NAMED else ""
    alone = f"; the others cannot be combined to {', '.join(lonely[:_NAMED])}{more}" if lonely else ""
    return [
        RULES.check(
            "discrimination", best.mean(), f"{int(best.sum()):,} of {len(best):,} units have a score of 1", FEWER
        ),
        RULES.check(
            "super_efficiency", beyond[top],
            f"the largest score against the others alone is {beyond[top]:.2f} ({labels[top]}){alone}",
            f"check the record of {labels[top]}, and run again without it",
        ),
        RULES.check(
            "leverage", rise[lever],
            f"without {labels[lever]} the mean score of the others is {rise[lever]:.3f} higher" if rise[lever] > 0
            else "no unit's absence changes the scores of the others",
            f"check the record of {labels[lever]}, and say what the scores are without it",
        ),
    ]  # fmt: skip


def of_draws(
    distance: FloatArray, draws: FloatArray | None, low: FloatArray, high: FloatArray, why: str
) -> list[Check]:
    """What the bootstrap shows."""
    if draws is None:
        return [Check(name, "not_run", f"there are no intervals: {why}") for name in ("ranking", "bias_correction")]
    one, other = np.triu_indices(len(low), 1)
    tied = float(((low[one] <= high[other]) & (low[other] <= high[one])).mean())
    noisy = float(((distance - draws.mean(axis=0)) ** 2 < 3 * draws.var(axis=0)).mean())
    return [
        RULES.check(
            "ranking", tied, f"the intervals of {tied:.0%} of all pairs of units overlap",
            "publish no league table: name groups that lie clearly apart, or collect more units",
        ),
        RULES.check(
            "bias_correction", noisy, f"for {noisy:.0%} of the units the bias is small beside its noise",
            "read the column score instead of estimate",
        ),
    ]  # fmt: skip


def of_changes(found: Changes) -> list[Check]:
    """What indices over time show."""
    lost = ~np.isfinite(found.index)
    total = len(lost) + found.alone
    return [
        RULES.check(
            "infeasible", lost.mean(), f"{int(lost.sum()):,} of {counted(len(lost), 'change')} have no solution: the "
            "units of one period cannot be combined to the unit of the other",
            "pass returns='constant', where every programme has a solution (and the index measures productivity)",
        ),
        RULES.check(
            "attrition", found.alone / total, f"{found.alone:,} of {total:,} unit-periods have no period before",
            "say what became of these units: leaving and entering is part of productivity, and the index leaves it out",
        ),
    ]  # fmt: skip
