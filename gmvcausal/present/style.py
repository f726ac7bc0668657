"""How figures look, and how they are written: the same bytes for the same numbers, on any machine."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager, ft2font
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

from gmvcausal.present import digits, letters

# Okabe and Ito: told apart by colour-blind readers, and in print by lightness.
INK, GREY, LIGHT = "#1b1f24", "#6b7280", "#d5d9de"
BLUE, VERMILION = "#0b5c94", "#b3470d"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8A8D91")
FAILED = ("audit failed", "审计未通过")
_LATIN = "DejaVu Sans"  # comes with matplotlib, so that a figure is the same everywhere


@cache
def families() -> tuple[str, ...]:
    """The fonts of the figures: matplotlib's own, the package's for Chinese, and whatever else this machine has."""
    known = set(font_manager.get_font_names())
    return (_LATIN, _own(), *(name for name in letters.CJK if name in known))


def _own() -> str:
    """The name of the package's font, made known to matplotlib; it has one weight, which titles use too."""
    path = str(resources.files("gmvcausal.present").joinpath("fonts", "NotoSansSC-subset.ttf"))
    fonts = font_manager.fontManager
    if not any(entry.fname == path for entry in fonts.ttflist):
        fonts.addfont(path)
        fonts.ttflist.append(replace(fonts.ttflist[-1], weight=700))
    return ft2font.FT2Font(path).family_name


def settings() -> dict[str, Any]:
    """Our settings: held while a figure is made or drawn, never left behind."""
    return {
        "font.family": list(families()),
        "font.size": 10,
        "text.parse_math": False,  # a room called $x_1$ is a name, not a formula
        "text.usetex": False,
        "text.color": INK,
        "axes.unicode_minus": True,
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.formatter.useoffset": False,
        "axes.formatter.use_mathtext": False,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "savefig.facecolor": "white",
        "svg.hashsalt": "gmvcausal",
    }


@contextmanager
def applied(**more: Any) -> Iterator[None]:
    """Our settings, for the length of a block.

    A letter that no font on this machine has is drawn as a box in PNG, and as text in SVG for the browser to set.
    `letters.complete` says so once, with the remedy; matplotlib's own warnings, one for each letter each time it is
    measured, are silenced here and nowhere else.
    """
    held: Any = {**settings(), **more}  # the stubs list every key as a literal
    with mpl.rc_context(held), warnings.catch_warnings():
        # Said once by `letters` (docstring).
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from font", category=UserWarning)  # see above
        yield


class Drawing(Figure):
    """A matplotlib figure that keeps its own style wherever it is drawn, and shows itself in notebooks.

    Attributes
    ----------
    told : set of str
        Letters without a font that were warned of; figures of one report share it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told: set[str] = set()

    def draw(self, renderer: Any) -> None:
        """Draw under our settings.

        To write a file matplotlib draws twice: first on nothing, to have the axes laid out, then on the file with the
        layout switched off. The first time we lay out and draw nothing; the file is the same.
        """
        with applied():
            letters.complete(self, _glyphs(), self.told)
            layout = self.get_layout_engine()
            if self.canvas.is_saving() and isinstance(layout, ConstrainedLayoutEngine):
                with suppress(ValueError):  # as in matplotlib: a figure too small to lay out is drawn as it is
                    layout.execute(self)
            else:
                super().draw(renderer)

    def get_tightbbox(self, *args: Any, **kwargs: Any) -> Bbox:
        """Measure under our settings."""
        with applied():
            return super().get_tightbbox(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def drawing(width: float, height: float) -> tuple[Drawing, Axes]:
    """An empty figure of that size in inches, and its axes; call it inside `applied`."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def panels(count: int, width: float, height: float) -> tuple[Drawing, list[Axes]]:
    """An empty figure with `count` axes side by side that share their y axis; call it inside `applied`."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    found = figure.subplots(1, count, sharey=True, squeeze=False)
    return figure, list(found[0])


def title(axes: Axes, text: str, failed: Sequence[str] = ()) -> None:
    """The title, with the word of the audit beside it where it failed: figures travel without their page."""
    axes.set_title("\n".join(_title_lines(text, failed)))


def heading(figure: Figure, text: str, failed: Sequence[str] = ()) -> None:
    """The title of a figure with several axes."""
    lines = _title_lines(text, failed)
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11, fontweight="bold")


def _title_lines(text: str, failed: Sequence[str]) -> list[str]:
    return [*digits.wrap(text, 80), *([f"{FAILED[0]}: {', '.join(failed)}"] if failed else [])]


def taken_title(figure: Figure) -> str:
    """Take the title off a figure, for a caption to say it; a failed audit stays written on the figure."""
    with applied():
        if figure.get_suptitle():
            told, kept = _parted(figure.get_suptitle())
            figure.suptitle(kept, x=0.01, ha="left", fontsize=11, fontweight="bold")
            return told
        for axes in figure.axes[:1]:
            told, kept = _parted(axes.get_title("left"))
            axes.set_title(kept)
            return told
    return ""


def _parted(title: str) -> tuple[str, str]:
    lines = [line for line in title.split("\n") if line]
    return " ".join(t for t in lines if not t.startswith(FAILED)), "\n".join(t for t in lines if t.startswith(FAILED))


def wrapped(text: str, width: int) -> str:
    """A label on at most three lines."""
    lines = digits.wrap(digits.inline(text), width)
    return "\n".join([*lines[:3], "..."] if len(lines) > 3 else lines)


def svg(figure: Figure) -> str:
    """The figure as SVG, the same bytes each time.

    Letters become outlines, so that no reader needs our font; where a text has letters that no font here can draw
    (Chinese, on many servers), texts stay text and the browser sets them.
    """
    with applied():
        boxes = letters.undrawable(letters.texts_of(figure), _glyphs())
    if isinstance(figure, Drawing):
        figure.told |= boxes  # the browser sets them: nothing is lost
    buffer = io.StringIO()
    # matplotlib reads these settings while it writes, after `draw` has begun: they must hold around the whole call.
    with applied(**{"svg.fonttype": "none" if boxes else "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def drawable(text: str) -> bool:
    """Whether the fonts at hand have every letter of `text`."""
    return not letters.undrawable([text], _glyphs())


@cache
def _glyphs() -> tuple[frozenset[int], ...]:
    found = []
    for family in families():
        path = font_manager.findfont(family)
        found.append(frozenset(ft2font.FT2Font(path).get_charmap()))
    return tuple(found)


def bare(axes: Axes, *, zero: str = "") -> None:
    """Light grid across, and a line at no effect on the axis named."""
    axes.grid(axis="y" if zero != "x" else "x", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    if zero == "y":
        axes.axhline(0, color=INK, linewidth=0.9)
    elif zero == "x":
        axes.axvline(0, color=INK, linewidth=0.9)
