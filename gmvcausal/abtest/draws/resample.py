"""Intervals and p-values from draws instead of t: the Poisson bootstrap, and permuted arms."""

from __future__ import annotations

import math
from dataclasses import replace

from gmvcausal.abtest.draws.bootstrap import bootstrap
from gmvcausal.abtest.draws.drawn import Permuted, Plan
from gmvcausal.abtest.draws.permutation import permute
from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.terms.estimate import Fit
from gmvcausal.errors import DesignError, InputError
from gmvcausal.stats import resampling as rs
from gmvcausal.stats.progress import ticking

INFERENCES = ("t", "poisson_bootstrap", "randomisation")
_LONG = 100_000_000  # weights to draw, from which on a bar shows how far it is


def resample(fit: Fit, plan: Plan) -> Fit:
    """The same fit, its contrasts with intervals and p-values from draws.

    Raises
    ------
    InputError
        Arms permuted where clusters hold several of them; rows that are not in memory.
    DesignError
        Draws in which an arm (a denominator) is empty; too few assignments to permute.
    """
    rows = fit.source
    if not isinstance(rows, Rows):
        raise InputError("draws are made from rows in memory, which this source has not", remedy="use inference='t'")
    if fit.withheld:
        return fit
    make = bootstrap if plan.inference == "poisson_bootstrap" else permute
    width = len(fit.sample.arms) * plan.draws * max(int((v != 0).sum()) for v in rows.values.values())
    with ticking(plan.inference, "draw", None, plan.progress and width >= _LONG) as tick:
        contrasts, notes = make(fit, rows, plan, tick)
    terms = tuple(replace(t, contrast=c) for t, c in zip(fit.terms, contrasts, strict=True))
    return replace(fit, terms=terms, notes=[*fit.notes, *notes])


def refuse_few_draws(fit: Fit, inference: str, asked: int, share: float, alternative: str) -> None:
    """Refuse a level that so many draws cannot reach."""
    if inference == "t" or fit.withheld:
        return
    draws = min([asked, *(len(t.contrast.null) for t in fit.terms if isinstance(t.contrast, Permuted))])
    finest = rs.resolution(draws, alternative, inference == "poisson_bootstrap")
    if finest <= share * (1 + 1e-9):
        return
    told = f"the smallest p-value is {finest:.2g}, above the {share:.2g} that this test asks for"
    if draws < asked:
        raise DesignError(
            f"there are only {draws + 1:,} ways to assign the arms, so {told}",
            remedy="collect more units, use a larger alpha, or inference='t'",
        )
    raise InputError(f"with draws={asked:,} {told}", remedy=f"pass draws={math.ceil((asked + 1) * finest / share)}")
