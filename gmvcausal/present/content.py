"""What a page says of results, before it is HTML or Word: the first screen, a section each, and what a study adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.figure import Figure

from gmvcausal.errors import InputError
from gmvcausal.present import digits, figures, names, phrases, tables, words
from gmvcausal.present.selection import selection
from gmvcausal.present.table import Table
from gmvcausal.results import Result
from gmvcausal.results.curves import Curves
from gmvcausal.results.shown import Shown

# A page must open on a phone: longer frames are cut, and say so.
_SHOWN_ROWS = 200


@dataclass(frozen=True)
class Asked:
    """What the caller of `gc.report` wants of the page; the attributes are its parameters."""

    language: str
    labels: Mapping[str, str]
    title: str | None
    question: str | None
    benchmarks: Sequence[str]
    currency: str
    beside: Sequence[str]


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, and what it shows for those who cannot see it."""

    figure: Figure
    alt: str


# --- the first screen -------------------------------------------------------------------------------------------------
def answers_in(found: dict[str, Result]) -> dict[str, Result]:
    """The answers to the question: without placebo tests, specifications and segments of one of them.

    Those hold another result to account and repeat its estimate, so that they would count it twice.
    """
    own = {n: r for n, r in found.items() if "." not in r.manifest.verb and r.manifest.verb != "sensitivity"}
    return own or found


def first_screen(found: dict[str, Result], asked: Asked) -> dict[str, Any]:
    """The question, the answer or the refusal, every answer in a line, and the audit of the one that is told."""
    found = answers_in(found)
    benchmarks, currency = asked.benchmarks, asked.currency
    first = words.lead(found, benchmarks=benchmarks, currency=currency)
    marked = {digits.inline(b) for b in benchmarks}
    shown = first.name or next((n for n in found if n not in marked), next(iter(found)))
    result = found[shown]
    row = result.told
    outcome = digits.inline(row.unit).rpartition(" per ")[0] or "the outcome"
    return {
        "title": asked.title or "Effect of a tactic",
        "question": asked.question or f"How much did the tactic change {outcome}?",
        "first": first,
        "word": "answer withheld" if first.name is None else words.VERDICTS[first.verdict],
        "shown": shown,
        "estimand": row.estimand,
        "unit": row.unit,
        "n": phrases.everybody_words(result),
        "answers": [_answer(n, r, n == first.name, n in marked, currency) for n, r in found.items()],
        "audit": _audit(result),
        "summary_of_audit": phrases.audit_words(result.audit),
    }


def _answer(name: str, result: Result, chosen: bool, benchmark: bool, currency: str) -> dict[str, Any]:
    return {
        "name": name,
        "estimate": phrases.estimate_words(result, currency),
        "interval": phrases.interval_words(result, currency, level=False),
        "level": phrases.level_words(result),
        "verdict": words.verdict(result),
        "word": words.VERDICTS[words.verdict(result)],
        "audit": phrases.audit_words(result.audit),
        "chosen": chosen,
        "benchmark": benchmark,
    }


def _audit(result: Result) -> dict[str, Any]:
    checks = list(result.audit)
    return {
        "loud": [c for c in checks if c.status in ("failed", "warned")],
        "passed": [c.name for c in checks if c.status == "passed"],
        "not_run": [c.name for c in checks if c.status == "not_run"],
        "all": checks,
    }


# --- evidence ---------------------------------------------------------------------------------------------------------
def section(name: str, result: Result, currency: str) -> dict[str, Any]:
    kinds = figures.kinds(result)
    # One dot says no more than the table; several terms are worth a picture.
    several = len(kinds) == 1 and len(result.to_frame()) > 1
    wanted = [k for k in kinds if k != "estimates" or k in result.curve_kinds or several]
    manifest = result.manifest
    own = names.written(result)
    return {
        "name": name,
        "title": result.title,
        "verdict": words.verdict(result),
        "word": words.VERDICTS[words.verdict(result)],
        "answer": words.answer(result, currency),
        # The audit table below tells what failed and what to do.
        "details": () if result.audit.failed else words.details(result, currency),
        "selection": selection(result, currency),
        "estimand": result.told.estimand,
        "unit": result.told.unit,
        "assumption": phrases.sentence(result.assumption, own),
        "withheld": phrases.sentence(result.estimates.withheld, own),
        "pictures": [Picture(figures.plot(result, kind), figures.describe(result, kind)) for kind in wanted],
        "estimates": replace(tables.estimates_table(result), caption=""),
        "audit": _audit(result),
        "rows": f"{manifest.rows:,} rows of {manifest.columns:,} columns were read.",
        "dropped": [f"{why}: {count:,}" for why, count in manifest.dropped.items() if count],
        "notes": [phrases.sentence(note, own) for note in manifest.notes],
        "manifest": manifest.to_json(),
    }


def sorted_out(results: Any) -> tuple[Any, list[tuple[str, Any]], list[str | None]]:
    """The answers, what stands among them without being one, and the order in which they came.

    Parameters
    ----------
    results : Result, list or mapping
        With planned tests, rankings, plans and descriptive tables among the results.

    Returns
    -------
    answers : Result, list or mapping
        As `phrases.named` takes them.
    plans : list of (str, object)
        Heading and content of all else.
    order : list of str or None
        In order: the heading of a plan, or None for the next answer.

    Raises
    ------
    InputError
        Where no answer is left.
    """
    single = not isinstance(results, Mapping | Sequence) or isinstance(results, str | bytes)
    listed = [(None, results)] if single else list(results.items()) if isinstance(results, Mapping) else [
        (None, one) for one in results
    ]  # fmt: skip
    plans, order = [], []
    for name, one in listed:
        heading = None if not _is_plan(one) else _heading(one) if name is None else str(name)
        order.append(heading)
        if heading is not None:
            plans.append((heading, one))
    if plans and len(plans) == len(listed):
        raise InputError(
            f"{_what(plans[0][1])} is no answer, so a page cannot open with it",
            remedy="put it beside a result, gc.report([result, this], path); alone, print its summary()",
        )
    if not isinstance(results, Mapping):
        return (results if single else [one for _, one in listed if not _is_plan(one)]), plans, order
    return {name: one for name, one in listed if not _is_plan(one)}, plans, order


def _is_plan(one: Any) -> bool:
    """Whether it stands among the answers as a section of its own: a plan, or a table as it is."""
    import pandas as pd

    return hasattr(one, "report_parts") or isinstance(one, pd.DataFrame | Table)


def _heading(one: Any) -> str:
    if not hasattr(one, "report_parts"):
        return getattr(one, "caption", "") or "A table"
    return str(getattr(one, "report_title", "The plan"))


def _what(one: Any) -> str:
    planned = hasattr(one, "report_parts") and not hasattr(one, "report_title")
    return "a planned test" if planned else f"{type(one).__name__} alone"


# --- what a study adds ------------------------------------------------------------------------------------------------
def pairs(extra: Any) -> list[tuple[Any, Any]]:
    if not isinstance(extra, Mapping | Sequence) or isinstance(extra, str):
        raise InputError(f"extra must hold pairs of a heading and its content, but is {extra!r}")
    pairs = list(extra.items()) if isinstance(extra, Mapping) else list(extra)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(
                "extra must hold pairs of a heading and its content", remedy="pass [(heading, content), ...]"
            )
    return [(heading, content) for heading, content in pairs]


def parts_of(content: Any, language: str) -> list[dict[str, Any]]:
    """Sentences, tables and figures of one section, each told by its kind, with the stars that `language` uses."""
    import pandas as pd

    found: list[dict[str, Any]] = []
    listed = content if isinstance(content, list | tuple) else [content]
    shown = [one.in_house(language) if isinstance(one, Shown) else one for one in listed]
    for part in [p for one in shown for p in (one.report_parts() if hasattr(one, "report_parts") else [one])]:
        if isinstance(part, str):
            found.append({"kind": "text", "text": part})
        elif isinstance(part, pd.DataFrame):
            found.append({"kind": "table", "table": _frame(part)})
        elif isinstance(part, Table):
            found.append({"kind": "table", "table": part})
        elif isinstance(part, Figure):
            found.append({"kind": "picture", "picture": Picture(part, "")})
        elif isinstance(part, Curves):
            alt = figures.describe_curves(part)
            found.append({"kind": "picture", "picture": Picture(part.draw(), alt)})
        else:
            raise InputError(
                f"extra cannot show {type(part).__name__}",
                remedy="pass its table, extra=[(heading, x.to_frame())], or its text, x.summary()"
                if hasattr(part, "to_frame")
                else "pass sentences, pandas DataFrames or matplotlib figures",
            )
    return found


def _frame(frame: Any) -> Table:
    columns = [[tables.frame_cell(v) for v in frame.iloc[:_SHOWN_ROWS, i]] for i in range(frame.shape[1])]
    note = f"The first {_SHOWN_ROWS} of {len(frame):,} rows." if len(frame) > _SHOWN_ROWS else ""
    return Table("", tuple(digits.inline(c) for c in frame.columns), tuple(zip(*columns, strict=True)), note)
