"""The parts of a Word file: fonts, numbered captions, three-line tables, and the same bytes each time."""

from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING, Any

from gmvcausal.present import files, panels
from gmvcausal.present.digits import clean, display_width

if TYPE_CHECKING:
    from gmvcausal.present.table import Table

LATIN, SONG, HEI = "Times New Roman", "宋体", "黑体"
# Word counts borders in eighths of a point.
_THICK, _THIN = 12, 6
_WIDE = 7  # columns from which on a table is set smaller
_BODY, _SMALL, _TINY = 10.5, 9.0, 7.5  # points: 五号, 小五 and 六号
_SIDE = 0.12  # cm between a cell's text and its edge
_TEXT = 15.0  # cm between the margins
_AGAIN = {"en": ("", " (continued)"), "zh": ("续", "")}  # before and after the number of a further panel
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


def caption(
    made: Any, text: str, number: tuple[str, int | None, int] | None = None, *, again: tuple[str, str] | None = None
) -> None:
    """A centred caption; numbered by a field that Word counts again when tables are added or moved.

    Parameters
    ----------
    made : Document
    text : str
    number : (label, chapter, count), optional
        ``("表", 4, 1)`` prints 表 4-1.
    again : (str, str), optional
        What stands before and after the number of a further panel, which repeats the one before it.
    """
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

    paragraph = made.add_paragraph(style="Caption")
    paragraph.alignment = ALIGN.CENTER
    if number is not None:
        label, chapter, count = number
        before, after = again or ("", "  ")
        run(paragraph, f"{before}{label} " + ("" if chapter is None else f"{chapter}-"))
        _field(paragraph, f" SEQ {label} {'' if again is None else chr(92) + 'c '}\\* ARABIC ", str(count))
        run(paragraph, after)
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
    """Add `table`: caption above, rules of 1.5 pt above and below and of .75 pt under the header, note below.

    Columns that the page has no room for stand in further panels, under the same number.
    """
    from docx.shared import Pt

    sizes = (_SMALL, _TINY) if len(table.header) >= _WIDE else (_BODY, _SMALL, _TINY)
    size = next((s for s in sizes if sum(_least(table, s)) <= _TEXT), _SMALL)
    parts = panels.parted(table, _least(table, size), _TEXT)
    for k, part in enumerate(parts):
        if k:
            before, after = _AGAIN[table.language]
            text = "" if number is not None else f"{before}表" if before else f"{table.caption}{after}"
            caption(made, text, number, again=(before, after))
            made.paragraphs[-1].paragraph_format.space_before = Pt(6)
        elif table.caption or number is not None:
            caption(made, table.caption, number)
        if k or table.caption or number is not None:
            made.paragraphs[-1].paragraph_format.keep_with_next = True
        _grid(made, part, size)
    if table.note:
        note = made.add_paragraph()
        note.paragraph_format.space_before = Pt(3)
        run(note, table.note, size=_SMALL)


def _grid(made: Any, table: Table, size: float) -> None:
    """Add the cells between their rules."""
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
    from docx.shared import Cm, Pt

    grid = made.add_table(rows=1 + len(table.rows), cols=len(table.header))
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    grid.autofit = False
    widths = [Cm(w) for w in _widths(table, size)]
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
    _sides(grid)


def _sides(grid: Any) -> None:
    """Less blank beside the text than Word's own, so that more columns have room."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    margins = OxmlElement("w:tblCellMar")
    for side in ("left", "right"):
        element = OxmlElement(f"w:{side}")
        element.set(qn("w:w"), str(round(_SIDE / 2.54 * 1440)))
        element.set(qn("w:type"), "dxa")
        margins.append(element)
    look = grid._tbl.tblPr.find(qn("w:tblLook"))
    if look is None:
        grid._tbl.tblPr.append(margins)
    else:
        look.addprevious(margins)  # the order of the schema


def _wide(letters: int, size: float, *, gap: float = 0.5) -> float:
    """Width of a column in cm; a Chinese character counts twice."""
    return gap + 0.021 * size * letters


def _least(table: Table, size: float) -> list[float]:
    """Widths below which words and numbers of a column would be broken; labels of rows have a quarter of the page."""
    lines = (table.header, *table.rows)
    found = [_wide(max(panels.least(row[j]) for row in lines), size, gap=0.3) for j in range(len(table.header))]
    labels = _wide(max(display_width(row[0]) for row in lines), size)
    return [max(found[0], min(labels, _TEXT / 4)), *found[1:]]


def _widths(table: Table, size: float) -> list[float]:
    """Widths of the columns in cm by their longest texts: sentences share what the others leave of the page's width."""
    wanted = [
        _wide(max(display_width(row[j]) for row in (table.header, *table.rows)), size) for j in range(len(table.header))
    ]
    if sum(wanted) <= _TEXT:
        return wanted
    long = sum(w for w in wanted if w > _TEXT / 3)
    room = _TEXT - sum(w for w in wanted if w <= _TEXT / 3)
    least = _least(table, size)
    shared = [w if w <= _TEXT / 3 else max(room, _TEXT / 4) * w / long for w in wanted]
    wanted = [max(w, low) for w, low in zip(shared, least, strict=True)]
    # What is too much is taken off what could be broken without harm, and off all where that does not suffice.
    spare, over = sum(wanted) - sum(least), max(sum(wanted) - _TEXT, 0.0)
    part = min(over / spare, 1.0) if spare > 0 else 0.0
    found = [w - part * (w - low) for w, low in zip(wanted, least, strict=True)]
    return [w * min(1.0, _TEXT / sum(found)) for w in found]


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
