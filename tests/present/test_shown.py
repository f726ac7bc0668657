"""Exports of what belongs to an uplift model: its evaluation, its plan, the plan's value; and a page of all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import tables
from gmvcausal.results.shown import Shown

N = 2_400
RNG = np.random.default_rng(5)
NONE, TEN, TWENTY = (
    "none",
    "<b>10 & 20 %</b>",
    "=HYPERLINK(二十)",
)  # labels that HTML, LaTeX and a spreadsheet would run
ARMS = np.array([NONE, TEN, TWENTY])
USERS = pd.DataFrame(
    {"arm": ARMS[RNG.permutation(np.arange(N) % 3)], "tier": RNG.integers(0, 4, N), "age": RNG.random(N)}
)
USERS["gmv"] = 10 + (USERS["arm"] != NONE) * USERS["tier"] * 2 + RNG.normal(size=N)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    train, plan, test = USERS[:1200], USERS[1200:1600], USERS[1600:]
    m = gc.uplift(
        train, treatment="arm", control=NONE, features=["tier", "age"], learner="t", folds=2, cost=1.5,
        propensity=dict.fromkeys(ARMS, 1 / 3),
    )  # fmt: skip
    p = m.policy(plan, budget=200.0)
    return {"model": m, "ranking": m.evaluate(test, alpha=0.1), "plan": p, "value": p.evaluate(test)}


@pytest.fixture(params=["ranking", "plan", "value"])
def one(made: dict[str, Any], request: pytest.FixtureRequest) -> Shown:
    return made[request.param]


def test_every_export(one: Shown, tmp_path: Path) -> None:
    import docx

    page = one.to_html(tmp_path / "x.html")
    assert "<b>10" not in page and one.report_title in page and (tmp_path / "x.html").exists()
    assert r"\toprule" in one.to_latex() and " & 20 %" not in one.to_latex()
    one.to_docx(tmp_path / "x.docx")
    cells = [c.text for row in docx.Document(str(tmp_path / "x.docx")).tables[0].rows for c in row.cells]
    assert len(cells) >= len(one.to_frame()) * 3
    one.to_csv(tmp_path / "x.csv")
    read = pd.read_csv(tmp_path / "x.csv")
    assert len(read) == len(one.to_frame()) and list(read) == list(one.to_frame())
    assert not any(str(v).startswith("=") for v in read.to_numpy().ravel())
    block = one._repr_html_()
    assert all(word in block for word in one.sentences()[0].split()[:3]) and "<b>10" not in block


def test_tables_say_what_the_frames_hold(made: dict[str, Any]) -> None:
    ranking = made["ranking"]
    shown = tables.shown_table(ranking)
    assert shown.header[3] == "90% interval"
    assert [row[0] for row in shown.rows[:2]] == [f"qini, {TEN}", f"auuc, {TEN}"]
    low, high = ranking.of(TEN).qini.conf_int(0.9)
    frame = ranking.to_frame()
    assert tuple(frame.loc[0, ["conf_low", "conf_high"]]) == pytest.approx((low, high))
    given = made["plan"].to_frame()
    assert given["users"].sum() == 400 and given["share"].sum() == pytest.approx(1)
    counts = pd.Series(made["plan"].assign).value_counts()
    assert all(counts.get(a, 0) == k for a, k in zip(given["arm"], given["users"], strict=True))
    assert len({row[0] for row in tables.shown_table(made["value"]).rows}) == 5


def test_a_page_of_all(made: dict[str, Any], tmp_path: Path) -> None:
    path = gc.report(list(made.values()), tmp_path / "r.html", currency="¥")
    page = path.read_text(encoding="utf-8")
    heads = [page.index(f">{made[k].report_title}</h2>") for k in ("ranking", "plan", "value")]
    assert heads == sorted(heads) and page.index("Audit of the headline") < heads[0]
    alts = re.findall(r'<img src="data:image/svg[^"]*" alt="([^"]*)"', page)
    # five figures of each of two arms, then the estimates of the model itself
    assert len(alts) == 11 and all(alts) and len(set(alts)) == 11
    for word in ("Gain by share", "TOC", "Effect by decile", "predicted and estimated", "money spent"):
        assert sum(word in alt for alt in alts) == 2, word
    named = gc.report({"Who": made["model"], "My plan": made["plan"]}, tmp_path / "n.html").read_text(encoding="utf-8")
    assert ">My plan</h2>" in named


def test_alone_they_open_no_page(one: Shown, tmp_path: Path) -> None:
    with pytest.raises(gc.InputError, match=f"{type(one).__name__} alone is no answer.*beside a result"):
        gc.report(one, tmp_path / "r.html")


def test_alone_they_are_a_table(one: Shown, made: dict[str, Any]) -> None:
    assert gc.table(one, caption="Named").caption == "Named" and gc.table(one).rows == tables.shown_table(one).rows
    with pytest.raises(gc.InputError, match=r"not a result but .*gc\.report beside a result"):
        gc.table(made["model"], one)
