"""Every figure in Chinese: all its texts, with the package's own fonts, and no number changed."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.present import figures, style
from gmvcausal.present.chinese.matching import numbers

LATIN_WORDS = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}")
NAMES = ("Callaway", "Sant'Anna", "Goodman-Bacon")


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()  # names at ticks are written when it is drawn
    return [t.get_text() for t in figure.findobj(Text) if t.get_text().strip()]


@pytest.fixture
def own_fonts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without any Chinese font."""
    style._glyphs.cache_clear()
    own = (style._LATIN, style._own())
    monkeypatch.setattr(style, "families", lambda: own)


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
    style._glyphs.cache_clear()


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
