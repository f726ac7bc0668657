"""Results as tables: one result, or several side by side; and CSV that no spreadsheet can run."""

from __future__ import annotations

import datetime as dt
import html
import math
import numbers
import os
from typing import TYPE_CHECKING, Any, cast

from gmvcausal.frames.params import check
from gmvcausal.frames.written import whole_file
from gmvcausal.present import digits, files, phrases, three_steps, words
from gmvcausal.present.table import Table
from gmvcausal.results import Result
from gmvcausal.results.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.mechanism.pathways.steps import ThreeSteps

# What one, two and three stars stand for.
_STARS = {"journal": (0.05, 0.01, 0.001), "cn": (0.10, 0.05, 0.01)}
_CSV_ROWS = 100_000
# Excel in a Chinese locale reads the full-width forms as formulas too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_INVISIBLE = " \u200b\u200c\u200d\u200e\u200f\u2060\u00a0\ufeff"


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
    note = [f"Estimand: {result.told.estimand}; in {result.told.unit}."]
    if result.manifest.choices:
        note.append(f"Options: {'; '.join(result.manifest.choices)}.")
    if not result.audit.credible:
        note.append(words.answer(result))
    elif result.estimates.withheld:
        note.append(phrases.sentence(result.estimates.withheld))
    return Table(result.title, head, rows, " ".join(note))


def _relative(size: float, low: float, high: float) -> str:
    """A relative effect with its interval; a dash where the control is not distinguishable from zero."""
    if math.isnan(size):
        return digits.NOT_GIVEN
    places = digits.beside(math.nan, 100 * size) if abs(size) < 0.1 else 0
    found = [digits.fixed(100 * v, places, signed=True) for v in (size, low, high)]
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
    return Table("Audit", ("check", "status", "finding", "what to do"), rows)


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
        f"{to_html(result)}\n{audit}</div>"
    )


_CELL = "text-align:left;vertical-align:top;padding:.15em .8em;"


def _h(text: object) -> str:
    return html.escape(digits.clean(text))


def to_html(result: Result, path: str | os.PathLike[str] | None = None) -> str:
    """The estimates as an HTML table; see `Table.to_html`."""
    return estimates_table(result).to_html(path)


def to_latex(result: Result, path: str | os.PathLike[str] | None = None) -> str:
    """The estimates as a booktabs table; see `Table.to_latex`."""
    return estimates_table(result).to_latex(path)


def to_docx(result: Result, path: str | os.PathLike[str]) -> None:
    """The estimates as a three-line table in a Word file; see `Table.to_docx`."""
    estimates_table(result).to_docx(path)


# --- what belongs to a result -----------------------------------------------------------------------------------------
def shown_table(one: Shown, caption: str | None = None) -> Table:
    """A ranking, a plan or its value as a table: estimates with their intervals, or the frame as it is."""
    if hasattr(one, "regressions"):
        return three_steps.table_of(cast("ThreeSteps", one))
    title = one.report_title if caption is None else caption
    frame = one.to_frame()
    if "conf_low" not in frame:
        columns = [[frame_cell(v) for v in frame[name]] for name in frame]
        return Table(title, tuple(digits.inline(c) for c in frame), tuple(zip(*columns, strict=True)))
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
    return Table(title, head, rows, f"n = {int(frame['n'].iloc[0]):,}.")


def shown_block(one: Shown) -> str:
    """Its sentences and its table, for notebooks."""
    told = "".join(f'<p style="margin:.2em 0;max-width:60em">{_h(text)}</p>' for text in one.sentences())
    return f'<div class="gmvcausal">{told}{shown_table(one).to_html()}</div>'


def frame_cell(value: Any) -> str:
    """Fractions with four significant digits; whole numbers as they are, for they may be years or codes."""
    import pandas as pd

    if isinstance(value, float):
        return digits.number(value, 4)
    if value is None or value is pd.NA or value is pd.NaT:
        return digits.NOT_GIVEN
    return digits.inline(value).replace("-", digits.MINUS) if isinstance(value, int) else digits.inline(value)


# --- several results --------------------------------------------------------------------------------------------------
def table(*results: Result, style: str = "journal") -> Table:
    """Several results side by side, one column each.

    Parameters
    ----------
    *results : Result
        In the order of the columns.
    style : {"journal", "cn"}
        One, two and three stars at 5, 1 and 0.1 % (``journal``) or at 10, 5 and 1 % (``cn``).

    Returns
    -------
    Table
        Prints as text and in notebooks; ``to_html``, ``to_latex``, ``to_docx``, ``to_frame``. An estimate whose audit
        failed carries a dagger in place of stars.

    Raises
    ------
    InputError
        Without a result, or for anything that is not one.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> panel = pd.DataFrame([
    ...     dict(unit=u, period=t, gmv=u % 3 * t + (u < 20 and t >= 3), first_treated=3 if u < 20 else None)
    ...     for u in range(60) for t in range(1, 5)])
    >>> list(gc.table(gc.did(panel), gc.did(panel, estimator="twfe")).to_frame())
    ['', '(1) callaway_santanna', '(2) twfe']
    """
    check("style", style)
    models = list(phrases.named(list(results)).values())
    frames = [r.to_frame().set_index("term") for r in models]
    shared = len(models) == 1 or all(list(f.index) == list(frames[0].index) for f in frames[1:])
    terms: list[str] = list(frames[0].index) if shared else ["effect"]
    rows: list[tuple[str, ...]] = []
    for k, term in enumerate(terms):
        picked = [f.iloc[k if shared else r.spoken] for f, r in zip(frames, models, strict=True)]
        rows.append((digits.clean(term), *(_coefficient(r, row, style) for r, row in zip(models, picked, strict=True))))
        rows.append(("", *(_bracket(row) for row in picked)))
    told = [r.told for r in models]
    rows.append(("n", *(phrases.units_words(row.n, "") for row in told)))
    clusters = [getattr(getattr(r, "fitted", None), "clusters", None) for r in models]
    if any(clusters):
        rows.append(("clusters (treated, control)", *(f"{c[0]:,}, {c[1]:,}" if c else "" for c in clusters)))
    rows.append(("audit", *("failed" if r.audit.failed else "passed" for r in models)))
    if len({row.unit for row in told}) > 1:
        rows.append(("unit", *(digits.clean(row.unit) for row in told)))
    heads = [f"({i + 1}) {r.manifest.options.get('estimator', r.manifest.verb)}" for i, r in enumerate(models)]
    return Table("Estimates", ("", *heads), tuple(rows), _note(models, style))


def _coefficient(result: Result, row: pd.Series[Any], style: str) -> str:
    size: str = digits.fixed(row["estimate"], digits.beside(row["std_error"], row["estimate"], digits=3))
    if not result.audit.credible:
        return size + "†"
    return size + "*" * sum(bool(row["p_value"] < bound) for bound in _STARS[style])


def _bracket(row: pd.Series[Any]) -> str:
    if math.isnan(row["std_error"]):
        if math.isnan(row["conf_low"]):
            return "no interval"
        places = digits.beside(math.nan, row["conf_low"], row["conf_high"], digits=3)
        return f"[{digits.fixed(row['conf_low'], places)}, {digits.fixed(row['conf_high'], places)}]"
    return f"({digits.fixed(row['std_error'], digits.beside(row['std_error'], digits=3))})"


def _note(models: list[Result], style: str) -> str:
    stars = ", ".join(f"{'*' * (i + 1)} p < {bound:g}" for i, bound in enumerate(_STARS[style]))
    units = {r.told.unit for r in models}
    parts = [f"Standard errors in brackets; {stars}." + (f" In {units.pop()}." if len(units) == 1 else "")]
    for i, r in enumerate(models):
        parts.append(f"({i + 1}) {r.title}: {r.told.estimand}.")
        if r.spoken in r.estimates.special and math.isnan(r.told.std_error):
            parts.append(f"({i + 1}) has its {phrases.level_words(r)} in square brackets, by {r.estimates.method}.")
        if r.audit.failed:
            parts.append(f"† Not to be quoted: the audit failed on {phrases.join([c.name for c in r.audit.failed])}.")
    return " ".join(parts)


# --- CSV --------------------------------------------------------------------------------------------------------------
def to_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as CSV (UTF-8 with its mark, so that spreadsheets read Chinese).

    Text that a spreadsheet would run as a formula gets a leading apostrophe, in heads and in cells; numbers stay.

    Parameters
    ----------
    frame : DataFrame
        The index is not written.
    path : path
        File to write.
    """
    import pandas as pd

    found = files.target(path)
    heads = [_defuse(c) for c in frame.columns]
    try:
        with whole_file(found) as beside, open(beside, "w", encoding="utf-8-sig", newline="") as out:
            for start in range(0, max(len(frame), 1), _CSV_ROWS):
                part = frame.iloc[start : start + _CSV_ROWS].copy()
                part.columns = pd.RangeIndex(part.shape[1])  # heads may repeat; positions never do
                for i in part.columns:
                    if not _is_plain(part[i].dtype):
                        part[i] = part[i].astype(object).map(_defuse)
                part.to_csv(out, index=False, header=heads if start == 0 else False, lineterminator="\n")
    except OSError as error:
        raise files.refused(path, error) from None


def _is_plain(dtype: Any) -> bool:
    from pandas.api import types

    return bool(types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype) or types.is_datetime64_any_dtype(dtype))


def _defuse(value: Any) -> Any:
    """A cell as it may be written: numbers, dates and gaps as they are, all else as text that is no formula."""
    import pandas as pd

    if isinstance(value, bool | numbers.Number | dt.date | dt.timedelta):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    text = digits.clean(value)
    risky = text.lstrip(_INVISIBLE).startswith(_FORMULA)
    # A bare carriage return goes unquoted by older csv writers and would break the row in two.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if risky else text
