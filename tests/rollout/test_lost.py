"""Treated units that no comparison reaches are counted and named."""

from __future__ import annotations

import numpy as np
import pytest
from panels import rollout

import gmvcausal as gc


def test_a_cohort_whose_controls_are_absent_at_its_base_is_named() -> None:
    frame = rollout(n=200)
    never = frame["first_treated"].isna()
    cut = frame[~(never & (frame["period"] == 2))]  # the base of cohort 3
    result = gc.did(cut, base_period="universal")
    units = frame.loc[frame["first_treated"] == 3, "unit"].nunique()
    assert result.fitted.lost_units == units
    note = next(n for n in result.manifest.notes if "enter no comparison" in n)
    assert note.startswith(f"the {units} units first treated in 3 ")
    treated = frame.loc[frame["first_treated"].notna(), "unit"].nunique()
    assert result.audit["lost_units"].value == pytest.approx(units / treated)
    alone = gc.did(frame[frame["first_treated"] != 3])
    assert np.isclose(result.estimate, alone.estimate)


def test_units_absent_at_their_base_are_counted() -> None:
    frame = rollout(n=200)
    some = frame.loc[frame["first_treated"] == 3, "unit"].unique()[:4]
    for period in ((2,), (3, 4, 5, 6)):  # the base, or everything after
        result = gc.did(frame[~(frame["unit"].isin(some) & frame["period"].isin(period))])
        assert result.fitted.lost_units == 4
        assert any(n.startswith("4 treated units enter no comparison") for n in result.manifest.notes)


def test_nothing_is_lost_where_nothing_is_absent() -> None:
    for options in ({}, {"weights": "w"}, {"control": "not_yet_treated"}):
        result = gc.did(rollout(), **options)
        assert result.fitted.lost_units == 0 and not any("comparison" in n for n in result.manifest.notes)
