"""Several results side by side, one column each, as empirical papers print them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.present import digits, names, phrases, tables
from gmvcausal.present.labels import warn_unknown
from gmvcausal.present.table import Table
from gmvcausal.results import Result
from gmvcausal.results.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

_SPOKEN = {"journal": "en", "cn": "zh"}
# Panel designs compare a unit with itself and with others in the same period: both kinds of effects are taken out.
_WITHIN = {"did"}
_NOT_WITHIN = {"naive", "synthetic_control", "augmented_synthetic_control"}
# What examines an estimate and repeats it; all else that belongs to a result (its moderation) is another model.
_SAME_ESTIMATE = ("", "by", "placebo", "robustness", "leave_one_out")


def table(
    *results: Result | Shown,
    style: str = "journal",
    language: str | None = None,
    labels: Mapping[str, str] | None = None,
    caption: str | None = None,
) -> Table:
    """Several results side by side, one column each; or one table that belongs to a result.

    Parameters
    ----------
    *results : Result
        In the order of the columns. One thing that is no result of its own but has a table (of `gc.describe`, an
        evaluation, a plan) may stand alone.
    style : {"journal", "cn"}
        One, two and three stars at 5, 1 and 0.1 % (``journal``) or at 10, 5 and 1 % (``cn``).
    language : {"en", "zh"}, optional
        Default English for ``journal`` and Chinese for ``cn``.
    labels : mapping of str to str, optional
        Names to print in place of the data's own: ``{"gmv": "成交额"}``.
    caption : str, optional
        What stands above the table.

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
    language = _SPOKEN[style] if language is None else check("language", language)
    if caption is not None and not isinstance(caption, str):
        raise InputError(f"caption must be a text, but is {caption!r}", remedy="write caption='Effect of the coupon'")
    given = check("labels", labels)
    if len(results) == 1 and isinstance(results[0], Shown):
        warn_unknown(given, results, whole=False)
        return tables.shown_table(results[0].in_house(_SPOKEN[style]), caption).in_language(language, labels)
    models = list(phrases.named(list(results)).values())
    warn_unknown(given, models, whole=False)
    made = _columns(models, style)
    done = made.in_language(language, labels)
    return done if caption is None else replace(done, caption=caption)


def _columns(models: list[Result], style: str) -> Table:
    frames = [r.to_frame().set_index("term") for r in models]
    shared = len(models) == 1 or all(list(f.index) == list(frames[0].index) for f in frames[1:])
    terms: list[str] = list(frames[0].index) if shared else ["effect"]
    rows: list[tuple[str, ...]] = []
    for k, term in enumerate(terms):
        picked = [f.iloc[k if shared else r.spoken] for f, r in zip(frames, models, strict=True)]
        rows.append((digits.clean(term), *(_coefficient(r, row, style) for r, row in zip(models, picked, strict=True))))
        rows.append(("", *(_bracket(row) for row in picked)))
    named = len(rows) if shared else 0  # what follows has words of ours before it, also where a column is called so
    told = [r.told for r in models]
    rows += _specification(models)
    rows.append(("n", *(phrases.units_words(row.n, "") for row in told)))
    # Of a panel n counts units; elsewhere the rows may be sums, which say nothing.
    panels = [r.manifest.rows if r.manifest.verb.partition(".")[0] in _WITHIN else None for r in models]
    if any(count not in (None, row.n) for row, count in zip(told, panels, strict=True)):
        rows.append(("rows", *("" if count is None else f"{count:,}" for count in panels)))
    clusters = [getattr(getattr(r, "fitted", None), "clusters", None) for r in models]
    if any(clusters):
        rows.append(("clusters (treated, control)", *(f"{c[0]:,}, {c[1]:,}" if c else "" for c in clusters)))
    rows.append(("audit", *("failed" if r.audit.failed else "passed" for r in models)))
    if len({row.unit for row in told}) > 1:
        rows.append(("unit", *(digits.clean(row.unit) for row in told)))
    own = tuple(dict.fromkeys(name for r in models for name in names.of(r)))
    heads = [f"({i + 1}) {r.manifest.options.get('estimator', r.manifest.verb)}" for i, r in enumerate(models)]
    return Table("Estimates", ("", *heads), tuple(rows), _note(models, style), own=own, named=named)


def _specification(models: list[Result]) -> list[tuple[str, ...]]:
    """Rows of yes and no: what each column holds fixed; a row that is yes nowhere is left out."""
    found = [_held_fixed(r) for r in models]
    rows = []
    for name in dict.fromkeys(key for each in found for key in each):
        if any(each.get(name) for each in found):
            rows.append((name, *({True: "yes", False: "no", None: ""}[each.get(name)] for each in found)))
    return rows


def _held_fixed(result: Result) -> dict[str, bool]:
    """What is known to be held fixed and what is known not to be; what is not known is left out."""
    verb, _, part = result.manifest.verb.partition(".")
    if part not in _SAME_ESTIMATE:
        return {}
    options = result.manifest.options
    estimator = options.get("estimator")
    before = any("pre=('" in str(metric) for metric in options.get("metrics") or ())
    found = {"controls": before or bool(options.get("covariates") or options.get("features"))}
    if "strata" in options:
        found["strata"] = bool(options["strata"])
    if verb in _WITHIN:
        panel = estimator not in _NOT_WITHIN
        found |= {"unit fixed effects": panel and options.get("unit") is not None, "period fixed effects": panel}
    return found


def _coefficient(result: Result, row: pd.Series[Any], style: str) -> str:
    size: str = digits.fixed(row["estimate"], digits.beside(row["std_error"], row["estimate"], digits=3))
    if not result.audit.credible:
        return size + "†"
    return size + digits.stars(row["p_value"], style)


def _bracket(row: pd.Series[Any]) -> str:
    if math.isnan(row["std_error"]):
        if math.isnan(row["conf_low"]):
            return "no interval"
        places = digits.beside(math.nan, row["conf_low"], row["conf_high"], digits=3)
        return f"[{digits.fixed(row['conf_low'], places)}, {digits.fixed(row['conf_high'], places)}]"
    return f"({digits.fixed(row['std_error'], digits.beside(row['std_error'], digits=3))})"


def _note(models: list[Result], style: str) -> str:
    units = {r.told.unit for r in models}
    parts = [f"Standard errors in brackets; {digits.stars_words(style)}."]
    if len(units) == 1:
        parts.append(f"Unit: {units.pop()}.")
    for i, r in enumerate(models):
        parts.append(f"({i + 1}) {r.title}: {r.told.estimand}.")
        if _on_both_sides(r):
            parts.append(
                f"({i + 1}) has clusters on both sides: units count as controls while they are not treated, and a "
                "cluster may hold both."
            )
        if r.spoken in r.estimates.special and math.isnan(r.told.std_error):
            parts.append(f"({i + 1}) has its {phrases.level_words(r)} in square brackets, by {r.estimates.method}.")
        if r.audit.failed:
            parts.append(f"† Not to be quoted: the audit failed on {phrases.join([c.name for c in r.audit.failed])}.")
    return " ".join(parts)


def _on_both_sides(result: Result) -> bool:
    """Whether more clusters are counted, on both sides together, than there are."""
    sides = getattr(getattr(result, "fitted", None), "clusters", None)
    panel = getattr(result, "panel", None)
    return sides is not None and panel is not None and sum(sides) > panel.n_clusters
