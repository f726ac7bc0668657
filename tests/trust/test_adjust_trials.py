"""`adjust` in the trust room: its worlds, how strong the hidden cause is, the answers, the plan, the page."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal import trust
from gmvcausal.simulate.worlds.targeting_worlds import crowd, propensity
from gmvcausal.trust import Cell, plans_adjust, targeted
from gmvcausal.trust.page import page_text


def test_strength_of_the_hidden_cause() -> None:
    """Against draws: what the sign adds to the mean square of the weights; nothing where nothing is hidden."""
    who = crowd(3, "D11", 200_000)
    long = propensity(who.tier, who.recency, who.hidden, 1.0, 1.0, 0.05)
    short = sum(propensity(who.tier, who.recency, sign, 1.0, 1.0, 0.05) for sign in (-1.0, 1.0)) / 2
    drawn = 1 - float(np.mean(1 / (short * (1 - short))) / np.mean(1 / (long * (1 - long))))
    outcome, treatment = targeted.strength(1.0)
    assert treatment == pytest.approx(drawn, rel=0.02)
    assert 0 < targeted.strength(0.5)[1] < treatment < 1 and 0 < outcome < 0.05


def test_answers_are_those_of_single_calls() -> None:
    trial = targeted.users(n=400, seed=4)
    call = {k: v for k, v in trial.design.call.items() if k != "strength"}
    found = targeted.answers(trial.table(), **trial.design.call)
    assert set(found.rows) == set(plans_adjust.ROWS) | {"bound/ate"} == {t.term for t in trial.truth.terms}
    for row in ("aipw/att", "ipw/ate", "regression/att", "matching/ate", "dml/overlap"):
        estimator, who = row.split("/")
        r = gc.adjust(trial.table(), **call, estimator=estimator, estimand=who)
        one = found.rows[row]
        assert one.estimate == pytest.approx(r.estimate, rel=1e-9) and one.limits(0.95) == pytest.approx(r.conf_int())
    assert found.rows["bound/ate"].limits(0.95) == pytest.approx(found.rows["aipw/ate"].limits(0.95), rel=0.01)
    assert math.isnan(found.rows["bound/ate"].p_value)


def test_the_plan_and_the_page() -> None:
    cells = plans_adjust.cells()
    known = {cell.id for cell in cells}
    assert len(known) == len(cells) and set(plans_adjust.QUICK) < known
    assert all(cell.clean in known for cell in cells if cell.clean)
    some = [
        Cell(c.id, c.world, c.role, n=300, dials=c.dials, verb=c.verb, term=c.term, check=c.check, gates=c.gates,
             least=c.least, reps=2)
        for c in cells if c.id in ("adjust/D11/linear/ipw/att", "adjust/hidden/1/bound/ate", "adjust/D13/ipw/overlap")
    ]  # fmt: skip
    text = page_text(trust.run(some, workers=0, progress=False))
    assert "## Adjusting: nobody drew lots" in text and "`adjust/hidden/1/bound/ate`" in text.replace(
        "| adjust", "| `adjust"
    )
