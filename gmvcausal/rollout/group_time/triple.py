"""Triple difference: places that start and places that do not, units that the tactic is meant for and units that not.

With staggered starts each cohort is compared with one group of places only, those never treated (or, where all are
treated some day, the last cohort before its start). Pooling the not yet treated, as a double difference may, would mix
places in other shares among the eligible than among the ineligible, and their drifts would not cancel
(Ortiz-Villavicencio and Sant'Anna 2025).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.chance.headline import Runs
from gmvcausal.rollout.chance.placebo import MIXED, followed, placebo
from gmvcausal.rollout.fitted import Fitted, FloatArray, IntArray, Options, no_stack
from gmvcausal.rollout.group_time.callaway import summarised
from gmvcausal.rollout.group_time.contrast import BoolArray, contrast
from gmvcausal.rollout.group_time.left_out import lost_cohorts, without
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED, check_variation
from gmvcausal.rollout.intake.panel import NOT_LATER, Panel

TERMS = [
    ("overall", "ATT on the eligible in treated places, triple difference, post cells weighted by eligible units"),
    ("event-time average", "ATT on the eligible, plain mean over event times from 0 on"),
    ("cohort average", "ATT on the eligible, mean per cohort weighted by its eligible units"),
    ("period average", "ATT on the eligible, plain mean over calendar periods"),
]


def triple(panel: Panel, options: Options) -> Fitted:
    """Change of the eligible less that of the ineligible in treated places, less the same in untreated places."""
    no_stack(panel)
    check_variation(panel.start, "first_treated", panel.cohorts)
    eligible = panel.eligible
    assert eligible is not None  # the verb asks for the column
    start, y, notes = _whole_cohorts(panel, eligible, options)
    position = panel.grid.position
    effects = contrast(
        y, start, eligible, panel.cluster, panel.weight, position, options.base_period, options.anticipation
    )
    if not (effects.cells.event >= 0).any():
        raise DesignError(
            "no treated period has a period before in which eligible and ineligible units of treated and untreated "
            "places are seen, so no effect is identified",
            remedy="supply earlier periods, later periods or untreated places",
        )
    inside = start >= UNTREATED
    treated = (start >= 0) & eligible
    lost = effects.lost & treated
    notes += lost_cohorts(panel, lost, "in the base period")
    found = summarised(
        panel,
        options,
        effects,
        lambda: effects.rebased(position, "universal", options.anticipation),
        TERMS,
        lambda estimate: _runs(without(replace(panel, start=start, y=y), effects.lost), options, estimate),
        treated,
        inside & ~treated,
    )

    def on() -> FloatArray:
        under = (np.arange(y.shape[1]) >= start[:, None]) & treated[:, None]
        return np.where(inside[:, None], under.astype(float), np.nan)

    return replace(
        found,
        lost_units=int(lost.sum()),
        notes=tuple(notes),
        on=on,
    )


def _whole_cohorts(panel: Panel, eligible: BoolArray, options: Options) -> tuple[IntArray, FloatArray, list[str]]:
    """Starts and outcomes with which every cohort, and the one group of controls, hold units of both kinds."""
    start, y, notes = panel.start.copy(), panel.y, list[str]()

    def lacks(rows: BoolArray) -> str:
        return "" if 0 < eligible[rows].sum() < rows.sum() else "ineligible" if eligible[rows].any() else "eligible"

    for column in np.unique(start[start >= 0]):
        own = start == column
        if lacks(own):
            when = panel.grid.text(panel.grid.values[column])
            notes.append(
                f"the {int(own.sum()):,} units first treated in {when} are left out: none of them is {lacks(own)}"
            )
            start[own] = ALWAYS
    if not (start >= 0).any():
        raise DesignError(
            "no treated place holds both eligible and ineligible units, so there is no triple difference",
            column=options.eligible,
            remedy="give the ineligible units of a place the date of first treatment of that place, and mark them by 0",
        )
    untreated = start == UNTREATED
    later = np.full(len(start), NOT_LATER) if panel.later is None else panel.later
    # Never treated, or else those that start last of all: one group, so that its make-up is the same for both kinds.
    groups = [untreated & (later == date) for date in np.unique(later[untreated])]
    whole = [own for own in (groups[:1] + groups[:0:-1]) if not lacks(own)]
    if whole:
        others = untreated & ~whole[0]
        start[others] = ALWAYS
        if others.any():
            notes.append(
                f"{int(others.sum()):,} units that start after the last period, or are of one kind only, are left out: "
                "a triple difference compares with one group of places, and does not pool them"
            )
        return start, y, notes
    if untreated.any():
        raise DesignError(
            f"no unit of the untreated places is {lacks(untreated) or 'of the other kind'}, so nothing says how the "
            "two kinds would have drifted apart",
            column=options.eligible,
            remedy="supply units of both kinds from untreated places, or use estimator='callaway_santanna'",
        )
    last = int(start.max())
    if (start[start >= 0] == last).all():
        raise DesignError(
            "every place is treated in the same period, so there is no place to compare with",
            remedy="supply untreated places",
        )
    when = panel.grid.text(panel.grid.values[last])
    notes.append(
        f"no place is never treated, so that first treated last, in {when}, serves as control; its own effect and the "
        "periods from its start on are left out"
    )
    keep = panel.grid.position < panel.grid.position[last] - options.anticipation
    return np.where(start == last, UNTREATED, start), np.where(keep, y, np.nan), notes


def _runs(panel: Panel, options: Options, estimate: float) -> Runs:
    """Placebo runs over the places: of each, the mean of its eligible less that of its ineligible units."""
    apart = differences(panel)
    if apart is None:
        return Runs(why="placebo runs need clusters that hold eligible and ineligible units: pass cluster= the place")
    found = placebo(apart, options, estimate, "last")
    if followed(apart, options, estimate, "last") == MIXED:
        one = "places differ in how they are made up: average each into one row of eligible and one of ineligible units"
        return replace(found, why=one)
    return found


def differences(panel: Panel) -> Panel | None:
    """A panel of clusters whose outcome is the mean of the eligible less that of the ineligible; None where one lacks.

    Its weights are the eligible units, so that its double difference is the triple one where the shares of the places
    are the same among both.
    """
    eligible, used = panel.eligible, panel.start >= UNTREATED
    assert eligible is not None
    weight = np.ones(len(used)) if panel.weight is None else panel.weight
    n = panel.n_clusters
    start = np.full(n, ALWAYS, dtype=np.int64)
    start[panel.cluster[used]] = panel.start[used]
    if (start[panel.cluster[used]] != panel.start[used]).any():
        return None
    size = np.array(
        [np.bincount(panel.cluster[used & side], weight[used & side], minlength=n) for side in (eligible, ~eligible)]
    )
    here = np.flatnonzero(start != ALWAYS)
    if (size[:, here] == 0).any():
        return None
    mean = np.zeros((2, n, panel.y.shape[1]))
    for k, side in enumerate((eligible, ~eligible)):
        rows = used & side
        np.add.at(mean[k], panel.cluster[rows], weight[rows, None] * panel.y[rows])
        mean[k, here] /= size[k, here, None]
    code = np.arange(len(here))
    return replace(
        panel, y=(mean[0] - mean[1])[here], on=None, start=start[here], unit=here, unit_code=code, cluster=code,
        weight=size[0, here], offset=None, other=None, size=None, place=None, eligible=None, later=None,
        notes=[], dropped={},
    )  # fmt: skip
