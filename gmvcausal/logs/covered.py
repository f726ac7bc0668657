"""GMV on the products that a campaign's coupons cover, and whether any of them was sold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.texts import printable
from gmvcausal.logs import cells
from gmvcausal.logs.campaigns import Campaign
from gmvcausal.logs.facts import entry
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span

_SHOWN = 5


def covered(logs: Logs, units: cells.Units, span: Span, campaigns: Sequence[Campaign]) -> NDArray[np.float64]:
    """GMV on the products that each campaign covers, inside its window."""
    coverage = logs.need("coverage", "gmv_covered")
    if "product" not in logs.orders.kinds:
        raise InputError(
            "coverage names products, but orders have no column for the role 'product'",
            remedy="name it with columns={'product': ...}",
        )
    space = logs._space
    text_labels = isinstance(campaigns[0].label, str)
    offsets = np.concatenate([[0], np.cumsum([c.length * units.n for c in campaigns])])
    listed = pa.table(
        {
            "tactic": pa.array([c.label for c in campaigns], type=pa.string() if text_labels else pa.int64()),
            "number": np.arange(len(campaigns)),
            "first": [c.first for c in campaigns],
            "last": [c.last for c in campaigns],
        }
    )
    name = space.new_name("campaigns")
    space.register(name, listed)
    source, key = cells.unit_key(logs, units, logs._lines.view)
    period = span.grid.sql('"time"')
    out = np.zeros(int(offsets[-1]))
    lengths = np.array([c.length for c in campaigns])
    firsts = np.array([c.first for c in campaigns])
    # Sums are taken after the join, over the lines of the windows only.
    query = (
        f"SELECT c.number AS number, s.unit AS unit, s.period AS period, {logs._facts.total('s.gmv')} AS gmv FROM "
        f'(SELECT {key} AS unit, {period} AS period, "product" AS product, "gmv" AS gmv '
        f"FROM {source} WHERE {span.where()}) s "
        f'JOIN (SELECT DISTINCT "tactic", "product" FROM {coverage.sql}) v ON v."product" = s.product '
        f'JOIN {name} c ON c.tactic = v."tactic" AND s.period BETWEEN c.first AND c.last GROUP BY ALL'
    )
    for batch in space.batches(query, 500_000, "orders and coverage"):
        ids = batch.column("unit").to_numpy(zero_copy_only=False)
        codes = ids if key == "unit_code" else units.codes(ids)
        number = batch.column("number").to_numpy()
        where = offsets[number] + codes * lengths[number] + batch.column("period").to_numpy() - firsts[number]
        out[where] = batch.column("gmv").to_numpy(zero_copy_only=False)
    return out


def coverage_match(
    logs: Logs, units: cells.Units, campaigns: Sequence[Campaign], gmv_covered: NDArray[np.float64], outcome: str
) -> dict[str, Any]:
    """Campaigns whose covered products were not sold at all in their window.

    Parameters
    ----------
    gmv_covered : ndarray
        As `covered` returns it: all cells of one campaign's window after the other's.
    outcome : str
        The check can fail only where the outcome rests on coverage.
    """
    ends = np.cumsum([c.length * units.n for c in campaigns])
    windows = np.split(gmv_covered, ends[:-1])
    bare = [str(c.label) for c, window in zip(campaigns, windows, strict=True) if not window.any()]
    if not bare:
        message = f"the products covered by each of the {len(campaigns):,} campaigns were sold in its window"
        return entry("coverage_match", "passed", 0.0, 0.0, message)
    coverage = logs.need("coverage", "gmv_covered")
    known = {str(t) for t in logs._space.numpy(f'SELECT DISTINCT "tactic" AS t FROM {coverage.sql}', "coverage")["t"]}
    absent = [label for label in bare if label not in known]
    message = (
        f"{len(bare):,} of {len(campaigns):,} campaigns match no sale of a covered product in their window, so their "
        f"gmv_covered is zero throughout: {_some(bare)}"
    )
    if absent:
        message += f"; absent from coverage: {_some(absent)}"
    failed = len(bare) == len(campaigns) and outcome in ("gmv_covered", "gmv_other")
    return entry(
        "coverage_match",
        "failed" if failed else "warned",
        len(bare) / len(campaigns),
        0.0,
        message,
        "check that coverage spells products as orders do and names each campaign as exposures do; leave out, with "
        "tactic=, campaigns that cover no product",
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(map(printable, names[:_SHOWN])) + (f" and {more:,} more" if more > 0 else "")
