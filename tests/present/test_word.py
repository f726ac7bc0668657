"""Word: exactly three rules, both fonts, numbers that Word counts again, and what the page says."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest

import gmvcausal as gc
from gmvcausal.present import content
from gmvcausal.present.word import writing

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def xml(path: Path, part: str = "word/document.xml") -> str:
    return zipfile.ZipFile(path).read(part).decode()


def rules(table: Any) -> list[tuple[int, str, str]]:
    """Row, edge and size of every border that is drawn; the table itself must draw none."""
    assert not table._tbl.findall(f".//{W}tblBorders")
    found = set()
    for i, row in enumerate(table.rows):
        for cell in row.cells:
            for edge in cell._tc.findall(f".//{W}tcBorders/*"):
                found.add((i, edge.tag.removeprefix(W), edge.get(f"{W}sz")))
    return sorted(found)


@pytest.fixture(scope="module")
def chapter(results: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("word") / "第四章 chapter.docx"
    listed = {
        "基准回归": results["gain"],
        "双向固定效应": results["twfe"],
        "前移趋势": results["trend"],
        "安慰剂检验": results["gain"].placebo("time"),
    }
    extra = [("补充", ["A sentence.", results["stacked"].by_stack()])]
    gc.report(listed, path, language="zh", labels={"gmv": "成交额"}, title="优惠券的效应", extra=extra)
    return path


def test_every_table_has_three_rules_and_no_other(chapter: Path) -> None:
    found = docx.Document(str(chapter)).tables
    assert len(found) >= 7
    for table in found:
        last = len(table.rows) - 1
        assert rules(table) == [(0, "bottom", "6"), (0, "top", "12"), (last, "bottom", "12")]
    text = xml(chapter)
    assert not re.search(r"<w:(left|right|insideV|insideH|start|end) w:val", text)
    assert text.count("<w:tblHeader/>") == len(found)


def test_fonts_of_both_scripts_are_named_everywhere(chapter: Path) -> None:
    text, styles = xml(chapter), xml(chapter, "word/styles.xml")
    runs = re.findall(r"<w:r>(.*?)</w:r>", text, flags=re.S)
    written = [r for r in runs if "<w:t" in r]
    assert len(written) > 100
    for one in written:
        assert re.search(r'<w:rFonts[^>]*w:ascii="Times New Roman"', one) and re.search(
            r'w:eastAsia="(宋体|黑体)"', one
        )
    for style in ("Normal", "Heading2", "Caption"):
        body = re.search(rf'w:styleId="{style}".*?</w:style>', styles, flags=re.S)
        assert body and "w:eastAsia=" in body[0] and "asciiTheme" not in body[0]


def test_tables_and_figures_are_numbered_in_order(chapter: Path) -> None:
    captions = [p.text for p in docx.Document(str(chapter)).paragraphs if p.style and p.style.name == "Caption"]
    for label in ("表", "图"):
        numbers = [c.split()[1] for c in captions if c.startswith(label + " ")]
        assert numbers == [f"4-{k + 1}" for k in range(len(numbers))] and len(numbers) > 2
    assert len([c for c in captions if c.startswith("图")]) == len(docx.Document(str(chapter)).inline_shapes)
    fields = re.findall(r"<w:instrText[^>]*>([^<]*)<", xml(chapter))
    assert len(fields) == len(captions) and {f.strip() for f in fields} == {"SEQ 表 \\* ARABIC", "SEQ 图 \\* ARABIC"}
    headings = [p.text for p in docx.Document(str(chapter)).paragraphs if p.style and p.style.name == "Heading 2"]
    assert [h.split()[0] for h in headings] == [f"4.{k + 1}" for k in range(len(headings))]
    assert any("基准回归" in h for h in headings) and headings[-1].endswith("复现")


def test_the_finding_comes_first_and_the_refused_stay_refused(chapter: Path, results: dict[str, Any]) -> None:
    paragraphs = [p.text for p in docx.Document(str(chapter)).paragraphs]
    assert paragraphs[0] == "第 4 章  优惠券的效应"
    head = next(t for t in paragraphs if "95%" in t)
    low, high = results["gain"].conf_int()
    assert f"{low:+.2f}" in head and f"{high:+.2f}" in head
    assert sum("审计" in t for t in paragraphs) >= 2
    # the columns of did: the refused one carries its mark in place of stars
    columns = next(t for t in docx.Document(str(chapter)).tables if t.cell(0, 0).text == "" and len(t.columns) == 4)
    assert columns.cell(1, 1).text.endswith("***") and columns.cell(1, 3).text.endswith("†")


def test_a_check_is_shown_once(chapter: Path, results: dict[str, Any]) -> None:
    rows = [
        tuple(c.text for c in row.cells)
        for table in docx.Document(str(chapter)).tables
        for row in table.rows[1:]
        if len(row.cells) == 3
    ]
    assert len(rows) == len(set(rows))
    shown = {r[2].split("。")[0] for r in rows}
    assert len(shown) >= len(list(results["gain"].audit)) - 2  # two checks may say the same


def test_the_same_results_give_the_same_bytes(results: dict[str, Any], tmp_path: Path) -> None:
    one, two = tmp_path / "a.docx", tmp_path / "b.docx"
    gc.report(results["none"], one, title="T")
    gc.report(results["none"], two, title="T")
    assert one.read_bytes() == two.read_bytes()
    text = " ".join(p.text for p in docx.Document(str(one)).paragraphs)
    assert "Table 1" in text and "Figure 1" in text and "No gain found" in text
    assert not re.search("[\u4e00-\u9fff]", text)


def test_placebo_tests_are_no_second_answer(results: dict[str, Any]) -> None:
    placebo = results["gain"].placebo("time")
    both = {"a": results["gain"], "b": placebo}
    assert list(content.answers_in(both)) == ["a"]
    assert list(content.answers_in({"b": placebo})) == ["b"]


def test_pictures_fit_the_page_and_are_described(chapter: Path) -> None:
    from docx.shared import Cm

    made = docx.Document(str(chapter))
    for shape in made.inline_shapes:
        assert 0 < shape.width <= Cm(14.7) and 0 < shape.height <= Cm(18.1)
    described = re.findall(r'<wp:docPr [^>]*descr="([^"]*)"', xml(chapter))
    assert len(described) == len(made.inline_shapes)


def test_wide_tables_stay_between_the_margins(tmp_path: Path) -> None:
    from gmvcausal.present.table import Table

    wide = Table("c", tuple("abcdefgh"), (tuple("word " * 12 for _ in range(8)),), "note")
    wide.to_docx(tmp_path / "w.docx")
    table = docx.Document(str(tmp_path / "w.docx")).tables[0]
    total = sum(c.width for c in table.rows[0].cells)
    assert total <= docx.shared.Cm(15.01)
    assert rules(table) == [(0, "bottom", "6"), (0, "top", "12"), (1, "bottom", "12")]
    assert writing.LATIN in xml(tmp_path / "w.docx")


def unbroken(path: Path) -> list[Any]:
    """The tables of a file, each of three rules, between the margins, with room for every number on one line."""
    made = docx.Document(str(path))
    for table in made.tables:
        assert rules(table) == [(0, "bottom", "6"), (0, "top", "12"), (len(table.rows) - 1, "bottom", "12")]
        assert sum(c.width for c in table.rows[0].cells) <= docx.shared.Cm(15.01)
        for row in table.rows[1:]:
            for cell in row.cells[1:]:
                size = cell.paragraphs[0].runs[0].font.size
                # Digits of Times New Roman are half as wide as they are tall; 20 % more for fonts in its place.
                letters = 0.6 * size * len(cell.text)
                assert letters + docx.shared.Cm(0.24) <= cell.width, cell.text
    return list(made.tables)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("count", [2, 6, 7, 12, 14])
def test_many_models_stand_in_panels_and_no_number_is_broken(
    results: dict[str, Any], tmp_path: Path, language: str, count: int
) -> None:
    from gmvcausal.present.table import Table

    label = {"en": "clusters of cities (treated, control)", "zh": "平台用户月均成交额（含退款前的全部订单金额）"}[
        language
    ]
    cells = ("−1,234,567.8***", "(123,456.7)", "[−12.3, 4.5]")
    rows = tuple((label, *(cells[k % 3] for k in range(count))) for _ in range(3))
    header = ("", *(f"({k + 1}) {'twfe' if language == 'en' else '双向固定效应'}" for k in range(count)))
    table = Table("Models", header, rows, "A note.", language)
    table.to_docx(tmp_path / "t.docx")
    parts = unbroken(tmp_path / "t.docx")
    assert (len(parts) == 1) == (count == 2) and len(parts) <= 4
    assert [c.text for t in parts for c in t.rows[0].cells[1:]] == list(header[1:])  # none lost, in their order
    assert [c.text for t in parts for c in t.rows[2].cells[1:]] == list(rows[1][1:])
    assert all([r.cells[0].text for r in t.rows[1:]] == [label] * 3 for t in parts)
    page = table.to_html()
    assert page.startswith('<div style="overflow-x:auto">') and page.count("white-space:nowrap;") == 3 * count
    said = [p.text for p in docx.Document(str(tmp_path / "t.docx")).paragraphs if p.text]
    assert said == ["Models", *[{"en": "Models (continued)", "zh": "续表"}[language]] * (len(parts) - 1), "A note."]


def test_panels_of_a_chapter_share_their_number(tmp_path: Path) -> None:
    from gmvcausal.present.table import Table

    wide = Table("模型", tuple(f"({k})" for k in range(15)), (("行", *["−1,234,567.8***"] * 14),), "", "zh")
    made = writing.document()
    for count in (1, 2):
        writing.add_table(made, wide, ("表", 4, count))
    (tmp_path / "c.docx").write_bytes(writing.saved(made))
    unbroken(tmp_path / "c.docx")
    captions = [p.text for p in made.paragraphs if p.style.name == "Caption"]
    assert captions[0] == "表 4-1  模型" and captions[1] == "续表 4-1" and captions[-1] == "续表 4-2"
    fields = [f.strip() for f in re.findall(r"<w:instrText[^>]*>([^<]*)<", xml(tmp_path / "c.docx"))]
    assert fields.count("SEQ 表 \\* ARABIC") == 2  # what Word counts; panels repeat the number before them
    assert set(fields) == {"SEQ 表 \\* ARABIC", "SEQ 表 \\c \\* ARABIC"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"chapter": 0}, "chapter must be a whole number"),
        ({"chapter": True}, "chapter must be a whole number"),
        ({"labels": {"gmv": 3}}, "labels must map names"),
        ({"labels": ["gmv"]}, "labels must map names"),
        ({"language": "de"}, "language must be one of"),
    ],
)
def test_wrong_wishes_are_refused(results: dict[str, Any], tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(gc.InputError, match=said):
        gc.report(results["none"], tmp_path / "a.docx", **wrong)
    with pytest.raises(gc.InputError, match="no report is written as"):
        gc.report(results["none"], tmp_path / "a.pdf")
    with pytest.raises(gc.InputError, match=r"ends in \.docx"):
        gc.report(results["none"], tmp_path / "a.html", chapter=3)
    assert list(tmp_path.iterdir()) == []
