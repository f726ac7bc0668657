"""Two-way fixed effects on a matrix: row effects and (block, column) effects, taken out exactly.

The row effects (units, or units within a campaign) are eliminated by hand; what remains is one small system per block
in the column effects (periods), solved directly. So the cost is a few passes over the matrix whatever the number of
units, and nothing has to converge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.stats.inference import small_sample_factor

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_COLLINEAR = 1e-10


@dataclass(frozen=True)
class Fit:
    """Least squares after both effects were taken out.

    Attributes
    ----------
    beta : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
        Cluster robust, with the small-sample factor.
    scores : ndarray, shape (R, k)
        Influence of every matrix row on `beta`, without the factor.
    residual_x : list of ndarray, shape (R, T)
        Regressors after both effects were taken out.
    kept : ndarray of bool, shape (all regressors,)
        False where a regressor is a combination of the effects and earlier regressors.
    n_clusters : int
    """

    beta: FloatArray
    cov: FloatArray
    scores: FloatArray
    residual_x: list[FloatArray]
    kept: NDArray[np.bool_]
    n_clusters: int


def take_out(x: FloatArray, weight: FloatArray, block: IntArray) -> FloatArray:
    """Residual of `x` on row effects and block-by-column effects.

    Parameters
    ----------
    x : ndarray, shape (R, T)
        Any value (not NaN) where `weight` is 0.
    weight : ndarray, shape (R, T)
        0 where the cell is absent.
    block : ndarray of int, shape (R,)
        Campaign of each row; zeros without campaigns.

    Returns
    -------
    ndarray, shape (R, T)
        0 where the cell is absent.
    """
    if not block.any():
        return _take_out_block(x, weight)
    out = np.empty_like(x)
    for b in range(int(block.max()) + 1):
        rows = block == b
        out[rows] = _take_out_block(x[rows], weight[rows])
    return out


def _take_out_block(x: FloatArray, w: FloatArray) -> FloatArray:
    row_weight = w.sum(axis=1)
    safe = np.where(row_weight > 0, row_weight, 1.0)
    if (w == w[0, 0]).all() and w[0, 0] > 0:
        # Complete and unweighted: the double difference from the means is exact. Centring first keeps the digits.
        x = x - x.mean()
        x -= x.mean(axis=1, keepdims=True)
        x -= x.mean(axis=0)
        return x
    live = w.sum(axis=0) > 0
    centre = (w * x).sum() / w.sum()
    x = x - centre
    row_mean = (w * x).sum(axis=1) / safe
    d = x - row_mean[:, None]
    # Normal equations of the column effects after the row effects are eliminated (a Schur complement).
    schur = np.diag(w.sum(axis=0)) - w.T @ (w / safe[:, None])
    right = (w * d).sum(axis=0)
    column = np.zeros(x.shape[1])
    column[live] = np.linalg.lstsq(schur[np.ix_(live, live)], right[live], rcond=1e-12)[0]
    fitted_row = (w @ column) / safe
    return np.asarray(np.where(w > 0, d - column + fitted_row[:, None], 0.0))


def fit(
    y: FloatArray,
    regressors: list[FloatArray],
    block: IntArray,
    cluster: IntArray,
    weight: FloatArray | None,
    ssc: str,
) -> Fit:
    """Least squares of `y` on `regressors` with row and block-by-column effects, clustered.

    Parameters
    ----------
    y : ndarray, shape (R, T)
        NaN where absent.
    regressors : list of ndarray, shape (R, T)
        A handful; leads and lags, of which there are many, have a way of their own in `event_regression`.
    block, cluster : ndarray of int, shape (R,)
        Rows are nested in clusters.
    weight : ndarray, shape (R,), or None
    ssc : str
        See `stats.inference.small_sample_factor`.

    Raises
    ------
    DesignError
        If no regressor varies within the effects.
    """
    present = np.isfinite(y)
    heavy = np.ones((len(y), 1)) if weight is None else weight[:, None]
    # A view where nothing is absent: the matrices here are as large as the panel, so each one less counts.
    w = np.broadcast_to(heavy, y.shape) if present.all() else present * heavy
    y_res = take_out(y if present.all() else np.where(present, y, 0.0), w, block)
    x_res = [take_out(x if present.all() else np.where(present, x, 0.0), w, block) for x in regressors]
    products = np.array([[np.vdot(weighted, b) for b in (*x_res, y_res)] for weighted in (w * a for a in x_res)])
    kept = independent(products[:, :-1], np.array([float((w * x * x).sum()) for x in regressors]))
    x_res = [x for x, k in zip(x_res, kept, strict=True) if k]
    gram = products[np.ix_(kept, np.r_[kept, False])]
    beta = np.linalg.solve(gram, products[kept, -1])
    error = y_res
    for b, x in zip(beta, x_res, strict=True):
        error -= b * x
    influence = np.column_stack([(w * x * error).sum(axis=1) for x in x_res]) @ np.linalg.inv(gram)
    seen = present.any(axis=1)
    _, code = np.unique(cluster[seen], return_inverse=True)
    scores = np.column_stack([np.bincount(code, influence[seen, j]) for j in range(len(beta))])
    factor = correction(ssc, present, block, len(beta), len(scores))
    return Fit(beta, factor * scores.T @ scores, influence, x_res, kept, len(scores))


def correction(ssc: str, present: NDArray[np.bool_], block: IntArray, regressors: int, clusters: int) -> float:
    """Small-sample factor of a regression with row and block-by-column effects on the cells `present`."""
    blocks = int(block.max()) + 1
    outside = sum(int(present[block == b].any(axis=0).sum()) for b in range(blocks))
    nested = int(present.any(axis=1).sum()) - blocks  # one effect per block is redundant
    return small_sample_factor(ssc, int(present.sum()), regressors, outside, nested, clusters)


def independent(gram: FloatArray, scale: FloatArray) -> NDArray[np.bool_]:
    """`kept_pivots`, of which there must be one.

    Raises
    ------
    DesignError
        If none adds anything.
    """
    kept = kept_pivots(gram, scale)
    refuse_none(kept)
    return kept


def refuse_none(kept: NDArray[np.bool_]) -> None:
    """Refuse a regression without regressors.

    Raises
    ------
    DesignError
    """
    if not kept.any():
        raise DesignError(
            "the treatment does not vary within units and periods, so its effect cannot be told from theirs",
            remedy="supply untreated units and periods before the treatment",
        )


def kept_pivots(gram: FloatArray, scale: FloatArray) -> NDArray[np.bool_]:
    """Which regressors add something to the effects and to the regressors before them (pivots of the Gram matrix)."""
    kept = np.zeros(len(gram), dtype=bool)
    for j in range(len(gram)):
        if scale[j] <= 0 or gram[j, j] <= _COLLINEAR * scale[j]:
            continue
        rest = gram[j, j]
        if kept.any():
            cross = gram[j, kept]
            rest = rest - cross @ np.linalg.solve(gram[np.ix_(kept, kept)], cross)
        kept[j] = rest > _COLLINEAR * scale[j]
    return kept
