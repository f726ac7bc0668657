"""Study files that hold A/B tests: the same numbers as the verb, and clean errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.study import StudyResult

FRAME = """
[study]
title = "Coupon"
question = "More GMV per user?"
currency = "$"
[data]
frame = "users.parquet"
[[answer]]
name = "test"
money = { cost = 100, cost_is = "other", gmv_is = "paid", margin = 0.4 }
[answer.ab_test]
arm = "group"
control = "none"
adjust = "holm"
expected_ratio = { none = 0.5, coupon = 0.5 }
metrics = [
    { mean = "gmv", pre = "gmv_pre", cap = "none" },
    { proportion = "converted" },
    { ratio = ["gmv", "orders"], cap = 0.95 },
    { gmv = "gmv", orders = "orders", visits = "visits" },
    { quantile = ["basket", 0.9] },
    "orders",
]
"""
METRICS = [
    gc.Mean("gmv", pre="gmv_pre", cap=None),
    gc.Proportion("converted"),
    gc.Ratio("gmv", "orders", cap=0.95),
    gc.Gmv(gmv="gmv", orders="orders", visits="visits"),
    gc.Quantile("basket", 0.9),
    "orders",
]
SMALL = """
[data]
frame = "users.parquet"
[[answer]]
name = "a"
ab_test = { arm = "group", control = "none", metrics = ["gmv"] }
"""


def users(n: int = 3_000) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    group = np.array(["none", "coupon"])[rng.integers(0, 2, n)]
    visits = rng.poisson(1.5, n)
    converted = (visits > 0) & (rng.random(n) < 0.4 + 0.2 * (group == "coupon"))
    orders = converted * (1 + (rng.random(n) < 0.3))
    gmv = orders * rng.gamma(3, 8, n)
    return pd.DataFrame(
        {
            "group": group, "visits": visits, "converted": converted, "orders": orders, "gmv": gmv,
            "gmv_pre": rng.gamma(2, 10, n), "basket": rng.gamma(3, 8, n),
        }
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    users().to_parquet(tmp_path / "users.parquet")
    users().to_csv(tmp_path / "users.csv", index=False)
    return tmp_path


def run(folder: Path, text: str) -> StudyResult:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return gc.run_study(folder / "study.toml", progress=False)


def command(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-W", "error", "-m", "gmvcausal", "run", "study.toml", "--quiet", *options]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_frame_gives_what_the_verb_gives(folder: Path) -> None:
    study = run(folder, FRAME)
    direct = gc.ab_test(
        users(),
        arm="group",
        control="none",
        metrics=METRICS,
        adjust="holm",
        expected_ratio={"none": 0.5, "coupon": 0.5},
    )
    found = study.answers["test"]
    pd.testing.assert_frame_equal(found.to_frame(), direct.to_frame(), rtol=1e-9)
    assert study.headline.name == "test" and study.headline.verdict == "gain" and not study.refused
    treated = (users()["group"] == "coupon").sum()
    assert study.money["test"].estimate == pytest.approx(direct.estimate * treated)
    csv = run(folder, FRAME.replace("users.parquet", "users.csv"))
    pd.testing.assert_frame_equal(csv.answers["test"].to_frame(), direct.to_frame(), rtol=1e-9)


def test_the_report_opens_with_the_answer_and_the_lot(folder: Path) -> None:
    page = run(folder, FRAME).write(folder / "out").read_text(encoding="utf-8")
    first = page.index("More GMV per user?")
    assert first < page.index("A gain of $") < page.index("Beside it: ") < page.index("against equal shares")
    assert "test: money" in page
    assert {p.name for p in (folder / "out").iterdir()} == {
        "report.html", "chapter.docx", "answers.png", "results.csv", "audit.csv", "manifest.json",
    }  # fmt: skip


FROM_LOGS = """
[data]
orders = "orders.parquet"
exposures = "sent.parquet"
[[answer]]
name = "coupon"
users = { tactic = "coupon", pre = "7D", post = "7D", anchor = 2025-03-10 }
ab_test = { control = "none", metrics = [{ mean = "gmv", pre = "gmv_pre" }] }
"""


def test_logs_give_what_logs_give(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 400
    user = np.repeat(np.arange(n), 6)
    time = pd.Timestamp("2025-03-01") + pd.to_timedelta(rng.uniform(0, 20, 6 * n), unit="D")
    orders = pd.DataFrame({"user": user, "time": time, "gmv": rng.gamma(2, 10, 6 * n)})
    sent = pd.DataFrame({"user": np.arange(0, n, 2), "tactic": "coupon", "start": pd.Timestamp("2025-03-10")})
    orders.to_parquet(tmp_path / "orders.parquet")
    sent.to_parquet(tmp_path / "sent.parquet")
    study = run(tmp_path, FROM_LOGS)
    table = gc.Logs(orders=orders, exposures=sent).users(tactic="coupon", pre="7D", post="7D", anchor="2025-03-10")
    direct = gc.ab_test(table, control="none", metrics=[gc.Mean("gmv", pre="gmv_pre")])
    found = study.answers["coupon"]
    assert (found.estimate, found.std_error) == pytest.approx((direct.estimate, direct.std_error))
    assert "7 days from assignment" in found.unit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("control =", "contrl =", r"ab_test has no option 'contrl'.*Did you mean 'control'"),
        ('["gmv"]', '[{ maen = "gmv" }]', r"one kind, but holds 'maen'.*Did you mean 'mean'"),
        ('["gmv"]', '[{ mean = "gmv", prre = "gmv_pre" }]', r"mean has no option 'prre'.*Did you mean 'pre'"),
        ('["gmv"]', '[{ proportion = "converted", cap = 0.9 }]', "proportion has no option 'cap'"),
        ('["gmv"]', '[{ ratio = "gmv" }]', r"ratio takes 2 values"),
        ('["gmv"]', '[{ quantile = ["gmv"] }]', r"quantile takes 2 values.*0\.9"),
        ('["gmv"]', '[{ gmv = "gmv" }]', "gmv takes orders"),
        ('["gmv"]', '[{ mean = "gmv", ratio = ["gmv", "orders"] }]', "one kind.*Split"),
        ('["gmv"]', "[3]", "no metric"),
        ('["gmv"]', "[]", "metrics is empty"),
        ('["gmv"]', '["gmw"]', r"answer 'a': .*'gmw'.*Did you mean 'gmv'"),
        (', metrics = ["gmv"]', "", "names no metrics"),
        ('name = "a"', 'name = "a"\ndid = {}', "both did and ab_test"),
        ('name = "a"', 'name = "a"\nalso = ["orders"]', "also=.*metrics"),
        ('name = "a"', 'name = "a"\nusers = {}', "exactly one table"),
        ('name = "a"', 'name = "a"\nab_tset = {}', "ab_tset.*'ab_test'"),
        ("ab_test = {", "ab_test = 3 #", "ab_test must be a table"),
        ('name = "a"', 'name = "a"\nmoney = { cots = 3 }', r"money has no option 'cots'.*'cost'"),
    ],
)
def test_wrong_files_are_refused_in_words(folder: Path, old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(gc.InputError, match=f"(?s){message}"):
        run(folder, SMALL.replace(old, new))


def test_tests_and_panels_are_kept_apart(tmp_path: Path) -> None:
    with pytest.raises(gc.InputError, match="one row per user, not a panel"):
        run(tmp_path, FROM_LOGS.replace("users = {", "panel = {"))
    with pytest.raises(gc.InputError, match=r"gc.did cannot take.*ab_test"):
        run(tmp_path, FROM_LOGS.partition("ab_test")[0])


def test_exit_codes(folder: Path) -> None:
    (folder / "study.toml").write_text(SMALL, encoding="utf-8")
    done = command(folder, "--out", "out", "--strict")
    assert done.returncode == 0, done.stderr
    assert "A gain of" in done.stdout and (folder / "out" / "report.html").exists()
    (folder / "study.toml").write_text(SMALL.replace('"none"', '"non"'), encoding="utf-8")
    wrong = command(folder)
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr and "none" in wrong.stderr
    frame = users()
    frame.drop(frame.index[frame["group"] == "coupon"][::4]).to_parquet(folder / "users.parquet")
    (folder / "study.toml").write_text(SMALL, encoding="utf-8")
    assert command(folder).returncode == 0
    lost = command(folder, "--strict")
    assert lost.returncode == 3 and "sample_ratio" in lost.stdout


def test_the_example_runs(root: Path, tmp_path: Path) -> None:
    table = gc.simulate.world("D1", n=4_000, seed=618).table()
    table.assign(bought=table["orders"] > 0).to_parquet(tmp_path / "users.parquet")
    text = (root / "examples" / "coupon_ab_test.toml").read_text(encoding="utf-8")
    study = run(tmp_path, text)
    assert list(study.answers) == ["Coupon"] and "Coupon" in study.money
    assert study.write(tmp_path / "out").exists()
