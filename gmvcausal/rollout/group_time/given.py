"""What an estimator is given of covariates, and what it has to say of them."""

from __future__ import annotations

import numpy as np

from gmvcausal.rollout.fitted import Options
from gmvcausal.rollout.group_time.adjusted import TRIM
from gmvcausal.rollout.group_time.effects import Effects
from gmvcausal.rollout.group_time.from_covariates import FromCovariates
from gmvcausal.rollout.group_time.from_rows_given import FromRowsGiven
from gmvcausal.rollout.intake.covariates import Given
from gmvcausal.rollout.intake.panel import Panel


def given(panel: Panel, options: Options) -> Given | None:
    """The covariates of the panel and what is asked to be done with them; None without."""
    if panel.covariates is None:
        return None
    return Given(panel.covariates, options.adjustment, tuple(panel.grid.text(v) for v in panel.grid.values))


def trimmed_note(effects: Effects) -> list[str]:
    """Say how many controls got no weight."""
    count = effects.trimmed if isinstance(effects, FromCovariates | FromRowsGiven) else 0
    if not count:
        return []
    return [f"up to {count:,} control units have a propensity of {TRIM} or more and got no weight"]


def idle_note(panel: Panel, effects: Effects) -> list[str]:
    """Say which covariates change over time but never between the units of a base period: they adjust nothing."""
    found = panel.covariates
    if found is None or not found.moving:
        return []
    cells, flat = effects.cells, np.ones(len(found.names), dtype=bool)
    _, first = np.unique(np.column_stack([cells.cohort, cells.base]), axis=0, return_index=True)
    for k in first:
        sides = np.append(cells.controls[k], False)  # the last for units left out
        sides[cells.cohort[k]] = True
        x = found.at(int(cells.base[k]))[sides[effects.group]]
        x = x[np.isfinite(x).all(axis=1)]
        flat &= (x == x[:1]).all(axis=0)
    return [
        f"covariate {name!r} is the same for all units in every base period, so it adjusts nothing"
        for name, idle in zip(found.names, flat, strict=True) if idle
    ]  # fmt: skip
