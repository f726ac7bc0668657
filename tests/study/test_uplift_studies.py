"""Study files that hold a model of uplift: the same numbers as the verb, users kept apart, a plan, clean errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.study import StudyResult
from gmvcausal.targeting.evaluate.drawn import KINDS

SMALL = """
[data]
frame = "users.parquet"
[[answer]]
name = "谁 / who?"
test = 0.5
policy = { max_share = 0.4 }
uplift = { treatment = "on", features = ["tier", "age"], learner = "t", folds = 2, propensity = 0.5, cost = 0.5 }
"""


def users(n: int = 1_600) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {"user": np.arange(n) + 7, "on": rng.permutation(np.arange(n) % 2), "tier": rng.integers(0, 4, n)}
    )
    frame["age"] = rng.random(n)
    frame["gmv"] = 10 + frame["on"] * frame["tier"] + rng.normal(size=n)
    return frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    users().to_parquet(tmp_path / "users.parquet")
    return tmp_path


def run(folder: Path, text: str) -> StudyResult:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return gc.run_study(folder / "study.toml", progress=False)


def command(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-W", "error", "-m", "gmvcausal", "run", "study.toml", "--quiet", *options]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120)


def test_users_kept_apart_train_nothing(folder: Path) -> None:
    study = run(folder, SMALL)
    (name,) = study.answers
    model, found = study.answers[name], study.targeted[name]
    assert found.ranking is not None and found.plan is not None and found.value is not None
    apart = found.ranking.rankings[0].n
    assert model.n + apart == 1_600 and abs(apart - 800) < 80
    # The model is that of the verb on the rows that were not kept apart, which are the same in any order of the file.
    assert f"{apart:,} of 1,600 rows were kept apart, by a hash of 'user'" in found.about[0]
    users().sample(frac=1, random_state=3).to_parquet(folder / "users.parquet")
    again = run(folder, SMALL)
    pd.testing.assert_frame_equal(again.to_frame(), study.to_frame())
    other = run(folder, SMALL.replace("folds = 2", "folds = 2, seed = 1"))
    assert other.answers[name].n != model.n
    # The plan is for half of those kept apart, and is judged by the other half.
    assert len(found.users) + found.value.n == apart and found.users["assigned"].mean() <= 0.4
    train = users()[~users()["user"].isin(again.targeted[name].users["user"])]
    assert len(train) == 1_600 - len(found.users)
    assert list(found.users) == ["user", "effect 1", "assigned"] and "Plan for" in study.summary()


def test_a_second_table_and_members(folder: Path) -> None:
    users().iloc[:800].to_parquet(folder / "users.parquet")
    users().iloc[800:1_300].to_csv(folder / "later.csv", index=False)
    members = users().iloc[1_300:].drop(columns=["on", "gmv"])
    members.to_parquet(folder / "members.parquet")
    text = SMALL.replace("test = 0.5", 'test = "later.csv"').replace(
        "max_share = 0.4", 'users = "members.parquet", budget = 30'
    )
    study = run(folder, text)
    (name,) = study.answers
    found = study.targeted[name]
    options: dict[str, Any] = {"features": ["tier", "age"], "learner": "t", "folds": 2, "propensity": 0.5, "cost": 0.5}
    model = gc.uplift(users().iloc[:800], treatment="on", **options)
    plan = model.policy(members, budget=30)
    value = plan.evaluate(users().iloc[800:1_300])
    assert found.ranking is not None and found.plan is not None and found.value is not None
    pd.testing.assert_frame_equal(study.answers[name].to_frame(), model.to_frame())
    pd.testing.assert_frame_equal(found.ranking.to_frame(), model.evaluate(users().iloc[800:1_300]).to_frame())
    pd.testing.assert_frame_equal(found.value.to_frame(), value.to_frame())
    np.testing.assert_array_equal(found.users["assigned"], plan.assign)
    np.testing.assert_array_equal(found.users["effect 1"], model.predict(members)[:, 0])
    frame = study.to_frame()
    assert frame["answer"].unique().tolist() == [name, f"{name}, ranking", f"{name}, value"]


def test_the_folder_holds_the_plan_and_its_figures(folder: Path) -> None:
    (folder / "study.toml").write_text(SMALL, encoding="utf-8")
    done = command(folder, "--out", "out", "--strict")
    assert done.returncode == 0, done.stderr
    names = {p.name for p in (folder / "out").iterdir()}
    assert {"qini", "toc", "deciles", "calibration", "cost"} <= set(KINDS)
    assert names == {
        "report.html",
        "chapter.docx",
        "answers.png",
        "results.csv",
        "audit.csv",
        "manifest.json",
        "谁-who-users.csv",
    } | {f"谁-who-{kind}.png" for kind in KINDS}
    assert set(pd.read_csv(folder / "out" / "谁-who-users.csv")["assigned"]) == {0, 1}
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    first = page.index("A gain of")
    assert (
        first < page.index("who was kept apart") < page.index("The ranking on") < page.index("What the plan is worth")
    )
    wrong = run(folder, SMALL.replace("propensity = 0.5", "propensity = 0.3"))
    about = " ".join(wrong.targeted["谁 / who?"].about)
    assert wrong.refused and wrong.targeted["谁 / who?"].value is None
    assert (
        "the audit of the model failed (sample_ratio" in about and "Not judged on those kept apart: the arms" in about
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"age"', '"agee"', "(?i)did you mean 'age'"),
        ("learner =", "lerner =", r"uplift has no option 'lerner'.*Did you mean 'learner'"),
        ("max_share", "max_shar", r"policy has no option 'max_shar'.*Did you mean 'max_share'"),
        ("max_share = 0.4", "budget = 5", r"budget, and does not say for which users.*members\.parquet"),
        ("test = 0.5", "", r"neither which users .* nor which were kept apart"),
        ("test = 0.5", "test = 1", r"test must be a share.*is 1"),
        ("test = 0.5", "test = true", r"test must be a share.*is True"),
        ("test = 0.5", "test = 0.0001", "no row is left on one side"),
        ("test = 0.5", 'test = "users.parquet"', "trained the model"),
        ("test = 0.5", 'test = "nowhere.parquet"', "(?i)no file|nowhere"),
        ("test = 0.5", "test = 0.5\nmoney = { cost = 3 }", "money=, which is for tests and roll-outs.*cost and margin"),
        ("test = 0.5", "test = 0.5\nalso = ['orders']", "also=.*answer of each outcome"),
        ("test = 0.5", "test = 0.5\ndid = {}", "both did and uplift"),
        ("policy = {", "policy = 3 #", "policy must be a table"),
        ("uplift = {", "uplfit = {", r"uplfit.*'uplift'"),
        ("uplift = {", "ab_test = {", "test=, which is for uplift"),
    ],
)
def test_wrong_files_are_refused_in_words(folder: Path, old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(gc.GmvCausalError, match=f"(?s){message}"):
        run(folder, SMALL.replace(old, new))


def test_from_logs_features_of_the_window_are_refused(tmp_path: Path) -> None:
    """What `Logs` knows of its table holds for the parts of it too."""
    rng = np.random.default_rng(4)
    n = 400
    user = np.repeat(np.arange(n), 6)
    time = pd.Timestamp("2025-03-01") + pd.to_timedelta(rng.uniform(0, 20, 6 * n), unit="D")
    pd.DataFrame({"user": user, "time": time, "gmv": rng.gamma(2, 10, 6 * n)}).to_parquet(tmp_path / "orders.parquet")
    sent = pd.DataFrame({"user": np.arange(0, n, 2), "tactic": "coupon", "start": pd.Timestamp("2025-03-10")})
    sent.to_parquet(tmp_path / "sent.parquet")
    text = """
[data]
orders = "orders.parquet"
exposures = "sent.parquet"
[[answer]]
name = "coupon"
test = 0.5
users = { tactic = "coupon", pre = "7D", post = "7D", anchor = 2025-03-10 }
uplift = { treatment = "arm", control = "none", features = ["gmv_pre", "orders_pre"], learner = "t", folds = 2 }
"""
    study = run(tmp_path, text)
    assert "7 days from assignment" in study.answers["coupon"].unit
    with pytest.raises(gc.InputError, match="'orders', which is measured after assignment"):
        run(tmp_path, text.replace('"orders_pre"', '"orders"'))
    with pytest.raises(gc.InputError, match="needs one row per user, not a panel"):
        run(tmp_path, text.replace("users = {", "panel = {"))


def test_the_example_runs(root: Path, tmp_path: Path) -> None:
    table = gc.simulate.world("D12", n=3_000, seed=618).table()
    table[:2_500].to_parquet(tmp_path / "users.parquet")
    table[2_500:].drop(columns=["arm", "gmv", "orders"]).to_parquet(tmp_path / "members.parquet")
    text = (root / "examples" / "coupon_uplift.toml").read_text(encoding="utf-8")
    study = run(tmp_path, text.replace("[answer.uplift]", "[answer.uplift]\nfolds = 2"))
    plan = study.targeted["Coupons"].plan
    assert "sample_ratio" in {c.name for c in study.answers["Coupons"].audit if c.status == "passed"}
    assert plan is not None and 0 < plan.cost <= 1_500 and len(plan.assign) == 500
    assert study.write(tmp_path / "out").exists()
