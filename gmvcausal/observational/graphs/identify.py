"""What identifies the effect in a graph: dowhy's answer, with its defects shielded, and every answer checked.

dowhy 0.14 fails with an error where two directed paths begin with one arrow; it walks along all paths, which never ends
on a dense graph of twenty nodes; which of several front doors it names hangs on the order of a set, and so differs from
run to run; it offers instruments that nobody observed; and it glues quotes to names. So it is asked about the causes of
treatment and outcome alone, under names of ours, with reachability in place of what walks along paths, and what it says
is held against d-separation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from gmvcausal.observational.graphs.separate import Graph

# Mediators among which dowhy looks for a front door by trying all subsets; beyond, only all of them together.
MOST_MEDIATORS = 10


@dataclass(frozen=True)
class Instrument:
    """What moves the treatment and, given `given`, is tied to the outcome through it alone."""

    name: str
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What identifies the effect.

    Attributes
    ----------
    efficient : tuple of str, or None
        The adjustment set among the observed causes that leaves the least variance; None where no set is valid.
    minimal : tuple of str, or None
        A smallest one: the most efficient among those.
    frontdoor : tuple of str
        Mediators through which the whole effect passes, and which nothing else ties to treatment and outcome.
    instruments : tuple of Instrument
    left_open : tuple of str
        A path that no observed set closes, where none is valid.
    wanted : tuple of str
        Unobserved nodes that, observed, would close all.
    """

    efficient: tuple[str, ...] | None
    minimal: tuple[str, ...] | None
    frontdoor: tuple[str, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    left_open: tuple[str, ...] = ()
    wanted: tuple[str, ...] = field(default=())


def identify(graph: Graph, treatment: str, outcome: str) -> Found:
    """Adjustment sets, front door and instruments.

    Parameters
    ----------
    graph : Graph
        With a directed path from treatment to outcome.
    treatment, outcome : str

    References
    ----------
    Pearl (1995), Biometrika 82; van der Zander, Liskiewicz and Textor (2019), Artificial Intelligence 270 (a set exists
    if all observed causes together are one); Smucler, Sapienza and Rotnitzky (2022), Biometrika 109 (efficiency).

    Examples
    --------
    >>> g = Graph(("tier", "coupon", "gmv"), (("tier", "coupon"), ("tier", "gmv"), ("coupon", "gmv")))
    >>> identify(g, "coupon", "gmv").efficient
    ('tier',)
    """
    causes = graph.among(graph.before([treatment, outcome]))
    may = usable(causes, treatment)
    cut = causes.cut_from([treatment])
    left = cut.open_path(treatment, outcome, may - {outcome})
    if left is None:
        best, least = _by_dowhy(causes, treatment, outcome)
        return Found(
            _checked(cut, treatment, outcome, best, may), _checked(cut, treatment, outcome, least, may),
            instruments=_instruments(causes, treatment, outcome),
        )  # fmt: skip
    return Found(
        None, None, _front_door(causes, treatment, outcome), _instruments(causes, treatment, outcome), left,
        _wanted(causes, treatment, outcome),
    )  # fmt: skip


def usable(graph: Graph, treatment: str) -> set[str]:
    """Observed nodes that the treatment does not move."""
    return set(graph.nodes) - graph.hidden - graph.after([treatment])


def _checked(cut: Graph, treatment: str, outcome: str, names: set[str], may: set[str]) -> tuple[str, ...]:
    """The set in alphabetical order, if it is valid; else all observed causes made as few as possible."""
    if names <= may and cut.separated(treatment, outcome, names):
        return tuple(sorted(names))
    return tuple(sorted(fewest(cut, treatment, outcome, may - {outcome})))


def fewest(graph: Graph, one: str, other: str, given: Iterable[str]) -> set[str]:
    """A separating set of which nothing can be spared, out of one that separates."""
    left = set(given)
    for name in sorted(left):
        if graph.separated(one, other, left - {name}):
            left.discard(name)
    return left


def _by_dowhy(causes: Graph, treatment: str, outcome: str) -> tuple[set[str], set[str]]:
    """The most efficient adjustment set among the observed causes, and among the smallest of these."""
    import networkx as nx

    with _quiet():
        from dowhy.causal_identifier.efficient_backdoor import EfficientBackdoor

        class _ByReach(EfficientBackdoor):  # type: ignore[misc]  # dowhy publishes no types
            """The same sets, from which nodes reach which, where dowhy walks along every path."""

            def backdoor_graph(self, G: Any) -> Any:
                out = G.copy()
                ways = self.causal_vertices()
                out.remove_edges_from([(a, b) for a, b in G.out_edges(self.treatment_name) if b in ways])
                return out

            def causal_vertices(self) -> Any:
                return (nx.descendants(self.graph, self.treatment_name) & self._to_outcome()) - {self.treatment_name}

            def _to_outcome(self) -> Any:
                return nx.ancestors(self.graph, self.outcome_name) | {self.outcome_name}

            def build_H1(self) -> Any:
                whole = self.build_H0()
                idle = self.ignore()
                out = nx.Graph(whole.subgraph(set(whole) - idle))
                for piece in nx.connected_components(whole.subgraph(idle)):
                    out.add_edges_from(combinations(sorted(nx.node_boundary(whole, piece)), 2))
                return out

        name, back, drawn = _renamed(causes)
        asked = _ByReach(
            drawn, [name[treatment]], [name[outcome]], [name[n] for n in causes.nodes if n not in causes.hidden]
        )
        best, least = asked.optimal_adj_set(), asked.optimal_mincost_adj_set()
    return {back[n] for n in best}, {back[n] for n in least}


def _front_door(causes: Graph, treatment: str, outcome: str) -> tuple[str, ...]:
    """The fewest observed mediators that are a front door, or none."""
    cut = causes.cut_from([treatment])
    ways = causes.on_the_way(treatment, outcome) - {outcome} - causes.hidden
    # Pearl's second condition speaks of each mediator for itself, so the others need not be tried.
    eligible = sorted(m for m in ways if cut.separated(treatment, m))
    if not eligible:
        return ()
    tried = set(eligible)
    if len(eligible) <= MOST_MEDIATORS:
        with _quiet():
            from dowhy.causal_identifier.auto_identifier import identify_frontdoor

            name, back, drawn = _renamed(causes)
            told = identify_frontdoor(drawn, [name[treatment]], [name[outcome]], [name[m] for m in eligible])
        tried = {back[n] for n in told}
    if not tried or not is_front_door(causes, treatment, outcome, tried):
        return ()
    for mediator in sorted(tried):
        if len(tried) > 1 and is_front_door(causes, treatment, outcome, tried - {mediator}):
            tried.discard(mediator)
    return tuple(sorted(tried))


def is_front_door(graph: Graph, treatment: str, outcome: str, mediators: set[str]) -> bool:
    """Pearl's three conditions: they carry all of the effect; nothing else ties them to treatment or outcome."""
    carried = graph.among(set(graph.nodes) - mediators)
    if outcome in carried.after([treatment]):
        return False
    cut = graph.cut_from([treatment])
    behind = graph.cut_from(mediators)
    return all(cut.separated(treatment, m) and behind.separated(m, outcome, {treatment}) for m in mediators)


def _instruments(causes: Graph, treatment: str, outcome: str) -> tuple[Instrument, ...]:
    """dowhy's, if observed; else nodes that are instruments given observed causes of their own."""
    with _quiet():
        from dowhy.graph import get_instruments

        name, back, drawn = _renamed(causes)
        told = {back[n] for n in get_instruments(drawn, [name[treatment]], [name[outcome]])}
    may = usable(causes, treatment)
    plain = [Instrument(z) for z in sorted(told & may) if is_instrument(causes, treatment, outcome, z, set())]
    if plain:
        return tuple(plain)
    found = []
    cut = causes.cut_from([treatment])
    for z in sorted(may - {outcome}):
        given = (cut.before([z, outcome]) & may) - {z, outcome}
        if is_instrument(causes, treatment, outcome, z, given):
            own = fewest(cut, z, outcome, given)
            if not is_instrument(causes, treatment, outcome, z, own):
                own = given
            found.append(Instrument(z, tuple(sorted(own))))
    return tuple(found)


def is_instrument(graph: Graph, treatment: str, outcome: str, name: str, given: set[str]) -> bool:
    """Whether a node is tied to the treatment, and to the outcome through the treatment alone, given others."""
    cut = graph.cut_from([treatment])
    if given & graph.after([treatment]):
        return False
    return cut.separated(name, outcome, given) and not graph.separated(name, treatment, given)


def _wanted(causes: Graph, treatment: str, outcome: str) -> tuple[str, ...]:
    """Unobserved nodes of which none can be spared, that close every path together with all that is observed."""
    cut = causes.cut_from([treatment])
    later = causes.after([treatment])
    left = set(causes.nodes) - later
    for name in sorted(causes.hidden - later):
        if cut.separated(treatment, outcome, left - {name}):
            left.discard(name)
    return tuple(sorted(left & causes.hidden))


def _renamed(graph: Graph) -> tuple[dict[str, str], dict[str, str], Any]:
    """The graph for dowhy: names that hold nothing but letters and digits, in alphabetical order of ours."""
    import networkx as nx

    name = {node: f"v{k:04d}" for k, node in enumerate(sorted(graph.nodes))}
    drawn = nx.DiGraph()
    drawn.add_nodes_from(name[n] for n in sorted(graph.nodes))
    drawn.add_edges_from((name[a], name[b]) for a, b in sorted(graph.edges))
    return name, {v: k for k, v in name.items()}, drawn


@contextmanager
def _quiet() -> Iterator[None]:
    """What dowhy logs and warns of held back, and what it does to the display of every session that imports it."""
    import warnings

    import sympy

    log = logging.getLogger("dowhy")
    level, printing = log.level, sympy.init_printing
    log.setLevel(logging.CRITICAL)
    sympy.init_printing = lambda *_, **__: None  # else tuples of texts lose their quotes, in notebooks for good
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what dowhy imports (pydot, sympy), which no user can act upon
            yield
    finally:
        log.setLevel(level)
        sympy.init_printing = printing
