"""Letters that the package's own fonts lack: drawn by a font of the machine, and named where none has them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from matplotlib import font_manager, ft2font
from matplotlib.text import Text

from gmvcausal.errors import GmvCausalWarning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Taken first, in this order, where several fonts of the machine have a letter.
CJK = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Zen Hei",
)
# The first is matplotlib's, and draws every letter as a box; the others hold pictures that it cannot draw.
_NO_LETTERS = ("Last Resort", "Color Emoji")
_SHOWN = 10
_known: dict[str, str | None] = {}  # letter -> the family that draws it; a search opens every font once


def complete(figure: Figure, own: Iterable[frozenset[int]], told: set[str]) -> None:
    """Let every text of a figure fall back to the machine's fonts for what ours lack; warn once of what none has.

    Parameters
    ----------
    figure : Figure
        Its texts are given further families where they need them.
    own : iterable of frozenset of int
        The code points of the fonts that the texts have anyway.
    told : set of str
        Letters that were warned of already; those of this figure are added.

    Warns
    -----
    GmvCausalWarning
        Naming letters that no font here has.
    """
    held = frozenset().union(*own)
    lacking = {text: _lacking(text.get_text(), held) for text in _texts(figure)}
    families = _families(set().union(*lacking.values()))
    for text, letters in lacking.items():
        has = text.get_fontfamily()
        more = dict.fromkeys(name for c in letters if (name := families[c]) is not None and name not in has)
        if more:
            text.set_fontfamily([*has, *more])
    boxes = sorted(c for c, name in families.items() if name is None and c not in told)
    told.update(boxes)
    if boxes:
        named = ", ".join(boxes[:_SHOWN]) + (", ..." if len(boxes) > _SHOWN else "")
        warnings.warn(
            f"no font on this machine has {len(boxes)} of the letters of a figure, which are drawn as boxes: {named}; "
            "install a font that has them (such as Noto Sans CJK, 思源黑体), or write these names in other letters "
            "through labels=",
            GmvCausalWarning,
            stacklevel=2,
        )


def undrawable(texts: Iterable[str], own: Iterable[frozenset[int]]) -> set[str]:
    """The letters that no font here has, neither ours nor the machine's."""
    held = frozenset().union(*own)
    found = _families({c for text in texts for c in _lacking(text, held)})
    return {c for c, name in found.items() if name is None}


def texts_of(figure: Figure) -> list[str]:
    """What is written on a figure, names at ticks too."""
    return [text.get_text() for text in _texts(figure)]


def _texts(figure: Figure) -> list[Text]:
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()  # names at ticks are written when they are asked for, else while they are drawn
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def _lacking(text: str, held: frozenset[int]) -> list[str]:
    return [c for c in dict.fromkeys(text) if ord(c) not in held and c not in "\n\t"]


def _families(letters: set[str]) -> dict[str, str | None]:
    new = letters - _known.keys()
    if new:
        _known.update(_searched(new))
    return {c: _known[c] for c in letters}


def _searched(letters: set[str]) -> dict[str, str | None]:
    """Look through every font of the machine, also those installed since matplotlib made its list of them."""
    manager = font_manager.fontManager
    listed = {entry.fname for entry in manager.ttflist}
    holders: dict[str, set[str]] = {c: set() for c in letters}
    for path in sorted(listed | set(font_manager.findSystemFonts())):
        try:
            font = ft2font.FT2Font(path)
            has = [c for c in letters if font.scalable and font.get_char_index(ord(c))]
            if has and path not in listed:
                manager.addfont(path)
        except (OSError, RuntimeError, ValueError):  # a font that is broken or gone is no font to draw with
            continue
        if has:
            names = {e.name for e in manager.ttflist if e.fname == path and not any(w in e.name for w in _NO_LETTERS)}
            for c in has:
                holders[c] |= names
    return {c: min(names, key=_rank, default=None) for c, names in holders.items()}


def _rank(family: str) -> tuple[int, str]:
    """Those known to be good, then those without serifs, then any."""
    if family in CJK:
        return CJK.index(family), family
    plain = any(word in family for word in ("Sans", "Hei", "Gothic"))
    return len(CJK) + (0 if plain and "Mono" not in family else 1), family
