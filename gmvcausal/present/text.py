"""The text summary: the finding or the refusal first, then what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from gmvcausal.present import digits, phrases, tables, words
from gmvcausal.present.chinese import say
from gmvcausal.present.selection import selection
from gmvcausal.results import Result

WIDTH = 92
_INDENT = 12


def summary(result: Result) -> str:
    """Headline or refusal, estimates, audit and the fate of the rows, as text of at most 92 columns.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
    """
    title = digits.inline(result.title)
    first = "REFUSED" if words.verdict(result) == "refused" else "FINDING"
    lines = [*digits.wrap(title, WIDTH), "=" * min(digits.display_width(title), WIDTH)]
    label, opening = result.opening if first == "FINDING" else ("", ())
    before = [phrases.sentence(digits.inline(t)) for t in opening]
    lines += [*_block(label, before), ""] if before else []
    lines += _block(first, [words.answer(result), *(t for t in words.details(result) if t not in before)])
    estimands = [digits.inline(result.told.estimand)]
    if result.spoken != 0:
        estimands.append(f"(The attributes estimate, p_value, ... are those of: {digits.inline(result.estimand)}.)")
    lines += ["", *_block("Estimand", estimands)]
    lines += _block("Unit", [digits.inline(result.told.unit)])
    lines += _block("n", [phrases.everybody_words(result)])
    told = digits.inline("; ".join(result.manifest.choices))
    lines += _block("Options", [phrases.sentence(told)]) if told else []
    lines += ["", *estimates_lines(result), ""]
    if result.estimates.withheld and words.verdict(result) != "no_interval":
        some = math.isfinite(result.told.low)  # the headline has one, and other rows have none
        lines += _block(
            "Other terms" if some else "No interval", [phrases.sentence(digits.inline(result.estimates.withheld))]
        )
    lines += _block("Assumes", [phrases.sentence(digits.inline(result.assumption))])
    lines += ["", *audit_lines(result)]
    lines += ["", *_rows(result)]
    told = selection(result)
    if told:
        lines += ["", *_block("Naive", [told])]
    return "\n".join(line.rstrip() for line in lines)


def estimates_lines(result: Result) -> list[str]:
    """The estimates as aligned columns."""
    head = ["term", "estimate", "std. error", phrases.level_words(result), "p"]
    cells = tables.estimate_cells(result)
    most = getattr(result, "most_printed", len(cells))
    more = [f"... and {len(cells) - most:,} more: to_frame() has all"] if len(cells) > most else []
    return [*aligned(head, cells[:most]), *more]


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


def audit_lines(result: Result) -> list[str]:
    """Failed checks, warned ones with their remedy, passed ones by name, then what was not run."""
    checks = list(result.audit)
    lines = ["Audit"]
    if result.audit.failed:
        lines += _block(
            "  FAILED", [", ".join(c.name for c in result.audit.failed) + " (what was found, and what to do: above)"]
        )
    for check in result.audit.warned:
        lines += _block("  warned", [phrases.check_words(check)])
        lines += _block("", [f"-> {digits.inline(check.remedy)}"]) if check.remedy else []
    passed = [c.name for c in checks if c.status == "passed"]
    if passed:
        lines += _block("  passed", [", ".join(passed)])
    for check in (c for c in checks if c.status == "not_run"):
        lines += _block("  not run", [phrases.check_words(check)])
    return lines if checks else ["Audit", "  this result carries no checks"]


def _rows(result: Result) -> list[str]:
    manifest = result.manifest
    lines = [f"{manifest.rows:,} rows read"]
    lines += [f"left out: {digits.inline(why)}: {count:,}" for why, count in manifest.dropped.items() if count]
    lines += [phrases.sentence(digits.inline(note)) for note in manifest.notes]
    return _block("Rows", lines)


def _block(label: str, sentences: Iterable[str]) -> list[str]:
    """`label` in the margin, each sentence wrapped beside it."""
    lines: list[str] = []
    for text in sentences:
        lines += digits.wrap(text, WIDTH - _INDENT)
    first = label + " " * max(0, _INDENT - digits.display_width(label))
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

    def t(text: str) -> str:
        return say(text, language, labels)

    lines = [*digits.wrap(digits.inline(title), WIDTH), "=" * min(digits.display_width(title), WIDTH)]
    if question:
        lines += _block(t("Question"), [digits.inline(question)])
    first = "REFUSED" if headline.name is None else "FINDING"
    lines += ["", *_block(t(first), [t(text) for text in (headline.answer, *headline.details)]), ""]
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
        lines += ["", *_block(t("Naive"), [t(headline.selection)])]
    lines += ["", t("Why not the others")] if headline.others else []
    for name, why in headline.others:
        lines += [f"  {digits.cut(digits.inline(name), WIDTH - 2)}", *_block("", [t(why)])]
    return "\n".join(line.rstrip() for line in lines)
