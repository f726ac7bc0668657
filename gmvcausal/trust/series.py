"""One series and a date on which nothing happens, or something that is known, drawn as what `before_after` sees."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.simulate.worlds.rollout import autoregression
from gmvcausal.trust.trials import Trial, trial

LEVEL = 20_000.0
FIRST = np.datetime64("2025-03-03", "D")  # a Monday, and months without a promotion follow


def days(
    *, n: int | None, seed: int, window: int = 28, rho: float = 0.7, sd: float = 0.1, controls: int = 1,
    effect: float = 0.0,
) -> Trial:  # fmt: skip
    """Daily GMV with a weekly wave and noise that remembers, and control series with the same wave.

    Parameters
    ----------
    n : int
        Days before the start; 70 if None.
    seed : int
    window : int
        Days from the start on.
    rho, sd : float
        Memory of the noise, and its standard deviation, of the logarithm.
    controls : int
        Series beside; with any, all share a market that wanders.
    effect : float
        Share by which the tactic raises GMV.
    """
    import pandas as pd

    before = n or 70
    size = before + window
    rng = np.random.default_rng(seed)
    week = 0.1 * np.sin(2 * np.pi * np.arange(size) / 7)
    market = 0.1 * autoregression(rng, 1, size, 0.9)[0] if controls else 0.0
    noise = sd * autoregression(rng, 1 + controls, size, rho)
    day = FIRST + np.arange(size)
    on = np.arange(size) >= before
    usual = LEVEL * np.exp(week + market + noise[0])
    frame = {"day": day, "gmv": usual * np.where(on, 1 + effect, 1.0)}
    named = [f"other_{j}" for j in range(controls)]
    frame |= {name: LEVEL / 2 * np.exp(week + market + noise[1 + j]) for j, name in enumerate(named)}
    start = str(day[before])
    call = {"outcome": "gmv", "time": "day", "start": start, "controls": named, "promotions": False}
    gain = float((effect * usual[on]).mean())
    return trial(pd.DataFrame(frame), {"average": gain, "level": math.log1p(effect)}, call)
