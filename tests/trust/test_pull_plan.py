"""Gains taken from elsewhere in the trust room: worlds are what they say, cells can be asked and are shown."""

from __future__ import annotations

import numpy as np
import pytest

from gmvcausal import trust
from gmvcausal.trust import plans_pull, roll_outs
from gmvcausal.trust.page import page_text


def test_the_sale_is_what_it_says() -> None:
    trial = roll_outs.sale(n=400, seed=1, borrowed=0.5, payback=2)
    assert (trial.truth["net"], trial.truth["during"], trial.truth["borrowed_share"]) == (600.0, 1200.0, 0.5)
    table = trial.table()
    wide = table.pivot(index="unit", columns="period", values="gmv")
    on = table.groupby("unit")["first_treated"].first().notna()
    first = int(np.searchsorted(wide.columns, table["first_treated"].min()))
    change = wide.sub(wide.iloc[:, :first].mean(axis=1), axis=0)
    gap = (change[on].mean() - change[~on].mean()).to_numpy()[first : first + 4]
    np.testing.assert_allclose(gap, [1200, -300, -300, 0], atol=130)
    short = roll_outs.sale(n=40, seed=1, seen=1).table()
    assert short["period"].max() == short["first_treated"].min()


def test_two_outcomes_are_what_they_say() -> None:
    trial = roll_outs.two_outcomes(n=3_000, seed=2)
    table = trial.table()
    late = table[table["period"] >= 4]
    gap = late.groupby(late["first_treated"] < 9)[["gmv", "elsewhere"]].mean().diff().iloc[1]
    assert gap["gmv"] == pytest.approx(10, abs=0.7) and gap["elsewhere"] == pytest.approx(-6, abs=0.7)
    assert trial.truth["total"] == 4 and trial.truth["cannibalised_share"] == 0.6
    early = table[table["period"] < 4]
    assert early["gmv"].corr(early["elsewhere"]) == pytest.approx(-0.5, abs=0.05)


def test_every_cell_can_be_asked_and_is_shown() -> None:
    cells = list(plans_pull.cells())
    assert {cell.role for cell in cells} == {"valid", "audit violation", "size"}
    assert all(cell.apart for cell in cells)
    assert {cell.most for cell in cells if cell.role == "size"} == {0.07}
    assert all(cell.reps >= 171 for cell in cells if cell.role != "audit violation")
    few = [trust.Cell(**{**cell.__dict__, "reps": 2}) for cell in cells]
    report = trust.run(few, workers=0, progress=False)
    assert all(r.scores["failed"] == 0 for r in report.results)
    by_id = {r.cell.id: r for r in report.results}
    for name in ("dip-seen", "week-1-alone"):
        assert by_id[f"pull/{name}"].scores["audit"]["pull_forward"]["warned"] == 1.0
    text = page_text(report)
    assert "Gains taken from elsewhere" in text and all(f"`{cell.id}`" in text for cell in cells)
