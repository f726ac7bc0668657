"""The verb `combine`: several studies pooled, or several designs side by side."""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, column_name, one_of, said
from gmvcausal.mechanism.pooled.checks import checks_of
from gmvcausal.mechanism.pooled.numbers import METHODS, FloatArray, pool
from gmvcausal.mechanism.pooled.read import Study, read_studies
from gmvcausal.mechanism.pooled.result import Percent, Pooled, left_out
from gmvcausal.mechanism.pooled.triangle import Triangulation
from gmvcausal.results import Audit, Estimates, Manifest
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.small_sample import Spread

_HOW = ("pool", "triangulate")
_INTERVALS = ("hartung_knapp", "normal")
_FEWEST_FOR_PREDICTION = 3
_ROWS = ("pooled", "new study", "common effect")


def combine(
    results: Any,
    *,
    how: str = "pool",
    method: str = "reml",
    interval: str = "hartung_knapp",
    guard: bool = True,
    relative: bool = False,
    term: str | None = None,
    estimand: str | None = None,
    alpha: float = 0.05,
) -> Pooled | Triangulation:
    """Pool several studies of one effect (random-effects meta-analysis), or put several designs side by side.

    Parameters
    ----------
    results : list of results, mapping of label to result, or frame
        Results of any verb, of which the first row counts (or `term`); or a table with the columns ``estimate`` and
        ``std_error``, and where there are ``label``, ``unit``, ``estimand``, ``n``, ``baseline``. Not changed.
    how : {"pool", "triangulate"}
        Studies on *different* data are pooled (default); designs tried on *one* question are triangulated: shown side
        by side with their audits, and never pooled, because they share data.
    method : {"reml", "dl", "pm"}
        Variance of the effects between studies: restricted maximum likelihood (default: next to unbiased, and the
        recommended one; Veroniki et al. 2016), DerSimonian-Laird, Paule-Mandel.
    interval : {"hartung_knapp", "normal"}
        Hartung and Knapp's variance with t on k - 1 degrees of freedom (default: with few studies the normal interval
        covers far too little), or the normal one.
    guard : bool
        Whether Hartung and Knapp's factor may only widen (default): where studies agree more than chance lets them, it
        falls below 1, and the interval would be narrower than that of the normal standard error with the same t; the
        factor is then 1 (Röver, Knapp and Friede 2015). False takes it as it is.
    relative : bool
        Whether effects are pooled as percentages of their baselines, by logs of the ratio. Results that know the
        standard error of that ratio (tests, decompositions) give it; elsewhere the baseline is taken as known.
    term : str, optional
        Name of the row of every result that counts.
    estimand : str, optional
        What all estimate, in your words, where the results say it differently (arms with different names).
    alpha : float
        One minus the level of the intervals.

    Returns
    -------
    Pooled or Triangulation
        `Pooled` follows the protocol of results, with `studies()`, `leave_one_out()`, `pool` (tau2, q, q_p, i2),
        `tau_interval()`, `i2_interval()`, `plot("forest")`. `Triangulation` has `to_frame()`, `differences()`, `agree`,
        `summary()`, `plot()`.

    Raises
    ------
    InputError
        Fewer than two studies, different units or estimands, results made from the same data, a study without a
        standard error, a baseline that is not above 0 (relative).

    Notes
    -----
    The studies' own variances are taken as known, as is usual; a study of few units weighs as if its standard error
    were exact. The prediction interval is that of Higgins, Thompson and Spiegelhalter (2009), t with k - 2 degrees of
    freedom.

    References
    ----------
    DerSimonian and Laird (1986); Paule and Mandel (1982); Viechtbauer (2005), JEBS 30 (REML), and (2007), Statistics in
    Medicine 26 (intervals of tau2); Hartung and Knapp (2001), Statistics in Medicine 20; Röver, Knapp and Friede
    (2015), BMC Medical Research Methodology 15; Higgins, Thompson and Spiegelhalter (2009), JRSS A 172;
    Veroniki et al. (2016), Research Synthesis Methods 7.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> tests = pd.DataFrame({"estimate": [1.0, 2.0, 1.5], "std_error": [0.5, 0.5, 0.4]})
    >>> r = gc.combine(tests)
    >>> round(r.estimate, 6), round(r.pool.tau2, 6)
    (1.5, 0.0)
    """
    one_of("how", how, _HOW)
    one_of("method", method, tuple(METHODS))
    one_of("interval", interval, _INTERVALS)
    for name, value in (("guard", guard), ("relative", relative)):
        if not isinstance(value, bool):
            raise InputError(f"{name} must be True or False, but is {said(value)}")
    for name, text in (("term", term), ("estimand", estimand)):
        column_name(name, text, optional=True)
    alpha = check("alpha", alpha)
    studies = read_studies(results, term)
    if how == "triangulate":
        if relative:
            raise InputError("relative= is of pooled studies", remedy="leave it out with how='triangulate'")
        return Triangulation(tuple(studies), alpha)
    _refuse_shared(studies)
    _refuse_different(studies, estimand, relative)
    options = {
        "how": how, "method": method, "interval": interval, "guard": guard, "relative": relative, "term": term,
        "estimand": estimand, "alpha": alpha, "studies": [s.label for s in studies],
    }  # fmt: skip
    notes: list[str] = []
    y, v, studies = _scale(studies, relative, notes)
    found = pool(y, v, method, interval == "hartung_knapp", guard)
    if interval == "hartung_knapp" and guard and found.spread < 1:
        notes.append(
            f"the studies agree more than chance lets them (Hartung and Knapp's factor {found.spread:.3g}): it counts "
            "as 1, so that the interval is not narrower for it"
        )
    labels = tuple(s.label for s in studies)
    without = left_out(labels, y, v, method, interval, guard, 1 - alpha)
    manifest = Manifest(
        "combine", options, None, len(studies), 2, notes=tuple(notes), arrays=partial(_arrays, y, v),
        choices=(_words(method, interval, guard),),
    )  # fmt: skip
    what = estimand or studies[0].estimand
    return Pooled(
        f"{len(studies)} studies together",
        "the studies are independent (no unit is in two of them), each is right on average and knows its standard "
        "error; the mean is of effects like those of the studies at hand",
        _estimates(studies, y, v, found, relative, what),
        manifest,
        alpha,
        Audit(tuple(checks_of(studies, y, v, found, without, 1 - alpha))),
        found,
        labels,
        y,
        v,
    )


def _words(method: str, interval: str, guard: bool) -> str:
    names = {"reml": "REML", "dl": "DerSimonian and Laird", "pm": "Paule and Mandel"}
    made = "normal intervals"
    if interval == "hartung_knapp":
        made = "intervals of Hartung and Knapp" + (", whose factor is at least 1" if guard else "")
    return f"variance between studies by {names[method]}; {made}"


def _arrays(y: FloatArray, v: FloatArray) -> list[FloatArray]:
    order = np.lexsort((v, y))
    return [y[order], v[order]]


def _refuse_shared(studies: list[Study]) -> None:
    for a, b in combinations(studies, 2):
        if a.data and a.data == b.data:
            raise InputError(
                f"{a.label!r} and {b.label!r} were made from the same data, and pooling them would count it twice",
                remedy="put designs on one table side by side with how='triangulate'; pool results of different data",
            )


def _refuse_different(studies: list[Study], estimand: str | None, relative: bool) -> None:
    first = studies[0]
    for other in studies[1:]:
        if other.unit != first.unit and not relative:
            raise InputError(
                f"{first.label!r} is measured in {first.unit!r} and {other.label!r} in {other.unit!r}",
                remedy="pool effects of one unit, or pass relative=True for effects in per cent of their baselines",
            )
        if other.estimand != first.estimand and estimand is None:
            raise InputError(
                f"{first.label!r} estimates {first.estimand!r} and {other.label!r} {other.estimand!r}",
                remedy="choose the row with term=; where they are the same thing in other words, say what it is with "
                "estimand=",
            )
    for s in studies:
        if not s.std_error > 0 or not math.isfinite(s.estimate):
            raise InputError(
                f"{s.label!r} has no standard error, so it cannot be weighed",
                remedy="leave it out, or look at all side by side with how='triangulate'",
            )


def _scale(studies: list[Study], relative: bool, notes: list[str]) -> tuple[FloatArray, FloatArray, list[Study]]:
    """Estimates and variances on the scale on which they are pooled."""
    if not relative:
        return np.array([s.estimate for s in studies]), np.array([s.std_error**2 for s in studies]), studies
    y, error, known = [], [], []
    for s in studies:
        if s.log == s.log and s.log_error > 0:
            y.append(s.log)
            error.append(s.log_error)
            continue
        if not s.baseline > 0 or not s.baseline + s.estimate > 0:
            raise InputError(
                f"{s.label!r} has no baseline above 0 to take a percentage of",
                remedy="pool the effects in their own unit; in a table, give the column 'baseline'",
            )
        y.append(math.log1p(s.estimate / s.baseline))
        error.append(s.std_error / (s.baseline + s.estimate))
        known.append(s.label)
    if known:
        notes.append(f"the baseline of {', '.join(known[:3])}{', ...' if len(known) > 3 else ''} is taken as known")
    return np.array(y), np.array(error) ** 2, studies


def _estimates(studies: list[Study], y: FloatArray, v: FloatArray, found: Any, relative: bool, what: str) -> Estimates:
    """Rows: pooled, prediction, fixed effect, studies."""
    k = len(studies)
    taken = {s.label for s in studies} & set(_ROWS)
    if taken:
        raise InputError(f"a study is called {min(taken)!r}, as a row of the answer is", remedy="rename it")
    rows = [(_ROWS[0], f"mean over studies of: {what} (random effects)", found.estimate, found.std_error, found.df)]
    if k >= _FEWEST_FOR_PREDICTION:
        rows.append(
            (_ROWS[1], f"in a further study like these: {what}", found.estimate, found.prediction_error, k - 2.0)
        )
    rows.append(
        (_ROWS[2], f"were it one in all studies: {what} (fixed effect)", found.common, found.common_error, math.inf)
    )
    rows += [(s.label, what, float(a), math.sqrt(b), s.df) for s, a, b in zip(studies, y, v, strict=True)]
    value, error, df = (np.array([r[i] for r in rows], dtype=float) for i in (2, 3, 4))
    total = None if any(s.n is None for s in studies) else sum(int(s.n or 0) for s in studies)
    n = (*[total] * (len(rows) - k), *[s.n for s in studies])
    special: dict[int, Percent] = {}
    chance: dict[int, float] = {}
    unit, shown, spread = studies[0].unit, value, error
    if relative:
        unit, shown, spread = "% of the baseline", 100 * np.expm1(value), 100 * np.exp(value) * error
        special = {i: Percent(float(value[i]), float(error[i]), float(df[i])) for i in range(len(rows))}
        chance = dict(enumerate(p_value(value, error, df).tolist()))
    # The rows are made of each other, and nothing asks for how they covary.
    cov = np.full((len(rows), len(rows)), np.nan)
    np.fill_diagonal(cov, spread**2)
    return Estimates(
        tuple(r[0] for r in rows), tuple(r[1] for r in rows), (unit,) * len(rows), shown, cov, n,
        Spread(df, np.ones(len(rows))), special=special, special_p=chance,
    )  # fmt: skip
