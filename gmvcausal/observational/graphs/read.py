"""`graph=` in, a checked graph out: edges, a mapping from causes to effects, DOT text or a networkx graph."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.observational.graphs.dot import UNSEEN, Drawn, read_dot
from gmvcausal.observational.graphs.separate import Graph

MOST_NODES = 500
_FORMS = 'pass edges, [("age", "coupon"), ("coupon", "gmv")], a mapping {"age": ["coupon", "gmv"]}, or DOT text'


def read_graph(graph: Any, columns: Sequence[str], treatment: str, outcome: str) -> tuple[Graph, tuple[str, ...]]:
    """A graph whose nodes are columns, or are said to be unseen.

    Parameters
    ----------
    graph : sequence of (str, str), mapping of str to str or sequence of str, str, or networkx.DiGraph
        Edges from cause to effect; causes with their effects; DOT or dagitty text; nodes of a DiGraph may bear the
        attribute ``observed="no"``. Nothing in it is ever run.
    columns : sequence of str
        Of the data. A node that is none of them is unseen.
    treatment, outcome : str

    Returns
    -------
    graph : Graph
    notes : tuple of str
        Which nodes are taken as unseen.

    Raises
    ------
    InputError
        No graph, a cycle, no node for treatment or outcome, a node that looks like a column misspelt.

    Examples
    --------
    >>> g, notes = read_graph({"spend tier": ["coupon", "gmv"], "mood": "gmv", "coupon": "gmv"},
    ...                       ["spend tier", "coupon", "gmv"], "coupon", "gmv")
    >>> sorted(g.hidden), notes
    (['mood'], ("of the graph 'mood' is no column and counts as not observed",))
    """
    drawn = _drawn(graph)
    edges = list(dict.fromkeys(drawn.arrows))
    names = list(
        dict.fromkeys([*drawn.nodes, *(n for e in edges for n in e), *(n for e in drawn.moved_both for n in e)])
    )
    if not edges:
        raise InputError("graph= has no edges", remedy=_FORMS)
    taken = {*names, *columns}
    for a, b in dict.fromkeys(tuple(sorted(pair)) for pair in drawn.moved_both):
        name = f"something behind {a} and {b}"
        while name in taken:
            name += "'"
        names.append(name)
        taken.add(name)
        drawn.unseen.add(name)
        edges += [(name, a), (name, b)]
    if len(names) > MOST_NODES:
        raise InputError(f"graph= has {len(names):,} nodes, and at most {MOST_NODES} are read", remedy="draw fewer")
    for role, name in (("treatment", treatment), ("outcome", outcome)):
        if name not in names:
            raise InputError(
                f"graph= has no node {name!r}, which is {role}=", column=name,
                remedy=_meant(name, names) or "draw what causes it and what it causes",
            )  # fmt: skip
        if name in drawn.unseen:
            raise InputError(
                f"graph= marks {name!r} as not observed, and it is {role}=", column=name, remedy="take the mark away"
            )
    known = set(columns)
    unseen = {n for n in names if n in drawn.unseen or n not in known}
    idle = [c for c in columns if c not in names]
    for name in sorted(unseen - drawn.unseen):
        if meant := _meant(name, idle):
            raise InputError(
                f"graph= has a node {name!r}, which is no column of the data but resembles one", column=name,
                remedy=f"{meant} If it is really not observed, mark it: digraph {{ \"{name}\" [observed=no]; ... }}",
            )  # fmt: skip
    found = Graph(tuple(names), tuple(edges), frozenset(unseen))
    if (ring := found.cycle()) is not None:
        raise InputError(
            f"graph= has a cycle, and nothing causes itself: {found.drawn(ring)}",
            column=ring[0],
            remedy="take one arrow away, or draw the same thing at two points of time as two nodes",
        )
    return found, _notes(found, drawn, known)


def _notes(graph: Graph, drawn: Drawn, known: set[str]) -> tuple[str, ...]:
    others = sorted(n for n in graph.hidden - known if n in drawn.nodes or n not in drawn.unseen)
    out = []
    if others:
        are = "is no column and counts" if len(others) == 1 else "are no columns and count"
        out.append(f"of the graph {', '.join(map(repr, others))} {are} as not observed")
    if own := sorted(graph.hidden & known):
        is_or_are = "is a column, and is" if len(own) == 1 else "are columns, and are"
        out.append(f"of the graph {', '.join(map(repr, own))} {is_or_are} marked as not observed")
    return tuple(out)


def _meant(name: str, among: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), {n.lower(): n for n in among}, n=1, cutoff=0.8)
    if not near:
        return ""
    return f"did you mean {next(n for n in among if n.lower() == near[0])!r}?"


def _drawn(graph: Any) -> Drawn:
    if isinstance(graph, str):
        return read_dot(graph)
    if hasattr(graph, "is_directed") and hasattr(graph, "edges") and hasattr(graph, "nodes"):
        return _of_networkx(graph)
    if isinstance(graph, Mapping):
        arrows: list[tuple[str, str]] = []
        for cause, effects in graph.items():
            listed = [effects] if isinstance(effects, str) else effects
            if isinstance(listed, Mapping) or not isinstance(listed, Iterable):
                raise InputError(
                    f"graph= says of {said(cause)} that it causes {said(effects)}, which is no list of names",
                    remedy=_FORMS,
                )
            arrows += [(_name(cause), _name(effect)) for effect in listed]
        return Drawn([_name(cause) for cause in graph], arrows, [], set())
    if isinstance(graph, bytes) or not isinstance(graph, Iterable):
        raise InputError(f"graph= is {said(graph)}", remedy=_FORMS)
    arrows = []
    for edge in graph:
        pair = None if isinstance(edge, str) or not isinstance(edge, Sequence) else tuple(edge)
        if pair is None or len(pair) != 2:
            raise InputError(f"graph= holds {said(edge)}, which is no pair of cause and effect", remedy=_FORMS)
        arrows.append((_name(pair[0]), _name(pair[1])))
    return Drawn([], arrows, [], set())


def _of_networkx(graph: Any) -> Drawn:
    if not graph.is_directed():
        raise InputError("graph= is a graph without directions, and causes have one", remedy="pass a networkx.DiGraph")
    unseen = set()
    for node, own in graph.nodes(data=True):
        for key, values in UNSEEN.items():
            if key in own and str(own[key]).strip("\"'").lower() in (
                *values,
                *(("true",) if key != "observed" else ()),
            ):
                unseen.add(_name(node))
    arrows = [(_name(a), _name(b)) for a, b in graph.edges()]
    return Drawn([_name(n) for n in graph.nodes], arrows, [], unseen)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(
            f"graph= has a node {said(value)}, and nodes are called by the names of columns", remedy=_FORMS
        )
    return value
