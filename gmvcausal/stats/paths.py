"""The density of paths that have not crossed, carried from look to look by numerical integration.

Armitage, McPherson and Rowe (1969); Gauss-Legendre nodes on panels as fine as the smaller of two neighbouring steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_FAR = 8.5  # standard deviations; the mass beyond is 2e-17
_NODES, _PANEL = 12, 3.0  # Gauss-Legendre nodes in each panel of so many standard deviations of a step
_LEAST_GAIN = 1e-4  # of the final information: a look that adds less is not a look of its own


def live_looks(times: FloatArray) -> NDArray[np.int64]:
    """Positions of the looks that add information; the last one always."""
    keep = [len(times) - 1]
    for k in range(len(times) - 2, -1, -1):
        if times[keep[-1]] - times[k] >= _LEAST_GAIN * times[-1]:
            keep.append(k)
    return np.array(keep[::-1])


def solve(tail: Callable[[float], float], budget: float) -> float:
    """The bound that leaves `budget` in the tail, on the log scale: budgets go down to 1e-300."""
    from scipy import optimize

    def gap(z: float) -> float:
        return math.log(max(tail(z), 1e-320)) - math.log(budget)

    high = 2.0
    while gap(high) > 0 and high < 64:
        high *= 2
    low = 0.0
    while gap(low) < 0 and low > -16:
        low -= 2.0
    return float(optimize.brentq(gap, low, high, xtol=1e-12, rtol=1e-12)) if gap(low) > 0 else low


def paths(
    times: FloatArray, sides: int, bound: Callable[[int, Callable[[float], float]], float], drift: float = 0.0
) -> Iterator[tuple[int, Callable[..., float]]]:
    """Walk over the looks, carrying the density of the paths that have not crossed.

    At each look the tail probability of a first crossing there, as a function of the bound on z, is handed to `bound`,
    which says the bound; then look and tail are yielded. ``tail(z, upper=True)`` counts the upper side alone.
    """
    from scipy import special

    scale = times / times[-1]
    step = np.sqrt(np.diff(scale, prepend=0.0))
    nodes, weight = np.zeros(1), np.ones(1)  # before the first look every path is at 0
    mean = np.diff(scale, prepend=0.0) * drift
    folded = sides == 2 and drift == 0.0  # by symmetry its absolute value is enough
    for k, root in enumerate(np.sqrt(scale)):
        here = nodes + mean[k]
        sd = step[k]

        def tail(
            z: float,
            upper: bool = False,
            here: FloatArray = here,
            weight: FloatArray = weight,
            c: float = root,
            sd: float = sd,
        ) -> float:
            above = special.ndtr((here - z * c) / sd)
            if sides == 2 and (folded or not upper):
                above = above + special.ndtr((-here - z * c) / sd)
            return float(weight @ above) / (2.0 if folded and upper else 1.0)

        z = bound(k, tail)
        yield k, tail
        if k + 1 == len(times):
            return
        top = min(z, _FAR + max(scale[k] * drift, 0.0) / root) * root
        low = -top if sides == 2 else -(_FAR * root + max(-scale[k] * drift, 0.0))
        if sides == 2 and not folded:
            low = -min(z, _FAR + max(-scale[k] * drift, 0.0) / root) * root
        new, width = _grid(0.0 if folded else low, top, min(sd, step[k + 1]))
        # density of a path at each new node, from the old ones
        density = np.exp(-0.5 * ((new[:, None] - here) / sd) ** 2) @ weight
        if folded:  # the motion of its absolute value: paths come from either side of zero
            density = density + np.exp(-0.5 * ((new[:, None] + here) / sd) ** 2) @ weight
        nodes, weight = new, width * density / (sd * math.sqrt(2 * math.pi))


@functools.cache
def _rule() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [-1, 1]; finding them takes as long as a look."""
    at, weight = np.polynomial.legendre.leggauss(_NODES)
    return at, weight


def _grid(low: float, high: float, sd: float) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on panels as wide as `_PANEL` steps."""
    if high <= low:
        return np.array([low]), np.zeros(1)
    at, weight = _rule()
    panels = max(1, math.ceil((high - low) / (_PANEL * sd)))
    edges = np.linspace(low, high, panels + 1)
    half = (edges[1:] - edges[:-1]) / 2
    middle = (edges[1:] + edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * at).ravel(), (half[:, None] * weight).ravel()
