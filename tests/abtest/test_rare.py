"""Rare outcomes: the score test of shares, and rows that are left without interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ab_users import users
from scipy import optimize, stats

import gmvcausal as gc
from gmvcausal.abtest.intake.sparse import sparse
from gmvcausal.stats import score

CASES = [(0, 1000, 5, 9000), (3, 1000, 0, 9000), (6, 10, 3, 10), (9, 10, 20, 20), (2, 2000, 40, 18000), (5, 8, 5, 8)]


def draws(k1: int, n1: int, k0: int, n0: int, **more: Any) -> Any:
    """A test of so many events, the arms A (control) and B."""
    arm = np.r_[np.ones(k1, int), np.zeros(k0, int)]
    data = sparse(("A", "B"), 0, np.array([n0, n1]), arm, {"b": np.ones(k1 + k0)})
    return gc.ab_test(data, **{"metrics": [gc.Proportion("b")], "expected_ratio": {"A": n0, "B": n1}, **more})


def profile_z(k1: int, n1: int, k0: int, n0: int, d: float) -> float:
    """The statistic with the shares that maximise the likelihood, found by search."""

    def lost(p0: float) -> float:
        pairs = ((k1, p0 + d), (n1 - k1, 1 - p0 - d), (k0, p0), (n0 - k0, 1 - p0))
        return -sum(k * math.log(max(p, 1e-300)) for k, p in pairs if k)

    low, high = max(0.0, -d), min(1.0, 1 - d)
    p0 = float(optimize.minimize_scalar(lost, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x)
    p1 = p0 + d
    variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * (n1 + n0) / (n1 + n0 - 1)
    return (k1 / n1 - k0 / n0 - d) / math.sqrt(variance)


@pytest.mark.parametrize("case", CASES)
def test_limits_are_where_the_profiled_statistic_is_critical(case: tuple[int, int, int, int]) -> None:
    low, high = score.difference_limits(score.Shares(*case), 1.96)
    assert profile_z(*case, low) == pytest.approx(1.96, rel=1e-6)
    assert profile_z(*case, high) == pytest.approx(-1.96, rel=1e-6)


def test_published_intervals() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table II, method 6."""
    found = [(56, 70, 48, 80), (9, 10, 3, 10), (5, 56, 0, 29)]
    wanted = [(0.0528, 0.3382), (0.1700, 0.8406), (-0.0326, 0.1933)]
    for case, limits in zip(found, wanted, strict=True):
        own = score.difference_limits(score.Shares(*case), float(stats.norm.ppf(0.975)))
        assert own == pytest.approx(limits, abs=5.1e-5)


def test_ratios_are_those_of_statsmodels() -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

    for case in (c for c in CASES if c[2] and c[2] < c[3]):
        f = draws(*case).to_frame()
        wanted = confint_proportions_2indep(*case, method="score", compare="ratio", correction=True)
        assert (1 + f["relative_low"][0], 1 + f["relative_high"][0]) == pytest.approx(wanted, rel=1e-6, abs=1e-9)
        pooled = test_proportions_2indep(*case, method="score", compare="diff", correction=True)
        assert f["p_value"][0] == pytest.approx(pooled.pvalue, rel=1e-8)


def test_by_hand() -> None:
    """2 of 4 against 1 of 4: pooled share 3/8, variance 15/64 x (1/4 + 1/4) x 8/7."""
    data = pd.DataFrame({"arm": [1] * 4 + [0] * 4, "b": [1, 1, 0, 0, 1, 0, 0, 0]})
    r = gc.ab_test(data, metrics=[gc.Proportion("b")])
    z = 0.25 / math.sqrt(15 / 64 / 2 * 8 / 7)
    assert r.p_value == pytest.approx(2 * stats.norm.sf(z), rel=1e-12)
    assert r.std_error == pytest.approx(math.sqrt(1 / 3 / 4 + 0.25 / 4), rel=1e-12)  # Welch's
    assert "score test" in " ".join(r.summary().split())


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("case", [*CASES, (7, 1000, 12, 9000), (0, 50, 0, 60)])
def test_p_and_intervals_agree(case: tuple[int, int, int, int], alternative: str) -> None:
    for alpha in (0.01, 0.05, 0.2, 0.45):
        f = draws(*case, alternative=alternative, alpha=alpha).to_frame().iloc[0]
        assert (f["conf_low"] < 0 < f["conf_high"]) == (f["p_value"] > alpha)
        assert f["conf_low"] <= f["estimate"] <= f["conf_high"]
        if case[2]:
            assert (f["relative_low"] < 0 < f["relative_high"]) == (f["p_value"] > alpha)
        else:
            assert math.isnan(f["relative_low"])


def test_adjusted_intervals_follow() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"arm": [0, 1] * 500, "b": [0] * 991 + [1] * 9, "age": rng.normal(0, 1, 1000)})
    metrics = [gc.Proportion("b"), "age"]
    plain = gc.ab_test(data, metrics=metrics, alpha=0.025).to_frame()
    found = gc.ab_test(data, metrics=metrics, adjust="holm").to_frame()
    assert found["conf_high"].tolist() == pytest.approx(plain["conf_high"].tolist(), rel=1e-12)
    assert found["relative_high"][0] == pytest.approx(plain["relative_high"][0], rel=1e-12)


def test_relabelled_and_turned_round() -> None:
    one, two = draws(3, 1000, 12, 9000).to_frame(), draws(12, 9000, 3, 1000).to_frame()
    assert one["conf_low"][0] == pytest.approx(-two["conf_high"][0], rel=1e-9)
    assert one["p_value"][0] == pytest.approx(two["p_value"][0], rel=1e-12)
    assert 1 + one["relative_low"][0] == pytest.approx(1 / (1 + two["relative_high"][0]), rel=1e-9)


def test_guardrails_at_their_margin() -> None:
    """The limit of the relative effect is beyond the margin exactly where p is below alpha."""
    for k1 in (0, 2, 5, 9):
        for margin in (-0.5, 0.5, 2.0):
            g = draws(k1, 1000, 40, 9000, guardrails={"b": margin}).guardrails().iloc[0]
            assert (g["p_value"] < 0.05) == (g["bound"] > margin if margin < 0 else g["bound"] < margin)
    silent = draws(0, 1000, 4, 9000, guardrails={"b": 0.5}).guardrails().iloc[0]
    assert silent["status"] == "not shown"  # without an event nothing is known of a rise by half
    z = score.ratio_z(score.Shares(0, 1000, 4, 9000), 1.5)
    assert silent["p_value"] == pytest.approx(stats.norm.cdf(z), rel=1e-12)


def test_the_few_are_not_counted_in_words() -> None:
    """A rate is shown, as rates of tests are; no sentence counts three people or tells them from four."""
    one, other = (" ".join(draws(k, 1000, 40, 9000).manifest.notes) for k in (3, 4))
    assert one == other and "40 of 9,000 in A" in one and "fewer than 10 of 1,000 in B" in one
    checks = [draws(k, 1000, 40, 9000).audit["small_arm"] for k in (3, 4)]
    assert all(c.value is None or c.value >= 10 for c in checks)
    told = gc.ab_test(pd.DataFrame({"arm": [0, 1] * 500, "gmv": [0.0] * 990 + [3.0] * 10}), metrics="gmv")
    assert "fewer than 10 of the 500 rows" in told.audit["small_arm"].message
    assert "不足 10 行" in told.summary(language="zh")


def test_other_rows_are_left_without_interval() -> None:
    n = 2000
    gmv = np.zeros(n)
    gmv[1:17:2] = 5.0 + np.arange(8)
    gmv[0:14:2] = 30.0
    data = pd.DataFrame({"arm": np.arange(n) % 2, "gmv": gmv, "orders": (gmv > 0) * 1.0, "age": np.arange(n) % 61})
    data["tier"], data["user"] = np.arange(n) // 2 % 2, np.arange(n)
    r = gc.ab_test(data, metrics=["gmv", gc.Ratio("gmv", "orders"), "age"], guardrails={"gmv": -0.5}, adjust="holm")
    f = r.to_frame().set_index("term")
    rare = f[~f.index.str.startswith("age")]
    assert rare[["conf_low", "conf_high", "p_value", "relative", "relative_low"]].isna().all().all()
    assert rare["std_error"].notna().all() and f.loc["age", "p_value"] > 0
    assert set(r.guardrails()["status"]) == {"not shown"}
    assert r.audit["small_arm"].status == "failed"
    assert "fewer than 10 of the 1,000 rows of 0 have 'gmv' other than zero" in r.audit["small_arm"].message
    assert r.audit["small_arm"].value is None and " 7 of" not in r.summary() and " 8 of" not in r.summary()
    assert "at least 10 are needed" in " ".join(r.summary().split())
    assert np.linalg.eigvalsh(r.estimates.cov).min() > -1e-9
    half = data.assign(orders=np.where(data.index < 400, 1.0, 0.0), gmv=lambda f: f["orders"] * f["age"])
    half.loc[(half["arm"] == 0) & (half.index >= 12), ["orders", "gmv"]] = 0.0
    mixed = gc.ab_test(half, metrics=[gc.Mean("gmv", cap=None), gc.Ratio("gmv", "orders", cap=None)]).to_frame()
    assert mixed["p_value"].notna().tolist() == [
        True,
        False,
    ]  # 6 orders are too few for a ratio
    # The row that the finding is about has its interval: a warning, and the headline stands.
    later = gc.ab_test(data, metrics=["age", "gmv"])
    assert later.audit["small_arm"].status == "warned" and not later.audit.failed
    share = gc.Proportion("orders")
    for more in ({"strata": "tier"}, {"cluster": "user"}, {"inference": "poisson_bootstrap"}):
        g = gc.ab_test(data, metrics=share, **more).to_frame()
        assert g["p_value"].isna().all() == (more != {"inference": "poisson_bootstrap"})
    exact = gc.ab_test(data, metrics="gmv", inference="randomisation", draws=199).to_frame()
    assert exact["p_value"].notna().all()


def test_dense_outcomes_are_left_alone() -> None:
    tiny = pd.DataFrame({"arm": [0, 1] * 4, "gmv": [1.0, 2, 0, 5, 3, 0, 2, 7]})
    f = gc.ab_test(tiny, metrics="gmv").to_frame()
    a, b = tiny["gmv"][1::2], tiny["gmv"][::2]
    assert f["p_value"][0] == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-9)
    data = users(n=2000)
    calm = gc.ab_test(data, control=0, metrics=["gmv", gc.Proportion("bought")])
    assert not calm.estimates.special


def test_files_give_the_same(tmp_path: Any) -> None:
    data = pd.DataFrame({"arm": [0, 1] * 500, "b": [0] * 991 + [1] * 9, "gmv": [0.0] * 988 + [3.0] * 12})
    data.to_parquet(tmp_path / "users.parquet")
    metrics = [gc.Proportion("b"), gc.Mean("gmv", cap=None)]
    memory, file = (gc.ab_test(d, metrics=metrics) for d in (data, tmp_path / "users.parquet"))
    pd.testing.assert_frame_equal(memory.to_frame(), file.to_frame(), rtol=1e-10)
    assert memory.to_frame()["p_value"].isna().tolist() == [False, True]
    assert memory.audit["small_arm"].message == file.audit["small_arm"].message


def test_size() -> None:
    """Expected events .5 against 4.5: Welch's test rejects 40 % there."""
    rng = np.random.default_rng(1)
    k1, k0 = rng.binomial(1000, 0.0005, 4000), rng.binomial(9000, 0.0005, 4000)
    z = [score.difference_z(score.Shares(a, 1000, b, 9000), 0.0) for a, b in zip(k1, k0, strict=True)]
    assert (np.abs(z) > 1.96).mean() < 0.09


def test_a_weak_first_stage_has_no_relative_effect() -> None:
    rng = np.random.default_rng(7)
    arm = np.repeat([0, 1], 300)
    for uptake, given in ((0.01, False), (0.6, True)):
        got = ((rng.random(600) < uptake) & (arm == 1)) | (rng.random(600) < 0.05)
        data = pd.DataFrame({"arm": arm, "got": got.astype(int), "y": 5 + rng.exponential(5, 600) + 3 * got})
        r = gc.ab_test(data, metrics=[gc.Mean("y", cap=None)], received="got")
        assert (r.audit["first_stage"].status == "passed") == given
        assert r.to_frame()["relative_low"].notna().tolist() == [True, given]
        assert ("no relative effect is given: receipt hardly" in " ".join(r.advice)) == (not given)


def test_rare_among_compliers() -> None:
    data = pd.DataFrame({"arm": [0, 1] * 500, "got": [0, 1] * 500, "b": [0] * 991 + [1] * 9})
    f = gc.ab_test(data, metrics=[gc.Proportion("b")], received="got").to_frame()
    assert f["p_value"][1] == f["p_value"][0] and f[["conf_low", "relative_low"]].isna().iloc[1].all()


def test_segments_name_the_levels_that_the_test_leaves_out() -> None:
    rng = np.random.default_rng(5)
    n = 3000
    tier = np.array(["a", "b", "c"])[np.arange(n) % 3]
    data = pd.DataFrame({"arm": np.arange(n) // 3 % 2, "tier": tier, "b": rng.random(n) < 0.2})
    data.loc[(data["tier"] == "c") & (data.index > 30), "b"] = False
    by = gc.ab_test(data, metrics=[gc.Proportion("b")]).by("tier")
    assert by.interaction()["levels"].tolist() == [2]
    assert by.interactions[0].left == ("c",)
    assert "without c, where too few units vary" in " ".join(by.summary().split())
    assert by.to_frame()["p_value"].notna().all()  # by score


def test_a_value_that_only_one_arm_can_have() -> None:
    """The cost of a coupon: without it in the control arm, the treated alone say how it varies."""
    rng = np.random.default_rng(2)
    for share in (0.1, 0.5, 0.9):
        arm = (np.arange(4000) % 10 < 10 * share).astype(int)
        cost = np.where((arm == 1) & (rng.random(4000) < 0.3), 5.0 + rng.random(4000), 0.0)
        r = gc.ab_test(
            pd.DataFrame({"arm": arm, "cost": cost}), metrics=[gc.Mean("cost", cap=None)],
            expected_ratio={0: 1 - share, 1: share},
        )  # fmt: skip
        assert r.p_value < 1e-6 and not r.estimates.special
