"""From a graph to what `adjust` does: which set it adjusts for, or which front door it walks through, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gmvcausal.errors import DesignError, InputError
from gmvcausal.observational.graphs.identify import Found, fewest, identify, usable
from gmvcausal.observational.graphs.read import read_graph
from gmvcausal.observational.graphs.separate import Graph


@dataclass(frozen=True)
class Plan:
    """What the graph says is to be done.

    Attributes
    ----------
    way : {"backdoor", "frontdoor"}
    covariates : tuple of str
        The adjustment set of the back door; empty where nothing has to be adjusted for, and at a front door.
    mediators : tuple of str
        Of the front door.
    assumption : str
        In words, after "assuming that".
    reasons : tuple of str
        Sentences for the summary: which set, and why.
    notes : tuple of str
        Which nodes count as unseen.
    graph : Graph
    found : Found
    """

    way: str
    covariates: tuple[str, ...]
    mediators: tuple[str, ...]
    assumption: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    graph: Graph
    found: Found


def plan(graph: Any, columns: Sequence[str], treatment: str, outcome: str, covariates: Sequence[str] = ()) -> Plan:
    """Read a graph and decide what identifies the effect.

    Parameters
    ----------
    graph : edges, mapping, DOT text or networkx.DiGraph
        See `read_graph`.
    columns : sequence of str
        Of the data.
    treatment, outcome : str
    covariates : sequence of str, optional
        A set to be held against the graph, and taken if it is valid. Default: the most efficient valid set.

    Raises
    ------
    InputError
        The graph is none (see `read_graph`), says that there is no effect, or forbids a covariate: it is moved by the
        treatment, or opens a path that was closed (a collider); or the covariates leave a path open that others close.
    DesignError
        Nothing observed identifies the effect, or only an instrument, which is named.

    Examples
    --------
    >>> p = plan("digraph { tier -> coupon -> gmv; tier -> gmv }", ["tier", "coupon", "gmv"], "coupon", "gmv")
    >>> p.covariates, p.assumption
    (('tier',), 'given tier, nothing else moves both coupon and gmv, as the graph says')
    """
    drawn, notes = read_graph(graph, columns, treatment, outcome)
    if outcome not in drawn.after([treatment]):
        raise InputError(
            f"graph= has no directed path from {treatment!r} to {outcome!r}, so by the graph there is no effect to "
            "estimate", remedy=f"draw {treatment} -> {outcome}, or what lies between",
        )  # fmt: skip
    _refuse(drawn, treatment, outcome, covariates)
    found = identify(drawn, treatment, outcome)
    if found.efficient is not None:
        chosen, reasons = (_given if covariates else _chosen)(drawn, treatment, outcome, covariates, found)
        words = f"given {listed(chosen)}, nothing else moves" if chosen else "nothing moves"
        assumption = f"{words} both {treatment} and {outcome}, as the graph says"
        return Plan("backdoor", chosen, (), assumption, reasons, notes, drawn, found)
    if found.frontdoor and not covariates:
        m = found.frontdoor
        assumption = (
            f"the whole effect of {treatment} on {outcome} passes through {listed(m)}; nothing unseen moves both "
            f"{treatment} and {listed(m)}, or both {listed(m)} and {outcome} given {treatment}, as the graph says; and "
            f"{outcome} follows {listed(m)} along a line"
        )
        reasons = (
            f"Front door: no observed set closes {drawn.drawn(found.left_open)}, but the whole effect passes through "
            f"{listed(m)}",
        )
        return Plan("frontdoor", (), m, assumption, reasons, notes, drawn, found)
    raise _nothing(drawn, treatment, found)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _refuse(graph: Graph, treatment: str, outcome: str, covariates: Sequence[str]) -> None:
    """Covariates of which the graph says nothing, or that the treatment moves."""
    later = graph.after([treatment])
    for name in covariates:
        if name not in graph.nodes:
            raise InputError(
                f"covariates= names {name!r}, of which graph= says nothing", column=name,
                remedy="draw what causes it and what it causes, or leave it out",
            )  # fmt: skip
        if name in graph.hidden:
            raise InputError(
                f"covariates= names {name!r}, which graph= marks as not observed", column=name,
                remedy="take the mark away, or leave it out",
            )  # fmt: skip
        if name in later:
            way = graph.among(later).open_path(treatment, name)
            told = "" if way is None else f" ({graph.drawn(way)})"
            raise InputError(
                f"covariates= names {name!r}, which the treatment moves by the graph{told}: adjusting for it takes "
                "part of the effect away or ties what is not tied (a bad control)",
                column=name,
                remedy="leave it out; gc.mediate asks what passes through it",
            )


def _chosen(
    graph: Graph, treatment: str, outcome: str, covariates: Sequence[str], found: Found
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    best, least = found.efficient or (), found.minimal or ()
    if not best:
        return best, ("Back door: by the graph nothing has to be adjusted for",)
    text = f"Back door: adjusted for {listed(best)}"
    if best == least:
        return best, (f"{text}, the smallest set that closes every back-door path, and the most efficient",)
    fewer = f"{listed(least)} would close every back-door path too" if least else "nothing would have to be"
    return best, (f"{text}, which leaves the least variance among the observed causes; {fewer}",)


def _given(
    graph: Graph, treatment: str, outcome: str, covariates: Sequence[str], found: Found
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    cut = graph.cut_from([treatment])
    own = set(covariates)
    left = cut.open_path(treatment, outcome, own)
    if left is None:
        text = f"Back door: covariates= close every back-door path of the graph ({listed(tuple(covariates))})"
        best = found.efficient or ()
        more = f"; {listed(best)} would leave the least variance" if best and set(best) != own else ""
        return tuple(covariates), (text + more,)
    for name in sorted(own):
        if cut.separated(treatment, outcome, own - {name}):
            raise InputError(
                f"covariates= names {name!r}, in which arrows meet by the graph (a collider): adjusting for it opens "
                f"{graph.drawn(left)}, which is closed without it",
                column=name,
                remedy="leave it out",
            )
    reach = own | (usable(graph, treatment) & graph.before([treatment, outcome, *own]))
    needed = None
    if cut.separated(treatment, outcome, reach - {outcome}):
        needed = tuple(sorted(fewest(cut, treatment, outcome, reach - {outcome}) - own))
    add = f"add {listed(needed)}" if needed else f"adjust for {listed(found.efficient or ('nothing',))}"
    raise InputError(
        f"covariates= leave a back-door path of the graph open: {graph.drawn(left)}",
        remedy=f"{add}, or leave covariates= out and the set is taken from the graph",
    )


def _nothing(graph: Graph, treatment: str, found: Found) -> DesignError:
    text = f"by the graph no observed set closes the path {graph.drawn(found.left_open)}"
    if found.frontdoor:
        door = listed(found.frontdoor)
        return DesignError(
            f"{text}, so covariates= do not identify the effect",
            remedy=f"leave covariates= out, and the effect is estimated through the front door, {door}",
        )
    if found.instruments:
        one = found.instruments[0]
        given = f", covariates=[{', '.join(map(repr, one.given))}]" if one.given else ""
        others = [i.name for i in found.instruments[1:]]
        return DesignError(
            f"{text}, but {one.name!r} is an instrument" + (f", as are {listed(others)}" if others else ""),
            remedy=f"call gc.iv(data, ..., treatment={treatment!r}, instrument={one.name!r}{given})",
        )
    return DesignError(
        f"{text}, and there is neither a front door nor an instrument",
        remedy=f"observe {listed(found.wanted)}" if found.wanted else "observe what lies on that path",
    )
