"""The causal forest: leaves by hand, splits beside numpy, effects beside econml, intervals beside the truth."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.targeting.learners.grown import BAG, Grown, bundle, debiased, grow, holds, leaves_of

FEATURES = ["a", "b", "c"]
CALL: dict[str, Any] = {
    "outcome": "y", "treatment": "on", "features": FEATURES, "propensity": 0.5, "folds": 2, "learner": "causal_forest",
}  # fmt: skip


def plain(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=FEATURES).assign(on=rng.permutation(np.arange(n) % 2))
    frame["cate"] = 1.0 * (frame["a"] > 0)
    return frame.assign(y=2 * frame["b"] + frame["on"] * frame["cate"] + rng.normal(size=n))


def residuals(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, residuals of arm and outcome, true effect: tanh(2 a)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    got = rng.permutation(np.arange(n) % 2) - 0.5
    tau = np.tanh(2 * x[:, 0].astype(float))
    return x, got, got * tau + rng.normal(size=n), tau


def forest(x: np.ndarray, got: np.ndarray, rest: np.ndarray, least: int = 5, trees: int = 100, seed: int = 0) -> Grown:
    return grow(Bins(x, (), 0, 1), np.arange(len(x)), got, rest, rest / got, None, least, seed, 1, trees)


def test_eight_rows_by_hand() -> None:
    """No leaf can be split, so that each tree says the mean of T Y and of T T over the rows that fill it."""
    x = np.arange(8, dtype=np.float32)[:, None]
    got = np.array([0.5, -0.5, 0.5, -0.5, 0.8, -0.2, 0.2, -0.8])
    rest = np.array([1.0, 2.0, 3.0, -1.0, 0.0, 4.0, -2.0, 1.0])
    grown = forest(x, got, rest, trees=8)
    num, den = np.empty((2, BAG)), np.empty((2, BAG))
    for b in range(2):
        rng = np.random.default_rng([0, b])
        half = rng.permutation(8)[:4]
        assert holds(None, 8, 0, 8)[b].nonzero()[0].tolist() == sorted(half.tolist())
        for t in range(BAG):
            drawn = rng.permutation(half)[:3]  # nine tenths of four
            fills = drawn[1:]  # one chooses splits, two fill
            num[b, t], den[b, t] = (got * rest)[fills].mean(), (got**2)[fills].mean()
            rng.integers(2**31)
    effect = num.sum() / den.sum()
    psi = num - effect * den
    between = ((psi.mean(axis=1) - psi.mean()) ** 2).mean()
    within = ((psi - psi.mean(axis=1, keepdims=True)) ** 2).mean() / (BAG - 1)
    said = grown.said(x[:2])
    np.testing.assert_allclose(said.effect, effect, rtol=1e-12)
    error = np.sqrt(debiased(np.array([between]), np.array([within]), 2)) / den.mean()
    np.testing.assert_allclose(said.error, error[0], rtol=1e-10)
    seen = np.array([[True, False], [False, False]])
    out = grown.effects(x[:2], seen=seen)
    np.testing.assert_allclose(out, [num[1].sum() / den[1].sum(), effect], rtol=1e-12)


def test_debiasing_is_the_mean_of_a_normal_above_zero() -> None:
    between, within, bags = 0.5, 0.6, 20
    draws = np.random.default_rng(0).normal(between - within, 0.6 * np.sqrt(2 / bags), 400_000)
    found = debiased(np.array([between]), np.array([within]), bags)[0]
    assert found == pytest.approx(draws[draws > 0].mean(), rel=0.01)


def test_a_split_has_the_gain_of_local_effects() -> None:
    """A tree on all rows: what LightGBM says it gains is what numpy finds, and sides have their local effects."""
    import lightgbm as lgb

    x, got, rest, _ = residuals(400, 1)
    got = got * np.random.default_rng(1).uniform(0.4, 1.6, 400)
    label, weight = rest / got, got * got
    text = Bins(x, (), 0, 1).tree(np.arange(400), label, weight, 180, 7)
    tree = lgb.Booster(model_str=text).dump_model()["tree_info"][0]
    root = tree["tree_structure"]
    assert tree["num_leaves"] == 2
    left = x[:, root["split_feature"]] <= root["threshold"]
    middle = np.average(label, weights=weight)
    spread = np.sqrt(np.average((label - middle) ** 2, weights=weight))
    z, w = (label - middle) / spread, weight / weight.mean()
    gain = sum((w * z)[side].sum() ** 2 / w[side].sum() for side in (left, ~left)) - (w * z).sum() ** 2 / w.sum()
    assert root["split_gain"] == pytest.approx(gain, rel=1e-4)  # single precision
    for side, name in ((left, "left_child"), (~left, "right_child")):
        effect = (got * rest)[side].sum() / weight[side].sum()
        assert middle + spread * root[name]["leaf_value"] == pytest.approx(effect, rel=1e-5)
        assert root[name]["leaf_count"] == side.sum() >= 180


def test_bundled_trees_send_rows_where_each_tree_did() -> None:
    import lightgbm as lgb

    x, got, rest, _ = residuals(600, 2)
    x[:, 2] = np.round(2 * x[:, 2]) % 5  # codes of levels
    x[::7, 0] = np.nan
    bins = Bins(x, (2,), 0, 1)
    texts = [bins.tree(np.arange(s, 600, 2), (rest / got)[s::2], (got**2)[s::2], 10, s) for s in (0, 1)]
    one = lgb.Booster(model_str=bundle(texts))
    for t, text in enumerate(texts):
        apart = leaves_of(lgb.Booster(model_str=text), x, 1, 0)
        np.testing.assert_array_equal(leaves_of(one, x, 1, t), apart)
        assert len(np.unique(apart)) >= 5
    assert sum(map(len, texts)) > 2 * len(bundle(texts))  # what is not needed is not kept


def test_effects_are_sums_over_the_trees_that_have_not_seen_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """All trees at once, beside a few of them for a few rows at a time: the same to the last bit."""
    x, got, rest, _ = residuals(300, 10)
    grown, seen = forest(x, got, rest, trees=80), holds(None, 300, 0, 80)
    leaf = grown.leaf[leaves_of(grown.booster, x, 1, 0, 80) + grown.first]
    for out, counts in ((seen, ~np.repeat(seen.T, BAG, axis=1)), (None, np.ones((300, 80)))):
        num, den = (leaf * counts[..., None]).sum(axis=1).T
        np.testing.assert_array_equal(grown.effects(x, seen=out), num / den)
    whole = grown.effects(x, seen=seen)
    monkeypatch.setattr("gmvcausal.targeting.learners.grown.MANY", 7)
    np.testing.assert_array_equal(grown.effects(np.asfortranarray(x), seen=seen), whole)
    assert grown.effects(x[:0]).shape == (0,)


def test_beside_econml() -> None:
    """The same residuals, number of trees and least rows of a leaf."""
    x, got, rest, _ = residuals(2000, 3)
    fresh, *_, tau = residuals(1000, 4)
    ours = forest(x, got, rest, 10, 200).said(fresh)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of scikit-learn, to econml
        from econml.grf import CausalForest

        peer = CausalForest(n_estimators=200, min_samples_leaf=10, max_samples=0.45, random_state=0, n_jobs=1)
        peer.fit(x, got[:, None], rest)
        theirs = np.asarray(peer.predict(fresh)).ravel()
    assert np.corrcoef(ours.effect, theirs)[0, 1] > 0.95
    error = [np.sqrt(((said - tau) ** 2).mean()) for said in (ours.effect, theirs)]
    assert error[0] < 1.1 * error[1]
    assert (np.abs(ours.effect - tau) < 1.96 * ours.error).mean() > 0.85


def test_intervals_hold_an_effect_that_is_the_same_for_all() -> None:
    share, wide = [], []
    for seed in range(12):
        x, got, rest, tau = residuals(500, seed)
        said = forest(x, got, rest + got * (1 - tau), 10, 100, seed).said(x[:100])
        share.append((np.abs(said.effect - 1) < 1.96 * said.error).mean())
        wide.append(said.error.mean())
    assert np.mean(share) > 0.8
    assert np.mean(wide) < 0.6  # not by being of any width: the average effect of all has an error of .09


def test_rows_have_no_say_on_their_own_effect() -> None:
    """Of noise the forest learns what its rows were; who is judged by trees that have not seen him gets none of it."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.normal(size=(800, 3)), columns=FEATURES)
    frame = frame.assign(on=rng.permutation(np.arange(800) % 2), y=rng.normal(size=800))
    m = gc.uplift(frame, **CALL)
    noise = (frame["on"] - 0.5) * frame["y"]
    assert np.corrcoef(m.predict(frame)[:, 0], noise)[0, 1] > 0.15
    assert np.corrcoef(m.effects[:, 0], noise)[0, 1] < 0.1


def test_what_was_assigned_together_is_drawn_together() -> None:
    unit = np.repeat(np.arange(40), 5)
    held = holds(unit, 200, 0)
    assert (held.reshape(len(held), 40, 5).sum(axis=2) % 5 == 0).all()
    assert (held.sum(axis=1) == 100).all()
    frame = plain(400, 8).assign(room=np.arange(400) // 4)
    frame["on"] = frame["room"] % 2
    m = gc.uplift(frame, **CALL, cluster="room")
    apart = gc.uplift(frame.drop(columns="room"), **CALL)
    assert m.estimate == pytest.approx(apart.estimate, abs=0.2) and (m.effects != apart.effects).all()


def test_verb(tmp_path: Path) -> None:
    """Gaps, levels and three arms; order of rows, unit of money; a file."""
    rng = np.random.default_rng(5)
    frame = plain(900, 5)
    frame["on"] = np.array(["none", "five", "ten"])[rng.permutation(np.arange(900) % 3)]
    frame["y"] += frame["on"].map({"none": 0.0, "five": 0.5, "ten": 2.0}) * frame["cate"]
    frame["c"] = np.array(["上海", "b", "c"])[rng.integers(0, 3, 900)]
    frame.loc[::9, "b"] = np.nan
    call = {**CALL, "propensity": dict.fromkeys(("none", "five", "ten"), 1 / 3), "control": "none"}
    m = gc.uplift(frame, **call)
    high, low = m.effects[frame["a"] > 0].mean(axis=0), m.effects[frame["a"] <= 0].mean(axis=0)
    order = [m.arms.index(arm) for arm in ("five", "ten")]
    assert (high - low)[order[1]] > 1 > (high - low)[order[0]] > 0
    said = m.predict(frame)
    with pytest.warns(gc.GmvCausalWarning, match="single users"):
        found = m.predict_interval(frame, level=0.9)
    assert found.shape == (900, 2, 2)
    np.testing.assert_allclose(found.mean(axis=2), said, atol=1e-12)
    with pytest.warns(gc.GmvCausalWarning, match="single users"):
        wider = m.predict_interval(frame, level=0.99)
    assert (np.diff(wider) > np.diff(found)).all()
    mixed = frame.sample(frac=1, random_state=1)
    other = gc.uplift(mixed.assign(y=128 * mixed["y"]), **call)  # a power of two: not even the last bit moves
    np.testing.assert_array_equal(other.predict(frame), 128 * said)
    m.save(tmp_path / "m")
    again = gc.load_uplift(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(frame), said)
    with pytest.warns(gc.GmvCausalWarning, match="single users"):
        np.testing.assert_array_equal(again.predict_interval(frame, level=0.9), found)


def test_leaves_of_other_trees_are_refused() -> None:
    x, got, rest, _ = residuals(200, 9)
    held = forest(x, got, rest, trees=8).to_dict()
    with pytest.raises(ValueError, match="not those of the trees"):
        Grown.from_dict({**held, "leaf": held["leaf"][64:]})


def test_a_handful_of_rows() -> None:
    """Too few for any split: everybody has the effect of all, and wide limits."""
    frame = plain(24, 1)
    m = gc.uplift(frame, **CALL)
    assert np.isfinite(m.effects).all() and np.ptp(m.predict(frame)) < 1e-12
