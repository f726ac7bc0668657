"""What is combined: one row of every result, or of a table of estimates."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import first_rows, id_values, numeric
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import open_table
from gmvcausal.results import Result
from gmvcausal.stats.inference import critical_value

_NOTHING = hashlib.sha256().hexdigest()  # of a result that keeps no arrays
_WHOLE = "remove these rows, or find out the estimate and its standard error"


@dataclass(frozen=True)
class Study:
    """One estimate.

    Attributes
    ----------
    label, estimand, unit : str
    estimate, std_error, df : float
        The standard error includes the factor that makes it unbiased, where the result has one. NaN where withheld.
    p_value, low, high : float
        Of the result itself, at its own level.
    n : int or None
    credible : bool or None
        Whether no check of its audit failed; None where there is no audit.
    why_not : tuple of str
        What the failed checks say.
    data : str
        Hash of its data; empty where it is not known.
    shape : tuple of int
        Rows and columns of the table that it was read from.
    baseline : float
        What the effect is a share of; NaN where that is not known.
    log, log_error : float
        Log of the ratio to the baseline, where the result knows it with its standard error; NaN elsewhere.
    """

    label: str
    estimand: str
    unit: str
    estimate: float
    std_error: float
    df: float
    p_value: float
    low: float
    high: float
    n: int | None
    credible: bool | None
    why_not: tuple[str, ...] = ()
    data: str = ""
    shape: tuple[int, int] = (0, 0)
    baseline: float = math.nan
    log: float = math.nan
    log_error: float = math.nan


def read_studies(results: Any, term: str | None) -> list[Study]:
    """The estimates to combine, from results (a list, or a mapping from labels) or from a table.

    Raises
    ------
    InputError
        Neither results nor a table, fewer than two, no such term, labels that occur twice.
    """
    if isinstance(results, Result):
        results = [results]
    if isinstance(results, Mapping) or (isinstance(results, Sequence) and not is_path(results)):
        pairs = list(results.items()) if isinstance(results, Mapping) else [("", r) for r in results]
        for name, result in pairs:
            if not isinstance(result, Result):
                raise InputError(
                    f"{f'{name!r}' if name else 'an entry'} is no result but a {type(result).__name__}",
                    remedy="pass what gc.ab_test, gc.did and their like return, or one table of estimates",
                )
            if result.described:
                raise InputError(
                    f"{f'{name!r}' if name else repr(result.title)} describes and estimates no effect, so it answers "
                    "another question",
                    remedy="leave it out: what is combined are effects",
                )
        found = [_of_result(r, label, term) for label, r in zip(_labels(pairs), (r for _, r in pairs), strict=True)]
    else:
        found = _of_table(results, term)
    if len(found) < 2:
        raise InputError(
            f"there {'is 1 study' if len(found) == 1 else 'are no studies'}, and combining takes at least two",
            remedy="pass a list of results",
        )
    twice = [label for label, k in Counter(s.label for s in found).items() if k > 1]
    if twice:
        raise InputError(f"two studies are called {twice[0]!r}", remedy="give each study a label of its own")
    return found


def _labels(pairs: Sequence[tuple[Any, Any]]) -> list[str]:
    """As given, else the titles, numbered where they repeat."""
    titles = [str(name) or str(r.title) for name, r in pairs]
    count, seen = Counter(titles), Counter[str]()
    out = []
    for (name, _), title in zip(pairs, titles, strict=True):
        seen[title] += 1
        out.append(title if str(name) or count[title] == 1 else f"{title} ({seen[title]})")
    return out


def _of_result(result: Result, label: str, term: str | None) -> Study:
    place = 0
    if term is not None:
        if term not in result.estimates.term:
            listed = ", ".join(repr(t) for t in result.estimates.term[:10])
            raise InputError(
                f"{label!r} has no term {term!r}", remedy=f"name one that all results have; it has {listed}"
            )
        place = result.estimates.term.index(term)
    row, t = result.row(place), result.estimates.t
    data = result.manifest.data_sha256
    log, error = _log_ratio(result, place)
    return Study(
        label, row.estimand, row.unit, row.estimate, row.std_error * float(t.factor[place]), float(t.df[place]),
        row.p_value, row.low, row.high, row.n, result.audit.credible,
        tuple(f"{c.name}: {c.message}" for c in result.audit.failed), "" if data == _NOTHING else data,
        (result.manifest.rows, result.manifest.columns), row.baseline, log, error,
    )  # fmt: skip


def _log_ratio(result: Result, place: int) -> tuple[float, float]:
    """Log of the ratio to the baseline with its standard error, where the result says them."""
    own = getattr(result, "log_ratio", None)
    if own is not None:
        found: tuple[float, float] = own(place)
        return found
    frame = result.to_frame()
    if not {"relative", "relative_low", "relative_high", "df"} <= set(frame):
        return math.nan, math.nan
    size, low, high, df = (float(frame[c].iloc[place]) for c in ("relative", "relative_low", "relative_high", "df"))
    if not (math.isfinite(low) and math.isfinite(high) and low > -1):
        return math.nan, math.nan
    # Its own relative interval, read on the log scale.
    return math.log1p(size), (math.log1p(high) - math.log1p(low)) / (2 * critical_value(1 - result.alpha, df))


def _of_table(data: Any, term: str | None) -> list[Study]:
    table = open_table(data, "the table of estimates", needed=("estimate", "std_error"),
                       optional=("label", "unit", "estimand", "n", "baseline", "term"))  # fmt: skip
    estimate = numeric(table, "estimate", "estimate", missing=_WHOLE).values
    error = numeric(table, "std_error", "std_error", missing=_WHOLE).values
    bad = error <= 0
    if bad.any():
        raise InputError(
            "standard errors must be above 0", column="std_error", count=int(bad.sum()), rows=first_rows(bad),
            remedy=_WHOLE,
        )  # fmt: skip
    k = table.n

    def words(column: str, otherwise: Iterable[str]) -> list[str]:
        return [str(v) for v in (id_values(table, column, column) if column in table.columns else otherwise)]

    def figures(column: str) -> Any:
        return numeric(table, column, column).values if column in table.columns else np.full(k, math.nan)

    labels = words("label", (f"study {i + 1}" for i in range(k)))
    units, estimands = words("unit", ["unit of the estimates"] * k), words("estimand", ["effect"] * k)
    n, baseline = figures("n"), figures("baseline")
    keep = list(range(k))
    if term is not None:
        terms = words("term", [""] * k)
        keep = [i for i in range(k) if terms[i] == term]
    critical = critical_value(0.95)
    out = []
    for i in keep:
        e, s = float(estimate[i]), float(error[i])
        out.append(
            Study(
                labels[i],
                estimands[i],
                units[i],
                e,
                s,
                math.inf,
                math.erfc(abs(e / s) / math.sqrt(2)),
                e - critical * s,
                e + critical * s,
                int(n[i]) if n[i] > 0 else None,
                None,
                baseline=float(baseline[i]),
            )
        )
    return out
