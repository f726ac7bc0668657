"""What a graph implies that the data can contradict: pairs of columns that must be unrelated, given others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.graphs.identify import fewest
from gmvcausal.observational.graphs.plan import listed
from gmvcausal.observational.graphs.rules import RULES
from gmvcausal.observational.graphs.separate import Graph
from gmvcausal.results.audit import Check
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.conditional import Curves
from gmvcausal.stats.multiplicity import holm

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Pairs that are tested; a larger graph has its first ones by name tested, and the message says so.
MOST_PAIRS = 300


@dataclass(frozen=True)
class Implied:
    """Two columns that the graph says are unrelated, given others.

    Attributes
    ----------
    one, other : str
    given : tuple of str
    p_value : float
        Of the test that they are; NaN where it could not be made.
    adjusted : float
        By Holm's method over all pairs.
    strength : float
        Partial correlation, the largest where a column is a category.
    """

    one: str
    other: str
    given: tuple[str, ...]
    p_value: float
    adjusted: float
    strength: float

    @property
    def words(self) -> str:
        """In a sentence."""
        given = f" given {listed(self.given)}" if self.given else ""
        return f"{self.one!r} and {self.other!r} unrelated{given}"


def implied_pairs(graph: Graph, among: set[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Pairs of `among` that some of `among` separate, with a smallest such set.

    Examples
    --------
    >>> implied_pairs(Graph(("a", "b", "c"), (("a", "b"), ("b", "c"))), {"a", "b", "c"})
    [('a', 'c', ('b',))]
    """
    out = []
    near = {frozenset(edge) for edge in graph.edges}
    for one, other in combinations(sorted(among), 2):
        if frozenset((one, other)) in near:
            continue
        given = (graph.before([one, other]) & among) - {one, other}
        if graph.separated(one, other, given):
            out.append((one, other, tuple(sorted(fewest(graph, one, other, given)))))
    return out


def contradicted(graph: Graph, columns: Mapping[str, FloatArray], cluster: IntArray | None = None) -> list[Implied]:
    """Test every independence that the graph implies among columns.

    Parameters
    ----------
    graph : Graph
    columns : mapping of str to ndarray, shape (n, p_k)
        Nodes as numbers; a category as 0/1 columns. Others count as unseen.
    cluster : ndarray of int, shape (n,), optional

    Returns
    -------
    list of Implied
        The least plausible first.
    """
    pairs = implied_pairs(graph, set(columns) - graph.hidden)[:MOST_PAIRS]
    if not pairs:
        return []
    place = {name: k for k, name in enumerate(columns)}
    curves = Curves(list(columns.values()), cluster)
    found = [curves.tied(place[a], place[b], [place[c] for c in given]) for a, b, given in pairs]
    adjusted = holm([f.p_value for f in found])
    out = [Implied(*pair, f.p_value, float(q), f.strength) for pair, f, q in zip(pairs, found, adjusted, strict=True)]
    return sorted(out, key=lambda i: (np.isnan(i.p_value), i.p_value, i.one, i.other))


def graph_check(found: list[Implied], unread: tuple[str, ...] = ()) -> Check:
    """Do the data contradict the graph?

    Parameters
    ----------
    found : list of Implied
    unread : tuple of str
        Nodes that are columns and could not be read as numbers.
    """
    more = f" ({listed(unread)} could not be read for it)" if unread else ""
    known = [i for i in found if not np.isnan(i.p_value)]
    if not known:
        return Check("graph", "not_run", f"the graph implies nothing that these columns could contradict{more}")
    worst = known[0]
    one = "independence that the graph implies was" if len(known) == 1 else "independences that the graph implies were"
    first = f", the first {MOST_PAIRS} by name" if len(found) == MOST_PAIRS else ""
    message = (
        f"{len(known)} {one} tested{first}{more}; least plausible: {worst.words} ({p_words(worst.adjusted)} by Holm's "
        f"method, partial correlation {worst.strength:+.2g})"
    )
    return RULES.check(
        "graph", worst.adjusted, message,
        f"the graph lacks an arrow or something unseen between {worst.one!r} and {worst.other!r}: draw it (an "
        "unobserved node counts as well) and read what then identifies the effect",
    )  # fmt: skip
