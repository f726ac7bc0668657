"""Two tables in, a checked `Pair` out: an experiment with surrogates, and a history that has the long outcome too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import Codes, first_rows, identifiers, numeric
from gmvcausal.frames.covariates import MOST_LEVELS, is_text
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts
from gmvcausal.frames.rows import Outcome, read_arms, read_clusters, read_outcome, refuse_repeated, unit_column
from gmvcausal.frames.table import Table, open_table
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NO_SIGNAL = "surrogates and covariates are never guessed: fill the gaps by a rule of your own, or leave the column out"


@dataclass(frozen=True)
class Asked:
    """Which column is what."""

    outcome: str
    arm: str
    surrogates: tuple[str, ...]
    covariates: tuple[str, ...]
    cluster: str | None
    unit: str | None
    control: Any
    missing: str


@dataclass(frozen=True, eq=False)
class Pair:
    """The rows that are analysed.

    Attributes
    ----------
    arm : ndarray of int, shape (n,)
        Arms of the experiment, the control 0; `labels` are theirs.
    x, past : ndarray, shape (n, p), (m, p)
        Surrogates, then covariates, on the history's scale: less its mean, over its standard deviation.
    raw, raw_past : ndarray, shape (n, q), (m, q)
        The same columns as they are in the data, those left out among them; `raw_names` are theirs.
    names : tuple of str, length p
    source : tuple of str, length p
        The column of the tables behind each.
    is_surrogate : ndarray of bool, shape (p,)
    scale : ndarray, shape (p,)
        Standard deviations in the history.
    y : ndarray, shape (m,)
        The long outcome in the history.
    seen : ndarray, shape (n,)
        The long outcome in the experiment where it is known already, else NaN.
    cluster, past_cluster : ndarray of int, or None
        Codes that both tables share: of clusters, or of units where some stand in both tables.
    cluster_name : str
        Empty where the codes are those of units.
    found_cluster : bool
        Whether nobody named them.
    named_units : bool
        Whether a column of the experiment says whom a row belongs to.
    shared : int
        Units that stand in both tables.
    spacing : float
        Distance of neighbouring numbers in the source type of the outcome.
    got : ndarray of bool, shape (m,), or None
        Rows of the history that had the tactic; None where it does not say.
    """

    arm: IntArray
    labels: tuple[Any, ...]
    x: FloatArray
    past: FloatArray
    raw: FloatArray = field(repr=False)
    raw_past: FloatArray = field(repr=False)
    raw_names: tuple[str, ...]
    names: tuple[str, ...]
    source: tuple[str, ...]
    is_surrogate: NDArray[np.bool_]
    scale: FloatArray
    y: FloatArray
    seen: FloatArray
    cluster: IntArray | None
    past_cluster: IntArray | None
    cluster_name: str
    found_cluster: bool
    named_units: bool
    shared: int
    spacing: float
    got: NDArray[np.bool_] | None
    columns: int
    notes: list[str]
    facts: dict[str, Any] = field(repr=False)

    @property
    def n(self) -> int:
        """Rows of the experiment."""
        return len(self.arm)

    @property
    def m(self) -> int:
        """Rows of the history."""
        return len(self.y)

    @property
    def c(self) -> FloatArray:
        """Covariates of the experiment's rows, shape (n, q)."""
        return self.x[:, ~self.is_surrogate]


def read(experiment: Any, history: Any, asked: Asked) -> Pair:
    """Read and check the two tables.

    Raises
    ------
    InputError, DesignError
    """
    _refuse_roles(asked)
    signals = (*asked.surrogates, *asked.covariates)
    clustered = [c for c in (asked.cluster, asked.unit) if c]
    here = open_table(experiment, "experiment", [asked.arm, *signals, *clustered],
                      (asked.outcome, *COARSER, *UNIT_NAMES))  # fmt: skip
    past = open_table(history, "history", [asked.outcome, *signals],
                      (asked.arm, *clustered, *COARSER, *UNIT_NAMES))  # fmt: skip
    facts = frame_facts(experiment)
    notes = list(map(str, facts.get("notes", [])))
    arm, labels = read_arms(here, asked.arm, asked.control)
    y, spacing = _outcome(past, asked, notes)
    names, source, parts, parts_past = [], [], [], []
    for column in signals:
        for name, a, b in _column(here, past, column, notes):
            names.append(name)
            source.append(column)
            parts.append(a)
            parts_past.append(b)
    raw, raw_past = np.column_stack(parts), np.column_stack(parts_past)
    scaled, keep, dropped = standardised(raw_past, names)
    notes += [text.replace("covariate ", "in the history ", 1) for text in dropped]
    middle = raw_past[:, keep].mean(axis=0)
    spread = np.sqrt(((raw_past[:, keep] - middle) ** 2).mean(axis=0))
    is_surrogate = np.array([s in asked.surrogates for s in source])[keep]
    if not is_surrogate.any():
        raise DesignError(
            "no surrogate varies in the history, so nothing tells the long outcome",
            remedy="name surrogates that differ between users, or take a longer history",
        )
    if len(y) < scaled.shape[1] + 3:
        raise DesignError(
            f"{len(y):,} rows of history are too few for {scaled.shape[1]} surrogates and covariates",
            remedy="take a longer history, or fewer surrogates",
        )
    cluster, past_cluster, name, found, shared = _clusters(here, past, asked, arm)
    named = unit_column(here, asked.unit, (asked.arm, asked.outcome, *signals)) is not None
    got = None
    if asked.arm in past.columns:
        was = identifiers(past, asked.arm, "arm")
        got = np.array([str(v) != str(labels[0]) for v in was.labels])[was.codes]
    seen = np.full(here.n, np.nan)
    if asked.outcome in here.columns:
        seen = numeric(here, asked.outcome, "outcome").values
    # Rows in an order of their own, so that folds do not depend on that of the tables.
    keys = [np.nan_to_num(seen, nan=-1.0), arm, *raw.T] + ([] if cluster is None else [cluster])
    order = np.lexsort(keys)
    keys_past = [y, *raw_past.T] + ([] if past_cluster is None else [past_cluster])
    order_past = np.lexsort(keys_past)
    arm, raw, seen = arm[order], raw[order], seen[order]
    y, raw_past, scaled = y[order_past], raw_past[order_past], scaled[order_past]
    cluster = None if cluster is None else cluster[order]
    past_cluster = None if past_cluster is None else past_cluster[order_past]
    got = None if got is None else got[order_past]
    return Pair(
        arm, labels, (raw[:, keep] - middle) / spread, scaled, raw, raw_past, tuple(names),
        tuple(np.array(names)[keep].tolist()), tuple(np.array(source)[keep].tolist()), is_surrogate, spread, y, seen,
        cluster, past_cluster, name, found,
        named, shared, spacing, got, len(here.columns), notes, facts,
    )  # fmt: skip


def _refuse_roles(asked: Asked) -> None:
    if not asked.surrogates:
        raise InputError(
            "surrogates= names no column", remedy="name what is known early: GMV, orders and visits of two weeks"
        )
    roles = {asked.outcome: "outcome", asked.arm: "arm"}
    if asked.outcome == asked.arm:
        raise InputError(f"outcome and arm are both {asked.outcome!r}", remedy="name two columns")
    for option, columns in (("surrogates", asked.surrogates), ("covariates", asked.covariates)):
        for column in columns:
            if column in roles:
                raise InputError(
                    f"{option}= names {column!r}, which is the {roles[column]}", column=column, remedy="leave it out"
                )
        roles |= dict.fromkeys(columns, option[:-1])
    for option, taken in (("cluster", asked.cluster), ("unit", asked.unit)):
        if taken in roles:
            raise InputError(f"{option}= names {taken!r}, which is the {roles[taken]}", column=taken,
                             remedy="name another column")  # fmt: skip


def _outcome(past: Table, asked: Asked, notes: list[str]) -> Outcome:
    found = read_outcome(past, asked.outcome, asked.missing, notes)
    values = found.values
    if values.min() == values.max():
        raise DesignError(
            f"the long outcome is {values[0]:g} in every row of history, so nothing can foretell it",
            column=asked.outcome,
            remedy="check the window and the join",
        )
    return found


def _column(here: Table, past: Table, column: str, notes: list[str]) -> list[tuple[str, FloatArray, FloatArray]]:
    """A surrogate or covariate in both tables: numbers as they are, levels of both as 0/1 columns."""
    text = [is_text(t.series(column, "surrogates")) for t in (here, past)]
    if not any(text):
        a, b = (numeric(t, column, "surrogates", missing=_NO_SIGNAL).values for t in (here, past))
        return [(column, a, b)]
    if not all(text):
        kinds = ["text" if t else "numbers" for t in text]
        raise InputError(
            f"{column!r} holds {kinds[0]} in the experiment and {kinds[1]} in the history",
            column=column,
            remedy="give it one kind in both",
        )
    codes = [identifiers(t, column, "surrogates") for t in (here, past)]
    levels = sorted({str(v) for c in codes for v in c.labels})
    rules.refuse_people(column, "covariates", len(levels))
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"{column!r} holds text of {len(levels):,} levels, and at most {MOST_LEVELS} can be told apart",
            column=column,
            remedy="group the levels",
        )
    held = [np.array([str(v) for v in c.labels], dtype=object)[c.codes] for c in codes]
    new = sorted(set(held[0]) - set(held[1]))
    if new:
        lost = int(np.isin(held[0], new).sum())
        raise DesignError(
            f"{column!r} is {rules.shown(new[0], column)} in the experiment and never in the history ({lost:,} rows "
            "have such a level), so nothing is known of their long outcome",
            column=column,
            rows=first_rows(np.isin(held[0], new)),
            remedy="group the levels, or leave these rows out in every arm",
        )
    notes.append(f"{column!r} is a category with the levels {', '.join(levels[:10])}; the first is the base")
    return [(f"{column} = {v}", (held[0] == v).astype(float), (held[1] == v).astype(float)) for v in levels[1:]] or [
        (column, np.zeros(here.n), np.zeros(past.n))
    ]


def _clusters(
    here: Table, past: Table, asked: Asked, arm: IntArray
) -> tuple[IntArray | None, IntArray | None, str, bool, int]:
    """Codes of clusters in both tables, their name, whether they were found, and how many both tables hold."""
    taken = (asked.arm, asked.outcome, *asked.surrogates, *asked.covariates)
    clusters = read_clusters(here, asked.cluster, arm, taken, frames_up=5)
    if clusters.codes is not None:
        return *_codes(here, past, clusters.name, clusters.codes), clusters.name, clusters.found, 0
    repeated = unit_column(past, asked.unit if asked.unit in past.columns else None, taken)
    if repeated is not None:
        refuse_repeated(repeated, identifiers(past, repeated, "unit").codes)
    unit = unit_column(here, asked.unit, taken)
    if unit is None:
        return None, None, "", False, 0
    own = identifiers(here, unit, "unit")
    refuse_repeated(unit, own.codes)
    if unit not in past.columns:
        return None, None, "", False, 0
    a, b = _codes(here, past, unit, own)
    shared = 0 if b is None else len(np.intersect1d(a, b))
    # A user of both tables is one source of chance, not two.
    return (a, b, "", False, shared) if shared else (None, None, "", False, 0)


def _codes(here: Table, past: Table, column: str, own: Codes) -> tuple[IntArray, IntArray | None]:
    """One code for each label, whichever table it stands in."""
    if column not in past.columns:
        return own.codes, None
    other = identifiers(past, column, "cluster")
    label = np.array([str(v) for v in (*own.labels, *other.labels)], dtype=object)
    code = pd.factorize(label)[0].astype(np.int64)
    return code[: len(own.labels)][own.codes], code[len(own.labels) :][other.codes]
