"""The user's own names on Chinese pages: whatever they are made of, they are printed as they are, or by their label."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import names
from gmvcausal.present.chinese import translate
from gmvcausal.present.chinese.own import Masks


def users(outcome: str = "gmv", before: str = "pre") -> pd.DataFrame:
    rng = np.random.default_rng(4)
    arm = np.resize(["发券", "未发券"], 240)
    pre = rng.gamma(2.0, 20.0, 240).round(2)
    gmv = (pre + rng.gamma(2.0, 20.0, 240) + 9 * (arm == "发券")).round(2)
    return pd.DataFrame({"组别": arm, before: pre, outcome: gmv, "城市": np.repeat(["北京", "上海"], 120)})


def answer(outcome: str, before: str = "pre") -> gc.AbResult:
    frame = users(outcome, before)
    return gc.ab_test(frame, arm="组别", control="未发券", metrics=[gc.Mean(outcome, pre=before)])


def words_of(path: Path) -> str:
    text = zipfile.ZipFile(path).read("word/document.xml").decode()
    return html.unescape(re.sub("<[^>]+>", "", re.sub("</w:p>|</w:tc>", "\n", text)))


@pytest.mark.parametrize("outcome", ["成交额(元)", "支付 金额", "GMV: 成交额 (元); 净额", "a & b, c"])
def test_names_of_any_characters_do_not_break_the_sentences(outcome: str) -> None:
    made = answer(outcome, f"前期{outcome}")
    plain = answer("成交额", "前期成交额")

    def same(text: str) -> str:
        # Lines of a summary are broken by width, and a space beside Chinese goes: neither is of the name.
        return re.sub(r"[\s\-=]", "", text)

    got, want = (same(one.summary(language="zh")) for one in (made, plain))
    assert got.replace(same(outcome), "成交额") == want
    table, other = gc.table(made, style="cn"), gc.table(plain, style="cn")
    assert same(table.note).replace(same(outcome), "成交额") == same(other.note)
    labelled = gc.table(made, style="cn", labels={outcome: "成交额"})
    assert same(labelled.note) == same(other.note)
    assert labelled.rows[0][0] == "成交额"


@pytest.mark.parametrize("outcome", ["loss", "total", "orders", "p", "no"])
def test_a_name_that_is_a_word_of_ours_stays_a_name(outcome: str) -> None:
    made = answer(outcome)
    table = made.to_html(language="zh")
    assert f">{outcome}</th>" in table
    assert "p 值</th>" in table  # the head of the column, not the outcome
    assert f"单位：{outcome}／单位" in table
    assert f"{outcome}／单位" in made.summary(language="zh")
    assert "是" in {row[0]: row[1] for row in gc.table(made, style="cn").rows}["控制变量"]


def test_names_of_a_result_are_columns_arms_and_levels() -> None:
    made = answer("GMV (元)", "no")
    assert set(names.of(made)) >= {"GMV (元)", "no", "组别", "未发券", "发券"}
    assert "two-sided" not in names.of(made)
    assert names.known(made, "en", {"a": "b"}) == {"a": "b"}
    assert names.known(made, "zh", {"no": "前期"})["no"] == "前期"


def test_headings_of_the_user_are_printed_as_they_are(tmp_path: Path) -> None:
    made = answer("gmv")
    target = gc.report(
        {"P": made, "Naive": made.by("城市")},
        tmp_path / "page.docx",
        language="zh",
        title="The answer",
        question="What is the effect",
        extra=[("Money", ["Passed."])],
    )
    lines = words_of(target).splitlines()
    ends = {re.sub(r"^4\.\d+\s+", "", one.strip()) for one in lines}
    assert {"P", "Naive", "What is the effect", "Money"} <= ends
    assert any(one.endswith("The answer") for one in lines)
    assert any("“P”的审计" in one for one in lines)
    page = gc.report({"P": made}, tmp_path / "page.html", language="zh", title="The answer").read_text("utf-8")
    assert "<title>The answer</title>" in page


def test_no_space_between_chinese_words_but_in_names_and_quotes() -> None:
    label = {"net sales": "支付 金额"}
    found = translate("No gain found: +1.5 net sales per unit (95% interval +1.0 to +2.0).", label)
    assert found == "未发现增益：+1.5 支付 金额／单位（95% 置信区间 +1.0 至 +2.0）。"
    masks = Masks({"a b": "甲 乙"})
    assert masks.closed("对 成交额 的 “甲 乙” 与 '丙 丁' 及 " + masks.hidden("a b")) == (
        "对成交额的 “甲 乙” 与 '丙 丁' 及甲 乙"
    )
    assert masks.shown(masks.hidden("a bc and a b")) == "a bc and 甲 乙"


@pytest.mark.parametrize("name", ["effect", "gmv", "实付金额"])
def test_labels_reach_rows_by_level_heads_of_columns_and_arms(name: str) -> None:
    labels = {name: "成交额", "coupon": "发券", "none": "无券"}
    assert translate(f"{name}, 城市 = 北京", labels) == "成交额，城市 = 北京"
    assert translate(f"(1) {name}", labels) == "(1) 成交额"
    assert translate("coupon 300, none 1,300 against equal shares: p = 0.0010", labels) == (
        "发券 300、无券 1,300，与均等比例比较：p = 0.0010"
    )


def test_names_in_chinese_sentences_have_one_kind_of_quotes() -> None:
    made = translate("no 'user' is in two arms, or in two rows outside a cluster")
    assert made == "没有用户同时属于两组或重复出现（聚类之内除外）"
    made = translate("no 'uid' is in two arms, or in two rows outside a cluster", {"uid": "会员"})
    assert made == "没有会员同时属于两组或重复出现（聚类之内除外）"
    assert translate("gmv against 'a b'", {"gmv": "成交额"}) == "成交额对比 “a b”"


@pytest.mark.parametrize("more", ["", ", 等级 = 金"])
def test_orders_per_buyer_have_one_name(more: str) -> None:
    told = more.replace(", ", "，")
    assert translate(f"gmv: orders per buyer{more}", {"gmv": "成交额"}) == f"成交额：每位买家的订单数{told}"
