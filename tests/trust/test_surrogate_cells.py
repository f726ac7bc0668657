"""`surrogate` in the trust room: the world's truth by brute force, the plan, the page."""

from __future__ import annotations

import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal import trust
from gmvcausal.trust import Cell, foretold, page_designs, plans_surrogate
from gmvcausal.trust.page import page_text


@pytest.mark.parametrize("dials", [{}, {"direct": 15.0}, {"season": 9.0}, {"apart": 0.5}], ids=str)
def test_the_truth_by_brute_force(dials: dict[str, float]) -> None:
    market = foretold.shop(n=200_000, seed=1, known=1.0, **dials)
    test, _ = market.table()
    arms = test.groupby("arm")["gmv_90d"]
    gap, error = arms.mean()[1] - arms.mean()[0], np.sqrt((arms.var() / arms.size()).sum())
    assert abs(gap - market.truth["1"]) < 4 * error


def test_the_question_is_that_of_the_verb() -> None:
    market = foretold.shop(n=300, seed=2)
    answer = foretold.surrogate(market.table(), **market.design.call)
    plain = gc.surrogate(*market.table(), outcome="gmv_90d", surrogates=["gmv_14d", "visits"], covariates=["taste"])
    assert answer.estimate == plain.estimate and answer.to_frame()["term"].tolist() == ["1"]


def test_the_plan_and_the_page() -> None:
    cells = {cell.id: cell for cell in plans_surrogate.cells()}
    assert set(plans_surrogate.QUICK) < set(cells) and all(c.apart for c in cells.values())
    assert all(cell.clean in cells for cell in cells.values() if cell.clean)
    asked = [Cell(**{**{k: getattr(c, k) for k in c.__dataclass_fields__}, "reps": 2, "n": 200})
             for c in cells.values() if c.id in ("surrogate/past/known", "surrogate/known/index")]  # fmt: skip
    report = trust.run(asked, workers=0, progress=False)
    section, text = page_designs.section(report, "surrogate"), page_text(report)
    assert section in text and "nan" not in section
    for cell in asked:
        assert f"| `{cell.id}` |" in section
    assert "surrogate/known/index" not in text.partition("## Surrogates")[0].partition("## The audit")[0]
    assert (
        page_designs.section(trust.run([Cell("a", "D5", n=20, reps=1)], workers=0, progress=False), "surrogate") == ""
    )
