"""The sixteen outputs of an empirical chapter, each one line on one simulated market."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

START = "2026-04-06"
BEFORE = ["gmv_pre", "orders_pre", "frequency"]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "thesis-outputs.md"


class Study(NamedTuple):
    """A market with one coupon: users before and after it, users by week, rooms, and the results most lines need."""

    users: pd.DataFrame
    weeks: pd.DataFrame
    rooms: pd.DataFrame
    did: Any
    test: Any


@pytest.fixture(scope="module")
def study() -> Study:
    market = gc.simulate.livestream(users=2500, rooms=24, days=70, tactics=["coupon"], seed=1, conversion=0.08)
    logs = gc.Logs(**market.logs)
    users = logs.users("coupon", anchor=START, pre="28D", post="28D", features="rfm")
    weeks = logs.panel(unit="user", freq="W", tactic="coupon")
    known = users.set_index("user")[["gmv_pre", "segment"]]
    about = weeks.attrs
    weeks = weeks.join(known, on="unit")
    weeks.attrs = about
    orders, visits = market.logs.orders, market.logs.visits
    rooms = pd.DataFrame({"gmv": orders.groupby("room")["gmv"].sum(), "orders": orders.groupby("room").size(),
                          "visits": visits.groupby("room").size()}).dropna().reset_index()  # fmt: skip
    rooms["hours"] = market.logs.sessions.groupby("room").size().reindex(rooms["room"]).to_numpy()
    return Study(users, weeks, rooms, gc.did(weeks), gc.ab_test(users, metrics=["gmv"], control="none"))


def test_01_definitions_and_descriptives(study: Study) -> None:
    d = gc.describe(
        study.users, ["gmv", *BEFORE, "segment"], definitions={"gmv": ("GMV of the four weeks after", "yuan")}
    )
    table = d.to_frame().set_index("variable")
    assert table.loc["gmv", "mean"] == pytest.approx(study.users["gmv"].mean()) and table.loc["gmv", "zeros"] > 0.5
    assert d.definitions().to_frame().iloc[0].tolist() == ["gmv", "GMV of the four weeks after", "yuan", "number"]
    assert "变量" in d.to_latex(language="zh") or "variable" in d.to_latex()


def test_02_correlations_and_vif(study: Study) -> None:
    d = gc.describe(study.users, ["gmv", *BEFORE])
    assert d.correlations(style="cn").printed().count("***") >= 3
    both = study.users[["orders_pre", "frequency"]].corr().iloc[0, 1]
    assert d.correlations().pairs().query("first == 'orders_pre'")["r"].iloc[0] == pytest.approx(both)
    assert d.vif().to_frame()["vif"].iloc[0] > 2


def test_03_baseline_columns(study: Study) -> None:
    table = gc.table(study.did, gc.did(study.weeks, estimator="twfe"), style="cn", language="en").to_frame()
    assert table.shape[1] == 3 and re.search(r"\d\*", " ".join(table.iloc[:, 1].astype(str)))


def test_04_parallel_trends(study: Study) -> None:
    event = study.did.event_study().set_index("event_time")
    wide = study.weeks.pivot(index="unit", columns="period", values="gmv")
    sent = study.weeks.groupby("unit")["first_treated"].first().notna()
    lead = wide.iloc[:, 3] - wide.iloc[:, 4]  # the coupon came in week 5: the last week before it is the base
    assert event.loc[-2, "estimate"] == pytest.approx(lead[sent].mean() - lead[~sent].mean())
    assert event.loc[-1, "estimate"] == 0 and event.loc[0, "band_low"] < event.loc[0, "conf_low"]
    assert 0 < study.did.audit["pre_trend"].value < 1 and study.did.plot("event_study").axes


def test_05_sensitivity_to_trends(study: Study) -> None:
    found = study.did.sensitivity().to_frame()
    width = found["conf_high"] - found["conf_low"]
    assert width.iloc[-1] > width.iloc[0]  # the more trends may differ, the wider


@pytest.mark.parametrize("kind", ["time", "unit", "mixed"])
def test_06_placebo(study: Study, kind: str) -> None:
    found = study.did.placebo(kind, reps=99, progress=False)
    reached = (np.abs(found.runs) >= abs(study.did.estimate)).sum()
    assert found.placebo_p == pytest.approx((1 + reached) / (1 + len(found.runs)))
    assert (found.placebo_p < 0.1) == (kind != "time")  # a few false dates cannot give a small p
    assert f"p = {found.placebo_p:.3f}" in found.plot("placebo").axes[0].get_title(loc="left")


def test_07_psm_did(study: Study) -> None:
    m = gc.match(study.weeks, "first_treated", ["gmv"], unit="unit", time="period")
    size = m.balance().set_index("covariate")
    assert abs(size.loc["gmv", "smd_after"]) < 0.1 < abs(size.loc["gmv", "smd_before"])
    assert len(m.curves("love").lines) == 3 and len(m.curves("density").lines) == 4
    r = gc.did(m.frame, weights="weight")
    assert r.audit["balance"].status == "passed" and np.isfinite(r.std_error)


def test_08_robustness(study: Study) -> None:
    found = study.did.robustness(progress=False)
    assert len(found.to_frame()) >= 4 and found.plot("specifications").axes


def test_09_heterogeneity_with_the_test_between_groups(study: Study) -> None:
    weeks = study.weeks.assign(bought=np.where(study.weeks["gmv_pre"] > 0, "buyers", "others"))
    found = gc.did(weeks).by("bought")
    a, b = (found.to_frame().set_index("level").loc[k] for k in ("buyers", "others"))
    t = (a["estimate"] - b["estimate"]) / np.hypot(a["std_error"], b["std_error"])
    assert found.interaction()["statistic"].iloc[0] == pytest.approx(t**2, rel=0.02)


def test_10_mediation(study: Study) -> None:
    found = gc.mediate(study.users, "gmv", "arm", ["orders"], covariates=BEFORE, control="none", reps=99)
    terms = found.to_frame().set_index("term")["estimate"]
    assert terms["total"] == pytest.approx(terms["direct"] + terms["indirect:orders"], rel=1e-6)
    assert terms["indirect:orders"] > terms["direct"]


def test_11_moderation(study: Study) -> None:
    found = study.did.moderation("gmv_pre")
    assert found.slope > 0 and found.effects()["moderator"].iloc[1] == pytest.approx(found.line.middle)


def test_12_rfm_with_effects_by_segment(study: Study) -> None:
    found = study.test.by("segment").to_frame()
    mine = study.users[study.users["segment"] == "无历史订单"].groupby("arm")["gmv"].mean()
    row = found[(found["level"] == "无历史订单")].iloc[0]
    assert row["estimate"] == pytest.approx(mine["coupon"] - mine["none"]) and found["level"].nunique() > 5


def test_13_dea(study: Study) -> None:
    found = gc.efficiency(study.rooms, "room", ["hours", "visits"], ["gmv", "orders"], reps=99).to_frame()
    scores = found["score"].iloc[1:]
    assert len(scores) == len(study.rooms) and scores.max() == pytest.approx(1.0) and 0 < scores.min() < 1


def test_14_uplift(study: Study) -> None:
    half = np.arange(len(study.users)) % 2 == 0
    m = gc.uplift(
        study.users[half], outcome="gmv", treatment="arm", control="none", features=BEFORE, learner="t", folds=2
    )
    deciles = m.evaluate(study.users[~half]).deciles()
    assert len(deciles) == 10 and m.predict(study.users[~half]).shape == ((~half).sum(), 1)


def test_15_ab_test(study: Study) -> None:
    mean = study.users.groupby("arm")["gmv"].mean()
    assert study.test.estimate == pytest.approx(mean["coupon"] - mean["none"])
    assert study.test.audit["sample_ratio"].status == "failed"  # the coupon went to 60 %, and not by an even lot


def test_16_the_word_document(study: Study, tmp_path: Path) -> None:
    from docx import Document

    described = gc.describe(study.users, ["gmv", *BEFORE])
    path = gc.report(
        [study.did, described, described.correlations(style="cn")], tmp_path / "chapter.docx", language="zh"
    )
    text = "\n".join(p.text for p in Document(str(path)).paragraphs)
    assert "表 4-1" in text and "图 4-1" in text and len(Document(str(path)).tables) >= 3


def test_the_page_has_a_line_for_each() -> None:
    lines = [x for x in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", x)]
    assert [int(x.split("|")[1]) for x in lines] == list(range(1, 17))


def test_the_page_shows_the_rules_of_moderation() -> None:
    from gmvcausal.results.moderated import TABLE

    lines = [x for x in PAGE.read_text(encoding="utf-8").splitlines() if x.startswith("| `moderator_")]
    cells = [[c.strip() for c in x.strip("|").split("|")] for x in lines]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE
