"""`robustness()` of capped results and without promotion days; intervals by controls, and whose they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def _panel(start: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    unit, time = np.arange(90), np.arange(10)
    on = (unit < 40)[:, None] & (time >= start)
    gmv = np.exp(rng.normal(3, 1, (90, 10))) * (rng.random((90, 10)) < 0.7) + 2 * on
    gmv[:, [3, 7]] *= 3
    return pd.DataFrame(
        {
            "unit": np.repeat(unit, 10),
            "period": np.tile(time, 90),
            "gmv": gmv.ravel(),
            "first_treated": np.repeat(np.where(unit < 40, start, np.nan), 10),
            "festival": np.isin(np.tile(time, 90), [3, 7]).astype(int),
        }
    )


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation", "twfe", "two_by_two", "poisson"])
def test_other_choices_beside_a_capped_result(estimator: str) -> None:
    data = _panel()
    result = gc.did(data, estimator=estimator, winsorise=0.95)
    table = result.robustness(promotion="festival", progress=False)
    rows = table.to_frame().set_index("term")
    assert rows.loc["outcome not capped", "estimate"] == pytest.approx(gc.did(data, estimator=estimator).estimate)
    assert rows.loc["outcome not capped", "unit"] == "gmv per unit-period"
    other = gc.did(data, estimator=estimator, winsorise=0.99)
    assert other.panel.cut is not None
    named = f"outcome winsorised at {other.panel.cut.at:.4g} (q 0.99)"
    assert rows.loc[named, "estimate"] == pytest.approx(other.estimate)
    # Shorter windows keep the cap of the result: it is the number that the estimand names.
    assert result.panel.cut is not None
    held = data.assign(gmv=data["gmv"].clip(upper=result.panel.cut.at))
    for name, part in (
        ("without the first period", held[held["period"] > 0]),
        ("without the last period", held[held["period"] < 9]),
        ("without the 2 periods of festival", held[held["festival"] == 0]),
    ):
        assert rows.loc[name, "estimate"] == pytest.approx(gc.did(part, estimator=estimator).estimate, rel=1e-6)
    assert table.refused == ()


def test_promotion_days_at_the_start_and_on_both_sides() -> None:
    data = _panel(start=7)
    result = gc.did(data)
    without = result.robustness(promotion="festival", progress=False).to_frame().set_index("term")
    # Who starts on a festival starts, in what is left, on the day after it.
    kept = data[data["festival"] == 0].assign(first_treated=lambda f: f["first_treated"].replace(7.0, 8.0))
    assert without.loc["without the 2 periods of festival", "estimate"] == pytest.approx(gc.did(kept).estimate)
    late = gc.did(data.assign(festival=(data["period"] >= 7).astype(int)))
    refused = dict(late.robustness(promotion="festival", progress=False).refused)
    assert "without the 3 periods of festival" in refused


@pytest.mark.parametrize("inference", ["conley_taber", "ferman_pinto"])
@pytest.mark.parametrize("estimator", ["poisson", "naive"])
def test_no_changes_no_controls_in_their_place(estimator: str, inference: str) -> None:
    with pytest.raises(gc.InputError, match="is no difference of mean changes") as found:
        gc.did(_panel(), estimator=estimator, inference=inference)
    assert "wild" in str(found.value)


def test_a_slope_by_dose_does_not_get_the_interval_of_the_mean() -> None:
    data = _panel()
    data["gmv"] = data["gmv"].clip(upper=30)
    data["dose"] = np.where(data["first_treated"].notna(), 1.0 + data["unit"] % 3, 0.0)
    asked, few = (data[(data["unit"] < n) | (data["unit"] >= 40)] for n in (12, 4))
    asked = gc.did(asked, estimator="dose", dose="dose", inference="conley_taber")
    few = gc.did(few, estimator="dose", dose="dose")
    for result in (asked, few):
        frame = result.to_frame().set_index("term")
        low, high = frame.loc["overall", ["conf_low", "conf_high"]]
        assert low < frame.loc["overall", "estimate"] < high
        assert np.isnan(frame.loc["per unit of dose", ["conf_low", "conf_high"]].to_numpy(float)).all()
