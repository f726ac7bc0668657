"""Levels of a segment dealt out anew: Fisher's permutation test that the effects of a test are equal in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.terms.estimate import Fit, fit
from gmvcausal.errors import DesignError
from gmvcausal.results.by_level import SHARED_CLUSTERS, Test, apart
from gmvcausal.stats.inference import equal_effects
from gmvcausal.stats.regrouped import Effects, IntArray, Regrouped, deals, regrouped

if TYPE_CHECKING:
    from gmvcausal.abtest.segments.segments import Origin


def dealt_anew(origin: Origin, rows: Rows, levels: tuple[Any, ...], found: Mapping[str, Fit], test: Test) -> Regrouped:
    """The test of equal effects by deals of the levels among rows (clusters) of one arm and stratum."""
    assert rows.segment is not None
    if not apart(rows.cluster, rows.segment):
        raise DesignError(
            SHARED_CLUSTERS.format(rows.cluster_name), remedy="use test='welch', and read the levels apart"
        )
    fits = list(found.values())
    kept = [k for k, level in enumerate(levels) if str(level) in found]
    p, failed = np.full(len(fits[0].terms), np.nan), 0
    # Each effect is dealt among the levels that its own test compares: those where t holds.
    used = [
        tuple(
            j
            for j, one in enumerate(fits)
            if one.terms[i].contrast.variance > 0 and not one.terms[i].contrast.by_itself
        )
        for i in range(len(p))
    ]
    for own in dict.fromkeys(used):
        if len(own) < 2:
            continue
        places = [i for i, which in enumerate(used) if which == own]
        made = _among(origin, rows, [kept[j] for j in own], [fits[j] for j in own], places, test)
        p[places], failed = made.p_value, max(failed, made.failed)
    return Regrouped(p, test.reps, failed)


def _among(origin: Origin, rows: Rows, kept: list[int], fits: list[Fit], places: list[int], test: Test) -> Regrouped:
    """Deals among these levels, of the effects at `places`."""
    assert rows.segment is not None
    inside = np.isin(rows.segment, kept)
    part, code = rows.part(inside), np.searchsorted(kept, rows.segment[inside])
    role = part.arm * part.strata + (0 if part.stratum is None else part.stratum)

    def of(fits: list[Fit]) -> list[Effects]:
        own = [[one.terms[i].contrast for one in fits] for i in places]
        return [
            (
                np.array([c.difference for c in each]),
                np.array([c.variance for c in each]),
                np.array([c.df for c in each]),
            )
            for each in own
        ]

    def effects(dealt: IntArray) -> list[Effects]:
        # As they are, not `settled`: a deal that is rare by chance is still one of the deals.
        return of(
            [fit(part.part(dealt == k), origin.columns.metrics, origin.settings, origin.caps) for k in range(len(kept))]
        )

    seen = [equal_effects(*one)[0] for one in of(fits)]
    return regrouped(seen, deals(code, part.cluster, role, test.seed), effects, test.reps, progress=test.progress)
