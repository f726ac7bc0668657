"""The Chinese font in the package: what it draws, and that matplotlib can write it everywhere."""

from __future__ import annotations

import io
import re
import warnings
from importlib import resources
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

FOLDER = Path(str(resources.files("gmvcausal.present"))) / "fonts"
FONT = FOLDER / "NotoSansSC-subset.ttf"
NAMES = "喆璟瑄祎垚燚堃珺赟犇镕昇晳瀞翀璿淏嫄琤珮玥钘玹旸暐彧妘媖頔堉湉芃昉珅炘"  # of people, outside of GB 2312
TITLE = "处理后各周的增量成交额（元/人·周）：−12.5% ± 3.1，p ≤ 0.05"


def test_the_font_draws_the_national_character_set_and_the_marks_of_a_table():
    drawn = set(FT2Font(str(FONT)).get_charmap())
    rows = range(0xB0, 0xF8)
    characters = "".join(
        bytes([row, cell]).decode("gb2312", errors="ignore") for row in rows for cell in range(0xA1, 0xFF)
    )
    assert len(characters) == 6763
    marks = "–−×±≤≥…‰¥€†•→∞²σρχ，。（）：；、“”《》【】％"
    missing = {c for c in characters + marks + bytes(range(0x21, 0x7F)).decode("ascii") if ord(c) not in drawn}
    assert not missing
    assert not {c for c in NAMES if ord(c) not in drawn}
    assert FONT.stat().st_size < 2_200_000


def test_every_chinese_sentence_of_the_package_can_be_drawn():
    latin = font_manager.findfont("DejaVu Sans")  # comes with matplotlib, and is tried first
    drawn = set(FT2Font(str(FONT)).get_charmap()) | set(FT2Font(latin).get_charmap())
    for path in sorted((FOLDER.parents[1]).rglob("*.txt")):
        if path.name != "OFL.txt":
            text = path.read_text("utf-8")
            assert not {c for c in text if ord(c) not in drawn and not c.isspace()}, path.name


def test_the_licence_travels_with_the_font_and_its_reserved_name_is_not_used():
    licence = (FOLDER / "OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    reserved = re.search(r"Reserved Font Name '(\w+)'", licence)
    assert reserved
    family = FT2Font(str(FONT)).family_name
    assert family == "Noto Sans SC Subset"
    assert reserved[1] not in family


@pytest.fixture
def only_our_font(monkeypatch: pytest.MonkeyPatch) -> str:
    """matplotlib as on a machine without Chinese fonts, with ours added; put back afterwards."""
    entry = font_manager.ttfFontProperty(FT2Font(str(FONT)))
    manager = font_manager.fontManager
    ours = [e for e in manager.ttflist if e.name.startswith("DejaVu")]
    monkeypatch.setattr(manager, "ttflist", [*ours, entry])
    assert entry.fname == str(FONT)
    return str(entry.name)


@pytest.mark.parametrize(
    ("form", "settings", "written"),
    [
        ("png", {}, b"\x89PNG"),
        ("svg", {"svg.fonttype": "path"}, b"<path id="),
        ("pdf", {"pdf.fonttype": 3}, b"/Type3"),
        ("pdf", {"pdf.fonttype": 42}, b"/FontFile2"),
    ],
)
def test_figures_in_every_form_hold_chinese_letters(only_our_font: str, form: str, settings: dict, written: bytes):
    held = {"font.family": ["DejaVu Sans", only_our_font], "axes.unicode_minus": True, "pdf.compression": 0}
    with mpl.rc_context({**held, **settings}), warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing letter is a warning
        figure = Figure()
        figure.subplots().set_title(TITLE)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form)
    data = buffer.getvalue()
    assert written in data
    assert len(data) < 400_000  # the letters used, not the whole font
    if form == "svg":
        assert b"<text" not in data
    if form == "pdf":
        assert b"NotoSansSCSubset" in data
