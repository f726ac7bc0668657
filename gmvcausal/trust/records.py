"""Replicates as columns: arrays to compute with, and compact JSON that gives back the same bits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results.audit import STATUSES
from gmvcausal.trust.replicate import Record

FloatArray = NDArray[np.float64]
NUMBERS = ("truth", "estimate", "std_error", "p_value", "detectable")
_CODE = dict(zip(STATUSES, "pwfn", strict=True))
_ABSENT = "-"


@dataclass(frozen=True, eq=False)
class Columns:
    """The replicates of one cell, in the order of their numbers.

    Attributes
    ----------
    numbers : mapping of str to ndarray, shape (reps,)
        truth, estimate, std_error, p_value, detectable.
    low, high : ndarray, shape (reps, 3)
        Limits at 90, 95 and 99 %.
    band, credible : ndarray, shape (reps,)
        1, 0, or NaN where there is none.
    audit : mapping of str to str
        Check to one letter per replicate: p(assed), w(arned), f(ailed), n(ot run), - (no such check).
    withheld, error : tuple of str, length reps
    """

    numbers: Mapping[str, FloatArray]
    low: FloatArray
    high: FloatArray
    band: FloatArray
    credible: FloatArray
    audit: Mapping[str, str]
    withheld: tuple[str, ...]
    error: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.error)

    def __getitem__(self, name: str) -> FloatArray:
        return self.numbers[name]


def columns(records: Sequence[Record]) -> Columns:
    """The records as columns."""
    names = sorted({name for r in records for name, _ in r.audit})
    statuses = [dict(r.audit) for r in records]
    return Columns(
        {name: np.array([getattr(r, name) for r in records], dtype=float) for name in NUMBERS},
        np.array([r.low for r in records], dtype=float).reshape(len(records), 3),
        np.array([r.high for r in records], dtype=float).reshape(len(records), 3),
        np.array([_flag(r.band) for r in records], dtype=float),
        np.array([_flag(r.credible) for r in records], dtype=float),
        {name: "".join(_CODE.get(s.get(name, ""), _ABSENT) for s in statuses) for name in names},
        tuple(r.withheld for r in records),
        tuple(r.error for r in records),
    )


def _flag(value: bool | None) -> float:
    return math.nan if value is None else float(value)


def fired(letters: str, status: str) -> int:
    """How often a check had `status`."""
    return letters.count(_CODE[status])


# --- JSON: numbers as they are, NaN as null, infinities as text (JSON has neither) ----------------------------------
def _out(value: float) -> Any:
    return None if math.isnan(value) else float(value) if math.isfinite(value) else str(float(value))


def _in(value: Any) -> float:
    return math.nan if value is None else float(value)


def record_to_json(record: Record) -> list[Any]:
    """One record as a list, for the file of unfinished work."""
    r = record
    numbers = [_out(getattr(r, name)) for name in NUMBERS]
    limits = [_out(v) for v in (*r.low, *r.high)]
    return [numbers, limits, r.band, r.credible, [list(a) for a in r.audit], r.withheld, r.error, r.seconds]


def record_from_json(found: Any) -> Record:
    """The record that `record_to_json` wrote."""
    numbers, limits, band, credible, audit, withheld, error, seconds = found
    values = dict(zip(NUMBERS, (_in(v) for v in numbers), strict=True))
    limit = [_in(v) for v in limits]
    return Record(
        low=tuple(limit[:3]),
        high=tuple(limit[3:]),
        band=band,
        credible=credible,
        audit=tuple((str(name), str(status)) for name, status in audit),
        withheld=str(withheld),
        error=str(error),
        seconds=float(seconds),
        **values,
    )


def to_json(found: Columns) -> dict[str, Any]:
    """Columns as JSON holds them."""
    reasons = sorted({*found.withheld, *found.error} - {""})
    place = {reason: i for i, reason in enumerate(reasons)} | {"": -1}
    as_flags = {0.0: "0", 1.0: "1"}
    return {
        **{name: [_out(v) for v in found[name].tolist()] for name in NUMBERS},
        "low": [[_out(v) for v in row] for row in found.low.tolist()],
        "high": [[_out(v) for v in row] for row in found.high.tolist()],
        "band": "".join(as_flags.get(v, "-") for v in found.band.tolist()),
        "credible": "".join(as_flags.get(v, "-") for v in found.credible.tolist()),
        "audit": dict(found.audit),
        "reasons": reasons,
        "withheld": [place[w] for w in found.withheld],
        "error": [place[e] for e in found.error],
    }


def from_json(found: Mapping[str, Any]) -> Columns:
    """The columns that `to_json` wrote."""
    flags = {"0": 0.0, "1": 1.0, "-": math.nan}
    reasons = [*found["reasons"], ""]
    reps = len(found["error"])
    return Columns(
        {name: np.array([_in(v) for v in found[name]], dtype=float) for name in NUMBERS},
        np.array([[_in(v) for v in row] for row in found["low"]], dtype=float).reshape(reps, 3),
        np.array([[_in(v) for v in row] for row in found["high"]], dtype=float).reshape(reps, 3),
        np.array([flags[c] for c in found["band"]], dtype=float),
        np.array([flags[c] for c in found["credible"]], dtype=float),
        {str(name): str(letters) for name, letters in found["audit"].items()},
        tuple(reasons[i] for i in found["withheld"]),
        tuple(reasons[i] for i in found["error"]),
    )
