"""Numbers and foreign text for human eyes: significant digits, a real minus sign, names that cannot break a page."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

MINUS = "\u2212"
NOT_GIVEN = "\u2013"

# What neither UTF-8 nor XML can hold: control characters but tab and newline, lone surrogates, the two non-characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


_ISOLATES = re.compile("[\u2066-\u2069]")
_ISOLATED = re.compile("\u2068[^\u2066-\u2069]*\u2069")


def clean(text: object) -> str:
    """Text that every export can hold: what UTF-8 or XML refuse becomes U+FFFD, all else survives as it is."""
    return _UNPRINTABLE.sub("\ufffd", str(text))


def inline(text: object) -> str:
    """`clean` text on one line; a name that switches the writing direction is isolated from the sentence around it."""
    line = re.sub(r"\s*[\r\n\t]+\s*", " ", clean(text))
    if not _BIDI.search(_ISOLATED.sub("", line)):  # what is isolated already stays as it is
        return line
    return f"\u2068{_ISOLATES.sub('', line)}\u2069"


def display_width(text: str) -> int:
    """Columns on a terminal: wide characters take two, marks and zero-width characters none."""
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Mn", "Me")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def decimals(x: float, digits: int = 3) -> int:
    """Decimal places that show `digits` significant digits of `x` (none from a thousand on)."""
    if not math.isfinite(x) or x == 0:
        return 0
    return min(max(0, digits - 1 - math.floor(math.log10(abs(x)))), 15)


def fixed(x: float, places: int, *, signed: bool = False, currency: str = "") -> str:
    """`x` with a fixed number of decimals, thousands separators and the minus sign of print.

    Examples
    --------
    >>> fixed(-1234.567, 1, currency="$")
    '−$1,234.6'
    >>> fixed(0.5, 2, signed=True)
    '+0.50'
    """
    if not math.isfinite(x):
        return NOT_GIVEN if math.isnan(x) else ("\u221e" if x > 0 else f"{MINUS}\u221e")
    size = f"{abs(x):,.{places}f}" if abs(x) < 1e15 else f"{abs(x):.4g}"
    zero = not any(c in "123456789" for c in size.partition("e")[0])
    sign = "" if zero else MINUS if x < 0 else "+" if signed else ""
    return f"{sign}{currency}{size}"


def number(x: float, digits: int = 3, *, signed: bool = False, currency: str = "") -> str:
    """`x` with `digits` significant digits; money below ten keeps its cents.

    Examples
    --------
    >>> number(33.226), number(0.0153), number(1234567.0), number(0.899, 2, currency="$")
    ('33.2', '0.0153', '1,234,567', '$0.90')
    >>> number(4.2e-9)
    '4.2e−09'
    """
    if math.isfinite(x) and 0 < abs(x) < 1e-5:
        tail = f"{abs(x):.{digits}g}".replace("-", MINUS)
        return f"{MINUS if x < 0 else '+' if signed else ''}{currency}{tail}"
    places = decimals(x, digits)
    if currency and places:  # a price has cents, and no tenths of a cent unless it is small
        places = max(2, places) if abs(x) < 0.1 else 2
    text = fixed(x, places, signed=signed, currency=currency)
    spare = places - 2 if currency else 0
    return re.sub(rf"0{{1,{spare}}}$", "", text) if spare > 0 else text


# A hyphen before a number, where no word, name, date, range or code stands right before it.
_HYPHEN = re.compile(r"(?<![^\s(\[])(?<![=\w,][(\[])-(?=[$¥€£]?\.?\d)")


def true_minus(text: str, own: Iterable[str] = ()) -> str:
    """`text` with minus signs for the hyphens before its numbers, so that no line is broken after one.

    Parameters
    ----------
    text : str
        A sentence of ours.
    own : iterable of str
        Names of the user, which stay as they are.

    Examples
    --------
    >>> true_minus("the largest is -202 (-3.5 to 1) on 2025-06-02, window=(-7, 0)")
    'the largest is −202 (−3.5 to 1) on 2025-06-02, window=(-7, 0)'
    >>> true_minus("tier -1: -2", own=["tier -1"])
    'tier -1: −2'
    """
    kept = sorted({name for name in own if _HYPHEN.search(name)}, key=len, reverse=True)
    find = re.compile("|".join([*map(re.escape, kept), _HYPHEN.pattern]))
    return find.sub(lambda found: MINUS if found.group() == "-" else found.group(), text)


def beside(std_error: float, *values: float, digits: int = 2) -> int:
    """Decimal places for an estimate: `digits` significant digits of its standard error, else of the values."""
    if math.isfinite(std_error) and std_error > 0:
        return decimals(std_error, digits)
    finite = [abs(v) for v in values if math.isfinite(v) and v != 0]
    return decimals(max(finite), digits + 1) if finite else 0


def sided(x: float, places: int) -> int:
    """Decimal places, from `places` on, at which `x` is not rounded to zero unless it is zero.

    Examples
    --------
    >>> sided(-0.27, 0), sided(-27.0, 0), sided(-0.0004, 1), sided(0.0, 1)
    (1, 0, 4, 1)
    """
    if not math.isfinite(x) or x == 0 or round(abs(x), places) > 0:
        return places
    return decimals(x, 1)


def percent(share: float) -> str:
    """A share as a percentage, two significant digits below ten per cent.

    Examples
    --------
    >>> percent(0.0171), percent(0.5603), percent(-12.5)
    ('1.7%', '56%', '−1,250%')
    """
    if not math.isfinite(share):
        return NOT_GIVEN
    value = 100 * share
    return fixed(value, 0 if abs(value) >= 9.95 else 1) + "%"


# What one, two and three stars stand for.
STARS = {"journal": (0.05, 0.01, 0.001), "cn": (0.10, 0.05, 0.01)}


def stars(p: float, style: str) -> str:
    """The stars of a p-value; none where it is missing.

    Examples
    --------
    >>> stars(0.03, "journal"), stars(0.03, "cn"), stars(float("nan"), "cn")
    ('*', '**', '')
    """
    return "*" * sum(p < bound for bound in STARS[style])


def stars_words(style: str) -> str:
    """What the stars stand for, as notes print it."""
    return ", ".join(f"{'*' * (i + 1)} p < {bound:g}" for i, bound in enumerate(STARS[style]))


def p_value(p: float) -> str:
    """A p-value as papers print it."""
    if math.isnan(p):
        return NOT_GIVEN
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def wrap(text: str, width: int) -> list[str]:
    """Wrapped lines by display width: Chinese, which has no spaces, breaks between any two characters; words do not.

    Examples
    --------
    >>> wrap("用户 收到 coupon 的效果 2.861", 12)
    ['用户 收到', 'coupon 的效', '果 2.861']
    """
    lines, line = [], ""
    for word in text.split():
        gap = " " if line else ""
        for piece in _pieces(word):
            if display_width(line + gap + piece) <= width:
                line += gap + piece
            else:
                lines.append(line)
                line = piece
                while display_width(line) > width:  # a word longer than a line
                    head = cut(line, width, mark="")
                    lines.append(head)
                    line = line[len(head) :]
            gap = ""
    return [found for found in [*lines, line] if found] or [""]


def _pieces(word: str) -> list[str]:
    """Where a word without spaces may be broken: beside wide characters."""
    out: list[str] = []
    for c in word:
        if (out and display_width(c) < 2 and display_width(out[-1][-1]) < 2) or (out and c in "，。；：！？）》”、"):
            out[-1] += c
        else:
            out.append(c)
    return out


class Cut(str):
    """A text that was cut, with what it was: another language needs the whole."""

    full: str
    width: int
    line: int | None = None


def cut(text: str, width: int, mark: str = "...") -> str:
    """`text` within `width` columns; what is left out is marked.

    Examples
    --------
    >>> found = cut("outcome winsorised", 10)
    >>> found, found.full
    ('outcome...', 'outcome winsorised')
    """
    if display_width(text) <= width:
        return text
    found = Cut(_within(text, width, mark))
    found.full, found.width = text, width
    return found


def cut_lines(text: str, width: int, line: int) -> Cut:
    """`text` within `width` columns, broken into lines of `line` columns.

    Examples
    --------
    >>> found = cut_lines("outcome winsorised at a quantile", 25, 12)
    >>> found.splitlines(), found.full
    (['outcome', 'winsorised', 'at ...'], 'outcome winsorised at a quantile')
    """
    found = Cut("\n".join(wrap(cut(text, width), line)))
    found.full, found.width, found.line = text, width, line
    return found


def _within(text: str, width: int, mark: str) -> str:
    used, room = 0, width - len(mark)
    for i, c in enumerate(text):
        used += display_width(c)
        if used > room:
            return text[:i] + mark
    return text
