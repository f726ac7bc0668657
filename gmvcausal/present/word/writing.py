"""The parts of a Word file: fonts, numbered captions, three-line tables, and the same bytes each time."""

from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING, Any

from gmvcausal.present import files
from gmvcausal.present.digits import clean, display_width

if TYPE_CHECKING:
    from gmvcausal.present.table import Table

LATIN, SONG, HEI = "Times New Roman", "宋体", "黑体"
# Word counts borders in eighths of a point.
_THICK, _THIN = 12, 6
_WIDE = 7  # columns from which on a table is set smaller
_BODY, _SMALL = 10.5, 9.0  # points: 五号 and 小五
_TEXT = 15.0  # cm between the margins
_HEADINGS = {1: 16.0, 2: 14.0, 3: 12.0}


def write(table: Table, path: str | os.PathLike[str]) -> None:
    """Write `table` as a Word file of its own."""
    files.target(path)
    made = document()
    add_table(made, table)
    files.write(path, saved(made))


def document() -> Any:
    """An empty A4 document: body in 宋体 and Times New Roman, headings in 黑体, all black."""
    import docx
    from docx.shared import Cm, Pt, RGBColor

    made = docx.Document()
    section = made.sections[0]
    section.page_width, section.page_height = Cm(21.0), Cm(29.7)
    section.left_margin = section.right_margin = Cm(3.0)
    section.top_margin = section.bottom_margin = Cm(2.5)
    normal: Any = made.styles["Normal"]
    normal.font.size = Pt(_BODY)
    fonts(normal, SONG)
    for level, size in _HEADINGS.items():
        heading: Any = made.styles[f"Heading {level}"]
        heading.font.size, heading.font.bold, heading.font.color.rgb = Pt(size), True, RGBColor(0, 0, 0)
        fonts(heading, HEI)
    caption: Any = made.styles["Caption"]
    caption.font.size, caption.font.bold, caption.font.italic = Pt(_BODY), True, False
    caption.font.color.rgb = RGBColor(0, 0, 0)
    fonts(caption, SONG)
    return made


def saved(made: Any) -> bytes:
    """The file as bytes, without the time at which it was made."""
    import datetime as dt

    core = made.core_properties
    core.author, core.last_modified_by, core.comments = "", "", ""
    core.created = core.modified = dt.datetime(2000, 1, 1)
    buffer, out = io.BytesIO(), io.BytesIO()
    made.save(buffer)
    with zipfile.ZipFile(buffer) as parts, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as again:
        for info in parts.infolist():
            part = zipfile.ZipInfo(info.filename, date_time=(2000, 1, 1, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            again.writestr(part, parts.read(info.filename))
    return out.getvalue()


def run(paragraph: Any, text: str, *, bold: bool = False, size: float | None = None, east_asia: str = SONG) -> Any:
    """Add text to a paragraph, each script in its own font."""
    from docx.shared import Pt

    made = paragraph.add_run(clean(text))
    made.bold = bold or None
    if size is not None:
        made.font.size = Pt(size)
    fonts(made, east_asia)
    return made


def fonts(styled: Any, east_asia: str) -> None:
    """Latin letters in Times New Roman, Chinese in Song or Hei: Word keeps the two apart by attribute."""
    from docx.oxml.ns import qn

    styled.font.name = LATIN
    found = styled.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):  # a theme's font would win over a named one
        found.attrib.pop(qn(f"w:{theme}"), None)
    found.set(qn("w:eastAsia"), east_asia)


def caption(made: Any, text: str, number: tuple[str, int | None, int] | None = None) -> None:
    """A centred caption; numbered by a field that Word counts again when tables are added or moved.

    Parameters
    ----------
    made : Document
    text : str
    number : (label, chapter, count), optional
        ``("表", 4, 1)`` prints 表 4-1.
    """
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

    paragraph = made.add_paragraph(style="Caption")
    paragraph.alignment = ALIGN.CENTER
    if number is not None:
        label, chapter, count = number
        run(paragraph, f"{label} " + ("" if chapter is None else f"{chapter}-"))
        _field(paragraph, f" SEQ {label} \\* ARABIC ", str(count))
        run(paragraph, "  ")
    run(paragraph, text)


def _field(paragraph: Any, instruction: str, shown: str) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for part in ("begin", "instruction", "separate", "shown", "end"):
        made = run(paragraph, shown if part == "shown" else "")
        if part == "instruction":
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = instruction
            made._r.append(element)
        elif part != "shown":
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), part)
            made._r.append(element)


def add_table(made: Any, table: Table, number: tuple[str, int | None, int] | None = None) -> None:
    """Add `table`: caption above, rules of 1.5 pt above and below and of .75 pt under the header, note below."""
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
    from docx.shared import Pt

    if table.caption or number is not None:
        caption(made, table.caption, number)
        made.paragraphs[-1].paragraph_format.keep_with_next = True
    size = _SMALL if len(table.header) >= _WIDE else _BODY
    grid = made.add_table(rows=1 + len(table.rows), cols=len(table.header))
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    grid.autofit = False
    widths = _widths(table, size)
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = width  # the grid, which other programs than Word go by
    last = len(table.rows)
    prose = _prose(table)
    for i, (row, line) in enumerate(zip((table.header, *table.rows), grid.rows, strict=True)):
        edges = {"top": _THICK} if i == 0 else {}
        edges |= {"bottom": _THIN} if i == 0 and last else {"bottom": _THICK} if i == last else {}
        for j, (text, cell) in enumerate(zip(row, line.cells, strict=True)):
            paragraph = cell.paragraphs[0]
            paragraph.alignment = ALIGN.LEFT if j == 0 or j in prose else ALIGN.CENTER
            paragraph.paragraph_format.space_after = Pt(0)
            run(paragraph, text, size=size)
            cell.width = widths[j]
            _borders(cell, edges)
    _whole_rows(grid)
    if table.note:
        note = made.add_paragraph()
        note.paragraph_format.space_before = Pt(3)
        run(note, table.note, size=_SMALL)


def _widths(table: Table, size: float) -> list[Any]:
    """Widths of the columns by their longest texts: sentences share what the others leave of the page's width."""
    from docx.shared import Cm

    per_letter = 0.021 * size  # cm; a Chinese character counts twice
    wanted = [
        0.5 + per_letter * max(display_width(row[j]) for row in (table.header, *table.rows))
        for j in range(len(table.header))
    ]
    long = [w for w in wanted if w > _TEXT / 3]
    room = _TEXT - sum(w for w in wanted if w <= _TEXT / 3)
    if sum(wanted) > _TEXT:
        wanted = [w if w <= _TEXT / 3 else max(room, _TEXT / 4) * w / sum(long) for w in wanted]
    return [Cm(w * min(1.0, _TEXT / sum(wanted))) for w in wanted]


def _prose(table: Table) -> set[int]:
    """Columns that hold sentences, which are read from the left."""
    return {j for j in range(1, len(table.header)) if any(len(row[j]) > 40 for row in table.rows)}


def _borders(cell: Any, edges: dict[str, int]) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    if not edges:
        return
    borders = OxmlElement("w:tcBorders")
    for edge, size in edges.items():
        element = OxmlElement(f"w:{edge}")
        for name, value in (("val", "single"), ("sz", str(size)), ("space", "0"), ("color", "000000")):
            element.set(qn(f"w:{name}"), value)
        borders.append(element)
    cell._tc.get_or_add_tcPr().append(borders)


def _whole_rows(grid: Any) -> None:
    """The header stands again on every page a long table runs over, and no row is parted by the end of one."""
    from docx.oxml import OxmlElement

    for i, row in enumerate(grid.rows):
        found = row._tr.get_or_add_trPr()
        found.append(OxmlElement("w:cantSplit"))
        if i == 0:
            found.append(OxmlElement("w:tblHeader"))


def add_picture(made: Any, png: bytes, alt: str, text: str, number: tuple[str, int | None, int]) -> None:
    """Add a picture as wide as the text at most, its caption below, its description for those who cannot see it."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
    from docx.shared import Cm

    paragraph = made.add_paragraph()
    paragraph.alignment = ALIGN.CENTER
    paragraph.paragraph_format.keep_with_next = True
    shape = paragraph.add_run().add_picture(io.BytesIO(png))
    widest, tallest = Cm(14.6), Cm(18.0)
    scale = min(1.0, widest / shape.width, tallest / shape.height)
    shape.width, shape.height = int(shape.width * scale), int(shape.height * scale)
    shape._inline.docPr.set("descr", clean(alt))
    caption(made, text, number)
