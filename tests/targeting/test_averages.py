"""Average effects: published numbers, by hand, a direct computation, relations, known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.stats.nuisance.aipw import averages, clustered, overlap_weight, scores

FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
# Differences of means and Welch's standard errors and degrees of freedom, MineThatData e-mail test (64,000 rows), by an
# independent implementation (hillstrom.json).
HILLSTROM = {
    ("Mens E-Mail", "visit"): (0.07658956365153125, 0.0033858878117283653, 40593.688228635794),
    ("Mens E-Mail", "conversion"): (0.006805006519615695, 0.0009208727857351216, 37486.66940455389),
    ("Mens E-Mail", "spend"): (0.7698271558945368, 0.14524656024868676, 36671.15797736051),
    ("Womens E-Mail", "visit"): (0.045233106587052985, 0.003234462099090751, 41792.927706577066),
    ("Womens E-Mail", "conversion"): (0.003111057511085258, 0.0008226770775551195, 40913.7760649906),
    ("Womens E-Mail", "spend"): (0.4244122159365967, 0.13033285852919116, 40064.88440653066),
}
RNG = np.random.default_rng(3)
N = 600
USERS = pd.DataFrame({
    "tier": RNG.integers(0, 4, N), "recency": RNG.random(N),
    "city": np.array(["Hefei", "上海", "O'Fallon"])[RNG.integers(0, 3, N)],
    "coupon": RNG.permutation(np.arange(N) % 2),
})  # fmt: skip
USERS["gmv"] = 20 + 5 * USERS["tier"] + 6 * USERS["coupon"] * USERS["recency"] + RNG.normal(size=N) * 4
USERS.loc[RNG.random(N) < 0.1, "recency"] = np.nan
CALL: dict[str, Any] = {"treatment": "coupon", "features": ["tier", "recency", "city"], "propensity": 0.5}


@pytest.mark.parametrize("outcome", ["visit", "conversion", "spend"])
def test_hillstrom(data_dir: Path, outcome: str) -> None:
    frame = pd.read_csv(data_dir / "hillstrom.csv")
    call: dict[str, Any] = {"outcome": outcome, "treatment": "segment", "control": "No E-Mail"}
    plain = gc.uplift(frame, **call).to_frame().set_index("term")
    for arm in ("Mens E-Mail", "Womens E-Mail"):
        found = plain.loc[arm, ["estimate", "std_error", "df"]].to_numpy(float)
        np.testing.assert_allclose(found, HILLSTROM[arm, outcome], rtol=1e-10)
    if outcome != "spend":
        return
    third = dict.fromkeys(frame["segment"].unique(), 1 / 3)
    m = gc.uplift(frame, **call, features=FEATURES, propensity=third, folds=2, learner="t")
    beside = m.to_frame().set_index("term")
    for arm in ("Mens E-Mail", "Womens E-Mail"):
        found = beside.loc[f"{arm} (unadjusted)", ["estimate", "std_error", "df"]].to_numpy(float)
        np.testing.assert_allclose(found, HILLSTROM[arm, outcome], rtol=1e-10)
        adjusted = beside.loc[arm]
        assert abs(adjusted["estimate"] - found[0]) < 0.2 * found[1]
        assert 0.98 < adjusted["std_error"] / found[1] < 1.02
    assert m.arms == ("Mens E-Mail", "Womens E-Mail") and m.audit.credible
    assert m.audit["sample_ratio"].value == pytest.approx(0.9036929575604196, rel=1e-9)


def test_eight_rows_by_hand() -> None:
    """Four of either arm, chances .5 and .25, predictions 1 and 3: every number can be followed on paper."""
    y = np.array([1.0, 2, 1, 4, 3, 5, 2, 6])
    arm = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    e1 = np.array([0.5, 0.5, 0.25, 0.25, 0.5, 0.5, 0.25, 0.25])
    e, mu = np.column_stack([1 - e1, e1]), np.tile([1.0, 3.0], (8, 1))
    psi = scores(y, arm, e, mu)
    np.testing.assert_allclose(psi[:, 0], [1, 3, 1, 5, 1, 1, 1, 1])  # 1 + (y - 1) / e0
    np.testing.assert_allclose(psi[:, 1], [3, 3, 3, 3, 3, 7, -1, 15])
    ate = averages(y, arm, e, mu)
    assert ate.estimate[0] == pytest.approx((36 - 14) / 8)
    gap = np.array([2, 0, 2, -2, 2, 6, -2, 14]) - 2.75
    assert ate.cov[0, 0] == pytest.approx((gap[:4] @ gap[:4] + gap[4:] @ gap[4:]) * 4 / 3 / 64)
    att = averages(y, arm, e, mu, estimand="att")
    # treated: 2 + 4 + 1 + 5 over four; controls weighted by odds 1, 1, 1/3, 1/3: 0 + 1 + 0 + 1
    assert att.estimate[0] == pytest.approx((12 - 2) / 4)
    h = overlap_weight(e)
    np.testing.assert_allclose(h, e1 * (1 - e1))
    overlap = averages(y, arm, e, mu, estimand="overlap")
    assert overlap.estimate[0] == pytest.approx((0.25 * (2 + 0 + 2 + 6) + 0.1875 * (2 - 2 - 2 + 14)) / 1.75)


def test_overlap_weights_of_a_lot_that_was_estimated() -> None:
    """With one constant prediction the moving weights bring nothing of their own but in the chances."""
    rng = np.random.default_rng(0)
    e1 = rng.uniform(0.2, 0.8, 400)
    arm = (rng.random(400) < e1).astype(int)
    y = rng.normal(size=400) + arm
    e, mu = np.column_stack([1 - e1, e1]), np.column_stack([np.zeros(400), np.full(400, 0.7)])
    known = averages(y, arm, e, mu, estimand="overlap")
    learned = averages(y, arm, e, mu, estimand="overlap", known=False)
    h = e1 * (1 - e1)
    drift = (1 - 2 * e1) * (arm - e1)
    psi = scores(y, arm, e, mu)
    direct = (h * (psi[:, 1] - psi[:, 0]) + drift * 0.7).sum() / (h + drift).sum()
    assert learned.estimate[0] == pytest.approx(direct, rel=1e-12)
    assert known.estimate[0] == pytest.approx((h * (psi[:, 1] - psi[:, 0])).sum() / h.sum(), rel=1e-12)


def test_rows_of_the_result_are_those_of_a_direct_computation() -> None:
    m = gc.uplift(USERS, **CALL)
    t, fit = m.trial, m.fit
    psi = np.where(t.arm == 1, fit.mu[:, 1] + 2 * (t.y - fit.mu[:, 1]), fit.mu[:, 1])
    psi -= np.where(t.arm == 0, fit.mu[:, 0] + 2 * (t.y - fit.mu[:, 0]), fit.mu[:, 0])
    assert m.estimate == pytest.approx(psi.mean(), rel=1e-12)
    gap = psi - psi.mean()
    variance = sum((gap[t.arm == a] ** 2).sum() * 300 / 299 for a in (0, 1)) / N**2
    assert m.std_error == pytest.approx(np.sqrt(variance), rel=1e-10)
    assert float(m.effects.mean()) == pytest.approx(m.estimate, rel=1e-9)
    for f in range(5):  # no model has seen the rows it speaks of
        held = fit.fold == f
        np.testing.assert_allclose(fit.mu[held], fit.outcomes[f].predict(t.x[held]), rtol=1e-12)
        assert abs(np.bincount(t.arm[held]) - 60).max() <= 1


def test_clusters_are_sums() -> None:
    rng = np.random.default_rng(1)
    influence, cluster = rng.normal(size=(60, 2)), np.repeat(np.arange(20), 3)
    arm = (cluster % 2).astype(int)
    cov, spread = clustered(influence, arm, 2, cluster)
    sums = influence.reshape(20, 3, 2).sum(axis=1)
    direct = sum(sums[a::2].T @ sums[a::2] for a in (0, 1)) * 10 / 9
    np.testing.assert_allclose(cov, direct, rtol=1e-10)
    assert (spread.df < 18.001).all() and (spread.factor == 1).all()
    crossed, _ = clustered(influence, np.arange(60) % 2, 2, cluster)
    np.testing.assert_allclose(crossed, sums.T @ sums * 20 / 19, rtol=1e-10)


def test_relations() -> None:
    base = gc.uplift(USERS, **CALL)
    mixed = USERS.sample(frac=1, random_state=1)
    other = gc.uplift(mixed, **CALL)
    np.testing.assert_array_equal(other.to_frame()["estimate"], base.to_frame()["estimate"])
    np.testing.assert_array_equal(other.effects, base.effects[mixed.index])
    cents = gc.uplift(USERS.assign(gmv=USERS["gmv"] * 100), **CALL)
    np.testing.assert_allclose(cents.estimate, 100 * base.estimate, rtol=1e-5)
    np.testing.assert_allclose(cents.std_error, 100 * base.std_error, rtol=1e-5)
    named = USERS.assign(coupon=np.where(USERS["coupon"] == 1, "ten", "zzz"))
    told = gc.uplift(named, **CALL, control="zzz")
    np.testing.assert_allclose(told.to_frame()["estimate"], base.to_frame()["estimate"], rtol=1e-12)
    far = gc.uplift(USERS.assign(gmv=USERS["gmv"] + 1e7), **CALL)
    assert far.estimate == pytest.approx(base.estimate, abs=0.05 * base.std_error)
    scaled = gc.uplift(USERS.assign(recency=USERS["recency"] * 1e9 + 1e12), **CALL)
    assert scaled.estimate == pytest.approx(base.estimate, rel=1e-9)
    swapped = gc.uplift(USERS.assign(coupon=1 - USERS["coupon"]), **CALL)
    assert swapped.estimate == pytest.approx(-base.estimate, rel=1e-9)


def test_kinds_of_frames_and_files(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    base = gc.uplift(USERS, **CALL)
    frame = pl.from_pandas(USERS)
    path = tmp_path / "用户.parquet"
    frame.write_parquet(path)
    for data in (frame, frame.to_arrow(), path):
        again = gc.uplift(data, **CALL)
        assert again.estimate == base.estimate
        np.testing.assert_array_equal(again.predict(data), base.predict(USERS))
    typed = USERS.assign(coupon=USERS["coupon"].astype(bool), city=USERS["city"].astype("category"))
    assert gc.uplift(typed.convert_dtypes(), **CALL).estimate == base.estimate


def test_protocol(tmp_path: Path) -> None:
    before = USERS.copy()
    m = gc.uplift(USERS, **CALL)
    assert_protocol(m, tmp_path)
    pd.testing.assert_frame_equal(USERS, before)
    assert "'recency' is missing in" in m.summary() and "'上海'" in m.summary()
    assert m.predict(USERS).shape == (N, 1)


def test_what_it_earns_is_said() -> None:
    m = gc.uplift(USERS, **CALL, cost=1.0, margin=0.5)
    low, high = m.conf_int()
    net = [f"{0.5 * v - 1:+,.3g}" for v in (m.estimate, low, high)]
    told = " ".join(m.summary().split())
    assert f"Given to everyone, 1 earns {net[0]} per unit (95% interval {net[1]} to {net[2]})" in told
    assert "iven to everyone" not in gc.uplift(USERS, **CALL).summary()


def test_unseen_levels_and_gaps_at_predict_time() -> None:
    m = gc.uplift(USERS, **CALL)
    new = USERS.head(4).assign(city=["Hefei", "Atlantis", None, "上海"], tier=[1.0, np.nan, 2, 3])
    with pytest.warns(gc.GmvCausalWarning, match="never seen in training, for example 'Atlantis', in 1 rows"):
        found = m.predict(new)
    assert found.shape == (4, 1) and np.isfinite(found).all()
    gap = new.assign(city=["Hefei", None, None, "上海"])
    np.testing.assert_array_equal(found, m.predict(gap))


def _world(rng: np.random.Generator, n: int, skewed: bool) -> pd.DataFrame:
    x = rng.normal(size=(n, 2))
    e = 1 / (1 + np.exp(-x[:, 0]))
    on = rng.random(n) < e
    noise = np.exp(rng.normal(size=n)) - np.exp(0.5) if skewed else rng.normal(size=n)
    y = 2 * x[:, 0] + on * (1 + x[:, 1]) + noise
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "e": e, "on": on, "y": y})


def test_targeted_campaigns_hold_the_truth() -> None:
    """Twenty campaigns with their log of probabilities: the effect is 1, and selection alone would add 1.7."""
    rng = np.random.default_rng(5)
    gaps = []
    for _ in range(20):
        data = _world(rng, 800, skewed=True)
        m = gc.uplift(data, outcome="y", treatment="on", features=["a", "b"], propensity="e", folds=2, learner="t")
        gaps.append((m.estimate - 1) / m.std_error)
    z = np.array(gaps)
    assert abs(z.mean()) < 3 / np.sqrt(20)
    assert (np.abs(z) < 1.96).sum() >= 16  # of 20 at 95 %: fewer happens once in 400 times


def test_chances_that_were_not_written_down() -> None:
    data = _world(np.random.default_rng(8), 6000, skewed=False)
    m = gc.uplift(data, outcome="y", treatment="on", features=["a", "b"])
    assert abs(m.estimate - 1) < 3.5 * m.std_error and m.audit["sample_ratio"].status == "not_run"
    naive = data.loc[data["on"], "y"].mean() - data.loc[~data["on"], "y"].mean()
    assert naive > 2
    own = m.trial.in_table_order(m.fit.e)[:, 1]
    assert np.corrcoef(own, data["e"])[0, 1] > 0.97
    lot = gc.uplift(data.assign(on=np.arange(6000) % 2), outcome="y", treatment="on", features=["a", "b"])
    np.testing.assert_allclose(lot.fit.e, 0.5)
    assert "do not tell who was treated" in lot.summary()
