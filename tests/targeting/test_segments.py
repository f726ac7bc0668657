"""Effects by segment of what a model was learned from: beside `ab_test.by`, by hand, when tables are turned about."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol
from scipy import stats

import gmvcausal as gc
from gmvcausal.results.by_level import FEW_IN_ARM
from gmvcausal.stats.nuisance.aipw import scores

COMMON = ["term", "unit", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "n"]


def users(n: int = 1_200, arms: int = 2, seed: int = 0) -> pd.DataFrame:
    """A lot; the tactic works in the higher tiers; half buy nothing."""
    rng = np.random.default_rng(seed)
    tier = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    arm = rng.integers(0, arms, n)
    pre = rng.exponential(3, n)
    gain = np.array([0.0, 2.0, 6.0])[np.searchsorted(["a", "b", "c"], tier)]
    gmv = (rng.random(n) < 0.5) * (pre + rng.exponential(4, n) + arm * gain)
    return pd.DataFrame(
        {"user": np.arange(n), "arm": arm, "tier": tier, "pre": pre, "gmv": gmv, "city": np.arange(n) % 60}
    )


def fitted(data: pd.DataFrame, **options: Any) -> Any:
    options = {"features": ["pre"], "learner": "t", "folds": 2, "control": 0, **options}
    return gc.uplift(data, treatment="arm", outcome="gmv", **options)


@pytest.mark.parametrize("how", ["holm", "bh", None])
def test_without_features_it_is_the_randomised_test_by_segment(how: str | None) -> None:
    """A second implementation: `ab_test.by`, points, errors, adjusted p-values and intervals, and Welch's test."""
    for arms in (2, 3):
        data = users(arms=arms)
        mine = fitted(data, features=[]).by("tier", how)
        theirs = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], control=0).by("tier", how)
        a, b = mine.to_frame(), theirs.to_frame()
        assert a["level"].tolist() == b["level"].tolist() and a["arm"].tolist() == b["arm"].tolist()
        same = [
            "estimate",
            "std_error",
            "statistic",
            "p_value",
            "conf_low",
            "conf_high",
            "control_value",
            "value",
            "df",
        ]
        np.testing.assert_allclose(a[same], b[same], rtol=1e-8)
        tests = ["levels", "statistic", "df1", "df2", "p_value"]
        np.testing.assert_allclose(mine.interaction()[tests], theirs.interaction()[tests], rtol=1e-8)
        assert mine.audit["segment_balance"].value == pytest.approx(theirs.audit["segment_balance"].value)


def test_clusters_beside_the_randomised_test() -> None:
    data = users(1_200).assign(arm=lambda f: f["city"] % 2, place=lambda f: f["city"] // 2 % 2)
    mine = fitted(data, features=[], cluster="city").by("place")
    theirs = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], control=0, cluster="city").by("place")
    same = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(mine.to_frame()[same], theirs.to_frame()[same], rtol=1e-8)
    # Tiers cut through cities: levels then depend on each other, and no test of their difference is made.
    crossed = fitted(data, features=[], cluster="city").by("tier")
    assert np.isnan(crossed.interactions[0].p_value) and "several levels" in crossed.summary()


def test_a_level_is_the_mean_of_its_scores() -> None:
    """By hand from the out-of-fold nuisances: means, squared deviations by arm, Welch's degrees of freedom."""
    m = fitted(users(), propensity=0.5)
    found = m.by("tier", None).to_frame().set_index("level")
    t, tier = m.trial, users()["tier"].to_numpy()[m.trial.row]
    psi = scores(t.y, t.arm, m.fit.e, m.fit.mu)
    for level in ("a", "b", "c"):
        here = tier == level
        gain = (psi[:, 1] - psi[:, 0])[here]
        off, arm, n = gain - gain.mean(), t.arm[here], here.sum()
        counts = np.bincount(arm)
        parts = np.array([(off[arm == a] ** 2).sum() / n**2 * counts[a] / (counts[a] - 1) for a in (0, 1)])
        row = found.loc[level]
        assert row["estimate"] == pytest.approx(gain.mean(), rel=1e-10)
        assert row["std_error"] == pytest.approx(np.sqrt(parts.sum()), rel=1e-10)
        df = parts.sum() ** 2 / (parts**2 / (counts - 1)).sum()
        half = stats.t.ppf(0.975, df) * np.sqrt(parts.sum())
        assert row["conf_high"] - row["estimate"] == pytest.approx(half, rel=1e-8)
        assert row["control_value"] == pytest.approx(psi[here, 0].mean())
    # The whole is what the model says, and what the levels add up to.
    assert found.loc["all", COMMON[2:5]].tolist() == m.to_frame().loc[0, COMMON[2:5]].tolist()
    share = found["n"][1:] / found["n"]["all"]
    assert share @ found["estimate"][1:] == pytest.approx(m.estimate, rel=1e-10)


def test_rows_may_stand_in_any_order_and_money_in_any_unit() -> None:
    data = users()
    first = fitted(data).by("tier").to_frame()
    shuffled = fitted(data.sample(frac=1, random_state=3)).by("tier").to_frame()
    pd.testing.assert_frame_equal(first, shuffled)
    renamed = fitted(data.assign(tier=data["tier"].map({"a": "x", "b": "z", "c": "y"}))).by("tier").to_frame()
    np.testing.assert_array_equal(np.sort(first["estimate"]), np.sort(renamed["estimate"]))
    fen = fitted(data.assign(gmv=data["gmv"] * 128)).by("tier").to_frame()
    np.testing.assert_allclose(fen["estimate"], 128 * first["estimate"], rtol=1e-6)
    np.testing.assert_allclose(fen["p_value"], first["p_value"], rtol=1e-5)


def test_the_interaction_finds_a_difference_and_keeps_its_size() -> None:
    assert fitted(users()).by("tier").interaction()["p_value"][0] < 0.01
    rejected = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame({"arm": rng.integers(0, 2, 300), "tier": rng.integers(0, 4, 300)})
        data["gmv"] = rng.exponential(1 + data["tier"]) + data["arm"]
        rejected += fitted(data, features=[]).by("tier").interactions[0].p_value < 0.05
    assert rejected <= 9


@pytest.mark.parametrize("estimand", ["att", "overlap"])
def test_other_estimands(estimand: str) -> None:
    data = users()
    found = fitted(data, estimand=estimand, propensity=0.5).by("tier")
    frame = found.to_frame()
    assert np.isfinite(frame["std_error"]).all()
    np.testing.assert_allclose(frame["value"] - frame["control_value"], frame["estimate"], rtol=1e-6)
    own = found.to_frame()["estimand"]
    assert (own.iloc[1:].str.startswith(own.iloc[0])).all()


def test_small_levels_are_hidden_with_the_reason() -> None:
    data = users()
    tier = data["tier"].to_numpy(dtype=object)
    tier[:12] = "tiny"
    quiet = np.flatnonzero(data["gmv"] == 0)[-80:]
    tier[quiet] = "quiet"
    found = fitted(data.assign(tier=tier)).by("tier")
    why = {h.level: h.why for h in found.hidden}
    assert why["tiny"] == FEW_IN_ARM
    assert why["quiet"] == "fewer than 10 of arm 0 with a non-zero outcome"
    assert found.audit["segment_levels"].status == "warned" and "quiet" in found.summary()
    assert found.to_frame()["level"].tolist() == ["all", "a", "b", "c"]
    every = fitted(data.assign(gmv=(data["gmv"] > 0) | (data["tier"] == "c"))).by("tier")
    assert [h.why for h in every.hidden] == ["fewer than 10 of arm 0 without the outcome"]
    rooms = data.assign(arm=data["city"] % 2, place=np.where(data["city"] < 12, "few", "many"))
    assert fitted(rooms, cluster="city").by("place").hidden[0].why.startswith("6 clusters by 'city'")


def test_a_segment_moved_by_the_tactic_fails_the_audit() -> None:
    data = users()
    moved = np.where(data["gmv"] > 3, "buyer", "other")
    found = fitted(data.assign(tier=np.where(data["arm"] == 1, moved, "other"), k=0)).by
    assert found("tier").audit["segment_balance"].status == "failed"
    column = data.assign(p=np.where(data["tier"] == "a", 0.5, 0.5001))
    assert fitted(column, propensity="p").by("tier").audit["segment_balance"].status == "not_run"


def test_refusals() -> None:
    data = users()
    m = fitted(data)
    for column, words in (
        ("gmv", "no segment"),
        ("arm", "no segment"),
        ("user", "1,200 levels"),
        ("nothing", "nothing"),
    ):
        with pytest.raises(gc.InputError, match=words):
            m.by(column)
    with pytest.raises(gc.InputError, match="adjust"):
        m.by("tier", "maybe")
    with pytest.raises(gc.InputError, match="1 level"):
        fitted(data.assign(tier="a")).by("tier")
    with pytest.raises(gc.InputError, match="level called 'all'"):
        fitted(data.assign(tier=data["tier"].replace("a", "all"))).by("tier")
    with pytest.raises(gc.InputError, match="missing"):
        fitted(data.assign(tier=data["tier"].where(data["tier"] != "c"))).by("tier")
    with pytest.raises(gc.InputError, match="pickled"):
        pickle.loads(pickle.dumps(m)).by("tier")
    with pytest.raises(gc.DesignError, match="no level"):
        fitted(data.assign(tier=np.arange(1_200) % 50, gmv=np.arange(1_200) % 40 == 0), features=[]).by("tier")
    data.loc[3, "gmv"] += 1
    with pytest.raises(gc.InputError, match="not those that were learned from"):
        m.by("tier")


def test_protocol(tmp_path: Path) -> None:
    for arms, folder in ((2, tmp_path), (3, None)):
        found = fitted(users(arms=arms), alpha=0.1).by("tier")
        assert_protocol(found, folder, plots=(None, "estimates"))
        assert found.manifest.options["segment"] == "tier" and found.manifest.verb == "uplift.by"
        assert "Interaction" in " ".join(found.summary().split("FINDING")[0].split())
