"""Columns of a table of orders in, baskets in canonical order out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.facts import UNIT_NAMES, frame_facts
from gmvcausal.frames.params import counted
from gmvcausal.frames.rows import read_arms, read_clusters, refuse_repeated, unit_column
from gmvcausal.frames.table import open_table
from gmvcausal.observational.notch.grid import FloatArray, IntArray
from gmvcausal.results.usual_checks import Worth, worth_of

_NO_BASKET = "every order has a basket value: remove rows that are no orders"


@dataclass(frozen=True)
class Asked:
    """Which column is what."""

    basket: str
    cutoff: float
    compare: str | None
    control: Any
    cluster: str | None


@dataclass(frozen=True, eq=False)
class Orders:
    """The orders, those with the promotion last, each group by basket.

    Attributes
    ----------
    basket : ndarray, shape (n,)
    group : ndarray of int, shape (n,)
        1 with the promotion, 0 in the comparison.
    cluster : ndarray of int, shape (n,), or None
    with_it, without : str
        Labels of the two groups; empty without a comparison.
    """

    basket: FloatArray
    group: IntArray
    cluster: IntArray | None
    with_it: str
    without: str
    rows: int
    columns: int
    notes: list[str]
    facts: dict[str, Any] = field(repr=False)

    @property
    def compared(self) -> bool:
        """Whether there is a comparison."""
        return bool(self.without)

    @property
    def worth(self) -> Worth | None:
        """Clusters, of the smaller group where there are two."""
        if self.cluster is None:
            return None
        return worth_of(self.cluster, self.group if self.compared else None)


def read(data: Any, asked: Asked) -> Orders:
    """Read and check a table of orders.

    Raises
    ------
    InputError
    """
    _refuse_roles(asked)
    wanted = [asked.basket, *(c for c in (asked.compare, asked.cluster) if c)]
    table = open_table(data, needed=list(dict.fromkeys(wanted)), optional=UNIT_NAMES)
    facts = frame_facts(data)
    basket = numeric(table, asked.basket, "basket", missing=_NO_BASKET).values
    below = basket < 0
    if below.any():
        raise InputError(
            "basket is negative", column=asked.basket, count=int(below.sum()), rows=first_rows(below),
            remedy="leave returns out: a basket is what the order came to before the discount",
        )  # fmt: skip
    notes = list(map(str, facts.get("notes", [])))
    nothing = int((basket == 0).sum())
    if nothing:
        notes.append(f"{counted(nothing, 'order')} with a basket of 0")
    group, labels = np.ones(table.n, dtype=np.int64), ("", "")
    if asked.compare is not None:
        arms = read_arms(table, asked.compare, asked.control)
        group, labels = arms.codes, _two_labels(arms.labels, asked.compare)
    taken = [c for c in (asked.basket, asked.compare) if c is not None]
    cluster = None
    if asked.cluster is not None:
        codes = read_clusters(table, asked.cluster, None, taken).codes
        cluster = None if codes is None else codes.codes
    elif (unit := unit_column(table, None, taken)) is not None:
        refuse_repeated(unit, identifiers(table, unit, "unit").codes, first_way="")
    keys = [*([] if cluster is None else [cluster]), basket, group]
    order = np.lexsort(keys)
    return Orders(
        basket[order], group[order], None if cluster is None else cluster[order], labels[1], labels[0], table.n,
        len(table.columns), notes, facts,
    )  # fmt: skip


def _two_labels(labels: tuple[Any, ...], column: str) -> tuple[str, str]:
    if len(labels) > 2:
        some = ", ".join(map(repr, labels[:5])) + (", ..." if len(labels) > 5 else "")
        raise InputError(
            f"compare= has {len(labels)} labels ({some}), and there are two groups",
            column=column, remedy="keep the orders with the promotion and those to compare with",
        )  # fmt: skip
    without, with_it = (label if isinstance(label, str) else f"{column} = {label}" for label in labels)
    return without, with_it


def _refuse_roles(asked: Asked) -> None:
    roles: dict[str, str] = {}
    for role, column in (("basket", asked.basket), ("compare", asked.compare), ("cluster", asked.cluster)):
        if column is None:
            continue
        if column in roles:
            raise InputError(
                f"{role}= names {column!r}, which is the {roles[column]} too", column=column,
                remedy="name another column",
            )  # fmt: skip
        roles[column] = role
    if asked.control is not None and asked.compare is None:
        raise InputError(
            "control= says which orders of compare= had no promotion, and compare= is not given",
            remedy="pass compare= too, or leave control= out",
        )
