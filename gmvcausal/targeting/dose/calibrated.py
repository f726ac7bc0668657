"""Predicted slopes held against those of users kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.frames.facts import rows_are_people
from gmvcausal.frames.prints import prints
from gmvcausal.stats.inference import critical_value
from gmvcausal.stats.small_cells import small
from gmvcausal.targeting.dose.fit import residuals
from gmvcausal.targeting.dose.intake import read_doses
from gmvcausal.targeting.dose.slope import slope

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.targeting.dose.result import DoseUplift


def _groups(said: NDArray[np.float64], groups: int) -> NDArray[np.int64]:
    """Group of every prediction; ties stay together, so that it is one of predictions and not of the order of rows."""
    return np.searchsorted(np.quantile(said, np.arange(1, groups) / groups), said, side="left")


def calibration(model: DoseUplift, test: Any, groups: int) -> pd.DataFrame:
    """See `DoseUplift.calibration`."""
    import pandas as pd

    from gmvcausal.targeting.dose.result import whole_groups

    groups = whole_groups(groups)
    doses = read_doses(test, model.asked, model.doses.trial.features)
    t = doses.trial
    model.seen.refuse(prints(t.x, t.y, doses.dose))
    options = model.manifest.options
    left = residuals(doses, int(options["folds"]), int(options["seed"]), int(options["threads"]), [])
    said = model.fit.predict(t.x)[:, 0]
    if not np.ptp(said) > 0:
        raise DesignError("all users have the same predicted slope, so that there are no groups of it")
    group = _groups(said, groups)
    while groups > 1 and rows_are_people(model.asked.unit, t.facts) and small(np.bincount(group)).any():
        groups -= 1  # of people no group of fewer than ten is shown
        group = _groups(said, groups)
    out = []
    for place in np.unique(group):
        own = group == place
        d, y = left.d[own], left.y[own]
        if not float(d @ d) > 0:
            raise DesignError(f"the dose does not vary in group {place + 1}", remedy="ask for fewer groups")
        cluster = None if t.cluster is None else np.unique(t.cluster[own], return_inverse=True)[1]
        found = slope(d, y, cluster)
        half = critical_value(1 - model.alpha, found.df) * found.std_error
        out.append(
            (
                int(place) + 1, int(own.sum()), float((d * d) @ said[own]) / float(d @ d), found.estimate,
                found.std_error, found.estimate - half, found.estimate + half,
            )
        )  # fmt: skip
    names = ["group", "n", "predicted", "estimate", "std_error", "conf_low", "conf_high"]
    return pd.DataFrame(out, columns=names)
