"""One replicate: simulate a market once, ask every estimator that shares it, and keep what each answered."""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from gmvcausal.errors import GmvCausalError, GmvCausalWarning, InputError
from gmvcausal.frames.params import said
from gmvcausal.trust.cells import Cell

LEVELS = (0.90, 0.95, 0.99)
# What a call may raise by mistake: counted as a crash, which no gate lets pass.
_CRASHES = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


class Record(NamedTuple):
    """What one call answered.

    Attributes
    ----------
    truth, estimate, std_error, p_value : float
        NaN where there is none.
    low, high : tuple of float
        Limits of the intervals at 90, 95 and 99 %.
    detectable : float
        The effect that the call says it would have found with 80 % power.
    band : bool or None
        Whether the bands of the event study hold the whole true path; None without bands.
    credible : bool or None
        Whether the audit let it pass.
    audit : tuple of (str, str)
        Name and status of every check.
    withheld, error : str
        Why there is no interval; why there is no result (the kind of error first).
    seconds : float
        Processor seconds of the call, and its share of the market's.
    """

    truth: float
    estimate: float = math.nan
    std_error: float = math.nan
    p_value: float = math.nan
    low: tuple[float, ...] = (math.nan,) * 3
    high: tuple[float, ...] = (math.nan,) * 3
    detectable: float = math.nan
    band: bool | None = None
    credible: bool | None = None
    audit: tuple[tuple[str, str], ...] = ()
    withheld: str = ""
    error: str = ""
    seconds: float = 0.0


def market_seed(market: str, seed: int, rep: int) -> int:
    """The seed of a market: from what it is and which replicate it is, never from the order of work.

    Examples
    --------
    >>> market_seed("D5", 0, 1) == market_seed("D5", 0, 1) != market_seed("D5", 0, 2)
    True
    """
    digest = hashlib.sha256("\x1f".join([market, str(int(seed)), str(int(rep))]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def named(name: str, what: str) -> Callable[..., Any]:
    """The function called ``"module:function"``."""
    module, _, function = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise InputError(
            f"there is no {what} {said(name)}", remedy="write 'module:function', of a module that can be imported"
        ) from None
    return found


def make_market(cell: Cell, seed: int, rep: int) -> Any:
    """The market that `cell` and all cells of the same world, size and dials are asked about."""
    number = market_seed(cell.market, seed, rep)
    if ":" in cell.world:
        return named(cell.world, "world")(n=cell.n, seed=number, **cell.dials)
    from gmvcausal import simulate

    return simulate.world(cell.world, n=cell.n, seed=number, **cell.dials)


def replicate(cells: Sequence[Cell], seed: int, rep: int) -> dict[str, Record]:
    """Simulate one market and ask all cells about it.

    Parameters
    ----------
    cells : sequence of Cell
        All of the same market.
    seed, rep : int

    Returns
    -------
    dict of str to Record
        By the key of the cell.
    """
    began = time.process_time()
    market = make_market(cells[0], seed, rep)
    shared = (time.process_time() - began) / len(cells)
    tables: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    found = {}
    for cell in cells:
        began = time.process_time()
        with warnings.catch_warnings():
            # What is decided on the user's behalf is decided in every replicate: told once in the docs, not here.
            warnings.simplefilter("ignore", GmvCausalWarning)  # the audit holds what they say, and is scored
            record = _ask(cell, market, tables, answers)
        found[cell.key] = record._replace(seconds=shared + time.process_time() - began)
    return found


def _ask(cell: Cell, market: Any, tables: dict[str, Any], answers: dict[str, Any]) -> Record:
    verb = named(cell.verb, "verb") if ":" in cell.verb else _public(cell.verb)
    call = {**market.design.call, **cell.call}
    call = {name: value for name, value in call.items() if value is not None}
    truth = float(market.truth[_row_of_truth(cell)] if cell.term else market.truth.value)
    try:
        if not cell.term:
            return _read(verb(_table(cell, market, tables), **call), truth, market.truth.event_study)
        if cell.question not in answers:
            result = verb(_table(cell, market, tables), **call)
            answers[cell.question] = result, result.to_frame()
        result, frame = answers[cell.question]
        # What was learned is judged by what is true of it, which the answer alone can say.
        truth = getattr(result, "truths", {}).get(cell.term, truth)
        return _read_row(result, frame, cell, truth)
    except GmvCausalError as error:
        return Record(truth, error=f"{type(error).__name__}: {error.rule}")
    except _CRASHES as error:
        return Record(truth, error=f"crash: {type(error).__name__}: {error}"[:300])


def _row_of_truth(cell: Cell) -> str:
    return f"{cell.term}: relative" if cell.relative else cell.term


def _public(name: str) -> Callable[..., Any]:
    import gmvcausal

    if name not in gmvcausal.__all__:
        raise InputError(
            f"there is no verb {said(name)}", remedy="name a verb of gmvcausal, or write 'module:function'"
        )
    found: Callable[..., Any] = getattr(gmvcausal, name)
    return found


def _table(cell: Cell, market: Any, tables: dict[str, Any]) -> Any:
    """The table of the cell; cells that ask for the same one share it."""
    key = repr(None if cell.table is None else sorted(cell.table.items()))
    if key not in tables:
        if cell.table is None:
            tables[key] = market.table()
        else:
            options = dict(cell.table)
            method = options.pop("method")
            if isinstance(options.get("window"), list):
                options["window"] = tuple(options["window"])
            tables[key] = getattr(market.to_logs(), method)(**options)
    return tables[key]


def _read(result: Any, truth: float, path: Any) -> Record:
    limits = [result.conf_int(level) for level in LEVELS]
    audit = result.audit
    no_interval = not all(math.isfinite(v) for v in limits[1])
    return Record(
        truth,
        float(result.estimate),
        float(result.std_error),
        float(result.p_value),
        tuple(float(low) for low, _ in limits),
        tuple(float(high) for _, high in limits),
        float(result.detectable),
        None if path is None else band_holds(_event_study(result), path),
        bool(audit.credible),
        tuple((check.name, check.status) for check in audit),
        (str(result.estimates.withheld) or "no reason is given") if no_interval else "",
    )


def _read_row(result: Any, table: Any, cell: Cell, truth: float) -> Record:
    """One row of an answer of several; its relative effect has an interval at the level of the call, 95 %."""
    at = list(table["term"]).index(cell.term)
    row, e = table.iloc[at], result.estimates
    low: tuple[float, ...]
    high: tuple[float, ...]
    if cell.relative:
        low, high = (math.nan, float(row["relative_low"]), math.nan), (math.nan, float(row["relative_high"]), math.nan)
        estimate, std_error = float(row["relative"]), math.nan
        why = str(e.withheld) or "the control's value is not distinguishable from zero"
    else:
        limits = [e.interval(level) for level in LEVELS]
        low, high = tuple(float(x[at]) for x, _ in limits), tuple(float(x[at]) for _, x in limits)
        estimate, std_error = float(row["estimate"]), float(row["std_error"])
        why = str(e.withheld) or "no reason is given"
    return Record(
        truth,
        estimate,
        std_error,
        float(row["p_value"]),
        low,
        high,
        credible=bool(result.audit.credible),
        audit=tuple((check.name, check.status) for check in result.audit),
        withheld="" if math.isfinite(low[1]) and math.isfinite(high[1]) else why,
    )


def _event_study(result: Any) -> Any:
    """The event study, or None where the result has none."""
    try:
        return result.event_study()
    except (InputError, AttributeError):
        return None


def band_holds(found: Any, path: Any) -> bool | None:
    """Whether the bands hold the true path at every event time that has a band.

    Parameters
    ----------
    found : DataFrame or None
        event_time, band_low, band_high; the base has no band.
    path : DataFrame
        event_time, att. Before the start the truth is 0 where the path says nothing; later event times that it does
        not reach are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> found = pd.DataFrame({"event_time": [-2, -1, 0], "band_low": [-1, None, 2.0], "band_high": [1, None, 3.0]})
    >>> band_holds(found, pd.DataFrame({"event_time": [0], "att": [2.5]}))
    True
    >>> band_holds(found, pd.DataFrame({"event_time": [0], "att": [1.5]}))
    False
    """
    if found is None:
        return None
    true: Mapping[int, float] = dict(zip(path["event_time"].astype(int), path["att"].astype(float), strict=True))
    event = found["event_time"].to_numpy(dtype=int)
    low, high = found["band_low"].to_numpy(dtype=float), found["band_high"].to_numpy(dtype=float)
    att = np.array([true.get(int(e), 0.0 if e < 0 else math.nan) for e in event], dtype=float)
    use = np.isfinite(att) & ~np.isnan(low) & ~np.isnan(high)
    if not use.any():
        return None
    return bool(((low <= att) & (att <= high))[use].all())
