"""What a basket is worth: lognormal, with one basket in a hundred multiplied by a truncated Pareto.

The tail is what makes GMV hard: without truncation a Pareto of shape 1.8 has no variance, and no interval built on one
would hold. Its truncated moments are closed, so that true means need no simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Tail:
    """One basket in ``1 / share`` is multiplied by a Pareto(`shape`) on [1, `limit`].

    Attributes
    ----------
    share : float
        Default .01.
    shape : float
        Default 1.8: infinite variance if it were not truncated.
    limit : float
        Default 50; ``inf`` leaves the tail as heavy as it comes (a world made to fail).
    """

    share: float = 0.01
    shape: float = 1.8
    limit: float = 50.0

    def factor(self, pick: FloatArray, size: FloatArray) -> FloatArray:
        """Multiplier of each basket from two uniforms: is it a whale's, and how large.

        Examples
        --------
        >>> import numpy as np
        >>> Tail().factor(np.array([0.5, 0.001]), np.array([0.0, 0.0]))
        array([1., 1.])
        """
        beyond = 0.0 if math.isinf(self.limit) else self.limit**-self.shape
        pareto = (1.0 - size * (1.0 - beyond)) ** (-1.0 / self.shape)
        return np.where(pick < self.share, pareto, 1.0)

    def moment(self, power: float) -> float:
        """E[factor ** power]; infinite where the tail is not truncated and `power` reaches its shape.

        Examples
        --------
        >>> round(Tail().moment(1.0), 6)
        1.011535
        """
        a, top = self.shape, self.limit
        if math.isinf(top):
            tail = math.inf if power >= a else a / (a - power)
        else:
            density = a / (1.0 - top**-a)
            tail = density * (math.log(top) if power == a else (top ** (power - a) - 1.0) / (power - a))
        return 1.0 - self.share + self.share * tail


def lognormal_moment(log_mean: float, log_sd: float, power: float) -> float:
    """E[X ** power] of a lognormal."""
    return math.exp(power * log_mean + 0.5 * (power * log_sd) ** 2)
