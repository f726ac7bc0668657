"""`did(..., inference=)`: each method against loops on the panel, what it refuses, and what its words say."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from panels import campaigns, rollout, thinned
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.rollout.chance.inference import cluster_scores, regression
from gmvcausal.rollout.methods import METHODS
from gmvcausal.stats.spatial import conley


def rooms(treated: int = 8, n: int = 40, weeks: int = 8, effect: float = 2.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    gmv = 50 + 3 * rng.normal(size=(n, 1)) + rng.normal(size=weeks) + rng.normal(size=(n, weeks))
    gmv[:treated, 5:] += effect
    unit = np.repeat(np.arange(n), weeks)
    first = np.where(np.arange(n) < treated, 5.0, np.nan)
    viewers = np.append(rng.integers(10, 500, n - 2), [5, 600])
    extra = {"lat": rng.uniform(20, 45, n), "lon": rng.uniform(100, 120, n), "viewers": viewers}
    return pd.DataFrame(
        {"unit": unit, "period": np.tile(np.arange(weeks), n), "gmv": gmv.ravel(), "first_treated": first[unit]}
        | {name: values[unit] for name, values in extra.items()}
    )


SPACE = {"coordinates": ("lat", "lon"), "cutoff": 300}


@pytest.mark.parametrize("estimator", ["callaway_santanna", "twfe", "two_by_two"])
@pytest.mark.parametrize(
    ("inference", "more"),
    [("wild", {}), ("conley_taber", {}), ("ferman_pinto", {"size": "viewers"}), ("conley", SPACE)],
)
def test_every_method_finds_an_effect_and_says_how(estimator: str, inference: str, more: dict) -> None:
    frame = rooms(12)
    plain, found = (gc.did(frame, estimator=estimator, **k) for k in ({}, {"inference": inference, **more}))
    low, high = found.conf_int()
    assert found.estimate == plain.estimate and 0 < low < 2 < high and found.p_value < 0.05
    assert found.estimates.method != plain.estimates.method and found.audit.credible
    assert (found.std_error == plain.std_error) == (inference != "conley")
    again = pickle.loads(pickle.dumps(found))
    assert again.conf_int() == found.conf_int() and again.p_value == found.p_value


@pytest.mark.parametrize("inference", ["wild", "conley_taber", "ferman_pinto", "conley"])
def test_row_order_names_and_units_of_money_change_nothing(inference: str) -> None:
    frame = rooms(12)
    more = {"ferman_pinto": {"size": "viewers"}, "conley": SPACE}.get(inference, {})
    plain = gc.did(frame, inference=inference, **more)
    for other, scale in (
        (frame.sample(frac=1, random_state=1), 1),
        (frame.assign(gmv=frame["gmv"] * 100), 100),
        (frame.assign(gmv=frame["gmv"] + 1e7), 1),
    ):
        again = gc.did(other, inference=inference, **more)
        assert again.p_value == pytest.approx(plain.p_value, rel=1e-6)
        np.testing.assert_allclose(again.conf_int(), np.array(plain.conf_int()) * scale, rtol=1e-6)


def test_a_file_gives_the_same(tmp_path) -> None:
    frame = rooms(12)
    frame.to_parquet(tmp_path / "rooms.parquet")
    by_size = {"inference": "ferman_pinto", "size": "viewers"}
    for more in ({"inference": "wild"}, by_size, {"inference": "conley", **SPACE}):
        assert gc.did(tmp_path / "rooms.parquet", **more).conf_int() == gc.did(frame, **more).conf_int()


def test_the_cluster_sums_are_those_of_the_regression() -> None:
    """Staggered, weighted, unbalanced, stacked: the sums give the estimator's own coefficient and standard error."""
    frame = thinned(rollout(60, seed=3))
    stack = campaigns()
    for result in (
        gc.did(frame, estimator="twfe", weights="w", ssc="none"),
        gc.did(stack, estimator="stacked", stack="campaign", treated="treated", ssc="none"),
    ):
        made = regression(result.panel, result.fitted)
        assert made.estimate == pytest.approx(result.estimate, rel=1e-9)
        assert made.std_error == pytest.approx(result.std_error, rel=1e-9)
    stacked = gc.did(stack, estimator="stacked", stack="campaign", treated="treated", inference="wild")
    assert "null imposed" in stacked.estimates.method and np.isfinite(stacked.conf_int()).all()


def test_the_restricted_bootstrap_by_a_regression_for_each_draw() -> None:
    """Ten rooms, Webb weights: 30 draws, each fitted anew by dummies with the null of zero imposed."""
    import gmvcausal.stats.wild as wild

    frame = rooms(5, n=10, weeks=7)
    result = gc.did(frame, estimator="twfe", cluster="unit")
    draws = wild.multipliers(10, 2, 30)
    found = wild.restricted(regression(result.panel, result.fitted), draws)
    y = result.panel.y
    d = (np.arange(10)[:, None] < 5) & (np.arange(7) >= 5)
    d = d - d.mean(1, keepdims=True) - d.mean(0) + d.mean()

    def within(z: np.ndarray) -> np.ndarray:
        return np.asarray(z - z.mean(1, keepdims=True) - z.mean(0) + z.mean())

    def t(z: np.ndarray) -> float:
        b = (d * z).sum() / (d * d).sum()
        score = (d * (within(z) - b * d)).sum(axis=1)
        return float(b * (d * d).sum() / np.sqrt((score**2).sum()))

    held = within(y)
    real, redrawn = t(y), np.array([t(v[:, None] * held) for v in draws.weight])
    assert found.p_value() == (1 + (np.abs(redrawn) >= abs(real)).sum()) / 31


def test_conley_taber_by_hand_on_a_panel() -> None:
    """Two treated rooms: mean after less the last before, all pairs of 38 residuals, widened for the controls."""
    frame = rooms(2)
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    change = y[:, 5:].mean(axis=1) - y[:, 4]
    left = change[2:] - change[2:].mean()
    wide = np.sqrt((1 + (1 / 38) / (1 / 2)) * 38 / 37)
    runs = [abs(a + b) / 2 * wide for a, b in itertools.product(left, repeat=2)]
    result = gc.did(frame, inference="conley_taber")
    assert result.estimate == pytest.approx(change[:2].mean() - change[2:].mean(), rel=1e-12)
    assert result.p_value == pytest.approx((1 + (np.array(runs) >= result.estimate).sum()) / (1 + 38**2), rel=1e-9)
    assert result.estimates.p_value == pytest.approx([result.p_value] * 4)  # one start: all aggregates are one number


def test_conley_is_made_of_cluster_scores() -> None:
    frame = rooms(12)
    plain, found = gc.did(frame), gc.did(frame, inference="conley", **SPACE)
    psi = cluster_scores(plain.panel, plain.fitted)
    np.testing.assert_allclose((psi**2).sum(axis=0), plain.estimates.std_error**2, rtol=1e-9)
    place = frame.groupby("unit")[["lat", "lon"]].first().to_numpy()
    np.testing.assert_allclose(found.estimates.cov, conley(psi, place[:, 0], place[:, 1], 300.0), rtol=1e-9, atol=1e-15)
    near = gc.did(frame, inference="conley", coordinates=("lat", "lon"), cutoff=1e-3)
    np.testing.assert_allclose(near.conf_int(), plain.conf_int(), rtol=1e-9)  # nobody is near: clusters alone


def test_users_in_rooms_are_drawn_by_room() -> None:
    frame = rollout(400, cities=24, seed=5)
    frame["first_treated"] = np.where(frame["place"] < 12, 4.0, np.nan)
    result = gc.did(frame, cluster="place", inference="wild")
    assert np.isfinite(result.estimates.interval(0.95)[0]).all()
    by_size = gc.did(frame[frame["place"] != 3], cluster="place", inference=None)
    assert by_size.panel.n_clusters == 23


def test_the_size_of_the_wild_bootstrap_with_ten_treated() -> None:
    hits = {"twfe": 0, "callaway_santanna": 0}
    for seed in range(200):
        frame = rooms(10, weeks=6, effect=0.0, seed=seed)
        for estimator in hits:
            hits[estimator] += gc.did(frame, estimator=estimator, inference="wild").p_value <= 0.05
    assert all(2 <= h <= 20 for h in hits.values()), hits  # 1 to 10 %


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"inference": "bootstrap"}, gc.InputError, "inference must be one of"),
        ({"inference": "wild", "size": "viewers"}, gc.InputError, "size= has no meaning for inference='wild'"),
        ({"inference": "conley"}, gc.InputError, "needs coordinates= and cutoff="),
        ({"inference": "conley", "coordinates": "lat", "cutoff": 5}, gc.InputError, "must name two columns"),
        ({"inference": "conley", "coordinates": ("lat", "lat"), "cutoff": 5}, gc.InputError, "must name two columns"),
        ({"inference": "conley", "coordinates": ("lat", "lon"), "cutoff": 0}, gc.InputError, "must be a distance"),
        ({"inference": "conley", "coordinates": ("lat", "lon"), "cutoff": 9, "kernel": "x"}, gc.InputError, "kernel"),
        ({"inference": "conley", "coordinates": ("gmv", "lon"), "cutoff": 5}, gc.InputError, "units"),
        ({"inference": "conley", "coordinates": ("viewers", "lon"), "cutoff": 5}, gc.InputError, "latitude must lie"),
        ({"inference": "ferman_pinto", "size": "nowhere"}, gc.InputError, "nowhere"),
        ({"inference": "ferman_pinto", "size": "gmv"}, gc.InputError, "units"),
        ({"inference": "ferman_pinto"}, gc.DesignError, "clusters of different sizes"),
        ({"inference": "wild", "assignment": "random"}, gc.InputError, "draws the lot again"),
    ],
)
def test_calls_that_are_refused(more: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        gc.did(rooms(3), **more)


def test_methods_that_the_data_contradict() -> None:
    frame = rooms(2)
    wilder = frame.assign(gmv=frame["gmv"] + 9 * (frame["unit"] == 0) * (frame["period"] % 2))
    with pytest.raises(gc.DesignError, match="before the start the treated varied"):
        gc.did(wilder, inference="conley_taber")
    largest = frame.assign(viewers=frame["viewers"].where(frame["unit"] > 0, 700))
    with pytest.raises(gc.DesignError, match="1 treated clusters are larger or smaller"):
        gc.did(largest, inference="ferman_pinto", size="viewers")


@pytest.mark.parametrize("estimator", ["callaway_santanna", "twfe"])
def test_designs_that_are_refused(estimator: str) -> None:
    with pytest.raises(gc.DesignError, match="wild bootstrap needs"):
        gc.did(rooms(3), estimator=estimator, inference="wild")
    with pytest.raises(gc.DesignError, match="10 clusters on each side"):
        gc.did(rooms(3), estimator=estimator, inference="conley", **SPACE)
    with pytest.raises(gc.DesignError, match="20 control clusters"):
        gc.did(rooms(3, n=20), estimator=estimator, inference="conley_taber")
    with pytest.raises(gc.DesignError, match="absent rows"):
        gc.did(rooms(3).iloc[1:], estimator=estimator, inference="conley_taber")


def test_the_protocol_holds(tmp_path) -> None:
    assert_protocol(gc.did(rooms(12, effect=0.8), inference="wild"), tmp_path)
    assert_protocol(gc.did(rooms(3), inference="conley_taber"), tmp_path)


def test_the_default_is_what_it_was() -> None:
    result = gc.did(rooms(12))
    plain = METHODS["callaway_santanna"].run(result.panel, result.options).estimates
    assert result.conf_int() == (plain.interval(0.95)[0][0], plain.interval(0.95)[1][0])
    assert result.estimates.method == "t distribution with Welch's degrees of freedom"
