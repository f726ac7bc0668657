"""A report in one HTML file: the question, the answer or the refusal and its audit first, then the evidence."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.present import digits, figures, files, phrases, style, tables, words
from gmvcausal.present.selection import selection
from gmvcausal.present.table import Table
from gmvcausal.results import Result
from gmvcausal.results.curves import Curves

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

# A page must open on a phone: longer frames are cut, and say so.
_SHOWN_ROWS = 200


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
) -> Path:
    """Write one self-contained HTML page about one result, or about several answers to one question.

    The first screen holds the question, the answer or the refusal in plain words, the estimand with its unit, one line
    per answer, and the audit of the headline; the evidence follows. Figures are inside the file, there is no script and
    nothing is loaded from elsewhere; the same input gives the same bytes.

    Parameters
    ----------
    results : Result, list of Result, or mapping of str to Result
        In the order in which they would be believed: the first that its audit and an interval support is the headline.
        Plans of `gc.power` and `gc.sample_size`, and of an uplift model its evaluation, its plan and the plan's value,
        become sections of their own.
    path : path
        File to write; its folder must exist.
    language : {"en"}
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
    import jinja2

    check("language", language)
    results, plans = _without_plans(results)
    found = phrases.named(results, benchmarks)
    files.target(path)
    template = resources.files("gmvcausal.present").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printable
    )
    page = environment.from_string(template).render(
        language=language,
        **_first_screen(found, benchmarks, currency, title, question),
        picture=_picture(figures.compare(found, benchmarks=benchmarks, currency=currency)) if len(found) > 1 else "",
        sections=[_section(name, result, currency) for name, result in found.items()],
        beside=[phrases.sentence(digits.inline(text)) for text in beside],
        extra=[
            {"heading": digits.inline(h), "id": f"extra-{i}", "parts": _parts(c)}
            for i, (h, c) in enumerate([*_pairs(extra), *plans])
        ],
    )
    return files.write(path, page)


def _printable(value: Any) -> Any:
    """Every text that reaches the page; markup made by the template itself is left alone."""
    return digits.clean(value) if type(value) is str else value


# --- the first screen -------------------------------------------------------------------------------------------------
def _first_screen(
    found: dict[str, Result], benchmarks: Sequence[str], currency: str, title: str | None, question: str | None
) -> dict[str, Any]:
    first = words.lead(found, benchmarks=benchmarks, currency=currency)
    marked = {digits.inline(b) for b in benchmarks}
    shown = first.name or next((n for n in found if n not in marked), next(iter(found)))
    result = found[shown]
    row = result.told
    outcome = digits.inline(row.unit).rpartition(" per ")[0] or "the outcome"
    return {
        "title": title or "Effect of a tactic",
        "question": question or f"How much did the tactic change {outcome}?",
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
def _section(name: str, result: Result, currency: str) -> dict[str, Any]:
    kinds = figures.kinds(result)
    # One dot says no more than the table; several terms are worth a picture.
    several = len(kinds) == 1 and len(result.to_frame()) > 1
    wanted = [k for k in kinds if k != "estimates" or k in result.curve_kinds or several]
    manifest = result.manifest
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
        "assumption": phrases.sentence(result.assumption),
        "withheld": phrases.sentence(result.estimates.withheld),
        "pictures": [
            {"source": _picture(figures.plot(result, kind)), "alt": figures.describe(result, kind)} for kind in wanted
        ],
        "estimates": replace(tables.estimates_table(result), caption=""),
        "audit": _audit(result),
        "rows": f"{manifest.rows:,} rows of {manifest.columns:,} columns were read.",
        "dropped": [f"{why}: {count:,}" for why, count in manifest.dropped.items() if count],
        "notes": [phrases.sentence(note) for note in manifest.notes],
        "manifest": manifest.to_json(),
    }


def _picture(figure: Figure) -> str:
    """The figure as a data address: in an image no text of a figure can act on the page."""
    text = style.svg(figure).encode("utf-8", "replace")
    return "data:image/svg+xml;base64," + base64.b64encode(text).decode("ascii")


def _without_plans(results: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """The results, and what stands among them without being an answer (planned tests, rankings, plans)."""
    if isinstance(results, Mapping):
        plans = [(str(name), one) for name, one in results.items() if _is_plan(one)]
        left: Any = {name: one for name, one in results.items() if not _is_plan(one)}
    elif isinstance(results, Sequence) and not isinstance(results, str | bytes):
        plans = [(_heading(one), one) for one in results if _is_plan(one)]
        left = [one for one in results if not _is_plan(one)]
    else:
        plans, left = [(_heading(results), results)] if _is_plan(results) else [], results
    if plans and (not left or _is_plan(left)):
        raise InputError(
            f"{_what(plans[0][1])} is no answer, so a page cannot open with it",
            remedy="put it beside a result, gc.report([result, this], path); alone, print its summary()",
        )
    return left, plans


def _is_plan(one: Any) -> bool:
    return hasattr(one, "report_parts")


def _heading(one: Any) -> str:
    return str(getattr(one, "report_title", "The plan"))


def _what(one: Any) -> str:
    return f"{type(one).__name__} alone" if hasattr(one, "report_title") else "a planned test"


# --- what a study adds ------------------------------------------------------------------------------------------------
def _pairs(extra: Any) -> list[tuple[Any, Any]]:
    if not isinstance(extra, Mapping | Sequence) or isinstance(extra, str):
        raise InputError(f"extra must hold pairs of a heading and its content, but is {extra!r}")
    pairs = list(extra.items()) if isinstance(extra, Mapping) else list(extra)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(
                "extra must hold pairs of a heading and its content", remedy="pass [(heading, content), ...]"
            )
    return [(heading, content) for heading, content in pairs]


def _parts(content: Any) -> list[dict[str, Any]]:
    """Sentences, tables and figures of one section, each told by its kind."""
    import pandas as pd
    from matplotlib.figure import Figure

    found: list[dict[str, Any]] = []
    listed = content if isinstance(content, list | tuple) else [content]
    for part in [p for one in listed for p in (one.report_parts() if _is_plan(one) else [one])]:
        if isinstance(part, str):
            found.append({"kind": "text", "text": part})
        elif isinstance(part, pd.DataFrame):
            found.append({"kind": "table", "table": _frame(part)})
        elif isinstance(part, Table):
            found.append({"kind": "table", "table": part})
        elif isinstance(part, Figure):
            found.append({"kind": "picture", "source": _picture(part), "alt": ""})
        elif isinstance(part, Curves):
            alt = figures.describe_curves(part)
            found.append({"kind": "picture", "source": _picture(part.draw()), "alt": alt})
        else:
            raise InputError(
                f"extra cannot show {type(part).__name__}",
                remedy="pass sentences, pandas DataFrames or matplotlib figures",
            )
    return found


def _frame(frame: Any) -> Table:
    columns = [[tables.frame_cell(v) for v in frame.iloc[:_SHOWN_ROWS, i]] for i in range(frame.shape[1])]
    note = f"The first {_SHOWN_ROWS} of {len(frame):,} rows." if len(frame) > _SHOWN_ROWS else ""
    return Table("", tuple(digits.inline(c) for c in frame.columns), tuple(zip(*columns, strict=True)), note)
