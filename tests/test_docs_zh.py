"""The Chinese pages: one for each tactic, with the code of the English page; marked as Chinese, found by search."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_docs import ROOT, name
from test_docs_output import of_twin

DOCS = ROOT / "docs"
TACTICS = (
    "coupon-test", "threshold-coupon", "push-test", "flash-sale", "raffle", "community", "expert-host",
    "matched-content", "win-back", "cross-channel",
)  # fmt: skip
PAGES = sorted((DOCS / "zh").rglob("*.md"))


@pytest.mark.parametrize("tactic", TACTICS)
def test_each_tactic_has_a_page_with_the_code_of_the_english_one(tactic: str) -> None:
    """It is not run again: where this fails, copy the blocks of the English page, then renew (test_docs_output.py)."""
    shown = of_twin(DOCS / "zh" / "howto" / f"{tactic}.md")
    assert shown, f"docs/zh/howto/{tactic}.md has other code than docs/howto/{tactic}.md"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_prose_is_chinese_with_its_punctuation(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", prose)
    assert len(re.findall(r"[\u4e00-\u9fff]", prose)) > 300
    half_width = re.findall(r"[\u4e00-\u9fff][,;?!](?:\s|$).*", prose)
    assert not half_width


def test_chinese_pages_say_that_they_are_chinese_and_so_do_the_words_of_the_theme() -> None:
    hook = runpy.run_path(str(DOCS / "assets" / "pages.py"))
    config = SimpleNamespace(theme={"language": "en"})

    def of(path: str) -> str:
        page = SimpleNamespace(file=SimpleNamespace(src_uri=path))
        assert hook["on_page_context"]("context", page=page, config=config, nav=None) == "context"
        html = f'<!doctype html><html lang="{config.theme["language"]}" class="no-js">'  # as the theme writes it
        return str(hook["on_post_page"](html, page=page, config=config))

    assert '<html lang="zh-CN" class' in of("zh/howto/raffle.md") and config.theme["language"] == "zh"
    assert '<html lang="en" class' in of("howto/raffle.md") and config.theme["language"] == "en"
    of("zh/index.md")
    hook["on_post_build"](config=config)
    assert config.theme["language"] == "en"


def test_search_finds_chinese_words_within_a_sentence() -> None:
    """The page cuts text and query alike: what a reader types is found where its characters stand in a row."""
    written = re.search(r"separator: '(.*)'", (ROOT / "mkdocs.yml").read_text("utf-8"))
    assert written
    cut = [word for word in re.split(written[1], "用事件研究检验平行趋势（event study），再做安慰剂检验。") if word]
    for query in ("平行趋势", "安慰剂检验", "event"):
        words = [word for word in re.split(written[1], query) if word]
        assert any(cut[i : i + len(words)] == words for i in range(len(cut)))
