"""Results as tables: what one result, or what belongs to one, says in rows."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any, cast

from gmvcausal.present import digits, names, phrases, three_steps, words
from gmvcausal.present.chinese import say
from gmvcausal.present.table import Table
from gmvcausal.results import Result
from gmvcausal.results.shown import Shown

if TYPE_CHECKING:
    from gmvcausal.mechanism.pathways.steps import ThreeSteps


# --- one result -------------------------------------------------------------------------------------------------------
def estimates_table(result: Result) -> Table:
    """The estimates of one result: term, estimate, standard error, interval, p-value, n."""
    head: tuple[str, ...] = ("term", "estimate", "std. error", phrases.level_words(result), "p", "n")
    frame = result.to_frame()
    units = [phrases.units_words(n, "") for n in result.estimates.n]
    rows: tuple[tuple[str, ...], ...] = tuple(
        (*cells, n) for cells, n in zip(estimate_cells(result), units, strict=True)
    )
    if "relative" in frame:
        spans = zip(*(frame[c].to_numpy(float) for c in ("relative", "relative_low", "relative_high")), strict=True)
        head = (*head[:-1], "relative", head[-1])
        rows = tuple((*row[:-1], _relative(*span), row[-1]) for row, span in zip(rows, spans, strict=True))
    note = [f"Estimand: {result.told.estimand}; unit: {result.told.unit}."]
    if result.manifest.choices:
        note.append(f"Options: {'; '.join(result.manifest.choices)}.")
    if not result.audit.credible:
        note.append(words.answer(result))
    elif result.estimates.withheld:
        note.append(phrases.sentence(result.estimates.withheld, names.written(result)))
    return Table(result.title, head, rows, " ".join(note), own=names.of(result))


def _relative(size: float, low: float, high: float) -> str:
    """A relative effect with its interval; a dash where the control is not distinguishable from zero."""
    if math.isnan(size):
        return digits.NOT_GIVEN
    places = digits.beside(math.nan, 100 * size) if abs(size) < 0.1 else 0
    # A limit that is not zero keeps its side of zero: an interval that holds zero is read by its signs.
    found = [digits.fixed(100 * v, max(places, digits.sided(100 * v, places)), signed=True) for v in (size, low, high)]
    return f"{found[0]}%" if math.isnan(low) else f"{found[0]}% [{found[1]}, {found[2]}]"


def estimate_cells(result: Result | Shown) -> list[tuple[str, str, str, str, str]]:
    """Term, estimate, standard error, interval and p-value of every row, as they are printed."""
    frame = result.to_frame()
    columns = [frame[c].to_numpy(float) for c in ("estimate", "std_error", "conf_low", "conf_high", "p_value")]
    cells = []
    for term, estimate, error, low, high, p in zip(frame["term"], *columns, strict=True):
        places = digits.beside(error, estimate, digits=3)
        span = f"[{digits.fixed(low, places)}, {digits.fixed(high, places)}]" if low == low else digits.NOT_GIVEN
        estimate_text, error_text = digits.fixed(estimate, places), digits.fixed(error, places)
        cells.append((digits.inline(term), estimate_text, error_text, span, digits.p_value(p)))
    return cells


def audit_table(result: Result) -> Table:
    """The checks of one result, worst first."""
    rows = tuple((c.name, c.status.replace("_", " "), c.message, c.remedy) for c in result.audit)
    return Table("Audit", ("check", "status", "finding", "what to do"), rows, own=names.of(result))


def html_block(result: Result) -> str:
    """The finding, the estimates and the audit, for notebooks.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        HTML with every text escaped and its styles inline, for notebooks drop style sheets.
    """
    refused = words.verdict(result) in ("refused", "no_interval")
    color = "#b3470d" if refused else "#0b5c94"
    found = "".join(f'<p style="margin:.2em 0">{_h(t)}</p>' for t in words.details(result))
    marks = {
        "failed": "color:#b3470d;font-weight:600",
        "warned": "color:#8a5a00;font-weight:600",
        "not_run": "color:#666",
    }
    rows = ""
    for c in result.audit:
        cells = (
            f'<th scope="row" style="{_CELL}font-weight:normal">{_h(c.name)}</th>',
            f'<td style="{_CELL}{marks.get(c.status, "")}">{_h(c.status.replace("_", " "))}</td>',
            f'<td style="{_CELL}">{_h(c.message)}{_h(f" → {c.remedy}") if c.remedy else ""}</td>',
        )
        rows += f"<tr>{''.join(cells)}</tr>"
    head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in ("check", "status", "finding"))
    audit = (
        f"<details{' open' if refused else ''}><summary>Audit: {_h(phrases.audit_words(result.audit))}</summary>"
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details>'
    )
    return (
        f'<div class="gmvcausal"><div style="border-left:4px solid {color};padding:.2em .8em;margin:.4em 0">'
        f'<p style="margin:.2em 0;font-size:115%;font-weight:600">{_h(words.answer(result))}</p>{found}</div>\n'
        f"{estimates_table(result).to_html()}\n{audit}</div>"
    )


_CELL = "text-align:left;vertical-align:top;padding:.15em .8em;"


def _h(text: object) -> str:
    return html.escape(digits.clean(text))


# --- what belongs to a result -----------------------------------------------------------------------------------------
def shown_table(one: Shown, caption: str | None = None) -> Table:
    """A ranking, a plan or its value as a table: estimates with their intervals, or the frame as it is."""
    if hasattr(one, "regressions"):
        return three_steps.table_of(cast("ThreeSteps", one))
    title = one.report_title if caption is None else caption
    printed, own = one.cells(), names.of(one)
    if printed is not None:
        head, rows, note = printed
        cells = tuple(tuple(map(digits.inline, row)) for row in rows)
        return Table(title, tuple(map(digits.inline, head)), cells, note, own=own)
    frame = one.to_frame()
    if "conf_low" not in frame:
        columns = [[frame_cell(v) for v in frame[name]] for name in frame]
        return Table(title, tuple(digits.inline(c) for c in frame), tuple(zip(*columns, strict=True)), own=own)
    labels = [digits.inline(t) for t in frame["term"]]
    for extra in ("arm", "estimand"):  # what sets rows apart that have one term
        if extra in frame:
            again = [labels.count(x) > 1 for x in labels]
            more = [f", {digits.inline(v)}" if k else "" for k, v in zip(again, frame[extra], strict=True)]
            labels = [x + y for x, y in zip(labels, more, strict=True)]
    rows = tuple(
        (label, *cells[1:], digits.inline(unit))
        for label, cells, unit in zip(labels, estimate_cells(one), frame["unit"], strict=True)
    )
    head = ("", "estimate", "std. error", f"{100 * one.level:g}% interval", "p", "unit")
    return Table(title, head, rows, f"n = {int(frame['n'].iloc[0]):,}.", own=own)


def shown_block(one: Shown) -> str:
    """Its sentences and its table, for notebooks."""
    said = (say(text, one.spoken) for text in one.sentences())
    told = "".join(f'<p style="margin:.2em 0;max-width:60em">{_h(text)}</p>' for text in said)
    return f'<div class="gmvcausal">{told}{shown_table(one).in_language(one.spoken).to_html()}</div>'


def frame_cell(value: Any) -> str:
    """Fractions with four significant digits; whole numbers as they are, for they may be years or codes."""
    import pandas as pd

    if isinstance(value, float):
        return digits.number(value, 4)
    if value is None or value is pd.NA or value is pd.NaT:
        return digits.NOT_GIVEN
    return digits.inline(value).replace("-", digits.MINUS) if isinstance(value, int) else digits.inline(value)
