"""The three-line table, in text, HTML, LaTeX and Word: one grid of cells, four ways to print it."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gmvcausal.frames.params import check
from gmvcausal.present import files, panels
from gmvcausal.present.chinese import say
from gmvcausal.present.digits import clean, display_width, inline, wrap
from gmvcausal.present.names import HEADS

if TYPE_CHECKING:
    import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "†": r"\textdagger{}",
    '"': r"\textquotedbl{}",
}


@dataclass(frozen=True)
class Table:
    """A table ready to print.

    Attributes
    ----------
    caption : str
    header : tuple of str
        The first heads the row labels.
    rows : tuple of tuple of str
        Cells as they are printed; the first of each row is its label.
    note : str
        What stands under the table.
    language : {"en", "zh"}
        Of the texts; see `in_language`.
    own : tuple of str
        Names of the user's data, which Chinese keeps as they are.
    named : int, optional
        How many rows, from the first, may be called by a name of the data; the others by words of ours. Default all.

    Examples
    --------
    >>> print(Table("Effects", ("", "(1)"), (("effect", "1.97"), ("", "(0.12)")), "Standard errors in brackets."))
    Effects
    ---------------
               (1)
    ---------------
    effect    1.97
            (0.12)
    ---------------
    Standard errors in brackets.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    language: str = "en"
    own: tuple[str, ...] = ()
    named: int | None = None

    def in_language(self, language: str = "en", labels: Mapping[str, str] | None = None) -> Table:
        """The same table with its words in `language`; numbers and the user's own names stay.

        Parameters
        ----------
        language : {"en", "zh"}
        labels : mapping of str to str, optional
            Names to print in place of the data's own (``{"gmv": "成交额"}``), in either language.

        Raises
        ------
        InputError
            For another language, or labels that are no texts.
        """
        check("language", language)
        names = check("labels", labels)
        if self.language == language and not names:
            return self

        given = dict(names)
        if language == "zh":
            names = {name: name for name in self.own} | given
        ours = {name: label for name, label in given.items() if name != label or name not in HEADS}

        def put(text: str, among: Mapping[str, str] = names) -> str:
            return among.get(text) or say(text, language, among)

        rows = tuple(
            (
                put(row[0], names if self.named is None or i < self.named else given),
                *(put(c, ours if c in HEADS else names) for c in row[1:]),
            )
            for i, row in enumerate(self.rows)
        )
        header = tuple(put(c, ours if c in HEADS else names) for c in self.header)
        note = say(self.note, language, names)
        if language == "zh" and self.language == "en" and note:
            note = f"注：{note}"
        return replace(self, caption=put(self.caption), header=header, rows=rows, note=note, language=language)

    def __str__(self) -> str:
        rows = [[inline(c) for c in row] for row in (self.header, *self.rows)]
        widths = [max(display_width(row[i]) for row in rows) for i in range(len(self.header))]
        lines = []
        for row in rows:
            pads = [" " * (w - display_width(c)) for c, w in zip(row, widths, strict=True)]
            lines.append(
                "  ".join([row[0] + pads[0], *(p + c for p, c in zip(pads[1:], row[1:], strict=True))]).rstrip()
            )
        rule = "-" * (sum(widths) + 2 * len(widths) - 1)
        note = wrap(inline(self.note), max(len(rule), 72)) if self.note else []
        return "\n".join([inline(self.caption), rule, lines[0], rule, *lines[1:], rule, *note])

    def to_frame(self) -> pd.DataFrame:
        """The cells as text, under the printed heads."""
        import pandas as pd

        rows = [[clean(c) for c in row] for row in self.rows]  # pandas text columns refuse lone surrogates
        return pd.DataFrame(rows, columns=[clean(c) for c in self.header])

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table as an HTML fragment, every text escaped; it scrolls where it is wider than the page.

        A file gets a whole page around it.

        Parameters
        ----------
        path : path, optional
            File to write as well.
        """
        head = "".join(
            f'<th scope="col" style="{_TH}{_LEFT if i == 0 else ""}">{_h(c)}</th>' for i, c in enumerate(self.header)
        )
        body = ""
        for k, row in enumerate(self.rows):
            last = "border-bottom:1.5pt solid currentColor;" if k == len(self.rows) - 1 else ""
            # A number with its bracket and stars stays on one line: the table scrolls where the page is narrower.
            cells = "".join(
                f'<td style="{_TD}{"" if panels.lettered(c) else "white-space:nowrap;"}{last}">{_h(c)}</td>'
                for c in row[1:]
            )
            body += f'<tr><th scope="row" style="{_TD}{_LEFT}font-weight:normal;{last}">{_h(row[0])}</th>{cells}</tr>\n'
        note = f'<p style="font-size:85%;margin:.4em 0;max-width:60em">{_h(self.note)}</p>' if self.note else ""
        text = (
            '<div style="overflow-x:auto">'
            f'<table class="gmvcausal" style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
            f'<caption style="text-align:left;font-weight:600;padding-bottom:.4em">{_h(self.caption)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>{note}"
        )
        if path is not None:
            files.ending(path, ".html", ".htm")
            head = f'<head><meta charset="utf-8"><title>{_h(self.caption)}</title></head>'
            page = {"en": "en", "zh": "zh-CN"}[self.language]
            files.write(path, f'<!doctype html>\n<html lang="{page}">{head}\n<body>\n{text}\n</body></html>\n')
        return text

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_latex(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table for LaTeX with booktabs and threeparttable, every text escaped.

        The preamble needs ``\\usepackage{booktabs,threeparttable}``, and ``ctex`` (XeLaTeX) for Chinese. More columns
        than a page of A4 has room for stand in further tables, under the same number.

        Parameters
        ----------
        path : path, optional
            File to write as well.
        """
        letters = [
            max(display_width(inline(row[j])) for row in (self.header, *self.rows)) for j in range(len(self.header))
        ]
        widths = [_GAP + _LETTER * n for n in letters]
        # Sentences are left to the author, who gives their column a width.
        parts = panels.parted(self, widths, _TEXT) if max(letters[1:], default=0) <= _LONGEST else [self]
        text = "".join(part._latex_panel(continued=k > 0) for k, part in enumerate(parts))
        if path is not None:
            files.ending(path, ".tex", ".ltx", ".txt")
            files.write(path, text)
        return text

    def _latex_panel(self, *, continued: bool) -> str:
        align = "l" + "c" * (len(self.header) - 1)
        caption = self.caption + (panels.CONTINUED[self.language] if continued else "")
        lines = [
            r"\begin{table}[htbp]",
            *([r"\addtocounter{table}{-1}"] if continued else []),
            r"\centering",
            r"\begin{threeparttable}",
            rf"\caption{{{latex(caption)}}}",
            rf"\begin{{tabular}}{{{align}}}",
        ]
        lines += [r"\toprule", " & ".join(_cell(c) for c in self.header) + r" \\", r"\midrule"]
        lines += [" & ".join(_cell(c) for c in row) + r" \\" for row in self.rows]
        lines += [r"\bottomrule", r"\end{tabular}"]
        if self.note:
            lines += [r"\begin{tablenotes}[flushleft]", r"\footnotesize"]
            lines += [rf"\item {_cell(self.note)}", r"\end{tablenotes}"]
        return "\n".join([*lines, r"\end{threeparttable}", r"\end{table}", ""])

    def to_docx(self, path: str | os.PathLike[str]) -> None:
        """Write the three-line table into a Word file: caption above, note below, no vertical rules.

        Parameters
        ----------
        path : path
            File to write.
        """
        from gmvcausal.present.word import writing

        files.ending(path, ".docx")
        writing.write(self, path)


# LaTeX breaks no line of a cell: columns beyond the 12.6 cm of text of an A4 article (10.5 points) go into panels.
_TEXT, _GAP, _LETTER, _LONGEST = 12.6, 0.42, 0.175, 30  # cm, and letters of a cell that is no sentence

_TH = "padding:.3em .9em;text-align:right;border-top:1.5pt solid currentColor;border-bottom:.75pt solid currentColor;"
_TD = "padding:.2em .9em;text-align:right;"
_LEFT = "text-align:left;"


def _h(text: Any) -> str:
    return html.escape(clean(text))


def latex(text: object) -> str:
    """Escape `text` so that LaTeX prints it as it stands."""
    # A question or exclamation mark before a backquote is a ligature to another letter, so it is kept apart.
    return re.sub(r"([?!])`", r"\1{}`", "".join(_LATEX.get(c, c) for c in inline(text)))


def _cell(text: str) -> str:
    """A cell; one that opens with a bracket or a star would be read as an option of the row break before it."""
    escaped = latex(text)
    return "{}" + escaped if escaped[:1] in ("[", "*") else escaped
