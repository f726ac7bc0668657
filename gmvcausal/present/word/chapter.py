"""A chapter in Word: sections, tables and figures with numbers, from the same content as the HTML page."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from gmvcausal.frames.params import counted
from gmvcausal.present import content, digits, figures, names, phrases, side_by_side, style
from gmvcausal.present.chinese import say
from gmvcausal.present.table import Table
from gmvcausal.present.translated import in_language
from gmvcausal.present.word import writing
from gmvcausal.results import Check, Result

_LABELS = {"en": ("Table", "Figure"), "zh": ("表", "图")}


@dataclass
class _Chapter:
    """A document that is being written, and what it has counted so far."""

    made: Any
    language: str
    labels: Mapping[str, str]
    number: int | None
    sections: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    checks: set[tuple[str, str, str]] = field(default_factory=set)
    pictures: set[bytes] = field(default_factory=set)
    letters: set[str] = field(default_factory=set)  # without a font, and warned of
    own: tuple[str, ...] = ()  # names of the user's

    def said(self, text: object) -> str:
        """A text of ours in the chapter's language."""
        plain = digits.inline(text)
        return self.labels.get(plain) or say(plain, self.language, self.labels)

    def heading(self, text: str) -> None:
        self.sections += 1
        place = f"{self.sections}" if self.number is None else f"{self.number}.{self.sections}"
        self.head(f"{place}  {self.said(text)}", 2)

    def head(self, text: str, level: int) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

        paragraph = self.made.add_paragraph(style=f"Heading {level}")
        if level == 1:
            paragraph.alignment = ALIGN.CENTER
        writing.run(paragraph, text, east_asia=writing.HEI)

    def text(self, *sentences: object, bold: bool = False) -> None:
        """One paragraph of sentences; Chinese is indented by two characters and joined without spaces."""
        from docx.shared import Pt

        found = [self.said(digits.true_minus(str(s), self.own)) for s in sentences if s]
        if not found:
            return
        paragraph = self.made.add_paragraph()
        paragraph.paragraph_format.line_spacing = 1.5
        paragraph.paragraph_format.space_after = Pt(4)
        if self.language == "zh":
            paragraph.paragraph_format.first_line_indent = Pt(21)
        whole = found[0]
        for before, after in pairwise(found):
            whole += ("" if before.endswith(("。", "；")) else " ") + after
        writing.run(paragraph, whole, bold=bold)

    def table(self, table: Table, caption: str) -> None:
        """The table with the next number; `caption` stands where it has none of its own."""
        done = table.in_language(self.language, self.labels)
        named = replace(done, caption=done.caption or self.said(caption))
        writing.add_table(self.made, named, self._next(0))
        self.made.add_paragraph()

    def audit(self, checks: Sequence[Check], name: str) -> None:
        """The checks that no table above has shown; a placebo test repeats those of what it tests."""
        new = [c for c in checks if (c.name, c.status, c.message) not in self.checks]
        self.checks |= {(c.name, c.status, c.message) for c in new}
        if new:
            rows = tuple((c.name, c.status.replace("_", " "), _finding(c, self.own)) for c in new)
            self.table(Table("", ("check", "status", "finding"), rows), f"Audit of {name}")
        if len(new) < len(checks):
            self.text(f"{counted(len(checks) - len(new), 'further check')} of its audit: in a table above.")

    def picture(self, one: content.Picture, caption: str) -> None:
        """The figure in 300 dpi; its title becomes the caption. The same figure does not come twice."""
        figure = in_language(one.figure, self.language, self.labels)
        title = style.taken_title(figure) or self.said(caption)
        if isinstance(figure, style.Drawing):
            figure.told = self.letters
        buffer = io.BytesIO()
        with style.applied():
            figure.savefig(buffer, format="png", dpi=300, metadata={"Software": None})
        if buffer.getvalue() in self.pictures:  # the raw means of one panel, under each of its estimators
            return
        self.pictures.add(buffer.getvalue())
        writing.add_picture(self.made, buffer.getvalue(), self.said(one.alt), title, self._next(1))

    def _next(self, kind: int) -> tuple[str, int | None, int]:
        label = _LABELS[self.language][kind]
        self.counts[label] = self.counts.get(label, 0) + 1
        return label, self.number, self.counts[label]


def render(
    found: dict[str, Result],
    plans: Sequence[tuple[str, Any]],
    order: Sequence[str | None],
    extra: Sequence[tuple[str, Any]],
    chapter: int | None,
    asked: content.Asked,
) -> bytes:
    """The document; `found`, `plans` and `order` as `content.sorted_out` gives them, `extra` to stand after all."""
    own = tuple(dict.fromkeys(name for result in found.values() for name in names.written(result)))
    made = _Chapter(writing.document(), asked.language, asked.labels, chapter, own=own)
    first = content.first_screen(found, asked)
    top = made.said(first["title"])
    made.head(top if chapter is None else f"{made.said(f'Chapter {chapter}')}  {top}", 1)
    _opening(made, first, asked.beside)
    if len(answers := content.answers_in(found)) > 1:
        _together(made, answers, asked)
    waiting, sections = iter(plans), iter(found.items())
    for heading in order:
        if heading is None:
            _section(made, content.section(*next(sections), asked.currency))
        else:
            _parts(made, *next(waiting))
    for heading, more in extra:
        _parts(made, heading, more)
    _again(made, found)
    return writing.saved(made.made)


def _opening(made: _Chapter, first: dict[str, Any], beside: Sequence[str]) -> None:
    """The question, the answer or the refusal, and the audit of what gives it."""
    made.heading("The answer, and whether to believe it")
    made.text(first["question"])
    made.text(first["first"].answer, bold=True)
    made.text(*first["first"].details)
    made.text(*[phrases.sentence(digits.inline(text), made.own) for text in beside])
    made.text(f"Estimand: {first['estimand']}.", f"Unit: {first['unit']}.", f"Sample: {first['n']}.")
    made.audit(first["audit"]["all"], first["shown"])
    if first["first"].selection:
        made.text(first["first"].selection)
    for name, why in first["first"].others:
        made.text(f"{made.said(name)}{'：' if made.language == 'zh' else ': '}{made.said(why)}")


def _together(made: _Chapter, found: dict[str, Result], asked: content.Asked) -> None:
    """All answers in one table and one picture; those of one verb as columns."""
    made.heading("The answers side by side")
    house = "cn" if asked.language == "zh" else "journal"
    verb = next(iter(found.values())).manifest.verb
    columns = [r for r in found.values() if r.manifest.verb == verb]
    if len(columns) > 1:
        made.table(side_by_side.table(*columns, style=house, language="en"), "Estimates")
    compared = figures.compare(found, benchmarks=asked.benchmarks, currency=asked.currency)
    made.picture(content.Picture(compared, ""), "The answers side by side")


def _section(made: _Chapter, one: dict[str, Any]) -> None:
    made.heading(one["name"])
    if one["title"] != one["name"]:
        made.text(phrases.sentence(one["title"]))
    made.text(one["answer"], bold=True)
    made.text(*one["details"])
    made.table(one["estimates"], f"Estimates: {one['name']}")
    made.text(one["withheld"])
    for picture in one["pictures"]:
        made.picture(picture, one["title"])
    colon = "：" if made.language == "zh" else ": "
    made.text(f"{made.said('What it assumes')}{colon}{made.said(one['assumption'])}")
    made.audit(one["audit"]["all"], one["name"])
    left_out = [phrases.sentence(f"Left out: {text}") for text in one["dropped"]]
    made.text(one["rows"], *left_out, *one["notes"], one["selection"])


def _finding(check: Check, own: Sequence[str]) -> str:
    """What was found, and what to do where it did not pass."""
    told = (phrases.sentence(text, own) for text in (check.message, check.remedy) if text)
    return digits.true_minus(" ".join(told), own)


def _parts(made: _Chapter, heading: Any, more: Any) -> None:
    """What a study adds, and what is no answer of its own: sentences, tables, figures."""
    made.heading(digits.inline(heading))
    for part in content.parts_of(more, made.language):
        if part["kind"] == "text":
            made.text(part["text"])
        elif part["kind"] == "table":
            made.table(part["table"], digits.inline(heading))
        else:
            made.picture(part["picture"], digits.inline(heading))


def _again(made: _Chapter, found: dict[str, Result]) -> None:
    """What is needed to run it again, without the whole manifest."""
    made.heading("To run this again")
    rows = []
    for name, result in found.items():
        told = json.loads(result.manifest.to_json())
        versions = told["versions"]
        data = told["data"]
        seed = digits.NOT_GIVEN if told["seed"] is None else str(told["seed"])
        rows.append((name, str(told["verb"]), seed, f"{data['rows']:,}", str(data["sha256"])[:12]))
    note = (
        f"gmvcausal {versions['gmvcausal']}, Python {versions['python']}; the manifest of each result has all options."
    )
    made.table(Table("", ("answer", "verb", "seed", "rows", "SHA-256"), tuple(rows), note), "To run this again")
