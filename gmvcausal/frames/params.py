"""One checker per parameter name, so that `alpha` is checked the same everywhere.

`check("alpha", 0.05)` returns the value in its canonical type or raises `InputError` with the value and the bound.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from gmvcausal.errors import InputError


def counted(count: int, thing: str) -> str:
    """A count and its thing, which takes an s unless it is one.

    Examples
    --------
    >>> counted(1, "link"), counted(1200, "link")
    ('1 link', '1,200 links')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def said(value: Any) -> str:
    """A value as it can stand in a sentence: its repr where that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 80 and text.isprintable() else f"a {type(value).__name__}"


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`, else raise with the whole list."""
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(repr(c) for c in choices)
    raise InputError(f"{name} must be one of {listed}, but is {said(value)}", remedy=f"choose {name}= from that list")


def _optional(name: str, value: Any, choices: Sequence[str]) -> str | None:
    if value is None or (isinstance(value, str) and value in choices):
        return value
    listed = " or ".join(repr(c) for c in choices)
    raise InputError(f"{name} must be None, {listed}, but is {said(value)}")


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False, else raise."""
    if not isinstance(value, bool):
        raise InputError(
            f"{name} must be True or False, but is {said(value)}", remedy=f"write {name}=True or {name}=False"
        )
    return value


def _names(name: str, value: Any) -> list[str]:
    """Column names without repeats: one name, or a list of them."""
    import pandas as pd

    if isinstance(value, str):
        return [value]
    if not isinstance(value, Sequence | np.ndarray | pd.Index) or isinstance(value, bytes):
        raise InputError(f"{name} must list column names, but is {said(value)}", remedy=f"write {name}=['city']")
    for item in value:
        if not isinstance(item, str):
            raise InputError(f"{name} must list column names, but holds {said(item)}", remedy=f"write {name}=['city']")
    return list(dict.fromkeys(str(item) for item in value))


def _window(name: str, value: Any) -> tuple[int, int]:
    whole = (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in value)
    )
    if not whole or value[0] >= 0 or value[1] < 0:
        raise InputError(
            f"{name} must be two whole numbers around 0, for example (-6, 5), but is {said(value)}",
            remedy="the first is the number of periods before the start, as a negative number; the last is 0 or more",
        )
    return int(value[0]), int(value[1])


def _number(name: str, value: Any, low: float, high: float, *, open_low: bool, open_high: bool) -> float:
    ok = not isinstance(value, bool) and isinstance(value, numbers.Real | Decimal) and math.isfinite(float(value))
    if ok:
        v = float(value)
        ok = (v > low if open_low else v >= low) and (v < high if open_high else v <= high)
    if not ok:
        left, right = "(" if open_low else "[", ")" if open_high or math.isinf(high) else "]"
        raise InputError(f"{name} must be a number in {left}{low:g}, {high:g}{right}, but is {said(value)}")
    return float(value)


def _whole(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < low:
        raise InputError(f"{name} must be a whole number of at least {low}, but is {said(value)}")
    return int(value)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number within bounds, or `InputError`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= int(value) <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, but is {said(value)}")
    return int(value)


def _alpha(name: str, value: Any) -> float:
    try:
        return _number(name, value, 0.0, 0.5, open_low=True, open_high=False)
    except InputError as error:
        raise InputError(error.rule, remedy="pass 0.05 for a 95 % interval") from None


def _seed(name: str, value: Any) -> int:
    # None would make two runs of one script differ, and the manifest could not say why.
    return _whole(name, value, 0)


def _labels(name: str, value: Any) -> dict[str, str]:
    """Names that a page prints in place of the data's own."""
    found = {} if value is None else value
    if not isinstance(found, Mapping) or not all(isinstance(t, str) and t for pair in found.items() for t in pair):
        raise InputError(
            f"{name} must map names in the data to the names to print, but is {said(value)}",
            remedy=f"write {name}={{'gmv': 'GMV per week'}}",
        )
    return dict(found)


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip
_LEAST_MEMORY = 256 * 10**6  # what the engine takes to group a few million rows, and a table of a million cells


def _bytes(name: str, value: Any) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if found and found[2].upper() in _UNITS:
        size: float = float(found[1]) * _UNITS[found[2].upper()]
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        size = int(value)
    else:
        raise InputError(f"{name} must be a size such as '2GB', but is {said(value)}", remedy=f"write {name}='2GB'")
    if size < _LEAST_MEMORY:
        raise InputError(f"{name} must be at least 256 MB, but is {said(value)}", remedy=f"write {name}='2GB'")
    return int(size)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "alpha": _alpha,
    "srm_alpha": lambda n, v: _number(n, v, 0.0, 0.5, open_low=True, open_high=False),
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
    "assignment": lambda n, v: _optional(n, v, ("random",)),
    "missing": lambda n, v: one_of(n, v, ("raise", "zero")),
    "dedupe": lambda n, v: _optional(n, v, ("exact", "keep")),
    "memory_limit": _bytes,
    "columns": _names,
    "counts": _names,
    "within": _names,
    "min_cell": lambda n, v: _whole(n, v, 0),
    "keep": _names,
    "covariates": lambda n, v: [] if v is None else _names(n, v),
    "factors": _names,
    "features": lambda n, v: [] if v is None else _names(n, v),
    "window": _window,
    "complete_only": flag,
    "gmv": lambda n, v: one_of(n, v, ("gross", "net")),
    "gmv_is": lambda n, v: one_of(n, v, ("paid", "list")),
    "cost_is": lambda n, v: one_of(n, v, ("discount", "other")),
    "language": lambda n, v: one_of(n, v, ("en", "zh")),
    "labels": _labels,
    "style": lambda n, v: one_of(n, v, ("journal", "cn")),
}


def check(name: str, value: Any, *, called: str | None = None) -> Any:
    """Check the parameter called `name`; the same name means the same thing in every verb.

    Parameters
    ----------
    name : str
        The parameter's public name, for example ``"alpha"``.
    value : object
        What the user passed.
    called : str, optional
        What the verb calls it, where that is another name: messages use it.

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
    gmvcausal.errors.InputError: alpha must be a number in (0, 0.5], but is 5. Pass 0.05 for a 95 % interval.
    """
    return _CHECKS[name](called or name, value)


def column_name(name: str, value: Any, *, optional: bool = False) -> str | None:
    """Check that a parameter names a column (a string), or is None where that is allowed."""
    if value is None and optional:
        return None
    if not isinstance(value, str):
        what = "a column name or None" if optional else "a column name"
        raise InputError(f"{name} must be {what}, but is {said(value)}")
    return value
