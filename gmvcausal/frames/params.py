"""One checker per parameter name, so that `alpha` is checked the same everywhere.

`check("alpha", 0.05)` returns the value in its canonical type or raises `InputError` with the value and the bound.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

from gmvcausal.errors import InputError


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`, else raise with the whole list."""
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(repr(c) for c in choices)
    raise InputError(f"{name} must be one of {listed}, but is {value!r}", remedy=f"choose {name}= from that list")


def _number(name: str, value: Any, low: float, high: float, *, open_low: bool, open_high: bool) -> float:
    ok = not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(float(value))
    if ok:
        v = float(value)
        ok = (v > low if open_low else v >= low) and (v < high if open_high else v <= high)
    if not ok:
        left, right = "(" if open_low else "[", ")" if open_high or math.isinf(high) else "]"
        raise InputError(f"{name} must be a number in {left}{low:g}, {high:g}{right}, but is {value!r}")
    return float(value)


def _whole(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < low:
        raise InputError(f"{name} must be a whole number of at least {low}, but is {value!r}")
    return int(value)


def _seed(name: str, value: Any) -> int:
    # None would make two runs of one script differ, and the manifest could not say why.
    return _whole(name, value, 0)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "alpha": lambda n, v: _number(n, v, 0.0, 1.0, open_low=True, open_high=True),
    "level": lambda n, v: _number(n, v, 0.0, 1.0, open_low=True, open_high=True),
    "margin": lambda n, v: _number(n, v, 0.0, 1.0, open_low=True, open_high=False),
    "refunds": lambda n, v: _number(n, v, 0.0, 1.0, open_low=False, open_high=True),
    "cost": lambda n, v: _number(n, v, 0.0, math.inf, open_low=False, open_high=True),
    "anticipation": lambda n, v: _whole(n, v, 0),
    "draws": lambda n, v: _whole(n, v, 99),
    "seed": _seed,
    "control": lambda n, v: one_of(n, v, ("never_treated", "not_yet_treated")),
    "base_period": lambda n, v: one_of(n, v, ("varying", "universal")),
    "bands": lambda n, v: one_of(n, v, ("simultaneous", "pointwise")),
    "missing": lambda n, v: one_of(n, v, ("raise", "zero")),
    "gmv": lambda n, v: one_of(n, v, ("gross", "net")),
    "gmv_is": lambda n, v: one_of(n, v, ("paid", "list")),
    "cost_is": lambda n, v: one_of(n, v, ("discount", "other")),
    "language": lambda n, v: one_of(n, v, ("en",)),
    "style": lambda n, v: one_of(n, v, ("journal", "cn")),
}


def check(name: str, value: Any) -> Any:
    """Check the parameter called `name`; the same name means the same thing in every verb.

    Parameters
    ----------
    name : str
        The parameter's public name, for example ``"alpha"``.
    value : object
        What the user passed.

    Returns
    -------
    object
        The value in its canonical Python type.

    Raises
    ------
    InputError
        With the value and the bound.

    Examples
    --------
    >>> check("alpha", 0.05)
    0.05
    >>> check("alpha", 5)
    Traceback (most recent call last):
    ...
    gmvcausal.errors.InputError: alpha must be a number in (0, 1), but is 5.
    """
    return _CHECKS[name](name, value)


def column_name(name: str, value: Any, *, optional: bool = False) -> str | None:
    """Check that a parameter names a column (a string), or is None where that is allowed."""
    if value is None and optional:
        return None
    if not isinstance(value, str):
        what = "a column name or None" if optional else "a column name"
        raise InputError(f"{name} must be {what}, but is {value!r}")
    return value
