"""No English sentence is left on a Chinese page: pages are written, their texts read, three Latin words in a row found.

The texts of every result are held one by one in `test_chinese_designs` and `test_chinese_rollout`; here is what a page
makes of them: titles that stand for names, lists, heads of tables, descriptions of figures.
"""

from __future__ import annotations

import html
import re
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.errors import GmvCausalWarning
from gmvcausal.present import digits, figures, style
from gmvcausal.present.chinese import translate
from gmvcausal.present.translated import in_language
from tests.chinese_texts import english_left
from tests.mediate_data import call
from tests.mediate_data import people as audience
from tests.present.conftest import rollout


@cache
def users(seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 600
    arm = rng.permutation(np.resize(["none", "coupon_5", "coupon_10"], n))
    past = rng.gamma(2.0, 10.0, n)
    gmv = (rng.random(n) < 0.6) * (past + rng.gamma(2.0, 15.0, n) + 2.0 * (arm == "coupon_10"))
    return pd.DataFrame({
        "user": np.arange(n), "arm": arm, "past": past, "gmv": gmv, "orders": (gmv > 0) * (1 + rng.poisson(1, n)),
        "on": (arm != "none").astype(int), "tier": rng.integers(0, 3, n).astype(str), "visits": 1,
    })  # fmt: skip


@cache
def model() -> Any:
    shares = dict.fromkeys(["none", "coupon_5", "coupon_10"], 1 / 3)
    return gc.uplift(
        users(), outcome="gmv", treatment="arm", control="none", features=["past"], learner="t", folds=2,
        propensity=shares, cost=1, margin=0.3,
    )  # fmt: skip


def links() -> pd.DataFrame:
    return pd.DataFrame({"user": np.arange(600), "friend": (7 * np.arange(600) + 3) % 600})


def trials() -> list[Any]:
    both = [users(seed).query("arm != 'coupon_5'") for seed in (5, 6, 7)]
    return [gc.ab_test(one, control="none", metrics=[gc.Mean("gmv", cap=None)]) for one in both]


def factors() -> gc.Gmv:
    return gc.Gmv(visits="visits", orders="orders", gmv="gmv")


PAGES: dict[str, Callable[[], Any]] = {
    "designs that do not agree": lambda: [
        gc.did(rollout(2.0, units=80, treated=36)),
        gc.did(rollout(0.0, units=80, treated=36), estimator="naive"),
        gc.did(rollout(2.0, units=80, treated=36), estimator="twfe"),
    ],
    "refused": lambda: gc.did(rollout(0.0, units=80, treated=36), estimator="naive"),
    "several arms": lambda: gc.ab_test(users(), control="none", metrics=["gmv", "orders"]),
    "factors": lambda: gc.ab_test(users(), control="none", metrics=[factors()]),
    "moderation": lambda: gc.ab_test(users(), arm="on", metrics=["gmv"]).moderation("past"),
    "uplift, its ranking and its plan": lambda: [
        model(),
        model().evaluate(users(6).assign(user=lambda d: d["user"] + 1000)),
        model().policy(users(6), budget=50),
    ],
    "instrument": lambda: gc.iv(users(), "gmv", "orders", "on"),
    "spillover": lambda: gc.spillover(
        users(), "gmv", "on", "user", edges=links(), probability=2 / 3, exposure="any", reps=0
    ),
    "spillover along a line": lambda: gc.spillover(
        users(), "gmv", "on", "user", edges=links(), probability=2 / 3, reps=0
    ),
    "ways": lambda: call(audience(), mediators=["watch", "interacted"], assignment="random"),
    "change": lambda: gc.decompose(users(), factors=["visits", "orders", "gmv"], by="tier", control="0"),
    "trials together": lambda: gc.combine(trials()),
    "described": lambda: [
        gc.ab_test(users(), arm="on", metrics=["gmv"]),
        (d := gc.describe(users(), ["gmv", "orders", "past", "tier"], by="on")),
        d.correlations(),
        d.vif(),
        d.definitions(),
    ],
}


@cache
def made(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)  # how the arms were dealt is of no matter here
        return PAGES[name]()


def read(path: Path) -> list[str]:
    """The texts of a page, those of pictures' descriptions too, without the manifests."""
    text = re.sub(r"(?s)<style.*?</style>|<pre>.*?</pre>", "", path.read_text("utf-8"))
    said = re.findall(r'(?:alt|aria-label)="([^"]*)"', text) + re.sub("<[^>]+>", "\n", text).split("\n")
    return [html.unescape(one).strip() for one in said if one.strip()]


@pytest.fixture
def texts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are put into Chinese, and described, but not drawn."""
    monkeypatch.setattr(style, "svg", lambda figure: "<svg/>")


@pytest.mark.usefixtures("texts_alone")
@pytest.mark.parametrize("name", PAGES)
def test_no_english_is_left_on_a_page(name: str, tmp_path: Path) -> None:
    told = read(gc.report(made(name), tmp_path / "page.html", language="zh", currency="¥"))
    assert len(told) > 50
    assert not {text: found for text in told if (found := english_left(text))}
    assert not [text for text in told if re.search(r"\d per |^None$|Audit of|Left out", text)]


@pytest.mark.parametrize("name", ["designs that do not agree", "several arms", "trials together"])
def test_no_english_is_left_in_a_table_or_a_summary(name: str) -> None:
    listed = made(name) if isinstance(made(name), list) else [made(name)]
    table = gc.table(*listed, style="cn")
    texts = [table.caption, *table.header, *(c for row in table.rows for c in row), *re.split("[。；]", table.note)]
    texts += [" ".join(one.summary(language="zh").split()) for one in listed]
    assert not [text for text in texts if english_left(text)]


def test_titles_that_stand_for_names_are_chinese_on_the_figure_too() -> None:
    answers = made("designs that do not agree")
    names = {one.title: translate(one.title) for one in answers}
    figure = in_language(figures.compare(answers), "zh", names)
    told = [digits.inline(t.get_text()) for t in figure.findobj(Text) if t.get_text()]
    assert not [text for text in told if english_left(text)]
    assert not [text for text in told if text.endswith("...") and not re.search("[\u4e00-\u9fff]", text)]


def test_a_chapter_says_the_seed_and_no_python_word(tmp_path: Path) -> None:
    path = gc.report(made("several arms"), tmp_path / "chapter.docx", language="zh")
    body = zipfile.ZipFile(path).read("word/document.xml").decode()
    cells = [html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"(?s)<w:tc>.*?</w:tc>", body)]
    assert "None" not in cells


def test_a_note_on_a_column_is_cut_where_its_title_ends() -> None:
    note = (
        "(1) Spillover: arm through links: gmv: everyone treated against nobody, mean over 400 users; direct + "
        "spillover."
    )
    assert translate(note).startswith("(1) 溢出效应：arm 经由连接的传播：gmv：")
    lower = (
        "(2) gmv_90d as foretold by visits: 1 against 0: effect of 1 on gmv_90d, foretold by the surrogate index, "
        "1 minus 0."
    )
    assert translate(lower).startswith("(2) 由 visits 预测的 gmv_90d：1 对比 0：")
    assert translate("Randomised test: coupon against none, by tier (2)").endswith("按 tier 分组（2）")


def test_quotes_round_names_and_room_before_full_width_marks() -> None:
    known = {"gmv": "gmv"}
    assert translate("the largest unit carries 13.2% of the variance of 'gmv'", known) == (
        "最大的单位占“gmv”方差的 13.2%"
    )
    assert translate("A gain of ¥4.59 per user (95% interval +¥1.00 to +¥8.00).") == (
        "增益 ¥4.59 每用户（95% 置信区间 +¥1.00 至 +¥8.00）。"
    )


def test_stars_of_correlations_follow_the_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    x[:, 1] += 0.1 * x[:, 0]
    d = gc.describe(pd.DataFrame(x, columns=["gmv", "orders"]))
    assert 0.01 < d.correlations().pairs()["p_value"].iloc[0] < 0.05  # one star of a journal, two of a Chinese one
    journal, chinese = "p < 0.001", "p < 0.1"
    assert journal in str(d.correlations()) and journal in d.correlations().to_latex().replace(r"\textless{}", "<")
    asked = str(d.correlations(style="cn"))
    assert chinese in asked and "相关系数" in asked and "correlations" not in asked
    assert "相关系数" in d.correlations(style="cn")._repr_html_()
    assert ">0.149**<" in d.correlations().to_html(language="zh") and ">0.149*<" in d.correlations().to_html()
    for language, own in (("zh", chinese), ("en", journal)):
        for ending in ("html", "docx"):
            page = gc.report([made("refused"), d.correlations()], tmp_path / f"page.{ending}", language=language)
            text = (
                page.read_text("utf-8")
                if ending == "html"
                else zipfile.ZipFile(page).read("word/document.xml").decode()
            )
            assert own in html.unescape(re.sub("<[^>]+>", "", text))
    assert chinese in gc.table(d.correlations(), style="cn").note
    assert journal in gc.table(d.correlations(style="journal"), style="cn").note.replace("，", ", ")


def test_columns_called_by_words_of_ours() -> None:
    whole = users().rename(columns={"gmv": "effect", "tier": "unit"}).astype({"unit": float})
    frame = users().drop(columns="user").rename(columns={"gmv": "effect", "past": "before"})
    table = gc.table(
        gc.ab_test(frame, arm="on", metrics=[gc.Mean("effect", cap=None)]),
        gc.ab_test(frame, arm="on", metrics=[gc.Mean("orders", cap=None)]),
        style="cn",
    )  # fmt: skip
    heads = [row[0] for row in table.rows]
    assert heads[0] == "效应" and "单位" in heads  # neither is the column
    described = gc.table(gc.describe(whole, ["effect", "unit", "orders"]), style="cn")
    assert [row[0] for row in described.rows] == ["effect", "unit", "orders"]
    both = gc.table(gc.describe(frame, ["effect", "orders"]).correlations(), style="cn")
    assert [row[0] for row in both.rows] == ["(1) effect", "(2) orders"]


def test_labels_that_nothing_is_called_are_said(tmp_path: Path) -> None:
    result = made("refused")
    with pytest.warns(GmvCausalWarning, match=r"'gmvv' \(did you mean 'gmv'\?\)") as caught:
        gc.report(result, tmp_path / "page.html", language="zh", labels={"gmvv": "成交额", "gmv": "GMV"})
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(GmvCausalWarning, match=r"'GMV' \(did you mean 'gmv'\?\)"):
        gc.table(result, labels={"GMV": "sales"})
    with pytest.warns(GmvCausalWarning, match="'city' .names here are"):
        result.plot(labels={"city": "城市"})
    with pytest.warns(GmvCausalWarning, match="'GMV'"):
        result.summary(language="zh", labels={"GMV": "成交额"})
    with pytest.warns(GmvCausalWarning, match="'town'"):  # a page is all there is
        gc.report(result, tmp_path / "page.html", labels={"gmv": "sales", "town": "city"})


def test_one_dictionary_may_serve_every_figure(tmp_path: Path) -> None:
    result, both = made("refused"), {"gmv": "成交额", "city": "城市"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result.plot(language="zh", labels=both)
        result.summary(language="zh", labels=both)
        gc.table(result, labels=both)
        beside = [("城市", pd.DataFrame({"city": ["Hefei"], "n": [3]})), ("unit", "a sentence")]
        gc.report([result], tmp_path / "page.html", language="zh", labels=both, extra=beside)
