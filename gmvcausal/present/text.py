"""The text summary: the finding or the refusal first, then what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from gmvcausal.frames.params import check
from gmvcausal.present import digits, names, phrases, tables, words
from gmvcausal.present.chinese import say
from gmvcausal.present.labels import warn_unknown
from gmvcausal.present.selection import selection
from gmvcausal.results import Result

WIDTH = 92
_INDENT = 12


def summary(result: Result, *, language: str = "en", labels: Mapping[str, str] | None = None) -> str:
    """Headline or refusal, estimates, audit and the fate of the rows, as text of at most 92 columns.

    Parameters
    ----------
    result : Result
    language : {"en", "zh"}
    labels : mapping of str to str, optional
        Names to print in place of the data's own.

    Returns
    -------
    str

    Raises
    ------
    InputError
        For another language, or labels that are no texts.
    """
    check("language", language)
    given = check("labels", labels)
    warn_unknown(given, [result], whole=False, frames_up=4)
    known = names.known(result, language, given)

    def t(text: str) -> str:
        return say(text, language, known)

    title = t(digits.inline(result.title))
    first = "REFUSED" if words.verdict(result) == "refused" else "FINDING"
    lines = [*digits.wrap(title, WIDTH), "=" * min(digits.display_width(title), WIDTH)]
    own = names.written(result)
    label, opening = result.opening if first == "FINDING" else ("", ())
    before = [phrases.sentence(digits.inline(text), own) for text in opening]
    lines += [*_block(label, before, t), ""] if before else []
    lines += _block(first, [words.answer(result), *(text for text in words.details(result) if text not in before)], t)
    estimands = [digits.inline(result.told.estimand)]
    if result.spoken != 0:
        estimands.append(f"(The attributes estimate, p_value, ... are those of: {digits.inline(result.estimand)}.)")
    lines += ["", *_block("Estimand", estimands, t)]
    lines += _block("Unit", [digits.inline(result.told.unit)], t)
    lines += _block("n", [phrases.everybody_words(result)], t)
    told = digits.inline("; ".join(result.manifest.choices))
    lines += _block("Options", [phrases.sentence(told)], t) if told else []
    lines += ["", *_estimates(result, t), ""]
    if result.estimates.withheld and words.verdict(result) != "no_interval":
        some = math.isfinite(result.told.low)  # the headline has one, and other rows have none
        withheld = phrases.sentence(digits.inline(result.estimates.withheld), own)
        lines += _block("Other terms" if some else "No interval", [withheld], t)
    lines += _block("Assumes", [phrases.sentence(digits.inline(result.assumption), own)], t)
    lines += ["", *_audit(result, t)]
    lines += ["", *_rows(result, t)]
    told = selection(result)
    if told:
        lines += ["", *_block("Naive", [told], t)]
    return "\n".join(line.rstrip() for line in lines)


def _estimates(result: Result, t: Callable[[str], str]) -> list[str]:
    """The estimates as aligned columns."""
    head = ["term", "estimate", "std. error", phrases.level_words(result), "p"]
    cells = tables.estimate_cells(result)
    most = getattr(result, "most_printed", len(cells))
    more = [t(f"... and {len(cells) - most:,} more: to_frame() has all")] if len(cells) > most else []
    return [*aligned([t(one) for one in head], [[t(row[0]), *row[1:]] for row in cells[:most]]), *more]


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under their heads: the first to the left, the others to the right; long first cells are cut."""
    rest = [max(digits.display_width(r[i]) for r in (head, *rows)) for i in range(1, len(head))]
    room = max(12, WIDTH - sum(rest) - 2 * len(rest))
    first = [digits.cut(r[0], room) for r in (head, *rows)]
    width = max(digits.display_width(c) for c in first)
    lines = []
    for cell, row in zip(first, (head, *rows), strict=True):
        padded = cell + " " * (width - digits.display_width(cell))
        right = [" " * (w - digits.display_width(c)) + c for w, c in zip(rest, row[1:], strict=True)]
        lines.append("  ".join([padded, *right]))
    rule = "-" * digits.display_width(lines[0])
    return [rule, lines[0], rule, *lines[1:], rule]


def _audit(result: Result, t: Callable[[str], str]) -> list[str]:
    """Failed checks, warned ones with their remedy, passed ones by name, then what was not run."""
    checks = list(result.audit)
    lines = [t("Audit")]
    if result.audit.failed:
        named = ", ".join(c.name for c in result.audit.failed)
        lines += _block("  FAILED", [f"{named} (what was found, and what to do: above)"], t)
    for found in result.audit.warned:
        lines += _block("  warned", [phrases.check_words(found)], t)
        lines += _block("", [f"-> {t(digits.inline(found.remedy))}"], t) if found.remedy else []
    passed = [c.name for c in checks if c.status == "passed"]
    if passed:
        lines += _block("  passed", [", ".join(t(name) for name in passed)], t)
    for found in (c for c in checks if c.status == "not_run"):
        lines += _block("  not run", [phrases.check_words(found)], t)
    return lines if checks else [t("Audit"), f"  {t('this result carries no checks')}"]


def _rows(result: Result, t: Callable[[str], str]) -> list[str]:
    manifest = result.manifest
    lines = [f"{manifest.rows:,} rows read"]
    lines += [f"left out: {digits.inline(why)}: {count:,}" for why, count in manifest.dropped.items() if count]
    lines += [phrases.sentence(digits.inline(note), names.written(result)) for note in manifest.notes]
    return _block("Rows", lines, t)


def _block(label: str, sentences: Iterable[str], t: Callable[[str], str]) -> list[str]:
    """`label` in the margin, each sentence wrapped beside it."""
    lines: list[str] = []
    for text in sentences:
        lines += digits.wrap(t(text), WIDTH - _INDENT)
    indent = " " * (len(label) - len(label.lstrip()))
    named = f"{indent}{t(label.lstrip())}" if label.strip() else ""
    first = named + " " * max(1, _INDENT - digits.display_width(named))
    return [f"{first if i == 0 else ' ' * _INDENT}{line}" for i, line in enumerate(lines)]


def study(
    title: str,
    question: str,
    headline: words.Headline,
    answers: Mapping[str, Result],
    currency: str = "",
    *,
    language: str = "en",
    labels: Mapping[str, str] | None = None,
) -> str:
    """A whole study: the finding or the refusal, every answer with its audit, and why not the others.

    Parameters
    ----------
    title, question : str
    headline : words.Headline
    answers : mapping of str to Result
    currency : str
        Symbol before amounts.
    language : {"en", "zh"}
    labels : mapping of str to str, optional
        Names to print in place of the data's own.

    Returns
    -------
    str
        At most 92 columns.
    """

    called = {digits.inline(name): digits.inline(name) for name in answers} if language == "zh" else {}
    known = names.known(list(answers.values()), language, called | dict(labels or {}))

    def t(text: str) -> str:
        return say(text, language, known)

    lines = [*digits.wrap(digits.inline(title), WIDTH), "=" * min(digits.display_width(title), WIDTH)]
    if question:
        lines += _block("Question", [digits.inline(question)], t)
    first = "REFUSED" if headline.name is None else "FINDING"
    lines += ["", *_block(first, [headline.answer, *headline.details], t), ""]
    rows = []
    for name, result in answers.items():
        mark = "* " if name == headline.name else "  "
        size = phrases.estimate_words(result, currency)
        spread = result.told.std_error
        error = "" if spread != spread else f"({digits.number(spread, 3)})"
        rows.append([mark + digits.inline(name), t(size), error, t(words.VERDICTS[words.verdict(result)])])
    lines += aligned([t(head) for head in ("answer", "estimate", "(std. error)", "verdict")], rows)
    if headline.name is not None:
        lines += [t("* the answer to believe")]
    if headline.selection:
        lines += ["", *_block("Naive", [headline.selection], t)]
    lines += ["", t("Why not the others")] if headline.others else []
    for name, why in headline.others:
        lines += [f"  {digits.cut(digits.inline(name), WIDTH - 2)}", *_block("", [why], t)]
    return "\n".join(line.rstrip() for line in lines)
