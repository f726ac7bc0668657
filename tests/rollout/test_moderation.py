"""`DidResult.moderation`: long differences against the moderator, beside statsmodels, by hand, and on known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from protocol import assert_protocol

import gmvcausal as gc


def panel(
    seed: int = 0, n: int = 160, starts: tuple[int | None, ...] = (None, 4), slope: float = 0.5, drift: float = 0.3,
    before: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """Effect 1 + slope x size from the start on; without it, larger units grow by `drift` x size in every period."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(n):
        size, start, own = rng.gamma(3, 2), starts[rng.integers(len(starts))], rng.normal()
        for t in range(1, 8):
            on = start is not None and t >= start
            gmv = own + drift * size * t + rng.normal() + on * (1 + slope * size)
            rows.append((u, t, size, u // 4, start, gmv + before * size * t * (start is not None)))
    return pd.DataFrame(rows, columns=["unit", "period", "size", "room", "first_treated", "gmv"])


def long_differences(data: pd.DataFrame, start: int) -> pd.DataFrame:
    """One row per unit of that cohort or never treated: mean from the start on less the period before it."""
    used = data[data["first_treated"].isna() | (data["first_treated"] == start)]
    wide = used.pivot(index="unit", columns="period", values="gmv")
    first = used.groupby("unit")[["size", "room", "first_treated"]].first()
    first["treated"] = used.groupby("unit")["first_treated"].first().notna()
    return first.assign(change=wide.loc[:, start:].mean(axis=1) - wide[start - 1])


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return panel()


def test_one_cohort_is_the_regression_of_long_differences(data: pd.DataFrame) -> None:
    found = gc.did(data).moderation("size")
    units = long_differences(data, 4)
    z = units["size"] - units.loc[units["treated"], "size"].mean()
    x = np.column_stack([np.ones(len(units)), z, units["treated"], units["treated"] * z]).astype(float)
    fit = sm.OLS(units["change"].to_numpy(), x).fit(cov_type="HC2")
    np.testing.assert_allclose(found.estimates.estimate[:2], fit.params[2:], rtol=1e-8)
    np.testing.assert_allclose(found.estimates.std_error[:2], fit.bse[2:], rtol=1e-8)
    assert found.slope == pytest.approx(0.5, abs=4 * found.estimates.std_error[1]) and found.slope_p < 1e-6
    assert found.audit.credible and found.audit["moderator_trend"].status == "passed"
    assert found.n == len(units)


def test_the_moderators_own_movement_is_not_read_as_the_effects() -> None:
    """Without moderation the slope is none, though larger units grow by 3 x size in every period."""
    found = gc.did(panel(slope=0.0, drift=3.0)).moderation("size")
    assert abs(found.slope) < 3.5 * found.estimates.std_error[1] and found.estimates.std_error[1] < 0.2
    assert found.estimate == pytest.approx(1.0, abs=4 * found.std_error)


def test_fourteen_units_by_hand() -> None:
    """Controls change by 1 + size, treated by 3 + 2 size: the effect is 2 + size, 5 at the treated's mean of 3."""
    size = [0, 1, 2, 3, 4, 5, 6] * 2
    rows = [
        (u, t, size[u], 2 if u > 6 else None, 10.0 * u + (t == 2) * ((3 + 2 * size[u]) if u > 6 else (1 + size[u])))
        for u in range(14) for t in (1, 2)
    ]  # fmt: skip
    small = pd.DataFrame(rows, columns=["unit", "period", "size", "first_treated", "gmv"])
    found = gc.did(small, estimator="two_by_two").moderation("size")
    np.testing.assert_allclose(found.estimates.estimate[:2], [5.0, 1.0], rtol=1e-12)
    assert (
        found.audit["moderator_trend"].status == "warned"
        and "no earlier period" in found.audit["moderator_trend"].message
    )


def test_cohorts_are_told_apart_and_weighted_by_unit_periods() -> None:
    data = panel(starts=(None, 4, 6))
    # A larger effect in the cohort of larger units is no moderation: within cohorts nothing changes with size.
    late = data["first_treated"] == 6
    data.loc[late & (data["period"] >= 6), "gmv"] += 50
    found = gc.did(data).moderation("size")
    parts = []
    for start, after in ((4, 4), (6, 2)):
        units = long_differences(data, start)
        z = units["size"] - found.line.middle
        x = np.column_stack([np.ones(len(units)), z, units["treated"], units["treated"] * z]).astype(float)
        parts.append((sm.OLS(units["change"].to_numpy(), x).fit().params[2:], units["treated"].sum() * after))
    want = sum(p * w for p, w in parts) / sum(w for _, w in parts)
    np.testing.assert_allclose(found.estimates.estimate[:2], want, rtol=1e-8)
    assert found.slope == pytest.approx(0.5, abs=4 * found.estimates.std_error[1])
    assert any("every cohort has a line of its own" in note for note in found.manifest.notes)


def test_the_effect_at_the_mean_is_the_estimate_where_the_moderator_is_balanced() -> None:
    rng = np.random.default_rng(4)
    rows = [
        (u, t, u // 2 % 5, 4 if u % 2 else None, rng.normal() + (u % 2) * (t > 3) * (1 + u // 2 % 5))
        for u in range(100) for t in range(1, 7)
    ]  # fmt: skip
    r = gc.did(pd.DataFrame(rows, columns=["unit", "period", "size", "first_treated", "gmv"]))
    assert r.moderation("size").estimate == pytest.approx(r.estimate, rel=1e-10)


def test_size_scale_names_and_order_do_not_matter(data: pd.DataFrame) -> None:
    base = gc.did(data).moderation("size")
    mixed = gc.did(data.sample(frac=1, random_state=1).assign(unit=lambda f: 900 - f["unit"])).moderation("size")
    lifted = gc.did(data.assign(gmv=data["gmv"] + 1e7)).moderation("size")
    larger = gc.did(data.assign(gmv=100 * data["gmv"], size=10 * data["size"])).moderation("size")
    for one, by in ((mixed, (1, 1, 1, 1)), (lifted, (1, 1, 1, 1)), (larger, (100, 10, 100, 100))):
        np.testing.assert_allclose(one.estimates.estimate, base.estimates.estimate * by, rtol=1e-6)
        np.testing.assert_allclose(one.estimates.std_error, base.estimates.std_error * by, rtol=1e-6)


def test_without_never_treated_units_the_last_cohort_is_the_control() -> None:
    data = panel(starts=(4, 6), n=200)
    found = gc.did(data, control="not_yet_treated").moderation("size")
    assert found.slope == pytest.approx(0.5, abs=4 * found.estimates.std_error[1])
    assert any("the cohort that starts last is the control" in note for note in found.manifest.notes)


def test_clusters_carry_their_units_together() -> None:
    data = panel(n=200)
    by_room = data.assign(first_treated=np.where(data["room"] % 2, 4.0, np.nan))
    r = gc.did(by_room, cluster="room").moderation("size")
    assert len(r.line.side) == 50 and set(r.line.side) == {0, 1}
    assert np.isfinite(r.estimates.std_error).all() and r.estimates.spread.df[1] < 50


def test_a_slope_that_was_there_before_fails_the_audit() -> None:
    found = gc.did(panel(slope=0.0, before=0.4)).moderation("size")
    assert found.audit["moderator_trend"].status == "failed" and not found.audit.credible


def test_treated_beyond_the_controls_are_told() -> None:
    data = panel()
    data.loc[data["first_treated"].notna(), "size"] += 30
    assert gc.did(data).moderation("size").audit["moderator_overlap"].status == "failed"


def test_protocol_curve_and_effects(data: pd.DataFrame, tmp_path: Path) -> None:
    found = gc.did(data).moderation("size")
    assert_protocol(found, tmp_path, ("moderation",))
    effects = found.effects()
    assert (
        effects["place"].tolist() == ["mean - 1 SD", "mean", "mean + 1 SD"]
        and effects["moderator"].is_monotonic_increasing
    )
    assert (effects["band_low"] < effects["conf_low"]).all() and (effects["band_high"] > effects["conf_high"]).all()
    np.testing.assert_allclose(effects["estimate"].diff().dropna(), found.slope * effects["moderator"].diff().dropna())
    joint, alone = found.region(), found.region("pointwise")
    assert joint and alone[0][0] <= joint[0][0] and "The effect changes with size" in found.summary()
    curve = found.curves("moderation").lines[0]
    assert curve.low is not None and (curve.low < curve.y).all()


def test_intervals_hold_on_known_truth() -> None:
    held = []
    for seed in range(63):
        try:
            r = gc.did(panel(seed, n=80)).moderation("size")
        except gc.DesignError:  # by the moderator alone: one unit is the line's end
            continue
        low, high = r.estimates.interval(0.95)
        held.append(low[1] <= 0.5 <= high[1])
    assert len(held) >= 60  # few are refused
    assert sum(held[:60]) >= 52  # of 60 at 95 %, fewer would come about once in 200 such tests


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda d: gc.did(d).moderation("gmv"), gc.InputError, "column of the design itself"),
        (lambda d: gc.did(d).moderation("sise"), gc.InputError, "id you mean 'size'"),
        (lambda d: gc.did(d.assign(size=d["period"] * 1.0)).moderation("size"), gc.InputError, "size"),
        (lambda d: gc.did(d.assign(size="big")).moderation("size"), gc.InputError, "holds text"),
        (lambda d: gc.did(d.assign(size=d["size"].where(d["unit"] != 3))).moderation("size"), gc.InputError, "missing"),
        (lambda d: gc.did(d.assign(size=1.0)).moderation("size"), gc.DesignError, "different values"),
        (lambda d: gc.did(d, estimator="poisson", missing="zero").moderation("size"), gc.DesignError, "poisson"),
        (lambda d: gc.did(d.assign(w=1.0 + d["unit"] % 3), weights="w").moderation("size"), gc.DesignError, "weights="),
    ],
)
def test_what_cannot_moderate_is_refused(call: Any, error: type[Exception], words: str) -> None:
    positive = panel()
    positive["gmv"] += 50
    with pytest.raises(error, match=words):
        call(positive)


def test_an_absent_early_row_leaves_the_test_of_earlier_slopes_to_the_others(data: pd.DataFrame) -> None:
    gap = data[~((data["unit"] == 5) & (data["period"] == 1))]
    without = data[data["unit"] != 5]
    one, other = (gc.did(d).moderation("size").audit["moderator_trend"] for d in (gap, without))
    assert one.status == "passed" and one.value == pytest.approx(other.value, rel=1e-3)
