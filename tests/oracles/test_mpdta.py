"""Minimum wages and teen employment (R did's mpdta): published numbers, points and standard errors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.group_time import aggregate

ORACLE = json.loads((Path(__file__).parent / "mpdta.json").read_text(encoding="utf-8"))
COLUMNS = {"outcome": "lemp", "unit": "countyreal", "time": "year", "first_treated": "first.treat"}
# Rounding only: two programs that do the same sums in another order.
EXACT = {"rtol": 1e-10, "atol": 1e-13}


@pytest.fixture(scope="module")
def mpdta(data_dir: Path) -> pd.DataFrame:
    file = data_dir / "mpdta.csv"
    if not file.is_file():
        pytest.skip(f"no {file.name} in {data_dir}")  # the file may not be shipped with the project
    return pd.read_csv(file)


def did(frame: pd.DataFrame, **options: Any) -> Any:
    return gc.did(frame, **COLUMNS, **options)


def series(result: Any, parts: aggregate.Aggregates) -> tuple[np.ndarray, np.ndarray]:
    return parts.estimate, np.sqrt(np.diag(result.fitted.effects.covariance(parts.rows)))


def check_cells(result: Any, expected: list[list[float]]) -> None:
    """Every ATT(g, t) and its standard error, withheld or not (cohort 2004 has 20 counties, so none is withheld)."""
    effects, labels = result.fitted.effects, result.panel.grid.values
    estimate, se = effects.att, np.sqrt(np.diag(result.fitted.series["cells"]().cov))
    found = {
        (labels[effects.cells.starts[g]], labels[t]): (estimate[k], se[k])
        for k, (g, t) in enumerate(zip(effects.cells.cohort, effects.cells.period, strict=True))
    }
    for cohort, period, point, error in expected:
        np.testing.assert_allclose(found[(cohort, period)], (point, error), **EXACT)


def check_overall(result: Any, expected: dict[str, Any]) -> None:
    frame = result.to_frame().set_index("term")
    names = {
        "simple": "overall", "dynamic": "event-time average", "group": "cohort average", "calendar": "period average",
    }  # fmt: skip
    for key, term in names.items():
        found = frame.loc[term, ["estimate", "std_error"]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected[key]["overall"], **EXACT, err_msg=key)


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_group_time_effects_and_aggregates(mpdta: pd.DataFrame, control: str) -> None:
    expected = ORACLE[control]
    result = did(mpdta, control=control)
    assert len(result.att_gt()) == len(expected["att_gt"]) == 12
    check_cells(result, expected["att_gt"])
    check_overall(result, expected)
    assert (result.estimate, result.std_error) == pytest.approx(expected["simple"]["overall"], rel=1e-10)


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_parts_of_the_aggregates(mpdta: pd.DataFrame, control: str) -> None:
    """By event time on the varying base (the public event study is on the universal one), by cohort, by period."""
    expected = ORACLE[control]
    result = did(mpdta, control=control)
    effects = result.fitted.effects
    makers = {"dynamic": aggregate.by_event, "group": aggregate.by_cohort, "calendar": aggregate.by_period}
    for key, make in makers.items():
        parts = make(effects)
        estimate, se = series(result, parts)
        years = result.panel.grid.values
        at = parts.at if key == "dynamic" else years[effects.cells.starts[parts.at] if key == "group" else parts.at]
        reference = np.array(expected[key]["parts"])
        np.testing.assert_array_equal(at, reference[:, 0])
        np.testing.assert_allclose(estimate, reference[:, 1], **EXACT)
        np.testing.assert_allclose(se, reference[:, 2], **EXACT)


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_public_tables(mpdta: pd.DataFrame, control: str) -> None:
    expected = ORACLE[control]
    result = did(mpdta, control=control)
    for frame, key in ((result.by_cohort(), "group"), (result.by_period(), "calendar")):
        found = frame[["cohort" if key == "group" else "period", "estimate", "std_error"]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected[key]["parts"], **EXACT)
    event = result.event_study().set_index("event_time")
    after = np.array([row for row in expected["dynamic"]["parts"] if row[0] >= 0])
    np.testing.assert_allclose(event.loc[0:, ["estimate", "std_error"]], after[:, 1:], **EXACT)
    # The base has its row, zero without an interval.
    assert event.loc[-1, "estimate"] == 0 and math.isnan(event.loc[-1, "std_error"])


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_universal_base_is_the_running_sum_of_the_varying_one(mpdta: pd.DataFrame, control: str) -> None:
    """Before treatment, effects on the base g-1 are minus the sum of the period-to-period ones that follow.

    Only with never-treated controls: not-yet-treated controls differ from cell to cell.
    """
    varying = did(mpdta, control=control).att_gt().set_index(["cohort", "period"])["estimate"]
    universal = (
        did(mpdta, control=control, base_period="universal").att_gt().set_index(["cohort", "period"])["estimate"]
    )
    post = [key for key in varying.index if key[1] >= key[0]]
    np.testing.assert_allclose(varying.loc[post], universal.loc[post], **EXACT)
    if control == "never_treated":
        assert universal[(2007, 2003)] == pytest.approx(
            -varying[(2007, 2004)] - varying[(2007, 2005)] - varying[(2007, 2006)]
        )
        assert universal[(2007, 2005)] == pytest.approx(-varying[(2007, 2006)])


@pytest.mark.parametrize(
    ("case", "options"),
    [
        ("anticipation_never", {"anticipation": 1}),
        ("anticipation_not_yet", {"anticipation": 1, "control": "not_yet_treated"}),
        ("without_2005_never", {}),
        ("without_2005_not_yet", {"control": "not_yet_treated"}),
        ("no_never_treated", {"control": "not_yet_treated"}),
        ("no_never_treated", {}),
    ],
)
def test_anticipation_gaps_and_no_never_treated(mpdta: pd.DataFrame, case: str, options: dict[str, Any]) -> None:
    frame = mpdta
    if case.startswith("without_2005"):
        frame = frame[frame["year"] != 2005]
    if case == "no_never_treated":
        frame = frame[frame["first.treat"] > 0]
    result = did(frame, **options)
    expected = ORACLE[case]
    check_cells(result, expected["att_gt"])
    check_overall(result, expected)


def test_unbalanced_route_gives_the_same_on_the_balanced_panel(mpdta: pd.DataFrame) -> None:
    """Weights of one take the route from units; so does one absent cell of a unit that is left out."""
    for control in ("never_treated", "not_yet_treated"):
        result = did(mpdta.assign(one=1.0), weights="one", control=control)
        check_cells(result, ORACLE[control]["att_gt"])
        check_overall(result, ORACLE[control])


def test_clusters_above_the_county(mpdta: pd.DataFrame) -> None:
    """diff-diff multiplies the variance by G/(G-1), G = 29 states; this library documents that it does not."""
    result = did(mpdta.assign(state=mpdta["countyreal"] // 1000), cluster="state")
    estimate, se = ORACLE["clustered_by_state"]
    assert result.estimate == pytest.approx(estimate, rel=1e-10)
    assert result.std_error * math.sqrt(29 / 28) == pytest.approx(se, rel=1e-10)
    assert (result.fitted.influence() ** 2).sum() != pytest.approx(result.std_error**2, rel=1e-3)
    assert (result.cluster_influence() ** 2).sum() == pytest.approx(result.std_error**2, rel=1e-12)


def test_two_way_fixed_effects(mpdta: pd.DataFrame) -> None:
    result = did(mpdta, estimator="twfe")
    assert result.estimate == pytest.approx(ORACLE["twfe"][0], rel=1e-8)
    assert result.std_error == pytest.approx(ORACLE["twfe"][1], rel=1e-8)
    assert result.audit["forbidden_comparisons"].status == "failed"
