"""A further outcome of the data of a result, on the panel's own cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import numeric
from gmvcausal.frames.table import open_table
from gmvcausal.rollout.intake.gathered import Ask
from gmvcausal.rollout.intake.panel import FloatArray, Panel
from gmvcausal.rollout.intake.read import read_panel

_MISSING = "write 0 where nothing was bought, or call did with missing='zero' if that is what missing means here"


def further_outcome(
    data: Any, panel: Panel, options: Mapping[str, Any], column: str, *, absorbing: bool, ratios: bool
) -> FloatArray:
    """The values of `column` in the cells of the panel, read as the outcome was, shape (R, T).

    Parameters
    ----------
    data : frame, path or relation
        What the panel was read from.
    options : mapping
        Of the call of `did`.
    absorbing, ratios : bool
        As in `Ask`: whether treatment must stay on; whether values must be at least 0.

    Raises
    ------
    InputError
        The column is missing, holds gaps, is no number; the data have changed since.
    """
    if options["missing"] == "raise":
        numeric(open_table(data, needed={column: column}), column, column, missing=_MISSING)
    taken = ("unit", "time", "first_treated", "treated", "stack", "never", "weights", "missing", "dedupe")
    ask = Ask(
        outcome=column,
        cluster=panel.cluster_name,
        anticipation=options["anticipation"],
        absorbing=absorbing,
        ratios=ratios,
        **{name: options[name] for name in taken},
    )
    again = read_panel(data, ask)
    if again.rows != panel.rows or again.y.shape != panel.y.shape or not np.array_equal(again.unit, panel.unit):
        raise InputError(
            f"the data had {panel.rows:,} rows when the effect was estimated, and are others now",
            remedy="call did on the data as they are now",
        )
    return again.y
