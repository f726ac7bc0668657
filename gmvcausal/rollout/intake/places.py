"""Columns that single methods of inference ask for: how many members a unit has, and where it lies."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.per_unit import numbers_of

_BOUNDS = (("latitude", -90.0, 90.0), ("longitude", -180.0, 360.0))


def pair(coordinates: Any) -> list[str]:
    """Check that two columns are named."""
    named = (
        isinstance(coordinates, Sequence)
        and not isinstance(coordinates, str)
        and len(coordinates) == 2
        and all(isinstance(c, str) for c in coordinates)
        and coordinates[0] != coordinates[1]
    )
    if not named:
        raise InputError(
            f"coordinates must name two columns, latitude and longitude, but is {said(coordinates)}",
            remedy='write coordinates=("lat", "lon")',
        )
    return [str(c) for c in coordinates]


def distance(cutoff: Any) -> float:
    """Check a distance in km."""
    real = not isinstance(cutoff, bool) and isinstance(cutoff, numbers.Real) and math.isfinite(float(cutoff))
    if not real or float(cutoff) <= 0:
        raise InputError(f"cutoff must be a distance in km above 0, but is {said(cutoff)}")
    return float(cutoff)


def refuse_unused(options: Mapping[str, Any]) -> None:
    """Refuse what the method of inference would ignore, and what it lacks."""
    how = options["inference"]
    asked = {"size": "ferman_pinto", "coordinates": "conley", "cutoff": "conley", "kernel": "conley"}
    for name, method in asked.items():
        if options[name] != ("bartlett" if name == "kernel" else None) and how != method:
            raise InputError(
                f"{name}= has no meaning for inference={how!r}", remedy=f"leave it out, or pass inference={method!r}"
            )
    if options["assignment"] == "random" and how is not None:
        raise InputError(
            f"assignment='random' draws the lot again, and inference={how!r} does not", remedy="leave one of them out"
        )
    if how == "conley" and (options["coordinates"] is None or options["cutoff"] is None):
        raise InputError(
            "inference='conley' needs coordinates= and cutoff=",
            remedy='pass for example coordinates=("lat", "lon"), cutoff=100',
        )


def with_columns(data: Any, panel: Panel, unit: str, options: Mapping[str, Any]) -> Panel:
    """The panel with the columns that the method of inference needs."""
    if options["size"] is not None:
        members = numbers_of(data, panel, unit, options["size"], "size")
        _within(members, options["size"], "size", 0.0, math.inf)
        return replace(panel, size=members)
    if options["coordinates"] is not None:
        where = [numbers_of(data, panel, unit, c, "coordinates") for c in options["coordinates"]]
        for values, column, (role, low, high) in zip(where, options["coordinates"], _BOUNDS, strict=True):
            _within(values, column, role, low, high)
        return replace(panel, place=np.column_stack(where))
    return panel


def _within(values: Any, column: str, role: str, low: float, high: float) -> None:
    wrong = ~np.isfinite(values) | (values < low) | (values > high) | ((values == 0) & (role == "size"))
    if wrong.any():
        allowed = "must be above 0" if role == "size" else f"must lie between {low:g} and {high:g} degrees"
        raise InputError(
            f"{role} {allowed}, and that of {int(wrong.sum()):,} units does not",
            column=column,
            count=int(wrong.sum()),
            remedy="correct these units",
        )
