"""Score test of two shares, and the intervals that invert it (Miettinen, Nurminen 1985; Farrington, Manning 1990).

Under the hypothesis the variance is that of the shares which are likeliest under it, not of those observed: an arm
without a single event has a variance too, and the test holds where a t test rejects far too often.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_TINY = 1e-15


class Shares(NamedTuple):
    """Events among the units of two arms."""

    events: float
    n: float
    control_events: float
    control_n: float

    @property
    def observed(self) -> tuple[float, float]:
        """The shares."""
        return self.events / self.n, self.control_events / self.control_n


def _z(gap: float, variance: float, both: float) -> float:
    variance *= both / (both - 1)
    if not variance > 0:
        return 0.0 if abs(gap) < _TINY else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def difference_z(found: Shares, difference: float) -> float:
    """The statistic of the hypothesis that the shares differ by so much; normal under it.

    Parameters
    ----------
    found : Shares
    difference : float
        Treated less control, in [-1, 1].

    Returns
    -------
    float
        Positive where the observed difference is larger.

    Examples
    --------
    >>> round(difference_z(Shares(6, 10, 3, 10), 0.0), 6)
    1.314257
    """
    from scipy import optimize

    k1, n1, k0, n0 = found
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)

    def slope(p0: float) -> float:
        # Of the likelihood along the control's share; it falls, so that its root is the only one.
        p1 = min(max(p0 + difference, 0.0), 1.0)
        parts = ((k1, p1), (-(n1 - k1), 1 - p1), (k0, p0), (-(n0 - k0), 1 - p0))
        return sum(k / p if p > 0 else math.copysign(math.inf, k) for k, p in parts if k)

    # An arm whose likelihood is zero at an end pushes away from it: an infinite slope is a large one.
    ends = [max(min(slope(p), 1e300), -1e300) for p in (low, high)]
    if ends[0] <= 0:
        p0 = low
    elif ends[1] >= 0:
        p0 = high
    else:
        p0 = float(optimize.brentq(lambda p: max(min(slope(p), 1e300), -1e300), low, high, xtol=1e-18, rtol=1e-14))
    p1 = min(max(p0 + difference, 0.0), 1.0)
    one, two = found.observed
    return _z(one - two - difference, p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0, n1 + n0)


def ratio_z(found: Shares, ratio: float) -> float:
    """The statistic of the hypothesis that the treated share is `ratio` times that of the control.

    Examples
    --------
    >>> round(ratio_z(Shares(6, 10, 3, 10), 1.0), 6)
    1.314257
    """
    k1, n1, k0, n0 = found
    a, b, c = (n1 + n0) * ratio, n1 * ratio + k1 + n0 + k0 * ratio, k1 + k0
    # The smaller root of a x^2 - b x + c, in the form that cancels nothing.
    p0 = min(2 * c / (b + math.sqrt(max(b * b - 4 * a * c, 0.0))), 1.0)
    p1 = min(ratio * p0, 1.0)
    one, two = found.observed
    return _z(one - ratio * two, p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0, n1 + n0)


def difference_limits(found: Shares, critical: float) -> tuple[float, float]:
    """The differences whose statistic is at most `critical` in size.

    Examples
    --------
    >>> [round(x, 4) for x in difference_limits(Shares(6, 10, 3, 10), 1.959964)]
    [-0.1432, 0.6433]
    """
    from scipy import optimize

    one, two = found.observed
    point = one - two

    def end(far: float) -> float:
        side = math.copysign(1.0, far)
        if abs(far - point) < 1e-12 or -side * difference_z(found, far * (1 - 1e-12)) <= critical:
            return far
        return float(
            optimize.brentq(lambda d: -side * difference_z(found, d) - critical, point, far * (1 - 1e-12), xtol=1e-18)
        )

    return end(-1.0), end(1.0)


def ratio_limits(found: Shares, critical: float) -> tuple[float, float]:
    """The ratios whose statistic is at most `critical` in size; the upper one is infinite without a control's event.

    Examples
    --------
    >>> [round(x, 4) for x in ratio_limits(Shares(6, 10, 3, 10), 1.959964)]
    [0.7259, 6.2031]
    """
    from scipy import optimize

    one, two = found.observed
    if not two > 0:
        low = 0.0
        top = 1.0
        if one > 0 and ratio_z(found, 1e-12) > critical:
            while ratio_z(found, top) > critical and top < 1e12:
                top *= 2
            low = float(optimize.brentq(lambda r: ratio_z(found, r) - critical, 1e-12, top, xtol=1e-18))
        return low, math.inf
    point = one / two
    low, high = 0.0, max(2 * point, 2.0)
    if point > 0:
        low = float(optimize.brentq(lambda r: ratio_z(found, r) - critical, point * 1e-12, point, xtol=1e-18))
    while -ratio_z(found, high) <= critical:
        high *= 2
    return low, float(optimize.brentq(lambda r: -ratio_z(found, r) - critical, point, high, xtol=1e-18))
