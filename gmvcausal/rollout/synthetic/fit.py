"""The three synthetic estimators on a panel: compare, say how far chance reaches, and keep what was found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS
from gmvcausal.rollout.fitted import Fitted, FloatArray, IntArray, Options, Series
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.synthetic.design import Answer, Design, compare, design_of
from gmvcausal.rollout.synthetic.inference import Conformal, Placebos, aggregate, jackknife, placebos
from gmvcausal.rollout.synthetic.paths import METHODS, level_weights
from gmvcausal.stats.few_treated import MIN_PLACEBOS, MOST_TREATED
from gmvcausal.stats.small_sample import Spread

INFERENCE = ("placebo", "placebo_variance", "jackknife", "conformal")  # what `inference=` may ask
_MIN_BEFORE = 3  # periods before the start, to measure how far a gap lies from zero


@dataclass(frozen=True)
class Synthetic:
    """What a synthetic comparison found.

    Attributes
    ----------
    design : Design
    answer : Answer
    runs : Placebos or None
        Controls in the place of the treated, where they were made.
    rows, donors : ndarray of int
        Panel rows of the treated units and of the controls, in the order of the design.
    """

    design: Design
    answer: Answer
    runs: Placebos | None
    rows: IntArray
    donors: IntArray

    @property
    def spread(self) -> float:
        """Standard deviation of the controls' outcomes before the first start, period means taken off."""
        past = self.design.controls[:, self.design.before[0]]
        return float(np.sqrt(np.mean((past - past.mean(axis=0)) ** 2)))


@dataclass(frozen=True)
class _Chance:
    """How the headline's interval is made; `influence` where it comes from standard errors."""

    estimates: Estimates
    runs: Placebos | None = None
    influence: FloatArray | None = None
    notes: tuple[str, ...] = ()


def synthetic(panel: Panel, options: Options) -> Fitted:
    """Synthetic control, augmented synthetic control or synthetic difference-in-differences."""
    design = design_of(panel, options.anticipation)
    answer = compare(design, METHODS[options.estimator])
    rows, donors = np.flatnonzero(panel.start >= 0), np.flatnonzero(panel.start == -1)
    k, n = len(rows), len(donors)
    bare = Estimates(
        ("overall",),
        ("ATT, mean over the treated unit-periods",),
        (options.outcome_unit,),
        np.array([answer.estimate]),
        np.full((1, 1), np.nan),
        (k + n,),
        Spread(np.array([float(max(k - len(design.starts), 1))]), np.ones(1)),
    )
    event_load, event_at = _event_loads(design, panel.grid.position)
    chance = _chance(design, answer, options, bare, event_load)

    def influence() -> FloatArray:
        out = np.zeros(len(panel.y))
        if chance.influence is not None:
            out[np.concatenate([rows, donors])] = chance.influence[:, 0]
        return out

    def event() -> Series:
        gaps = np.stack([w.gap for w in answer.cohorts])
        cov = np.full((len(event_at),) * 2, np.nan)
        if chance.influence is not None:
            cov = chance.influence[:, 1:].T @ chance.influence[:, 1:]
        units = np.array([design.sizes[(load > 0).any(axis=1)].sum() for load in event_load])
        df = np.full(len(event_at), float(max(k - len(design.starts), 1)))
        estimate = aggregate(event_load, gaps, design.sizes)
        return Series(event_at, estimate, cov, units, np.minimum(units, n), Spread(df, np.ones(len(df))))

    return Fitted(
        chance.estimates,
        influence,
        event,
        panel.start >= 0,
        panel.start == -1,
        (k, n),
        int(design.sizes @ design.after.sum(axis=1)),
        notes=chance.notes,
        synthetic=Synthetic(design, answer, chance.runs, rows, donors),
    )


def _event_loads(design: Design, position: IntArray) -> tuple[FloatArray, IntArray]:
    """For every event time, which cohort's period it is; shapes (a, G, T) and (a,)."""
    event = position - position[design.starts][:, None]
    at = np.unique(event)
    return (event == at[:, None, None]).astype(float), at


def _chance(design: Design, answer: Answer, options: Options, bare: Estimates, event_load: FloatArray) -> _Chance:
    """The interval asked for, else the one that holds its level; the reason where there is none."""
    k, n = len(design.treated), len(design.controls)
    asked, method = options.inference, METHODS[options.estimator]
    many = options.estimator == "synthetic_did" and min(k, n) >= MIN_CLUSTERS and int(design.sizes.min()) >= 2
    if asked == "jackknife" or (asked is None and many):
        return _by_jackknife(design, answer, options, bare, event_load)
    if asked == "conformal":
        return _by_conformal(design, answer, options, bare)
    why = ""
    if k > MOST_TREATED * n:
        why = f"placebo runs need twice as many controls as treated, and there are {k} and {n}"
    runs = None if why else placebos(design, method, options.seed)
    if runs is not None and asked == "placebo_variance":
        return _by_placebo_variance(runs, bare)
    if runs is not None:
        why = _no_runs(design, answer, runs, options)
    notes = (_rank_note(runs, answer),) if runs is not None and k == 1 else ()
    if why or runs is None:
        other = (
            "" if k > 1 or options.estimator == "synthetic_did" else "; inference='conformal' makes another interval"
        )
        text = f"{k} treated and {n} control units: no interval is given ({why}{other})"
        return _Chance(replace(bare, withheld=text), runs, notes=notes)
    scaled = runs.scaled(answer)
    drawn = "every control" if k == 1 and len(scaled.ratios) == n else f"{len(scaled.ratios):,} sets of controls"
    told = f"placebo runs: {drawn} in the place of the treated, each measured by its own gap before the start"
    done = _within(bare, scaled.limits, scaled.p_value, told)
    return _Chance(done, runs, notes=notes)


def _within(bare: Estimates, limits: Callable[[float], tuple[float, float]], p_value: float, method: str) -> Estimates:
    return replace(bare, special={0: limits}, special_p={0: p_value}, method=method)


def _no_runs(design: Design, answer: Answer, runs: Placebos, options: Options) -> str:
    """Why placebo runs do not hold, if they do not."""
    n, before = len(design.controls), int(design.before.sum(axis=1).min())
    if n < MIN_PLACEBOS:
        return f"placebo runs need {MIN_PLACEBOS} control units"
    if before < _MIN_BEFORE:
        return f"placebo runs need {_MIN_BEFORE} periods before the start, and there are {before}"
    if answer.scale <= runs.least:
        return "the fit before the start is perfect, so there is no gap to measure chance by"
    if math.isinf(runs.scaled(answer).limits(1 - options.alpha)[0]):
        perfect = int(np.count_nonzero(runs.scale <= runs.least))
        more = f", {perfect:,} of them with a perfect fit before the start," if perfect else ""
        return f"{len(runs.estimate):,} placebo runs{more} cannot reject at {options.alpha:g}"
    return ""


def _rank_note(runs: Placebos, answer: Answer) -> str:
    place, of = runs.rank(answer)
    return (
        f"by the ratio of the gaps after the start to those before (RMSPE), the treated unit ranks {place} of {of} "
        f"(permutation p = {place / of:.3f})"
    )


def _by_jackknife(design: Design, answer: Answer, options: Options, bare: Estimates, event_load: FloatArray) -> _Chance:
    if options.estimator != "synthetic_did":
        raise InputError(
            "inference='jackknife' is for estimator='synthetic_did': it keeps weights that synthetic controls would "
            "choose anew",
            remedy="leave inference= out",
        )
    if int(design.sizes.min()) < 2:
        raise DesignError(
            "the jackknife leaves out every treated unit in turn, and a cohort has only one",
            remedy="leave inference= out: placebo runs then stand in",
        )
    load = np.concatenate([design.after[None].astype(float), event_load])
    influence = jackknife(design, answer, load)
    variance = influence[:, :1].T @ influence[:, :1]
    told = "t distribution, standard error by the jackknife over units with the weights kept"
    return _Chance(replace(bare, cov=variance, method=told), None, influence)


def _by_placebo_variance(runs: Placebos, bare: Estimates) -> _Chance:
    told = (
        f"normal distribution, standard error from {len(runs.estimate):,} placebo runs that take all units to vary "
        "alike"
    )
    return _Chance(replace(bare, cov=np.array([[runs.spread**2]]), spread=None, method=told), runs)


def _by_conformal(design: Design, answer: Answer, options: Options, bare: Estimates) -> _Chance:
    if options.estimator == "synthetic_did":
        raise InputError(
            "inference='conformal' is for synthetic controls, whose gap is a residual of the level",
            remedy="leave inference= out, or use estimator='synthetic_control'",
        )
    if len(design.starts) > 1:
        raise DesignError(
            f"the treated units start in {len(design.starts)} different periods, and conformal inference needs one",
            remedy="leave inference= out, or answer for one cohort at a time",
        )
    fitted = answer.cohorts[0]
    penalty = None if options.estimator == "synthetic_control" else fitted.penalty
    made = Conformal(design.controls, design.paths[0], fitted, partial(level_weights, penalty=penalty))
    periods = design.controls.shape[1]
    if 1.0 / periods > options.alpha:
        why = f"{periods} periods give {periods} shifts, which cannot reject at {options.alpha:g}"
        return _Chance(replace(bare, withheld=f"no interval is given ({why})"))
    told = f"conformal inference: {periods} cyclic shifts of the gaps, a constant effect supposed"
    # Tables and summaries ask for the same interval many times over.
    limits = lru_cache(maxsize=8)(made.limits)
    if not np.isfinite(limits(1 - options.alpha)).all():
        why = "the shifts leave an end of the interval open, or reject every constant effect"
        return _Chance(replace(bare, withheld=f"no interval is given ({why})"))
    return _Chance(_within(bare, limits, made.p_value(), told))
