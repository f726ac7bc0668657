"""Rows 73 and 74: names that a spreadsheet, a browser, LaTeX or a file system would take for something else."""

from __future__ import annotations

import csv
import html
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import digits, figures, spreadsheet, style
from gmvcausal.present.table import Table, latex

HOSTILE = [
    "=cmd()", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1", "\u200b=1",
    "<script>alert(1)</script>", '"><img src=x onerror=y>',
    "\\input{x}", "$x_1$ & 100%", "{{ 7 * 7 }}", "{% raw %}", "a|b~c^d#e", "[t]", "*", "`x`",
    "活动\u202e", "a\u200bb", "🎉 优惠券",
    "\ud800 half", "\x00\x07", "_hidden", "名" * 500, "x" * 3000, "../../etc/name", "two\nlines", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile() -> Any:
    """A stacked result over campaigns that bear the names, with an outcome that bears one too."""
    rng = np.random.default_rng(5)
    names = [n for n in HOSTILE if "\ud800" not in n and "\x00" not in n and n][:24]
    parts = []
    for name in names:
        for t in range(-2, 2):
            on = ((np.arange(30) < 12) & (t >= 0)).astype(int)
            parts.append(
                pd.DataFrame({"u": np.arange(30), "c": name, "t": t, "on": on, "<i>$x_1$": rng.normal(size=30) + on})
            )
    frame = pd.concat(parts, ignore_index=True)
    return gc.did(frame, outcome="<i>$x_1$", unit="u", time="t", stack="c", treated="on", estimator="stacked")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_csv_runs_nothing_and_keeps_numbers(name: str, tmp_path: Path) -> None:
    text, label = pd.Series([name, "plain"], dtype=object), pd.Series([name, name], dtype=object)
    if "\ud800" not in name:  # pandas itself cannot make a category of it
        label = label.astype("category")
    frame = pd.concat([text, pd.Series([-1.5, 2.0]), label], axis=1)
    frame.columns = pd.Index(["text", name, "label"], dtype=object)
    spreadsheet.to_csv(frame, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as opened:
        head, first, second = list(csv.reader(opened))
    for cell in (head[1], first[0], first[2], second[2]):
        assert not cell.lstrip(" \u200b").startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    assert [float(first[1]), float(second[1])] == [-1.5, 2.0]
    kept = digits.clean(name).replace("\r", "\n")
    assert first[0].removeprefix("'") == kept


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_tables_show_the_name_and_obey_nothing(name: str, tmp_path: Path) -> None:
    table = Table(name, ("", name), ((name, "1"),), name)
    page = table.to_html(tmp_path / "a.html")
    kept = digits.clean(name)
    assert html.escape(kept) in page
    assert "<script" not in page and "<img" not in page
    (tmp_path / "a.html").read_text(encoding="utf-8")
    tex = table.to_latex(tmp_path / "a.tex")
    assert "\\input" not in tex and "\\textbackslash{}input" in tex if "input" in name else True
    table.to_docx(tmp_path / "a.docx")
    str(table)


def test_latex_escapes_every_special_letter() -> None:
    assert latex("\\ & % $ # _ { } ~ ^") == (
        r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{}"
    )
    assert latex("活动 −1.5 <a>") == r"活动 $-$1.5 \textless{}a\textgreater{}"
    rows = Table("", ("", "a"), (("[2em]", "*"),)).to_latex()
    assert "{}[2em] & {}*" in rows  # after a row break these would be its options


def test_a_name_that_turns_the_text_around_is_isolated() -> None:
    assert digits.inline("活动\u202e") == "\u2068活动\u202e\u2069"
    assert digits.inline("plain") == "plain"


def test_a_result_with_hostile_names_goes_everywhere(hostile: Any, tmp_path: Path) -> None:
    assert "<i>$x_1$" in hostile.summary()
    for kind in figures.kinds(hostile):
        style.svg(hostile.plot(kind)).encode("utf-8")
    gc.report({"<script>alert(1)</script>\ud800": hostile, "$x_1$": hostile}, tmp_path / "a.html", title="</title><b>",
              question="{{ 7 * 7 }}", extra=[("<u>", ["<s>", hostile.by_stack()])])  # fmt: skip
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<i>" not in page and "<s>" not in page and "<b>" not in page
    assert "{{ 7 * 7 }}" in page and "&lt;i&gt;$x_1$" in page
    assert "&lt;i&gt;" in hostile._repr_html_()
    assert "\\$x\\_1\\$" in hostile.to_latex()
    gc.table(hostile).to_docx(tmp_path / "a.docx")


@pytest.mark.parametrize("name", ["missing/a", "a" * 400, "a\x00b", "", ".", 3, None])
def test_a_path_that_cannot_be_written_is_an_error_of_ours(hostile: Any, name: Any, tmp_path: Path) -> None:
    path = tmp_path / name if isinstance(name, str) and name else name
    for write in (hostile.to_csv, hostile.to_docx, lambda p: gc.report([hostile], p)):
        with pytest.raises(gc.InputError, match="path"):
            write(path)
    if path is not None:
        for write in (hostile.to_html, hostile.to_latex):
            with pytest.raises(gc.InputError, match="path"):
                write(path)


def test_a_locked_file_is_an_error_of_ours(hostile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", locked)
    with pytest.raises(gc.InputError, match="cannot be written"):
        hostile.to_html(tmp_path / "a.html")
    monkeypatch.setattr("builtins.open", locked)
    with pytest.raises(gc.InputError, match="cannot be written"):
        hostile.to_csv(tmp_path / "a.csv")


def test_names_of_files_are_used_as_given(hostile: Any, tmp_path: Path) -> None:
    for name in ("=cmd().html", "$x_1$ & 100%.html", "活动\u202e.html", "🎉.html"):
        hostile.to_html(tmp_path / name)
        assert (tmp_path / name).is_file()
