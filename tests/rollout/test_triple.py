"""Triple differences: by hand, against a saturated regression and a second implementation, relations, coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc

CALL: dict[str, Any] = {"estimator": "triple", "eligible": "eligible", "cluster": "town"}
ROUNDING = {"rtol": 1e-9, "atol": 1e-9}


def towns(
    n: int = 48, per: int = 6, periods: int = 6, cohorts: tuple[int, ...] = (3, 5), never: float = 0.4, seed: int = 0,
    effect: float = 2.0, shock: float = 0.5, own: float = 0.3,
) -> pd.DataFrame:  # fmt: skip
    """Towns that start at different times, with eligible and ineligible members that drift apart alike everywhere.

    Towns drift on their own as well, the treated ones upwards, so that no double difference is right.
    """
    rng = np.random.default_rng(seed)
    start = rng.choice([*cohorts, np.inf], n, p=[*[(1 - never) / len(cohorts)] * len(cohorts), never])
    start[: 2 * len(cohorts) + 2] = np.tile([*cohorts, np.inf if never else cohorts[0]], 2)
    town, t = np.repeat(np.arange(n), per), np.arange(1, periods + 1)
    eligible = rng.random(n * per) < 0.5
    eligible[::per], eligible[1::per] = True, False
    drift = rng.normal(0, shock, (n, periods)) + np.isfinite(start)[:, None] * 0.8 * t
    lead = rng.normal(0, own, (n, periods)) + 0.4 * t
    y = 20 + rng.normal(0, 3, n * per)[:, None] + drift[town] + eligible[:, None] * lead[town]
    y += rng.normal(0, 1, y.shape) + effect * (eligible[:, None] & (t >= start[town][:, None]))
    first = np.where(np.isfinite(start), start, np.nan)
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n * per), periods), "period": np.tile(t, n * per), "gmv": y.ravel(),
        "first_treated": np.repeat(first[town], periods), "town": np.repeat(town, periods),
        "eligible": np.repeat(eligible.astype(int), periods),
        "w": np.repeat(rng.uniform(0.5, 2.0, n * per), periods),
    })  # fmt: skip


FULL = towns()
HOLES = FULL[np.random.default_rng(1).random(len(FULL)) > 0.1].reset_index(drop=True)


def numbers(result: Any) -> pd.DataFrame:
    columns = ["estimate", "std_error", "conf_low"]
    tables = [result.to_frame(), result.event_study(), result.att_gt(), result.by_cohort(), result.by_period()]
    return pd.concat([t[columns] for t in tables], ignore_index=True)


# --- points and standard errors --------------------------------------------------------------------------------------
def test_by_hand() -> None:
    """Eight units, two periods: (4 - 1) - (2 - 1.5) = 2.5; each group of two brings half its squared distance."""
    #        treated, eligible  ineligible  untreated, eligible  ineligible
    change = [3.0, 5.0, 1.0, 1.0, 2.0, 2.0, 1.0, 2.0]
    rows = [
        {"unit": u, "period": t, "gmv": 10.0 * u + t * change[u], "first_treated": 1 if u < 4 else None,
         "eligible": int(u % 4 < 2)}
        for u in range(8) for t in (0, 1)
    ]  # fmt: skip
    result = gc.did(pd.DataFrame(rows), estimator="triple", eligible="eligible")
    assert result.estimate == pytest.approx(2.5, abs=1e-12)
    squares = [2 * (1 / 2) ** 2, 0.0, 0.0, 2 * (0.5 / 2) ** 2]
    assert float((result.cluster_influence() ** 2).sum()) == pytest.approx(sum(squares), abs=1e-12)
    assert math.isnan(result.std_error), "eight units are too few for a standard error"
    assert result.baseline == pytest.approx(5.0)  # the eligible of treated places alone: units 0 and 1 in period 0


@pytest.mark.parametrize("cluster", ["unit", "town"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_saturated_three_way_regression(cluster: str, weights: str | None) -> None:
    """Two periods, one start: the coefficient of treated x eligible x after, clustered, without factors."""
    frame = towns(periods=2, cohorts=(2,), seed=3)
    result = gc.did(frame, **{**CALL, "cluster": cluster}, weights=weights)
    d, e, a = (x.to_numpy(float) for x in (frame["first_treated"].notna(), frame["eligible"], frame["period"] == 2))
    x = np.column_stack([np.ones(len(frame)), d, e, a, d * e, d * a, e * a, d * e * a])
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy()
    inverse = np.linalg.inv(x.T @ (w[:, None] * x))
    beta = inverse @ (x.T @ (w * frame["gmv"].to_numpy()))
    score = (w * (frame["gmv"].to_numpy() - x @ beta))[:, None] * x
    sums = pd.DataFrame(score).groupby(frame[cluster].to_numpy()).sum().to_numpy()
    error = math.sqrt((inverse @ sums.T @ sums @ inverse)[-1, -1])
    assert result.estimate == pytest.approx(beta[-1], abs=1e-8)
    # Cohort shares are the same number with one cohort, so they add nothing.
    assert result.std_error == pytest.approx(error, abs=1e-8)


def second(frame: pd.DataFrame, cluster: str, weights: str | None) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """Every triple difference on the universal base, unit by unit, and its clustered standard error."""
    wide = frame.pivot(index="unit", columns="period", values="gmv")
    one = frame.groupby("unit").first().loc[wide.index]
    w = np.ones(len(one)) if weights is None else one[weights].to_numpy()
    start, eligible = one["first_treated"].to_numpy(), one["eligible"].to_numpy() == 1
    points, errors, keys = [], [], []
    for g in sorted(set(start[~np.isnan(start)])):
        for t in wide.columns:
            if t == g - 1:
                continue
            change = (wide[t] - wide[g - 1]).to_numpy()
            seen = ~np.isnan(change)
            total, influence = 0.0, np.zeros(len(one))
            for sign, side in (
                (1, (start == g) & eligible), (-1, (start == g) & ~eligible),
                (-1, np.isnan(start) & eligible), (1, np.isnan(start) & ~eligible),
            ):  # fmt: skip
                rows = side & seen
                mean = np.average(change[rows], weights=w[rows])
                total += sign * mean
                influence[rows] += sign * w[rows] * (change[rows] - mean) / w[rows].sum()
            labels = np.arange(len(one)) if cluster == "unit" else one[cluster].to_numpy()
            points.append(total)
            errors.append(math.sqrt((np.bincount(labels, influence) ** 2).sum()))
            keys.append((g, t))
    return np.array(points), np.array(errors), keys


@pytest.mark.parametrize("cluster", ["unit", "town"])
@pytest.mark.parametrize(("frame", "weights"), [(FULL, None), (FULL, "w"), (HOLES, None), (HOLES, "w")])
def test_second_implementation(frame: pd.DataFrame, weights: str | None, cluster: str) -> None:
    table = gc.did(frame, **{**CALL, "cluster": cluster}, weights=weights, base_period="universal").att_gt()
    points, errors, keys = second(frame, cluster, weights)
    assert list(zip(table["cohort"], table["period"], strict=True)) == keys
    np.testing.assert_allclose(table["estimate"], points, rtol=0, atol=1e-10)
    np.testing.assert_allclose(table["std_error"], errors, rtol=0, atol=1e-10)


def test_it_is_the_difference_of_two_double_differences() -> None:
    result = gc.did(FULL, **CALL)
    sides = [gc.did(FULL[FULL["eligible"] == k], cluster="town").att_gt()["estimate"] for k in (1, 0)]
    np.testing.assert_allclose(result.att_gt()["estimate"], sides[0].to_numpy() - sides[1].to_numpy(), **ROUNDING)
    check = result.audit["ineligible_moved"]
    own = gc.did(FULL[FULL["eligible"] == 1], cluster="town")
    # The aggregate among the ineligible by the eligible's weights is what the two differ by.
    assert f"{own.estimate - result.estimate:+.4g}" in check.message
    assert check.status == "warned"


def test_places_that_hold_both_kinds_are_counted_by_their_start() -> None:
    """Degrees of freedom are those of treated beside untreated places: between the fewer of them and all."""
    frame = towns(n=50, cohorts=(4,), seed=12)
    treated = frame.groupby("town")["first_treated"].first().notna()
    for weights in (None, "w"):
        df = float(gc.did(frame, **CALL, weights=weights).estimates.t.df[0])
        assert min(treated.sum(), (~treated).sum()) / 2 < df <= 48


def test_units_and_moments_give_the_same() -> None:
    for cluster in ("unit", "town"):
        call = {**CALL, "cluster": cluster}
        by_units = numbers(gc.did(FULL.assign(one=3.0), **call, weights="one"))
        np.testing.assert_allclose(by_units, numbers(gc.did(FULL, **call)), **ROUNDING)


# --- relations -------------------------------------------------------------------------------------------------------
def test_drifts_of_cohorts_and_of_the_eligible_drop_out() -> None:
    """What moves all places of a cohort, or all eligible units everywhere, changes nothing: that is what it is for."""
    rng = np.random.default_rng(2)
    cohort, kind = rng.normal(0, 50, (6, 7)), rng.normal(0, 50, (2, 7))
    which = FULL["first_treated"].fillna(0).astype(int)
    moved = FULL.assign(gmv=FULL["gmv"] + cohort[which, FULL["period"]] + kind[FULL["eligible"], FULL["period"]])
    for cluster in ("unit", "town"):
        call = {**CALL, "cluster": cluster}
        same = numbers(gc.did(moved, **call))["estimate"]
        np.testing.assert_allclose(numbers(gc.did(FULL, **call))["estimate"], same, rtol=0, atol=1e-9)


@pytest.mark.parametrize("frame", [FULL, HOLES], ids=["whole", "holes"])
def test_relations(frame: pd.DataFrame) -> None:
    plain = numbers(gc.did(frame, **CALL))
    mixed = frame.sample(frac=1, random_state=1)
    np.testing.assert_allclose(numbers(gc.did(mixed, **CALL)), plain, **ROUNDING)
    named = frame.assign(unit="u" + frame["unit"].astype(str), town="t" + (100 - frame["town"]).astype(str))
    np.testing.assert_allclose(numbers(gc.did(named, **CALL)), plain, **ROUNDING)
    np.testing.assert_allclose(numbers(gc.did(frame.assign(gmv=100 * frame["gmv"]), **CALL)), 100 * plain, **ROUNDING)
    np.testing.assert_allclose(
        numbers(gc.did(frame.assign(gmv=frame["gmv"] + 1e7), **CALL)), plain, atol=2e-7, rtol=1e-6
    )
    turned = numbers(gc.did(frame.assign(eligible=1 - frame["eligible"]), **CALL))
    cells = slice(len(plain) - 2 - 4 - len(gc.did(frame, **CALL).att_gt()), len(plain) - 2 - 4)
    np.testing.assert_allclose(turned["estimate"][cells], -plain["estimate"][cells], **ROUNDING)


def test_whole_weights_are_copies() -> None:
    twice = FULL.assign(w=1.0 + (FULL["unit"] % 3 == 0))
    copies = pd.concat([twice, twice[twice["w"] == 2].assign(unit=lambda f: f["unit"] + 10_000)], ignore_index=True)
    weighted, copied = gc.did(twice, **CALL, weights="w"), gc.did(copies, **CALL)
    np.testing.assert_allclose(
        weighted.to_frame()[["estimate", "std_error"]], copied.to_frame()[["estimate", "std_error"]], **ROUNDING
    )


# --- what it is right about ------------------------------------------------------------------------------------------
def test_coverage_where_double_differences_fail() -> None:
    """Treated towns drift by .8 a period and the eligible by .4: 2 yuan are found, and the interval holds its level."""
    runs, held, double, points = 160, 0, 0, []
    for seed in range(runs):
        frame = towns(n=40, per=4, periods=4, cohorts=(3,), seed=1000 + seed)
        result = gc.did(frame, **CALL)
        low, high = result.conf_int()
        held += low <= 2.0 <= high
        points.append(result.estimate)
        low, high = gc.did(frame[frame["eligible"] == 1], cluster="town").conf_int()
        double += low <= 2.0 <= high
    assert 0.90 <= held / runs <= 0.99
    assert double / runs < 0.5
    assert np.mean(points) == pytest.approx(2.0, abs=3 * np.std(points) / math.sqrt(runs))


def test_places_not_yet_treated_are_not_pooled() -> None:
    """Cohorts whose towns are made up differently: pooling them would be wrong, one comparison group is not."""
    rows = []
    rng = np.random.default_rng(0)
    for town in range(60):
        start = (3.0, 5.0, np.nan)[town % 3]
        share = (0.5, 0.9, 0.2)[town % 3]  # of eligible members
        drift = (0.0, 5.0, 0.0)[town % 3]  # of towns, alike for both kinds of member
        for member in range(20):
            for t in range(1, 5):
                y = drift * t + rng.normal(0, 0.1) + 1.0 * (member < 20 * share and t >= start)
                rows.append((20 * town + member, t, y, start, town, int(member < 20 * share)))
    frame = pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated", "town", "eligible"])
    result = gc.did(frame, **CALL)
    assert result.estimate == pytest.approx(1.0, abs=0.05)
    assert any("400 units that start after the last period" in note for note in result.manifest.notes)
    longer = frame.assign(first_treated=frame["first_treated"].replace(5.0, 4.0))
    effect = gc.did(longer, **CALL).by_cohort()["estimate"]
    assert effect[0] == pytest.approx(1.0, abs=0.05), "a cohort that starts within the data is no control either"
    wide = frame.assign(pool=frame["first_treated"] != 3).groupby(["pool", "eligible", "period"])["gmv"].mean()
    change = wide.xs(3, level="period") - wide.xs(2, level="period")
    pooled = change[False, 1] - change[False, 0] - change[True, 1] + change[True, 0]
    assert abs(pooled - 1.0) > 1.0
    with pytest.raises(gc.InputError, match="control= has no meaning for estimator='triple'"):
        gc.did(frame, **CALL, control="not_yet_treated")


def test_without_untreated_places_the_last_cohort_is_the_control() -> None:
    frame = towns(never=0.0, cohorts=(3, 5), seed=4)
    result = gc.did(frame, **CALL)
    early = frame[frame["period"] < 5]
    other = gc.did(early.assign(first_treated=early["first_treated"].where(early["first_treated"] < 5)), **CALL)
    np.testing.assert_allclose(numbers(result), numbers(other), **ROUNDING)
    assert any("first treated last, in 5, serves as control" in note for note in result.manifest.notes)
    assert result.audit["never_treated"].status == "warned"


def test_few_treated_places() -> None:
    """Four towns of sixty, one row of each kind a town: placebo runs over towns; uneven towns are refused one."""
    many = towns(n=70, cohorts=(5,), never=0.6, seed=5)
    treated = many.loc[many["first_treated"].notna(), "town"].unique()
    few = many[~many["town"].isin(treated[4:])]
    means = few.groupby(["town", "period", "eligible"], as_index=False).agg(
        gmv=("gmv", "mean"), first_treated=("first_treated", "first")
    )
    result = gc.did(means.assign(unit=2 * means["town"] + means["eligible"]), **CALL)
    assert math.isnan(result.std_error)
    assert "placebo runs" in result.estimates.method
    assert np.isfinite(result.conf_int()).all()
    assert result.audit["pre_trend_slope"].status != "not_run"
    mixed = gc.did(few, **CALL)
    assert "average each into one row" in mixed.estimates.withheld
    assert mixed.audit["few_clusters"].status == "failed"
    assert "pass cluster= the place" in gc.did(
        few[few["town"] > 0], **{**CALL, "cluster": "unit"}
    ).estimates.withheld or (gc.did(few, **{**CALL, "cluster": "unit"}).fitted.clusters[0] >= 10)


def test_cohorts_of_one_kind_are_left_out_and_said() -> None:
    frame = FULL[~((FULL["first_treated"] == 5) & (FULL["eligible"] == 0))]
    result = gc.did(frame, **CALL)
    assert any("first treated in 5 are left out: none of them is ineligible" in n for n in result.manifest.notes)
    np.testing.assert_allclose(
        numbers(result)["estimate"], numbers(gc.did(frame[frame["first_treated"] != 5], **CALL))["estimate"], **ROUNDING
    )


# --- the rest of the result ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [lambda: gc.did(FULL, **CALL), lambda: gc.did(HOLES, **CALL, weights="w", anticipation=1, bands="pointwise")],
    ids=["whole", "holes"],
)
def test_protocol(make: Any, tmp_path: Any) -> None:
    assert_protocol(make(), tmp_path)


def test_referee() -> None:
    result = gc.did(FULL, **CALL)
    assert "no third difference" in dict(result.robustness(progress=False).refused)["other estimators"]
    left = result.leave_one_out(progress=False)
    without = gc.did(FULL[FULL["town"] != left.most - 1], **CALL).estimate
    assert float(left.without[left.cluster == left.most][0]) == pytest.approx(without, abs=1e-10)
    assert result.placebo("unit", reps=99, progress=False).placebo_p <= 0.02
    names = set(result.trends()["cohort"])
    assert names == {f"{c}, {k}" for c in ("3", "5", "never") for k in ("eligible", "ineligible")}
    assert result.incremental_gmv().estimate == pytest.approx(result.estimate * result.fitted.treated_cells)
    on = (FULL["eligible"] == 1) & (FULL["period"] >= FULL["first_treated"])
    assert result.fitted.treated_cells == int(on.sum())
    wild = gc.did(FULL, **CALL, inference="wild")
    low, high = wild.conf_int()
    assert low < result.estimate < high
