"""DOT text (``digraph { a -> b }``) and the text of dagitty (``dag { a <-> b }``), read without running anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said

# Attributes by which others mark a node that nobody sees (dowhy, dagitty), and what they must hold to do so.
UNSEEN = {"observed": ("no", "false", "0"), "latent": ("", "yes", "true", "1"), "unobserved": ("", "yes", "true", "1")}

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/|^\#[^\n]*)
      | (?P<arrow>->|<->|<-|--)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>[{}\[\];,=:])
      | (?P<word>-?(?:\.\d+|\d+(?:\.\d*)?)(?![^\W\d])|[^\W\d]\w*|\d\w*(?:\.\w+)*)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ESCAPED = re.compile(r"\\(\n|.)", re.DOTALL)


class Drawn(NamedTuple):
    """What the text says: nodes in order, arrows, pairs that something unseen moves, nodes marked as unseen."""

    nodes: list[str]
    arrows: list[tuple[str, str]]
    moved_both: list[tuple[str, str]]
    unseen: set[str]


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def read_dot(text: str) -> Drawn:
    r"""Nodes and arrows of a text.

    Raises
    ------
    InputError
        The text is not DOT, or draws undirected edges; the message names the place.

    Examples
    --------
    >>> read_dot('digraph { age -> {coupon gmv}; coupon -> gmv; U [observed="no"]; U -> "order value" }').arrows
    [('age', 'coupon'), ('age', 'gmv'), ('coupon', 'gmv'), ('U', 'order value')]
    """
    return _Reader(text).read()


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _wrong(text, at, f"has {said(text[at])}, which DOT has no use for")
        kind = str(found.lastgroup)
        if kind != "skip":
            own = found.group()
            if kind == "quoted":
                own = _ESCAPED.sub(lambda m: {'"': '"', "\\": "\\", "\n": ""}.get(m.group(1), m.group()), own[1:-1])
            yield _Token(kind, own, at)
        at = found.end()
    yield _Token("end", "", len(text))


def _wrong(text: str, at: int, what: str) -> InputError:
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    return InputError(
        f"graph= is text that {what} (line {line}, character {column})",
        remedy="write digraph { age -> coupon; age -> gmv; coupon -> gmv }, with double quotes about names that hold "
        'more than letters, or pass edges: [("age", "coupon"), ...]',
    )


class _Reader:
    """Descent by the grammar of DOT; what only styles a drawing is read over."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.place = 0
        self.drawn = Drawn([], [], [], set())

    def read(self) -> Drawn:
        if self._word("strict"):
            self.place += 1
        if self._word("graph"):
            raise self._off("draws edges without direction (graph), and causes have one: write digraph and ->")
        if not (self._word("digraph") or self._word("dag")):
            raise self._off("does not begin with digraph {")
        self.place += 1
        if self._now.kind in ("word", "quoted"):  # the title
            self.place += 1
        self._group()
        if self._now.kind != "end":
            raise self._off("goes on after its closing brace")
        return self.drawn

    @property
    def _now(self) -> _Token:
        return self.tokens[self.place]

    def _word(self, text: str) -> bool:
        return self._now.kind == "word" and self._now.text.lower() == text

    def _mark(self, text: str) -> bool:
        return self._now.kind == "mark" and self._now.text == text

    def _off(self, what: str) -> InputError:
        return _wrong(self.text, self._now.at, what)

    def _group(self) -> list[str]:
        """Statements in braces; the nodes that they name."""
        if not self._mark("{"):
            raise self._off("lacks an opening brace")
        self.place += 1
        named: list[str] = []
        while not self._mark("}"):
            if self._now.kind == "end":
                raise self._off("lacks its closing brace")
            if self._mark(";") or self._mark(","):
                self.place += 1
                continue
            named += self._statement()
        self.place += 1
        return list(dict.fromkeys(named))

    def _statement(self) -> list[str]:
        style = self._now.kind == "word" and self._now.text.lower() in ("node", "edge", "graph")
        after = self.tokens[self.place + 1]
        if style and after[:2] == ("mark", "["):
            self.place += 1
            self._attributes()
            return []
        if self._now.kind in ("word", "quoted") and after[:2] == ("mark", "="):
            self.place += 2
            self._value()
            return []
        chain = [self._ends()]
        arrows: list[str] = []
        while self._now.kind == "arrow":
            if self._now.text == "--":
                raise self._off("has an edge without direction (--), and causes have one: write ->")
            arrows.append(self._now.text)
            self.place += 1
            chain.append(self._ends())
        attributes: dict[str, str] = {}
        while self._mark("["):
            attributes |= self._attributes()
        if not arrows:
            if any(attributes.get(key, "-").lower() in values for key, values in UNSEEN.items()):
                self.drawn.unseen.update(chain[0])
            return chain[0]
        turn = attributes.get("dir", "forward").lower()
        for k, arrow in enumerate(arrows):
            for one in chain[k]:
                for other in chain[k + 1]:
                    if arrow == "<->" or turn == "both":
                        self.drawn.moved_both.append((one, other))
                    else:
                        back = (arrow == "<-") != (turn == "back")
                        self.drawn.arrows.append((other, one) if back else (one, other))
        return [name for ends in chain for name in ends]

    def _ends(self) -> list[str]:
        """One node, or all of a group."""
        if self._word("subgraph"):
            self.place += 1
            if self._now.kind in ("word", "quoted"):
                self.place += 1
            return self._group()
        if self._mark("{"):
            return self._group()
        if self._now.kind not in ("word", "quoted"):
            raise self._off("lacks the name of a node")
        name = self._now.text
        self.place += 1
        if self._mark(":"):
            raise self._off(f"has a port behind {said(name)}: put double quotes about a name that holds a colon")
        self.drawn.nodes.append(name)
        return [name]

    def _attributes(self) -> dict[str, str]:
        self.place += 1
        out: dict[str, str] = {}
        while not self._mark("]"):
            if self._mark(";") or self._mark(","):
                self.place += 1
                continue
            key = self._value().lower()
            out[key] = ""
            if self._mark("="):
                self.place += 1
                out[key] = self._value()
        self.place += 1
        return out

    def _value(self) -> str:
        if self._now.kind not in ("word", "quoted"):
            raise self._off("breaks off" if self._now.kind == "end" else f"has {said(self._now.text)} out of place")
        self.place += 1
        return self.tokens[self.place - 1].text
