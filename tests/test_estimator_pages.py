"""A page of an estimator says what is estimated, on what assumption, when it fails, its source; none is without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gmvcausal.mechanism.longrun.verb import ESTIMATORS as LONG_RUN
from gmvcausal.observational.adjustment.numbers import ESTIMATORS as ADJUSTMENT
from gmvcausal.observational.instrument.verb import ESTIMATORS as INSTRUMENT
from gmvcausal.rollout.methods import METHODS
from gmvcausal.targeting.learners.choose import LEARNERS

PAGES = sorted((Path(__file__).resolve().parents[1] / "docs" / "estimators").glob("*.md"))
SAID = {
    "what it estimates": r"^\| (Estimand|Estimates|Answers)\b|\*\*What it estimates\.",
    "what it assumes": r"^\| (Assum|Needs)|\*\*What it assumes\.",
    "when it fails": r"^\| Fails|^## (When it (fails|refuses)|When not)",
    "where it comes from": r"^## (Sources?|Where it comes from|References)$",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_says_what_a_reader_must_know(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lacking = [what for what, sign in SAID.items() if not re.search(sign, text, flags=re.M)]
    assert not lacking, f"{page.name} does not say {', '.join(lacking)}"


@pytest.mark.parametrize("name", [*METHODS, *ADJUSTMENT, *INSTRUMENT, *LONG_RUN, *LEARNERS])
def test_every_estimator_is_explained(name: str) -> None:
    assert any(f'"{name}"' in page.read_text(encoding="utf-8") for page in PAGES), f"no page speaks of {name!r}"


VERBS = "ab_test did uplift adjust iv threshold bunching before_after match spillover efficiency decompose surrogate"


@pytest.mark.parametrize("verb", [*VERBS.split(), "mediate"])
def test_every_verb_that_estimates_has_a_page_with_its_call(verb: str) -> None:
    assert any(re.search(rf"^\| Call \|.*gc\.{verb}\(", p.read_text(encoding="utf-8"), flags=re.M) for p in PAGES)
