"""A structural series: a level that wanders, regressors, and noise, by the state space of statsmodels."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.series.filter import Forecast

FloatArray = NDArray[np.float64]

# Standard deviation of a step of the level, and of the noise, over that of what regression leaves; uniform priors on
# the logarithms. A level that never moves is a regression; one that moves by as much as the noise follows every day.
LEVEL = np.geomspace(0.002, 0.3, 11)
NOISE = np.geomspace(0.05, 1.3, 10)
_NEGLIGIBLE = 1e-4


def structural(z: FloatArray, x: FloatArray, start: int, stop: int) -> Forecast:
    """Forecasts of ``[start, stop)`` from the periods before, every pair of variances weighed by its likelihood.

    Parameters
    ----------
    z : ndarray, shape (T,)
    x : ndarray, shape (T, k)
        Its first column is a constant, which the level takes the place of.
    """
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    known = np.isfinite(z[:start])
    rest = z[:start][known] - x[:start][known] @ np.linalg.lstsq(x[:start][known], z[:start][known], rcond=None)[0]
    size = float(np.sqrt((rest @ rest) / max(len(rest) - x.shape[1], 1)))
    middle = float(z[:start][known].mean())
    exog = x[:, 1:] if x.shape[1] > 1 else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no index of dates, and a start that is not estimated: both are meant
        model = UnobservedComponents(
            (z[:start] - middle) / size, level="local level", exog=None if exog is None else exog[:start],
            mle_regression=False,
        )  # fmt: skip
    at = {name: i for i, name in enumerate(model.param_names)}
    pairs = [(level, noise) for level in LEVEL for noise in NOISE]
    found, log_w = [], []
    for level, noise in pairs:
        params = np.zeros(len(at))
        params[at["sigma2.level"]], params[at["sigma2.irregular"]] = level**2, noise**2
        model.update(params)
        out = model.ssm.filter()
        log_w.append(float(out.llf))
        found.append((level, noise, out.predicted_state[:, -1].copy(), out.predicted_state_cov[:, :, -1].copy()))
    w = np.exp(np.array(log_w) - max(log_w))
    w /= w.sum()
    keep = np.flatnonzero(w > _NEGLIGIBLE * w.max())
    m = stop - start
    design = np.column_stack([np.ones(m), *([] if exog is None else [exog[start:stop]])])
    ahead = np.arange(m)
    steps = np.minimum(ahead[:, None], ahead)  # how many steps of the level two periods share
    centre, noises, own = [], [], []
    for k in keep:
        level, noise, state, cov = found[int(k)]
        line = design @ cov @ design.T
        centre.append(design @ state)
        own.append(np.diag(line))
        noises.append(line + level**2 * steps + noise**2 * np.eye(m))
    weight = w[keep] / w[keep].sum()
    return Forecast(
        weight, np.array(centre) * size + middle, np.array(noises) * size**2, np.array(own) * size**2, np.inf
    )
