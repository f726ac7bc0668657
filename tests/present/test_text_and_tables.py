"""The summary and the tables print what `to_frame()` holds, refusal first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import digits, side_by_side, tables


def test_the_summary_puts_the_finding_first_and_fits_the_page(results: dict[str, Any]) -> None:
    for result in results.values():
        lines = result.summary().splitlines()
        assert max(digits.display_width(line) for line in lines) <= 92
        assert lines[0] == result.title
        assert lines[2].startswith(("FINDING", "REFUSED"))
        text = " ".join(" ".join(lines).split())
        assert result.estimand in text and result.unit in text and f"{result.n:,} units" in text
        for check in result.audit:
            assert check.name in text
    assert "No interval" in results["few"].summary()


def test_the_summary_tells_what_happened_to_the_rows(make: Any) -> None:
    frame = make(1.0)
    frame.loc[frame.unit == 0, "first_treated"] = 1
    result = gc.did(frame)
    text = " ".join(result.summary().split())
    assert "1,920 rows read" in text
    for why, count in result.manifest.dropped.items():
        assert f"left out: {why}: {count:,}" in text
    assert result.manifest.dropped


def test_every_export_holds_the_estimate(results: dict[str, Any], tmp_path: Path) -> None:
    import docx

    for result in results.values():
        size = tables.estimate_cells(result)[0][1]
        page, tex = tmp_path / "a.html", tmp_path / "a.tex"
        assert size in result.to_html(page) and result.to_html() in page.read_text(encoding="utf-8")
        assert size.replace("−", "$-$") in result.to_latex(tex) == tex.read_text(encoding="utf-8")
        result.to_docx(tmp_path / "a.docx")
        cells = docx.Document(str(tmp_path / "a.docx")).tables[0]
        assert cells.cell(1, 1).text == size
        result.to_csv(tmp_path / "a.csv")
        back = pd.read_csv(tmp_path / "a.csv")
        np.testing.assert_allclose(back["estimate"], result.to_frame()["estimate"])
        block = result._repr_html_()
        assert size in block and "Audit" in block


def test_several_models_side_by_side(results: dict[str, Any]) -> None:
    made = gc.table(results["gain"], results["none"], results["trend"])
    frame = made.to_frame()
    assert frame.shape[1] == 4
    assert frame.iloc[0, 1].endswith("***") and "*" not in frame.iloc[0, 2]
    assert frame.iloc[0, 3].endswith("†")  # no stars for what its audit refuses
    assert "Not to be quoted: the audit failed on pre_trend" in made.note
    fixed = ["unit fixed effects", "period fixed effects"]
    assert list(frame.iloc[:, 0])[-6:] == [*fixed, "n", "rows", "clusters (treated, control)", "audit"]
    assert list(frame.iloc[-4, 1:]) == ["240"] * 3 and list(frame.iloc[-3, 1:]) == ["1,920"] * 3
    assert "<table" in made._repr_html_() and "\\toprule" in made.to_latex() and "callaway" in str(made)


def test_clusters_on_both_sides_are_told() -> None:
    periods, start = (
        np.tile(np.arange(10), 60),
        np.repeat(np.r_[np.full(20, 4.0), np.full(20, 7.0), np.full(20, np.nan)], 10),
    )
    noise = np.random.default_rng(0).normal(size=600)
    panel = pd.DataFrame(
        {"unit": np.repeat(np.arange(60), 10), "period": periods, "gmv": noise, "first_treated": start}
    )
    told = "(2) has clusters on both sides: units count as controls while they are not treated"
    apart, both = gc.did(panel), gc.did(panel, estimator="twfe")
    assert both.fitted.clusters == (40, 40) and apart.fitted.clusters == (40, 20)
    note = gc.table(apart, both).note
    assert told in note and "(1) has clusters" not in note
    assert "(2) 处理与对照两侧的聚类有重叠" in gc.table(apart, both, style="cn").note


def test_stars_follow_the_style(results: dict[str, Any]) -> None:
    from types import SimpleNamespace

    believed: Any = SimpleNamespace(audit=results["gain"].audit)
    row = pd.Series({"estimate": 1.0, "std_error": 0.55, "p_value": 0.07})
    assert side_by_side._coefficient(believed, row, "journal") == "1.000"
    assert side_by_side._coefficient(believed, row, "cn") == "1.000*"
    assert "* p < 0.1, ** p < 0.05" in gc.table(results["gain"], style="cn").note
    with pytest.raises(gc.InputError, match="style"):
        gc.table(results["gain"], style="apa")
    with pytest.raises(gc.InputError, match="no result"):
        gc.table()


def test_models_with_other_terms_share_one_row(results: dict[str, Any]) -> None:
    frame = gc.table(results["gain"], results["twfe"]).to_frame()
    assert list(frame.iloc[:2, 0]) == ["effect", ""]
    assert "(" in frame.iloc[1, 1]


def test_the_word_table_has_three_lines_and_two_fonts(results: dict[str, Any], tmp_path: Path) -> None:
    import zipfile

    results["gain"].to_docx(tmp_path / "a.docx")
    xml = zipfile.ZipFile(tmp_path / "a.docx").read("word/document.xml").decode()
    columns = 6
    assert xml.count('<w:top w:val="single" w:sz="12"') == columns
    assert xml.count('<w:bottom w:val="single" w:sz="6"') == columns
    assert xml.count('<w:bottom w:val="single" w:sz="12"') == columns
    assert "w:left w:val" not in xml and "w:insideV" not in xml
    assert 'w:eastAsia="宋体"' in xml and 'w:ascii="Times New Roman"' in xml


def test_the_summary_in_chinese_says_the_same(results: dict[str, Any]) -> None:
    from gmvcausal.present.chinese.matching import numbers

    for result in results.values():
        english, chinese = result.summary(), result.summary(language="zh", labels={"gmv": "成交额"})
        assert numbers(digits.true_minus(" ".join(english.split()))) == numbers(" ".join(chinese.split()))
        assert max(digits.display_width(line) for line in chinese.splitlines()) <= 92
        assert ("拒绝给出" in chinese) == ("REFUSED" in english) and "成交额" in chinese
        assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", chinese)
    with pytest.raises(gc.InputError, match="language must be one of"):
        results["gain"].summary(language="de")


def test_each_column_says_what_it_holds_fixed(results: dict[str, Any]) -> None:
    def cell(name: str, *models: Any) -> list[str]:
        frame = gc.table(*models).to_frame().set_index("")
        return list(frame.loc[name]) if name in frame.index else []

    gain, naive = results["gain"], results["naive"]
    assert cell("unit fixed effects", gain, gain.placebo("time"), naive) == ["yes", "yes", "no"]
    assert cell("period fixed effects", gain, gain.sensitivity()) == ["yes", ""]
    assert cell("unit fixed effects", naive) == [] == cell("controls", gain)
    rng = np.random.default_rng(1)
    users = pd.DataFrame({"arm": [0, 1] * 300, "gmv": rng.gamma(1, 3, 600), "gmv_pre": rng.gamma(1, 3, 600)})
    users["tier"] = np.where(np.arange(600) % 4 < 2, "new", "old")
    plain = gc.ab_test(users, metrics="gmv")
    before = gc.ab_test(users, metrics=[gc.Mean("gmv", pre="gmv_pre")], strata="tier")
    assert cell("controls", plain, before, gain) == ["no", "yes", "no"]
    assert cell("strata", plain, before, gain) == ["no", "yes", ""]
