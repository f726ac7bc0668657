"""Users kept apart who do not fit into memory with their features: read in batches, and kept without them.

What is kept of a user is what every evaluation is made of: outcome, arm, predicted effects and outcomes, chances and
costs where they are not the same for all, and a number that tells whether the row is met again.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalWarning
from gmvcausal.frames.arms import chance_assigned_there, found_there
from gmvcausal.frames.columns import id_values
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts, named_unit
from gmvcausal.frames.features import Unseen
from gmvcausal.frames.prints import prints
from gmvcausal.frames.table import open_table, quote
from gmvcausal.targeting.intake.read import columns_needed, read_trial, refuse_roles, refuse_window
from gmvcausal.targeting.intake.shares import columns_of, read_cost
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.large.draw import refuse_repeated
from gmvcausal.targeting.large.source import Source, opened, placed, refuse_partial
from gmvcausal.targeting.redemption import expected_cost

if TYPE_CHECKING:
    from gmvcausal.targeting.modelled import HeldOut
    from gmvcausal.targeting.policy.rule import Offer
    from gmvcausal.targeting.result import Uplift

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Kept:
    """Rows of a matrix of floats, filled batch by batch: one row as long as all are the same, else all of them."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._one: FloatArray | None = None
        self._all: FloatArray | None = None

    def put(self, at: Any, values: FloatArray) -> None:
        """Put the values of a batch to their places (a slice or positions)."""
        if self._one is None:
            self._one = values[:1].copy()
        if self._all is None:
            if (values == self._one).all():
                return
            self._all = np.empty((self._rows, *values.shape[1:]))
            self._all[:] = self._one  # what came before
        self._all[at] = values

    @property
    def values(self) -> FloatArray:
        """All of them, shape (rows, ...); not to be written to."""
        if self._all is not None:
            return self._all
        assert self._one is not None
        return np.broadcast_to(self._one[0], (self._rows, *self._one.shape[1:]))


def held_out(model: Uplift, data: Any, asked: Asked, ranked: bool = False) -> HeldOut:
    """As `Modelled.held_out`, batch by batch; rows are in the order of the table.

    Parameters
    ----------
    model : Uplift
    data : parquet path or DuckDB relation
    asked : Asked
        With the chances of these rows.
    ranked : bool
        Whether they are to be ranked and nothing else: what plans ask of them is not kept.

    Raises
    ------
    InputError
        As `read_trial`; positions are those of the table.
    """
    from gmvcausal.targeting.modelled import HeldOut

    features, labels = model.trial.features, model.trial.labels
    asked = replace(asked, received=None)
    refuse_roles(asked)
    facts = frame_facts(data)
    refuse_window(asked, facts)
    needed = columns_needed(asked)
    unseen: Unseen = {}
    with opened(data, "the test table", needed, () if asked.cluster else (*COARSER, *UNIT_NAMES)) as source:
        unit = asked.unit or named_unit(source.columns, (asked.treatment, asked.outcome, *asked.features))
        if unit is not None and asked.cluster is None:
            refuse_repeated(source, unit)
        n, k = source.rows, len(labels)
        y, arm = np.empty(n), cast("IntArray", np.empty(n, dtype=np.int8))  # there are at most 100 arms
        effects, mu = np.empty((n, k - 1)), np.empty((n, k))
        rows = np.empty(n, dtype=np.uint64)
        alike = None if ranked else np.empty(n, dtype=np.uint64)
        e, cost, redeems = Kept(n), Kept(n), Kept(n)
        redeemed = None if asked.redeemed is None else np.empty(n)
        if asked.cluster is None and (place := place_in(source, asked)) is not None:
            warnings.warn(found_there(place), GmvCausalWarning, stacklevel=5)
            asked = replace(asked, cluster=place)
            needed.append(place)
        cluster = None if asked.cluster is None else np.empty(n, dtype=np.uint64)
        alone = replace(asked, unit=None, cluster=None)
        read = [c for c in needed if c != asked.unit or c == asked.cluster]
        for at, b in _pieces(source, read, model, alone, asked.cluster, ranked, unseen):
            y[at], arm[at], effects[at], mu[at], rows[at] = b["y"], b["arm"], b["effects"], b["mu"], b["rows"]
            e.put(at, b["e"])
            cost.put(at, b["cost"])
            if alike is not None:
                alike[at] = b["features"]
            if cluster is not None:
                cluster[at] = b["cluster"]
            if redeemed is not None:
                redeemed[at] = b["redeemed"]
                redeems.put(at, b["redeems"])
        columns = len(source.columns)
    features.judge_unseen(unseen, n)
    codes = None if cluster is None else np.unique(cluster, return_inverse=True)[1].astype(np.int64)
    trial = Trial(
        y, arm, labels, np.empty((n, 0), dtype=np.float32), features,
        None if asked.propensity is None else e.values, asked.propensity is not None, codes, cost.values,
        asked.margin, asked.cluster or "", np.arange(0 if ranked else n), n, columns, facts=facts, redeemed=redeemed,
    )  # fmt: skip
    told = None if redeemed is None else redeems.values
    return HeldOut(trial, effects, e.values, mu, told, {"rows": rows} | ({} if alike is None else {"features": alike}))


def of_batch(
    model: Uplift, asked: Asked, cluster: str | None, ranked: bool, batch: Any, unseen: Unseen
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """What is kept of the rows of an Arrow table, in their order: arrays by name."""
    fit, t = model.fit, model.trial
    b = read_trial(batch, asked, t.features, t.labels, facts={}, unseen=unseen)
    effects, mu = fit.predict_both(b.x)
    out: dict[str, NDArray[Any]] = {
        "y": b.y, "arm": b.arm, "effects": effects, "mu": mu, "cost": b.cost, "rows": prints(b.x, b.y, b.arm),
        "e": fit.predict_chances(b.x) if b.propensity is None else b.propensity,
    }  # fmt: skip
    if not ranked:
        out["features"] = prints(b.x)
    said = fit.predict_redeems(b.x)
    if b.redeemed is not None and said is not None:
        out["redeemed"], out["redeems"] = b.redeemed, said
    place = np.empty(b.n, dtype=np.int64)
    place[b.row] = np.arange(b.n)
    out = {name: values[place] for name, values in out.items()}
    return out if cluster is None else {**out, "cluster": _hashed(batch, cluster)}


def _pieces(
    source: Source, columns: list[str], model: Uplift, asked: Asked, cluster: str | None, ranked: bool, unseen: Unseen
) -> Iterator[tuple[slice, dict[str, NDArray[Any]]]]:
    """Places, and what is kept of the rows there."""
    if source.on_spark:
        from gmvcausal.targeting.large.spark import narrowed

        first = 0
        for piece in narrowed(source, columns, model, asked, cluster, ranked, unseen):
            yield slice(first, first + len(piece["y"])), piece
            first += len(piece["y"])
        refuse_partial(first, source.rows)
        return
    for first, batch in source.batches(columns):
        with placed(first, batch.num_rows):
            piece = of_batch(model, asked, cluster, ranked, batch, unseen)
        yield slice(first, first + batch.num_rows), piece


def place_in(source: Source, asked: Asked) -> str | None:
    """A column of places within which the arm does not vary, as `frames.arms.place_of_assignment` finds it."""
    arm, taken = quote(asked.treatment), (asked.treatment, asked.outcome, *asked.features)
    for column in COARSER:
        if column not in source.columns or column in taken:
            continue
        name = quote(column)
        of_place = f"SELECT {name} AS p, count(*) AS n, count(DISTINCT {arm}) AS k FROM {source.sql} GROUP BY {name}"
        space = source.space
        whole, gone = space.row(f"SELECT max(k), count(*) - count(p) FROM ({of_place})", source.name)
        if whole > 1 or gone:
            continue
        sizes = space.rows(f"SELECT n, count(*) FROM ({of_place}) GROUP BY n", source.name)
        counts = space.rows(f"SELECT count(*) FROM {source.sql} GROUP BY {arm}", source.name)
        share = np.array([n for (n,) in counts]) / source.rows
        if chance_assigned_there({int(n): int(k) for n, k in sizes}, share) < math.log(1e-6):
            return column
    return None


def in_order(held: HeldOut) -> HeldOut:
    """The same users in the order of the first score, highest first, so that ranking them copies nothing.

    What was read is put in order in its own place, and what tells whether rows are met again is forgotten: it has been
    looked at.
    """
    t = held.trial
    order = np.argsort(-held.effects[:, 0])
    once: set[int] = set()
    for array in (t.y, t.arm, t.cluster, t.redeemed, held.effects, held.mu, held.e, t.cost, held.redeems):
        if array is None or array.strides[0] == 0 or id(array) in once:
            continue
        once.add(id(array))
        for column in array.T if array.ndim == 2 else (array,):
            column[:] = column[order]
    return held._replace(told={})


def offer(model: Uplift, data: Any, group: NDArray[np.int64] | None, notes: tuple[str, ...]) -> Offer:
    """Users to be planned for, batch by batch, without their features.

    Parameters
    ----------
    model : Uplift
    data : parquet path, DuckDB relation or Spark frame
    group : ndarray of int, shape (n,), optional
    notes : tuple of str
    """
    from gmvcausal.targeting.policy.rule import Offer

    fit, features, asked, labels = model.fit, model.trial.features, model.asked, model.trial.labels
    needed = list(dict.fromkeys([*features.needed, *columns_of(asked.cost)]))
    unseen: Unseen = {}
    with opened(data, "data", needed, () if asked.cluster in (asked.unit, *UNIT_NAMES) else UNIT_NAMES) as source:
        known = asked.unit if asked.unit in source.columns else None
        unit = known or named_unit(source.columns, (asked.cluster, asked.treatment, asked.outcome, *asked.features))
        if unit is not None and unit not in needed:
            refuse_repeated(source, unit, f"keep one row per {unit}: a plan counts each row as a user of its own")
        n = source.rows
        effects, alike = np.empty((n, len(labels) - 1)), np.empty(n, dtype=np.uint64)
        cost, redeems = Kept(n), Kept(n)
        for first, batch in source.batches(needed):
            with placed(first, batch.num_rows):
                table = open_table(batch)
                x = features.transform(table, unseen=unseen)
                paid = read_cost(table, asked.cost, labels)
            at = slice(first, first + len(x))
            effects[at], alike[at] = fit.predict(x), prints(x)
            said = fit.predict_redeems(x)
            if said is not None:
                redeems.put(at, said)
            cost.put(at, paid)
    features.judge_unseen(unseen, n)
    told = None if fit.redemption is None else redeems.values
    return Offer(
        effects, expected_cost(cost.values, told), group, {"features": alike}, redeems=told, notes=notes
    )  # fmt: skip


def _hashed(batch: Any, column: str) -> NDArray[np.uint64]:
    """A number for the label of every row, the same in every batch."""
    import pandas as pd

    values = id_values(open_table(batch), column, "cluster")
    return np.asarray(pd.util.hash_array(values), dtype=np.uint64)
