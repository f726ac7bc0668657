"""A three-line table as a Word file."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from gmvcausal.present import files
from gmvcausal.present.digits import clean

if TYPE_CHECKING:
    from gmvcausal.present.table import Table

_LATIN, _EAST_ASIA = "Times New Roman", "宋体"
# Word counts borders in eighths of a point.
_THICK, _THIN = 12, 6


def write(table: Table, path: str | os.PathLike[str]) -> None:
    """Write `table`: rules of 1.5 pt above and below and of 0.75 pt under the header, nothing else."""
    import docx
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
    from docx.shared import Pt

    files.target(path)
    document = docx.Document()
    normal: Any = document.styles["Normal"]
    normal.font.size = Pt(10.5)
    _fonts(normal)
    caption = document.add_paragraph()
    caption.alignment = ALIGN.CENTER
    _run(caption, table.caption, bold=True)
    grid = document.add_table(rows=1 + len(table.rows), cols=len(table.header))
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    last = len(table.rows)
    for i, (row, made) in enumerate(zip((table.header, *table.rows), grid.rows, strict=True)):
        edges = {"top": _THICK} if i == 0 else {}
        edges |= {"bottom": _THIN} if i == 0 and last else {"bottom": _THICK} if i == last else {}
        for j, (text, cell) in enumerate(zip(row, made.cells, strict=True)):
            paragraph = cell.paragraphs[0]
            paragraph.alignment = ALIGN.LEFT if j == 0 else ALIGN.CENTER
            paragraph.paragraph_format.space_after = Pt(0)
            _run(paragraph, text)
            _borders(cell, edges)
    _repeat_header(grid.rows[0])
    if table.note:
        note = document.add_paragraph()
        note.paragraph_format.space_before = Pt(3)
        _run(note, table.note, size=Pt(9))
    buffer = io.BytesIO()
    document.save(buffer)
    files.write(path, buffer.getvalue())


def _run(paragraph: Any, text: str, *, bold: bool = False, size: Any = None) -> None:
    run = paragraph.add_run(clean(text))
    run.bold = bold or None
    if size is not None:
        run.font.size = size
    _fonts(run)


def _fonts(styled: Any) -> None:
    """Latin letters in Times New Roman, Chinese in Song: Word keeps the two apart by attribute."""
    from docx.oxml.ns import qn

    styled.font.name = _LATIN
    styled.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), _EAST_ASIA)


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


def _repeat_header(row: Any) -> None:
    """The header stands again on every page a long table runs over."""
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
