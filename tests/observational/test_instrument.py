"""`gc.iv`: linearmodels' numbers, the test of encouragement, grids of numpy, rows by hand, relations, known truth."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol
from scipy import stats

import gmvcausal as gc
from gmvcausal.observational.instrument.characteristics import complier_means
from gmvcausal.observational.instrument.numbers import critical_f
from gmvcausal.observational.instrument.result import set_words
from gmvcausal.observational.instrument.sets import Region, Span


def waves(n: int = 300) -> pd.DataFrame:
    """Data without a generator of random numbers, so that another program makes the same."""
    i = np.arange(n)

    def wave(a: float, b: float) -> np.ndarray[Any, Any]:
        return np.sin(a * i + b * i * i / n)

    a, b = wave(1.1, 0.3), np.cos(0.7 * i)
    z1, z2, z3 = (i * 7 % 11 < 5).astype(float), wave(2.3, 0.9), np.cos(1.9 * i + 0.5)
    hidden = np.sin(3.3 * i + 1)
    d = 0.4 * z1 + 0.3 * z2 + 0.2 * z3 + 0.5 * a + 0.8 * hidden + 0.3 * np.cos(5.1 * i)
    y = 2 + 1.5 * d - 0.7 * b + 1.2 * hidden + (1 + 0.5 * z1) * np.sin(4.7 * i + 2)
    return pd.DataFrame({"y": y, "d": d, "a": a, "b": b, "z1": z1, "z2": z2, "z3": z3, "room": i % 37})


WAVES = waves()
THREE = ["z1", "z2", "z3"]
# linearmodels 7.1: IV2SLS and IVLIML(y, [1, a, b], d, z).fit(cov_type=, debiased=, clusters=): params, std_errors.
LINEARMODELS = {
    (1, "2sls", "robust", False): (1.53457798912, 0.351259659617),
    (1, "2sls", "robust", True): (1.53457798912, 0.353625071256),
    (1, "2sls", "unadjusted", False): (1.53457798912, 0.346682475528),
    (1, "2sls", "unadjusted", True): (1.53457798912, 0.34901706403),
    (1, "2sls", "clustered", False): (1.53457798912, 0.564179635583),
    (1, "2sls", "clustered", True): (1.53457798912, 0.574852939228),
    (1, "liml", "robust", False): (1.53457798912, 0.351259659617),
    (3, "2sls", "robust", False): (1.34946695911, 0.267321998397),
    (3, "2sls", "robust", True): (1.34946695911, 0.269122166874),
    (3, "2sls", "unadjusted", False): (1.34946695911, 0.257994578815),
    (3, "2sls", "unadjusted", True): (1.34946695911, 0.259731935676),
    (3, "2sls", "clustered", False): (1.34946695911, 0.343031807554),
    (3, "2sls", "clustered", True): (1.34946695911, 0.349521376498),
    (3, "liml", "robust", False): (1.31540150649, 0.276354765914),
    (3, "liml", "robust", True): (1.31540150649, 0.278215761795),
    (3, "liml", "unadjusted", False): (1.31540150649, 0.263894451054),
    (3, "liml", "unadjusted", True): (1.31540150649, 0.265671538143),
    (3, "liml", "clustered", False): (1.31540150649, 0.355323783089),
    (3, "liml", "clustered", True): (1.31540150649, 0.362045894966),
}


def of_waves(frame: pd.DataFrame = WAVES, instrument: Any = THREE, **options: Any) -> Any:
    return gc.iv(frame, "y", "d", instrument, ["a", "b"], **{"ssc": "none", **options})


@pytest.mark.parametrize(("case", "known"), LINEARMODELS.items(), ids=map(str, LINEARMODELS))
def test_points_and_standard_errors_of_linearmodels(case: Any, known: tuple[float, float]) -> None:
    k, estimator, errors, debiased = case
    options = {"cluster": "room"} if errors == "clustered" else {"errors": errors}
    r = of_waves(instrument=THREE[:k], estimator=estimator, ssc="hc1" if debiased else "none", **options)
    np.testing.assert_allclose((r.estimate, r.std_error), known, rtol=1e-9)


def told_by(r: Any) -> pd.DataFrame:
    frame: pd.DataFrame = r.tests().set_index("test")
    return frame


def test_diagnostics_of_linearmodels() -> None:
    """linearmodels 7.1: .wooldridge_regression, .wu_hausman(), .sargan, .first_stage, IVGMM(...).fit(iter_limit=2)."""
    robust, clustered = told_by(of_waves()), told_by(of_waves(cluster="room"))
    plain, small = told_by(of_waves(errors="unadjusted")), told_by(of_waves(errors="unadjusted", ssc="hc1"))
    assert robust.loc["Wu-Hausman F", "statistic"] == pytest.approx(42.0492, abs=5e-5)
    np.testing.assert_allclose(
        small.loc["Wu-Hausman F", ["statistic", "p_value"]].to_numpy(float), (46.233450592979835, 5.82729286621186e-11)
    )
    np.testing.assert_allclose(
        plain.loc["Sargan", ["statistic", "p_value"]].to_numpy(float), (1.574334426260649, 0.45513226355996)
    )
    np.testing.assert_allclose(
        robust.loc["Hansen J", ["statistic", "p_value"]].to_numpy(float), (1.7160120984495464, 0.42400668845152556)
    )
    np.testing.assert_allclose(
        clustered.loc["Hansen J", ["statistic", "p_value"]].to_numpy(float), (2.6177619894035713, 0.27012215545105034)
    )
    assert 3 * robust.loc["first stage F", "statistic"] == pytest.approx(75.161197, abs=1e-6)


# --- the test of encouragement ------------------------------------------------------------------------------
RNG = np.random.default_rng(5)
N = 1200
USERS = pd.DataFrame({"tier": RNG.integers(0, 4, N), "city": np.array(["Hefei", "上海"])[RNG.integers(0, 2, N)]})
USERS["push"] = RNG.permutation(np.arange(N) % 2)
REACHABLE = RNG.random(N) < 0.3 + 0.15 * USERS["tier"]
USERS["seen"] = (USERS["push"] * REACHABLE).astype(int)
USERS["gmv"] = 10 + 4 * USERS["tier"] + 6 * REACHABLE + 5 * USERS["seen"] + RNG.normal(size=N) * 4
COMMON = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]


def of_users(frame: Any = USERS, covariates: Any = (), **options: Any) -> Any:
    return gc.iv(frame, treatment="seen", instrument="push", covariates=covariates, **options)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_without_covariates_it_is_the_test_of_encouragement(two_sided: bool, clustered: bool) -> None:
    users = USERS.assign(arm=USERS["push"])
    if two_sided:
        users["seen"] = users["seen"] | (np.arange(N) % 9 == 0)
    more = {}
    if clustered:
        users["room"] = 2 * (users.groupby("push").cumcount() % 60) + users["push"]
        more = {"cluster": "room"}
    theirs = gc.ab_test(users, metrics=[gc.Mean("gmv", cap=None)], received="seen", **more).to_frame().set_index("term")
    mine = of_users(users, **more)
    rows = mine.to_frame().set_index("term")
    pairs = (("seen", "gmv among compliers", COMMON), ("intent to treat: push", "gmv", COMMON))
    for one, other, columns in pairs:
        np.testing.assert_allclose(
            rows.loc[one, columns].to_numpy(float), theirs.loc[other, columns].to_numpy(float), rtol=1e-8
        )
    assert mine.audit["one_sided"].status == ("warned" if two_sided else "passed")
    relative = float(theirs.loc["gmv among compliers", "relative"])
    assert mine.estimate / mine.baseline == pytest.approx(relative, rel=1e-8)


def test_ten_rows_by_hand() -> None:
    d = [0, 0, 0, 0, 0, 1, 1, 0, 1, 1]
    rows = pd.DataFrame({"z": np.repeat([0, 1], 5), "d": d, "y": [1.0, 3, 2, 2, 2, 4, 6, 5, 9, 6]})
    r = gc.iv(rows, "y", "d", "z")
    # The assigned have 6 - 2 = 4 more, four of five were treated: 4 / .8.
    assert r.estimate == pytest.approx(5, rel=1e-12)
    # y - 5 d about its mean in each arm, which is 2: -1, 1, 0, 0, 0 and -3, -1, 3, 2, -1; variances 2/4 and 24/4.
    assert r.std_error == pytest.approx(math.sqrt((2 / 4 + 24 / 4) / 5) / 0.8, rel=1e-12)
    frame = r.to_frame().set_index("term")
    assert frame.loc["intent to treat: z", "estimate"] == pytest.approx(4)
    # Welch: variances of y are 2/4 and 14/4.
    assert frame.loc["intent to treat: z", "std_error"] == pytest.approx(math.sqrt((2 / 4 + 14 / 4) / 5))
    assert frame.loc["first stage: z", "estimate"] == pytest.approx(0.8)
    # The variance of d is .2 in one arm and 0 in the other: F = .8^2 / (.2 / 5).
    assert r.first_stage_f == pytest.approx(16) and r.effective_f == pytest.approx(16)
    assert r.effective_f_bound == pytest.approx(23.1085, abs=1e-4)
    assert r.audit["weak_instrument"].status == "warned"
    # As treated: 25/4 with, and 15/6 without.
    assert frame.loc["as treated (least squares)", "estimate"] == pytest.approx(25 / 4 - 15 / 6)
    # The ends of the set: there Welch's test of the assigned of y - b d has p = .05.
    for end in r.conf_int():
        off = rows["y"] - end * rows["d"]
        found = stats.ttest_ind(off[rows["z"] == 1], off[rows["z"] == 0], equal_var=False)
        assert found.pvalue == pytest.approx(0.05, abs=1e-9)


def test_without_its_protocol_nothing_goes_out(tmp_path: Path) -> None:
    assert_protocol(of_users(covariates=["tier", "city"]), tmp_path, (None, "p_values", "estimates"))
    assert_protocol(of_users(ssc="none", errors="unadjusted"))
    users = USERS.assign(room=2 * (USERS.groupby("push").cumcount() % 60) + USERS["push"])
    assert_protocol(of_users(users, cluster="room"))
    few = of_users(users.assign(room=2 * (USERS.groupby("push").cumcount() % 6) + USERS["push"]), cluster="room")
    assert_protocol(few)
    assert few.audit["few_clusters"].status == "failed" and math.isnan(few.conf_int()[0])
    two = of_users(USERS.assign(room=USERS["push"]), cluster="room")  # a cluster in each arm: a number, and no more
    assert two.estimate == pytest.approx(of_users().estimate) and math.isnan(two.std_error)


# --- Anderson-Rubin -----------------------------------------------------------------------------------------
def by_numpy(frame: pd.DataFrame, instruments: list[str], b: float) -> float:
    """Wald statistic (HC1) of the instruments in the regression of y - b d, from formulas of its own."""
    n = len(frame)
    x = np.column_stack([np.ones(n), frame[["a", "b"]], frame[instruments]])
    target = (frame["y"] - b * frame["d"]).to_numpy()
    bread = np.linalg.inv(x.T @ x)
    coef = bread @ x.T @ target
    e = target - x @ coef
    cov = bread @ (x * e[:, None] ** 2).T @ x @ bread * n / (n - x.shape[1])
    return float(coef[3:] @ np.linalg.solve(cov[3:, 3:], coef[3:]))


@pytest.mark.parametrize("weak", [0.0, 0.05, 0.4, 1.0])
def test_the_set_is_that_of_a_grid(weak: float) -> None:
    """One interval, rays and the whole line: the ends are where the statistic crosses, and nowhere else."""
    i = np.arange(len(WAVES))
    d = weak * (WAVES["d"]) + (1 - weak) * np.cos(5.1 * i * i)
    for instruments in (["z2"], ["z2", "z3"], THREE):
        frame = WAVES.assign(d=d)
        k = len(instruments)
        r = gc.iv(frame, "y", "d", instruments, ["a", "b"], ssc="hc1")
        df = len(frame) - 3 - k
        bound = stats.f.ppf(0.95, k, df - k + 1) * k * df / (df - k + 1)
        pieces = r.confidence_set()
        ends = [end for piece in pieces for end in piece if math.isfinite(end)]
        for end in ends:
            assert by_numpy(frame, instruments, end) == pytest.approx(bound, rel=1e-6)
        around = 4.1 * max([1.0, *map(abs, ends)])
        for b in np.linspace(-around, around, 121):
            inside = any(low <= b <= high for low, high in pieces)
            assert inside == (by_numpy(frame, instruments, float(b)) <= bound)
        assert r.conf_int() == (
            (pieces[0][0], pieces[-1][1]) if pieces else pytest.approx((math.nan,) * 2, nan_ok=True)
        )


def test_rays_lines_parts_and_nothing_are_said() -> None:
    assert set_words(((1.0, 2.0),)) == ""
    assert "no effect can be ruled out" in set_words(((-math.inf, math.inf),))
    rays = set_words(((-math.inf, -1.0), (3.0, math.inf)))
    assert "no end" in rays and "all values up to -1 and all values from 3" in rays
    assert "several parts: 1 to 2 and 4 to 5" in set_words(((1.0, 2.0), (4.0, 5.0)))
    assert "empty" in set_words(())


def weak_frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    z = rng.integers(0, 2, 400)
    hidden = rng.normal(size=400)
    d = (hidden + rng.normal(size=400) > 0.5 - 0.05 * z).astype(int)
    return pd.DataFrame({"z": z, "d": d, "y": 3 * d + 2 * hidden + rng.normal(size=400)})


def test_a_set_without_end_is_no_headline() -> None:
    r = gc.iv(weak_frame(), "y", "d", "z")
    assert r.conf_int() == (-math.inf, math.inf) and math.isfinite(r.estimate)
    assert r.audit["weak_instrument"].status == "failed"
    assert "no effect can be ruled out" in r.audit["weak_instrument"].message
    assert "REFUSED" in r.summary() and "intent to treat" in r.audit["weak_instrument"].remedy
    assert r.row(0).detectable_errors == math.inf
    pieces = r.confidence_set()
    assert all(math.isinf(end) for end in (pieces[0][0], pieces[-1][1]))
    wald = r.to_frame().set_index("term").loc["d (Wald)"]
    assert math.isfinite(wald["conf_low"])  # beside it, for those who must print one


def test_two_instruments_that_contradict_each_other() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(2000, 2))
    d = z.sum(axis=1) + rng.normal(size=2000)
    y = d + z[:, 0] - z[:, 1] + rng.normal(size=2000)  # each acts by itself, in opposite ways
    r = gc.iv(pd.DataFrame({"y": y, "d": d, "one": z[:, 0], "two": z[:, 1]}), "y", "d", ["one", "two"])
    assert r.confidence_set() == () and all(map(math.isnan, r.conf_int()))
    assert r.audit["overidentification"].status == "failed" and not r.audit.credible
    assert "empty" in r.estimates.withheld and "REFUSED" in r.summary()


def test_several_parts_of_a_set() -> None:
    """With several instruments the accepted values may form two intervals: the statistic is no quadratic."""
    top, bottom = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    cov = np.zeros((4, 4))
    cov[:2, :2] = np.diag([0.02, 0.02])
    cov[2:, 2:] = np.diag([0.001, 0.4])
    region = Region(top, bottom, cov, np.inf)
    bound = region.critical(0.95)
    pieces = region.accepted(0.95)
    grid = np.linspace(-5, 5, 2001)
    inside = np.array([region.statistic(float(b)) <= bound for b in grid])
    assert [any(low <= b <= high for low, high in pieces) for b in grid] == inside.tolist()
    low, high = Span(region)(0.95)
    assert low == (pieces[0][0] if pieces else low) and (not pieces or high == pieces[-1][1])
    nested = [region.accepted(level) for level in (0.5, 0.9, 0.99)]
    for inner, outer in pairwise(nested):
        assert all(any(a <= low and high <= b for a, b in outer) for low, high in inner)


# --- strength -----------------------------------------------------------------------------------------------
def test_effective_f_and_its_bound() -> None:
    """Montiel Olea and Pflueger (2013): 37.42, 23.11, 15.06 and 12.05 for one instrument, their Table 1."""
    found = [critical_f(np.array([[7.0]]), tau, 0.05) for tau in (0.05, 0.1, 0.2, 0.3)]
    np.testing.assert_allclose(found, (37.418, 23.109, 15.062, 12.045), atol=2e-3)
    # Alike instruments: K equals their number, chi-square with noncentrality 10 for each.
    assert critical_f(np.eye(4), 0.1, 0.05) == pytest.approx(stats.ncx2.ppf(0.95, 4, 40) / 4)
    r = of_waves(ssc="none")
    x = np.column_stack([np.ones(len(WAVES)), WAVES[["a", "b"]]])
    z = WAVES[THREE].to_numpy() - x @ np.linalg.lstsq(x, WAVES[THREE], rcond=None)[0]
    d = WAVES["d"].to_numpy() - x @ np.linalg.lstsq(x, WAVES["d"], rcond=None)[0]
    coef = np.linalg.lstsq(z, d, rcond=None)[0]
    e = d - z @ coef
    bread = np.linalg.inv(z.T @ z)
    cov = bread @ (z * e[:, None] ** 2).T @ z @ bread
    assert r.effective_f == pytest.approx(float(coef @ (z.T @ z) @ coef / np.trace(cov @ (z.T @ z))), rel=1e-9)


def test_who_the_compliers_are() -> None:
    """Kappa weights against means known by construction, and their standard errors against those of samples."""
    r = of_users(covariates=["tier", "city"])
    table = r.compliers().set_index("covariate")
    truth = float(USERS["tier"][REACHABLE].mean())  # one-sided: compliers are those who can be reached
    assert table.loc["tier", "compliers"] == pytest.approx(truth, abs=3 * table.loc["tier", "std_error"])
    assert table.loc["tier", "everybody"] == pytest.approx(float(USERS["tier"].mean()))
    rng = np.random.default_rng(0)
    means, errors = [], []
    for _ in range(200):
        z = rng.integers(0, 2, 400)
        x = rng.normal(size=400)
        kind = rng.random(400)
        d = np.where(kind < 0.2, 1, np.where(kind < 0.6 + 0.1 * np.sign(x), z, 0))
        mean, error = complier_means(x[:, None], d, z)
        means.append(mean[0])
        errors.append(error[0])
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)
    with pytest.raises(gc.InputError, match="Pass covariates="):
        of_users().compliers()


# --- relations ----------------------------------------------------------------------------------------------
NUMBERS = ["estimate", "std_error", "p_value", "conf_low", "conf_high", "df"]


def same(one: Any, other: Any, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(one.to_frame()[NUMBERS], other.to_frame()[NUMBERS], rtol=rtol)


@pytest.mark.parametrize("instrument", [["z1"], THREE], ids=["one", "three"])
def test_relations(instrument: list[str]) -> None:
    first = of_waves(instrument=instrument, ssc="hc2")
    mixed = WAVES.sample(frac=1, random_state=3)
    again = of_waves(mixed, instrument=instrument, ssc="hc2")
    same(again, first)
    assert again.manifest.data_sha256 == first.manifest.data_sha256
    same(of_waves(WAVES.assign(y=WAVES["y"] + 1e7), instrument=instrument, ssc="hc2"), first, 1e-6)
    units = WAVES.assign(a=WAVES["a"] * 1e8 + 5e8, b=WAVES["b"] / 1e8)
    same(of_waves(units, instrument=instrument, ssc="hc2"), first, 1e-7)
    dear = of_waves(WAVES.assign(y=100 * WAVES["y"]), instrument=instrument, ssc="hc2")
    np.testing.assert_allclose(dear.conf_int(), 100 * np.array(first.conf_int()), rtol=1e-9)
    assert dear.p_value == pytest.approx(first.p_value, rel=1e-6)
    # A treatment in other units, and instruments mixed among themselves.
    small = of_waves(WAVES.assign(d=WAVES["d"] / 1e6), instrument=instrument, ssc="hc2")
    np.testing.assert_allclose(small.conf_int(), 1e6 * np.array(first.conf_int()), rtol=1e-8)
    if len(instrument) > 1:
        turned = WAVES.assign(z1=WAVES["z1"] * 1e5 + WAVES["z2"], z3=3 - WAVES["z3"] + WAVES["z2"])
        other = of_waves(turned, instrument=instrument, ssc="hc2")
        np.testing.assert_allclose(other.conf_int(), first.conf_int(), rtol=1e-8)
        assert other.effective_f == pytest.approx(first.effective_f, rel=1e-8)


def test_labels_collinear_columns_and_frames() -> None:
    first = of_users(covariates=["tier", "city"])
    named = USERS.assign(push=np.where(USERS["push"] == 1, "推送", "none"))
    same(of_users(named, ["tier", "city"], control="none"), first)
    turned = of_users(USERS.assign(push=1 - USERS["push"]), ["tier", "city"], control=1)
    same(turned, first)
    more = USERS.assign(twice=2 * USERS["tier"] + 1, one=7.0)
    r = of_users(more, ["tier", "city", "twice", "one"])
    same(r, first)
    notes = " ".join(r.manifest.notes)
    assert "'twice' was dropped" in notes and "'one' is constant" in notes
    polars = pytest.importorskip("polars")
    same(of_users(polars.from_pandas(USERS), ["tier", "city"]), first)
    before = USERS.copy()
    of_users(USERS, ["tier", "city"])
    pd.testing.assert_frame_equal(USERS, before)
    weird = USERS.rename(columns={"tier": "__import__('os') 中文`", "gmv": "select", "seen": "a b"})
    odd = gc.iv(weird, "select", "a b", "push", ["__import__('os') 中文`", "city"])
    same(odd, first)


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    USERS.to_parquet(tmp_path / "users.parquet")
    same(of_users(str(tmp_path / "users.parquet"), ["tier"]), of_users(covariates=["tier"]))


def test_arms_of_a_text_instrument() -> None:
    rng = np.random.default_rng(3)
    arm = np.array(["none", "push", "call"])[rng.integers(0, 3, 900)]
    d = (rng.random(900) < np.select([arm == "push", arm == "call"], [0.5, 0.7], 0.1)).astype(int)
    frame = pd.DataFrame({"arm": arm, "d": d, "y": 2 * d + rng.normal(size=900)})
    r = gc.iv(frame, "y", "d", "arm", control="none", expected_ratio={"none": 1, "push": 1, "call": 1})
    rows = r.to_frame().set_index("term")
    gap = frame.groupby("arm")["y"].mean()
    assert rows.loc["intent to treat: arm = call", "estimate"] == pytest.approx(gap["call"] - gap["none"])
    columns = frame.assign(p=(arm == "push") * 1.0, c=(arm == "call") * 1.0)
    same(r, gc.iv(columns, "y", "d", ["c", "p"]))
    assert r.audit["sample_ratio"].status == "passed"


# --- known truth --------------------------------------------------------------------------------------------
def test_pushes_that_may_not_come() -> None:
    """D14: who can be reached orders more anyway; the truth is 15 per user reached."""
    market = gc.simulate.world("D14", n=30_000, seed=2)
    r = gc.iv(market.table(), "gmv", "delivered", "sent", ["platform"])
    low, high = r.conf_int()
    assert low < 15 < high and r.audit.credible
    assert r.to_frame().set_index("term").loc["as treated (least squares)", "conf_low"] > 20
    ios = r.compliers().set_index("covariate").loc["platform = ios"]
    assert ios["compliers"] == pytest.approx(1 / 3, abs=4 * ios["std_error"])


def weak_draw(rng: np.random.Generator, n: int = 300, pull: float = 0.1) -> tuple[np.ndarray[Any, Any], ...]:
    z = rng.integers(0, 2, n).astype(float)
    hidden = rng.normal(size=n)
    d = 2 * pull * z + hidden + 0.1 * rng.normal(size=n)
    return z, d, hidden + 0.1 * rng.normal(size=n)


def test_a_weak_instrument_is_covered_by_anderson_and_rubin_alone() -> None:
    """Mean F about 3, the treatment nearly all hidden: the Wald interval misses, the set does not."""
    rng = np.random.default_rng(11)
    runs, held, wald, strength = 250, 0, 0, 0.0
    for _ in range(runs):
        z, d, y = weak_draw(rng)
        r = gc.iv(pd.DataFrame({"z": z, "d": d, "y": y}), "y", "d", "z")  # the truth is 0
        held += any(low <= 0 <= high for low, high in r.confidence_set())
        rows = r.to_frame()
        wald += rows["conf_low"][1] <= 0 <= rows["conf_high"][1]
        strength += r.effective_f / runs
    assert 2 < strength < 6
    assert abs(held / runs - 0.95) < 3 * math.sqrt(0.95 * 0.05 / runs)
    assert wald / runs < 0.90


# --- audit --------------------------------------------------------------------------------------------------
def test_checks_see_what_they_are_for() -> None:
    users = USERS.assign(lot=np.where(USERS["tier"] > 1, 1 - np.arange(N) % 5 // 4, np.arange(N) % 5 // 4))
    users["got"] = users["lot"] * REACHABLE
    r = gc.iv(users, "gmv", "got", "lot", ["tier"])
    assert r.audit["balance"].status == "warned" and "'tier'" in r.audit["balance"].message
    whale = USERS.assign(gmv=USERS["gmv"].where(np.arange(N) != 7, 1e6))
    r = of_users(whale)
    assert {r.audit[name].status for name in ("tail", "leverage")} == {"warned"}
    assert of_users(expected_ratio={0: 0.9, 1: 0.1}).audit["sample_ratio"].status == "failed"
    assert of_users(USERS.assign(copy=USERS["gmv"] * 2), ["copy"]).audit["leakage"].status == "failed"
    flat = of_users(USERS.assign(gmv=0.0))
    assert flat.audit["all_zero"].status == "warned" and flat.estimate == 0.0
    assert "no interval" in flat.summary()
    cents = of_users(USERS.assign(gmv=np.where(np.arange(N) % 20 == 0, 100, 1) * USERS["gmv"]))
    assert cents.audit["scale_mix"].status == "warned"
    with pytest.warns(gc.GmvCausalWarning, match="clustered there"):
        there = of_users(USERS.assign(store=2 * (USERS.groupby("push").cumcount() % 60) + USERS["push"]))
    assert there.audit["cluster_level"].status == "warned"
    perfect = of_users(USERS.assign(seen=USERS["push"]))
    assert perfect.effective_f == math.inf and perfect.audit["weak_instrument"].status == "passed"
    two = gc.iv(USERS.assign(gmv=0.0, other=np.sin(np.arange(N))), "gmv", "seen", ["push", "other"])
    assert two.estimate == 0.0


def test_rows_written_twice_and_copies_of_the_treatment() -> None:
    fine = USERS.assign(gmv=USERS["gmv"] + np.random.default_rng(3).random(N))
    assert of_users(fine).audit["copies"].status == "passed"
    assert of_users(pd.concat([fine, fine], ignore_index=True)).audit["copies"].status == "failed"
    same = of_users(USERS.assign(seen=USERS["push"])).audit["same_as_treatment"]
    assert same.status == "warned" and "gc.adjust" in same.remedy
    assert of_users().audit["balance"].status == "not_run"
