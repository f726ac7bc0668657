"""Cases small enough to do on paper: every estimator's point exactly, its standard error on the same rows repeated."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc

EXACT = {"rel": 1e-12}


def rows(values: dict[str, list[float]], first: dict[str, float], repeat: int = 1) -> pd.DataFrame:
    """One unit a name, its outcomes in periods 1, 2, ...; `repeat` makes that many copies of each unit."""
    return pd.DataFrame([
        {"unit": f"{name}{k}", "period": t, "gmv": y, "first_treated": first.get(name)}
        for name, path in values.items() for k in range(repeat) for t, y in enumerate(path, 1)
    ])  # fmt: skip


# Treated: changes 6 and 4, mean 5. Control: changes 1 and 3, mean 2. Effect 3.
TWO_BY_TWO = ({"A": [10, 16], "B": [12, 16], "C": [5, 6], "D": [7, 10]}, {"A": 2, "B": 2})


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_by_two", "twfe"])
def test_eight_rows(estimator: str) -> None:
    result = gc.did(rows(*TWO_BY_TWO), estimator=estimator)
    assert result.estimate == pytest.approx(3, **EXACT)
    assert math.isnan(result.std_error) and "2 treated and 2 control" in result.estimates.withheld


@pytest.mark.parametrize(
    ("estimator", "factor"),
    # 40 clusters, 80 rows; K = 3 (one slope, two periods) and K = 4 (four means).
    [("callaway_santanna", 1.0), ("twfe", 40 / 39 * 79 / 77), ("two_by_two", 40 / 39 * 79 / 76)],
)
def test_forty_units(estimator: str, factor: float) -> None:
    """Each side: 20 changes that lie 1 from their mean, so its mean has variance 20 / 20^2 = .05; together .1."""
    result = gc.did(rows(*TWO_BY_TWO, repeat=10), estimator=estimator)
    assert result.estimate == pytest.approx(3, **EXACT)
    assert result.std_error == pytest.approx(math.sqrt(0.1 * factor), **EXACT)
    assert result.n == 40
    assert result.fitted.clusters == (20, 20)


def test_naive() -> None:
    """Under treatment 16 twice; the other six rows sum to 50."""
    assert gc.did(rows(*TWO_BY_TWO), estimator="naive").estimate == pytest.approx(16 - 50 / 6, **EXACT)
    result = gc.did(rows(*TWO_BY_TWO, repeat=10), estimator="naive")
    rest = 50 / 6
    score = {"A": -(10 - rest) / 60, "B": -(12 - rest) / 60, "C": -(11 - 2 * rest) / 60, "D": -(17 - 2 * rest) / 60}
    assert result.std_error == pytest.approx(math.sqrt(10 * sum(s * s for s in score.values())), **EXACT)


# Cohort 2, cohort 3, never. Changes of the never treated: 1, 0.
STAGGERED = ({"A": [1, 4, 6], "B": [2, 5, 7], "C": [0, 1, 1]}, {"A": 2, "B": 3})


def test_staggered_against_the_never_treated() -> None:
    """ATT(2,2) = 3 - 1 = 2; ATT(2,3) = 5 - 1 = 4; ATT(3,3) = 2 - 0 = 2; before: B from 1 to 2: 3 - 1 = 2."""
    result = gc.did(rows(*STAGGERED))
    cells = result.att_gt().set_index(["cohort", "period"])["estimate"].to_dict()
    assert cells == pytest.approx({(2, 2): 2, (2, 3): 4, (3, 2): 2, (3, 3): 2}, **EXACT)
    # Overall (2+4+2)/3; event times: 0 -> 2, 1 -> 4; cohorts: 3, 2; periods: 2, 3.
    assert list(result.to_frame()["estimate"]) == pytest.approx([8 / 3, 3, 2.5, 2.5], **EXACT)
    event = result.event_study().set_index("event_time")["estimate"]
    assert event.to_dict() == pytest.approx({-2: -2, -1: 0, 0: 2, 1: 4}, **EXACT)


def test_staggered_against_the_not_yet_treated() -> None:
    """In period 2 the controls are B and C, whose changes are 3 and 1: ATT(2,2) = 3 - 2 = 1."""
    result = gc.did(rows(*STAGGERED), control="not_yet_treated")
    cells = result.att_gt().set_index(["cohort", "period"])["estimate"].to_dict()
    assert cells == pytest.approx({(2, 2): 1, (2, 3): 4, (3, 2): 2, (3, 3): 2}, **EXACT)


def test_cohorts_of_unequal_size_and_their_shares() -> None:
    """Thirty of cohort 2 (effect 1), ten of cohort 3 (effect 5), in three periods; no noise but the shares'."""
    paths = {"A": [0.0, 1, 1], "B": [0.0, 0, 5], "C": [0.0, 0, 0]}
    frame = pd.concat(
        [rows({"A": paths["A"]}, {"A": 2}, 30), rows({"B": paths["B"]}, {"B": 3}, 10), rows({"C": paths["C"]}, {}, 60)]
    )
    result = gc.did(frame)
    # Cells: (2,2) and (2,3) with mass .3 each, (3,3) with .1: (.3 + .3 + .5) / .7.
    assert result.estimate == pytest.approx(1.1 / 0.7, **EXACT)
    theta = 1.1 / 0.7
    # By the delta method: d theta / d p2 = (2 - 2 theta) / .7, d theta / d p3 = (5 - theta) / .7; multinomial shares.
    d2, d3 = (2 - 2 * theta) / 0.7, (5 - theta) / 0.7
    variance = (d2**2 * 0.3 + d3**2 * 0.1 - (d2 * 0.3 + d3 * 0.1) ** 2) / 100
    assert result.std_error == pytest.approx(math.sqrt(variance), **EXACT)
    assert result.by_cohort()["std_error"].abs().max() < 1e-12  # nothing is uncertain within a cohort


def test_anticipation_moves_the_base() -> None:
    """With one period of anticipation, cohort 4 is compared with period 2, before what it did in period 3."""
    frame = rows({"A": [1.0, 1, 0, 6], "C": [2.0, 2, 2, 2]}, {"A": 4})
    assert gc.did(frame).estimate == pytest.approx(6, **EXACT)
    assert gc.did(frame, anticipation=1).estimate == pytest.approx(5, **EXACT)
    event = gc.did(frame, anticipation=1).event_study().set_index("event_time")["estimate"]
    assert event.to_dict() == pytest.approx({-3: 0, -2: 0, -1: -1, 0: 5}, **EXACT)


def test_weights_count_units_as_often_as_they_say() -> None:
    """Weights 1 and 3 on the treated, 1 and 1 on the controls: (6 + 3 * 4) / 4 - 2."""
    frame = rows(*TWO_BY_TWO).assign(w=lambda f: f["unit"].map({"A0": 1.0, "B0": 3.0, "C0": 1.0, "D0": 1.0}))
    for estimator in ("callaway_santanna", "two_by_two", "twfe"):
        assert gc.did(frame, weights="w", estimator=estimator).estimate == pytest.approx(2.5, **EXACT)


def test_a_unit_seen_once_says_nothing_about_changes() -> None:
    more = pd.concat([rows(*TWO_BY_TWO), rows({"E": [100.0]}, {"E": 2})])
    for estimator in ("callaway_santanna", "twfe"):
        assert gc.did(more, estimator=estimator).estimate == pytest.approx(3, **EXACT)
    # Four means use it, as the regression on group and time does: treated before is then (10 + 12 + 100) / 3.
    assert gc.did(more, estimator="two_by_two").estimate == pytest.approx(16 - 122 / 3 - 2, **EXACT)


def stack(sent: dict[str, list[str]]) -> pd.DataFrame:
    """Two periods per campaign around its start; changes of A, B, C, D as above."""
    parts = []
    for number, (campaign, units) in enumerate(sent.items()):
        part = rows(TWO_BY_TWO[0], {})
        part["period"] += 3 * number
        part["treated"] = (part["unit"].str[0].isin(units) & (part["period"] == 2 + 3 * number)).astype(int)
        parts.append(part.assign(campaign=campaign).drop(columns="first_treated"))
    return pd.concat(parts, ignore_index=True)


def test_stacked_weighs_campaigns_by_their_information() -> None:
    """x: A and B sent, effect 5 - 2 = 3, information 2 * 2 / 4 = 1; y: A alone, 6 - 8/3, information 1 * 3 / 4."""
    result = gc.did(stack({"x": ["A", "B"], "y": ["A"]}), estimator="stacked", stack="campaign", treated="treated")
    y = 6 - 8 / 3
    assert result.estimate == pytest.approx((3 * 1 + y * 0.75) / 1.75, **EXACT)
    table = result.by_stack()
    assert list(table["stack"]) == ["x", "y"]
    assert list(table["estimate"]) == pytest.approx([3, y], **EXACT)
    assert list(table["weight"]) == pytest.approx([1 / 1.75, 0.75 / 1.75], **EXACT)
    assert list(table["treated"]) == [2, 1] and list(table["periods"]) == [2, 2]


def test_naive_means_beside_the_estimate() -> None:
    naive = gc.did(rows(*TWO_BY_TWO)).naive
    assert (naive.treated, naive.untreated, naive.before, naive.never) == pytest.approx((16, 50 / 6, 11, 7), **EXACT)
    assert (naive.never_low, naive.never_high) == pytest.approx((6, 8), **EXACT)


def test_lee_bounds() -> None:
    """Half of the controls leave after period 1; the treated are trimmed by half from above and from below."""
    frame = rows(*TWO_BY_TWO, repeat=10)
    gone = frame["unit"].str.startswith("D") & (frame["period"] == 2)
    result = gc.did(frame[~gone])
    # Staying controls all change by 1; the treated change by 4 (ten) and 6 (ten).
    assert result.estimate == pytest.approx(5 - 1, **EXACT)
    assert "lies between +3 and +5 (Lee 2009)" in result.audit["attrition"].message


def test_many_cells_have_bands_from_variances_alone() -> None:
    """Beyond a thousand cells the joint covariance is not formed; standard errors stay what they were."""
    rng = np.random.default_rng(0)
    n, periods = 400, 40
    start = rng.choice([*range(4, 34), np.inf], n, p=[*[0.6 / 30] * 30, 0.4])
    frame = pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(periods), n),
        "gmv": rng.normal(size=n * periods),
        "first_treated": np.repeat(start, periods), "place": np.repeat(rng.integers(0, 90, n), periods),
    })  # fmt: skip
    for options in ({}, {"cluster": "place"}, {"control": "not_yet_treated"}):
        result = gc.did(frame, **options)
        cells = result.fitted.series["cells"]()
        effects = result.fitted.effects
        k = len(effects.att)
        assert k > 1_000 and cells.cov.shape == (k,)
        some = np.linspace(0, k - 1, 25).astype(int)
        rows_ = np.zeros((25, k + len(effects.shares)))
        rows_[np.arange(25), some] = 1
        np.testing.assert_allclose(cells.cov[some], np.diag(effects.covariance(rows_)), rtol=1e-10)
        # Written out once more: the variance of an aggregate is the clustered sum of squares of its influence.
        for j in some[:3]:
            row = np.zeros(k + len(effects.shares))
            row[j] = 1
            influence = np.bincount(result.panel.cluster, effects.influence(row))
            assert influence @ influence == pytest.approx(cells.cov[j], rel=1e-9)
        table = result.att_gt()
        wide = (table["band_high"] - table["estimate"]) / table["std_error"]
        # Sidak over the terms that have an interval, at each term's own t on the clusters of its smaller side.
        few = np.maximum(cells.clusters, 2)
        tail = 0.5 * (1 - 0.95 ** (1 / wide.notna().sum()))
        expected = stats.t.isf(tail, few - 1) * np.sqrt(few / (few - 1))
        np.testing.assert_allclose(wide.dropna(), expected[wide.notna()], rtol=1e-9)


def test_trends_of_a_stack_count_from_each_campaign_s_start() -> None:
    """Campaign y has two periods before its start, x has one: their starts stand in the same row."""
    frame = stack({"x": ["A", "B"], "y": ["A"]})
    earlier = frame[(frame["campaign"] == "y") & (frame["treated"] == 0) & (frame["period"] == 4)]
    frame = pd.concat([frame, earlier.assign(period=3, gmv=100.0)])
    trends = gc.did(frame, estimator="stacked", stack="campaign", treated="treated").trends()
    table = trends.set_index(["cohort", "period"])
    assert set(trends["period"]) == {-2, -1, 0}
    assert table.loc[("sent", -2), "mean"] == 100 and table.loc[("sent", -2), "n"] == 1
    # At the start: A and B of x, A of y, all 16; one period before: 10, 12 and 10.
    assert table.loc[("sent", 0), "mean"] == 16 and table.loc[("sent", -1), "mean"] == pytest.approx(32 / 3, **EXACT)


def test_trends_keep_cohorts_of_one_day_apart() -> None:
    frame = rows(*STAGGERED)
    hour = pd.Timestamp("2025-11-11")
    frame["period"] = hour + pd.to_timedelta(frame["period"], unit="h")
    frame["first_treated"] = hour + pd.to_timedelta(frame["first_treated"], unit="h")
    assert gc.did(frame).trends()["cohort"].nunique() == 3
