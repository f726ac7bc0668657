"""Fisher's test that nobody else's treatment matters, among units held fixed (Athey, Eckles and Imbens 2018).

A random part of what was drawn is focal: its treatment is held as it was, so that under the hypothesis its outcomes
stay as they are however the rest is drawn. The statistic adds up the focal units' residuals times the treated share of
their other neighbours, which is linear in the draws of the rest: a thousand of them cost no more than reading the links
once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.exposure.line import Shares
from gmvcausal.mechanism.exposure.lottery import Lottery, sums

FloatArray = NDArray[np.float64]
_FOCAL = 0.5  # share of what was drawn that is held fixed
_AT_ONCE = 20_000_000  # numbers in memory at a time


@dataclass(frozen=True)
class Fisher:
    """The test of no spillover.

    Attributes
    ----------
    statistic : float
        Sum of focal residuals times their treated share, in standard deviations of the lottery.
    p_value : float
        Two-sided; NaN where no focal unit has a neighbour outside.
    focal : int
        Units held fixed that have neighbours who were drawn again.
    draws : int
    """

    statistic: float
    p_value: float
    focal: int
    draws: int


def fisher_test(
    y: FloatArray, x: FloatArray, s: Shares, lottery: Lottery, rng: np.random.Generator, draws: int
) -> Fisher:
    """Test that no unit's outcome depends on others' treatment.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, k)
        Intercept and covariates; they and one's own treatment are taken out of the outcome first, for power.
    """
    things = len(lottery.drawn)
    focal = rng.random(things) < _FOCAL
    units = np.flatnonzero(focal[lottery.thing] & s.linked)
    reach = s.reach[units]
    outside = ~focal[reach.indices]
    row = np.repeat(np.arange(len(units)), np.diff(reach.indptr))
    reached = np.bincount(row[outside], minlength=len(units)) > 0
    if reached.sum() < 2 or len(np.unique(y[units[reached]])) < 2:
        return Fisher(float("nan"), float("nan"), int(reached.sum()), draws)
    base = np.column_stack([x[units], lottery.drawn[lottery.thing[units]]])
    rest = y[units] - base @ np.linalg.lstsq(base, y[units], rcond=None)[0]
    score = sums(reach.indices[outside], (reach.data * rest[row])[outside], things)
    # With numbers fixed within strata, those not reached take part in the lottery all the same.
    among = np.flatnonzero(~focal) if lottery.fixed else np.flatnonzero(~focal & (score != 0))
    weight, middle = score[among], lottery.chance[among]
    if lottery.fixed:
        size = np.bincount(lottery.stratum[among])
        middle = (np.bincount(lottery.stratum[among], lottery.drawn[among]) / np.maximum(size, 1))[
            lottery.stratum[among]
        ]
    shift = float(weight @ middle)
    seen = float(weight @ lottery.drawn[among]) - shift
    values = np.empty(draws)
    step = max(1, _AT_ONCE // max(len(among), 1))
    scale = float(np.abs(weight).max()) or 1.0
    small = (weight / scale).astype(np.float32)
    for start in range(0, draws, step):
        fresh = lottery.draws(rng, min(step, draws - start), among)
        values[start : start + fresh.shape[1]] = scale * (small @ fresh).astype(np.float64) - shift
    far = np.abs(values) >= abs(seen) - 1e-6 * scale
    spread = float(values.std())
    return Fisher(seen / spread if spread > 0 else 0.0, float((1 + far.sum()) / (draws + 1)), int(reached.sum()), draws)
