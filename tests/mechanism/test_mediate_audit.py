"""The protocol, words, the audit, and known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from mediate_data import call, people, row, status
from numpy.testing import assert_allclose
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.mechanism.pathways.rules import TABLE


# --- the protocol, words and the audit --------------------------------------------------------------------------------
def test_the_protocol(tmp_path: Path) -> None:
    r = call(people(), mediators=["watch", "interacted"], reps=199, moderator="activity")
    assert_protocol(r, tmp_path, (None, "paths", "rho", "moderation", "estimates"))
    assert list(r.to_frame()["term"]) == ["total", "direct", "indirect:watch", "indirect:interacted"]
    assert gc.table(r).to_latex() and "by way of watch" in r.summary()
    assert_protocol(call(people(), interval="bca", reps=199))
    assert_protocol(call(people(), interval="delta"))


def test_no_share_of_a_total_that_may_be_zero() -> None:
    data = people(200, noise=30.0)
    r = call(data, reps=99)
    assert not r.p_value < 0.05
    assert r.to_frame()["share"].isna().all() and "No share of the total" in r.summary()
    sure = call(people(), reps=99)
    assert_allclose(sure.to_frame()["share"].iloc[1:].sum(), 1.0)


def test_the_audit_sees_what_it_should() -> None:
    data = people(2000)
    clean = call(data, mediators=["interacted"])
    assert clean.audit.credible and status(clean, "interaction") == "passed" and status(clean, "balance") == "passed"
    assert status(call(data, mediators=["interacted"], interaction=False), "interaction") == "warned"
    late = data.assign(a=1, m=np.where(np.arange(2000) % 5 == 0, 0, 2), y=3)
    times = {"raffle": "a", "watch": "m", "gmv": "y"}
    assert status(call(late, times=times), "time_order") == "failed"
    assert status(call(late.assign(m=2), times=times), "time_order") == "passed"
    assert status(call(data), "time_order") == "not_run"
    twin = data.assign(watch=20 * data["raffle"] + 0.1 * data["watch"])
    assert status(call(twin), "collinearity") == "failed" and status(call(twin), "mediator_overlap") == "failed"
    part = data.assign(orders=data["gmv"] * 2 + 1e-3 * data["watch"])
    assert status(call(part, mediators=["orders"]), "part_of_outcome") == "failed"
    related = data.assign(shared=data["watch"] + np.random.default_rng(0).standard_normal(2000))
    assert status(call(related, mediators=["watch", "shared"]), "mediators_apart") == "warned"
    assert "mediators_apart" not in call(related, mediators=["watch", "shared"], ordered=True).audit
    chosen_by = data.assign(raffle=(data["activity"] > 0.2).astype(int) | (np.arange(2000) % 9 == 0))
    assert status(call(chosen_by), "balance") == "warned"
    nothing = call(data.assign(watch=np.random.default_rng(7).standard_normal(2000)))
    assert status(nothing, "mediator_confounding") == "not_run"
    many = people(9000)
    faint = many.assign(gmv=many["raffle"] + 0.07 * many["watch"] + np.random.default_rng(1).standard_normal(9000))
    assert status(call(faint), "mediator_confounding") == "warned"
    few = call(data.assign(room_no=data["room_no"] % 4), cluster="room_no")
    assert status(few, "few_clusters") == "failed" and np.isnan(few.std_error)
    skewed = call(data.iloc[:1600].assign(raffle=np.r_[np.ones(1000), np.zeros(600)].astype(int)), assignment="random")
    assert status(skewed, "sample_ratio") == "failed"


def test_the_page_prints_the_rules() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "estimators" / "mediate.md").read_text(encoding="utf-8")
    lines = page.partition("## Checks and thresholds")[2].partition("## ")[0].splitlines()
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE
    seen = call(people(), reps=0, assignment="random", interaction=False, cluster="room_no").audit
    assert {c.name for c in seen} <= set(TABLE)


def test_a_mediator_of_one_arm_only() -> None:
    """Who may enter the raffle only under it: its slope is that of the treated, and all else follows."""
    data = people().assign(entered=lambda d: d["interacted"] * d["raffle"])
    r = call(data, mediators=["entered"], covariates=[])
    on = data[data["raffle"] == 1].groupby("entered")["gmv"].mean()
    want = data.loc[data["raffle"] == 1, "entered"].mean() * (on[1] - on[0])
    assert_allclose(row(r, "indirect:entered")["estimate"], want, rtol=1e-9)
    assert any("does not vary in one of the arms" in note for note in r.manifest.notes)


# --- known truth ------------------------------------------------------------------------------------------------------
def test_intervals_cover_the_truth_of_the_world() -> None:
    inside = np.zeros(3)
    for seed in range(20):
        market = gc.simulate.world("D16", n=1000, seed=seed)
        frame = gc.mediate(market.table(), **market.design.call, reps=199).to_frame().set_index("term")
        truth = market.truth.to_frame().set_index("term")["value"]
        inside += [frame.loc[t, "conf_low"] <= truth[t] <= frame.loc[t, "conf_high"] for t in frame.index]
    assert (inside >= 16).all()


def test_three_mediators_of_the_world() -> None:
    market = gc.simulate.world("D16", n=20_000, seed=2, mediators=3)
    frame = gc.mediate(market.table(), **market.design.call, reps=0).to_frame().set_index("term")
    truth = market.truth.to_frame().set_index("term")["value"]
    assert list(frame.index) == ["total", "direct", "indirect:interacted", "indirect:watched", "indirect:shared"]
    assert_allclose(truth["total"], truth.drop("total").sum())
    for term in frame.index:
        assert abs(frame.loc[term, "estimate"] - truth[term]) < 4 * frame.loc[term, "std_error"]


def test_a_hidden_sign_misleads_the_parts_and_not_the_total() -> None:
    market = gc.simulate.world("D16", n=40_000, seed=3, hidden=1.0)
    r = gc.mediate(market.table(), **market.design.call, reps=0)
    frame, truth = r.to_frame().set_index("term"), market.truth.to_frame().set_index("term")["value"]
    assert abs(frame.loc["total", "estimate"] - truth["total"]) < 4 * frame.loc["total", "std_error"]
    gap = frame.loc["indirect:interacted", "estimate"] - truth["indirect:interacted"]
    assert gap > 4 * frame.loc["indirect:interacted", "std_error"]


def test_a_strong_hidden_cause_passes_nothing() -> None:
    rng = np.random.default_rng(29)
    mood, arm = rng.normal(size=800), rng.integers(0, 2, 800)
    data = pd.DataFrame({"arm": arm, "m": 2 * arm + 2 * mood + rng.normal(size=800)})
    data["gmv"] = 50 + 3 * arm + 20 * mood + rng.normal(0, 10, 800)  # nothing goes by way of m
    check = gc.mediate(data, "gmv", "arm", ["m"], assignment="random", reps=0).audit["mediator_confounding"]
    assert check.status == "not_run" and check.value is not None and check.value > 0.5


def test_who_chose_for_himself_is_no_lot() -> None:
    data = people(800)
    plain = gc.mediate(data, "gmv", "raffle", ["watch"], reps=0)
    assert not plain.audit.credible and "assignment='random'" in plain.audit["balance"].remedy
    assert gc.mediate(data, "gmv", "raffle", ["watch"], reps=0, assignment="random").audit.credible
    assert status(call(data), "hidden_confounding") == "not_run"
    assert "hidden_confounding" not in call(data, assignment="random").audit
