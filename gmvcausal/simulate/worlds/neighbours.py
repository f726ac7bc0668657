"""Roll-outs that reach neighbours: some units never treated sell more, or less, once the unit next to them starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.market import Market, MarketLogs, Term, Truth
from gmvcausal.simulate.worlds.rollout import NEVER, Rollout, rollout_market


def spilled_market(plan: Rollout, spill: float, note: str) -> Market:
    """The market of `plan` in which every second unit never treated has a treated neighbour that reaches it.

    Parameters
    ----------
    plan : Rollout
    spill : float
        GMV that a neighbour's treatment adds to a unit-week.
    note : str
    """
    draws = stream(plan.seed, plan.name, "neighbours")
    never, ever = np.flatnonzero(plan.cohort == NEVER), np.flatnonzero(plan.cohort != NEVER)
    reached = np.sort(draws.permutation(never)[: len(never) // 2])
    by = draws.choice(ever, len(reached)) if len(ever) else reached  # nobody treated is refused below
    weeks = np.arange(plan.base.shape[1])
    extra = np.zeros(plan.base.shape)
    if len(ever):
        extra[reached] = spill * (weeks >= np.asarray(plan.starts)[plan.cohort[by]][:, None])
    edges = pd.DataFrame({"unit": reached, "neighbour": by})
    market = rollout_market(replace(plan, spilled=extra), {"edges": edges}, note)
    logs = MarketLogs({**market.logs.tables, "edges": edges}, {})
    truth = partial(spilled_truth, market.make_truth, plan.unit, spill, float(extra.sum()))
    return Market(market.name, logs, market.design, truth, note)


def spilled_truth(roll_out: Callable[[], Truth], unit: str, spill: float, total: float) -> Truth:
    """The truth of a roll-out, with what reached others."""
    truth = roll_out()
    terms = [t for t in truth.terms if t.term != "total"]
    whole = "GMV added to the treated and the exposed units in all weeks"
    more = (
        Term("spillover", "mean effect on units exposed and not treated", f"gross paid GMV per {unit}-week", spill),
        Term("total", whole, "gross paid GMV", truth["total"] + total),
    )
    return Truth((*terms, *more), truth.target, truth.event_study)
