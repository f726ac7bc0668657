"""The verb `before_after`: one series, a date, and what would have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, column_name, flag, one_of, said
from gmvcausal.observational.series.analyse import ERRORS, METHODS, How
from gmvcausal.observational.series.make import make_result
from gmvcausal.observational.series.model import build, choose_log
from gmvcausal.observational.series.promotions import read_events, told
from gmvcausal.observational.series.read import Asked, Series, read
from gmvcausal.observational.series.result import BeforeAfterResult
from gmvcausal.results import Manifest

SCALES = ("log", "level")
CONTROLS_AS = ("ratio", "regression")
_NOISE = {
    ("regression", "memory"): "noise that remembers",
    ("regression", "hac"): "HAC errors",
    ("structural", "memory"): "a level that wanders",
}


def before_after(
    data: Any,
    outcome: str = "gmv",
    time: str = "period",
    start: Any = None,
    *,
    end: Any = None,
    controls: Sequence[Any] = (),
    unit: str | None = None,
    method: str = "regression",
    errors: str = "memory",
    scale: str | None = None,
    controls_as: str | None = None,
    trend: bool | None = None,
    events: Mapping[str, Any] | None = None,
    promotions: bool = True,
    promotions_shared: bool = False,
    timezone: str | None = None,
    missing: str = "raise",
    alpha: float = 0.05,
) -> BeforeAfterResult:
    """How much GMV came on top of what the time before foretells (interrupted time series), and may that be believed?

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per day or week. Not changed. Repeated periods are refused unless `unit` says whose rows they are.
    outcome : str
        Column of GMV per period.
    time : str
        Column of dates (days, or weeks by their first day), or of whole numbers, which have no calendar.
    start : date
        First day of the tactic. A week in which it begins counts on neither side.
    end : date, optional
        Last day of the tactic; default: the last period. What follows is looked at for GMV borrowed from later.
    controls : sequence of str
        Columns of series of the same kind that the tactic did not move: another platform, region or category. With
        `unit`, labels of units instead. Without any the audit refuses the headline.
    unit : str, optional
        Column of rooms or cities: those in `controls` stand beside, the GMV of all others is added up.
    method : {"regression", "structural"}
        Regression whose noise remembers; or a level that wanders (local level model of statsmodels), every pair of
        variances weighed by its likelihood.
    errors : {"memory", "hac"}
        Of the regression. "memory" (default): forecast errors under a first-order autoregression plus white noise,
        whose two numbers are averaged over by their likelihood. "hac": the textbook's level and slope with the errors
        of Newey and West, which are too small; for comparison only.
    scale : {"log", "level"}, optional
        What is compared. Default: logarithms where all values are positive, since seasons and promotions multiply GMV;
        effects are in GMV all the same.
    controls_as : {"ratio", "regression"}, optional
        "ratio" (default on logarithms): in proportion to the mean of the control series, one for one. "regression"
        (default on levels): by coefficients from the time before; more than three series are shrunk (ridge). Noise in
        a control makes a coefficient too small, which a promotion turns into a false effect.
    trend : bool, optional
        A straight line. Default: where there is no control series.
    events : mapping of str to date, (first, last), or a list of these, optional
        Further promotions: ``{"brand day": ["2025-09-09", "2026-09-09"]}``.
    promotions : bool
        Whether 618, 11.11, 12.12 and the Spring Festival get terms where an occurrence lies before the start, and are
        looked for in the window. Default True. False says that this market has none.
    promotions_shared : bool
        What a promotion in the window that the time before start never saw rests on. Default False: nothing, and the
        audit refuses the headline. True: you state that the control series have it to the same degree; the audit warns,
        and still refuses where the effect differs inside and outside the promotion.
    timezone : str, optional
        Zone whose days count, where times carry one.
    missing : {"raise", "zero"}
        What a missing outcome means. A period without a row is unknown, never zero.
    alpha : float
        One minus the confidence level.

    Returns
    -------
    BeforeAfterResult
        First row: the mean effect per period of the window. `by_period()`, `placebo()`, `plot()`,
        `incremental_gmv()`.

    Raises
    ------
    InputError
        Repeated periods, text that is no date, controls that are the outcome, an end before the start,
        `promotions_shared` without a control series, ...
    DesignError
        Fewer than 14 periods before the start, or none from it on.

    Notes
    -----
    Day of week always has terms, day of month from 180 days before the start on, day of year from two years on, a
    promotion where the time before holds at least half of an occurrence. The forecast of the window starts from where
    the noise was left, and its errors know of the coefficients, of each other, and that the memory of the noise is
    learned from few periods. Sums of GMV on logarithms are taken as lognormal.

    References
    ----------
    Bernal, Cummins and Gasparrini (2017), International Journal of Epidemiology 46; Brodersen, Gallusser, Koehler, Remy
    and Scott (2015), Annals of Applied Statistics 9; Newey and West (1987), Econometrica 55; Lazarus, Lewis, Stock and
    Watson (2018), Journal of Business and Economic Statistics 36.

    Examples
    --------
    >>> import gmvcausal as gc, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> day = pd.date_range("2026-03-01", periods=90)
    >>> other = 1000 + 100 * np.sin(np.arange(90) / 9) + rng.normal(0, 10, 90)
    >>> gmv = 2 * other + rng.normal(0, 20, 90) + 150 * (day >= "2026-05-08")
    >>> r = gc.before_after(pd.DataFrame({"day": day, "gmv": gmv, "other": other}), "gmv", "day", "2026-05-08",
    ...                     controls=["other"])
    >>> print(f"{r.estimate:.0f} ({r.std_error:.0f})", r.audit.credible)
    154 (5) True
    """
    named = _controls(controls)
    if start is None:
        raise InputError("start= is missing", remedy="name the first day of the tactic, start='2026-11-02'")
    asked = Asked(
        str(column_name("outcome", outcome)), str(column_name("time", time)), start, end, named,
        column_name("unit", unit, optional=True), timezone, check("missing", missing),
    )  # fmt: skip
    how = How(one_of("method", method, METHODS), one_of("errors", errors, ERRORS))
    if how.method == "structural" and how.errors == "hac":
        raise InputError("errors='hac' belongs to method='regression'", remedy="leave one of them out")
    known = read_events(events)
    options: dict[str, Any] = {
        "outcome": asked.outcome, "time": asked.time, "start": str(start), "end": None if end is None else str(end),
        "controls": list(map(str, named)), "unit": unit, "method": method, "errors": errors,
        "timezone": timezone, "missing": asked.missing, "alpha": check("alpha", alpha),
        "promotions": flag("promotions", promotions), "promotions_shared": flag("promotions_shared", promotions_shared),
        "events": known,
    }  # fmt: skip
    if promotions_shared and not named:
        raise InputError("promotions_shared=True speaks of control series, and there is none",
                         remedy="name one that had the promotion too with controls=, or leave promotions_shared= out",
        )  # fmt: skip
    if scale is not None:
        one_of("scale", scale, SCALES)
    if controls_as is not None:
        one_of("controls_as", controls_as, CONTROLS_AS)
    s = read(data, asked)
    notes = list(s.notes)
    log = choose_log(s, scale, notes)
    options["scale"] = "log" if log else "level"
    chosen = controls_as or ("ratio" if log else "regression")
    if chosen == "ratio" and not log:
        raise InputError("controls_as='ratio' needs scale='log'", remedy="pass controls_as='regression'")
    if s.names and controls_as is None:
        notes.append(f"the control series enter as {chosen} (controls_as='{chosen}')")
    options["controls_as"] = chosen
    options["trend"] = not s.names if trend is None else flag("trend", trend)
    if trend is None:
        notes.append(
            "a straight trend before the start goes on after it (trend=True), as there is no control series"
            if options["trend"]
            else "no trend apart from that of the control series (trend=False)"
        )
    if known and s.first is None:
        raise InputError("events= are dates, but the periods are numbers", column=asked.time,
                         remedy="use dates as periods, or leave events= out")  # fmt: skip
    model = build(s, log, chosen, bool(options["trend"]), known, bool(promotions), notes)
    if promotions_shared:
        unseen = model.touching(s.start, s.stop, unseen=True)
        notes.append(
            f"assumed, not tested by the time before: the control series have {told(unseen)} to the same degree "
            "(promotions_shared=True)"
            if unseen
            else "promotions_shared=True changes nothing: the window holds no promotion that was never seen before"
        )
    later = model.touching(s.stop, 2 * s.stop - s.start, unseen=True)
    if later:
        notes.append(f"the time after the end holds {told(later)}, of which no earlier year lies in the data: the row "
                     "after and the check pull_forward rest on the control series there")  # fmt: skip
    spoken = options | {"events": [f"{name}: {value}" for name, value in known.items()]}
    manifest = Manifest(
        "before_after", spoken, None, s.rows, s.columns, arrays=partial(_arrays, s),
        choices=(f"{method}, {_NOISE[method, errors]}, scale {options['scale']}",),
    )  # fmt: skip
    made = make_result(s, model, how, options, manifest)
    dropped = dict(s.facts.get("dropped", {}))
    return replace(made, manifest=replace(manifest, dropped=dropped, notes=tuple(notes)))


def _controls(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise InputError(f"controls must list column names, or units, but is {said(value)}",
                         remedy="write controls=['other_platform']")  # fmt: skip
    return tuple(dict.fromkeys(value))


def _arrays(s: Series) -> list[NDArray[Any]]:
    """What was analysed, by period."""
    return [s.y, np.ascontiguousarray(s.controls), np.array([s.start, s.stop, s.step, s.number])]
