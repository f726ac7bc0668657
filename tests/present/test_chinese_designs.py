"""Every text of tests, targeting, observational designs and mechanisms is known in Chinese, and keeps its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.abtest.audit.rules import RULES as TEST
from gmvcausal.mechanism.exposure.rules import RULES as EXPOSURE
from gmvcausal.mechanism.factors.rules import RULES as FACTORS
from gmvcausal.mechanism.frontier.rules import RULES as FRONTIER
from gmvcausal.mechanism.longrun.rules import RULES as LONG_RUN
from gmvcausal.mechanism.pathways.rules import RULES as PATHWAYS
from gmvcausal.mechanism.pooled.rules import RULES as POOLED
from gmvcausal.observational.adjustment.rules import PANEL
from gmvcausal.observational.adjustment.rules import RULES as ADJUSTED
from gmvcausal.observational.discontinuity.rules import RULES as THRESHOLD
from gmvcausal.observational.graphs.rules import RULES as GRAPH
from gmvcausal.observational.instrument.rules import RULES as INSTRUMENT
from gmvcausal.observational.notch.rules import RULES as NOTCH
from gmvcausal.observational.rules import RULES as MATCHED
from gmvcausal.observational.series.rules import RULES as SERIES
from gmvcausal.present import digits, figures
from gmvcausal.present.chinese import translate
from gmvcausal.present.tables import shown_table
from gmvcausal.present.translated import in_language
from gmvcausal.results import Result
from gmvcausal.targeting.audit.rules import RULES as TARGETING
from gmvcausal.targeting.dose.rules import RULES as DOSE
from tests import mediate_data, surrogate_data
from tests.chinese_texts import LABELS, english_left, texts, wrong

RULES = (
    TEST, TARGETING, DOSE, MATCHED, ADJUSTED, PANEL, GRAPH, INSTRUMENT, THRESHOLD, NOTCH, SERIES, PATHWAYS, FACTORS,
    EXPOSURE, FRONTIER, LONG_RUN, POOLED,
)  # fmt: skip


@cache
def people(n: int = 400) -> pd.DataFrame:
    """Users with a lot, what they received, a past, a segment, a score and orders."""
    rng = np.random.default_rng(5)
    arm, past = rng.integers(0, 2, n), rng.gamma(2.0, 10.0, n)
    got = np.where(arm == 1, rng.random(n) < 0.6, rng.random(n) < 0.1).astype(int)
    buys = rng.random(n) < 0.4 + 0.1 * arm
    gmv = buys * (past + rng.gamma(2.0, 15.0, n) * (1 + 0.3 * got))
    return pd.DataFrame({
        "user": np.arange(n), "arm": arm, "got": got, "past": past, "age": rng.normal(35, 9, n),
        "tier": rng.integers(0, 3, n).astype(str), "room": np.arange(n) // 10, "gmv": gmv,
        "orders": buys * (1 + rng.poisson(1, n)), "score": 200 + 5 * past,
    })  # fmt: skip


def series() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = np.arange(70)
    wave = np.exp(0.1 * np.sin(days / 5))
    return pd.DataFrame({
        "day": pd.date_range("2025-03-03", periods=70),
        "gmv": 1e4 * wave * np.exp(0.03 * rng.standard_normal(70)) * (1 + 0.2 * (days >= 56)),
        "other": 5e3 * wave * np.exp(0.03 * rng.standard_normal(70)),
    })  # fmt: skip


def baskets() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    wish = np.exp(rng.normal(4.9, 0.7, 4000))
    on = rng.integers(0, 2, 4000)
    up = (on == 1) & (wish >= 250) & (wish < 300) & (rng.random(4000) < 0.5)
    return pd.DataFrame({"basket": np.where(up, 303.0, wish).round(2), "on": on})


def looks() -> pd.DataFrame:
    """Cells of new users at each look."""
    users = people().assign(look=lambda d: d["user"] // 100 + 1)
    return users.groupby(["look", "arm"])["gmv"].agg(n="size", mean="mean", variance="var").reset_index()


@cache
def trial() -> Any:
    return gc.ab_test(people(), metrics=[gc.Mean("gmv", pre="past"), gc.Ratio("gmv", "orders")], unit="user")


@cache
def uplift() -> Any:
    return gc.uplift(
        people(), outcome="gmv", treatment="arm", features=["past", "age", "tier"], learner="t", propensity=0.5,
        cost=2, margin=0.3, folds=2,
    )  # fmt: skip


def later() -> pd.DataFrame:
    """Users that the model has not seen."""
    return people(401).iloc[1:].assign(user=lambda d: d["user"] + 10_000)


def graph() -> list[tuple[str, str]]:
    return [("past", "got"), ("past", "gmv"), ("arm", "got"), ("got", "gmv"), ("taste", "age"), ("taste", "gmv")]


def links() -> pd.DataFrame:
    return pd.DataFrame({"user": np.arange(400), "friend": (np.arange(400) + 1) % 400})


def rooms() -> pd.DataFrame:
    frame = people().assign(share=lambda d: np.where(d["room"] % 2, 0.5, 0.0))
    return frame.assign(on=np.where(frame["share"] > 0, frame["user"] % 2, 0))


def shops() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    hours = rng.uniform(2, 9, 24)
    return pd.DataFrame({
        "shop": [f"s{i}" for i in range(24)] * 2, "hours": np.tile(hours, 2), "month": np.repeat([1, 2], 24),
        "gmv": np.tile(hours, 2) * rng.uniform(0.5, 1.0, 48), "age": np.tile(rng.normal(size=24), 2),
    })  # fmt: skip


def trials(k: int) -> list[Any]:
    out = []
    for i in range(k):
        rng = np.random.default_rng(i)
        arm = rng.integers(0, 2, 200)
        frame = pd.DataFrame({"arm": arm, "gmv": rng.gamma(2.0, 10.0, 200) + 3.0 * arm + i * 0.2})
        out.append(gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)]))
    return out


def weeks() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"user": np.repeat(np.arange(80), 5), "week": np.tile(np.arange(5), 80)})
    frame["got"] = ((frame["user"] % 3 == 0) & (frame["week"] >= 2)).astype(int)
    return frame.assign(gmv=frame["week"] + 3.0 * frame["got"] + rng.normal(size=400), age=frame["user"] % 7)


RESULTS: dict[str, Callable[[], Any]] = {
    "ab_test": trial,
    "several arms": lambda: gc.ab_test(
        people().assign(arm=lambda d: d["user"] % 3),
        arm="arm",
        control=0,
        metrics=["gmv", gc.Proportion("got")],
        cluster="room",
        adjust="holm",
        missing="zero",
    ),
    "received": lambda: gc.ab_test(people(), metrics=["gmv"], received="got"),
    "factors and a guardrail": lambda: gc.ab_test(
        people().assign(visits=1),
        metrics=[gc.Gmv(visits="visits", orders="orders", gmv="gmv"), gc.Quantile("gmv", 0.9), "orders"],
        guardrails={"orders": -0.05},
    ),
    "strata": lambda: gc.ab_test(people(), metrics=["gmv"], strata="tier"),
    "randomisation": lambda: gc.ab_test(people(), metrics=["gmv"], inference="randomisation", draws=999),
    "by": lambda: trial().by("tier"),
    "moderation": lambda: trial().moderation("past"),
    "sequential": lambda: gc.sequential(looks(), arm="arm"),
    "uplift": uplift,
    "uplift of all who got it": lambda: gc.uplift(
        people(), outcome="gmv", treatment="got", features=["past", "age"], estimand="att", learner="t", folds=2
    ),
    "dose": lambda: gc.uplift(
        people().assign(face=lambda d: d["arm"] * (1.0 + d["user"] % 3)),
        outcome="gmv",
        treatment="face",
        features=["past"],
        dose=True,
        cost=1,
        folds=2,
    ),
    "adjust": lambda: gc.adjust(people(), "gmv", "got", covariates=["past", "age"], estimator="regression"),
    "adjust, learned": lambda: gc.adjust(people(), "gmv", "got", covariates=["past", "tier"], folds=2),
    "adjust, weighted": lambda: gc.adjust(
        people(), "gmv", "got", covariates=["past"], estimator="ipw", estimand="overlap", cluster="room"
    ),
    "adjust, matched": lambda: gc.adjust(people(), "gmv", "got", covariates=["past"], estimator="matching"),
    "adjust, graph": lambda: gc.adjust(people(), "gmv", "got", graph=graph(), estimator="regression"),
    "adjust, panel": lambda: gc.adjust(
        weeks(), "gmv", "got", covariates=["age"], unit="user", time="week", estimator="regression"
    ),
    "iv": lambda: gc.iv(people(), "gmv", "got", "arm", covariates=["past"]),
    "weak iv": lambda: gc.iv(people(), "gmv", "got", ["age", "past"], cluster="room"),
    "threshold": lambda: gc.threshold(people(), "gmv", "score", 300, covariates=["age"]),
    "fuzzy threshold": lambda: gc.threshold(
        people().assign(got=lambda d: (d["score"] + 20 * d["age"] > 1000).astype(int)),
        "gmv",
        "score",
        300,
        treatment="got",
    ),
    "bunching": lambda: gc.bunching(baskets(), "basket", 300, reps=99),
    "bunching, compared": lambda: gc.bunching(baskets(), "basket", 300, compare="on", discount=30, reps=99),
    "before_after": lambda: gc.before_after(series(), "gmv", "day", "2025-04-28", controls=["other"]),
    "before_after, alone": lambda: gc.before_after(series(), "gmv", "day", "2025-04-28", end="2025-05-05"),
    "mediate": lambda: mediate_data.call(
        mediate_data.people(), mediators=["watch", "interacted"], reps=99, moderator="activity", assignment="random"
    ),
    "decompose": lambda: gc.decompose(people().assign(visits=1), factors=["visits", "orders", "gmv"], by="arm"),
    "spillover": lambda: gc.spillover(people(), "gmv", "arm", "user", edges=links(), probability=0.5, reps=99),
    "spillover, conditions": lambda: gc.spillover(
        people(), "gmv", "arm", "user", edges=links(), probability=0.5, exposure="any", reps=0
    ),
    "spillover, groups": lambda: gc.spillover(rooms(), "gmv", "on", "user", group="room", saturation="share"),
    "efficiency": lambda: gc.efficiency(shops().head(24), "shop", ["hours"], ["gmv"], covariates=["age"], reps=99),
    "efficiency over time": lambda: gc.efficiency(shops(), "shop", ["hours"], ["gmv"], time="month", reps=0),
    "combine": lambda: gc.combine(trials(4)),
    "surrogate": lambda: gc.surrogate(*surrogate_data.tables(1), "gmv_90d", surrogates=surrogate_data.COLUMNS),
}

SHOWN: dict[str, Callable[[], Any]] = {
    "evaluation": lambda: uplift().evaluate(later()),
    "plan": lambda: uplift().policy(later(), budget=100),
    "value of a plan": lambda: uplift().policy(later().iloc[:200]).evaluate(later().iloc[200:]),
    "designs on one question": lambda: gc.combine(trials(2), how="triangulate"),
    "moderation of a mediation": lambda: made("mediate").moderation(),
    "three steps": lambda: made("mediate").three_steps(),
}


@cache
def made(name: str) -> Any:
    return {**RESULTS, **SHOWN}[name]()


@pytest.mark.parametrize("name", RESULTS)
def test_every_text_of_a_result(name: str) -> None:
    result = made(name)
    assert isinstance(result, Result)
    said = {text for text in texts(result) if text}
    assert len(said) > 20
    assert not [found for found in map(wrong, sorted(said)) if found]


def told_by(one: Any) -> Iterator[str]:
    """What a page says of a ranking, a plan, its value."""
    yield one.report_title
    yield from one.sentences()
    table = shown_table(one)
    yield from (table.caption, table.note, *table.header, *(row[0] for row in table.rows))
    yield from map(figures.describe_curves, one.figures())


@pytest.mark.parametrize("name", SHOWN)
def test_every_text_beside_a_result(name: str) -> None:
    assert not [found for found in map(wrong, filter(None, told_by(made(name)))) if found]


def test_a_planned_test() -> None:
    plan = gc.power(4000, mean=20, sd=60, lift=0.05, r2=0.3, cluster_size=4, icc=0.1, uptake=0.6)
    assert not [found for found in map(wrong, plan.summary_lines()) if found]


def test_matched_units() -> None:
    found = gc.match(people(), "got", ["past", "age"])
    for check in found.audit:
        assert not [text for text in (check.message, check.remedy) if text and wrong(text)]
    for kind in ("love", "density"):
        assert not left_on(in_language(found.plot(kind), "zh", LABELS))


FIGURES = (
    "ab_test", "sequential", "adjust", "iv", "threshold", "bunching, compared", "before_after", "mediate", "decompose",
    "spillover", "efficiency", "combine", "surrogate",
)  # fmt: skip


def left_on(figure: Any) -> list[str]:
    """Texts of a figure that are English still."""
    told = [digits.inline(t.get_text()) for t in figure.findobj(Text) if t.get_text()]
    return [text for text in told if english_left(text)]


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_of_a_figure(name: str) -> None:
    for kind in figures.kinds(made(name)):
        assert not left_on(in_language(figures.plot(made(name), kind), "zh", LABELS)), kind


def test_every_rule_has_a_chinese_name() -> None:
    names = sorted({name for rules in RULES for name in rules})
    assert len(names) > 100
    for name in names:
        chinese = translate(name)
        assert re.search("[\u4e00-\u9fff]", chinese) and not re.search("[a-z]_", chinese), name


def test_what_is_found_reads_as_chinese() -> None:
    assert translate(made("iv").title, LABELS) == "工具变量：arm 影响 got"
    assert translate(made("mediate").estimates.term[2]) == "间接效应：watch"
    assert translate("the mean of mean, age and hours") == "the mean of mean, age and hours"
    assert translate("average effect on all units of coupon against none") == "coupon 相对于 none 对全部单位的平均效应"
    first = (
        "First stage: effective F = 30.25; the Wald interval keeps its word only above 104.7 (Lee et al. 2022), the "
    )
    assert translate(first + "Anderson-Rubin set always.") == (
        "第一阶段：有效 F = 30.25；Wald 区间仅在大于 104.7 时可靠（Lee et al. 2022），Anderson-Rubin 置信集始终可靠。"
    )
