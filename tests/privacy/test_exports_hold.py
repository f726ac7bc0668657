"""What no export may do with a name: break the XML of a picture or of a Word file, run, or leave JSON."""

# names and values are tables: one a line

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import style
from gmvcausal.present.table import Table
from gmvcausal.results.curves import Curves, Line
from gmvcausal.results.manifest import Manifest

NAMES = [
    "]]>",
    "</svg><script>x</script>",
    "\x00\x0b\x1f",
    "\ud800",
    "\ufffe",
    "&amp;",
    "a\tb\nc",
    "\u2028\u2029",
    "活动\u202e",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_pictures_and_word_files_stay_whole(name: str, tmp_path: Path) -> None:
    x = np.arange(3.0)
    drawn = style.svg(Curves(name, name, name, (Line(name, x, x, "line"),), ticks=(name,) * 3).draw())
    ET.fromstring(drawn.encode("utf-8"))
    assert "<script" not in drawn
    Table(name, ("", name), ((name, name),), name).to_docx(tmp_path / "a.docx")
    with zipfile.ZipFile(tmp_path / "a.docx") as parts:
        for part in parts.namelist():
            if part.endswith((".xml", ".rels")):
                ET.fromstring(parts.read(part))


def no_number(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize(
    "value",
    [np.float32("nan"), float("inf"), [np.nan, (1, -np.inf)], {"a": np.nan}, np.datetime64("NaT"), "\ud800", pd.NA],
)
def test_manifests_are_json_that_fits_a_file(value: Any, tmp_path: Path) -> None:
    text = Manifest("verb", {"option": value}, None, 1, 1, dropped={"\ud800": 1}, notes=("\udfff",)).to_json()
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert "option" in json.loads(text, parse_constant=no_number)["options"]


def test_a_hostile_test_makes_a_whole_page_and_chapter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arm = np.where(np.arange(120) % 2, "<script>x</script>", "c")
    users = pd.DataFrame({"arm": arm, "]]>&\x0b": rng.gamma(2, 10, 120)})
    test = gc.ab_test(users, control="c", metrics="]]>&\x0b")
    extra = [("<b>\x00", pd.DataFrame({"<i>": ["<u>", np.nan], "=1+1": [np.inf, 1]}))]
    gc.report(test, tmp_path / "a.html", title="</title><script>\x0b", question="<img src=x onerror=y>", extra=extra)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert not any(tag in page for tag in ("<script", "<img src=x", "<b>", "<i>", "<u>", "\x0b", "\x00"))
    gc.report(test, tmp_path / "a.docx", title="</w:t><script>\x0b", extra=extra)
    with zipfile.ZipFile(tmp_path / "a.docx") as parts:
        for part in parts.namelist():
            if part.endswith((".xml", ".rels")):
                ET.fromstring(parts.read(part))
