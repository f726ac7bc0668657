"""The gallery: each section has one picture, drawn by the lines under it, and no picture lies beside the page.

To draw the pictures anew: python tests/test_gallery.py
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from contextlib import chdir
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "gallery.md"
FOLDER = ROOT / "docs" / "assets" / "gallery"
IMAGE = re.compile(r"!\[(?P<words>[^\]]+)\]\(assets/gallery/(?P<file>[a-z-]+\.svg)\)")
LETTERS = re.compile(r"<!-- (.*?) -->")  # beside the outlines of a text, matplotlib writes the text


def sections() -> dict[str, str]:
    """Heading to what stands under it."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def drawn() -> dict[str, str]:
    """File to its SVG, from the page's own code, run in the order of the page."""
    import matplotlib.pyplot as plt

    from gmvcausal.present.style import svg

    page = PAGE.read_text(encoding="utf-8")
    begins = {m["file"]: page[: m.start()].count("\n") for m in IMAGE.finditer(page)}
    namespace: dict[str, object] = {"__name__": "__main__"}
    found: dict[str, str] = {}
    last = None
    try:
        for block in blocks(page):
            if block.language == "python":
                exec(compile("\n" * (block.line - 1) + block.text, str(PAGE), "exec"), namespace)
                figure = namespace.get("figure")
                if figure is not last:
                    name = max((line, file) for file, line in begins.items() if line < block.line)[1]
                    assert name not in found, f"two figures for {name}"
                    found[name], last = svg(figure), figure  # type: ignore[arg-type]  # the page's `figure` is one
    finally:
        plt.close("all")
    return found


def test_every_section_has_a_picture_a_sentence_and_few_lines() -> None:
    found = sections()
    assert len(found) >= 16
    for heading, text in found.items():
        assert len(IMAGE.findall(text)) == 1, heading
        before, code = text.split("![")[0].strip(), blocks(text)
        assert before and len(code) == 1 and code[0].language == "python", heading
        assert len(code[0].text.strip().splitlines()) <= 5, heading


def test_the_folder_holds_what_the_page_shows() -> None:
    shown = [m["file"] for m in IMAGE.finditer(PAGE.read_text(encoding="utf-8"))]
    assert len(shown) == len(set(shown))
    assert {p.name for p in FOLDER.iterdir()} == set(shown)


def test_pictures_are_those_that_the_code_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letter by letter: outlines are another matplotlib's own affair."""
    monkeypatch.chdir(tmp_path)
    fresh = drawn()
    assert set(fresh) == {p.name for p in FOLDER.iterdir()}
    for name, picture in fresh.items():
        kept = (FOLDER / name).read_text(encoding="utf-8")
        words = Counter(LETTERS.findall(picture))
        assert sum(words.values()) >= 5, f"{name} has hardly a word in it"
        if name.endswith("-zh.svg"):  # its words are the catalogue's, which has tests of its own
            assert sum("\u4e00" <= letter <= "\u9fff" for word in words for letter in word) > 20
            continue
        assert words == Counter(LETTERS.findall(kept)), f"{name} is out of date; run: python tests/test_gallery.py"


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "Agg"
    warnings.simplefilter("error")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as away, chdir(away):
        pictures = drawn()
    for old in FOLDER.iterdir():
        old.unlink()
    for name, picture in pictures.items():
        (FOLDER / name).write_text(picture, encoding="utf-8")
