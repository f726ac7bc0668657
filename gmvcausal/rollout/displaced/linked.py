"""Treated units and those they reach as one cluster: what the first gain and the second lose is not independent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gmvcausal.results import Check
from gmvcausal.rollout.audit.rules import RULES
from gmvcausal.rollout.fitted import IntArray
from gmvcausal.rollout.intake.exposure import Links
from gmvcausal.rollout.intake.panel import Panel

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult

NAME = "treated units with those they reach"


def clustered_by_links(result: DidResult) -> tuple[DidResult, list[str]]:
    """The result with clusters that are linked to each other as one, and what there is to say of it."""
    links = result.manifest.options.get("edges")
    if not isinstance(links, Links):
        return result, []
    panel = result.panel
    joined = _joined(panel, links)
    if joined.max() == panel.cluster.max():
        return result, []
    before, after = panel.n_clusters, int(joined.max()) + 1
    again = replace(panel, cluster=joined, cluster_name=NAME, notes=list(panel.notes))
    choices = tuple(c for c in result.manifest.choices if not c.startswith("clusters: "))
    manifest = replace(result.manifest, choices=(*choices, f"clusters: {NAME}"))
    made = type(result).made(result.title, result.assumption, manifest, result.alpha, again, result.options)
    made = replace(made, origin=result.origin)
    return made, [
        f"clusters that edges= link are one cluster, because what a treated unit gains and its neighbours lose is not "
        f"independent: {after:,} in place of {before:,} (by {panel.cluster_name})"
    ]


def _joined(panel: Panel, links: Links) -> IntArray:
    """Clusters of every row where links of treated units, in either direction, make one of several."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    known = pd.Index(panel.unit)
    u, v = (known.get_indexer(pd.Index(ends)) for ends in (links.unit, links.neighbour))
    treated = panel.start >= 0
    use = (u >= 0) & (v >= 0)
    use[use] = treated[u[use]] | treated[v[use]]
    ends = panel.cluster[u[use]], panel.cluster[v[use]]
    size = panel.n_clusters
    whole = connected_components(csr_array((np.ones(int(use.sum())), ends), shape=(size, size)), directed=False)[1]
    return np.asarray(np.unique(whole[panel.cluster], return_inverse=True)[1], dtype=np.int64)


def reached_apart(result: DidResult) -> Check:
    """Exposed units whose cluster holds no treated unit: nothing says then whose gain their loss goes with."""
    panel = result.panel
    assert panel.exposed is not None  # the result sets exposed units apart
    treated = panel.start >= 0
    reached = (panel.exposed >= 0) & ~treated
    holds = np.zeros(panel.n_clusters, dtype=bool)
    holds[panel.cluster[treated]] = True
    alone, count = int((~holds[panel.cluster[reached]]).sum()), int(reached.sum())
    return RULES.check(
        "reached_apart",
        alone / count if count else 0.0,
        f"{alone:,} of {count:,} exposed units are in no cluster with a treated unit (clusters by "
        f"{panel.cluster_name})",
        "intervals of total and share hold only if what a treated unit gains and its neighbours lose is independent: "
        "call did with cluster= a column that holds both (the street, the city), or pass edges=, which says who is "
        "next door to whom",
    )
