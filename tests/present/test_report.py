"""The report: one file, no script, the answer first, the same bytes each time."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import digits

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Checks nesting, and gathers what an accessible page needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def written(results: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "优惠券 报告.html"
    study = {"naive": results["naive"], "roll-out": results["trend"], "campaigns": results["stacked"]}
    extra = [("Weights", ["In sum.", results["stacked"].by_stack()]), ("Long", pd.DataFrame({"a": range(500)}))]
    done = gc.report(
        study, path, title="Coupons", question="Did it pay?", benchmarks=["naive"], currency="$", extra=extra
    )
    assert done == path
    return path


def test_the_answer_comes_first(written: Path, results: dict[str, Any]) -> None:
    text = Page(written.read_text(encoding="utf-8")).text()
    order = [
        "Did it pay?",
        "A gain of $",
        "Estimand",
        "Every answer",
        "Audit of the headline",
        "That is selection",
        "side by side",
    ]
    assert sorted(order, key=text.index) == order
    for check in results["trend"].audit.failed:
        assert digits.true_minus(check.message) in text
    assert "The first 200 of 500 rows." in text
    assert results["trend"].manifest.data_sha256 in text


def test_the_page_stands_alone_and_is_accessible(written: Path) -> None:
    page = Page(written.read_text(encoding="utf-8"))
    names = [tag for tag, _ in page.tags]
    assert "script" not in names and "link" not in names
    assert all(a["src"].startswith("data:image/svg+xml;base64,") and a["alt"] for t, a in page.tags if t == "img")
    assert all(a.get("scope") in ("row", "col") for t, a in page.tags if t == "th")
    assert next(a for t, a in page.tags if t == "html")["lang"] == "en"
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for source in (a["src"] for t, a in page.tags if t == "img"):
        svg = base64.b64decode(source.partition(",")[2]).decode()
        assert not re.search(r'(?:href|src)="(?!#)', svg)


def test_the_same_input_gives_the_same_bytes(results: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        gc.report([results["gain"]], tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_refusal_is_an_answer(results: dict[str, Any], tmp_path: Path) -> None:
    gc.report({"roll-out": results["trend"]}, tmp_path / "a.html")
    text = Page((tmp_path / "a.html").read_text(encoding="utf-8")).text()
    assert text.index("No design here supports a number, so none is given.") < text.index("What to do next: ")
    assert "Audit of roll-out" in text


def test_money_can_be_reported(results: dict[str, Any], tmp_path: Path) -> None:
    money = results["gain"].incremental_gmv(cost=10.0, cost_is="other", gmv_is="paid", margin=0.3)
    gc.report([money], tmp_path / "a.html", currency="$")
    text = Page((tmp_path / "a.html").read_text(encoding="utf-8")).text()
    assert "A gain of $" in text and "profit" in text
    assert "A gain of" in money.summary()


def test_what_cannot_be_shown_is_refused(results: dict[str, Any], tmp_path: Path) -> None:
    gain = results["gain"]
    with pytest.raises(gc.InputError, match="language"):
        gc.report([gain], tmp_path / "a.html", language="fr")
    with pytest.raises(gc.InputError, match="not a result"):
        gc.report({"a": "text"}, tmp_path / "a.html")
    with pytest.raises(gc.InputError, match="extra cannot show int"):
        gc.report([gain], tmp_path / "a.html", extra=[("a", [1])])
    with pytest.raises(gc.InputError, match="pairs"):
        gc.report([gain], tmp_path / "a.html", extra=["a"])
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_a_section_and_no_answer(results: dict[str, Any], tmp_path: Path) -> None:
    plan = gc.power(200_000, metric="gmv", rate=0.05, amount_mean=120, amount_sd=150, lift=0.05)
    for given in ([results["gain"], plan], {"roll-out": results["gain"], "The plan": plan}):
        page = Page(gc.report(given, tmp_path / "a.html").read_text(encoding="utf-8"))
        text = page.text()
        assert text.index("A gain of") < text.index("The plan") < text.index("100,000 in control, 100,000 treated")
    alone = [a for t, a in Page(gc.report(results["gain"], tmp_path / "b.html").read_text("utf-8")).tags if t == "img"]
    assert len([a for t, a in page.tags if t == "img"]) == len(alone) + 2
    gc.report(results["gain"], tmp_path / "c.html", extra=[("How it was planned", plan)])
    for bad in (plan, [plan], {"a": plan}):
        with pytest.raises(gc.InputError, match=r"no answer.*beside a result"):
            gc.report(bad, tmp_path / "d.html")
    with pytest.raises(gc.InputError, match=r"PowerResult.*to_frame"):
        gc.table(plan)
    assert not (tmp_path / "d.html").exists()
