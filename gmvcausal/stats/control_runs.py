"""Few treated clusters beside many controls: what chance does to the treated is read off the controls' residuals.

Conley and Taber (2011) take all clusters as alike. Ferman and Pinto (2019) let the variance depend on a cluster's size:
a mean over few members is wilder than one over many. Both papers let the number of controls grow without end, so that
the treated alone bring chance. Here the controls are counted too: their residuals are a little small, and their mean
varies, so runs are widened by the ratio of the two variances (1 with controls without end).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.few_treated import DRAWS, Contrasts, cut_rank, share_reached

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ControlRuns:
    """An estimate beside what control clusters' residuals make of it by chance.

    Attributes
    ----------
    estimate : float
    runs : ndarray, shape (runs,)
        |chance|, in descending order.
    """

    estimate: float
    runs: FloatArray

    @property
    def p_value(self) -> float:
        """Share of runs, the real one included, at least as large."""
        return share_reached(int(np.count_nonzero(self.runs >= abs(self.estimate) * (1 - 1e-12))), len(self.runs))

    def limits(self, level: float) -> tuple[float, float]:
        """Effects that are not rejected; infinite where there are too few runs for `level`."""
        rank = cut_rank(level, len(self.runs))
        half = float(self.runs[rank]) if rank >= 0 else math.inf
        return self.estimate - half, self.estimate + half


def residuals(contrasts: Contrasts) -> FloatArray:
    """Change of every control cluster in every role less the controls' mean, shape (controls, R)."""
    c = contrasts
    size, value = c.size[c.control], c.value[c.control]
    return np.asarray(value - size @ value / size.sum())


def conley_taber(contrasts: Contrasts, seed: int, *, widened: bool = True, draws: int = DRAWS) -> ControlRuns:
    """Inference with few treated clusters, all clusters' shocks of one law (Conley and Taber 2011).

    Every treated cluster's chance is drawn from the controls' residuals, independently: all combinations where there
    are at most `draws` of them.

    Parameters
    ----------
    contrasts : Contrasts
        The scales are not used.
    seed : int
    widened : bool
        Whether the chance in the controls is counted; False is the method as printed.
    draws : int

    References
    ----------
    Conley and Taber (2011), Review of Economics and Statistics 93.
    """
    even = np.ones((len(contrasts.role), len(contrasts.weight)))
    return _runs(contrasts, residuals(contrasts), even, seed, widened, draws)


def variance_by_size(squares: FloatArray, members: FloatArray, *, total: bool) -> FloatArray:
    """Coefficients (A, B, C) of squares = A + B / members + C members^2, none negative.

    Parameters
    ----------
    squares : ndarray, shape (n,)
        Squared residuals of the controls.
    members : ndarray, shape (n,)
    total : bool
        Whether the outcome may be a total over the members, so that C is not held at zero.

    Examples
    --------
    >>> m = np.array([1.0, 2.0, 4.0, 8.0])
    >>> variance_by_size(2 + 3 / m, m, total=False).round(6).tolist()
    [2.0, 3.0, 0.0]
    """
    from scipy.optimize import nnls

    unit = float(np.median(members))
    m = members / unit
    columns = np.column_stack([np.ones(len(m)), 1 / m, m**2])[:, : 3 if total else 2]
    scale = np.sqrt((columns**2).mean(axis=0))
    height = float(squares.mean()) or 1.0
    found = np.zeros(3)
    found[: columns.shape[1]] = nnls(columns / scale, squares / height)[0] / scale * height
    return np.asarray(found * np.array([1.0, unit, 1.0 / unit**2]))


def ferman_pinto(
    contrasts: Contrasts,
    members: FloatArray,
    seed: int,
    *,
    total: bool = False,
    widened: bool = True,
    draws: int = DRAWS,
) -> ControlRuns:
    """Inference with few treated clusters whose variance depends on their size (Ferman and Pinto 2019).

    The controls' squared residuals give the variance as a function of size; their residuals are brought to the size of
    each treated cluster before they stand in for its chance.

    Parameters
    ----------
    contrasts : Contrasts
    members : ndarray, shape (C,)
        Size of every cluster.
    seed : int
    total : bool
        See `variance_by_size`.
    widened, draws
        As for `conley_taber`.

    References
    ----------
    Ferman and Pinto (2019), Review of Economics and Statistics 101.
    """
    c, left = contrasts, residuals(contrasts)
    sd = np.empty((len(c.role), left.shape[1]))
    for r in range(left.shape[1]):
        a, b, d = variance_by_size(left[:, r] ** 2, members[c.control], total=total)
        sd[:, r] = np.sqrt(a + b / members + d * members**2)
    return _runs(c, left / sd[c.control], sd, seed, widened, draws)


def _runs(c: Contrasts, left: FloatArray, sd: FloatArray, seed: int, widened: bool, draws: int) -> ControlRuns:
    """Runs from residuals of standard deviation 1, with that of every cluster in every role."""
    role, k = c.role[c.treated], len(c.treated)
    load, wider = c.load * sd[c.treated, role], 1.0
    if widened:
        share = c.size[c.control] / c.size[c.control].sum()
        beside = share * (sd[c.control][:, role] @ c.load)
        wider = math.sqrt((1 + (beside @ beside) / (load @ load)) * len(left) / (len(left) - 1))
    # In the order of what clusters did, not of their names.
    left = left[np.lexsort((c.size[c.control], *left.T))]
    order = np.lexsort((load, role))
    load, role = load[order], role[order]
    if k * math.log(len(left)) <= math.log(draws):
        picks = np.array(list(itertools.product(range(len(left)), repeat=k)), dtype=np.int64)
    else:
        picks = np.random.default_rng(seed).integers(0, len(left), (draws, k))
    return ControlRuns(c.estimate, wider * np.sort(np.abs((left[picks, role] * load).sum(axis=1)))[::-1])
