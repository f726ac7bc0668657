"""A causal graph in, what `adjust` adjusts for out; and what the data say of the graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.rows import read_arms, read_outcome
from gmvcausal.frames.table import Table, open_table
from gmvcausal.observational.adjustment.intake import Asked, Sample
from gmvcausal.observational.adjustment.make import BESIDES, form_words, per_of
from gmvcausal.observational.graphs.implied import contradicted, graph_check
from gmvcausal.observational.graphs.plan import Plan, plan
from gmvcausal.results import Audit, Check

if TYPE_CHECKING:
    from gmvcausal.observational.adjustment.result import Adjusted


def planned(data: Any, graph: Any, asked: Asked) -> tuple[Plan, Asked, Table]:
    """What the graph says is to be done, with the columns that it asks for; and the whole table.

    Raises
    ------
    InputError, DesignError
        See `graphs.plan.plan`; and where nothing has to be adjusted for.
    """
    table = open_table(data)
    table.series(asked.outcome, "outcome"), table.series(asked.treatment, "treatment")  # a missing column is said first
    found = plan(graph, table.columns, asked.treatment, asked.outcome, asked.covariates)
    if found.way == "backdoor" and not found.covariates:
        raise DesignError(
            "by the graph nothing has to be adjusted for: nothing moves both the treatment and the outcome, and no "
            "other observed cause of the outcome is drawn",
            remedy="gc.ab_test compares the arms as they are; draw what the outcome depends on for a narrower interval",
        )
    return found, replace(asked, covariates=found.covariates or found.mediators), table


def drawn_words(found: Plan) -> list[str]:
    """The graph as the manifest keeps it."""
    hidden = [f"{name} [not observed]" for name in sorted(found.graph.hidden)]
    return [*sorted(f"{a} -> {b}" for a, b in found.graph.edges), *hidden]


def held_against(found: Plan, table: Table, asked: Asked, sample: Sample) -> Check:
    """Every independence that the graph implies, tested on the columns that can be read as numbers."""
    nodes = [n for n in found.graph.nodes if n not in found.graph.hidden]
    columns: dict[str, Any] = {}
    unread = []
    for name in nodes:
        if name == asked.outcome:
            columns[name] = read_outcome(table, name, asked.missing, []).values[:, None]
        elif name == asked.treatment:
            columns[name] = read_arms(table, name, asked.control).codes.astype(float)[:, None]
        else:
            try:
                columns[name] = encode(table, [name], "").values
            except InputError:  # gaps, or a kind of column that the estimate does without: said in the message
                unread.append(name)
    cluster = None
    if sample.cluster is not None:
        cluster = np.empty(table.n, dtype=np.int64)
        cluster[sample.row] = sample.cluster
    return graph_check(contradicted(found.graph, columns, cluster), tuple(unread))


def with_graph(made: Adjusted, found: Plan, table: Table) -> Adjusted:
    """The result with the graph's words, its check and its notes."""
    check = held_against(found, table, made.asked, made.sample)
    rest = BESIDES.format(per=per_of(made.asked, made.sample)) + form_words(made.estimator, made.about)
    return replace(
        made, assumption=f"{found.assumption}; {rest}", checks=Audit((*made.checks, check)),
        advice=(*found.reasons, *made.advice),
        manifest=replace(made.manifest, notes=(*found.notes, *made.manifest.notes)),
    )  # fmt: skip
