"""Chinese from the catalogue: what matches, what is refused, and that no number ever changes."""

from __future__ import annotations

from importlib import resources

import pytest

from gmvcausal.errors import GmvCausalError
from gmvcausal.present.chinese import matching, say, translate


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> matching.Translator:
    """A catalogue of a few entries."""
    phrases = {"passed": "通过", "control arm": "对照组", "gain": "增益"}
    lines = [
        ("{n:n} units of {column} are left out", "{column} 中有 {n} 个单位被剔除"),
        ("units are left out of {column}: {why:l}", "{column} 剔除：{why}"),
        ("the estimate is {a:n} and not {b:n}", "估计值为 {a}"),  # loses a number
        ("as {x:t} says", "如{x}所示"),
        ("{x} is {x}", "{x} 即其自身"),
        ("{x:o} against {y:o}", "{x} 对比 {y}"),
        ("by {column:t}", "按{column}"),
        ("not given ({why:t})", "不给出（{why}）"),
        ("{n:n} of {all:n}, first", "{all} 中 {n} 在前"),
    ]
    templates = tuple(sorted((matching.template(*line) for line in lines), key=lambda one: -one.weight))
    monkeypatch.setattr(matching, "catalogue", lambda: (phrases, templates))
    return matching.Translator({"gmv": "成交额", "tier 2": "二档"})


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("passed", "通过"),
        ("Passed", "通过"),
        ("−3 units of 'gmv' are left out.", "“成交额” 中有 −3 个单位被剔除。"),
        ("1,200 units of gmv are left out", "成交额 中有 1,200 个单位被剔除"),
        ("Units are left out of x: gain, passed and control arm.", "x 剔除：增益、通过、对照组。"),
        ("units are left out of x: gain (a, b and c), and passed", "x 剔除：gain (a, b and c)、通过"),
        ("As control arm says.", "如对照组所示。"),
        ("Passed. Gain. Nothing known here. Passed.", "通过。增益。Nothing known here. 通过。"),
        ("gain; passed", "增益；通过"),
        ("control arm: passed", "对照组：通过"),
        ("5 units of tier 2 are left out", "二档 中有 5 个单位被剔除"),
        ("gmv is gmv", "成交额 即其自身"),
        ("gain is gain; passed", "gain 即其自身；通过"),
        ("Gain is gain. Passed.", "gain 即其自身。通过。"),
        ("gmv is not gmv", "gmv is not gmv"),
        ("The estimate is 5 and not 6.", "The estimate is 5 and not 6."),
        ("by gmv; by control arm (a gain; a loss)", "按成交额；按control arm (a gain; a loss)"),
        ("gain; not given (passed; control arm)", "增益；不给出（通过；对照组）"),
        ("by gain; 3 of 1,200, first", "按增益；1,200 中 3 在前"),
        ("by a (b: gain): passed", "按a (b: gain)：通过"),
        ("gmv against 'a b'", "成交额 对比 “a b”"),
        ("Nothing said against gmv", "Nothing said against gmv"),
        ("成交额", "成交额"),
        ("3.5", "3.5"),
    ],
)
def test_matching(small: matching.Translator, english: str, chinese: str) -> None:
    assert small.text(english) == chinese


def test_a_number_with_another_sign_is_another_number() -> None:
    assert matching.numbers("from −3 to +3") != matching.numbers("from 3 to −3")
    assert matching.numbers("1,200.5 at 5%") == matching.numbers("5% 时为 1,200.5")
    assert matching.numbers("at 1,200, then") == matching.numbers("1,200 时")
    assert matching.numbers("2, and 3") == matching.numbers("2和3") == matching.numbers("为2，3")
    assert matching.numbers("about +3") == matching.numbers("约为+3") != matching.numbers("约为−3")
    assert matching.numbers("HC2") == matching.numbers("HC2 ") != matching.numbers("HC3")


def test_the_catalogue_can_be_read_and_keeps_every_number() -> None:
    seen: dict[str, str] = {}
    for file in resources.files("gmvcausal.present.chinese").iterdir():
        if not file.name.endswith(".txt"):
            continue
        for english, chinese in matching.entries(file.read_text(encoding="utf-8")):
            matching.template(english, chinese)
            bare = matching._HOLE.sub("", english), matching._HOLE.sub("", chinese)
            assert matching.numbers(bare[0]) == matching.numbers(bare[1]), english
            holes = [{hole.group(1) for hole in matching._HOLE.finditer(line)} for line in (english, chinese)]
            assert holes[0] == holes[1], f"a part of {english!r} is lost"
            assert seen.setdefault(english, chinese) == chinese, f"two translations of {english!r}"
            assert not english.endswith("."), english
    assert len(seen) > 2


def test_entries_that_cannot_work_are_refused() -> None:
    with pytest.raises(GmvCausalError, match="two lines"):
        matching.entries("one line\n\n")
    with pytest.raises(GmvCausalError, match="does not have"):
        matching.template("a {b}", "{c}")


def test_english_pages_pass_untouched() -> None:
    assert say("No gain found", "en") == "No gain found"
    assert translate("") == ""


def test_a_name_that_is_a_word_too_can_be_kept() -> None:
    assert translate("passed") != "passed"
    assert translate("passed", {"passed": "passed"}) == "passed"


@pytest.mark.parametrize(
    "note",
    [
        "(3) Staggered difference-in-differences (Callaway and Sant'Anna 2021), by 品类: "
        "ATT, post group-time effects weighted by cohort size.",
        "(1) Randomised test: 发券 against 未发券: difference in mean 成交额, 发券 minus 未发券, among these units.",
    ],
)
def test_notes_on_columns_are_no_axes_of_figures(note: str) -> None:
    put = translate(note)
    assert put.startswith(note[:4]) and "横轴" not in put and put.endswith("。")
    assert "Randomised" not in put and "Staggered" not in put
