"""Templates of sentences: read, matched longest literal first, and held to the numbers they were given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources
from itertools import pairwise

from gmvcausal.errors import GmvCausalError
from gmvcausal.present.chinese.own import Masks
from gmvcausal.present.digits import true_minus

# A comma belongs to a number where digits follow it; a sign, where no letter or digit stands before it.
_NUMBER = r"[+−-]?[$¥€£]?(?:\d(?:[\d,]*\d)?(?:\.\d+)?(?:e[+−-]?\d+)?|∞)%?"
_DIGITS = re.compile(r"(?<![A-Za-z0-9_.])[+−]?[$¥€£]?\d(?:[\d,]*\d)?(?:\.\d+)?(?:e[+−-]?\d+)?|\d+")
# How a further sentence begins: with a capital, Chinese, a number, or a symbol ("n = 60.", "t is Welch's.").
_OPENS = r"(?:[A-Z\u4e00-\u9fff'\"†(\d−+]|[a-z] (?:=|is) )"
# A hole holds its brackets whole and, outside brackets, no second clause and no second sentence: these are pieces of
# their own.
_NESTED = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_INSIDE = rf"(?:[^()]|{_NESTED})+?"
_CLAUSE = rf"(?:(?!; |[.!?] {_OPENS})[^()]|{_NESTED})+?"
_WORDS = rf"(?:(?!; |: |[.!?] {_OPENS})[^()]|{_NESTED})+?"
# A name of one word, or in quotes: for templates with so few letters of their own that a sentence could slip in.
_NAME = r"(?:'[^']*'|[^\s,;:()]+)"
_HOLE = re.compile(r"\{(\w+)(?::([ntlwo]))?\}")
_SENTENCE = re.compile(rf"(?<=[.!?])\s+(?={_OPENS})")
# In code ("times={'watch': ...}", "Mean('gmv')") quotes stay as they are.
_QUOTED = re.compile(r"(?<![={\[\w])(?<!\w\()'([^']+)'(?!\w|:)")


@dataclass(frozen=True)
class Template:
    """One entry of the catalogue.

    Attributes
    ----------
    source : str
        Of the pattern that matches the whole English text.
    anchor : str
        Its longest literal part: where that is missing the pattern is not tried.
    chinese : str
        With holes by name.
    kinds : mapping of str to str
        How each hole is filled: ``""`` as it is, ``o`` as it is and of one word, ``n`` a number, ``t`` translated,
        ``w`` translated and without a colon, ``l`` a list of translated items.
    weight : int
        Of the literal text: the most specific template is tried first, of two as long the one that begins with a word.
    """

    source: str
    anchor: str
    chinese: str
    kinds: Mapping[str, str]
    weight: int

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when first tried: thousands at once would take seconds, and a page needs few."""
        return re.compile(self.source)


def entries(text: str) -> list[tuple[str, str]]:
    """Pairs of English and Chinese lines of a catalogue file.

    Examples
    --------
    >>> entries("# names\\npassed\\n通过\\n\\nfailed\\n未通过\\n")
    [('passed', '通过'), ('failed', '未通过')]
    """
    found: list[tuple[str, str]] = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        if len(lines) != 2:
            raise GmvCausalError(f"an entry of the catalogue must have two lines, but is {lines!r}")
        found.append((lines[0], lines[1]))
    return found


def template(english: str, chinese: str) -> Template:
    """Make a pattern of an English line with holes."""
    parts: list[str] = []
    literal: list[str] = []
    kinds: dict[str, str] = {}
    at = 0
    for hole in _HOLE.finditer(english):
        literal.append(english[at : hole.start()])
        parts.append(re.escape(literal[-1]))
        name, kind = hole.group(1), hole.group(2) or ""
        within = english.count("(", 0, hole.start()) > english.count(")", 0, hole.start())
        one = {"n": _NUMBER, "w": _WORDS, "o": _NAME}.get(kind, _INSIDE if within else _CLAUSE)
        parts.append(f"(?P={name})" if name in kinds else f"(?P<{name}>{one})")
        kinds.setdefault(name, kind)
        at = hole.end()
    literal.append(english[at:])
    parts.append(re.escape(literal[-1]))
    if unknown := {h.group(1) for h in _HOLE.finditer(chinese)} - set(kinds):
        raise GmvCausalError(f"the Chinese of {english!r} names {sorted(unknown)}, which the English does not have")
    anchor = max(literal, key=len)
    return Template("".join(parts), anchor, chinese, kinds, 2 * sum(map(len, literal)) + bool(literal[0]))


@cache
def catalogue() -> tuple[dict[str, str], tuple[Template, ...]]:
    """Phrases without holes, and templates with them, the most specific first."""
    phrases: dict[str, str] = {}
    templates: list[Template] = []
    folder = resources.files("gmvcausal.present.chinese")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".txt")), key=lambda f: f.name):
        for english, chinese in entries(file.read_text(encoding="utf-8")):
            if _HOLE.search(english):
                templates.append(template(_start(english), chinese))
            else:
                phrases[_start(english)] = chinese
    return phrases, tuple(sorted(templates, key=lambda one: -one.weight))


def numbers(text: str) -> Counter[str]:
    """The numbers in a text, with their signs, and how often each stands there."""
    return Counter(_DIGITS.findall(text))


def _start(text: str) -> str:
    """Sentences begin with a capital that the same words inside another sentence do not have."""
    return text[:1].lower() + text[1:]


def _outside(text: str, mark: str, most: int = 0) -> list[str]:
    """`text` cut at `mark`, at most so often (0: always), but not inside brackets."""
    pieces: list[str] = []
    depth = start = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth <= 0 and i >= start and text.startswith(mark, i) and not (most and len(pieces) == most):
            pieces.append(text[start:i])
            start = i + len(mark)
    return [*pieces, text[start:]]


class Translator:
    """The catalogue with the Chinese of a user's own names.

    Parameters
    ----------
    labels : mapping of str to str
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = dict(labels)
        self._masks = Masks(self.labels)
        self._known = lru_cache(maxsize=20_000)(self._whole)

    def page(self, text: str) -> str:
        """The Chinese of `text` as a page prints it: the user's names whole, no space between Chinese words."""
        plain = " ".join(text.split())
        hidden = true_minus(self._masks.hidden(plain))
        for one in (hidden, text):  # a name may be made of our own words: then without it
            if (made := self.text(one)) != one:
                return self._masks.closed(made)
        return text if (shown := self._masks.shown(hidden)) == plain else shown

    def text(self, text: str) -> str:
        """The Chinese of `text`, piece by piece where the whole is not known."""
        plain = " ".join(text.split())
        if (own := self._own(plain)) != plain or plain in self.labels:
            return own  # a label that is the name itself keeps it from being taken for a word
        if not re.search("[A-Za-z\u4e00-\u9fff\ue000-\uf8fe]", plain):
            return text
        found = self._named_row(plain) or self._numbered(plain) or self._again(plain)
        found = found or self._known(plain) or self._pieces(plain)
        return self.named(text) if found is None else found

    def _named_row(self, text: str) -> str | None:
        """What the user named, with its number, or at one level of a column: the name may be a word of ours too."""
        head = re.fullmatch(r"(\(\d+\)) (.+)", text)
        if head and head.group(2) in self.labels:
            return f"{head.group(1)} {self.labels[head.group(2)]}"
        row = re.fullmatch(rf"(.+?), ({_NAME}) = ([^,;:]+)", text)
        if row and row.group(1) in self.labels:
            name, column, level = (self.named(part) for part in row.groups())
            return f"{name}，{column} = {level}"
        return None

    def _numbered(self, text: str) -> str | None:
        """A note on one column of a table: its number, the title of the result, and what is estimated."""
        note = re.fullmatch(r"(\(\d+\)) (.+)", text)
        parts = _outside(note.group(2), ": ") if note else []
        cuts = [(": ".join(parts[:k]), ": ".join(parts[k:])) for k in range(len(parts) - 1, 0, -1)]
        named = [cut for cut in cuts if self._known(cut[0]) is not None or cut[0] in self.labels]
        whole = [cut for cut in named if self._known(cut[1]) is not None]  # an estimand may have a colon of its own
        if not note or not named:
            return None
        title, rest = (whole or named)[0]
        return f"{note.group(1)} {self.text(title)}：{self.text(rest)}"

    def _again(self, text: str) -> str | None:
        """A title that stands for a second result: its number after it."""
        found = re.fullmatch(r"([A-Z].+) \((\d\d?)\)", text)  # titles have a capital
        made = self._known(found.group(1)) if found else None
        return f"{made}（{found.group(2)}）" if found and made else None

    def _whole(self, text: str) -> str | None:
        """The Chinese of a text that one entry covers."""
        stop = "。" if text.endswith(".") and len(text) > 1 else ""
        bare = _start(text[:-1] if stop else text)
        phrases, templates = catalogue()
        if bare in phrases:
            return phrases[bare] + stop
        for one in templates:
            if one.anchor in bare and (match := one.pattern.fullmatch(bare)):
                # The first letter as it was written: a hole may begin the sentence with a name.
                again = one.pattern.fullmatch(text[:-1] if stop else text) or match
                made = self._made(one, again)
                if self._same_numbers(text, made):
                    return made + stop
        return None

    def _same_numbers(self, english: str, chinese: str) -> bool:
        """Numbers inside the user's names may go with the names; no other may."""
        for name, label in self.labels.items():
            if numbers(name) or numbers(label):
                english, chinese = english.replace(name, ""), chinese.replace(label, "").replace(name, "")
        return numbers(english) == numbers(chinese)

    def _made(self, one: Template, match: re.Match[str]) -> str:
        return _HOLE.sub(lambda hole: self._filled(one, match, hole.group(1)), one.chinese)

    def _filled(self, one: Template, match: re.Match[str], name: str) -> str:
        text, kind = match.group(name), one.kinds[name]
        if kind in ("t", "w"):
            return self.text(text)
        if kind == "l":
            parts = (part.removeprefix("and ") for part in _outside(text, ", "))
            return "、".join(self.text(item) for part in parts for item in _outside(part, " and "))
        return self.named(text)

    def named(self, text: str) -> str:
        """The user's own names in Chinese, where they stand alone or in quotes."""
        if (own := self._own(text)) != text:
            return own
        return _QUOTED.sub(self._quoted, text)

    def _quoted(self, found: re.Match[str]) -> str:
        """Quotes of the language around what is known to be a name."""
        name = found.group(1)
        return f"“{self._own(name)}”"

    def _own(self, name: str) -> str:
        """A name of the user, or the two sides of a ratio of such names; anything else as it is."""
        sides = name.split(" / ")
        if all(side in self.labels or " " not in side for side in sides):
            return " / ".join(self.labels.get(side, side) for side in sides)
        return name

    def _pieces(self, text: str) -> str | None:
        """Sentences, then clauses, then what stands after a colon, each for itself."""
        for pieces, joint in (
            (_SENTENCE.split(text), ""),
            (_outside(text, "; "), "；"),
            (_outside(text, ": ", 1), "："),
        ):
            if len(pieces) > 1:
                made = [self.text(piece) for piece in pieces]
                if made != pieces:
                    out = made[0]
                    for before, piece in pairwise(made):
                        space = " " if joint == "" and before.endswith((".", "!", "?")) else ""
                        out += joint + space + piece
                    return out
        return None
