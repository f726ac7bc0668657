"""Regression discontinuity: a second implementation, a case by hand, what must not matter, coverage, the audit."""

# ruff: noqa: E501  # the peer's numbers are a table: one call a line

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.observational.discontinuity.density import density_test
from gmvcausal.observational.discontinuity.rules import TABLE
from gmvcausal.observational.discontinuity.verb import threshold

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "threshold.md"


def people(n: int = 800, *, rounded: bool = False, fuzzy: bool = False) -> pd.DataFrame:
    """Spending before decides at 300; `age` is a covariate, `room` a cluster."""
    rng = np.random.default_rng(3)
    x = rng.normal(240, 90, n)
    if rounded:
        x = np.round(x / 5) * 5
    z = rng.normal(size=n) + 0.002 * x
    d = (x >= 300).astype(float)
    g = rng.integers(0, 60, n)
    if fuzzy:
        d = (rng.random(n) < np.where(x >= 300, 0.8, 0.15)).astype(float)
    y = 20 + 0.05 * x + 1e-4 * (x - 300) ** 2 + 12 * d + 4 * z + rng.normal(0, 15, n) + rng.normal(0, 5, 60)[g]
    one = np.where(x >= 300, d, 0.0)
    return pd.DataFrame({"spent": x, "gmv": y, "coupon": d, "one_sided": one, "age": z, "room": g})


# rdrobust 2.1.1 (PyPI), rdrobust(y, x, c=300, ...) on `people()`: conventional, bias-corrected, their standard errors,
# h, b; in fuzzy designs the first stage the same way (tau_T, se_T); rows within h.
PEER: dict[str, tuple[float, ...]] = {
    'plain': (16.82623467320481, 17.628662519020153, 4.055489441472543, 4.807281307797223, 57.75264004190896, 90.80106935893463, 179, 140),
    'hc0': (16.779773194610968, 17.515836925366088, 3.8440604665396543, 4.554632150621078, 57.087673593213516, 89.17771076874888, 176, 139),
    'hc1': (16.790067704301237, 17.539939017758513, 3.859088843463045, 4.581108960002753, 57.217414746091436, 89.49087103683873, 176, 139),
    'hc2': (16.799933729903927, 17.564225756417656, 3.8754203112486953, 4.594335460885457, 57.34395667039169, 89.84603677931214, 176, 139),
    'hc3': (16.816717291925798, 17.604938128382443, 3.9068098648237677, 4.634503423320738, 57.6010927018931, 90.48089616677865, 177, 140),
    'cluster': (16.974145876685427, 17.959112896490012, 4.203920765045466, 4.849943755971526, 60.879247802974405, 93.39064075100771, 187, 142),
    'covs': (16.546849888955517, 17.124535389301986, 4.09377957271745, 4.888582409185318, 58.78788606459403, 90.6634743909126, 182, 140),
    'covs_cluster': (16.704154344425785, 17.466654372135846, 4.151403251056426, 4.80636565996593, 62.2275789273023, 93.4991196988519, 193, 144),
    'manual': (16.939081069199474, 17.765225146948538, 4.002693996958723, 4.800755772436756, 60.0, 90.0, 184, 141),
    'mass': (13.405010448517288, 12.651060043575043, 3.830570879780665, 4.592753550687201, 55.21135274354737, 82.71125454588424, 171, 146),
    'fuzzy': (11.078321837494059, 11.546657231058363, 3.750438615235304, 4.400713944635878, 52.8416138911349, 94.40847864396646, 0.6736329161199817, 0.6648964651073332, 0.6648964651073332, 0.06589962713229497, 0.06589962713229497, 0.07845651921210668, 331, 243),
    'fuzzy_covs': (10.06814488416655, 10.396949012234135, 3.625800651472468, 4.260834710445604, 54.674548411594294, 97.56138168116784, 0.6697454237481808, 0.6617999965172453, 0.6617999965172453, 0.064502499699741, 0.064502499699741, 0.07664034824346466, 340, 250),
    'one_sided': (8.618173388095338, 8.852453831829736, 3.058305387554787, 3.6382002095530543, 53.56905580099418, 91.90655092902949, 0.8606236507683853, 0.8681063820908319, 0.8681063820908319, 0.04112726154866684, 0.04112726154866684, 0.0494998083572166, 335, 245),
}  # fmt: skip
# rddensity 3.0 (PyPI), rddensity(x, c=300): bandwidths, densities, standard error of their difference (jackknife), t, p, rows.
DENSITY: dict[str, tuple[float, ...]] = {
    'plain': (52.069292214127074, 70.66164157959741, 0.005454420144078251, 0.0062818195189171715, 0.0015880168728591934, 0.5210268158859069, 0.60234809095456, 162.0, 158.0),
    'mass': (115.0, 115.0, 0.0021895544446413565, 0.005297151723928674, 0.0012009857115728964, 2.5875389268515, 0.009666427289451995, 383.0, 207.0),
}  # fmt: skip


# name -> (people(**...), threshold(**...))
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "hc0": ({}, {"errors": "hc0"}),
    "hc1": ({}, {"errors": "hc1"}),
    "hc2": ({}, {"errors": "hc2"}),
    "hc3": ({}, {"errors": "hc3"}),
    "cluster": ({}, {"cluster": "room"}),
    "covs": ({}, {"covariates": ["age"]}),
    "covs_cluster": ({}, {"covariates": ["age"], "cluster": "room"}),
    "manual": ({}, {"bandwidth": 60, "bias_bandwidth": 90}),
    "mass": ({"rounded": True}, {}),
    "fuzzy": ({"n": 1500, "fuzzy": True}, {"treatment": "coupon"}),
    "fuzzy_covs": ({"n": 1500, "fuzzy": True}, {"treatment": "coupon", "covariates": ["age"]}),
    "one_sided": ({"n": 1500, "fuzzy": True}, {"treatment": "one_sided"}),
}


def rdd(frame: Any, **options: Any) -> Any:
    return gc.threshold(frame, "gmv", "spent", 300, **options)


@pytest.mark.parametrize("name", CALLS)
def test_rdrobust(name: str) -> None:
    made, options = CALLS[name]
    r, peer = rdd(people(**made), **options), PEER[name]
    rows = r.to_frame().set_index("term")
    got = [
        rows["estimate"]["conventional"], rows["estimate"]["robust"], rows["std_error"]["conventional"],
        rows["std_error"]["robust"], rows["h"].iloc[0], rows["b"].iloc[0],
    ]  # fmt: skip
    if len(peer) > 8:
        t = r.found.treatment
        got += [t.plain, t.corrected, t.corrected, t.error, t.error, t.robust_error]
        assert (rows["estimate"]["first_stage"], rows["std_error"]["first_stage"]) == (t.corrected, t.robust_error)
    np.testing.assert_allclose(got, peer[: len(got)], rtol=1e-9)
    assert r.found.inside == peer[-2:]


@pytest.mark.parametrize("name", ["plain", "mass"])
def test_rddensity(name: str) -> None:
    found = density_test(people(rounded=name == "mass")["spent"].to_numpy(), 300.0)
    assert found is not None
    got = (*found.widths, found.below, found.above, found.difference_error, found.statistic, found.p_value)
    np.testing.assert_allclose(got, DENSITY[name][:7], rtol=1e-8)
    assert found.inside == DENSITY[name][7:]


def test_a_case_by_hand() -> None:
    """Ten scores a side, of which the bandwidth takes three: weighted lines, and a curve that meets all three."""
    near = [1.0, 2.0, 3.0]
    far = [*near, *range(10, 17)]
    y_below, y_above = [4.0, 5.0, 9.0], [20.0, 24.0, 25.0]
    frame = pd.DataFrame({
        "x": [*(-v for v in far), *far], "y": [*y_below, *([0.0] * 7), *y_above, *([0.0] * 7)],
    })  # fmt: skip
    r = gc.threshold(frame, "y", "x", 0, bandwidth=4)
    # Weights 3 : 2 : 1 at distances 1, 2, 3; mean distance 10/6, sum of squares 20/6, of products below 19/3.
    w, x = np.array([3.0, 2.0, 1.0]), np.array(near)
    level = []
    for y in (np.array(y_below), np.array(y_above)):
        slope = (w @ (x * y) / 6 - (w @ x / 6) * (w @ y / 6)) / (w @ x**2 / 6 - (w @ x / 6) ** 2)
        level.append(w @ y / 6 - slope * (w @ x / 6))
    # A parabola through (1, a), (2, b), (3, c) is 3 a - 3 b + c at 0; with b = h the corrected jump is the parabola's.
    corrected = (60 - 72 + 25) - (12 - 15 + 9)
    assert r.to_frame()["estimate"].tolist() == pytest.approx([corrected, level[1] - level[0]], rel=1e-10)
    # Each of three is compared with the other two: residual sqrt(2/3) (y - mean of others), weights 3, -3, 1.
    spread = 0.0
    for y in (y_below, y_above):
        rest = [np.sqrt(2 / 3) * (v - (sum(y) - v) / 2) for v in y]
        spread += sum((k * e) ** 2 for k, e in zip((3, -3, 1), rest, strict=True))
    assert r.std_error == pytest.approx(np.sqrt(spread), rel=1e-10)


@pytest.mark.parametrize("options", [{}, {"treatment": "coupon", "covariates": ["age"], "cluster": "room"}])
def test_what_must_not_matter(options: dict[str, Any]) -> None:
    frame = people(1500, fuzzy="treatment" in options)
    frame["spent"] = frame["spent"].round(0)  # ties
    first = rdd(frame, **options)
    mixed = rdd(frame.sample(frac=1, random_state=1), **options)
    pd.testing.assert_frame_equal(first.to_frame(), mixed.to_frame())
    assert first.manifest.data_sha256 == mixed.manifest.data_sha256
    cents = rdd(frame.assign(gmv=frame["gmv"] * 100), **options)
    money = first.to_frame()["term"] != "first_stage"
    for column in ("estimate", "std_error"):
        want = first.to_frame()[column] * np.where(money, 100, 1)
        np.testing.assert_allclose(cents.to_frame()[column], want, rtol=1e-8)
    moved = gc.threshold(frame.assign(spent=frame["spent"] * 10 + 7), "gmv", "spent", 3007, **options)
    np.testing.assert_allclose(moved.to_frame()["estimate"], first.to_frame()["estimate"], rtol=1e-8)
    np.testing.assert_allclose(moved.to_frame()["h"], first.to_frame()["h"] * 10, rtol=1e-8)


def test_a_level_and_the_other_side() -> None:
    frame = people()
    first = rdd(frame)
    shifted = rdd(frame.assign(gmv=frame["gmv"] + 1e7))
    np.testing.assert_allclose(shifted.to_frame()["estimate"], first.to_frame()["estimate"], rtol=1e-6)
    np.testing.assert_allclose(shifted.to_frame()["std_error"], first.to_frame()["std_error"], rtol=1e-6)
    below = rdd(frame, treated="below")
    np.testing.assert_allclose(below.to_frame()["estimate"], -first.to_frame()["estimate"], rtol=1e-12)
    assert "below 300 count as treated" in below.summary() and "at or above 300 count as treated" in first.summary()


def test_a_treatment_by_the_rule_is_sharp() -> None:
    frame = people()
    plain, named = rdd(frame), rdd(frame, treatment="coupon")
    pd.testing.assert_frame_equal(plain.to_frame(), named.to_frame())
    assert "the design is sharp" in named.summary()


def test_the_protocol(tmp_path: Path) -> None:
    assert_protocol(rdd(people(), covariates=["age"]), tmp_path, (None, "threshold", "bandwidths", "estimates"))
    fuzzy = rdd(people(1500, fuzzy=True), treatment="coupon")
    assert_protocol(fuzzy, tmp_path)
    assert fuzzy.to_frame()["term"].tolist() == ["robust", "conventional", "first_stage", "reduced_form"]


def test_the_tables_beside_it() -> None:
    r = rdd(people(), covariates=["age"])
    t = r.bandwidths()
    assert t["multiple"].tolist() == [0.5, 0.75, 1.0, 1.5, 2.0] and t["n_below"].is_monotonic_increasing
    assert t.loc[2, "estimate"] == r.estimate and t.loc[2, "h"] == r.to_frame()["h"].iloc[0]
    half = rdd(people(), covariates=["age"], bandwidth=t.loc[0, "h"], bias_bandwidth=t.loc[0, "b"])
    assert half.estimate == pytest.approx(t.loc[0, "estimate"], rel=1e-10)
    alone = gc.threshold(people(), "age", "spent", 300)
    covariate = r.covariates_at_cutoff().iloc[0]
    assert covariate["p_value"] == pytest.approx(alone.p_value, rel=1e-9)
    false = r.placebo_cutoffs()
    own = people().loc[lambda f: f["spent"] >= 300]
    middle = float(np.quantile(own["spent"], 0.5, method="inverted_cdf"))
    again = gc.threshold(own, "gmv", "spent", middle)
    assert false.loc[4, "estimate"] == pytest.approx(again.estimate, rel=1e-9)


def test_the_donut() -> None:
    frame = people()
    near = (frame["spent"] - 300).abs() < 5
    r = rdd(frame, donut=5)
    by_hand = rdd(frame[~near])
    assert (r.estimate, r.std_error) == pytest.approx((by_hand.estimate, by_hand.std_error), rel=1e-12)
    assert r.manifest.dropped["rows closer than 5 to the cutoff (donut=)"] == int(near.sum()) > 0
    # The test of the density is on all rows.
    assert r.density.p_value == rdd(frame).density.p_value


def test_a_threshold_that_shoppers_choose_is_refused() -> None:
    rng = np.random.default_rng(5)
    basket = np.exp(np.log(240) + 0.6 * rng.standard_normal(6000))
    tops_up = (basket >= 260) & (basket < 300) & (rng.random(6000) < 0.35)
    basket = np.where(tops_up, 300 + 15 * rng.random(6000), basket)
    gmv = 0.1 * basket + 20 * tops_up + rng.gamma(2, 20, 6000)
    r = rdd(pd.DataFrame({"spent": basket, "gmv": gmv}))
    assert r.audit["density"].status == "failed" and not r.audit.credible
    assert "No headline is given" in r.summary() and "the threshold is chosen by the shopper" in " ".join(
        r.summary().split()
    )


def test_covariates_that_jump_fail() -> None:
    frame = people().assign(age=lambda f: f["age"] + 2.0 * (f["spent"] >= 300), calm=np.arange(800) % 7)
    r = rdd(frame, covariates=["age", "calm"])
    assert r.audit["covariate_continuity"].status == "failed"
    assert "'age'" in r.audit["covariate_continuity"].message
    assert r.covariates_at_cutoff()["p_holm"].tolist() == pytest.approx([
        2 * r.covariates_at_cutoff()["p_value"][0], max(r.covariates_at_cutoff()["p_value"][1],
        2 * r.covariates_at_cutoff()["p_value"][0])])  # fmt: skip


def test_a_false_threshold_that_jumps_warns_or_fails() -> None:
    frame = people(2000)
    at = float(np.quantile(frame.loc[frame["spent"] < 300, "spent"], 0.5, method="inverted_cdf"))
    r = rdd(frame.assign(gmv=frame["gmv"] + 60 * (frame["spent"] >= at)))
    assert r.audit["placebo_cutoffs"].status == "failed" and f"{at:g}" in r.audit["placebo_cutoffs"].message


def test_no_first_stage_fails() -> None:
    frame = people(1500, fuzzy=True)
    rng = np.random.default_rng(0)
    r = rdd(frame.assign(coupon=(rng.random(1500) < 0.5).astype(int)), treatment="coupon")
    assert r.audit["first_stage"].status == "failed" and "reduced_form" in r.audit["first_stage"].remedy
    strong = rdd(frame, treatment="coupon")
    assert strong.audit["first_stage"].status == "warned"  # squared t 104.49, just under 104.7
    assert rdd(frame, treatment="coupon", treated="below").audit["first_stage"].status == "failed"


def test_few_scores() -> None:
    frame = people(rounded=True)
    frame["spent"] = (frame["spent"] / 25).round() * 25
    r = rdd(frame, bandwidth=120)
    assert r.audit["mass_points"].status == "failed" and "repeat the score" in r.audit["mass_points"].message
    few = rdd(people(), bandwidth=6)
    assert few.audit["few_observations"].status == "failed"
    assert rdd(people(), cluster="room").audit["few_clusters"].status in ("passed", "warned")


def test_d15_is_found() -> None:
    market = gc.simulate.world("D15", n=8000, seed=1)
    r = threshold(market.table(), **market.design.call)
    assert r.audit.credible and r.conf_int()[0] <= market.truth.value <= r.conf_int()[1]
    assert r.unit.startswith("gross paid GMV per user") and "day_boundary" in r.audit


def test_coverage() -> None:
    """Skewed GMV, a curved line: 95 % intervals of the robust row hold in 200 runs, within Monte Carlo error."""
    from gmvcausal.observational.discontinuity.jump import jump
    from gmvcausal.observational.discontinuity.local import Side

    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = np.sort(rng.normal(-0.3, 1, 800))
        y = np.exp(0.6 * x) + 2.0 * (x >= 0) + rng.gamma(1, 1, 800)
        side = Side(x, y[:, None])
        found = jump(side.where(x < 0), side.where(x >= 0), "nn")
        assert found is not None
        held += abs(found.effect.corrected - 2.0) <= 1.959964 * found.effect.robust_error
    assert 0.90 <= held / 200 <= 0.99


def test_the_density_s_size() -> None:
    p = [density_test(np.random.default_rng(s).gamma(3.0, 100.0, 1500), 300.0) for s in range(100)]
    assert sum(one is not None and one.p_value < 0.05 for one in p) <= 13  # above 12 in 100: one in 170 at 5 %


def test_the_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_those_brought_to_the_very_threshold_are_seen() -> None:
    rng = np.random.default_rng(0)
    spent = rng.lognormal(np.log(240), 0.6, 4_000)
    brought = (np.abs(spent - 300) < 40) & (rng.random(4_000) < 0.25)
    score = np.where(brought, 300.0, spent).round(2)
    users = pd.DataFrame({"score": score, "gmv": 30 + 0.1 * spent + 25 * brought + rng.gamma(2, 15, 4_000)})
    check = gc.threshold(users, "gmv", "score", 300).audit["heap_at_cutoff"]
    assert check.status == "failed" and f"{int(brought.sum()):,} rows lie at 300" in check.message
    without = gc.threshold(users[users["score"] != 300], "gmv", "score", 300)
    assert without.audit["heap_at_cutoff"].status == "passed"
    coarse = gc.threshold(users.assign(score=spent.round()), "gmv", "score", 300)
    assert coarse.audit["heap_at_cutoff"].status == "passed"
