"""What was asked for, checked, and the bins that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of, said
from gmvcausal.observational.notch.grid import Grid, usual_width

_DISCOUNTS = 1.5  # who gets 50 off gains by topping up 50 even where the goods are worth nothing
_FARTHEST = 0.4  # of the threshold: no convergence further down


@dataclass(frozen=True)
class Options:
    """The options of one call; None where the data decide."""

    cutoff: float
    discount: float | None
    width: float
    window: tuple[float, float] | None
    converge: bool
    order: int
    fit_range: tuple[float, float]
    round_numbers: tuple[float, ...] | None
    reps: int
    alpha: float
    seed: int


def options_of(
    cutoff: Any, discount: Any, width: Any, window: Any, order: Any, fit_range: Any, round_numbers: Any, reps: Any,
    alpha: float, seed: int,
) -> Options:  # fmt: skip
    """Check what was passed.

    Raises
    ------
    InputError
    """
    at = _positive("cutoff", cutoff)
    off = None if discount is None else _positive("discount", discount)
    if off is not None and off >= at:
        raise InputError(
            f"discount is {off:g}, and the threshold is {at:g}", remedy="pass what is taken off one order, in money"
        )
    wide = usual_width(at) if width is None else _positive("width", width)
    if wide > at / 10:
        raise InputError(
            f"width is {wide:g}, which leaves fewer than ten bins below the threshold {at:g}",
            remedy=f"pass a width near {usual_width(at):g}",
        )
    converge = isinstance(window, str)
    if isinstance(window, str):
        one_of("window", window, ("converge",))
    ends = None if window is None or converge else _pair("window", window)
    if ends is not None and not ends[0] < at < ends[1]:
        raise InputError(f"window is {ends[0]:g} to {ends[1]:g}, and the threshold {at:g} does not lie within",
                         remedy="pass the baskets between which topping up moves orders, as (low, high)")  # fmt: skip
    fit = (0.4 * at, 2.0 * at) if fit_range is None else _pair("fit_range", fit_range)
    if not 0 < fit[0] < at < fit[1]:
        raise InputError(
            f"fit_range is {fit[0]:g} to {fit[1]:g}, and must begin above 0 and hold the threshold {at:g}",
            remedy="pass (low, high) in money",
        )
    return Options(
        at, off, wide, ends, converge, _whole("order", order, 1, 10), fit, _rounds(round_numbers),
        _whole("reps", reps, 99, 100_000), alpha, seed,
    )  # fmt: skip


def grid_of(asked: Options) -> Grid:
    """Bins over the range of the fit, and the window rounded outwards to their edges.

    Raises
    ------
    InputError
        Where the range leaves no bins on a side of the window.
    """
    below = math.floor((asked.cutoff - asked.fit_range[0]) / asked.width + 1e-9)
    above = math.floor((asked.fit_range[1] - asked.cutoff) / asked.width + 1e-9)
    if below and asked.cutoff - below * asked.width < 1e-9 * asked.cutoff:
        below -= 1  # the logarithm of the lowest edge is taken
    low, high = asked.window or usual_window(asked)
    first = below - math.ceil((asked.cutoff - low) / asked.width - 1e-9)
    last = below + math.ceil((high - asked.cutoff) / asked.width - 1e-9)
    least = 3
    if first < least or below + above - last < least:
        raise InputError(
            f"outside of the window {low:g} to {high:g} fewer than {least} bins are left on a side",
            remedy="pass a wider fit_range=, or a narrower window=",
        )
    return Grid(asked.cutoff, asked.width, below, above, first, last)


def usual_window(asked: Options) -> tuple[float, float]:
    """From a quarter of the threshold (at least 1.5 discounts) below it to a tenth above it."""
    reach = max(asked.cutoff / 4, _DISCOUNTS * (asked.discount or 0.0))
    return asked.cutoff - min(reach, 0.45 * asked.cutoff), 1.1 * asked.cutoff


def farthest(asked: Options, grid: Grid) -> int:
    """The lowest bin at which a window that converges may begin."""
    return max(grid.below - math.floor(_FARTHEST * asked.cutoff / asked.width), 3)


def _real(value: Any) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _positive(name: str, value: Any) -> float:
    if not _real(value) or value <= 0:
        raise InputError(f"{name} must be a number above 0, but is {said(value)}", remedy=f"pass {name}= in money")
    return float(value)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, but is {said(value)}")
    return int(value)


def _pair(name: str, value: Any) -> tuple[float, float]:
    pair = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and len(value) == 2
    if not pair or not all(_real(v) for v in value) or not value[0] < value[1]:
        raise InputError(
            f"{name} must be two numbers of money, the lower first, but is {said(value)}",
            remedy=f"write {name}=(240, 330)",
        )
    return float(value[0]), float(value[1])


def _rounds(value: Any) -> tuple[float, ...] | None:
    if isinstance(value, str):
        one_of("round_numbers", value, ("auto",))
        return None
    if not isinstance(value, Sequence | np.ndarray) or not all(_real(v) and v > 0 for v in value):
        raise InputError(
            f"round_numbers must be 'auto' or numbers above 0, but is {said(value)}",
            remedy="write round_numbers=(50, 100), or () for none",
        )
    return tuple(sorted({float(v) for v in value}))
