"""The user's own names inside our sentences: kept out of the way of the templates, and the spaces around them."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Private characters of Unicode stand for names while templates are matched; the last one for a space inside a name.
_FIRST, _SPACE = 0xE000, "\uf8ff"
_CHINESE = r"[\u4e00-\u9fff]"
# Punctuation of full width brings its own room: no space goes before it, none after it.
_WIDE = re.compile("(?<=\\S) +(?=[，。；：、／（）])|(?<=[，。；：、／（）]) +(?=\\S)")
_GAP = re.compile(rf"“[^”]*”|'[^']*'|(?<={_CHINESE}) +(?={_CHINESE})")


class Masks:
    """Names that no template could hold (brackets, spaces, colons) stand as one private character each.

    Parameters
    ----------
    labels : mapping of str to str
        Name -> what is printed in its place; a name that is to be printed as it is has itself.

    Examples
    --------
    >>> masks = Masks({"GMV (yuan)": "成交额(元)"})
    >>> len(masks.hidden("by GMV (yuan)"))
    4
    >>> masks.shown(masks.hidden("by GMV (yuan)"))
    'by 成交额(元)'
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        odd = {" ".join(name.split()): label for name, label in labels.items() if not re.fullmatch(r"\w+", name)}
        odd = {name: label for name, label in odd.items() if name and not re.search("[\ue000-\uf8ff]", name)}
        listed = sorted(odd, key=lambda name: (-len(name), name))[: ord(_SPACE) - _FIRST]
        self._token = {name: chr(_FIRST + i) for i, name in enumerate(listed)}
        self._label = {chr(_FIRST + i): odd[name].replace(" ", _SPACE) for i, name in enumerate(listed)}
        self._find = re.compile("|".join(_alone(name) for name in listed)) if listed else None
        self._tokens = re.compile("|".join(self._label)) if listed else None

    def hidden(self, text: str) -> str:
        """`text` with a private character for each such name."""
        return text if self._find is None else self._find.sub(lambda found: self._token[found.group()], text)

    def shown(self, text: str) -> str:
        """`text` with the labels in their places."""
        if self._tokens is not None:
            text = self._tokens.sub(lambda found: self._label[found.group()], text)
        return text.replace(_SPACE, " ")

    def closed(self, text: str) -> str:
        """`shown` without the spaces that English needs between two names in Chinese; names keep their own."""
        if self._tokens is not None:
            text = self._tokens.sub(lambda found: self._label[found.group()], text)
        text = _GAP.sub(lambda gap: gap.group().strip(" "), text)
        return _WIDE.sub("", text).replace(_SPACE, " ")


def _alone(name: str) -> str:
    """A name that is no part of a longer word."""
    before = r"(?<!\w)" if re.match(r"\w", name) else ""
    after = r"(?!\w)" if re.search(r"\w$", name) else ""
    return f"{before}{re.escape(name)}{after}"
