"""Which nodes of a causal graph can be told from each other: ancestors, descendants, d-separation, open paths."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

Edge = tuple[str, str]


@dataclass(frozen=True)
class Graph:
    """Causes and effects without cycles.

    Attributes
    ----------
    nodes : tuple of str
        In the order in which they were named, which decides nothing.
    edges : tuple of (str, str)
        From the cause to the effect.
    hidden : frozenset of str
        Nodes that are not in the data.

    Examples
    --------
    >>> g = Graph(("age", "coupon", "gmv"), (("age", "coupon"), ("age", "gmv"), ("coupon", "gmv")))
    >>> sorted(g.before(["gmv"])), sorted(g.after(["coupon"]))
    (['age', 'coupon', 'gmv'], ['coupon', 'gmv'])
    >>> g.cut_from(["coupon"]).separated("coupon", "gmv", {"age"})
    True
    """

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    hidden: frozenset[str] = frozenset()
    parents: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    children: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        above: dict[str, list[str]] = {n: [] for n in self.nodes}
        below: dict[str, list[str]] = {n: [] for n in self.nodes}
        for a, b in self.edges:
            below[a].append(b)
            above[b].append(a)
        object.__setattr__(self, "parents", {n: tuple(sorted(v)) for n, v in above.items()})
        object.__setattr__(self, "children", {n: tuple(sorted(v)) for n, v in below.items()})

    def before(self, nodes: Iterable[str]) -> set[str]:
        """The nodes and all that cause them."""
        return _closed(nodes, self.parents)

    def after(self, nodes: Iterable[str]) -> set[str]:
        """The nodes and all that they cause."""
        return _closed(nodes, self.children)

    def on_the_way(self, start: str, end: str) -> set[str]:
        """All nodes of the directed paths from `start` to `end`, without `start`."""
        return (self.after([start]) & self.before([end])) - {start}

    def cut_from(self, nodes: Iterable[str]) -> Graph:
        """The graph without the arrows that leave `nodes`."""
        gone = set(nodes)
        return Graph(self.nodes, tuple(e for e in self.edges if e[0] not in gone), self.hidden)

    def cut_into(self, nodes: Iterable[str]) -> Graph:
        """The graph without the arrows that enter `nodes`."""
        gone = set(nodes)
        return Graph(self.nodes, tuple(e for e in self.edges if e[1] not in gone), self.hidden)

    def among(self, nodes: Iterable[str]) -> Graph:
        """The graph of `nodes` and the arrows between them."""
        keep = set(nodes)
        return Graph(
            tuple(n for n in self.nodes if n in keep),
            tuple(e for e in self.edges if e[0] in keep and e[1] in keep),
            self.hidden & keep,
        )

    def separated(self, one: str, other: str, given: Iterable[str] = ()) -> bool:
        """Whether `given` blocks every path between two nodes (d-separation)."""
        return self.open_path(one, other, given) is None

    def open_path(self, start: str, end: str, given: Iterable[str] = ()) -> tuple[str, ...] | None:
        """A shortest path that `given` leaves open, or None where it blocks all (Shachter 1998).

        A state is a node and whether it was entered along an arrow. From a node that is given one goes on only where
        two arrows meet in it; a node where two arrows meet is passed only if it, or something it causes, is given.
        """
        fixed = set(given)
        told = self.before(fixed)  # nodes that are given, or cause one that is
        first = (start, False)
        came: dict[tuple[str, bool], tuple[str, bool] | None] = {first: None}
        queue = deque([first])
        while queue:
            state = queue.popleft()
            node, along = state
            if node == end:
                path: list[str] = []
                at: tuple[str, bool] | None = state
                while at is not None:
                    path.append(at[0])
                    at = came[at]
                return tuple(reversed(path))
            onward: list[tuple[str, bool]] = []
            if node not in fixed:
                onward += [(child, True) for child in self.children[node]]
                if not along:
                    onward += [(parent, False) for parent in self.parents[node]]
            if along and node in told:
                onward += [(parent, False) for parent in self.parents[node]]
            for step in onward:
                if step not in came:
                    came[step] = state
                    queue.append(step)
        return None

    def drawn(self, path: Iterable[str]) -> str:
        """A path with its arrows: ``coupon <- tier -> gmv``."""
        steps = list(path)
        pairs = set(self.edges)
        text = steps[0]
        for a, b in pairwise(steps):
            text += f" {'->' if (a, b) in pairs else '<-'} {b}"
        return text

    def cycle(self) -> tuple[str, ...] | None:
        """Nodes that cause themselves, in order and closed; None where there are none."""
        left = {n: len(self.parents[n]) for n in self.nodes}
        free = deque(n for n in self.nodes if not left[n])
        while free:
            for child in self.children[free.popleft()]:
                left[child] -= 1
                if not left[child]:
                    free.append(child)
        stuck = {n for n, count in left.items() if count}
        if not stuck:
            return None
        walk, seen = [min(stuck)], dict[str, int]()
        while walk[-1] not in seen:
            seen[walk[-1]] = len(walk) - 1
            walk.append(next(p for p in self.parents[walk[-1]] if p in stuck))
        return tuple(reversed(walk[seen[walk[-1]] :]))


def _closed(nodes: Iterable[str], onward: dict[str, tuple[str, ...]]) -> set[str]:
    found = set(nodes)
    queue = list(found)
    while queue:
        for node in onward[queue.pop()]:
            if node not in found:
                found.add(node)
                queue.append(node)
    return found
