"""`uplift` where a sample is learned from: draw it, learn, and let every row count in the average effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts, named_unit, says_unit
from gmvcausal.frames.params import said
from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.read import columns_needed, read_trial, refuse_roles
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.large.draw import LEAST, Draw, Sampled, draw, refuse_repeated
from gmvcausal.targeting.large.source import Source, is_large, opened, placed
from gmvcausal.targeting.large.whole import Whole, of_all_rows

FloatArray = NDArray[np.float64]

# So many numbers (rows x columns) of a path or relation are learned from without being asked: four million rows of
# twelve columns, for which learning takes about 3 GB.
MOST = 50_000_000


class Learned(NamedTuple):
    """What a sample taught.

    Attributes
    ----------
    trial : Trial
        The sample; where chances were given they are those among the rows that were drawn.
    fit : Fit
    sampled : Sampled
    whole : Whole or None
        Sums over all rows; None where the averages are those of the sample.
    notes : tuple of str
    """

    trial: Trial
    fit: Fit
    sampled: Sampled
    whole: Whole | None
    notes: tuple[str, ...]


def check_sample(sample: Any) -> int | None:
    """None, or how many rows to learn from."""
    if sample is None:
        return None
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < LEAST:
        raise InputError(
            f"sample must be None or a whole number of at least {LEAST}, but is {said(sample)}",
            remedy="sample= is how many rows are learned from, for example sample=500_000",
        )
    return int(sample)


def rows_to_learn(data: Any, asked: Asked, sample: int | None) -> int | None:
    """How many rows are to be learned from; None for all of them."""
    width = len(columns_needed(asked))
    return sample if sample is not None or not is_large(data, width, MOST) else MOST // max(width, 1)


def learn_sampled(
    data: Any, asked: Asked, wanted: int, estimand: str, seed: int, fit: Callable[[Trial, list[str]], Fit]
) -> Learned | None:
    """Learn from a sample of a table; None where the table has no more rows than are wanted.

    Where chances were given arms are drawn as alike in number as they can be, since the smaller one limits what can be
    learned, and the models learn with the chances that this makes; else all rows have one chance to be drawn.

    Average effects are then of all rows: each row that trained nothing counts with predictions of models that have not
    seen it, a row of the sample with those out of its fold, so that they are unbiased, and as precise as from all
    rows but for what more rows would have improved the predictions. That holds where nothing but predictions has been
    learned: chances are given, or the arms' shares. Else (chances learned from features, clusters, receipt or
    redemption of coupons) they are those of the sample.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
    asked : Asked
    wanted : int
    estimand : str
    seed : int
    fit : callable
        Learns from a trial, and adds to the notes.
    """
    refuse_roles(asked)
    needed = columns_needed(asked)
    with opened(data, "data", needed, (*COARSER, *UNIT_NAMES)) as source:
        if wanted >= source.rows:
            return None
        taken = (asked.cluster, asked.treatment, asked.outcome, *asked.features)
        unit = asked.unit or (asked.cluster if says_unit(asked.cluster) else named_unit(source.columns, taken))
        if unit is not None and asked.cluster is None and asked.rule == "raise":
            refuse_repeated(source, unit)
        simple = asked.cluster is None and asked.received is None and asked.redeemed is None and asked.rule == "raise"
        alike = simple and asked.propensity is not None
        facts = frame_facts(data)
        drawn, trial = _drawn(source, asked, unit, needed, wanted, alike, seed, facts)
        if trial.cluster is not None and alike:  # found in the sample: where whole rooms were assigned
            alike = False
            drawn, trial = _drawn(source, asked, unit, needed, wanted, alike, seed, facts)
        told = drawn.told(trial.labels, trial.sizes.tolist())
        given = trial.propensity
        if given is not None and not told.even:
            trial = replace(trial, propensity=told.tilted(given))
        notes = list(trial.notes)
        fitted = fit(trial, notes)
        whole = None
        if simple and trial.cluster is None and fitted.settled:
            t = trial
            pilot = averages(t.y, t.arm, fitted.e, fitted.mu, estimand=estimand).estimate
            shares = np.array([told.sizes]) / told.rows
            e = np.tile(shares, (t.n, 1)) if given is None else given
            if given is None and fitted.chances is not None:  # of all rows, which are there to be counted
                fitted = replace(fitted, chances=replace(fitted.chances, shares=tuple(shares[0].tolist())))
            whole, more = of_all_rows(source, drawn, asked, t, e, fitted, estimand, pilot)
            notes += more
            fitted = _centred(fitted, whole, told, t)
        told = replace(told, whole=whole is not None)
        return Learned(trial, fitted, told, whole, (*notes, *told.words(trial.labels)))


def _drawn(
    source: Source, asked: Asked, unit: str | None, needed: Sequence[str], wanted: int, alike: bool, seed: int,
    facts: dict[str, Any],
) -> tuple[Draw, Trial]:  # fmt: skip
    found = draw(source, asked.treatment, asked.control, unit, needed, wanted, alike=alike, seed=seed)
    with placed(0, found.sample.num_rows, "among the rows of the sample"):
        return found, read_trial(found.sample, asked, facts=facts)


def _centred(fit: Fit, whole: Whole, told: Sampled, t: Trial) -> Fit:
    """Effects of users whose mean is the average effect on all rows, as that of a model of all rows would be."""
    if fit.model is not None and not fit.model.centred:
        return fit
    weight = 1 / np.array(told.rates)[t.arm]
    ate = whole.sums.mean_gain()
    move = ate - np.asarray(weight @ fit.effects / weight.sum())
    return replace(fit, centre=fit.centre + move, effects=fit.effects + move)
