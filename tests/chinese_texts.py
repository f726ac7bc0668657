"""What a test of the Chinese asks: every text of a result, and what of it stays English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gmvcausal.present import figures, phrases, tables, words
from gmvcausal.present.chinese import matching, translate
from gmvcausal.present.digits import true_minus
from gmvcausal.present.selection import selection
from gmvcausal.results import Result

LABELS = {"gmv": "成交额", "place": "地区", "half": "半区", "shoes": "鞋类"}
# What stays as it is: the user's own names in quotes, code, and who wrote a paper in which year.
_QUOTED = r"'[^']*'"
_CODE = r"\w+\.\w[\w.]*\([^)]*\)|\w+\([^)]*\)|\w+=\S*|\w*_\w+|\w+\.\w[\w.]*"
_NAME = r"[A-Z][\w'’-]+"
_PAPER = rf"(?:{_NAME}|de|and|others)(?:[ ,]+(?:{_NAME}|de|and|others))* \(?\d{{4}}\)?"
_OWN = r"\b(?:gmv|shoes|age|kind|half|place|campaign|dose)\b"
_KEPT = re.compile(f"{_QUOTED}|{_PAPER}|{_CODE}|{_OWN}")
_ENGLISH = re.compile(r"[A-Za-z]['A-Za-z-]*(?:[ ,]+[A-Za-z]['A-Za-z-]*){2,}")


def texts(result: Result) -> Iterator[str]:
    """What a page, a table or a chapter says of one result."""
    e, manifest = result.estimates, result.manifest
    yield from (result.title, result.assumption, e.withheld, e.method, *e.term, *e.estimand, *e.unit)
    yield from (
        *manifest.notes,
        *manifest.choices,
        *manifest.dropped,
        *result.described,
        *getattr(result, "advice", ()),
    )
    for check in result.audit:
        yield from (check.name, check.status, check.message, check.remedy, phrases.check_words(check))
    for currency in ("", "¥"):
        first = words.lead({"A": result}, currency=currency)
        yield from (words.answer(result, currency), selection(result, currency), first.answer, *first.details)
    yield phrases.audit_words(result.audit)
    for kind in figures.kinds(result):
        yield figures.describe(result, kind)
    table = tables.estimates_table(result)
    yield from (table.caption, table.note, *table.header, *(row[0] for row in table.rows))


def english_left(chinese: str) -> str:
    """Three Latin words in a row that are nobody's name."""
    found = _ENGLISH.search(_KEPT.sub(" _ ", chinese))
    return found.group() if found else ""


def wrong(text: str) -> str:
    """What is wrong with the Chinese of `text`; empty where nothing is."""
    chinese = translate(text, LABELS)
    if left := english_left(chinese):
        return f"{text!r} -> {chinese!r}: {left!r}"
    if matching.numbers(chinese) != matching.numbers(true_minus(text)):
        return f"{text!r} -> {chinese!r}: other numbers"
    return ""
