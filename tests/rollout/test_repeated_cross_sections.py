"""Rows of different people each period (``unit=None``): by hand, against panels, csdid, derivatives and dummies."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from panels import rollout

import gmvcausal as gc
from gmvcausal.errors import GmvCausalWarning


def people(n: int = 1_200, places: int = 48, periods: int = 5, effect: float = 4.0, shock: float = 0.0, seed: int = 0,
           treated: float = 0.6) -> pd.DataFrame:  # fmt: skip
    """Different people in each period: period, gmv, first_treated (of the place), place, w, tier."""
    rng = np.random.default_rng(seed)
    start = np.where(rng.permutation(places) < treated * places, rng.choice([3.0, 4.0], places), np.nan)
    place, period = rng.integers(0, places, n), rng.integers(1, periods + 1, n)
    y = 30 + rng.normal(0, 2, places)[place] + 1.5 * period + rng.normal(0, 5, n)
    y += shock * rng.normal(0, 1, (places, periods + 1))[place, period] + effect * (period >= start[place])
    return pd.DataFrame({
        "period": period, "gmv": y, "first_treated": start[place], "place": place, "w": rng.uniform(0.5, 2, n),
        "tier": rng.integers(0, 3, n),
    })  # fmt: skip


def did(frame: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)
        return gc.did(frame, unit=None, **options)


# --- by hand ---------------------------------------------------------------------------------------------------------
def test_eight_rows_by_hand() -> None:
    frame = pd.DataFrame({
        "period": [1, 1, 1, 1, 2, 2, 2, 2], "first_treated": [2, 2, 0, 0, 2, 2, 0, 0],
        "gmv": [10.0, 14.0, 20.0, 26.0, 21.0, 23.0, 24.0, 30.0],
    })  # fmt: skip
    expected = (22 - 12) - (27 - 23)
    for estimator in ("callaway_santanna", "two_by_two", "twfe"):
        assert did(frame, estimator=estimator).estimate == pytest.approx(expected, abs=1e-12)
    # Every row is half of its mean: squared distances from the mean over four, added up.
    variance = (2 * 2**2 + 2 * 3**2 + 2 * 1**2 + 2 * 3**2) / 4
    influence = did(frame).fitted.influence()
    assert influence @ influence == pytest.approx(variance, abs=1e-12)
    assert math.isnan(did(frame).std_error)  # four rows on each side
    factor = 8 / 7 * 7 / (8 - 4)
    influence = did(frame, estimator="twfe").fitted.influence()
    assert influence @ influence == pytest.approx(factor * variance, abs=1e-12)


# --- a balanced panel whose unit is dropped --------------------------------------------------------------------------
PANEL = rollout(n=150, periods=5, cohorts=(3, 4), seed=8)
ONE = rollout(n=150, periods=5, cohorts=(3,), seed=8)
CASES: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "never treated": (PANEL, {}),
    "not yet treated": (PANEL, {"control": "not_yet_treated", "base_period": "universal"}),
    "anticipation": (PANEL, {"anticipation": 1}),
    "weights": (PANEL, {"weights": "w"}),
    "two by two": (ONE, {"estimator": "two_by_two"}),
    "twfe": (PANEL, {"estimator": "twfe", "ssc": "none"}),
    "twfe, one start, weights": (ONE, {"estimator": "twfe", "ssc": "none", "weights": "w"}),
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_panel_without_its_unit(name: str) -> None:
    """The points are those of the panel; so are the standard errors, once the unit is named as the cluster."""
    frame, options = CASES[name]
    panel = gc.did(frame, cluster="unit", **options)
    rows = did(frame, cluster="unit", **options)
    apart = did(frame.drop(columns=["unit", "place"]), **options)
    columns = ["estimate", "std_error"]
    tables = [lambda r: r.to_frame(), lambda r: r.event_study()]
    if "estimator" not in options:
        tables += [lambda r: r.att_gt(), lambda r: r.by_cohort(), lambda r: r.by_period()]
    for table in tables:
        np.testing.assert_allclose(
            table(rows)[columns].astype(float), table(panel)[columns].astype(float), rtol=1e-9, atol=1e-11
        )
        np.testing.assert_allclose(
            table(apart)["estimate"].astype(float), table(panel)["estimate"].astype(float), rtol=1e-9, atol=1e-11
        )
    # People who are strangers to one another tell less than the same people twice.
    assert apart.std_error > panel.std_error


# --- csdid 0.4.3, panel=False: estimate and standard error by (cohort, period), then simple and dynamic averages -----
def made() -> pd.DataFrame:
    i = np.arange(300)
    t, g = (i * 7) % 4 + 1, np.array([0, 3, 4, 0])[(i // 4) % 4]
    y = ((i * i * 7 + i * 13) % 101) + 6.0 * ((g > 0) & (t >= g))
    return pd.DataFrame({"period": t, "first_treated": g, "gmv": y, "x": ((i * 11) % 17) / 4.0})


CSDID = {
    "never_treated": (
        {(3, 2): (5.8150782361, 10.5108658513), (3, 3): (4.6842105263, 10.1926369208),
         (3, 4): (11.7012802276, 10.8483933031), (4, 2): (14.3413940256, 10.9331402997),
         (4, 3): (1.1578947368, 11.4823626187), (4, 4): (15.4907539118, 11.1231085236)},
        (10.625414888572783, 7.031731648017092), (10.89438122332859, 7.619908986998228),
    ),
    "not_yet_treated": (
        {(3, 2): (0.9492481203, 9.9064636099), (3, 3): (4.2913533835, 9.8234403382),
         (3, 4): (11.7012802276, 10.8483933031), (4, 2): (12.3684210526, 10.2639584866),
         (4, 3): (1.1578947368, 11.4823626187), (4, 4): (15.4907539118, 11.1231085236)},
        (10.494462507620401, 7.256202800236272), (10.796166937614306, 7.689606187402021),
    ),
}  # fmt: skip


@pytest.mark.parametrize("control", list(CSDID))
def test_csdid(control: str) -> None:
    cells, simple, dynamic = CSDID[control]
    result = did(made(), control=control)
    for row in result.att_gt().itertuples():
        assert (row.estimate, row.std_error) == pytest.approx(cells[row.cohort, row.period], abs=1e-9)
    terms = result.to_frame().set_index("term")
    for name, known in (("overall", simple), ("event-time average", dynamic)):
        assert terms.loc[name, ["estimate", "std_error"]].tolist() == pytest.approx(known, rel=1e-12)


# csdid 0.4.3, panel=False, control_group="notyettreated", xformla="~x": est_method "dr", "reg", "ipw".
GIVEN = {
    "doubly_robust": (
        {(3, 2): (0.4298575985, 10.0232881217), (3, 3): (4.3302325155, 9.7128634761),
         (3, 4): (11.7931617879, 10.6219341747), (4, 2): (12.0770071361, 10.297209077),
         (4, 3): (2.2274241538, 11.3707397826), (4, 4): (15.0159567016, 10.822069855)},
        (10.379783668313953, 7.097883681705757),
    ),
    "regression": (
        {(3, 2): (0.4454538364, 10.0149211551), (3, 3): (4.6007040425, 9.8140182406),
         (3, 4): (11.5106705814, 10.6971816132), (4, 2): (12.0998665745, 10.3005136111),
         (4, 3): (1.2468599048, 11.5696123962), (4, 4): (15.2630117529, 10.9417208516)},
        (10.458128792266487, 7.164882589356503),
    ),
    "ipw": (
        {(3, 2): (0.5179774597, 10.0637383675), (3, 3): (4.5513043764, 9.8291316547),
         (3, 4): (11.569988291, 10.6811960441), (4, 2): (12.1779605524, 10.3082997301),
         (4, 3): (1.1698567241, 11.5750563111), (4, 4): (15.2625941666, 10.9678594699)},
        (10.461295611327133, 7.179097261107769),
    ),
}  # fmt: skip


@pytest.mark.parametrize("adjustment", list(GIVEN))
def test_csdid_given_covariates(adjustment: str) -> None:
    cells, simple = GIVEN[adjustment]
    result = did(made(), control="not_yet_treated", covariates=["x"], adjustment=adjustment)
    for row in result.att_gt().itertuples():
        assert (row.estimate, row.std_error) == pytest.approx(cells[row.cohort, row.period], abs=1e-8)
    assert (result.estimate, result.std_error) == pytest.approx(simple, rel=1e-9)


@pytest.mark.parametrize("adjustment", list(GIVEN))
def test_standard_errors_given_covariates_are_derivatives(adjustment: str) -> None:
    """Each row's weight a little up and a little down, clusters above the row."""
    frame = people(n=160, places=26, periods=3, seed=11, treated=0.5)[["period", "gmv", "first_treated", "place", "w"]]
    frame["first_treated"] = frame["first_treated"].where(frame["first_treated"].isna(), 3.0)
    frame["x"] = np.random.default_rng(1).normal(0, 1, len(frame)) + 0.4 * frame["first_treated"].notna()
    options: dict[str, Any] = {"covariates": ["x"], "adjustment": adjustment, "weights": "w", "cluster": "place"}
    step, slope = 1e-4, np.zeros(len(frame))
    for i in range(len(frame)):
        up, down = frame.copy(), frame.copy()
        up.loc[i, "w"] *= 1 + step
        down.loc[i, "w"] *= 1 - step
        slope[i] = (did(up, **options).estimate - did(down, **options).estimate) / (2 * step)
    result = did(frame, **options)
    by_place = np.bincount(frame["place"], slope)
    assert result.std_error == pytest.approx(np.linalg.norm(by_place), rel=1e-5)


def test_covariates_that_do_not_matter_and_that_do() -> None:
    """Trends that differ by tier bias the plain comparison where tiers differ, not the one given the tier."""
    frame = people(n=6_000, seed=3, effect=4.0)
    rng = np.random.default_rng(0)
    treated = frame["first_treated"].notna()
    frame["tier"] = rng.binomial(1, np.where(treated, 0.7, 0.3))
    frame["gmv"] += 5.0 * frame["tier"] * frame["period"]
    plain = did(frame, cluster="place")
    assert abs(plain.estimate - 4.0) > 3 * plain.std_error
    for adjustment in GIVEN:
        given = did(frame, cluster="place", covariates=["tier"], adjustment=adjustment)
        assert abs(given.estimate - 4.0) < 3 * given.std_error
        assert given.std_error < plain.std_error * 1.2
    two = did(frame[frame["first_treated"] != 3], estimator="two_by_two", covariates=["tier"], cluster="place")
    # Before and after are pooled, and the tier's trend with them: given the tier they are compared all the same.
    assert abs(two.estimate - 4.0) < 3 * two.std_error
    checks = {c.name: c.status for c in did(frame, cluster="place", covariates=["tier"]).audit.checks}
    assert checks["overlap"] == checks["covariates_moved"] == "passed"
    assert checks["effective_sample_size"] == "warned"  # 19 places are never treated
    grown = pd.concat([frame, frame[(frame["period"] >= frame["first_treated"]) & (frame["tier"] == 0)]])
    checks = {c.name: c.status for c in did(grown, cluster="place", covariates=["tier"]).audit.checks}
    assert checks["covariates_moved"] == checks["composition"] == "warned"


def test_refusals_given_covariates() -> None:
    frame = people(n=400, seed=2)
    frame["own"] = (frame["first_treated"].notna() * 1.0) + 0.0 * frame["gmv"]
    with pytest.raises(gc.DesignError, match="separate the cohort first treated in 3"):
        did(frame, covariates=["own"])
    few = frame[(frame["first_treated"] != 3) | (frame.groupby(["first_treated", "period"]).cumcount() < 2)]
    with pytest.raises(gc.DesignError, match="2 rows of one period in the comparison of the cohort"):
        did(few, covariates=["w", "tier"])


# --- formulas written out --------------------------------------------------------------------------------------------
def overall(frame: pd.DataFrame, w: np.ndarray) -> Any:
    """Callaway and Sant'Anna's simple aggregate from means of rows; weights may be complex."""
    y, t = frame["gmv"].to_numpy(), frame["period"].to_numpy()
    g = frame["first_treated"].fillna(np.inf).to_numpy()

    def mean(inside: np.ndarray) -> Any:
        return (w[inside] * y[inside]).sum() / w[inside].sum()

    total, size = 0, 0
    for start in np.unique(g[np.isfinite(g)]):
        for period in np.unique(t[t >= start]):
            now, base = t == period, t == start - 1
            beside = np.isinf(g)
            effect = mean((g == start) & now) - mean((g == start) & base) - mean(beside & now) + mean(beside & base)
            share = w[g == start].sum()
            total, size = total + share * effect, size + share
    return total / size


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cluster", [None, "place"])
def test_standard_errors_are_derivatives(weighted: bool, cluster: str | None) -> None:
    frame = people(n=260, seed=3).drop(columns="tier")
    weight = frame["w"].to_numpy() if weighted else np.ones(len(frame))
    result = did(frame, cluster=cluster, weights="w" if weighted else None)
    assert result.estimate == pytest.approx(overall(frame, weight), rel=1e-11)
    slope = np.zeros(len(frame))
    for i in range(len(frame)):
        nudged = weight.astype(complex)
        nudged[i] *= 1 + 1e-30j
        slope[i] = overall(frame, nudged).imag / 1e-30
    code = np.arange(len(frame)) if cluster is None else frame[cluster].to_numpy()
    assert result.std_error == pytest.approx(np.linalg.norm(np.bincount(code, slope)), rel=1e-10)


def test_two_way_effects_with_every_dummy() -> None:
    frame = people(n=400, seed=5)
    result = did(frame, estimator="twfe", cluster="place", weights="w")
    g = frame["first_treated"].fillna(0).to_numpy()
    on = ((g > 0) & (frame["period"] >= g)).to_numpy(float)
    x = np.column_stack([
        on, pd.get_dummies(g).to_numpy(float), pd.get_dummies(frame["period"]).to_numpy(float)[:, 1:],
    ])  # fmt: skip
    w = frame["w"].to_numpy()
    bread = np.linalg.inv((w[:, None] * x).T @ x)
    beta = bread @ (x.T @ (w * frame["gmv"].to_numpy()))
    scores = (w * (frame["gmv"].to_numpy() - x @ beta))[:, None] * (x @ bread)
    sums = pd.DataFrame(scores).groupby(frame["place"].to_numpy()).sum().to_numpy()
    n, k, clusters = len(frame), x.shape[1], len(sums)
    factor = clusters / (clusters - 1) * (n - 1) / (n - k)
    assert result.estimate == pytest.approx(beta[0], rel=1e-11)
    assert result.std_error == pytest.approx(math.sqrt(factor * (sums.T @ sums)[0, 0]), rel=1e-10)


# --- what must not change an answer --------------------------------------------------------------------------------
OPTIONS: list[dict[str, Any]] = [
    {}, {"cluster": "place"}, {"weights": "w"}, {"estimator": "twfe", "cluster": "place"}, {"estimator": "naive"},
]  # fmt: skip


def numbers(result: Any) -> np.ndarray:
    columns = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    parts = [result.to_frame()[columns].astype(float).to_numpy().ravel()]
    if result.options.estimator != "naive":
        parts.append(result.event_study().drop(columns="n").to_numpy(float).ravel())
    return np.concatenate(parts)


@pytest.mark.parametrize("options", OPTIONS)
def test_relations(options: dict[str, Any]) -> None:
    frame = people(n=700, seed=6)
    plain = did(frame, **options)
    mixed = did(frame.sample(frac=1, random_state=1), **options)
    np.testing.assert_array_equal(numbers(mixed), numbers(plain))
    assert mixed.manifest.data_sha256 == plain.manifest.data_sha256
    np.testing.assert_array_equal(numbers(did(pl.from_pandas(frame), **options)), numbers(plain))
    dated = frame.assign(
        period=pd.Timestamp("2025-01-06") + pd.to_timedelta(7 * frame["period"], unit="D"),
        first_treated=pd.Timestamp("2025-01-06") + pd.to_timedelta(7 * frame["first_treated"], unit="D"),
    )
    np.testing.assert_allclose(numbers(did(dated, **options)), numbers(plain), rtol=1e-10)
    hundred = did(frame.assign(gmv=100 * frame["gmv"]), **options).to_frame()
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(
            hundred[column].astype(float), 100 * plain.to_frame()[column].astype(float), rtol=1e-10
        )
    lifted = did(frame.assign(gmv=frame["gmv"] + 1e7), **options)
    np.testing.assert_allclose(numbers(lifted)[:2], numbers(plain)[:2], rtol=1e-7)


def test_the_same_row_twice_is_two_people() -> None:
    frame = people(n=500, seed=2).drop(columns="place")
    twice = did(pd.concat([frame, frame]))
    assert twice.estimate == pytest.approx(did(frame).estimate, rel=1e-12)
    assert twice.std_error == pytest.approx(did(frame).std_error / math.sqrt(2), rel=1e-10)


# --- chance ----------------------------------------------------------------------------------------------------------
def test_coverage_and_why_the_place_is_named() -> None:
    """Rows count as independent where they are; with shocks common to a place, only the place as cluster holds."""
    reps = 120
    hits = {"strangers": 0, "neighbours": 0, "neighbours, by place": 0}
    for seed in range(reps):
        strangers = people(n=600, seed=seed)
        neighbours = people(n=600, shock=6.0, seed=seed)
        for name, frame, cluster in (
            ("strangers", strangers.drop(columns="place"), None),
            ("neighbours", neighbours.drop(columns="place"), None),
            ("neighbours, by place", neighbours, "place"),
        ):
            low, high = did(frame, cluster=cluster).conf_int()
            hits[name] += low <= 4.0 <= high
    slack = 3.2 * math.sqrt(0.95 * 0.05 / reps)
    assert hits["strangers"] / reps == pytest.approx(0.95, abs=slack)
    assert hits["neighbours, by place"] / reps == pytest.approx(0.95, abs=slack)
    assert hits["neighbours"] / reps < 0.85


def test_few_places_have_no_standard_error() -> None:
    frame = people(n=900, places=40, treated=0.15, seed=1)
    result = did(frame, cluster="place")
    assert math.isnan(result.std_error)
    assert "average by place and period" in result.fitted.estimates.withheld
    averaged = frame.groupby(["place", "period"], as_index=False)[["gmv", "first_treated"]].mean()
    assert math.isnan(gc.did(averaged, unit="place", estimator="twfe").std_error)


# --- audit, notes, what follows --------------------------------------------------------------------------------------
def test_what_is_printed() -> None:
    result = did(people(n=600, seed=1).drop(columns="place"))
    assert result.unit == "gmv per person-period"
    assert result.estimand == "ATT per person, post group-time effects weighted by cohort rows"
    note = next(n for n in result.manifest.notes if "unit=None" in n)
    assert "rows count as independent" in note
    named = did(people(n=600, seed=1), cluster="place")
    assert not any("rows count as independent" in n for n in named.manifest.notes)
    checks = {c.name: c.status for c in result.audit.checks}
    assert checks["composition"] == "not_run"
    assert "attrition" not in checks
    assert "late_entry" not in checks


def test_a_place_within_which_all_start_together_is_found() -> None:
    frame = people(n=900, seed=4).rename(columns={"place": "city"})
    with pytest.warns(GmvCausalWarning, match="does not vary within 'city'"):
        found = gc.did(frame, unit=None)
    assert found.std_error == pytest.approx(did(frame, cluster="city").std_error, rel=1e-12)
    told = did(people(n=900, seed=4))  # a column of that name nobody looks for; the audit finds it
    assert {c.name: c.status for c in told.audit.checks}["cluster_level"] == "warned"


def test_a_tactic_that_brings_other_people_is_seen() -> None:
    frame = people(n=3_000, seed=7)
    on = frame["period"] >= frame["first_treated"]
    grown = pd.concat([frame, frame[on]])
    checks = {c.name: c for c in did(grown, cluster="place").audit.checks}
    assert checks["composition"].status == "warned"
    assert {c.name: c.status for c in did(frame, cluster="place").audit.checks}["composition"] == "passed"


def test_the_referees_kit_takes_rows() -> None:
    frame = people(n=1_500, seed=9)
    result = did(frame, cluster="place")
    by = result.by("tier").to_frame().set_index("term")["estimate"]
    tier = frame[frame["tier"] == 1]
    assert by["overall, tier = 1"] == pytest.approx(did(tier, cluster="place").estimate, rel=1e-10)
    table = result.leave_one_out(progress=False).table()
    out = int(table["cluster"][0]) - 1
    assert table["estimate"][0] == pytest.approx(did(frame[frame["place"] != out], cluster="place").estimate, rel=1e-10)
    specs = result.robustness(progress=False).to_frame().set_index("term")["estimate"]
    late = frame[frame["period"] > 1]
    assert specs["without the first period"] == pytest.approx(did(late, cluster="place").estimate, rel=1e-10)
    assert specs["estimator twfe"] == pytest.approx(did(frame, cluster="place", estimator="twfe").estimate, rel=1e-10)
    cells = result.att_gt().query("event_time >= 0")
    assert cells["n"].sum() == (frame["period"] >= frame["first_treated"]).sum()
    assert result.incremental_gmv().estimate == pytest.approx(float(cells["estimate"] @ cells["n"]), rel=1e-12)
    assert result.placebo("unit", reps=99, progress=False).placebo_p <= 0.05


# --- refusals --------------------------------------------------------------------------------------------------------
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an estimator that follows units": ({"estimator": "imputation"}, "follows units over time"),
    "flags": ({"treated": "tier"}, "does not say when a person's place starts"),
    "dedupe": ({"dedupe": "exact"}, "two people may have the same values"),
    "stack": ({"stack": "tier"}, "stack= has no meaning with unit=None"),
    "size": ({"size": "w", "inference": "ferman_pinto"}, "size= has no meaning with unit=None"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refusals(name: str) -> None:
    options, words = REFUSED[name]
    with pytest.raises(gc.InputError, match=words):
        did(people(n=300), **options)


def test_moments_are_no_periods() -> None:
    frame = people(n=300)
    with pytest.raises(gc.InputError, match="looks like moments"):
        did(frame.assign(period=np.arange(300)))
    with pytest.raises(gc.InputError, match="only one period"):
        did(frame.assign(period=1))
    with pytest.raises(gc.DesignError, match="no period before"):
        did(frame.assign(first_treated=np.where(frame["place"] < 20, 1.0, np.nan)))
    with pytest.raises(gc.InputError, match="no column 'unit'"):
        gc.did(frame)


def test_unequal_cities_are_no_lack_of_overlap() -> None:
    """Weights on a covariate of no importance leave the control cities as they are: unequal, but all there."""
    rng = np.random.default_rng(4)
    share = rng.lognormal(0, 1.2, 30)
    city = rng.choice(30, 3_000, p=share / share.sum())
    week = rng.integers(1, 5, 3_000)
    frame = pd.DataFrame({
        "city": city, "period": week, "first_treated": np.where(city % 2 == 0, 3.0, np.nan),
        "gmv": rng.normal(10, 1, 3_000), "x": rng.normal(size=3_000),
    })  # fmt: skip
    check = gc.did(frame, unit=None, cluster="city", covariates=["x"]).audit["effective_sample_size"]
    cities = len(np.unique(city[city % 2 == 1]))
    sizes = np.bincount(city[city % 2 == 1])
    assert sizes.sum() ** 2 / (sizes @ sizes) < 8  # what the check said before: failed
    assert 0.9 * cities < check.value <= cities
    assert check.status == "warned" and f"{cities} control clusters count as" in check.message
