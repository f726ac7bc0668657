"""Figures: every kind on offer draws, tells its unit, and leaves no trace behind."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.present import digits, figures, style


def texts(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def test_every_kind_draws_and_leaves_no_trace(results: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    for result in results.values():
        for kind in figures.kinds(result):
            figure = result.plot(kind)
            figure.savefig(io.BytesIO(), format="png", dpi=50)
            assert " ".join(result.unit.split()) in " ".join(texts(figure).split()) or kind == "stacks"
            assert figures.describe(result, kind)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def test_the_default_is_the_event_study_where_there_is_one(results: dict[str, Any]) -> None:
    assert figures.kinds(results["gain"]) == ("event_study", "estimates", "trends", "heatmap")
    assert figures.kinds(results["stacked"])[-1] == "stacks"
    assert "event_study" not in figures.kinds(results["naive"])
    assert "Effect by time" in texts(results["gain"].plot())
    with pytest.raises(gc.InputError, match="'event_study', 'estimates', 'trends'"):
        results["gain"].plot("pie")


def test_the_event_study_shows_its_numbers(results: dict[str, Any]) -> None:
    frame = results["gain"].event_study()
    axes = results["gain"].plot().axes[0]
    dots = next(line for line in axes.lines if line.get_label() == "estimate")
    leads = next(line for line in axes.lines if line.get_label() == "line through the leads")
    shown = frame[frame.event_time != -1]
    np.testing.assert_allclose(dots.get_xydata(), shown[["event_time", "estimate"]])
    at_base = np.interp(-1, leads.get_xdata(), leads.get_ydata())
    assert abs(at_base) < 1e-12
    base = next(line for line in axes.lines if line.get_label() == "base period")
    assert base.get_xydata().tolist() == [[-1.0, 0.0]]


def test_a_failed_audit_is_written_on_the_figure(results: dict[str, Any]) -> None:
    assert "audit failed: pre_trend" in texts(results["trend"].plot())
    assert "audit failed" not in texts(results["gain"].plot())


def test_many_cohorts_are_cut_to_the_largest() -> None:
    rng = np.random.default_rng(0)
    import pandas as pd

    unit, period = np.repeat(np.arange(200), 16), np.tile(np.arange(16), 200)
    start = np.where(unit < 140, 2 + unit % 12, np.inf)
    frame = pd.DataFrame({"unit": unit, "period": period, "gmv": rng.normal(size=len(unit)), "first_treated": start})
    figure = gc.did(frame).plot("trends")
    assert "8 largest of 12 cohorts" in texts(figure)
    assert "never treated (60)" in texts(figure)


def test_the_comparison_tells_failed_from_believed(results: dict[str, Any]) -> None:
    figure = figures.compare({"levels": results["naive"], "roll-out": results["none"]}, currency="$")
    said = texts(figure)
    assert "audit failed" in said and "no effect found" in said and "% of what treated units had before" in said
    assert "no design: a difference of means" in texts(figures.compare([results["none"]]))


def test_svg_is_the_same_each_time_and_keeps_chinese_as_text(results: dict[str, Any]) -> None:
    once, again = (style.svg(results["gain"].plot()) for _ in range(2))
    assert once == again and "<dc:date>" not in once
    drawn = style.svg(figures.compare({"优惠券": results["gain"]}))
    if not style.drawable("优惠券"):
        assert "优惠券" in drawn
    results["gain"].plot()._repr_png_()


def visits() -> Any:
    import pandas as pd

    rng = np.random.default_rng(5)
    n = 4_000
    arm = np.array(["none", "push", "coupon"])[rng.integers(0, 3, n)]
    seen = rng.random(n) < 0.5 + 0.1 * (arm == "push")
    bought = seen & (rng.random(n) < 0.3)
    orders = bought * (1 + (rng.random(n) < 0.3))
    return pd.DataFrame({"arm": arm, "visits": seen * 1, "orders": orders, "gmv": orders * rng.uniform(5, 15, n)})


def test_the_waterfall_adds_up() -> None:
    metric = gc.Gmv(gmv="gmv", orders="orders", visits="visits")
    result = gc.ab_test(visits(), control="none", metrics=[metric, "orders"])
    assert figures.kinds(result)[:2] == ("metrics", "waterfall")
    frame = result.contributions()
    assert list(frame["factor"][:5]) == ["total", "reach", "conversion", "orders per buyer", "order value"]
    figure = result.plot("waterfall")
    assert len(figure.axes) == 2
    for axes in figure.axes:
        name, _, arm = axes.get_title(loc="left").partition(": ")
        part = frame[frame["arm"].astype(str) == arm].set_index("factor")["estimate"]
        assert name == "gmv" and len(part) == 5
        bars = axes.patches
        np.testing.assert_allclose([p.get_height() for p in bars], [*part.iloc[1:], part["total"]])
        last, total = (p.get_y() + p.get_height() for p in bars[-2:])
        assert last == pytest.approx(total, abs=1e-9) == pytest.approx(part["total"])
    told = figures.describe(result, "waterfall")
    lift = frame["lift"][1]
    assert f"reach {digits.fixed(100 * lift, 1, signed=True)}%" in told
    with pytest.raises(gc.InputError, match="'metrics', 'estimates'"):
        gc.ab_test(visits(), control="none", metrics="orders").plot("waterfall")


def test_a_one_sided_waterfall_and_a_refused_one_are_drawn() -> None:
    metric = gc.Gmv(gmv="gmv", orders="orders")
    frame = visits().query("arm != 'coupon'")
    gc.ab_test(frame, control="none", metrics=metric, alternative="greater").plot("waterfall").savefig(io.BytesIO())
    lost = gc.ab_test(frame.drop(frame.index[frame["arm"] == "push"][::3]), control="none", metrics=metric)
    assert "audit failed: sample_ratio" in texts(lost.plot("waterfall"))
