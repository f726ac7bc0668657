"""The split of an effect into buyers, orders per buyer and GMV per order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def shop(n: int = 90, seed: int = 3, lifts: tuple[float, float, float] = (1.3, 1.1, 1.05)) -> pd.DataFrame:
    """Users who buy or not, order one to four times, and spend; the tactic multiplies each of the three."""
    rng = np.random.default_rng(seed)
    start = np.repeat([3, 5, 0], n // 3)
    period = np.arange(1, 7)
    on = (start[:, None] > 0) & (period >= start[:, None])
    buys = rng.random((n, 6)) < np.where(on, 0.5 * lifts[0], 0.5)
    orders = buys * (1 + rng.binomial(3, np.where(on, 0.2 * lifts[1], 0.2)))
    gmv = np.round(orders * rng.gamma(4, 5, (n, 6)) * np.where(on, lifts[2], 1) * 1.05**period, 2)
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), 6), "period": np.tile(period, n), "gmv": gmv.ravel(), "orders": orders.ravel(),
        "buyers": buys.ravel().astype(int), "first_treated": np.repeat(start, 6),
        "w": np.repeat(rng.uniform(0.5, 2, n), 6),
    })  # fmt: skip


SHOP = shop()


def split(frame: pd.DataFrame = SHOP, **options: Any) -> Any:
    return gc.did(frame, estimator="poisson", **options).decompose()


@pytest.mark.parametrize("options", [{}, {"weights": "w"}], ids=["plain", "weights"])
def test_parts_add_up_to_the_headline_and_to_its_error(options: dict[str, Any]) -> None:
    whole = gc.did(SHOP, estimator="poisson", **options)
    made = whole.decompose()
    e = made.to_frame()["estimate"].to_numpy()
    assert e[0] == pytest.approx(whole.estimate, rel=1e-9)
    assert e[1:4].sum() == pytest.approx(e[0], abs=1e-9) and e[5:].sum() == pytest.approx(e[4], abs=1e-9)
    assert made.std_error == pytest.approx(whole.std_error, rel=1e-9)
    assert made.estimates.cov[1:4, 1:4].sum() == pytest.approx(whole.std_error**2, rel=1e-9)
    logs, size = whole.fitted.series["log cells"](), whole.fitted.effects.count
    assert e[4] == pytest.approx(np.average(logs.estimate, weights=size), rel=1e-9) or options


def test_each_log_is_the_ratio_s_own() -> None:
    """The log of buyers is the mean over cells of that of a Poisson on buyers alone, and so on."""
    e = split().to_frame()["estimate"].to_numpy()
    logs = []
    for column in ("buyers", "orders", "gmv"):
        found = gc.did(SHOP, outcome=column, estimator="poisson")
        logs.append(np.average(found.fitted.series["log cells"]().estimate, weights=found.fitted.effects.count))
    assert list(e[5:]) == pytest.approx(np.diff([0, *logs]), rel=1e-9)


def test_on_paper() -> None:
    """Before: 1 of 2 buys, 1 order, 10 a piece. After, treated: all buy, 2 orders each, 15; untreated as before.

    Without: 1/2 x 1 x 10 = 5; with: 1 x 2 x 15 = 30. Logs: ln 2, ln 2, ln 1.5. Shapley of buyers:
    (1/2) ((2 * 15 + 1 * 10) / 3 + (2 * 10 + 1 * 15) / 6) = 9.5833; orders the like, 1 (.5 * 10 / 3 + 15 / 3
    + (.5 * 15 + 10) / 6) = 9.5833; baskets 5 ((.5 + 2) / 3 + (.5 * 2 + 1) / 6) = 5.8333. In sum 25.
    """
    rows = []
    for treated in (True, False):
        for k in range(40):
            rows.append((f"{treated}{k}", 1, k % 2, k % 2, 10 * (k % 2)))
            rows.append((f"{treated}{k}", 2, *((1, 2, 30) if treated else (k % 2, k % 2, 10 * (k % 2)))))
    frame = pd.DataFrame(rows, columns=["unit", "period", "buyers", "orders", "gmv"])
    frame["first_treated"] = np.where(frame["unit"].str.startswith("True"), 2, np.nan)
    e = split(frame).to_frame()["estimate"]
    assert list(e[:4]) == pytest.approx([25, 57.5 / 6, 57.5 / 6, 35 / 6], rel=1e-12)
    assert list(e[4:]) == pytest.approx([math.log(6), math.log(2), math.log(2), math.log(1.5)], rel=1e-12)


def test_errors_are_derivatives_with_respect_to_the_weights() -> None:
    """With one treated cell no composition can move, so weights may be pushed by force."""
    frame = shop(n=60, seed=5)
    frame = frame[(frame["period"] <= 3) & (frame["first_treated"] != 5)].assign(w=1.0).reset_index(drop=True)
    made = split(frame).estimates
    out: Any = 0.0
    for u in frame["unit"].unique():
        up, down = (frame.assign(w=1 + s * 1e-4 * (frame["unit"] == u)) for s in (1, -1))
        moved = [split(f, weights="w").estimates.estimate for f in (up, down)]
        out = out + ((moved[0] - moved[1]) / 2e-4) ** 2
    np.testing.assert_allclose(np.sqrt(out), made.std_error, rtol=2e-6)


def test_relations() -> None:
    plain = split().to_frame()["estimate"]
    np.testing.assert_allclose(split(SHOP.sample(frac=1, random_state=2)).to_frame()["estimate"], plain, rtol=1e-12)
    cents = split(SHOP.assign(gmv=SHOP["gmv"] * 100)).to_frame()["estimate"]
    np.testing.assert_allclose(cents, plain * np.r_[np.full(4, 100.0), np.ones(4)], rtol=1e-9)
    renamed = SHOP.rename(columns={"orders": "n_orders", "buyers": "who"})
    other = gc.did(renamed, estimator="poisson").decompose(orders="n_orders", buyers="who")
    np.testing.assert_allclose(other.to_frame()["estimate"], plain, rtol=1e-12)


def test_coverage() -> None:
    """A lift of 30 % in buyers alone: log 1.3, and nothing elsewhere."""
    hits = np.zeros(3)
    for seed in range(120):
        frame = split(shop(n=150, seed=seed, lifts=(1.3, 1, 1))).to_frame().iloc[5:]
        truth = np.array([math.log(1.3), 0, 0])
        hits += (frame["conf_low"].to_numpy() <= truth) & (truth <= frame["conf_high"].to_numpy())
    assert (hits >= 0.88 * 120).all()


def test_waterfall() -> None:
    made = split()
    assert list(made.contributions()["factor"]) == ["total", "buyers", "orders per buyer", "GMV per order"]
    assert len(made.plot("waterfall").axes) == 1
    assert made.audit.credible == gc.did(SHOP, estimator="poisson").audit.credible
    assert "decompose" in str(made.manifest.verb)


def test_refusals() -> None:
    with pytest.raises(gc.InputError, match="by ratios"):
        gc.did(SHOP).decompose()
    whole = gc.did(SHOP, estimator="poisson")
    with pytest.raises(gc.InputError, match="'clicks'"):
        whole.decompose(orders="clicks")
    with pytest.raises(gc.InputError, match="three different columns"):
        whole.decompose(orders="gmv")
    for change, match in (
        ({"orders": 0}, "'gmv' is above 0 where 'orders' is 0"),
        ({"buyers": 0}, "'orders' is above 0 where 'buyers' is 0"),
        ({"buyers": 3 * SHOP["orders"]}, "more buyers than orders"),
        ({"orders": -SHOP["orders"]}, "at least 0"),
    ):
        with pytest.raises(gc.InputError, match=match):
            split(SHOP.assign(**change))


def test_few_treated_units_get_no_interval() -> None:
    frame = SHOP[(SHOP["first_treated"] == 0) | (SHOP["unit"] % 30 < 4)]
    made = split(frame)
    assert np.isnan(made.estimates.std_error).all() and made.estimates.withheld
