"""`AbResult.moderation`: Lin's regression beside statsmodels, and the moderators that it must not believe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from protocol import assert_protocol

import gmvcausal as gc


def users(n: int = 1200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {"arm": rng.choice(["none", "coupon"], n), "gmv_pre": rng.gamma(2, 20, n), "room": np.arange(n) // 20}
    )
    on = data["arm"] == "coupon"
    data["gmv"] = data["gmv_pre"] + rng.normal(0, 15, n) + 60 + on * (0.3 * data["gmv_pre"] - 5)
    data["bought"] = (rng.random(n) < 0.3 + 0.1 * on).astype(int)
    data["after"] = data["gmv_pre"] + 30 * on
    return data


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return users()


def test_it_is_lins_regression_with_hc2(data: pd.DataFrame) -> None:
    found = gc.ab_test(data, metrics=["gmv"], control="none").moderation("gmv_pre")
    z, on = data["gmv_pre"] - data["gmv_pre"].mean(), (data["arm"] == "coupon").astype(float)
    fit = sm.OLS(data["gmv"], np.column_stack([np.ones(len(data)), z, on, on * z])).fit(cov_type="HC2")
    np.testing.assert_allclose(found.estimates.estimate[:2], fit.params.iloc[2:], rtol=1e-8)
    np.testing.assert_allclose(found.estimates.std_error[:2], fit.bse.iloc[2:], rtol=1e-8)
    assert found.audit["moderator_balance"].status == "passed" and found.slope == pytest.approx(0.3, abs=0.15)
    low, high = found.region()[-1]
    assert low < high == data["gmv_pre"].max()


def test_its_effect_at_the_mean_is_that_of_ab_test_adjusted_for_it(data: pd.DataFrame) -> None:
    adjusted = gc.ab_test(data, metrics=[gc.Mean("gmv", pre="gmv_pre", cap=None)], control="none")
    assert adjusted.moderation("gmv_pre").estimate == pytest.approx(adjusted.estimate, rel=1e-9)


def test_a_moderator_that_the_tactic_moved_fails_the_audit(data: pd.DataFrame) -> None:
    found = gc.ab_test(data, metrics=["gmv"], control="none").moderation("after")
    check = found.audit["moderator_balance"]
    assert check.status == "failed" and "moved by the tactic" in check.remedy and not found.audit.credible
    assert "moderator_balance" in found.summary()


def test_missing_moderators_are_refused_even_where_missing_outcomes_are_zero(data: pd.DataFrame) -> None:
    holes = data.assign(gmv_pre=data["gmv_pre"].where(data.index > 3), gmv=data["gmv"].where(data.index > 1))
    r = gc.ab_test(holes, metrics=["gmv"], control="none", missing="zero")
    with pytest.raises(gc.InputError, match=r"moderator is missing.*'gmv_pre'"):
        r.moderation("gmv_pre")


def test_arms_metrics_and_a_switch(data: pd.DataFrame) -> None:
    three = data.assign(arm=np.where(np.arange(len(data)) % 3 == 0, "push", data["arm"]))
    r = gc.ab_test(three, metrics=["gmv", gc.Proportion("bought")], control="none")
    with pytest.raises(gc.InputError, match="ass arm=, one of 'coupon', 'push'"):
        r.moderation("gmv_pre")
    found = r.moderation("gmv_pre", metric="bought", arm="push")
    only = three[three["arm"] != "coupon"]
    two = gc.ab_test(only, metrics=[gc.Proportion("bought")], control="none").moderation("gmv_pre")
    np.testing.assert_allclose(found.estimates.estimate, two.estimates.estimate, rtol=1e-10)
    flag = gc.ab_test(data.assign(old=data["room"] % 2), metrics=["gmv"], control="none").moderation("old")
    assert flag.effects()["place"].tolist() == ["at 0", "mean", "at 1"]
    groups = data.assign(old=data["room"] % 2)
    means = groups.groupby(["old", "arm"])["gmv"].mean().unstack()
    np.testing.assert_allclose(flag.effects()["estimate"].iloc[[0, 2]], means["coupon"] - means["none"], rtol=1e-9)


def test_clusters_and_the_whole_protocol(data: pd.DataFrame, tmp_path: Path) -> None:
    by_room = data.assign(arm=np.where(data["room"] % 2, "coupon", "none"))
    found = gc.ab_test(by_room, metrics=["gmv"], control="none", cluster="room").moderation("gmv_pre")
    assert len(found.line.side) == 60 and set(found.line.side) == {0, 1}
    assert_protocol(found, tmp_path, ("moderation",))


@pytest.mark.parametrize(
    ("by", "words"),
    [("gmv", "no moderator"), ("arm", "no moderator"), ("gmv_pro", "id you mean 'gmv_pre'"), ("tier", "holds groups")],
)
def test_what_cannot_moderate_is_refused(data: pd.DataFrame, by: str, words: str) -> None:
    tiers = data.assign(tier=np.where(data["room"] % 2, "old", "new"))
    with pytest.raises(gc.InputError, match=words):
        gc.ab_test(tiers, metrics=["gmv"], control="none").moderation(by)


def test_data_that_changed_are_refused(data: pd.DataFrame) -> None:
    mine = data.copy()
    r = gc.ab_test(mine, metrics=["gmv"], control="none")
    mine["gmv"] += mine["arm"] == "coupon"
    with pytest.raises(gc.InputError, match="do not give this result any more"):
        r.moderation("gmv_pre")


def test_strata_are_refused(data: pd.DataFrame) -> None:
    r = gc.ab_test(data.assign(city=data["room"] % 2), metrics=["gmv"], control="none", strata="city")
    with pytest.raises(gc.DesignError, match="without strata"):
        r.moderation("gmv_pre")


def test_a_value_of_few_units_or_one_unit_that_decides_is_refused(data: pd.DataFrame) -> None:
    first = data.groupby("arm").cumcount()
    for few, words in ((9, "fewer than 10"), (1, "fewer than 10")):
        with pytest.raises(gc.DesignError, match=words):
            gc.ab_test(data.assign(vip=1 * (first < few)), metrics=["gmv"], control="none").moderation("vip")
    ten = gc.ab_test(data.assign(vip=1 * (first < 10)), metrics=["gmv"], control="none").moderation("vip")
    assert ten.effects()["moderator"].iloc[0] == 0
    whale = data.assign(past=data["gmv_pre"].where(first > 0, 1e5))
    with pytest.raises(gc.DesignError, match="more than half"):
        gc.ab_test(whale, metrics=["gmv"], control="none").moderation("past")


def test_the_effect_at_the_mean_is_held_against_the_whole(data: pd.DataFrame) -> None:
    plain = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], control="none").moderation("gmv_pre")
    check = plain.audit["moderator_mean"]
    assert check.status == "passed" and check.value is not None and check.value < 1
    from gmvcausal.results.moderated import _mean_check

    assert _mean_check(76.0, 1.0, 0.0, 2.0, "w").status == "failed"
    assert _mean_check(8.0, 1.0, 0.0, 2.0, "w").status == "warned"
