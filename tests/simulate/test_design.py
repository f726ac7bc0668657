"""The design of a market and its truth speak of the same cells in the same unit."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.simulate import livestream
from gmvcausal.simulate.accounting import cells_end, step
from gmvcausal.simulate.make import make_plan
from gmvcausal.simulate.stage import NEVER, set_stage

SIZE = {"users": 120, "rooms": 12, "days": 45, "tactics": "raffle", "truth_draws": 2}


@pytest.mark.parametrize(
    ("dials", "freq", "target", "period"),
    [
        ({"adopt": (20, 33)}, "D", "att_days", "day"),
        ({"adopt": (20, 33, 40), "never": 0}, "D", "att_days", "day"),
        ({"adopt": (3, 10)}, "D", "att_days", "day"),  # no whole week before the first
        ({"adopt": (14, 21, 35)}, "W", "att_weeks", "week"),
        ({"adopt": (15, 22, 43)}, "W", "att_weeks", "week"),  # the last ones have no whole week
        ({"adopt": (9, 23, 30), "never": 0}, "W", "att_weeks", "week"),
    ],
)
def test_did_has_the_cells_and_the_unit_of_the_truth(
    dials: dict[str, Any], freq: str, target: str, period: str
) -> None:
    market = livestream(**SIZE, **dials)
    panel, truth = market.table(), market.truth
    assert market.design.options["freq"] == freq and truth.target == target
    unit = next(term.unit for term in truth.terms if term.term == truth.target)
    assert unit.endswith(f"{period} since adoption")

    plan = make_plan(
        users=120, rooms=12, days=45, tactics="raffle", seed=0, start="2026-03-02", dials={"truth_draws": 2, **dials}
    )
    stage = set_stage(plan)
    adopted, ends, length = stage.adopted["raffle"], cells_end(stage, "raffle"), step(plan)
    cells = [k for room in np.flatnonzero(adopted < NEVER) for k in range((ends[room] - adopted[room]) // length)]
    # an effect that grows with each period since adoption shows which cells the estimate is a mean of
    since = (panel["period"] - panel["first_treated"]).dt.days // length
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(panel))
    grown = panel.assign(gmv=np.where(since >= 0, 100.0 + since**2, 0.0) + noise)
    result = gc.did(grown, **market.design.call)
    assert result.estimate == pytest.approx(100.0 + np.mean(np.square(cells)), abs=0.01)
    assert gc.did(market.table(), **market.design.call).unit.endswith(f"room-{period}")


def test_the_days_of_the_truth_are_those_of_its_event_study() -> None:
    truth = livestream(**SIZE, adopt=(20, 33)).truth
    events = truth.event_study
    assert len(events) == 25
    assert truth.value == pytest.approx((events["att"] * events["n"]).sum() / events["n"].sum())
    assert truth["att"] == pytest.approx(7 * truth.value)


# --- nothing to compare -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"tactics": "raffle", "never": 1}, r"with never=1 none of the 20 rooms ever adopts\. Lower the dial never"),
        ({"tactics": ("coupon", "raffle"), "never": 0.99}, r"with never=0\.99 none of the 20 rooms"),
        ({"targeting": "lot", "treated_share": 0}, r"treated_share=0 no user is ever treated\. Raise .*strength=0"),
    ],
)
def test_a_market_in_which_nobody_is_treated_is_refused(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(gc.InputError, match=message):
        livestream(users=50, **dials)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        (
            {"tactics": "raffle", "never": 0, "adopt": 20},
            r"every room is under .* from the same day on.*raise the dial",
        ),
        ({"targeting": "lot", "treated_share": 1}, r"every user is under .*lower the dial treated_share"),
        ({"tactics": "win_back", "lapsed_days": 300}, r"no user came under the tactic.*Ask for more users"),
    ],
)
def test_a_table_without_a_comparison_is_refused(dials: dict[str, Any], message: str) -> None:
    dials = {"adopt": (20, 27), **dials}
    market = livestream(users=50, rooms=4, days=40, truth_draws=2, **dials)
    with pytest.raises(gc.InputError, match=message.replace("raise", "[Rr]aise")):
        market.table()
    assert isinstance(market.truth.to_frame(), pd.DataFrame)


def test_dials_that_do_not_matter_are_let_be() -> None:
    livestream(users=20, days=10, never=1, treated_share=0)
    with pytest.raises(gc.InputError, match="start must lie in the years 1700 to 2200, but is 9999-12-30"):
        livestream(start="9999-12-30")
    early = livestream(users=800, rooms=3, days=12, start="1700-01-01")
    assert len(early.table()) == 800
