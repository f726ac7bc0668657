"""Uplift on tables that do not fit into memory: a sample to learn from, every row counted, batches elsewhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import gmvcausal as gc
from gmvcausal.stats.nuisance.aipw import ESTIMANDS, averages, clustered, mean_outcomes
from gmvcausal.stats.nuisance.outcomes import arm_means
from gmvcausal.targeting.large import learn, source
from gmvcausal.targeting.large.draw import Sampled, draw, rates_of
from gmvcausal.targeting.large.sums import Sums
from gmvcausal.targeting.result import Uplift

FEATURES = ["age", "spent", "tier"]
HOW: dict[str, Any] = {"treatment": "coupon", "features": FEATURES, "propensity": 0.2, "folds": 2, "learner": "x"}


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    f = pd.DataFrame(
        {"user_id": rng.permutation(n) + 10**6 * seed, "age": rng.normal(40, 10, n), "spent": rng.gamma(2, 20, n)}
    )
    f["tier"] = rng.choice(["gold", "silver", "new"], n)
    f["coupon"] = (rng.random(n) < 0.2).astype(int)
    f["cost"] = np.where(f["tier"] == "gold", 2.0, 1.0)
    f["gmv"] = (f["spent"] + 4 * f["coupon"] * (f["tier"] == "new") + rng.normal(0, 8, n)).round(2)
    return f


def truth(f: pd.DataFrame) -> float:
    return 4 * float((f["tier"] == "new").mean())


ALL, TEST = people(6_000, 1), people(3_000, 2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    ALL.to_parquet(folder / "all.parquet")
    TEST.to_parquet(folder / "test.parquet")
    (folder / "parts").mkdir()
    shuffled = ALL.sample(frac=1, random_state=3)
    for k, part in enumerate(np.array_split(np.arange(len(ALL)), 7)):
        shuffled.iloc[part].to_parquet(folder / "parts" / f"{k}.parquet")
    return folder


@pytest.fixture(scope="module")
def model(files: Path) -> Uplift:
    return gc.uplift(str(files / "parts" / "*.parquet"), sample=2_000, cost="cost", margin=0.5, **HOW)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "HELD", 1_000)
    monkeypatch.setattr(source, "BATCH", 700)


# --- who is drawn -----------------------------------------------------------------------------------------------------
def drawn(data: Any, unit: str | None, wanted: int = 1_000, alike: bool = True, **how: Any) -> pd.DataFrame:
    columns = [c for c in ALL.columns if c != "user_id" or unit is not None]
    with source.opened(data, "data", columns) as opened:
        found = draw(opened, "coupon", None, unit, columns, wanted, alike=alike, seed=how.get("seed", 0))
        both = found.sample.to_pandas(), opened.space.arrow(found.rest).to_pandas()
    assert len(both[0]) + len(both[1]) == opened.rows  # nobody twice, nobody lost
    return both[0].sort_values(columns).reset_index(drop=True)


@pytest.mark.parametrize("unit", ["user_id", None])
def test_the_lot_hangs_on_the_row_alone(files: Path, unit: str | None) -> None:
    frame = drawn(ALL, unit)
    assert abs(len(frame) - 1_000) < 4 * np.sqrt(1_000)
    for other in (
        str(files / "all.parquet"), str(files / "parts" / "*.parquet"), files / "parts",
        duckdb.sql(f"SELECT * FROM '{files}/parts/*.parquet' ORDER BY age"),
    ):  # fmt: skip
        pd.testing.assert_frame_equal(drawn(other, unit), frame)
    half = drawn(ALL.iloc[:3_000], unit, wanted=500)
    assert not drawn(ALL, unit, seed=1).equals(frame)
    # The same share of fewer users is, but for shares of arms that differ, the same users.
    assert half["age"].isin(frame["age"]).mean() > 0.9


def test_arms_are_drawn_alike_or_at_one_rate() -> None:
    assert rates_of(np.array([900, 100]), 100, alike=True).tolist() == [50 / 900, 0.5]
    assert rates_of(np.array([900, 100]), 400, alike=True).tolist() == [300 / 900, 1.0]
    assert rates_of(np.array([900, 100]), 2_000, alike=True).tolist() == [1.0, 1.0]
    counts = drawn(ALL, "user_id")["coupon"].value_counts()
    assert abs(counts[1] / counts[0] - 1) < 0.2
    assert abs(drawn(ALL, "user_id", alike=False)["coupon"].mean() - 0.2) < 0.05


def test_rows_that_are_alike_are_drawn_apart() -> None:
    coarse = pd.DataFrame({"coupon": np.arange(8_000) % 2, "tier": np.arange(8_000) // 2 % 2, "gmv": 0.0})
    with source.opened(coarse, "data", list(coarse)) as opened:
        found = draw(opened, "coupon", None, None, list(coarse), 2_000, alike=False, seed=0).sample.to_pandas()
    # Four contents, of 2,000 rows each: a lot on the content alone would draw all of one or none.
    assert (abs(found.groupby(["coupon", "tier"]).size() - 500) < 4 * np.sqrt(500 * 0.75)).all()


# --- sums over all rows -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("estimand", ESTIMANDS)
@pytest.mark.parametrize("level", [0.0, 1e6])
def test_sums_are_the_averages_of_arrays(estimand: str, level: float) -> None:
    rng = np.random.default_rng(4)
    n = 2_000
    e = rng.dirichlet([4, 3, 2], n) * 0.8 + 0.2 / 3
    arm = (rng.random(n)[:, None] > e.cumsum(axis=1)).sum(axis=1)
    mu = rng.normal(size=(n, 3)) + np.arange(3) + level
    y = mu[np.arange(n), arm] + rng.normal(size=n)
    cost = rng.random((n, 2))
    s = Sums(3, estimand, np.array([0.9, 2.0]), level, 0.4)
    for b in np.array_split(rng.permutation(n), 7):
        s.add(y[b], arm[b], e[b], mu[b], cost[b])
    near = 1e-10 if level == 0 else 1e-7  # what the arrays themselves keep of digits
    blocks = []
    for found, direct, levels in (
        (s.effects(), averages(y, arm, e, mu, estimand=estimand), mean_outcomes(y, arm, e, mu, estimand)),
        (s.overlap(), averages(y, arm, e, mu, estimand="overlap"), mean_outcomes(y, arm, e, mu, "overlap")),
        (s.plain(), averages(y, arm, np.tile(np.bincount(arm) / n, (n, 1)), arm_means(y, arm, 3)),
         arm_means(y, arm, 3)[0]),
    ):  # fmt: skip
        np.testing.assert_allclose(found.averages.estimate, direct.estimate, rtol=near, atol=near)
        np.testing.assert_allclose(found.averages.cov, direct.cov, rtol=near)
        np.testing.assert_allclose(found.averages.spread.df, direct.spread.df, rtol=near)
        np.testing.assert_allclose(found.levels, levels, rtol=1e-10)
        blocks.append((found, direct.influence))
    joint, _ = clustered(np.column_stack([i for _, i in blocks]), arm, 3)
    np.testing.assert_allclose(s.joint([f for f, _ in blocks]), joint, rtol=near, atol=near * joint.max())
    net_mu = 0.4 * mu
    net_mu[:, 1:] -= cost
    spent = np.column_stack([np.zeros(n), cost])[np.arange(n), arm]
    net = averages(0.4 * y - spent, arm, e, net_mu, estimand=estimand)
    np.testing.assert_allclose(s.net().averages.estimate, net.estimate, rtol=near, atol=near)
    np.testing.assert_allclose(s.net().averages.cov, net.cov, rtol=near)
    np.testing.assert_allclose(s.paid, cost.mean(axis=0))


def test_sums_of_eight_rows_by_hand() -> None:
    y, arm = np.array([1.0, 2, 3, 6, 2, 4, 6, 12]), np.repeat([0, 1], 4)
    s = Sums(2, "ate", np.zeros(1), 0.0, 1.0)
    mu = np.tile([3.0, 6.0], (8, 1))
    s.add(y, arm, np.full((8, 2), 0.5), mu, np.ones((8, 1)))
    # Means 3 and 6; sums of squares 14 and 56: 14 / 3 / 4 + 56 / 3 / 4.
    assert s.effects().averages.estimate.tolist() == [3.0] and s.n == 8
    assert s.effects().averages.cov[0, 0] == pytest.approx((14 + 56) / 12)
    assert s.net().averages.estimate.tolist() == [2.0] and s.plain().averages.cov[0, 0] == pytest.approx(70 / 12)


def test_averages_over_all_rows_hold_the_truth_whatever_was_drawn() -> None:
    """Predictions from a sample whose arms were drawn unequally: unbiased, and 95 % intervals hold 95 %."""
    rng = np.random.default_rng(5)
    hits, away, n = 0, [], 1_000
    for _ in range(400):
        x = rng.normal(size=n)
        arm = (rng.random(n) < 0.1).astype(int)
        y = x + arm * (0.5 + x) + rng.normal(size=n)
        taken = rng.random(n) < rates_of(np.bincount(arm), 150, alike=True)[arm]
        mu, half = np.empty((n, 2)), rng.integers(0, 2, n)
        for a in (0, 1):
            for f in (0, 1):
                own = taken & (arm == a) & (half != f)
                mu[half == f, a] = np.polyval(np.polyfit(x[own], y[own], 1), x[half == f])
        s = Sums(2, "ate", np.zeros(1), 0.0, 1.0)
        for part in (taken, ~taken):
            e = np.tile([0.9, 0.1], (int(part.sum()), 1))
            s.add(y[part], arm[part], e, mu[part], np.zeros((len(e), 1)))
        found = s.effects().averages
        away.append(float(found.estimate[0]) - 0.5)
        hits += abs(away[-1]) < 1.96 * float(np.sqrt(found.cov[0, 0]))
    assert abs(np.mean(away)) < 4 * np.std(away) / np.sqrt(400)
    assert 0.92 < hits / 400 < 0.975


# --- the verb ---------------------------------------------------------------------------------------------------------
def test_every_row_counts_in_the_averages(model: Uplift) -> None:
    t, sampled = model.trial, model.sampled
    assert sampled is not None and sampled.whole and model.n == 6_000 == model.manifest.rows
    assert sampled.sizes == tuple(np.bincount(ALL["coupon"])) and sampled.taken == tuple(t.sizes) and t.n < 2_300
    # By hand: rows of the sample by models that have not seen their fold, the others by those of a fold by lot.
    order = ALL.set_index(["gmv", "age"]).index
    raw = t.x * np.array(t.features.scale) + np.array(t.features.shift)
    place = {(round(y, 2), round(a, 3)): k for k, (y, a) in enumerate(order)}
    own = np.array([place[round(float(y), 2), round(float(a), 3)] for y, a in zip(t.y, raw[:, 0], strict=True)])
    from gmvcausal.frames.table import open_table

    x = t.features.transform(open_table(ALL))
    lots = [hashlib.md5(f"0|{user}".encode()).hexdigest() for user in ALL["user_id"]]
    fold = np.array([int(lot[16:20], 16) % 2 for lot in lots])
    mu = np.where((fold == 0)[:, None], *(o.predict(x) for o in model.fit.outcomes))
    mu[own] = model.fit.mu
    assert {lot[:13] for lot in np.array(lots)[own]} == {
        lot[:13]
        for lot, arm in zip(lots, ALL["coupon"], strict=True)
        if lot < format(int(sampled.rates[arm] * 16**13), "013x")
    }
    y, arm = ALL["gmv"].to_numpy(), ALL["coupon"].to_numpy()
    direct = averages(y, arm, np.tile([0.8, 0.2], (6_000, 1)), mu)
    assert model.estimate == pytest.approx(float(direct.estimate[0]), abs=1e-10)
    assert model.std_error == pytest.approx(float(np.sqrt(direct.cov[0, 0])), rel=1e-10)
    plain = model.to_frame().iloc[1]
    means = ALL.groupby("coupon")["gmv"].agg(["mean", "var", "size"])
    assert plain["estimate"] == pytest.approx(means["mean"][1] - means["mean"][0], abs=1e-10)
    assert plain["std_error"] == pytest.approx(np.sqrt((means["var"] / means["size"]).sum()), rel=1e-10)
    assert model.arm_values()["mean"].tolist() == pytest.approx(means["mean"].tolist(), rel=1e-12)
    assert "expected 4,800.0" in model.audit["sample_ratio"].message


def test_a_sample_loses_little_and_says_what(model: Uplift) -> None:
    full = gc.uplift(ALL, cost="cost", margin=0.5, **HOW)
    assert abs(model.estimate - truth(ALL)) < 4 * model.std_error
    assert model.std_error < 1.1 * full.std_error
    effect = model.predict(TEST)[:, 0]
    assert abs(float(effect.mean()) - model.estimate) < 0.3  # the mean of the effects is the average effect
    assert effect[TEST["tier"] == "new"].mean() > effect[TEST["tier"] != "new"].mean() + 1
    sampled = model.sampled
    assert sampled is not None
    n0, n1 = sampled.taken
    wider = np.sqrt((1 / n0 + 1 / n1) / (1 / sampled.sizes[0] + 1 / sampled.sizes[1]))
    text = " ".join(model.summary().split())
    assert f"earned from {n0 + n1:,} of 6,000 rows" in text and f"up to {wider:.3g} times as wide" in text
    assert "count every row" in text and "Given to everyone, 1 earns" in text
    with pytest.raises(gc.InputError, match="a sample of the rows was learned from"):
        _ = model.effects


def test_one_lot_one_result(files: Path, model: Uplift) -> None:
    again = gc.uplift(ALL.sample(frac=1, random_state=9), sample=2_000, cost="cost", margin=0.5, **HOW)
    np.testing.assert_allclose(again.to_frame()["estimate"], model.to_frame()["estimate"], rtol=1e-12)
    np.testing.assert_allclose(again.predict(TEST), model.predict(TEST), rtol=1e-10)
    assert again.manifest.data_sha256 == model.manifest.data_sha256


@pytest.mark.parametrize("change", ["cluster", "received", "learned"])
def test_what_is_not_summed_is_of_the_sample(change: str) -> None:
    rng = np.random.default_rng(6)
    f = people(4_000, 6)
    how = dict(HOW)
    if change == "cluster":
        f["household"] = np.arange(4_000) // 2
        how["cluster"] = "household"
    elif change == "received":
        f["got"] = f["coupon"] * (rng.random(4_000) < 0.7)
        how["received"] = "got"
    else:
        f["coupon"] = (rng.random(4_000) < 0.2 + 0.4 * (f["tier"] == "new")).astype(int)
        how["propensity"] = None
    m = gc.uplift(f, sample=1_500, **how)
    assert m.sampled is not None and not m.sampled.whole and m.sampled.even
    assert m.n == m.trial.n < 1_700 and m.manifest.rows == 4_000
    assert "the average effects are those of the sample" in " ".join(m.manifest.notes)
    assert abs(m.estimate - truth(f)) < 4 * m.std_error


def test_shares_are_those_of_all_rows() -> None:
    how = HOW | {"propensity": None}
    m = gc.uplift(ALL, sample=2_000, **how)
    assert m.sampled is not None and m.sampled.whole and m.sampled.even and m.n == 6_000
    share = float(ALL["coupon"].mean())
    assert m.fit.predict_chances(m.trial.x)[0].tolist() == pytest.approx([1 - share, share])


def test_too_many_rows_are_sampled_unasked(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "MOST", 12_000)
    m = gc.uplift(files / "all.parquet", **HOW)  # five columns are named
    assert m.sampled is not None and abs(m.trial.n - 2_400) < 200 and m.manifest.options["sample"] == 2_400
    assert gc.uplift(ALL, **HOW).sampled is None  # a frame is in memory already


def test_words_of_several_arms() -> None:
    told = Sampled(1_000, 300, (600, 300, 100), (100, 100, 100), (1 / 6, 1 / 3, 1.0), "", True)
    assert told.wider(1) == pytest.approx(np.sqrt((2 / 100) / (1 / 600 + 1 / 300)))
    assert "those of 5 against none" in told.words(["none", "5", "10"])[1]
    e = told.tilted(np.array([[0.6, 0.3, 0.1]]))
    assert e.tolist()[0] == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_what_is_asked_of_a_sampled_model(model: Uplift) -> None:
    total = model.incremental_gmv(gmv_is="paid", refunds=0.0).to_frame().set_index("term")["estimate"]
    assert total["incremental_gmv"] == pytest.approx(6_000 * model.estimate)  # all users, not those learned from
    with pytest.raises(gc.InputError, match="a sample of the rows was learned from"):
        model.by("tier")
    assert model.refute(draws=5).to_frame()["std_error"].notna().all()
    assert model.explain().of == model.trial.n


# --- batches ----------------------------------------------------------------------------------------------------------
def test_scores_are_the_predictions(files: Path, model: Uplift, small_batches: None, tmp_path: Path) -> None:
    to = tmp_path / "scores.parquet"
    assert model.score(files / "test.parquet", to, keep=["user_id"]) == 3_000
    found = pd.read_parquet(to)
    assert found.columns.tolist() == ["user_id", "effect 1"]
    pd.testing.assert_series_equal(found["user_id"], TEST["user_id"])
    np.testing.assert_array_equal(found["effect 1"], model.predict(TEST)[:, 0])
    np.testing.assert_array_equal(model.predict(files / "test.parquet"), model.predict(TEST))
    assert pq.ParquetFile(to).metadata.num_row_groups > 1
    with pytest.raises(gc.InputError, match="exists already"):
        model.score(files / "test.parquet", to)
    assert model.score(TEST, to, overwrite=True) == 3_000 and pd.read_parquet(to).shape == (3_000, 1)


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "folder", "pattern", "deep", "linked folder"])
def test_scores_are_never_written_where_they_are_read(model: Uplift, tmp_path: Path, way: str) -> None:
    log = tmp_path / "log"
    log.mkdir()
    victim = log / "a.parquet"
    TEST.to_parquet(victim)
    before = victim.read_bytes()
    (tmp_path / "link.parquet").symlink_to(victim)
    os.link(victim, tmp_path / "hard.parquet")
    (tmp_path / "other").symlink_to(log)
    data, to, words = {
        "itself": (victim, victim, "a file that data names"),
        "link": (victim, tmp_path / "link.parquet", "a file that data names"),
        "hard link": (victim, tmp_path / "hard.parquet", "a file that data names"),
        "folder": (log, log / "scores.parquet", "inside the folder"),
        "pattern": (f"{log}/*.parquet", log / "scores.parquet", "which the pattern"),
        "deep": (f"{tmp_path}/**/a*.parquet", log / "below" / "after.parquet", "which the pattern"),
        "linked folder": (log, tmp_path / "other" / "s.parquet", "inside the folder"),
    }[way]
    if way == "deep":
        os.unlink(tmp_path / "other")  # the pattern would find the file twice
    with pytest.raises(gc.InputError, match=words):
        model.score(data, to, overwrite=True)
    assert victim.read_bytes() == before and [one.name for one in log.iterdir()] == ["a.parquet"]
    assert model.score(data, tmp_path / "beside.parquet") == 3_000  # next to the folder it may lie
    if way != "deep":
        assert model.score(f"{log}/a*.parquet", log / "scores.parquet") == 3_000  # the pattern does not find it


def test_an_input_that_changes_leaves_the_old_scores(
    files: Path, model: Uplift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "scores.parquet"
    TEST.to_parquet(tmp_path / "in.parquet")
    model.score(tmp_path / "in.parquet", to)
    old, plain = to.read_bytes(), type(model.fit).predict

    def changes(self: Any, x: Any) -> Any:
        TEST.iloc[:5].to_parquet(tmp_path / "in.parquet")
        return plain(self, x)

    monkeypatch.setattr(type(model.fit), "predict", changes)
    with pytest.raises(gc.InputError, match="changed while it was read"):
        model.score(tmp_path / "in.parquet", to, keep=["user_id"], overwrite=True)
    assert to.read_bytes() == old


def test_scores_of_three_arms_to_the_last_bit(small_batches: None, tmp_path: Path) -> None:
    f = people(3_000, 7).assign(coupon=lambda d: np.where(np.arange(3_000) % 5 == 0, 2, d["coupon"]))
    f.to_parquet(tmp_path / "f.parquet")
    for learner in ("dr", "hurdle"):
        m = gc.uplift(
            f.assign(gmv=f["gmv"].clip(0)), treatment="coupon", features=FEATURES, folds=2, learner=learner, control=0
        )
        m.score(tmp_path / "f.parquet", tmp_path / "s.parquet", overwrite=True)
        np.testing.assert_array_equal(pd.read_parquet(tmp_path / "s.parquet"), m.predict(f))


def test_a_crash_leaves_no_part_of_a_file(
    files: Path, model: Uplift, small_batches: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    plain = type(model.fit).predict

    def dies(self: Any, x: Any) -> Any:
        calls.append(len(x))
        if len(calls) > 2:
            raise KeyboardInterrupt
        return plain(self, x)

    monkeypatch.setattr(type(model.fit), "predict", dies)
    with pytest.raises(KeyboardInterrupt):
        model.score(files / "test.parquet", tmp_path / "scores.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["means", "doubly_robust"])
def test_evaluation_in_batches_is_that_in_memory(files: Path, model: Uplift, small_batches: None, version: str) -> None:
    a, b = model.evaluate(TEST, version=version), model.evaluate(files / "test.parquet", version=version)
    columns = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(b.to_frame()[columns], a.to_frame()[columns], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(b.deciles(), a.deciles(), rtol=1e-10, atol=1e-10)
    assert b.calibration().slope.estimate == pytest.approx(a.calibration().slope.estimate, rel=1e-10)
    assert b.calibration().slope.std_error == pytest.approx(a.calibration().slope.std_error, rel=1e-10)
    np.testing.assert_allclose(b.curve(10), a.curve(10), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(b.gates().estimate, a.gates().estimate, rtol=1e-10)
    assert b.best_linear().to_frame()["estimate"].tolist() == pytest.approx(a.best_linear().to_frame()["estimate"])
    assert "features not kept" in b.summary().replace("\n", " ").replace("  ", " ")


def test_plans_in_batches_are_those_in_memory(files: Path, model: Uplift, small_batches: None, tmp_path: Path) -> None:
    a, b = model.policy(TEST, budget=600), model.policy(files / "test.parquet", budget=600)
    assert (a.assign == b.assign).all() and a.cost == b.cost
    others = people(3_000, 8)
    others.to_parquet(tmp_path / "others.parquet")
    va, vb = a.evaluate(others), b.evaluate(tmp_path / "others.parquet")
    np.testing.assert_allclose(
        vb.to_frame().iloc[:, 3:].astype(float), va.to_frame().iloc[:, 3:].astype(float), rtol=1e-10, atol=1e-10
    )
    with pytest.raises(gc.InputError, match="a tree asks all features"):
        model.policy(files / "test.parquet", depth=2)


def test_chances_costs_and_rooms_of_each_row(small_batches: None, tmp_path: Path) -> None:
    def logged(n: int, seed: int) -> pd.DataFrame:
        f, rng = people(n, seed), np.random.default_rng(seed)
        f["room"], room = np.arange(n) % 60, rng.permutation(60)
        f["e"] = 0.3 + 0.4 * (f["room"] % 3 == 0)
        f["coupon"] = (room[f["room"]] < 60 * 0.45).astype(int)
        f["used"] = f["coupon"] * (rng.random(n) < 0.5)
        return f.drop(columns="user_id")

    f, test = logged(3_000, 11), logged(3_000, 12)
    test.to_parquet(tmp_path / "t.parquet")
    how = HOW | {"propensity": "e", "cost": "cost", "cluster": "room", "redeemed": "used", "srm_alpha": 1e-9}
    m = gc.uplift(f, **how)
    a, b = m.evaluate(test), m.evaluate(tmp_path / "t.parquet")
    columns = ["estimate", "std_error", "conf_low"]
    np.testing.assert_allclose(b.to_frame()[columns], a.to_frame()[columns], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(b.curve(5), a.curve(5), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(b.deciles(5), a.deciles(5), rtol=1e-10, atol=1e-10)


def test_saved_with_what_was_drawn(model: Uplift, tmp_path: Path) -> None:
    model.save(tmp_path / "m.uplift")
    again = gc.load_uplift(tmp_path / "m.uplift")
    assert isinstance(again, Uplift) and again.sampled == model.sampled and again.summary() == model.summary()
    np.testing.assert_array_equal(again.predict(TEST), model.predict(TEST))


# --- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [0, 99, -5, True, 1.5, "1000", float("nan")])
def test_sample_that_is_none(bad: Any) -> None:
    with pytest.raises(gc.InputError, match="sample must be None or a whole number of at least 100"):
        gc.uplift(ALL, sample=bad, **HOW)


def test_sample_larger_than_the_table_takes_all_and_says_so(files: Path) -> None:
    m = gc.uplift(files / "all.parquet", sample=6_000, **HOW)
    assert m.sampled is None and m.trial.n == 6_000
    assert any("sample=6,000 asks for no fewer than the 6,000 rows" in note for note in m.manifest.notes)


def test_sample_of_doses() -> None:
    with pytest.raises(gc.InputError, match="sample= is for arms"):
        gc.uplift(ALL, treatment="coupon", features=FEATURES, dose=True, sample=1_000)


def refuses(f: pd.DataFrame, words: str, **how: Any) -> gc.InputError:
    with pytest.raises(gc.InputError, match=words) as caught:
        gc.uplift(f, sample=1_000, **HOW | how)
    return caught.value


def test_what_is_wrong_with_a_row_that_was_not_drawn() -> None:
    nobody = drawn(ALL, "user_id")["user_id"]
    at = int(np.flatnonzero(~ALL["user_id"].isin(nobody))[0])
    gone = ALL.assign(gmv=ALL["gmv"].where(ALL.index != at))
    assert "were not learned from" in str(refuses(gone, "outcome is missing"))
    arms = ALL.assign(coupon=ALL["coupon"].astype("Int64").where(ALL.index > 2))
    assert refuses(arms, "arm is missing").count == 3
    again = refuses(ALL.assign(user_id=ALL["user_id"].where(ALL.index != 5, ALL["user_id"][4])), "occur more than once")
    assert again.count == 1 and again.column == "user_id"
    assert (
        refuses(ALL.assign(user_id=ALL["user_id"].astype("Int64").where(ALL.index > 1)), "unit is missing").count == 2
    )
    refuses(ALL, "the control arm is not named", treatment="tier", features=["age"], propensity=None)


def test_positions_are_those_of_the_table(files: Path, model: Uplift, small_batches: None, tmp_path: Path) -> None:
    TEST.assign(gmv=TEST["gmv"].where(TEST.index != 2_345)).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(gc.InputError, match=r"outcome is missing \(among rows 2,") as caught:
        model.evaluate(tmp_path / "t.parquet")
    assert caught.value.rows == (2_345,) and caught.value.count == 1
    parts = tmp_path / "parts"
    parts.mkdir()
    TEST.iloc[:2_000].to_parquet(parts / "a.parquet")
    TEST.iloc[2_000:].drop(columns="age").to_parquet(parts / "b.parquet")
    with pytest.raises(gc.InputError, match="age"):
        model.score(parts, tmp_path / "s.parquet")
    assert not (tmp_path / "s.parquet").exists()
    with pytest.raises(gc.InputError, match="no column"):
        model.score(files / "test.parquet", tmp_path / "s.parquet", keep=["nobody"])


@pytest.mark.parametrize("to", [None, "", 5, "scores.csv"])
def test_score_wants_a_parquet_file(model: Uplift, to: Any) -> None:
    with pytest.raises(gc.InputError, match="parquet"):
        model.score(TEST, to)


def test_levels_never_seen_are_judged_over_all_batches(model: Uplift, small_batches: None, tmp_path: Path) -> None:
    # The last 60 rows alone hold a new level: all of a batch, but 2 % of the table, which is warned of and no more.
    new = TEST.assign(tier=TEST["tier"].where(TEST.index < 2_940, "platinum"))
    new.to_parquet(tmp_path / "t.parquet")
    with pytest.warns(gc.GmvCausalWarning, match=r"in 60 rows \(2.0%\)"):
        found = model.predict(tmp_path / "t.parquet")
    with pytest.warns(gc.GmvCausalWarning, match=r"in 60 rows \(2.0%\)"):
        np.testing.assert_array_equal(found, model.predict(new))
    TEST.assign(tier=TEST["tier"].str.upper()).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(gc.InputError, match="hardly any level that training saw"):
        model.evaluate(tmp_path / "t.parquet")
