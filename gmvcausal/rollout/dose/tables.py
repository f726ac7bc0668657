"""What a result by dose shows: its table, its figure in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.results.curves import Curves, Line
from gmvcausal.rollout.dose.rows import Doses

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.effect_tables import EffectTables

_ENDS = ("std_error", "conf_low", "conf_high")


def doses_of(result: EffectTables) -> Doses:
    """The effects by dose, or a refusal."""
    found = result.fitted.doses
    if found is None:
        raise InputError(
            f"estimator={result.options.estimator!r} has no effects by dose",
            remedy="use estimator='dose' with dose=, the column of the dose",
        )
    return found


def by_dose(result: EffectTables) -> pd.DataFrame:
    """`EffectTables.by_dose`."""
    found = doses_of(result)
    level = result._frame(found.series(found.level), "dose", found.at)
    slope = result._frame(found.series(found.slope), "dose", found.at)
    count = level.pop("n")
    level["slope"] = slope["estimate"]
    for end in _ENDS:
        level[f"slope_{end}"] = slope[end]
    level["n"] = count
    return level


def curves(result: EffectTables) -> Curves:
    """ATT by dose: points where every dose has its own effect, else a line with its bands."""
    found, table = doses_of(result), by_dose(result)
    x, y = table["dose"].to_numpy(float), table["estimate"].to_numpy()
    point = (table["conf_low"].to_numpy(), table["conf_high"].to_numpy())
    band = (table["band_low"].to_numpy(), table["band_high"].to_numpy())
    whole = np.array([x.min(), x.max()])
    joint = result.options.bands == "simultaneous"
    if found.saturated:  # nothing is said between the doses, so nothing is drawn there
        label = "effect at the dose" + (", simultaneous band" if joint else "")
        lines = [Line(label, x, y, "points", *(band if joint else point))]
    else:
        lines = [Line("effect at the dose", x, y, "line", *point)]
        if joint:
            lines.append(Line("simultaneous band", x, np.full_like(y, np.nan), "line", *band))
    lines.append(Line("mean effect on the treated", whole, np.full(2, result.estimate), "dashed"))
    name = result.options.dose
    return Curves(f"Effect by {name}", name, result.unit, tuple(lines), zero=True)
