"""What an answer is held against stands in a chapter as a section of its own, in the chapter's language."""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.adjustment.result import Adjusted
from gmvcausal.present import text, words
from gmvcausal.present.chinese import translate


def users(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    age, before = rng.normal(size=n), rng.gamma(2.0, 20.0, n).round(2)
    got = (rng.random(n) < 1 / (1 + np.exp(-age))).astype(int)
    return pd.DataFrame(
        {"got": got, "age": age, "前期": before, "gmv": before + 5 * age + 8 * got + rng.normal(0, 5, n)}
    )


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    r = gc.adjust(users(), "gmv", "got", ["age", "前期"], estimator="regression")
    assert isinstance(r, Adjusted)
    return {"基准": r, "敏感性": r.sensitivity(benchmark=["age"]), "反驳": r.refute(draws=5)}


def words_of(path: Path) -> str:
    made = zipfile.ZipFile(path).read("word/document.xml").decode()
    return html.unescape(re.sub("<[^>]+>", "", re.sub("</w:p>|</w:tc>", "\n", made)))


def test_sensitivity_and_refuters_are_sections(parts: dict[str, Any], tmp_path: Path) -> None:
    found = words_of(gc.report(parts, tmp_path / "c.docx", language="zh", labels={"gmv": "成交额", "age": "年龄"}))
    opened = found.index("敏感性\n"), found.index("反驳\n"), found.index("复现")
    assert list(opened) == sorted(opened)
    held = found[opened[0] : opened[2]]
    for said in (
        "稳健值（区间）",
        "E 值（区间端点）",
        "若其强度与 “年龄” 相当",
        "安慰剂处理",
        "随机共同原因",
        "单位：成交额",
    ):
        assert said in held
    assert "稳健性检验" not in held
    # What is left in English is no sentence: names of people and of options.
    assert not re.findall(r"[A-Za-z]{2,} [A-Za-z]{2,}", held)
    frame = parts["敏感性"].to_frame()
    assert f"{frame['robustness'][0]:.1%}" in held and f"{frame['bound_high'][0]:+.4g}" in held


def test_the_same_in_english_and_alone(parts: dict[str, Any], tmp_path: Path) -> None:
    page = gc.report(parts, tmp_path / "c.html").read_text(encoding="utf-8")
    assert "robustness value" in page and "mean of runs" in page
    for one in (parts["敏感性"], parts["反驳"]):
        assert all(text.endswith(".") for text in one.sentences())
        assert one.report_title in one.to_html() and one.report_title in page + one.to_html()
        with pytest.raises(gc.InputError, match="alone is no answer"):
            gc.report(one, tmp_path / "alone.html")


def test_an_arm_called_by_a_column_for_each(parts: dict[str, Any]) -> None:
    sensitivity = parts["敏感性"]
    heads, rows, note = sensitivity.cells()
    assert heads == ("", "1") and "rho 1" in note
    shown = {row[0]: row[1] for row in rows}
    assert float(shown["robustness value"]) == pytest.approx(sensitivity.to_frame()["robustness"][0], rel=1e-3)
    assert {"E-value", "partial R2", "lower bound, interval"} <= set(shown)


def test_verbs_and_heads_of_tests_are_chinese() -> None:
    told = "placebo_treatment, random_common_cause, data_subset: r.refute() runs them, in about 60 times the time"
    made = translate(f"{told[0].upper()}{told[1:]} of the estimate.")
    assert made.startswith("安慰剂处理、随机共同原因、子样本") and "60 倍" in made
    for name in ("way", "levels", "statistic", "df1", "df2", "ab_test.by", "did.leave_one_out", "adjust", "mediate"):
        assert re.search("[\u4e00-\u9fff]", translate(name)), name


def test_numbers_in_sentences_have_true_minus_signs_and_names_stay(tmp_path: Path) -> None:
    assert translate("the largest is -202 at -5", {}) == "the largest is −202 at −5"
    assert translate("gain: tier -1", {"tier -1": "tier -1"}) == "增益：tier -1"
    frame = users().assign(**{"age -1": lambda d: -d["age"]})
    r = gc.ab_test(frame, arm="got", metrics=[gc.Mean("gmv", pre="age -1")], control=0)
    extra = [("More", "A slope of -3.5 (-4 to -3) since 2025-06-02.")]
    for language in ("en", "zh"):
        docx = words_of(gc.report(r, tmp_path / "c.docx", language=language, extra=extra))
        page = gc.report(r, tmp_path / "c.html", language=language, extra=extra).read_text(encoding="utf-8")
        page = re.sub(r"<pre.*?</pre>|<style.*?</style>", "", page, flags=re.DOTALL)
        for shown in (docx, re.sub("<[^>]+>", "", page)):
            assert "−3.5 (−4 to −3) since 2025-06-02" in shown and "age -1" in shown
            assert not re.findall(r"[\s(（：]-\d", shown.replace("age -1", ""))


def test_definitions_stand_before_the_description(parts: dict[str, Any], tmp_path: Path) -> None:
    meaning = {"gmv": ("一周的成交额合计", "元")}
    answers: dict[str, Any] = {"描述": gc.describe(users(), ["gmv", "age"], definitions=meaning), **parts}
    found = words_of(gc.report(answers, tmp_path / "c.docx", language="zh"))
    section = found[found.index("描述\n") :]
    assert section.index("变量定义") < section.index("一周的成交额合计") < section.index("标准差")
    answers["描述"] = gc.describe(users(), ["gmv", "age"])
    assert "变量定义" not in words_of(gc.report(answers, tmp_path / "d.docx", language="zh"))


def test_the_name_of_an_answer_stays_as_written_in_the_console(parts: dict[str, Any]) -> None:
    answers = {"满减 实验": parts["基准"]}
    said = text.study("题目", "", words.lead(answers), answers, language="zh")
    assert "满减 实验" in said and "满减实验" not in said
