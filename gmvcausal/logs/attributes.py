"""Attributes of units: from their own table, or from orders where they are constant within the unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.frames import rules, texts
from gmvcausal.frames.relation import with_extra
from gmvcausal.frames.table import quote
from gmvcausal.logs.cells import Units
from gmvcausal.logs.facts import entry
from gmvcausal.logs.logs import Logs


def repeated(values: NDArray[Any], counts: NDArray[Any]) -> Any:
    """Each value `counts` times."""
    return texts.compact(texts.originals(values)).repeat(counts)


def of_units(logs: Logs, units: Units, name: str) -> tuple[NDArray[Any], dict[str, Any] | None]:
    """One value of the attribute per unit, and a check where it had to be chosen among several.

    Returns
    -------
    values : ndarray, shape (units,)
        Missing where the unit has none.
    check : dict or None
        `attribute_constant`, where the attribute comes from orders.
    """
    listing = logs.table(units.table) if units.table else None
    if listing is not None and name in listing.available:
        return _from_listing(logs, units, name), None
    orders = logs._raw_orders
    if name not in orders.available:
        where = [*(listing.available if listing else ()), *orders.available]
        raise rules.no_such_column(name, where, "keep", f"{units.table} or orders" if listing else "orders")
    orders = with_extra(orders, [name], "keep")
    q, a = quote(units.role), quote(f"={name}")
    counted = f"SELECT {q} AS id, {a} AS a, count(*) AS n FROM {orders.sql} WHERE {a} IS NOT NULL GROUP BY ALL"
    # Ties go to the smaller value, so that the answer does not depend on the order of rows.
    found = logs._space.numpy(
        f"SELECT id, arg_min(a, (-n, a)) AS a, count(*) AS k FROM ({counted}) GROUP BY id", "orders"
    )
    several = int((np.asarray(found["k"]) > 1).sum())
    if not several:
        check = entry("attribute_constant", "passed", 0.0, 0.0, f"{name} is constant within every {units.role}")
    else:
        check = entry(
            "attribute_constant",
            "warned",
            float(several),
            0.0,
            f"{name} varies within {several:,} of {units.n:,} {units.role}s; each was given its most frequent value",
            f"ids may have been used twice (in two places, say): check them, or give {name} in {units.role}s",
        )
    return _scatter(units, found["id"], found["a"]), check


def _from_listing(logs: Logs, units: Units, name: str) -> NDArray[Any]:
    listing = with_extra(logs.need(str(units.table), "keep"), [name], "keep")
    q = quote(units.role)
    found = logs._space.numpy(f"SELECT {q} AS id, {quote(f'={name}')} AS a FROM {listing.sql}", listing.name)
    return _scatter(units, found["id"], found["a"])


def _scatter(units: Units, ids: NDArray[Any], values: Any) -> NDArray[Any]:
    """Values in the order of the units; what a unit lacks is missing."""
    codes = units.codes(np.asarray(ids))
    if isinstance(values, pd.Categorical):
        values = np.asarray(values, dtype=object)
    hidden = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(len(values), dtype=bool)
    plain = texts.originals(np.asarray(np.ma.getdata(values) if isinstance(values, np.ma.MaskedArray) else values))
    if len(codes) == units.n and not hidden.any():
        out = np.empty(units.n, dtype=plain.dtype)
    elif plain.dtype.kind in "iufb":
        out = np.full(units.n, np.nan)
    elif plain.dtype.kind == "M":
        out = np.full(units.n, np.datetime64("NaT", "us"), dtype=plain.dtype)
    else:
        out = np.full(units.n, None, dtype=object)
    out[codes[~hidden]] = plain[~hidden]
    return out
