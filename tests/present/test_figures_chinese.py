"""Every figure in Chinese: all its texts, with the package's own fonts, and no number changed."""

from __future__ import annotations

import io
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.present import figures, letters, style
from gmvcausal.present.chinese.matching import numbers

LATIN_WORDS = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}")
NAMES = ("Callaway", "Sant'Anna", "Goodman-Bacon")


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()  # names at ticks are written when it is drawn
    return [t.get_text() for t in figure.findobj(Text) if t.get_text().strip()]


@pytest.fixture
def own_fonts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without any Chinese font."""
    own = (style._LATIN, style._own())
    glyphs = tuple(frozenset(FT2Font(font_manager.findfont(name)).get_charmap()) for name in own)
    monkeypatch.setattr(style, "families", lambda: own)
    monkeypatch.setattr(style, "_glyphs", lambda: glyphs)
    monkeypatch.setattr(letters, "_known", {})
    monkeypatch.setattr(letters, "_searched", lambda found: dict.fromkeys(found))


@pytest.mark.usefixtures("own_fonts_alone")
@pytest.mark.parametrize("name", ["gain", "trend", "twfe", "stacked"])
def test_every_kind_of_figure_is_chinese_throughout(results: dict[str, Any], name: str) -> None:
    result = results[name]
    for kind in figures.kinds(result):
        english, chinese = result.plot(kind), result.plot(kind, language="zh", labels={"gmv": "成交额"})
        said, put = texts(english), texts(chinese)
        left = [t for t in put if LATIN_WORDS.search(t) and not any(n in t for n in NAMES)]
        assert not left, kind
        before, after = numbers(" ".join(said)), numbers(" ".join(put))
        if kind == "heatmap":  # its ticks out of sight are written as often as it is drawn
            assert set(before) == set(after)
        else:
            assert before == after, kind
        assert any("\u4e00" <= c <= "\u9fff" for t in put for c in t), kind
        assert all(style.drawable(t) for t in put), kind
        assert "<text" not in style.svg(chinese)  # outlines: no reader needs the font


def test_names_of_the_user_are_replaced_in_either_language(results: dict[str, Any]) -> None:
    figure = results["gain"].plot("estimates", labels={"gmv": "sales"})
    assert "sales per unit-period" in texts(figure)
    assert any("成交额" in t for t in texts(results["gain"].plot(language="zh", labels={"gmv": "成交额"})))
    with pytest.raises(gc.InputError, match="language must be one of"):
        results["gain"].plot(language="cn")


def test_print_in_vectors_and_in_300_dots(results: dict[str, Any]) -> None:
    figure = results["gain"].plot(language="zh")
    for kind, head in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=300)
        assert buffer.getvalue().startswith(head)


def test_a_cut_name_is_put_into_chinese_whole(results: dict[str, Any]) -> None:
    robust = results["gain"].robustness()
    put = texts(robust.plot(language="zh"))
    assert any("缩尾" in t for t in put)  # the English name is longer than its place


def ranked(names: tuple[str, ...]) -> style.Drawing:
    """A figure with names at its ticks, which matplotlib writes only while it draws."""
    with style.applied():
        figure, axes = style.drawing(4, 3)
        axes.barh(range(len(names)), range(1, len(names) + 1))
        axes.set_yticks(range(len(names)), names)
    return figure


def warned(figure: Figure, form: str = "png") -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(io.BytesIO(), format=form)
        figure.savefig(io.BytesIO(), format=form)
    return [str(w.message) for w in caught]


@pytest.mark.usefixtures("own_fonts_alone")
def test_letters_without_a_font_are_named_once_with_the_remedy() -> None:
    assert warned(ranked(("王喆", "李璟瑄", "祎垚燚", "堃珺赟犇", "朱镕基", "夢の京"))) == [
        "no font on this machine has 1 of the letters of a figure, which are drawn as boxes: 夢; install a font that "
        "has them (such as Noto Sans CJK, 思源黑体), or write these names in other letters through labels="
    ]  # names of people that GB 2312 lacks are in our font
    for form in ("png", "pdf", "svg"):
        (only,) = warned(ranked(("𠮷野", "臺灣", "🛒")), form)
        assert "4 of the letters" in only and ": 灣, 臺, 🛒, 𠮷;" in only
    assert not warned(ranked(("plain", "普通")))


@pytest.mark.usefixtures("own_fonts_alone")
def test_a_page_leaves_letters_without_a_font_to_the_browser() -> None:
    drawn = style.svg(ranked(("臺灣", "b")))
    assert ">臺灣</text>" in drawn
    assert "<text" not in style.svg(ranked(("喆", "b")))


@pytest.mark.usefixtures("own_fonts_alone")
def test_a_font_of_the_machine_draws_what_ours_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "_searched", lambda found: dict.fromkeys(found, "DejaVu Serif"))
    figure = ranked(("臺灣", "普通"))
    figure.draw_without_rendering()
    with_it, without = (t for t in figure.axes[0].get_yticklabels() if t.get_text() in ("臺灣", "普通"))
    assert with_it.get_fontfamily()[-1] == "DejaVu Serif" and "DejaVu Serif" not in without.get_fontfamily()


def test_fonts_are_found_by_their_letters_and_boxes_are_no_letters(tmp_path: Path, monkeypatch: Any) -> None:
    """A font that came after matplotlib had listed the fonts is found; broken files are passed over."""
    manager = font_manager.fontManager
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    listed = [e for e in manager.ttflist if Path(e.fname).name in ("DejaVuSans.ttf", "LastResortHE-Regular.ttf")]
    monkeypatch.setattr(manager, "ttflist", listed)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    new = shutil.copy(folder / "STIXGeneral.ttf", tmp_path)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "broken.ttf"), str(new)])
    only_stix = "\u210a"  # script small g
    sans = [FT2Font(str(folder / "DejaVuSans.ttf")), FT2Font(str(new))]
    assert [bool(font.get_char_index(ord(only_stix))) for font in sans] == [False, True]
    assert letters._searched({"a", only_stix, "夢"}) == {"a": "DejaVu Sans", only_stix: "STIXGeneral", "夢": None}
    good = ["Noto Sans CJK SC", "SimHei", "Noto Sans CJK JP", "AR PL KaitiM GB", "Noto Sans Mono CJK JP"]
    assert sorted({*good}, key=letters._rank) == good
