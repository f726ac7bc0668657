"""Who and what group-time effects leave out for want of rows: named, never dropped in silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.rollout.group_time.effects import Effects
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.panel import Panel

_NAMED = 3  # periods, beyond which their number is enough


def without(panel: Panel, lost: NDArray[np.bool_]) -> Panel:
    """The panel less the units that no comparison reaches."""
    return replace(panel, start=np.where(lost, ALWAYS, panel.start)) if lost.any() else panel


def lost_cohorts(panel: Panel, lost: NDArray[np.bool_], where: str) -> list[str]:
    """Say which treated units no comparison reaches: a cohort must not vanish from the answer in silence."""
    if not lost.any():
        return []
    out = []
    word = "rows" if panel.crossed else "units"
    treated, gone = panel.cohort_sizes(), panel.cohort_sizes(lost)
    for column in np.flatnonzero((gone > 0) & (gone == treated)):
        out.append(
            f"the {gone[column]:,} {word} first treated in {panel.grid.text(panel.grid.values[column])} enter no "
            f"comparison, because they or all their control {word} are absent {where} or ever after"
        )
    some = int(gone[gone < treated].sum())
    if some and not panel.crossed:  # rows are seen once: of them `without_controls` speaks
        out.append(f"{some:,} treated units enter no comparison, because they are absent {where} or ever after")
    return out


def without_controls(panel: Panel, effects: Effects) -> list[str]:
    """Say in which periods the treated are seen and no control is: the effect and its total do not cover them."""
    if not isinstance(effects, FromUnits):
        return []
    asked, made = effects.listed, effects.cells
    reached = np.isin(asked.cohort, np.unique(made.cohort[made.post]))
    there = asked.post & reached & ~np.isin(_keys(effects, True), _keys(effects, False))
    counts = np.zeros(panel.y.shape[1])
    np.add.at(counts, asked.period[there], replace(effects, cells=asked).cell_units[there])
    columns = np.flatnonzero(counts)
    if not len(columns):
        return []
    names = [panel.grid.text(panel.grid.values[c]) for c in columns]
    which = f"{len(names)} periods (the first {names[0]})" if len(names) > _NAMED else ", ".join(names)
    what, one = ("rows", "row") if panel.crossed else ("unit-periods", "unit seen before the start")
    return [
        f"there is no control {one} in {which}: {int(counts.sum()):,} treated {what} there are left out of the effect "
        "and of its total"
    ]


def _keys(effects: FromUnits, listed: bool) -> NDArray[np.int64]:
    cells = effects.listed if listed else effects.cells
    return np.asarray(cells.cohort * effects.y.shape[1] + cells.period)


def nothing_compared(panel: Panel, effects: Effects) -> DesignError:
    """Why no treated period can be compared: the design has no such comparison, or rows that it needs are absent."""
    if not isinstance(effects, FromUnits) or not effects.listed.post.any():
        return DesignError(
            "no treated period has both a period before and a control unit, so no effect is identified",
            remedy="supply earlier periods, later periods or untreated units",
        )
    asked = effects.listed.keep(effects.listed.post)
    first = int(asked.cohort[0])
    base = int(asked.base[0])
    start, before = (panel.grid.text(panel.grid.values[c]) for c in (asked.starts[first], base))
    seen = np.isfinite(effects.y[:, base])
    word = "row" if panel.crossed else "unit"
    own, beside = (effects.group == first), np.append(asked.controls[0], False)[effects.group]
    who = f"{word} of those first treated in {start}"
    if (seen & own).any() and not (seen & beside).any():
        who = f"control {word}"
    elif (seen & own).any():
        return DesignError(
            f"no treated {word} is seen both in {before}, the period before its start, and afterwards beside a control "
            f"{word} seen in the same periods, so no effect is identified",
            remedy="supply the missing rows",
        )
    return DesignError(
        f"no {who} is seen in {before}, the period from which the effect is measured, so no effect is identified",
        remedy=f"supply the rows of {before}, or leave that period out for everybody, so that the one before it "
        "becomes the base",
    )
