"""Users and their lottery read from a table, in an order that does not depend on that of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import read_shares
from gmvcausal.frames.columns import first_rows, id_values, identifiers, numeric
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.facts import COARSER, frame_facts, rows_are_people
from gmvcausal.frames.params import said
from gmvcausal.frames.rows import Arms, Clusters, read_arms, read_clusters, read_outcome
from gmvcausal.frames.table import Table, open_table
from gmvcausal.mechanism.exposure.lottery import Lottery
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_NO_COVARIATE = "covariates are never guessed: fill the gaps by a rule of your own, or leave the column out"
_ROUNDED = 1e-9


@dataclass(frozen=True)
class Asked:
    """Which column is what."""

    outcome: str
    treatment: str
    unit: str
    control: Any = None
    probability: Any = None
    cluster: str | None = None
    strata: str | None = None
    covariates: Sequence[str] = ()
    group: str | None = None
    saturation: str | None = None
    missing: str = "raise"
    assignments: Any = None


@dataclass(frozen=True, eq=False)
class Users:
    """The users, sorted by their id.

    Attributes
    ----------
    y, treated : ndarray, shape (n,)
    ids : ndarray, shape (n,)
    x : ndarray, shape (n, k)
        Covariates, standardised, with their `names`; none as a rule.
    lottery : Lottery
    planned : ndarray, shape (G,), or None
        Chances as the call gives them, before they are found from the data.
    group : ndarray of int, shape (n,), or None
    saturation : ndarray, shape (groups,), or None
    labels : tuple
        Of the two arms, the control first.
    people : bool
        Whether units are people: conditions of fewer than ten are not shown.
    """

    y: FloatArray
    treated: FloatArray
    ids: NDArray[Any]
    x: FloatArray
    names: tuple[str, ...]
    lottery: Lottery
    planned: FloatArray | None
    group: IntArray | None
    saturation: FloatArray | None
    labels: tuple[Any, ...]
    rows: int
    columns: int
    notes: list[str] = field(repr=False)
    dropped: dict[str, int] = field(repr=False)
    facts: dict[str, Any] = field(repr=False)
    cluster_name: str = ""
    found_cluster: bool = False
    people: bool = False


def read(data: Any, asked: Asked) -> Users:
    """Read and check a table of users.

    Raises
    ------
    InputError, DesignError
    """
    named = (asked.outcome, asked.treatment, asked.unit, asked.cluster, asked.strata, asked.group, asked.saturation)
    wanted = [c for c in (*named, *asked.covariates) if c is not None]
    if isinstance(asked.probability, str):
        wanted.append(asked.probability)
    taken = [c for c in wanted if c != asked.cluster]
    _one_role(asked)
    table = open_table(data, needed=list(dict.fromkeys(wanted)), optional=COARSER)
    facts = frame_facts(data)
    notes = list(map(str, facts.get("notes", [])))
    ids = id_values(table, asked.unit, "unit")
    again = pd.Series(ids).duplicated().to_numpy()
    if again.any():
        raise rules.duplicated("units", asked.unit, int(again.sum()), first_rows(again),
                               "add each user's rows up to one first: links join users, not rows")  # fmt: skip
    y = read_outcome(table, asked.outcome, asked.missing, notes).values
    arms = _treatment(table, asked)
    treated, labels = arms.codes.astype(float), arms.labels
    order = np.argsort(ids, kind="stable")
    x = np.zeros((table.n, 0))
    names: tuple[str, ...] = ()
    if asked.covariates:
        encoded = encode(table, asked.covariates, _NO_COVARIATE)
        x, keep, dropped = standardised(encoded.values, encoded.names)
        names = tuple(np.array(encoded.names)[keep].tolist())
        notes += [*encoded.notes, *dropped]
    group, saturation = _groups(table, asked, treated)
    # In a two-stage design the group is what the errors go by, and within it users were drawn.
    clusters = Clusters() if group is not None else read_clusters(table, asked.cluster, arms.codes, taken, frames_up=5)
    lottery, planned = _lottery(table, asked, clusters, treated, labels, order, notes)
    return Users(
        y[order], treated[order], ids[order], x[order], names, lottery, planned,
        None if group is None else group[order], saturation, labels, table.n, len(table.columns), notes,
        dict(facts.get("dropped", {})), facts,
        clusters.name, clusters.found, rows_are_people(asked.unit, facts),
    )  # fmt: skip


def _one_role(asked: Asked) -> None:
    taken: dict[str, str] = {}
    for role in ("outcome", "treatment", "unit", "cluster", "strata", "group", "saturation"):
        column = getattr(asked, role)
        if column is None:
            continue
        if column in taken and {role, taken[column]} != {"cluster", "group"}:
            raise InputError(f"{role}= names {column!r}, which is the {taken[column]}", column=column,
                             remedy="give each column one role")  # fmt: skip
        taken[column] = role
    for column in asked.covariates:
        if taken.get(column) in ("outcome", "treatment", "unit"):
            raise InputError(f"covariates= names {column!r}, which is the {taken[column]}", column=column,
                             remedy="leave it out")  # fmt: skip


def _treatment(table: Table, asked: Asked) -> Arms:
    arms = read_arms(table, asked.treatment, asked.control)
    if len(arms.labels) > 2:
        raise InputError(f"treatment has {len(arms.labels)} labels, and spillover compares two", column=asked.treatment,
                         remedy="code 1 for the tactic that may reach others, 0 for all else")  # fmt: skip
    return arms


def _groups(table: Table, asked: Asked, treated: FloatArray) -> tuple[IntArray | None, FloatArray | None]:
    """Groups with the share that each drew."""
    if asked.group is None:
        if asked.saturation is not None:
            raise InputError("saturation= is the share that a group drew, and group= is not named",
                             remedy="pass group=, the column of communities or rooms")  # fmt: skip
        return None, None
    if asked.saturation is None:
        raise InputError("group= needs saturation=, the share that each group was drawn to have treated",
                         remedy="name the column of planned shares; they are never guessed")  # fmt: skip
    group = identifiers(table, asked.group, "group").codes
    share = numeric(table, asked.saturation, "saturation", missing="write the share that each group drew").values
    bad = (share < 0) | (share > 1)
    if bad.any():
        raise InputError(f"saturation must be a share from 0 to 1, but holds {share[bad][0]:g}",
                         column=asked.saturation, count=int(bad.sum()), rows=first_rows(bad),
                         remedy="write 0.5 for half of a group")  # fmt: skip
    first = np.empty(int(group.max()) + 1)
    first[group[::-1]] = share[::-1]
    varies = np.abs(first[group] - share) > _ROUNDED
    if varies.any():
        raise rules.not_constant(asked.saturation, "saturation", asked.group, len(np.unique(group[varies])),
                                 first_rows(varies), "a group draws one share")  # fmt: skip
    wrong = ((share == 0) & (treated == 1)) | ((share == 1) & (treated == 0))
    if wrong.any():
        raise InputError("users are treated in groups at 0, or untreated in groups at 1", column=asked.saturation,
                         count=int(wrong.sum()), rows=first_rows(wrong),
                         remedy="find out which of the two is wrong")  # fmt: skip
    return group, np.round(first, 12)


def _lottery(
    table: Table, asked: Asked, clusters: Clusters, treated: FloatArray, labels: tuple[Any, ...], order: IntArray,
    notes: list[str],
) -> tuple[Lottery, FloatArray | None]:  # fmt: skip
    n = table.n
    thing = np.arange(n) if clusters.codes is None else clusters.codes.codes[order]
    treated = treated[order]
    count = int(thing.max()) + 1
    drawn = np.empty(count)
    drawn[thing] = treated
    mixed = drawn[thing] != treated
    if mixed.any():
        raise rules.not_constant(
            str(asked.treatment), "treatment", clusters.name, len(np.unique(thing[mixed])),
            sorted(order[mixed].tolist())[:5], "name the column of what was drawn together, or leave cluster= out",
        )  # fmt: skip
    stratum, strata = np.zeros(count, dtype=np.int64), np.zeros(n, dtype=np.int64)
    if asked.strata is not None:
        strata = identifiers(table, asked.strata, "strata").codes[order]
        stratum[thing] = strata
        apart = stratum[thing] != strata
        if apart.any():
            raise rules.not_constant(str(asked.strata), "strata", clusters.name, len(np.unique(thing[apart])),
                                     sorted(order[apart].tolist())[:5], "a cluster lies in one stratum")  # fmt: skip
    if asked.assignments is not None:
        return _from_matrix(asked, thing, drawn, order, notes)
    planned = _planned(table, asked, clusters.name, labels, thing, order)
    if planned is not None and asked.strata is None:
        return Lottery(thing, drawn, planned, stratum, False), planned
    size = np.bincount(stratum)
    share = np.bincount(stratum, drawn) / size
    flat = (share == 0) | (share == 1)
    if flat.any():
        raise DesignError(f"{int(flat.sum()):,} strata hold one arm only", column=asked.strata,
                          remedy="leave strata= out, or leave these strata out of the data")  # fmt: skip
    if planned is None:
        told = f"{share[0]:.4g}" if len(share) == 1 else f"{share.min():.4g} to {share.max():.4g} by stratum"
        what = "users" if clusters.codes is None else f"{clusters.name} clusters"
        notes.append(
            "the probability of treatment is not given (probability=): it is taken as the share that was treated "
            f"({told}), as if so many {what} had been drawn at random"
        )
    return Lottery(thing, drawn, share[stratum], stratum, True), planned


def _planned(
    table: Table, asked: Asked, cluster: str, labels: tuple[Any, ...], thing: IntArray, order: IntArray
) -> FloatArray | None:
    given = asked.probability
    count = int(thing.max()) + 1
    if given is None:
        return None
    if isinstance(given, str):
        values = numeric(table, given, "probability", missing="write the probability that each user had").values
        bad = ~((values > 0) & (values < 1))
        if bad.any():
            raise InputError(
                f"probability must lie between 0 and 1, but holds {values[bad][0]:g}", column=given,
                count=int(bad.sum()), rows=first_rows(bad),
                remedy="who could not be drawn, or was treated in any case, took part in no lottery",
            )  # fmt: skip
        out = np.empty(count)
        out[thing] = values[order]
        apart = np.abs(out[thing] - values[order]) > _ROUNDED
        if apart.any():
            raise rules.not_constant(given, "probability", cluster, len(np.unique(thing[apart])),
                                     sorted(order[apart].tolist())[:5],
                                     "a cluster is drawn with one probability")  # fmt: skip
        return out
    if isinstance(given, Mapping):
        return np.full(count, read_shares("probability", given, labels)[1])
    ok = isinstance(given, int | float | np.number) and not isinstance(given, bool) and 0 < float(given) < 1
    if not ok:
        raise InputError(
            f"probability must be a number between 0 and 1, a column or {{arm: share}}, but is {said(given)}",
            remedy="write probability=0.5 where half were drawn",
        )
    return np.full(count, float(given))


def _from_matrix(
    asked: Asked, thing: IntArray, drawn: FloatArray, order: IntArray, notes: list[str]
) -> tuple[Lottery, None]:
    if asked.probability is not None or asked.strata is not None:
        raise InputError("assignments= is the lottery itself, and probability= or strata= describe it once more",
                         remedy="leave these out")  # fmt: skip
    found = np.asarray(asked.assignments)
    if found.ndim != 2 or found.shape[0] != len(order) or found.shape[1] < 99:
        shape = " x ".join(map(str, found.shape)) or "a single value"
        raise InputError(
            f"assignments must have a row for each of the {len(order):,} rows of data and at least 99 columns of draws,"
            f" but is {shape}",
            remedy="draw the lottery again, 1,000 times, in the order of the rows",
        )
    if not np.isin(found, (0, 1)).all():
        raise InputError("assignments must hold 0 and 1 only", remedy="write 1 where a draw treats the user")
    draws = np.empty((len(drawn), found.shape[1]), dtype=np.uint8)
    draws[thing] = found[order]
    if (draws[thing] != found[order]).any():
        raise InputError("assignments treat users of one cluster unlike", column=asked.cluster,
                         remedy="leave cluster= out, or correct the draws")  # fmt: skip
    chance = (draws.sum(axis=1, dtype=float) + drawn) / (found.shape[1] + 1)
    stuck = (chance <= 0) | (chance >= 1)
    if stuck.any():
        rows = sorted(order[stuck[thing]].tolist())[:5]
        raise InputError("assignments treat these users always, or never", count=int(stuck[thing].sum()), rows=rows,
                         remedy="who could not be drawn took part in no lottery")  # fmt: skip
    notes.append(f"probabilities are shares of {found.shape[1]:,} assignments given")
    return Lottery(thing, drawn, chance, np.zeros(len(drawn), dtype=np.int64), False, draws), None
