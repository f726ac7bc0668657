"""Every text of a roll-out is known in Chinese: estimators, audits, placebo tests, figures, tables, logs and money."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.logs.returns.rules import RULES as RETURNS
from gmvcausal.present import digits, figures, phrases, words
from gmvcausal.present.chinese import translate
from gmvcausal.present.translated import in_language
from gmvcausal.results.by_level import SEGMENT_RULES
from gmvcausal.results.moderated import RULES as MODERATED
from gmvcausal.results.usual_rules import USUAL
from gmvcausal.rollout.audit.rules import RULES
from tests import panels
from tests.chinese_texts import LABELS, english_left, texts, wrong


def panel(**more: Any) -> pd.DataFrame:
    """A small roll-out with a further outcome, a segment, a covariate and the dose of the treated."""
    frame = panels.rollout(n=66, periods=7, seed=3, **more)
    half, treated = frame["unit"] % 2, frame["first_treated"].notna()
    return frame.assign(
        half=half, shoes=frame["gmv"] * 0.3 + half, dose=treated * (1.0 + frame["unit"] % 3), age=frame["unit"] % 7
    )


def together() -> pd.DataFrame:
    """One start for all."""
    return panel(cohorts=(4,))


def alone() -> pd.DataFrame:
    """A single treated unit."""
    frame = together()
    first = frame.loc[frame["first_treated"].notna(), "unit"].iloc[0]
    return frame[frame["first_treated"].isna() | (frame["unit"] == first)]


def places() -> pd.DataFrame:
    """Eligible and ineligible units of places."""
    rng = np.random.default_rng(0)
    shape = np.indices((28, 4, 6)).reshape(3, -1)
    place, unit, period = shape[0], shape[1], shape[2] + 1
    gain = (unit % 2) * (place < 14) * (period >= 4)
    return pd.DataFrame({
        "unit": 10 * place + unit, "place": place, "period": period, "eligible": unit % 2,
        "gmv": 10 + place % 5 + period + gain + rng.normal(size=len(place)),
        "first_treated": np.where(place < 14, 4.0, np.nan),
    })  # fmt: skip


@cache
def main() -> Any:
    return gc.did(panel())


@cache
def simple() -> Any:
    return gc.did(together())


MADE: dict[str, Callable[[], Any]] = {
    "main": main,
    **{
        name: partial(lambda estimator: gc.did(panel(), estimator=estimator), name)
        for name in ("twfe", "sun_abraham", "imputation", "two_stage", "etwfe", "poisson", "naive")
    },
    "two_by_two": lambda: gc.did(together(), estimator="two_by_two", cluster="place", weights="w"),
    "stacked": lambda: gc.did(panels.campaigns(), estimator="stacked", stack="campaign", treated="treated"),
    "synthetic_did": lambda: gc.did(together(), estimator="synthetic_did"),
    "synthetic_control": lambda: gc.did(alone(), estimator="synthetic_control"),
    "switching": lambda: gc.did(panels.switching(), estimator="switching", treated="treated"),
    "dose": lambda: gc.did(panel(), estimator="dose", dose="dose"),
    "triple": lambda: gc.did(places(), estimator="triple", eligible="eligible", cluster="place"),
    "covariates": lambda: gc.did(together(), covariates=["age"]),
    "one treated": lambda: gc.did(alone()),
    "absent rows": lambda: gc.did(panels.thinned(panel()), winsorise=0.95, anticipation=1),
    "people": lambda: gc.did(places(), unit=None, cluster="place"),
    "placebo in time": lambda: gc.did(panel(cohorts=(6,))).placebo("time"),
    "placebo in units": lambda: simple().placebo("unit", reps=99, progress=False),
    "sensitivity": lambda: simple().sensitivity(grid=[0.5, 1.0]),
    "smoothness": lambda: simple().sensitivity(method="smoothness", grid=[0.1]),
    "robustness": lambda: main().robustness(clusters=["place"], progress=False),
    "by": lambda: main().by("half"),
    "leave_one_out": lambda: simple().leave_one_out(progress=False),
    "pull_forward": lambda: simple().pull_forward(window=3),
    "cannibalisation": lambda: simple().cannibalisation(other="shoes"),
    "moderation": lambda: simple().moderation("age"),
    "money": lambda: simple().incremental_gmv(cost=10, cost_is="other", gmv_is="paid", margin=0.3),
}


@cache
def made(name: str) -> Any:
    return MADE[name]()


@pytest.mark.parametrize("name", MADE)
def test_every_text_of_a_result(name: str) -> None:
    said = {text for text in texts(made(name)) if text}
    assert len(said) > 20
    assert not [found for found in map(wrong, sorted(said)) if found]


def test_what_is_found_reads_as_chinese() -> None:
    result = main()
    found = translate(words.answer(result), LABELS)
    assert re.fullmatch(r"增益 \S+ 成交额／单位·期（95% 置信区间 \S+ 至 \S+）。", found)
    assert translate(result.estimand) == "ATT，处理后各组时效应按队列规模加权"
    assert translate(phrases.check_words(result.audit["pre_trend"])).startswith("事前趋势：对 ")
    assert translate("No headline is given: the audit failed on pre_trend and attrition.") == (
        "不给出主要结论：审计在“事前趋势、样本流失”上未通过。"
    )


@pytest.mark.parametrize(
    "name", ["main", "twfe", "synthetic_did", "dose", "pull_forward", "placebo in time", "moderation"]
)
def test_every_text_of_a_figure(name: str) -> None:
    result = made(name)
    for kind in figures.kinds(result):
        figure = in_language(figures.plot(result, kind), "zh", LABELS)
        told = [digits.inline(t.get_text()) for t in figure.findobj(Text) if t.get_text()]
        assert not [t for t in told if english_left(t)], kind
        assert not any("audit failed" in t for t in told), kind


def test_every_check_has_a_chinese_name() -> None:
    for name in {**RULES, **USUAL, **RETURNS, **SEGMENT_RULES, **MODERATED}:
        chinese = translate(name)
        assert re.search("[\u4e00-\u9fff]", chinese) and not re.search("[a-z]_", chinese), name


def test_tables_of_several_models() -> None:
    several = gc.table(main(), made("twfe"), made("two_by_two"), style="cn")
    assert not [
        text for text in (several.note, *several.header, *(row[0] for row in several.rows)) if english_left(text)
    ]


def test_a_description_in_chinese() -> None:
    frame = panel().drop(columns="first_treated").assign(kind=["a", "b", "c"] * 154)
    found = gc.describe(frame, columns=["gmv", "shoes", "age", "kind"], by="half")
    for one in (found, found.definitions(), found.levels(), found.correlations(), found.balance()):
        head, rows, note = one.cells()
        for text in (one.report_title, *one.sentences(), note, *head, *(row[0] for row in rows)):
            assert not wrong(text)
