"""A two-way estimate taken apart: the parts give the whole, each is a two-by-two, forbidden ones are marked."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout, thinned

import gmvcausal as gc

STAGGERED = rollout(n=150, periods=7, cohorts=(3, 5, 6), seed=7)
NO_NEVER = rollout(n=120, periods=7, cohorts=(3, 5), never=0.0, seed=4)
WITH_ALWAYS = rollout(n=150, periods=6, cohorts=(1, 3, 5), seed=5)


def twfe(frame: pd.DataFrame, **options: Any) -> Any:
    return gc.did(frame, estimator="twfe", cluster="unit", **options)


@pytest.mark.parametrize("frame", [STAGGERED, NO_NEVER, WITH_ALWAYS], ids=["never", "no never", "always"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_the_parts_are_the_whole(frame: pd.DataFrame, weights: str | None) -> None:
    result = twfe(frame, weights=weights)
    table = result.bacon()
    assert table["weight"].sum() == pytest.approx(1, abs=1e-12) and (table["weight"] > 0).all()
    assert abs((table["weight"] * table["estimate"]).sum() - result.estimate) / frame["gmv"].std() < 1e-12
    far = twfe(frame.assign(gmv=frame["gmv"] + 1e9), weights=weights)
    assert (far.bacon()["weight"] * far.bacon()["estimate"]).sum() == pytest.approx(far.estimate, rel=1e-6)


def test_each_part_is_a_two_by_two() -> None:
    """Every comparison on the two cohorts and the periods that it uses alone."""
    table = twfe(STAGGERED).bacon()
    assert len(table) == 3 + 3 + 3 and table["forbidden"].sum() == 3
    for row in table.itertuples():
        start = STAGGERED["first_treated"]
        if row.type == "treated vs never treated":
            part = STAGGERED[(start == row.treated) | start.isna()]
        else:
            part = STAGGERED[start.isin([row.treated, row.control])]
            period = part["period"]
            part = part[period < row.control if row.type.startswith("earlier") else period >= row.control]
            part = part.assign(first_treated=part["first_treated"].where(part["first_treated"] == row.treated))
        assert row.estimate == pytest.approx(twfe(part).estimate, rel=1e-9)
        assert row.forbidden == (row.type == "later vs earlier treated")


def test_by_hand() -> None:
    """Three periods; cohorts 2 and 3, nobody else. Before 3: (4 - 1) - (5 - 2) = 0; after 2: (7 - 5) - (6 - 4) = 0.

    With B in 3 at 10 the second is 3. Shares of time under treatment 2/3 and 1/3: weights 1/3 x 1/3 for both.
    """
    frame = pd.DataFrame({
        "unit": np.repeat(["A", "B"], 3), "period": [1, 2, 3] * 2, "gmv": [1.0, 4, 6, 2, 5, 10],
        "first_treated": np.repeat([2, 3], 3),
    })  # fmt: skip
    table = twfe(frame).bacon()
    assert list(table["type"]) == ["earlier vs later treated", "later vs earlier treated"]
    np.testing.assert_allclose(table["estimate"], [0.0, 3.0], atol=1e-12)
    np.testing.assert_allclose(table["weight"], [0.5, 0.5])


def test_always_treated_controls_are_forbidden() -> None:
    table = twfe(WITH_ALWAYS).bacon()
    always = table[table["control"] == "always treated"]
    assert set(always["type"]) == {"treated vs always treated"} and always["forbidden"].all() and len(always) == 2


def test_flags_and_labels() -> None:
    dated = STAGGERED.assign(
        period=pd.Timestamp("2025-01-05") + pd.to_timedelta(7 * STAGGERED["period"], unit="D"),
        first_treated=pd.Timestamp("2025-01-05") + pd.to_timedelta(7 * STAGGERED["first_treated"], unit="D"),
    )
    flags = STAGGERED.assign(on=(STAGGERED["period"] >= STAGGERED["first_treated"]).astype(int))
    numbers = ["estimate", "weight", "forbidden"]
    plain = twfe(STAGGERED).bacon()
    pd.testing.assert_frame_equal(twfe(dated).bacon()[numbers], plain[numbers])
    pd.testing.assert_frame_equal(twfe(flags, treated="on").bacon(), plain)
    assert twfe(dated).bacon()["treated"].iloc[0] == np.datetime64("2025-01-26")


def test_refusals() -> None:
    with pytest.raises(gc.InputError, match=r"takes a two-way estimate apart.*'callaway_santanna'.*(?i:use) estimator"):
        gc.did(STAGGERED).bacon()
    with pytest.raises(gc.DesignError, match=r"unit-periods are absent.*complete"):
        twfe(thinned(STAGGERED)).bacon()
    off = STAGGERED.assign(on=(STAGGERED["period"] == STAGGERED["first_treated"]).astype(int))
    with pytest.raises(gc.DesignError, match="switches off"):
        twfe(off, treated="on").bacon()


def test_figures() -> None:
    two_way, cells = twfe(STAGGERED), gc.did(STAGGERED, estimator="imputation")
    figure = two_way.plot("bacon")
    axes = figure.axes[0]
    shown = np.vstack([c.get_offsets() for c in axes.collections])
    table = two_way.bacon()
    assert len(shown) == len(table) and "forbidden" in " ".join(t.get_text() for t in axes.get_legend().get_texts())
    np.testing.assert_allclose(sorted(shown[:, 1]), sorted(table["estimate"]))
    image = cells.plot("heatmap").axes[0].collections[0].get_array()
    assert np.isfinite(np.ma.filled(image, np.nan)).sum() == len(cells.att_gt())
    for result, kind in ((two_way, "bacon"), (cells, "heatmap")):
        result.plot(kind).savefig(io.BytesIO())
    with pytest.raises(gc.InputError, match="kind must be one of"):
        twfe(thinned(STAGGERED)).plot("bacon")
