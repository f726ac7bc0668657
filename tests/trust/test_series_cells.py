"""Series of the trust room: drawn as said, asked as planned, shown in a section of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal import trust
from gmvcausal.trust import page_designs, plans_series
from gmvcausal.trust.series import days


def test_days_are_drawn_as_said() -> None:
    one, again = days(n=60, seed=3, window=14, effect=0.1), days(n=60, seed=3, window=14, effect=0.1)
    assert one.table().equals(again.table()) and len(one.table()) == 74
    plain = days(n=60, seed=3, window=14).table()
    gain = one.table()["gmv"] - plain["gmv"]
    assert np.allclose(gain[:60], 0) and np.isclose(gain[60:].mean(), one.truth.value)
    assert "other_0" in plain and list(days(n=60, seed=3, controls=0).table()) == ["day", "gmv"]
    assert one.design.call["start"] == str(one.table()["day"][60])[:10]


def test_the_plan_and_its_section() -> None:
    cells = plans_series.cells()
    assert {c.verb for c in cells} == {"before_after"} and all(c.apart for c in cells)
    assert set(plans_series.QUICK) < {c.id for c in cells}
    some = [
        replace(c, reps=1 + (c.id == "series/D17/unsaid"))
        for c in cells
        if c.id in ("series/no-effect/60", "series/D17/beside", "series/D17/unsaid")
    ]
    text = page_designs.section(trust.run(some, workers=0, progress=False), "series")
    assert text.count("| `series/") == 3 and "| `series/D17/unsaid` | 2 |" in text and "100.0 %" in text
    assert (
        page_designs.section(trust.run([trust.Cell("a", "D5", n=20, reps=1)], workers=0, progress=False), "series")
        == ""
    )
