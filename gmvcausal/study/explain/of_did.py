"""The passes of `did` over a file, in the order of the statements in `rollout/intake/`.

A panel that fits is held as a matrix (`scan`); of one that does not, only sums by cohort (`large`), where the call asks
for nothing that takes the units one by one.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.duck import room
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.files import Files
from gmvcausal.frames.params import check
from gmvcausal.frames.table import open_relation
from gmvcausal.rollout.asked import one_by_one
from gmvcausal.rollout.intake.gathered import OPTIONAL, SAMPLE, Ask
from gmvcausal.rollout.intake.large import refuse_large
from gmvcausal.rollout.intake.levels import OWN
from gmvcausal.rollout.intake.opened import Located
from gmvcausal.rollout.intake.scan import BUFFERS, by_row
from gmvcausal.rollout.methods import METHODS
from gmvcausal.rollout.verb import did
from gmvcausal.study.explain.of_logs import distinct
from gmvcausal.study.explain.of_rows import rows_step
from gmvcausal.study.explain.plan import Count, Pass, Source, Step

DID, SUMS = "did", "did_sums"  # routes
_IDS = ("whole", "text")  # what may name a cluster
CELL_BYTES = 20  # a unit and period in a panel read from a file: the outcome, and what the estimators make of it
FRAME_BYTES = 60  # the same with the table that it comes from, where `Logs` made it
SORTED_BYTES = 32  # a row that is sorted by unit and period outside memory


def ask_of(options: Mapping[str, Any], outcome: str) -> Ask:
    """The columns that a call of `did` names.

    Raises
    ------
    InputError
        An estimator that does not exist.
    """
    given = {k: p.default for k, p in inspect.signature(did).parameters.items() if k != "data"} | dict(options)
    if given["outcome"] is None:
        given["outcome"] = outcome
    if given["unit"] == "none":
        given["unit"] = None  # as in a study
    if given["estimator"] not in METHODS:
        raise InputError(
            f"estimator must be one of {', '.join(map(repr, METHODS))}, but is {given['estimator']!r}",
            remedy="choose estimator= from that list",
        )
    given |= {"ratios": given["estimator"] == "poisson", "absorbing": METHODS[given["estimator"]].absorbing}
    given["one_by_one"] = one_by_one(given)
    given["covariates"] = check("covariates", given["covariates"])
    return Ask(**{field.name: given[field.name] for field in dataclasses.fields(Ask)})


def did_step(title: str, source: Source, files: Files, ask: Ask, memory_limit: Any = None) -> Step:
    """`did` on parquet files.

    Raises
    ------
    InputError
        A column that the call names and the files lack; a limit that is none.
    """
    open_relation(files, "data", ask.needed)
    options = by_row(ask)
    _, holds = room(check("memory_limit", memory_limit), BUFFERS)
    space: Any = SimpleNamespace(holds=holds, positions=True)
    located = Located(space, "", {}, source.rows)
    if not located.fits:
        refusal = ""
        try:
            refuse_large(located, [*options, *ask.one_by_one])
        except InputError as error:
            refusal = str(error)
        return _of_sums(title, source, ask, refusal)
    if options:
        verb = "takes" if len(options) == 1 else "take"
        held = list(dict.fromkeys([*ask.needed, *(c for c in source.columns if c in OPTIONAL)]))
        return rows_step(title, source, held, f"{' and '.join(options)} {verb} rows one by one")
    return _of_matrix(title, source, ask)


def _of_matrix(title: str, source: Source, ask: Ask) -> Step:
    """As `intake.scan`."""
    unit = str(ask.unit)

    def over(why: str, *columns: str) -> Pass:
        return Pass(source.name, why, tuple(dict.fromkeys(columns)), DID)

    passes = [over("units", unit), over("periods", ask.time)]
    passes += [over("dates of first treatment", ask.first_treated)] if ask.treated is None else []
    start = str(ask.first_treated if ask.treated is None else ask.treated)
    passes.append(over("outcomes by unit and period", unit, ask.time, ask.outcome, start, *filter(None, [ask.weights])))
    passes += [over("shorter periods in each row", "parts")] if "parts" in source.columns else []
    places, others = _places(source, ask), _others(source, ask)
    maybe: list[Pass] = []
    if others and source.types[unit] == "whole" and ask.cluster in (None, unit):
        why = f"columns coarser than {unit}, on the first {SAMPLE:,} of them"
        share = min(1.0, SAMPLE / max(distinct(source, unit), 1))
        # Where a place turns out to be the cluster nobody looks for another.
        (maybe if places else passes).append(Pass(source.name, why, (unit, *others), DID, share))
    for k, place in enumerate(places):
        found = [over(f"which {place}", place), over(f"{place} of each unit", unit, place)]
        passes += found if k == 0 else []  # the first may be where treatment was assigned
        maybe += found if k else []
    cells = source.rows
    return Step(title, tuple(passes), tuple(maybe), _counts(source, ask), cells * CELL_BYTES)


def _of_sums(title: str, source: Source, ask: Ask, refusal: str) -> Step:
    """As `intake.large`: the rows are sorted by unit and added up, and once more for the largest influences."""
    unit, first = str(ask.unit), ask.first_treated

    def over(why: str, *columns: str) -> Pass:
        return Pass(source.name, why, tuple(dict.fromkeys(columns)), SUMS)

    opened = [over("periods", ask.time), over("dates of first treatment", first), over("units", unit)]
    places, others = _places(source, ask), _others(source, ask)
    passes, maybe = list(opened), []
    for k, place in enumerate(places):
        found = [over(f"which {place}", place), over(f"dates by {place}", place, first)]
        found += [over(f"{place} of each unit", unit, place)]
        passes += found if k == 0 else []
        maybe += found if k else []
    cluster = places[:1]
    passes += [over(f"which {c}", c) for c in cluster]
    passes.append(over("sums by cohort, of rows sorted by unit", unit, ask.time, first, ask.outcome, *cluster))
    looked = [over(f"columns coarser than {unit}", unit, *others)] if others else []
    passes, maybe = (passes, [*maybe, *looked]) if cluster else ([*passes, *looked], maybe)
    passes += [*opened, over("largest influences", unit, ask.time, first, ask.outcome)]
    said = "the matrix of units and periods does not fit: only sums by cohort are held"
    return Step(
        title, tuple(passes), tuple(maybe), _counts(source, ask), spill=source.rows * SORTED_BYTES, refusal=refusal,
        notes=(said,),
    )  # fmt: skip


def _places(source: Source, ask: Ask) -> list[str]:
    """Columns that are, or may turn out to be, the clusters."""
    if ask.cluster is not None:
        return [ask.cluster] if ask.cluster != ask.unit else []
    return [c for c in COARSER if c in source.columns and c != ask.unit]


def _others(source: Source, ask: Ask) -> list[str]:
    """Columns among which a coarser cluster is looked for."""
    return [c for c in source.columns if c not in {*ask.needed, *OWN, *COARSER} and source.types[c] in _IDS]


def _counts(source: Source, ask: Ask) -> tuple[Count, ...]:
    units, periods = distinct(source, str(ask.unit)), distinct(source, ask.time)
    known = (Count("periods", periods),) if periods < source.rows else ()
    return Count("units", units), *known, Count("cells", source.rows)
