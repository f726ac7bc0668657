"""A report in one file, HTML or Word: the answer or the refusal and its audit first, then the evidence."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.present import content, files, names, phrases
from gmvcausal.present.digits import inline
from gmvcausal.present.labels import warn_unknown
from gmvcausal.results import Result

if TYPE_CHECKING:
    from pathlib import Path

_EMPIRICAL_CHAPTER = 4


def report(
    results: Result | Sequence[Result] | Mapping[str, Result],
    path: str | os.PathLike[str],
    *,
    language: str = "en",
    title: str | None = None,
    question: str | None = None,
    benchmarks: Sequence[str] = (),
    currency: str = "",
    beside: Sequence[str] = (),
    extra: Sequence[tuple[str, Any]] = (),
    labels: Mapping[str, str] | None = None,
    chapter: int | None = None,
) -> Path:
    """Write one HTML page, or one Word chapter, about one result or about several answers to one question.

    The first screen holds the question, the answer or the refusal in plain words, the estimand with its unit, one line
    per answer, and the audit of the headline; the evidence follows. Figures are inside the file, there is no script and
    nothing is loaded from elsewhere; the same input gives the same bytes.

    A path that ends in ``.docx`` gives a Word document: numbered sections, three-line tables (1.5 pt above and below,
    .75 pt under the header), figures of 300 dpi, captions that Word renumbers (表 4-1, 图 4-1), 宋体 beside Times New
    Roman. Its sections come in the order of `results`.

    Parameters
    ----------
    results : Result, list of Result, or mapping of str to Result
        In the order in which they would be believed: the first that its audit and an interval support is the headline.
        Tables of `gc.describe`, plans of `gc.power` and `gc.sample_size`, what ``sensitivity()`` and ``refute()`` give,
        and of an uplift model its evaluation, its plan and the plan's value, become sections of their own; so do
        DataFrames and tables of `gc.table`, as they are: ids of people and small groups in them are yours to take out.
    path : path
        File to write, ``.html`` or ``.docx``; its folder must exist.
    language : {"en", "zh"}
        Of every sentence, table and figure; sentences that the catalogue does not know stay English.
    title, question : str, optional
        Name of the study, and what it asks.
    benchmarks : sequence of str
        Names of results shown for comparison only; they never give the headline.
    currency : str
        Symbol before amounts, for example ``"$"``.
    beside : sequence of str
        Facts to print right under the headline, on the first screen.
    extra : sequence of (str, content)
        Further sections: a heading, and a sentence, a DataFrame, a figure, a plan, or a list of these.

    labels : mapping of str to str, optional
        Names to print in place of the data's own: ``{"gmv": "成交额"}``.
    chapter : int, optional
        Number of the chapter in a Word document, before the numbers of tables and figures. Default 4 in Chinese, where
        the empirical chapter of a thesis usually is the fourth; none in English.

    Returns
    -------
    Path
        Of the file written.

    Raises
    ------
    InputError
        For what is no result, a path that cannot be written, or content that cannot be shown.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> panel = pd.DataFrame([
    ...     dict(unit=u, period=t, gmv=u % 3 * t + (u < 20 and t >= 3), first_treated=3 if u < 20 else None)
    ...     for u in range(60) for t in range(1, 5)])
    >>> gc.report(gc.did(panel), "report.html").name
    'report.html'
    """
    check("language", language)
    given = check("labels", labels)
    more = content.pairs(extra)
    answers, plans, order = content.sorted_out(results)
    found = phrases.named(answers, benchmarks)
    kind = _kind(path)
    number = _chapter(chapter, kind, language)
    written = [title, question, *(heading for heading, _ in more)]
    written += list(results) if isinstance(results, Mapping) else []
    headings = {inline(text): inline(text) for text in written if text}
    shown = [*found.values(), *(one for _, one in plans), *_texts(more)]
    known = names.known(shown, language, (headings if language == "zh" else {}) | given)
    warn_unknown(given, [*found, *shown], whole=True)
    asked = content.Asked(language, known, title, question, benchmarks, currency, beside)
    if kind == "docx":
        from gmvcausal.present.word import chapter as word

        return files.write(path, word.render(found, plans, order, more, number, asked))
    from gmvcausal.present import html_page

    return files.write(path, html_page.render(found, [*more, *plans], asked))


def _texts(more: Sequence[tuple[str, Any]]) -> list[Any]:
    """What a study adds, one by one."""
    return [part for pair in more for one in pair for part in (one if isinstance(one, list | tuple) else [one])]


def _kind(path: Any) -> str:
    """What is written follows the ending of the name."""
    ending = files.target(path).suffix.lower()
    if ending in (".html", ".htm", ""):
        return "html"
    if ending == ".docx":
        return "docx"
    raise InputError(
        f"path {str(path)!r} ends in {ending!r}, which no report is written as",
        remedy="name a file that ends in .html (a page) or .docx (a Word document)",
    )


def _chapter(chapter: Any, kind: str, language: str) -> int | None:
    if chapter is None:
        return _EMPIRICAL_CHAPTER if kind == "docx" and language == "zh" else None
    if isinstance(chapter, bool) or not isinstance(chapter, int) or not 1 <= chapter <= 99:
        raise InputError(f"chapter must be a whole number from 1 to 99, but is {chapter!r}", remedy="write chapter=4")
    if kind != "docx":
        raise InputError("chapter numbers the tables of a Word document", remedy="name a path that ends in .docx")
    return chapter
