"""Codes and dates of first treatment that could be read two ways: read as what they are and said, or refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import campaigns, rollout

import gmvcausal as gc

PANEL = rollout(n=120, periods=20, cohorts=(8, 14), seed=0)[["unit", "period", "gmv", "first_treated"]]


def relabelled(frame: pd.DataFrame, label: Any) -> pd.DataFrame:
    def read(column: pd.Series) -> pd.Series:
        return column.map(lambda v: np.nan if v != v else label(int(v)))

    return frame.assign(period=read(frame["period"]), first_treated=read(frame["first_treated"]))


@pytest.mark.parametrize("kind", ["float64", "object", "Float64"])
def test_minus_infinity_is_not_never(kind: str) -> None:
    """A unit treated before everything is no control; read as never it would be one."""
    start = PANEL["first_treated"].where(PANEL["unit"] != 3, -np.inf).astype(kind)
    with pytest.raises(gc.InputError, match=r"first_treated holds minus infinity.*20 found.*never treated") as caught:
        gc.did(PANEL.assign(first_treated=start))
    assert caught.value.rows[0] == 60 and caught.value.column == "first_treated"
    with pytest.raises(gc.InputError, match="never must be a whole number"):
        gc.did(PANEL, never=-np.inf)


@pytest.mark.parametrize("code", [np.nan, np.inf])
def test_what_is_read_as_never_is_said(code: float) -> None:
    units = int(PANEL.groupby("unit")["first_treated"].first().isna().sum())
    result = gc.did(PANEL.assign(first_treated=PANEL["first_treated"].fillna(code)))
    note = f"{units} units count as never treated: 'first_treated' is missing or infinite there"
    assert note in result.manifest.notes and f"{units} units count as never treated" in result.summary()


def test_codes_of_never_are_counted() -> None:
    units = int(PANEL.groupby("unit")["first_treated"].first().isna().sum())
    coded = gc.did(PANEL.assign(first_treated=PANEL["first_treated"].fillna(99)), never=99)
    assert (
        f"{units} units count as never treated: they hold the code never=99 in 'first_treated'" in coded.manifest.notes
    )
    assert "no unit holds the code never=17 in 'first_treated'" in gc.did(PANEL, never=17).manifest.notes
    one = PANEL[PANEL["first_treated"] != 14]
    with pytest.raises(
        gc.DesignError, match=r"never=8 reads the .* units that hold it as never treated.*(?i:leave never=)"
    ):
        gc.did(one, never=8)


@pytest.mark.parametrize("freq", ["7D", "D", "MS", "14D"])
@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation", "poisson"])
def test_whole_numbers_that_are_days(freq: str, estimator: str) -> None:
    """20250505 and 20250602 are four weeks apart, not 97 periods."""
    days = pd.date_range("2025-04-20" if freq != "MS" else "2025-04-01", periods=40, freq=freq)
    plain = gc.did(PANEL, anticipation=1, estimator=estimator)
    numbers = gc.did(
        relabelled(PANEL, lambda v: float(days[v].strftime("%Y%m%d"))), anticipation=1, estimator=estimator
    )
    assert numbers.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert numbers.std_error == pytest.approx(plain.std_error, rel=1e-12)
    assert list(numbers.event_study()["event_time"]) == list(plain.event_study()["event_time"])
    assert any("was read as days (YYYYMMDD)" in note for note in numbers.manifest.notes)
    assert numbers.audit["period_gaps"].status == "passed"


def test_days_in_numbers_keep_their_rules() -> None:
    days = pd.date_range("2025-04-07", periods=60, freq="7D")
    frame = relabelled(PANEL, lambda v: int(days[v].strftime("%Y%m%d")))
    late = frame["first_treated"].fillna(int(days[24].strftime("%Y%m%d")))
    assert gc.did(frame.assign(first_treated=late)).estimate == pytest.approx(gc.did(PANEL).estimate, rel=1e-12)
    for wrong in (20250532, 20250507):  # no day at all, and no Monday
        start = frame["first_treated"].where(frame["unit"] != 3, wrong)
        with pytest.raises(gc.InputError, match=f"between two periods for 1 units, for example {wrong}"):
            gc.did(frame.assign(first_treated=start))
    for code in (99991231, 9999, -1):
        with pytest.raises(gc.InputError, match=f"holds {code}.*code for 'never treated'"):
            gc.did(frame.assign(first_treated=frame["first_treated"].fillna(code)))
    # Numbers of that size that are no days stay numbers.
    plain = relabelled(PANEL, lambda v: 20250360 + v)
    assert list(gc.did(plain).event_study()["event_time"]) == list(gc.did(PANEL).event_study()["event_time"])


def by_room(column: str = "room") -> pd.DataFrame:
    """Campaigns sent to whole rooms of two units."""
    frame = campaigns(n=90)
    frame[column] = frame["unit"] // 2
    first = frame.groupby("campaign")["period"].transform("min") + 4
    sent = frame[column] % 3 == frame["campaign"].map({"c0": 0, "c1": 1, "c2": 2})
    return frame.assign(treated=(sent & (frame["period"] >= first)).astype(int))


STACKED: dict[str, Any] = {"estimator": "stacked", "stack": "campaign", "treated": "treated"}


def test_a_stack_is_clustered_where_its_campaigns_were_assigned() -> None:
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'"):
        found = gc.did(by_room(), **STACKED)
    assert found.panel.cluster_name == "room"
    assert found.std_error == gc.did(by_room(), cluster="room", **STACKED).std_error
    with warnings.catch_warnings():
        warnings.simplefilter("error", gc.GmvCausalWarning)
        assert gc.did(campaigns(n=90).assign(room=lambda f: f["unit"] // 2), **STACKED).panel.cluster_name == "unit"
        assert gc.did(by_room(), cluster="unit", **STACKED).panel.cluster_name == "unit"


def test_a_stack_is_audited_for_its_clusters() -> None:
    level = gc.did(by_room("squad"), **STACKED).audit["cluster_level"]
    assert level.status == "warned" and "'squad'" in level.message
    frame = by_room("squad")
    for city in (frame["campaign"], frame["period"] % 2):
        moving = frame.assign(city=np.where(frame["unit"] < 4, city, "x"))
        check = gc.did(moving, cluster="unit", **STACKED).audit
        assert "id_reuse" not in check  # with a cluster named nobody looked
        assert gc.did(moving, **STACKED).audit["id_reuse"].message == "there are 4 units under more than one 'city'"
