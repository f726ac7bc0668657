"""Counts are of units and clusters that a comparison rests on, and what it leaves out for want of rows is said."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.errors import DesignError, GmvCausalWarning, InputError


def by_unit(start: Any, periods: int = 8, effect: float = 3.0, seed: int = 1, **columns: Any) -> pd.DataFrame:
    """One start for every unit; further columns by unit."""
    rng, n = np.random.default_rng(seed), len(start)
    unit, period = np.repeat(np.arange(n), periods), np.tile(np.arange(1, periods + 1), n)
    frame = pd.DataFrame({"unit": unit, "period": period, "first_treated": np.asarray(start, dtype=float)[unit]})
    for name, values in columns.items():
        frame[name] = np.asarray(values)[unit]
    frame["gmv"] = rng.normal(40, 5, n)[unit] + rng.normal(0, 3, len(unit)) + effect * (period >= frame.first_treated)
    return frame


def absent(frame: pd.DataFrame, units: Any, period: int = 4) -> pd.DataFrame:
    return frame[~(frame["unit"].isin(units) & (frame["period"] == period))]


def people(n: int = 4_000, seed: int = 1) -> pd.DataFrame:
    """Rows of people in 40 cities, of which 20 start in period 5."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"city": rng.integers(0, 40, n), "period": rng.integers(1, 9, n)})
    frame["first_treated"] = np.where(frame["city"] < 20, 5, np.nan)
    frame["gmv"] = frame["city"] + rng.normal(0, 3, n) + 6 * (frame["period"] >= frame["first_treated"])
    return frame


def same(one: Any, other: Any) -> None:
    pd.testing.assert_frame_equal(
        one.to_frame().drop(columns="n", errors="ignore"), other.to_frame().drop(columns="n", errors="ignore")
    )
    assert one.fitted.clusters == other.fitted.clusters


# --- clusters behind the cells ---------------------------------------------------------------------------------------
def test_units_absent_at_their_base_are_no_clusters() -> None:
    frame = by_unit([5] * 13 + [np.nan] * 87)
    result = gc.did(absent(frame, range(4)))
    assert result.fitted.clusters == (9, 87)
    same(result, gc.did(frame[frame["unit"] >= 4]))
    assert "placebo runs" in result.estimates.method and np.isnan(result.std_error)
    # Controls count alike: seven of twelve are absent at the base.
    few = gc.did(absent(by_unit([5] * 20 + [np.nan] * 12), range(20, 27)))
    assert few.fitted.clusters == (20, 5) and not np.isfinite(few.std_error)


def test_clusters_whose_units_are_all_absent_do_not_count() -> None:
    start = np.repeat(np.r_[np.full(12, 5.0), np.full(20, np.nan)], 4)
    frame = by_unit(start, city=np.repeat(np.arange(32), 4))
    gone = absent(frame, np.arange(12))  # cities 0 to 2 whole
    assert gc.did(gone, cluster="city").fitted.clusters == (9, 20)
    part = absent(frame, np.arange(12)[np.arange(12) % 4 > 0])  # of each of them one unit is left
    assert gc.did(part, cluster="city").fitted.clusters == (12, 20)


def test_tables_count_the_clusters_behind_each_row() -> None:
    frame = by_unit([5] * 20 + [7] * 20 + [np.nan] * 60)
    result = gc.did(absent(frame, range(12)))
    by_cohort = result.by_cohort().set_index("cohort")
    assert by_cohort.loc[5, "n"] == 8 and np.isnan(by_cohort.loc[5, "std_error"])
    assert by_cohort.loc[7, "n"] == 20 and np.isfinite(by_cohort.loc[7, "std_error"])


@pytest.mark.parametrize("options", [{"weights": "w"}, {"covariates": ["x"]}, {"estimator": "switching"}])
def test_every_path_of_the_units_counts_alike(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    frame = by_unit([5] * 13 + [np.nan] * 87, w=rng.uniform(1, 2, 100), x=rng.normal(size=100))
    assert gc.did(frame, **options).fitted.clusters == (13, 87)
    assert gc.did(absent(frame, range(4)), **options).fitted.clusters == (9, 87)


def test_triple_counts_the_fewest_of_its_four_groups() -> None:
    n = 96
    place, eligible = np.arange(n) // 4, np.arange(n) % 2
    frame = by_unit(np.where(place < 12, 5, np.nan), place=place, eligible=eligible)
    ask = {"estimator": "triple", "eligible": "eligible", "cluster": "place"}
    assert gc.did(frame, **ask).fitted.clusters == (12, 12)
    gone = np.flatnonzero((place < 4) & (eligible == 0))  # the ineligible of four treated places
    assert gc.did(absent(frame, gone), **ask).fitted.clusters == (8, 12)


def test_doses_stand_on_units_that_are_compared() -> None:
    dose = np.r_[np.zeros(150), np.full(120, 5.0), np.full(118, 10.0), np.full(12, 20.0)]
    frame = by_unit(np.where(dose > 0, 5, np.nan), face=dose)
    ask = {"estimator": "dose", "dose": "face"}
    result, alone = gc.did(absent(frame, range(391, 400)), **ask), gc.did(frame[frame["unit"] < 391], **ask)
    pd.testing.assert_frame_equal(result.by_dose(), alone.by_dose())
    last = result.by_dose().iloc[-1]
    assert last["n"] == 3 and np.isnan(last["std_error"])
    assert result.audit["dose_size"].value == 3
    # The slope, too, is weighted by them.
    many, rest = absent(frame, range(200, 250)), frame[~frame["unit"].isin(range(200, 250))]
    slopes = [gc.did(d, **ask).to_frame().set_index("term").loc["per unit of dose"] for d in (many, rest)]
    assert slopes[0]["estimate"] == pytest.approx(slopes[1]["estimate"], abs=1e-12)
    assert slopes[0]["std_error"] == pytest.approx(slopes[1]["std_error"], rel=1e-12)


def test_exposed_units_without_a_base_are_named() -> None:
    unit = np.arange(200)
    near = unit % 4 == 1
    frame = by_unit(np.where(unit % 4 == 0, 5, np.nan), exposed=np.where(near, 5.0, np.nan))
    whole = gc.did(frame, exposed="exposed")
    assert whole.fitted.spillover.lost == 0 and "lost_units" not in [c.name for c in whole.audit]
    result = gc.did(absent(frame, unit[near][4:]), exposed="exposed")
    terms = result.to_frame().set_index("term")
    assert terms.loc[["spillover", "total"], "std_error"].isna().all()
    assert "4 exposed and 100 clean clusters" in result.estimates.withheld
    assert any(note.startswith("46 exposed units enter no comparison") for note in result.manifest.notes)
    assert result.audit["lost_units"].value == pytest.approx(46 / 50) and result.audit["lost_units"].status == "failed"
    assert result.audit["attrition"].value == pytest.approx(46 / 1_600)


def test_rows_of_people_count_in_both_of_their_periods() -> None:
    frame = people()
    base = frame["period"] == 4
    cut = frame[~(base & (frame["city"] < 13))]  # before the start only seven treated cities have rows
    result = gc.did(cut, unit=None, cluster="city")
    assert result.fitted.clusters == (7, 20) and np.isnan(result.std_error)


# --- what is left out ------------------------------------------------------------------------------------------------
def test_treated_rows_in_periods_without_controls_are_named() -> None:
    frame = people()
    lone = (frame["city"] < 20) & (frame["period"] == 5)
    cut = frame[~((frame["city"] >= 20) & (frame["period"] == 5))]
    result = gc.did(cut, unit=None, cluster="city")
    assert result.fitted.lost_units == lone.sum()
    told = (
        f"there is no control row in 5: {lone.sum():,} treated rows there are left out of the effect and of its total"
    )
    assert told in result.manifest.notes
    assert f"{lone.sum():,} treated rows" in result.audit["lost_units"].message
    assert result.fitted.treated_cells == ((frame["city"] < 20) & (frame["period"] > 5)).sum()
    later = cut[cut["period"] != 5].assign(first_treated=cut["first_treated"] + 1)
    apart = gc.did(later, unit=None, cluster="city")
    assert (result.estimate, result.std_error) == pytest.approx((apart.estimate, apart.std_error), rel=1e-12)


def test_unit_periods_without_controls_are_named() -> None:
    frame = by_unit([5] * 20 + [np.nan] * 60)
    result = gc.did(absent(frame, range(20, 80), period=6))
    assert result.fitted.treated_cells == 60
    assert any("in 6: 20 treated unit-periods there are left out" in note for note in result.manifest.notes)


def test_an_empty_base_is_named() -> None:
    frame = people()
    for side, who in ((frame["city"] < 20, "row of those first treated in 5"), (frame["city"] >= 20, "control row")):
        with pytest.raises(DesignError, match=f"no {who} is seen in 4, the period from which"):
            gc.did(frame[~(side & (frame["period"] == 4))], unit=None, cluster="city")


def test_dates_of_takers_alone_are_told() -> None:
    frame = people()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.did(frame, unit=None, cluster="city")
    frame["first_treated"] = frame["first_treated"].where(np.random.default_rng(0).random(len(frame)) < 0.5)
    with pytest.warns(GmvCausalWarning, match="'first_treated' varies within 20 of 40 values of 'city'"):
        result = gc.did(frame, unit=None, cluster="city")
    assert any("it must be the start of the place" in note for note in result.manifest.notes)


# --- doses, options and words ----------------------------------------------------------------------------------------
def test_doses_that_differ_by_rounding_are_one() -> None:
    dose = np.r_[np.zeros(40), np.full(40, 5.0), np.full(40, 10.0)]
    noise = dose.copy()
    noise[100:] = 10.000000000000009
    ask = {"estimator": "dose", "dose": "face"}
    clean, result = (gc.did(by_unit(np.where(d > 0, 5, np.nan), face=d), **ask) for d in (dose, noise))
    same(result, clean)
    assert result.by_dose()["dose"].tolist() == [5.0, 10.0]
    assert any(note.startswith("1 dose that differs from another by rounding only") for note in result.manifest.notes)
    apart = np.where(noise > 10, 10.0001, noise)
    assert len(gc.did(by_unit(np.where(apart > 0, 5, np.nan), face=apart), **ask).by_dose()) == 3


def test_dose_refuses_a_factor_that_it_does_not_use() -> None:
    frame = by_unit([5] * 40 + [np.nan] * 40, face=np.r_[np.full(20, 5.0), np.full(20, 9.0), np.zeros(40)])
    with pytest.raises(InputError, match="ssc= has no meaning for estimator='dose'"):
        gc.did(frame, estimator="dose", dose="face", ssc="full")


def test_the_wild_bootstrap_of_many_clusters_is_no_handful() -> None:
    unit = np.arange(200)
    frame = by_unit(np.where(unit % 4 == 0, 5, np.nan), exposed=np.where(unit % 4 == 1, 5.0, np.nan))
    result = gc.did(frame, exposed="exposed", inference="wild")
    assert result.audit["leverage"].status == "passed"
    known = result.to_frame().set_index("term")["conf_low"].notna()
    assert known["cohort average"] and not known["spillover"] and not known["total"]
    assert result.estimates.withheld.startswith("spillover and total have none: the others have an interval")
