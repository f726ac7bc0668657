"""One reading of a table: columns in, a checked `Trial` out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import in_one_arm, small_arms
from gmvcausal.frames.columns import Codes, first_rows, flags, identifiers
from gmvcausal.frames.deciding import refuse_deciding
from gmvcausal.frames.exposed import refuse_early
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts, says_unit
from gmvcausal.frames.features import Features, Unseen, learn_features, said_of_levels, tell_constant
from gmvcausal.frames.prints import canonical_order, scattered
from gmvcausal.frames.rows import read_arms, read_outcome, refuse_repeated, unit_column
from gmvcausal.frames.rows import read_clusters as shared_clusters
from gmvcausal.frames.table import Table, open_table
from gmvcausal.targeting.intake.redeemed import read_redeemed
from gmvcausal.targeting.intake.shares import columns_of, given_propensity, read_cost, refuse_paid
from gmvcausal.targeting.intake.trial import Asked, IntArray, Trial


def read_trial(
    data: Any, asked: Asked, features: Features | None = None, labels: tuple[Any, ...] | None = None, *,
    facts: dict[str, Any] | None = None, unseen: Unseen | None = None,
) -> Trial:  # fmt: skip
    """Read and check a table.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
    asked : Asked
    features, labels : optional
        As training found them, where the table is another one (held-out data): levels and scales are those of
        training, and the arms must be among its arms.
    facts : dict, optional
        What `Logs` wrote about the table, where `data` is rows of it alone.
    unseen : dict, optional
        Levels that training never saw are counted here and not judged, since `data` is a batch of a table: what only
        the whole table can tell is then left to whoever has it.

    Raises
    ------
    InputError
        Every way of being wrong that a table has; the message names column, count, rows and remedy.
    """
    refuse_roles(asked)
    receipt = asked.received if features is None else None  # what is held out needs none
    needed = columns_needed(replace(asked, received=receipt))
    what = "data" if features is None else "the test table"
    table = open_table(data, what, needed=needed, optional=(*COARSER, *UNIT_NAMES))
    facts = frame_facts(data) if facts is None else facts
    refuse_window(asked, facts)
    notes: list[str] = list(map(str, facts.get("notes", [])))
    if asked.assigned_at is not None and asked.exposed_at is not None:
        refuse_early(table, asked.assigned_at, asked.exposed_at, notes)
    arm, found = _arms(table, asked, labels)
    dropped = dict(facts.get("dropped", {}))
    unit, kept = one_row_each(table, asked, arm, notes, dropped)
    if kept is not None:
        small_arms(found, np.bincount(arm[kept], minlength=len(found)))
    y, spacing = read_outcome(table, asked.outcome, asked.missing, notes)
    got = None if receipt is None else _receipt(table, receipt)
    own = learn_features(table, asked.features, asked.impute, asked.assigned_at) if features is None else features
    if features is None:
        notes += said_of_levels(own)
    x = own.transform(table, notes, unseen)
    e = given_propensity(table, asked.propensity, found)
    cost = read_cost(table, asked.cost, found)
    if unseen is None:
        refuse_paid(asked.cost, cost, arm)
    redeemed = read_redeemed(table, asked.redeemed, arm, found)
    name, cluster, was_found = ("", None, False) if unseen is not None else read_clusters(table, asked, arm)
    if cluster is not None:
        constant_within(unit, cluster, name, kept)
    if own.names and unseen is None:
        tell_constant(own, x, notes)
    if features is None:
        refuse_deciding(own, x, y, arm)
    order = canonical_order(x, y, arm, unit if cluster is None else cluster)
    if kept is not None:
        order = order[kept[order]]
        cluster = None if cluster is None else _dense(cluster, order)
    if kept is None:
        for j in range(x.shape[1]):  # in its place, because a second matrix is what would cost most memory of all
            x[:, j] = x[order, j]
    else:
        x = np.asfortranarray(x[order])
    return Trial(
        y[order], arm[order], found, x, own, None if e is None else e[order], e is not None,
        None if cluster is None else cluster[order], cost[order], asked.margin, name, order, table.n,
        len(table.columns), tuple(notes), dropped, was_found, spacing, facts,
        None if got is None else got[order], None if redeemed is None else redeemed[order],
    )  # fmt: skip


def columns_needed(asked: Asked) -> list[str]:
    """Columns that the call names."""
    named = [asked.cluster, asked.unit, asked.assigned_at, asked.exposed_at, asked.redeemed, asked.received]
    needed = [asked.outcome, asked.treatment, *asked.features, *columns_of(asked.propensity), *columns_of(asked.cost)]
    return list(dict.fromkeys([*needed, *(c for c in named if c)]))


def refuse_roles(asked: Asked) -> None:
    """One column cannot be a feature and something that comes after treatment."""
    roles = {asked.outcome: "the outcome", asked.treatment: "the treatment", asked.assigned_at: "assigned_at="}
    roles |= {asked.exposed_at: "exposed_at=, which comes after assignment"}
    roles |= {asked.cluster: "cluster=", asked.unit: "unit=", asked.redeemed: "redeemed=, known only after treatment"}
    if asked.received in roles and asked.received is not None:
        raise InputError(
            f"received= names {asked.received!r}, which is {roles[asked.received]} too",
            column=asked.received,
            remedy="name the column that says who got what he was assigned",
        )
    roles[asked.received] = "received=, which happened after assignment,"
    for column in asked.features:
        if column in roles:
            raise InputError(
                f"features names {column!r}, which is {roles[column]}", column=column, remedy="leave it out of features"
            )
    if asked.exposed_at is not None and asked.assigned_at is None:
        raise InputError(
            "exposed_at= was given without assigned_at=", remedy="name the column of the time of assignment"
        )
    if asked.outcome == asked.treatment:
        raise InputError(f"outcome and treatment are both {asked.outcome!r}", remedy="name two columns")
    if asked.redeemed in (asked.outcome, asked.treatment, *columns_of(asked.cost)):
        raise InputError(
            f"redeemed names {asked.redeemed!r}, which is the outcome, the treatment or the cost",
            column=asked.redeemed,
            remedy="name the column that is 1 where the coupon was redeemed and 0 where it was not",
        )


def refuse_window(asked: Asked, facts: dict[str, Any]) -> None:
    """Of a table of `Logs.users`: what is measured after assignment is no feature."""
    if facts.get("table") != "users":
        return
    after = [c for c in asked.features if c in ("gmv", "orders", "arm")]
    if after:
        raise InputError(
            f"features names {after[0]!r}, which is measured after assignment, in the window of the outcome",
            column=after[0],
            remedy=f"use what was known before, {after[0] + '_pre'!r}" if after[0] != "arm" else "leave it out",
        )


def _arms(table: Table, asked: Asked, known: tuple[Any, ...] | None) -> tuple[IntArray, tuple[Any, ...]]:
    if known is None:
        return read_arms(table, asked.treatment, asked.control)
    codes = identifiers(table, asked.treatment, "arm")
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in codes.labels)
    place = {label: k for k, label in enumerate(known)}
    strange = [label for label in labels if label not in place]
    if strange:
        raise InputError(
            f"arm holds {strange[0]!r}, which was not among the arms that were learned from",
            column=asked.treatment,
            remedy=f"the arms are {', '.join(map(repr, known))}",
        )
    return np.array([place[label] for label in labels], dtype=np.int64)[codes.codes], known


def _receipt(table: Table, column: str) -> NDArray[np.float64]:
    """1 where the row got what its arm was assigned, else 0.

    Raises
    ------
    InputError
        Other values, missing ones, nobody, or everybody in the control too.
    """
    got = flags(table, column, "received").astype(np.float64)
    if got.min() == got.max():
        who = "everybody, in the control too," if got.min() else "nobody"
        raise InputError(
            f"{who} received, so receipt cannot be told from assignment",
            column=column,
            remedy="name the column that says who received, or leave received= out",
        )
    return got


def one_row_each(
    table: Table, asked: Asked, arm: IntArray, notes: list[str], dropped: dict[str, int]
) -> tuple[IntArray | None, NDArray[np.bool_] | None]:
    """Codes of the units, each in one arm, and in one row unless rows are clustered; None where no column names them.

    Also which rows stay, None for all.
    """
    unit = asked.unit
    if unit is None and says_unit(asked.cluster):
        unit = asked.cluster
    if unit is None:
        unit = unit_column(table, None, (asked.cluster, asked.treatment, asked.outcome, *asked.features))
    if unit is None:
        return None, None
    codes: Codes = identifiers(table, unit, "unit")
    kept = in_one_arm(codes.codes, arm, unit, asked.rule, notes, dropped)
    if unit == asked.cluster:
        return None, kept
    if asked.cluster is None:
        refuse_repeated(unit, codes.codes, kept)
    return scattered(codes), kept


def read_clusters(table: Table, asked: Asked, arm: IntArray, frames_up: int = 4) -> tuple[str, IntArray | None, bool]:
    """Name and codes of the clusters, and whether they were found: as named, or where the arm does not vary.

    `frames_up` is where the caller of the verb stands, for the warning.
    """
    taken = (asked.treatment, asked.outcome, *asked.features)
    found = shared_clusters(table, asked.cluster, arm, taken, frames_up=frames_up + 1)
    return found.name, None if found.codes is None else scattered(found.codes), found.found


def constant_within(unit: IntArray | None, cluster: IntArray, name: str, kept: NDArray[np.bool_] | None) -> None:
    if unit is None:
        return
    first = np.empty(int(unit.max()) + 1, dtype=np.int64)
    rows = np.arange(len(unit)) if kept is None else np.flatnonzero(kept)
    first[unit[rows[::-1]]] = cluster[rows[::-1]]
    bad = np.zeros(len(unit), dtype=bool)
    bad[rows] = cluster[rows] != first[unit[rows]]
    if bad.any():
        raise rules.not_constant(
            name, "cluster", "units", len(np.unique(unit[bad])), first_rows(bad),
            "give each unit the cluster in which it was assigned",
        )  # fmt: skip


def _dense(cluster: IntArray, order: IntArray) -> IntArray:
    """Codes without gaps after rows were left out, in the order that they had; still one for each row of the table."""
    out = np.full(len(cluster), -1, dtype=np.int64)
    out[order] = np.unique(cluster[order], return_inverse=True)[1]
    return out
