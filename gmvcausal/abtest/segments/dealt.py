"""Levels of a segment dealt out anew: Fisher's permutation test that the effects of a test are equal in all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.terms.estimate import Fit, fit
from gmvcausal.abtest.terms.rare import settled
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
    kept = [k for k, level in enumerate(levels) if str(level) in found]
    inside = np.isin(rows.segment, kept)
    part, code = rows.part(inside), np.searchsorted(kept, rows.segment[inside])
    role = part.arm * part.strata + (0 if part.stratum is None else part.stratum)

    def of(fits: Collection[Fit]) -> list[Effects]:
        own = [[one.terms[i].contrast for one in fits] for i in range(len(next(iter(fits)).terms))]
        return [
            (
                np.array([c.difference for c in each]),
                np.array([0.0 if c.by_itself else c.variance for c in each]),
                np.array([c.df for c in each]),
            )
            for each in own
        ]

    def effects(dealt: IntArray) -> list[Effects]:
        made = [
            fit(part.part(dealt == k), origin.columns.metrics, origin.settings, origin.caps) for k in range(len(kept))
        ]
        return of([settled(one, origin.columns.metrics) for one in made])

    seen = [equal_effects(*one)[0] for one in of(list(found.values()))]
    return regrouped(seen, deals(code, part.cluster, role, test.seed), effects, test.reps, progress=test.progress)
