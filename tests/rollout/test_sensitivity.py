"""`honest_did` and `DidResult.sensitivity`: printed numbers, what is refused, and what the words say."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

# Event study of Medicaid expansion in the README of HonestDiD for R (Rambachan and Roth 2023): five leads, two lags.
BETA = [
    -0.0052853545327209706, -0.011297324648151398, -0.002675991811793861, -0.0014193122521109784,
    0.0003396635189714429, 0.046446854159945226, 0.06920617547902158,
]  # fmt: skip
SIGMA = np.array(
    [
        [
            7.488483635897524e-05,
            6.039874095644231e-05,
            4.444619818461025e-05,
            3.385764706089072e-05,
            4.3280112547434296e-05,
            4.765880478777796e-05,
            2.4251286997539793e-05,
        ],
        [
            6.0398740956442287e-05,
            7.266500616996826e-05,
            3.789330221287982e-05,
            2.8665780251483534e-05,
            4.543320628403623e-05,
            4.4288501193179156e-05,
            2.824655042984461e-05,
        ],
        [
            4.4446198184610224e-05,
            3.789330221287982e-05,
            5.0520519401628015e-05,
            2.6736794324838004e-05,
            2.7781935676739397e-05,
            3.060644108905397e-05,
            9.637533882667546e-06,
        ],
        [
            3.3857647060890706e-05,
            2.866578025148355e-05,
            2.673679432483801e-05,
            4.00322202633769e-05,
            2.4128599757162906e-05,
            2.38086820907347e-05,
            2.923878143362542e-06,
        ],
        [
            4.328011254743429e-05,
            4.543320628403622e-05,
            2.7781935676739414e-05,
            2.4128599757162916e-05,
            5.4626622070541646e-05,
            3.682531051743017e-05,
            9.722947502416807e-06,
        ],
        [
            4.7658804787777934e-05,
            4.4288501193179136e-05,
            3.060644108905397e-05,
            2.3808682090734693e-05,
            3.682531051743017e-05,
            8.375668824677338e-05,
            6.321397962533593e-05,
        ],
        [
            2.425128699753981e-05,
            2.8246550429844618e-05,
            9.63753388266756e-06,
            2.9238781433625573e-06,
            9.722947502416842e-06,
            6.321397962533596e-05,
            0.00010712352303004246,
        ],
    ]
)
# Limits printed by the R package, first effect after the start, as (bound, low, high); its grid and its simulated
# critical value leave about 5e-4.
RELATIVE = [(0.5, 0.0241, 0.0673), (1.0, 0.0171, 0.072), (1.5, 0.00859, 0.0796), (2.0, -0.00107, 0.0883)]
SMOOTH = [
    (0.0, 0.0259, 0.0607),
    (0.01, 0.0132, 0.0787),
    (0.02, 0.00286, 0.0907),
    (0.03, -0.00714, 0.101),
    (0.04, -0.0171, 0.111),
    (0.05, -0.0271, 0.121),
]


@pytest.mark.parametrize(("method", "printed"), [("relative_magnitude", RELATIVE), ("smoothness", SMOOTH)])
def test_printed_limits(method: str, printed: list[tuple[float, float, float]]) -> None:
    grid = [m for m, _, _ in printed]
    found = gc.honest_did(BETA, SIGMA, 5, 2, target="first", method=method, grid=grid).to_frame().iloc[1:]
    assert found["bound"].tolist() == grid
    np.testing.assert_allclose(found["conf_low"], [low for _, low, _ in printed], atol=5e-4)
    np.testing.assert_allclose(found["conf_high"], [high for _, _, high in printed], atol=5e-4)
    assert (found["estimate"] == BETA[5]).all()


def test_the_breakdown_is_where_zero_comes_in() -> None:
    for method in ("relative_magnitude", "smoothness"):
        found = gc.honest_did(BETA, SIGMA, 5, 2, method=method)
        at = found.breakdown
        inside, outside = (gc.honest_did(BETA, SIGMA, 5, 2, method=method, grid=[at * f]).told for f in (1.01, 0.99))
        assert inside.low < 0 < outside.low
        assert f"{at:.3g}" in found.summary()


def test_the_headline_is_trends_as_bad_as_before() -> None:
    found = gc.honest_did(BETA, SIGMA, 5, 2)
    assert found.told.place == 2 and found.to_frame()["bound"].iloc[2] == 1.0
    assert (found.told.low, found.told.high) == tuple(found.to_frame().loc[2, ["conf_low", "conf_high"]])
    assert math.isnan(found.told.std_error) and found.std_error > 0
    smooth = gc.honest_did(BETA, SIGMA, 5, 2, method="smoothness")
    seen = np.abs(np.diff([*BETA[:5], 0.0], 2)).max()
    assert smooth.to_frame()["bound"].iloc[smooth.spoken] == pytest.approx(seen)


def test_other_levels_and_copies() -> None:
    found = gc.honest_did(BETA, SIGMA, 5, 2)
    lows = [float(found.estimates.interval(level)[0][2]) for level in (0.99, 0.95, 0.8)]
    assert lows == sorted(lows)
    again = pickle.loads(pickle.dumps(found))
    assert again.to_frame().equals(found.to_frame())
    assert gc.honest_did(BETA, SIGMA, 5, 2).to_frame().equals(found.to_frame())


def _panel(drift: float = 0.0, effect: float = 3.0, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(80):
        treated, own = u < 40, rng.normal(20, 3)
        for t in range(10):
            y = own + 0.3 * t + rng.normal() + treated * (drift * t + effect * (t >= 6))
            rows.append({"unit": u, "period": t, "gmv": y, "first_treated": 6.0 if treated else np.nan})
    return pd.DataFrame(rows)


def test_a_sound_roll_out_carries_far_and_a_drift_does_not() -> None:
    sound = gc.did(_panel()).sensitivity()
    assert sound.breakdown > 1 and sound.told.low > 0
    assert sound.audit["breakdown"].status == "passed"
    # The effect is nothing but a trend that goes on: relative magnitudes know it, and a straight line takes it out.
    drift = gc.did(_panel(drift=0.8, effect=0.0))
    assert drift.conf_int()[0] > 0
    assert drift.sensitivity(grid=[1.0, 1.5]).told.low < 0
    line = drift.sensitivity(method="smoothness", grid=[0.0]).told
    assert line.low < 0 < line.high


def test_did_hands_over_its_own_event_study() -> None:
    result = gc.did(_panel())
    event = result.event_study()
    lags = event[event["event_time"] >= 0]
    found = result.sensitivity(target="average")
    assert found.estimate == pytest.approx(lags["estimate"].mean(), abs=1e-12)
    assert found.n == result.n and found.unit == result.unit
    assert result.sensitivity(target="first").estimate == pytest.approx(lags["estimate"].iloc[0], abs=1e-12)
    # Parallel trends, the covariance widened to its t distribution: as wide as the interval of the first lag.
    first = result.sensitivity(target="first").to_frame().iloc[0]
    assert first["conf_high"] - first["conf_low"] == pytest.approx(
        float(lags["conf_high"].iloc[0] - lags["conf_low"].iloc[0]), rel=1e-6
    )
    assert "widened" in found.summary()


def _ends(result: Any) -> list[float]:
    return [result.told.low, result.told.high]


def test_row_order_labels_and_scale() -> None:
    panel = _panel()
    plain = gc.did(panel).sensitivity(grid=[1.0])
    shuffled = panel.sample(frac=1, random_state=1).assign(unit=lambda f: "u" + f["unit"].astype(str))
    assert _ends(gc.did(shuffled).sensitivity(grid=[1.0])) == pytest.approx(_ends(plain), rel=1e-9)
    scaled = gc.did(panel.assign(gmv=100 * panel["gmv"] + 1e7)).sensitivity(grid=[1.0])
    assert _ends(scaled) == pytest.approx([100 * x for x in _ends(plain)], rel=1e-5)


def _bad(**change: Any) -> dict[str, Any]:
    return {"beta": BETA, "sigma": SIGMA, "n_pre": 5, "n_post": 2} | change


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (_bad(beta=BETA[:-1]), "shape"),
        (_bad(sigma=SIGMA[:-1]), "shape"),
        (_bad(beta=[float("nan"), *BETA[1:]]), "finite"),
        (_bad(beta=["a"] * 7), "numbers"),
        (_bad(sigma=-SIGMA), "covariance"),
        (_bad(sigma=SIGMA + np.triu(SIGMA, 1)), "symmetric"),
        (_bad(sigma=np.eye(7) + 0.9 * (np.eye(7, k=1) + np.eye(7, k=-1))), "negative"),
        (_bad(n_pre=True), "n_pre"),
        (_bad(n_pre=0, n_post=7), "at least one"),
        (_bad(grid=[-1]), "grid"),
        (_bad(grid=[]), "grid"),
        (_bad(grid=[1, 1]), "grid"),
        (_bad(grid=["1"]), "grid"),
        (_bad(target="last"), "target"),
        (_bad(method="magnitude"), "method"),
        (_bad(alpha=2), "alpha"),
    ],
)  # fmt: skip
def test_refused(call: dict[str, Any], words: str) -> None:
    with pytest.raises(gc.GmvCausalError, match=words):
        gc.honest_did(**call)


def test_one_lead_shows_no_change_of_slope() -> None:
    with pytest.raises(gc.DesignError, match="two coefficients"):
        gc.honest_did([0.1, 1.0], np.eye(2), 1, 1, method="smoothness")
    assert gc.honest_did([0.1, 1.0], np.eye(2), 1, 1).audit["pre_moves"].status == "warned"


def test_no_event_study_no_sensitivity() -> None:
    panel = _panel()
    few = panel[(panel["unit"] < 3) | (panel["unit"] >= 40)]
    with pytest.raises(gc.DesignError, match="no interval"):
        gc.did(few).sensitivity()
    with pytest.raises(gc.DesignError, match="no event study"):
        gc.did(panel, estimator="naive").sensitivity()


def test_figure_table_and_page(tmp_path: Path) -> None:
    found = gc.did(_panel()).sensitivity()
    figure = found.plot()
    assert figure.axes[0].get_xlabel() == "largest multiple of the earlier moves"
    line = figure.axes[0].lines[1]  # the first is the line at zero
    assert list(line.get_xdata()) == [0.5, 1.0, 1.5, 2.0]
    assert "Mbar = 1" in found.to_latex() and "Mbar = 1" in found.to_html()
    page = gc.report([gc.did(_panel()), found], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "as far as before" in page
    assert "not known" in gc.honest_did(BETA, SIGMA, 5, 2).summary()
