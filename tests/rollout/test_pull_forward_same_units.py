"""The net of a gain is a sum over a window of the same treated units in all of its periods."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.errors import DesignError, InputError

NO_NEVER = ("callaway_santanna", "imputation", "two_stage", "etwfe", "sun_abraham", "poisson")


@lru_cache
def borrowed_by_cohort(units: int = 60, noise: float = 2.0) -> pd.DataFrame:
    """Nobody is never treated: cohort 2 keeps its gain of 10, cohort 5 gives its 100 back unseen."""
    rng = np.random.default_rng(0)
    effect: dict[int, dict[int, float]] = {2: {0: 10.0}, 5: {0: 100.0, 2: -100.0}, 7: {}}
    rows = [
        (u, t, 1000 + u % 7 + t + effect[g].get(t - g, 0.0) + noise * rng.normal(), g)
        for u in range(units)
        for g in [(2, 5, 7)[u % 3]]
        for t in range(12)
    ]
    return pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])


@pytest.mark.parametrize("estimator", NO_NEVER)
def test_cohorts_whose_controls_run_out_are_left_out(estimator: str) -> None:
    """Summed over two cohorts and then one, the net was 55 in place of 10."""
    found = gc.did(borrowed_by_cohort(), estimator=estimator).pull_forward(window=4)
    low, high = found.conf_int()
    assert low < 10 < high and high < 20
    assert found.row(1).low < 10 < found.row(1).high
    check = found.audit["seen_too_short"]
    assert check.status == "warned" and "or have nobody to compare them with" in check.message
    assert any("nobody to compare them with" in note for note in found.manifest.notes)
    assert found.units == 20


def test_by_hand_without_never_treated() -> None:
    """The later cohorts are controls until they start: cohort 2 against both up to week 4, against 7 alone after."""
    frame = borrowed_by_cohort()
    mean = frame.pivot_table(index="period", columns="first_treated", values="gmv")
    change = mean - mean.loc[1]
    against = pd.concat([change.loc[2:4, [5, 7]].mean(axis=1), change.loc[5:5, 7]])
    wanted = float((change.loc[2:5, 2] - against).sum())
    found = gc.did(frame).pull_forward(window=4)
    assert found.estimate == pytest.approx(wanted, abs=1e-8)
    att = gc.did(frame).att_gt()
    own = att[(att["cohort"] == 2) & att["event_time"].between(0, 3)]
    assert found.cumulative()["effect"].tolist() == pytest.approx(own["estimate"].tolist(), rel=1e-10)


def test_the_cohort_that_only_serves_as_control_stays_one() -> None:
    """By default: the window of 7 threw the last cohort out, and with it all controls."""
    frame = borrowed_by_cohort()
    found = gc.did(frame).pull_forward()
    assert found.window.length == 5 and found.conf_int()[0] < 10 < found.conf_int()[1]
    with pytest.raises(InputError, match="no treated unit has an effect for more than 5 periods"):
        gc.did(frame).pull_forward(window=6)
    two = gc.did(frame).pull_forward(window=2)  # both cohorts have two effects
    assert two.units == 40 and two.estimate == pytest.approx(55, abs=3)


def test_anticipation_without_never_treated() -> None:
    frame = borrowed_by_cohort()
    found = gc.did(frame, anticipation=1).pull_forward(window=3, before=1)
    assert found.units == 20 and found.conf_int()[0] < 10 < found.conf_int()[1]


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation"])
def test_cohorts_whose_rows_end_early_are_left_out(estimator: str) -> None:
    """Cohort 5 leaves after its second week, in which it has not yet given anything back: 46 in place of 10."""
    rng = np.random.default_rng(1)
    effect: dict[float, dict[int, float]] = {2: {0: 10.0}, 5: {0: 100.0, 2: -50.0, 3: -50.0}}
    rows = []
    for u in range(60):
        g = 2 if u % 10 < 3 else 5 if u % 10 < 5 else np.nan
        for t in range(7 if g == 5 else 10):
            lift = effect[g].get(t - int(g), 0.0) if g == g else 0.0
            rows.append((u, t, 1000 + 3 * (u % 7) + t + lift + rng.normal(), g))
    frame = pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])
    found = gc.did(frame, estimator=estimator).pull_forward(window=4)
    low, high = found.conf_int()
    assert low < 10 < high and high < 15 and found.units == 18
    assert any("12 treated units are not seen for 4 periods" in note for note in found.manifest.notes)


def leavers(share: int = 8) -> pd.DataFrame:
    """Rooms of both arms leave after the week of the sale; of the treated, they are the ones that gain most."""
    rng, rows = np.random.default_rng(2), []
    for u in range(200):
        first, leaves = (8 if u % 2 == 0 else None), u // 2 % 100 < share
        for t in range(9 if leaves else 12):
            lift = 0.0 if first is None else ({8: 200.0, 9: -200.0} if leaves else {8: 10.0, 9: -10.0}).get(t, 0.0)
            rows.append((u, t, 1000 + 3 * rng.normal() + t + lift, first))
    return pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation", "twfe"])
def test_units_that_leave_within_the_window_are_left_out(estimator: str) -> None:
    """The gain of the eight, without what they gave back, made the net of nothing 15."""
    frame = leavers()
    found = gc.did(frame, estimator=estimator).pull_forward(window=4)
    low, high = found.conf_int()
    assert low < 0 < high and abs(found.estimate) < 6
    assert found.units == 92
    assert any("8 treated units are not seen for 4 periods" in note for note in found.manifest.notes)
    stay = frame[~((frame["unit"] % 2 == 0) & (frame["unit"] // 2 < 8))]
    alone = gc.did(stay, estimator=estimator).pull_forward(window=4).to_frame().drop(columns="n")
    pd.testing.assert_frame_equal(found.to_frame().drop(columns="n"), alone, rtol=1e-8)


def test_a_gap_within_the_window_is_no_part_of_the_sum() -> None:
    frame = leavers(0)
    holes = frame[~((frame["unit"] == 0) & (frame["period"] == 10))]
    found = gc.did(holes).pull_forward(window=4)
    assert found.units == 99 and found.audit["seen_too_short"].status == "passed"
    assert gc.did(holes).pull_forward(window=2).units == 100
    # Before the start nothing is added up, unless it is asked for.
    early = frame[~((frame["unit"] == 0) & (frame["period"] == 7))]
    assert gc.did(early, estimator="imputation").pull_forward(window=4).units == 100
    early = gc.did(early, estimator="imputation", anticipation=1)
    assert early.pull_forward(window=4, before=1).units == 99


def test_switching_adds_up_the_same_units() -> None:
    """Switches on at 2 and at 5 against those that switch at 7: the second is compared for two weeks only."""
    frame = borrowed_by_cohort()
    on = frame.assign(on=(frame["period"] == frame["first_treated"]).astype(int)).drop(columns="first_treated")
    result = gc.did(on, treated="on", estimator="switching")
    found = result.pull_forward(window=4)
    assert found.units == 20 and found.conf_int()[0] < 10 < found.conf_int()[1]


def test_percent_of_what_the_units_in_the_sums_had() -> None:
    """Cohort 2 sells 1,000 a week; that cohorts 5 and 7 sell ten times as much is no matter of its gain of 1 %."""
    frame = borrowed_by_cohort()
    larger = frame.assign(gmv=frame["gmv"] + 9000 * (frame["first_treated"] > 2))
    found = gc.did(larger).pull_forward(window=4)
    assert found.baseline == pytest.approx(4 * 1003, rel=0.01)
    assert gc.did(larger).pull_forward(window=2).baseline > 2 * 4000


def test_nobody_seen_from_the_start_on() -> None:
    frame = leavers(0)
    nobody = frame[~((frame["first_treated"] == 8) & (frame["period"] == 8))]
    with pytest.raises(DesignError, match="in the first period from its start on"):
        gc.did(nobody).pull_forward(window=3)
