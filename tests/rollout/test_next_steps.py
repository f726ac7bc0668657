"""Messages that are followed to the letter must lead on: no circle, no wrong column, no destroyed design."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def panel(units: int = 120, periods: int = 8, seed: int = 1) -> pd.DataFrame:
    """Half of the units are treated from period 5 on, for three periods where `treated` says so."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"unit": np.repeat(np.arange(units), periods)})
    data["period"] = np.tile(np.arange(1, periods + 1), units)
    data["first_treated"] = np.where(data["unit"] % 2 == 0, 4.0 + data["unit"] % 3, np.nan)
    on = (data["period"] >= data["first_treated"]) & (data["period"] < data["first_treated"] + 2)
    data["treated"] = on.astype(int)
    data["gmv"] = 10 + rng.normal(0, 1, len(data)) + 2 * (data["period"] >= data["first_treated"])
    return data


# --- triple differences -----------------------------------------------------------------------------------------------
def places(seed: int = 1) -> pd.DataFrame:
    data = panel(seed=seed)
    data["place"] = data["unit"] % 30
    data["first_treated"] = np.where(data["place"] < 15, 5.0, np.nan)
    data["new"] = (data["unit"] // 30 % 2).astype(float)
    return data


def triple(data: pd.DataFrame, **more: Any) -> Any:
    return gc.did(data, estimator="triple", eligible="new", cluster="place", **more)


@pytest.mark.parametrize("values", ["gaps", "codes"])
def test_eligible_is_recoded_by_whom_the_tactic_is_meant_for(values: str) -> None:
    data = places()
    whole = triple(data).estimate
    if values == "gaps":
        data.loc[data["unit"] == 3, "new"] = np.nan
    else:
        data["new"] += 1
    with pytest.raises(
        gc.InputError, match=r"1 for whom the tactic is meant.*in treated and untreated places alike"
    ) as e:
        triple(data)
    assert e.value.column == "new"
    assert not any(word in str(e.value) for word in ("not treated", "tactic is on"))
    data["new"] = places()["new"]  # as the remedy says
    assert triple(data).estimate == whole


def test_the_users_own_column_is_named_where_a_kind_is_lacking() -> None:
    data = places()
    data = data[(data["place"] >= 15) | (data["new"] == 1)]
    with pytest.raises(gc.DesignError, match="no treated place holds both") as e:
        triple(data)
    assert e.value.column == "new"
    data = places()
    data = data[(data["place"] < 15) | (data["new"] == 1)]
    with pytest.raises(gc.DesignError, match="of the untreated places") as e:
        triple(data)
    assert e.value.column == "new"


def test_a_column_of_the_design_is_no_segment() -> None:
    with pytest.raises(gc.InputError, match="column of the design itself"):
        triple(places()).by("new")


def test_places_that_start_after_the_end_are_told_once_and_one_way() -> None:
    data = places()
    data.loc[data["place"] > 25, "first_treated"] = 9.0
    notes = triple(data).manifest.notes
    assert any("are first treated after the last period" in n for n in notes)
    assert any("are left out" in n for n in notes)
    assert not any("count as untreated" in n for n in notes)


# --- tactics that switch ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("estimator", ["switching", "twfe"])
@pytest.mark.parametrize("ask", ["placebo", "leave_one_out", "robustness"])
def test_what_a_switching_tactic_is_told_leads_on(estimator: str, ask: str) -> None:
    data = panel(24)
    result = gc.did(data, treated="treated", estimator=estimator)
    with pytest.raises(gc.DesignError, match="first start of each unit as first_treated=") as e:
        getattr(result, ask)()
    assert "use estimator=" not in str(e.value)
    starts = data[data["treated"] == 1].groupby("unit")["period"].min()
    other = gc.did(data.assign(first_treated=data["unit"].map(starts)), estimator="twfe")
    assert getattr(other, ask)(progress=False) is not None


@pytest.mark.parametrize("estimator", ["switching", "callaway_santanna"])
def test_a_column_treated_is_named_for_what_it_is(estimator: str) -> None:
    with pytest.raises(gc.InputError, match=r"[Pp]ass treated='treated'"):
        gc.did(panel(24).drop(columns="first_treated"), estimator=estimator)
    with pytest.raises(gc.InputError, match=r"[Dd]id you mean 'first_treat'"):
        gc.did(panel(24).rename(columns={"first_treated": "first_treat"}))


def test_campaigns_are_asked_one_by_one() -> None:
    one = panel(24).drop(columns="first_treated")
    one["treated"] = ((one["period"] >= 5) & (one["unit"] % 2 == 0)).astype(int)
    stack = pd.concat([one.assign(stack=s) for s in ("a", "b")])
    with pytest.raises(gc.DesignError, match="rows of one campaign"):
        gc.did(stack, treated="treated", stack="stack", estimator="stacked").leave_one_out()
    rows = stack[stack["stack"] == "a"]
    assert gc.did(rows, treated="treated").leave_one_out(progress=False) is not None


# --- repeated cross-sections ------------------------------------------------------------------------------------------
def test_rows_are_called_rows_where_nobody_is_seen_twice(tmp_path: Any) -> None:
    data = panel()
    data["city"] = data["unit"] % 40
    data["first_treated"] = np.where(data["city"] % 2 == 0, 5.0, np.nan)
    result = gc.did(data.drop(columns="unit"), unit=None, cluster="city")
    text = " ".join(result.summary().split())
    assert f"{int(data['first_treated'].isna().sum()):,} rows count as never treated" in text
    assert re.search(r"\bn +\d+ rows\b", text) and " units count" not in text
    page = gc.report(result, tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"\b960 rows\b", page)
    reasons = result.robustness(progress=False).not_estimated().set_index("spec")["reason"]
    for name in ("sun abraham", "imputation", "etwfe"):
        assert "nobody is seen twice" in reasons[f"estimator {name}"]
    assert "estimator two by two" not in reasons or "nobody" not in reasons["estimator two by two"]


# --- codes, names, counts ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [True, False])
def test_a_far_date_is_offered_as_it_can_be_pasted(text: bool) -> None:
    data = panel(24)
    day = pd.Timestamp("2025-01-01")
    data["first_treated"] = (day + pd.to_timedelta(data["first_treated"], unit="D")).fillna(pd.Timestamp("2199-12-31"))
    data["period"] = day + pd.to_timedelta(data["period"], unit="D")
    if text:
        data["first_treated"] = data["first_treated"].dt.strftime("%Y-%m-%d")
    with pytest.raises(gc.InputError, match="never='2199-12-31'"):
        gc.did(data)
    assert gc.did(data, never="2199-12-31").n == gc.did(panel(24)).n


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_columns_are_named_for_their_role(kind: str, tmp_path: Any) -> None:
    data: Any = panel(24)
    result = gc.did(data)
    if kind == "parquet":
        data.to_parquet(tmp_path / "panel.parquet")
        data = str(tmp_path / "panel.parquet")
        result = gc.did(data)
    with pytest.raises(gc.InputError, match="which was named for exposed"):
        gc.did(data, exposed="reached")
    with pytest.raises(gc.InputError, match="which was named for segment"):
        result.by("tier")
    with pytest.raises(gc.InputError, match="which was named for promotion"):
        result.robustness(promotion="sale")


def test_partitions_of_folders_are_columns(tmp_path: Any) -> None:
    data = panel()
    data["city"] = data["unit"] % 40
    data["first_treated"] = np.where(data["city"] % 2 == 0, 5.0, np.nan)
    for city, rows in data.groupby("city"):
        (tmp_path / f"city={city}").mkdir()
        rows.drop(columns="city").to_parquet(tmp_path / f"city={city}" / "part.parquet")
    with pytest.warns(gc.GmvCausalWarning, match="city"):
        one = gc.did(data)
    for path in (tmp_path, f"{tmp_path}/*/*.parquet"):
        with pytest.warns(gc.GmvCausalWarning, match="city"):
            other = gc.did(path)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-12)


def test_one_dose_is_not_merged_with_neighbours() -> None:
    data = panel(60)
    data["face"] = np.where(data["unit"] < 5, 10.0, 0.0)
    data["first_treated"] = np.where(data["face"] > 0, 5.0, np.nan)
    check = gc.did(data, estimator="dose", dose="face").audit["dose_size"]
    assert check.remedy == "give it to more units" and "of 1 dose " in check.message
