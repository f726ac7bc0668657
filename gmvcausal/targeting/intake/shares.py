"""Chances of the arms and costs, as the call gives them: a number, a column, one entry for each arm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.arms import read_shares
from gmvcausal.frames.columns import first_rows, numeric
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table

FloatArray = NDArray[np.float64]

_NO_CHANCE = (
    "a probability of 0 or 1 leaves nobody to compare with: leave these rows out, or correct the log of probabilities"
)


def columns_of(spec: Any) -> list[str]:
    """Columns that a specification of probabilities or costs names."""
    if isinstance(spec, str):
        return [spec]
    if isinstance(spec, Mapping):
        return [v for v in spec.values() if isinstance(v, str)]
    return []


def given_propensity(table: Table, spec: Any, labels: tuple[Any, ...]) -> FloatArray | None:
    """Probability of every arm for every row, shape (n, k + 1); None where none is given.

    Parameters
    ----------
    table : Table
    spec : None, number, str or mapping
        Of two arms: the probability of the treatment, as a number or a column. Of any number of arms: arm -> share, or
        arm -> column of its probability (the control may be left out, and has the rest).
    labels : tuple
        The control first.
    """
    if spec is None:
        return None
    if isinstance(spec, Mapping):
        if any(isinstance(v, str) for v in spec.values()):
            return _by_column(table, spec, labels)
        shares = read_shares("propensity", spec, labels)
        total = float(sum(float(v) for v in spec.values()))
        if abs(total - 1) > 1e-3:
            raise InputError(
                f"propensity has shares that add up to {total:g}", remedy="give every arm its share; they add up to 1"
            )
        return np.tile(shares, (table.n, 1))
    if len(labels) > 2:
        raise InputError(
            f"propensity is {said(spec)}, and there are {len(labels)} arms",
            remedy=f"pass propensity={{{labels[0]!r}: ..., {labels[1]!r}: ..., ...}}, each a share or a column",
        )
    if isinstance(spec, str):
        e = numeric(
            table, spec, "propensity", missing="give the probability with which each row was treated, or leave it out"
        ).values
        _refuse_outside(e, spec)
    elif isinstance(spec, bool) or not isinstance(spec, int | float | np.number) or not 0 < float(spec) < 1:
        raise InputError(
            f"propensity must be a probability above 0 and below 1, a column, or arm -> share, but is {said(spec)}",
            remedy="pass propensity=0.5 where half were treated by lot",
        )
    else:
        e = np.full(table.n, float(spec))
    return np.column_stack([1 - e, e])


def _by_column(table: Table, spec: Mapping[Any, Any], labels: tuple[Any, ...]) -> FloatArray:
    out = np.full((table.n, len(labels)), np.nan)
    for key, column in spec.items():
        at = next((i for i, label in enumerate(labels) if label == key or str(label) == str(key)), None)
        if at is None or not isinstance(column, str):
            raise InputError(
                f"propensity has {said(key)}: {said(column)}, which is no arm with its column",
                remedy=f"map each of the arms {', '.join(map(repr, labels))} to a column",
            )
        out[:, at] = numeric(table, column, "propensity", missing="every row needs its probability").values
        _refuse_outside(out[:, at], column)
    left = np.isnan(out).all(axis=0)
    if left.sum() > 1 or (left.any() and not left[0]):
        raise InputError(
            f"propensity has no column for arm {labels[int(np.flatnonzero(left)[-1])]!r}", remedy="name every arm"
        )
    if left[0]:
        out[:, 0] = 1 - out[:, 1:].sum(axis=1)
        _refuse_outside(out[:, 0], next(iter(columns_of(spec))))
    off = np.abs(out.sum(axis=1) - 1) > 1e-3
    if off.any():
        raise InputError(
            "the probabilities of the arms do not add up to 1",
            count=int(off.sum()),
            rows=first_rows(off),
            remedy="correct the columns of propensity=",
        )
    return np.asarray(out / out.sum(axis=1, keepdims=True), dtype=np.float64)


def _refuse_outside(e: FloatArray, column: str) -> None:
    bad = (e <= 0) | (e >= 1)
    if bad.any():
        raise InputError(
            "propensity holds probabilities of 0 or 1, or outside of them",
            column=column,
            count=int(bad.sum()),
            rows=first_rows(bad),
            remedy=_NO_CHANCE,
        )


def read_cost(table: Table, spec: Any, labels: tuple[Any, ...]) -> FloatArray:
    """What treating each row with each arm costs, shape (n, k), in money per unit.

    Parameters
    ----------
    table : Table
    spec : number, str or mapping
        A number or a column for all arms alike, or arm -> number or column (the control costs nothing).
    labels : tuple
        The control first.
    """
    out = np.empty((table.n, len(labels) - 1))
    if not isinstance(spec, Mapping):
        out[:] = _amount(table, spec)[:, None]
        return out
    out[:] = np.nan
    for key, amount in spec.items():
        at = next((i for i, label in enumerate(labels) if label == key or str(label) == str(key)), None)
        if at is None:
            raise InputError(
                f"cost names {said(key)}, which is no arm of the data",
                remedy=f"the arms are {', '.join(map(repr, labels[1:]))}",
            )
        if at == 0:
            raise InputError(f"cost names the control, {labels[0]!r}", remedy="leave it out: it costs nothing")
        out[:, at - 1] = _amount(table, amount)
    if np.isnan(out).any():
        left = labels[1 + int(np.flatnonzero(np.isnan(out).any(axis=0))[0])]
        raise InputError(f"cost has no entry for arm {left!r}", remedy="name every arm but the control")
    return out


def refuse_paid(spec: Any, cost: FloatArray, arm: NDArray[np.int64]) -> None:
    """A column that is 0 throughout the control holds what was paid, not what treating a user would cost.

    Raises
    ------
    InputError
    """
    for column in columns_of(spec):
        free = ~cost[arm == 0].any(axis=1)
        if len(free) and free.all() and cost[arm > 0].any():
            raise InputError(
                "cost is 0 for every user of the control: it is what was paid, not what treating a user would cost",
                column=column,
                count=len(free),
                remedy="pass what treating costs as a number or arm -> number; where a coupon costs only when it is "
                "used, its amount as cost= and the column of use as redeemed=",
            )


def _amount(table: Table, spec: Any) -> FloatArray:
    if isinstance(spec, str):
        found = numeric(table, spec, "cost", missing="give each row its cost; 0 where there is none").values
        bad = found < 0
        if bad.any():
            raise InputError(
                "cost holds negative amounts", column=spec, count=int(bad.sum()), rows=first_rows(bad),
                remedy="a cost is what is paid: make it positive",
            )  # fmt: skip
        return found
    ok = isinstance(spec, int | float | np.number) and not isinstance(spec, bool)
    if not ok or not 0 <= float(spec) < math.inf:
        raise InputError(
            f"cost must be a number of at least 0, a column, or arm -> either, but is {said(spec)}",
            remedy="pass cost=2.0, in the money of the outcome",
        )
    return np.full(table.n, float(spec))
