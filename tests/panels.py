"""Panels with a known make-up, for the tests of roll-outs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def rollout(
    n: int = 120, periods: int = 6, cohorts: tuple[int, ...] = (3, 5), never: float = 0.4, effect: Any = 2.0,
    cities: int = 24, seed: int = 0, city_noise: float = 0.5,
) -> pd.DataFrame:  # fmt: skip
    """A roll-out in rows sorted by unit and period: unit, period, gmv, first_treated (NaN = never), place, w.

    Parameters
    ----------
    effect : float or callable
        Effect per period, or a function of (cohort, event time).
    cities : int
        Number of coarser places (column ``place``); cohorts are mixed within them.
    """
    rng = np.random.default_rng(seed)
    start = rng.choice([*cohorts, np.inf], n, p=[*[(1 - never) / len(cohorts)] * len(cohorts), never])
    place = rng.integers(0, cities, n)
    period = np.arange(1, periods + 1)
    event = period[None, :] - start[:, None]
    size = effect if callable(effect) else (lambda cohort, k: effect)
    gain = np.zeros((n, periods))
    for i in np.flatnonzero(np.isfinite(start)):
        for t in np.flatnonzero(event[i] >= 0):
            gain[i, t] = size(int(start[i]), int(event[i, t]))
    y = 20 + rng.normal(0, 3, n)[:, None] + 0.5 * period + gain + rng.normal(0, 1, (n, periods))
    y += city_noise * rng.normal(0, 1, (cities, periods))[place]
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(period, n), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(np.isfinite(start), start, np.nan), periods),
        "place": np.repeat(place, periods), "w": np.repeat(rng.uniform(0.5, 2.0, n), periods),
    })  # fmt: skip


def thinned(frame: pd.DataFrame, share: float = 0.15, seed: int = 1) -> pd.DataFrame:
    """The frame without a random share of its rows."""
    return frame[np.random.default_rng(seed).random(len(frame)) >= share].reset_index(drop=True)


def campaigns(
    n: int = 80, stacks: int = 3, before: int = 4, after: int = 3, effect: float = 0.7, seed: int = 0
) -> pd.DataFrame:
    """A stack: campaign, unit, period, gmv, treated, w; starts and windows differ by campaign."""
    rng = np.random.default_rng(seed)
    level = rng.normal(10, 3, n)
    weight = rng.uniform(0.5, 2.0, n)
    parts = []
    for s in range(stacks):
        start, length = 6 + 3 * s, before + after - (s == 1)
        sent = rng.random(n) < 0.3 + 0.1 * s
        period = start - before + np.arange(length)
        on = sent[:, None] & (period >= start)
        y = level[:, None] + 0.2 * period + rng.normal(0, 1, (n, length)) + effect * on
        parts.append(pd.DataFrame({
            "campaign": f"c{s}", "unit": np.repeat(np.arange(n), length), "period": np.tile(period, n),
            "gmv": y.ravel(),
            "treated": on.ravel().astype(int), "w": np.repeat(weight, length),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def switching(n: int = 80, periods: int = 6, seed: int = 0, effect: float = 2.0, after: float = 0.0) -> pd.DataFrame:
    """A tactic that switches on and off unit by unit: unit, period, gmv, treated, place, w; a third never switch.

    Parameters
    ----------
    effect, after : float
        Effect in a period under the tactic, and in the period after one (carry-over).
    """
    rng = np.random.default_rng(seed)
    on = np.zeros((n, periods))
    on[:, 0] = rng.random(n) < 0.25
    for t in range(1, periods):
        on[:, t] = np.where(rng.random(n) < 0.3, 1 - on[:, t - 1], on[:, t - 1])
    still = rng.random(n) < 1 / 3
    on[still] = on[still][:, :1]
    y = 20 + rng.normal(0, 3, (n, 1)) + 0.5 * np.arange(periods) + rng.normal(0, 1, (n, periods))
    y += effect * on + after * np.column_stack([on[:, 0], on[:, :-1]])  # before the data: as in the first period
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(1, periods + 1), n), "gmv": y.ravel(),
        "treated": on.astype(int).ravel(), "place": np.repeat(rng.integers(0, 24, n), periods),
        "w": np.repeat(rng.uniform(0.5, 2.0, n), periods),
    })  # fmt: skip
