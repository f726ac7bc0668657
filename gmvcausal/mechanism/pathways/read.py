"""Columns of a table in, checked `Rows` of a mediation out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.covariates import MOST_LEVELS, encode, is_text
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts
from gmvcausal.frames.params import said
from gmvcausal.frames.rows import (
    read_arms,
    read_outcome,
)
from gmvcausal.frames.table import Table, open_table
from gmvcausal.frames.times import times as read_times
from gmvcausal.mechanism.pathways.asked import Asked
from gmvcausal.mechanism.pathways.groups import clusters_of, repeated, with_fixed
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.within import within
from gmvcausal.stats.logit import independent
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Columns of Logs.users that are known before assignment.
BEFORE, RFM = ("gmv_pre", "orders_pre"), ("recency", "frequency", "monetary", "r", "f", "m", "segment")

_NO_MEDIATOR = "a mediator is never guessed: 0 where the user did nothing; remove rows of which it is not known"
_NO_COVARIATE = "covariates are never guessed: fill the gaps by a rule of your own, or leave the column out"
_NO_MODERATOR = "a moderator is never guessed: remove these rows, or give them a level of their own"


def read(data: Any, asked: Asked) -> Rows:
    """Read and check a table.

    Raises
    ------
    InputError, DesignError
    """
    taken = _roles(asked)
    wanted = {c: role for c, role in taken.items() if c} | dict.fromkeys(asked.times.values(), "times")
    table = open_table(data, needed=wanted, optional=(*COARSER, *UNIT_NAMES))
    facts = frame_facts(data)
    _refuse_earlier(asked, facts, set(table.columns))
    notes = list(map(str, facts.get("notes", [])))
    y = read_outcome(table, asked.outcome, asked.missing, notes)
    _fit_for(asked, y.values)
    arms = read_arms(table, asked.treatment, asked.control)
    if len(arms.labels) > 2:
        raise InputError(
            f"treatment has {len(arms.labels)} levels, and a mediation compares two",
            column=asked.treatment,
            remedy="keep the control and one other arm, and make one call for each",
        )
    m, binary = _mediators(table, asked, arms.codes)
    names = [c for c in asked.covariates if c != asked.moderator]
    names += [] if asked.moderator is None else [asked.moderator]
    x = np.zeros((table.n, 0))
    kept: tuple[str, ...] = ()
    if names:
        encoded = encode(table, names, _NO_COVARIATE)
        notes += encoded.notes
        x, keep, dropped = standardised(encoded.values, encoded.names)
        notes += dropped
        kept = tuple(np.array(encoded.names)[keep].tolist())
    fixed = tuple(identifiers(table, c, "fixed").codes for c in asked.fixed)
    clusters = clusters_of(table, asked, arms.codes, taken, notes)
    if fixed:
        clusters = with_fixed(table, asked, fixed, clusters, notes)
    scale = np.where(binary, 1.0, m.std(axis=0))
    middle = np.where(binary, 0.0, m.mean(axis=0))
    t = arms.codes.astype(float)
    moderator, levels = _moderator(table, asked.moderator)
    apart = (m - middle) / scale
    x, kept = _told_apart(asked, t, apart, x, kept, fixed, notes)
    if table.n <= x.shape[1] + 2 * m.shape[1] + 3:
        raise DesignError(
            f"{table.n:,} rows are too few for {x.shape[1]} covariates and {m.shape[1]} mediators",
            remedy="use fewer covariates, or more rows",
        )
    order, codes = _order([y.values, t, *apart.T, *x.T], None if clusters.codes is None else clusters.codes.codes)
    return Rows(
        y.values[order], t[order], apart[order], x[order], asked.outcome, asked.treatment, asked.mediators, kept,
        tuple(bool(b) for b in binary), middle, scale, codes, tuple(f[order] for f in fixed), arms.labels, asked.fixed,
        clusters.name, clusters.found, None if moderator is None else moderator[order], levels, y.spacing,
        (table.n, len(table.columns)), tuple(notes), dict(facts.get("dropped", {})), facts,
        _times(table, asked), "row" if repeated(table, asked, taken) else "user",
    )  # fmt: skip


def _roles(asked: Asked) -> dict[str | None, str]:
    """Column -> role; a column has one."""
    if not asked.mediators:
        raise InputError("mediators= names no column", remedy="name what the treatment may work by: ['interacted']")
    taken: dict[str | None, str] = {asked.outcome: "outcome"}
    for role, columns in (("treatment", (asked.treatment,)), ("mediators", asked.mediators),
                          ("covariates", asked.covariates)):  # fmt: skip
        for column in columns:
            if column in taken:
                raise InputError(
                    f"{role}= names {column!r}, which is the {taken[column].removesuffix('s')} too",
                    column=column,
                    remedy="a column has one role: leave it out of one of them",
                )
            taken[column] = role
    main = set(taken) - set(asked.covariates)
    others = [("cluster", asked.cluster), ("unit", asked.unit), ("moderator", asked.moderator)]
    for role, name in [*(("fixed", one) for one in asked.fixed), *others]:
        if name in main:
            raise InputError(f"{role}= names {name!r}, which is the {taken[name].removesuffix('s')} too",
                             column=name, remedy="name another column")  # fmt: skip
        taken.setdefault(name, role)
    for column in asked.times:
        if column not in main:
            raise InputError(
                f"times= has a time of {said(column)}, which is no treatment, mediator or outcome",
                remedy=rules.nearest(column, sorted(map(str, main)), "its keys are columns among"),
            )
    return taken


def _refuse_earlier(asked: Asked, facts: Mapping[str, Any], columns: set[str]) -> None:
    """Refuse as mediators what `Logs.users` counted before assignment."""
    if facts.get("table") != "users":
        return
    earlier = (*BEFORE, *(RFM if columns.issuperset(RFM) else ()))
    for name in asked.mediators:
        if name in earlier:
            raise InputError(
                f"mediators= names {name!r}, which Logs.users measured before assignment: no treatment can have moved "
                "it",
                column=name, remedy="name it among covariates=; a mediator is counted from the treatment on",
            )  # fmt: skip


def _fit_for(asked: Asked, y: FloatArray) -> None:
    """Refuse outcomes that the model asked for cannot have."""
    bad, rule = np.zeros(len(y), dtype=bool), ""
    if asked.outcome_model == "logit":
        bad, rule = (y != 0) & (y != 1), "outcome_model='logit' is for outcomes of 0 and 1"
    if asked.outcome_model in ("poisson", "hurdle"):
        bad, rule = y < 0, f"outcome_model={asked.outcome_model!r} is for outcomes that are not negative"
    if bad.any():
        raise InputError(
            rule, column=asked.outcome, count=int(bad.sum()), rows=first_rows(bad),
            remedy="leave outcome_model= out: least squares takes any amounts",
        )  # fmt: skip


def _mediators(table: Table, asked: Asked, arm: IntArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    m = np.column_stack([numeric(table, c, "mediator", missing=_NO_MEDIATOR).values for c in asked.mediators])
    flat = m.min(axis=0) == m.max(axis=0)
    if flat.any():
        j = int(np.argmax(flat))
        raise DesignError(
            f"the mediator is {m[0, j]:g} in every row, so nothing can have gone by way of it",
            column=asked.mediators[j], remedy="leave it out, or check the window it is counted in",
        )  # fmt: skip
    for j, name in enumerate(asked.mediators):
        for other in range(j):
            if abs(float(np.corrcoef(m[:, j], m[:, other])[0, 1])) > 1 - 1e-12:
                raise InputError(
                    f"mediators= names {name!r} and {asked.mediators[other]!r}, which tell each other exactly",
                    column=name, remedy="leave one of them out",
                )  # fmt: skip
    return m, np.asarray(((m == 0) | (m == 1)).all(axis=0))


def _moderator(table: Table, column: str | None) -> tuple[FloatArray | None, tuple[str, ...]]:
    """Values of a moderator, or codes of its levels with their names."""
    if column is None:
        return None, ()
    if not is_text(table.series(column, "moderator")):
        values = numeric(table, column, "moderator", missing=_NO_MODERATOR).values
        if values.min() == values.max():
            raise DesignError("the moderator is the same in every row", column=column, remedy="leave it out")
        return values, ()
    codes = identifiers(table, column, "moderator")
    levels = tuple(str(v) for v in codes.labels)
    if not 2 <= len(levels) <= MOST_LEVELS:
        raise InputError(f"moderator has {len(levels)} levels", column=column, remedy="take one of 2 to 50 levels")
    return codes.codes.astype(float), levels


def _told_apart(
    asked: Asked, t: FloatArray, m: FloatArray, x: FloatArray, kept: tuple[str, ...], fixed: tuple[IntArray, ...],
    notes: list[str],
) -> tuple[FloatArray, tuple[str, ...]]:  # fmt: skip
    """Refuse treatment and mediators that cannot be told apart; leave out covariates that fixed effects tell."""
    columns = np.column_stack([t, m, x])
    moved = within(columns, fixed) if fixed else columns - columns.mean(axis=0)
    if moved is None:
        raise DesignError("the means of fixed= do not settle", remedy="name one column, or coarser groups")
    size = np.sqrt((moved * moved).mean(axis=0))
    whole = np.sqrt(((columns - columns.mean(axis=0)) ** 2).mean(axis=0))
    moved[:, size <= 1e-10 * whole] = 0.0
    keep = independent(moved)
    if not keep[0]:
        raise DesignError(
            f"{asked.treatment!r} does not vary within the groups of fixed=", column=asked.treatment,
            remedy="leave fixed= out, or name groups that hold both arms",
        )  # fmt: skip
    for j, name in enumerate(asked.mediators):
        if not keep[1 + j]:
            raise DesignError(
                f"{name!r} is a combination of {asked.treatment!r}, the mediators before it and fixed=: what it does "
                "and what they do cannot be told apart",
                column=name, remedy="leave it out, or find out whether it is the treatment under another name",
            )  # fmt: skip
    stay = keep[1 + m.shape[1] :]
    for name, ok in zip(kept, stay, strict=True):
        notes += [] if ok else [f"covariate {name!r} was dropped: treatment, mediators and fixed effects tell it"]
    return x[:, stay], tuple(name for name, ok in zip(kept, stay, strict=True) if ok)


def _order(columns: list[FloatArray], cluster: IntArray | None) -> tuple[IntArray, IntArray | None]:
    """An order of the rows that is their own, so that draws do not depend on that of the table."""
    order = np.lexsort(columns[::-1])
    if cluster is None:
        return order, None
    code = cluster[order]
    sums = [np.bincount(code, c[order]) for c in columns]
    rank = np.empty(int(code.max()) + 1, dtype=np.int64)
    rank[np.lexsort([*sums[::-1], np.bincount(code)])] = np.arange(len(rank))
    again = np.argsort(rank[code], kind="stable")
    return order[again], rank[code][again]


def _times(table: Table, asked: Asked) -> dict[str, tuple[float, float, int]]:
    """Mediator -> shares of its rows that come before the treatment and after the outcome, and how many were seen."""
    seen = {c: read_times(table, at, "times", allow_missing=True) for c, at in asked.times.items()}
    out = {}
    for name in asked.mediators:
        if name not in seen:
            continue
        own, known = seen[name], 0
        shares = []
        for other, sign in ((asked.treatment, 1), (asked.outcome, -1)):
            share = 0.0
            if other in seen:
                both = ~own.missing & ~seen[other].missing
                known = max(known, int(both.sum()))
                late = sign * (seen[other].values - own.values) > 0
                share = float((late & both).sum()) / max(int(both.sum()), 1)
            shares.append(share)
        out[name] = (shares[0], shares[1], known)
    return out
