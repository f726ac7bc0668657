"""From fitted terms to the result of a test: estimates, audit, manifest and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.checks import run_audit
from gmvcausal.abtest.audit.of_outcome import spokesmen
from gmvcausal.abtest.days.days import Days
from gmvcausal.abtest.draws.resample import refuse_few_draws
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import model_of
from gmvcausal.abtest.result import AbResult
from gmvcausal.abtest.terms import complier_rows, tables, wording
from gmvcausal.abtest.terms import guardrails as guards
from gmvcausal.abtest.terms.estimate import Fit
from gmvcausal.results import Manifest
from gmvcausal.results.compliers import assumption

_ASSUMPTION = (
    "the arms were drawn by lot and everybody drawn is in the table; one unit's arm leaves the outcomes of others alone"
)

_SWITCHED = (
    "the arm of every block was drawn by lot; what a block leaves behind is over after the washout; one room's arm "
    "leaves the outcomes of others alone"
)


def make_result(
    source: Source,
    columns: Columns,
    fitted: Fit,
    options: dict[str, Any],
    expected: NDArray[np.float64],
    margins: Mapping[str, float],
    days: Days | None,
) -> AbResult:
    found, level = columns.metrics, 1 - options["alpha"]
    blocks, meta = source.facts.blocks, source.meta
    per = columns.unit or (days.unit if days is not None else "") or ("user" if meta.get("unit") == "user" else "unit")
    per = "row" if blocks is not None else per
    units = {str(meta["outcome"]): str(meta["outcome_unit"])} if "outcome" in meta and "outcome_unit" in meta else {}
    found_cluster = bool(source.cluster_name) and columns.cluster is None and blocks is None
    case = Case(source, found, fitted, expected, options["srm_alpha"], level, found_cluster, days)
    told = spokesmen(case)
    estimates, shares, said = tables.estimates(
        fitted, found, source.labels, source.control, per, units, options["adjust"], options["alpha"], margins, told
    )
    if days is not None:
        estimates = replace(estimates, estimand=days.estimands(estimates.estimand, [t.metric for t in fitted.terms]))
    estimates = replace(estimates, estimand=tuple(f"{e}{wording.among(source.facts)}" for e in estimates.estimand))
    least = options["alpha"] * float(np.nanmin(shares))
    refuse_few_draws(fitted, options["inference"], options["draws"], least, options["alternative"])
    guarded = guards.run_guardrails(case, estimates.estimand, margins, options["alpha"])
    audit = run_audit(case)
    notes = [*source.notes, *dict.fromkeys(fitted.notes), *([said] if said else [])]
    notes += [str(note) for note in source.meta.get("notes", [])]
    manifest = Manifest(
        "ab_test",
        options,
        options["seed"] if options["inference"] != "t" or any(model_of(m) is not None for m in found) else None,
        source.rows if days is None else days.rows,
        source.columns if days is None else days.columns,
        dict(source.dropped),
        tuple(notes),
        partial(_analysed, source) if isinstance(source, Rows) else partial(list, source.analysed()),
    )
    extra = tables.extra(case, found, source.labels, source.control, shares, options["alpha"])
    advice = (
        *guards.advice(guarded, options["alpha"]),
        *tables.advice(case, estimates, options["alpha"]),
        *wording.diluted(case),
    )
    assumed, received = _ASSUMPTION if blocks is None else _SWITCHED, options["received"]
    if received is not None:
        estimates, extra = complier_rows.appended(
            estimates, extra, fitted, source.labels, received, shares, options["alpha"]
        )
        advice += complier_rows.advice(case, received, options["alpha"])
        assumed += f"; {assumption(received)}"
    control = source.labels[source.control]
    others = [label for i, label in enumerate(source.labels) if i != source.control]
    kind = "Randomised" if blocks is None else "Switchback"
    title = f"{kind} test: {others[0] if len(others) == 1 else f'{len(others)} arms'} against {control}"
    return AbResult(
        title,
        assumed,
        estimates,
        manifest,
        options["alpha"],
        audit,
        extra,
        advice,
        told[0],
        tables.alike(case, told[0]),
        guarded,
        dict(meta),
        source.cluster_name,
        days,
    )


def _analysed(rows: Rows) -> list[NDArray[Any]]:
    """The analysed arrays in canonical order, for the hash."""
    return rows.analysed()
