"""The rule of the tail: what it looks at, by hand, and that neither chance nor a single unit decides it alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def look(control: np.ndarray, treated: np.ndarray) -> gc.AbResult:
    frame = pd.DataFrame({"arm": np.repeat([0, 1], [len(control), len(treated)]), "x": np.r_[control, treated]})
    shares = {0: len(control) / len(frame), 1: len(treated) / len(frame)}
    return gc.ab_test(frame, metrics=[gc.Mean("x")], expected_ratio=shares)


def expected(control: np.ndarray, treated: np.ndarray) -> float:
    """By its definition: pooled residuals, with and without the largest."""
    n, m = len(treated), len(control)
    r = np.r_[control - control.mean(), treated - treated.mean()]
    lopsided = (1 / n**2 - 1 / m**2) / (1 / n + 1 / m) ** 1.5
    kept = np.delete(r, np.argmax(abs(r)))
    whole, rest = ((x**3).sum() / (n + m) / ((x**2).sum() / (n + m)) ** 1.5 for x in (r, kept))
    return float(abs(lopsided) * max(abs(rest), abs(whole) / 3))


def test_by_its_definition() -> None:
    rng = np.random.default_rng(4)
    y = np.where(rng.random(4_000) < 0.05, np.exp(rng.normal(0, 2, 4_000)), 0.0)
    for control, treated in ((y[:3_500], y[3_500:]), (y[3_500:], y[:3_500]), (-y[:3_500], -y[3_500:])):
        check = look(control, treated).audit["tail"]
        assert check.value == pytest.approx(expected(control, treated), rel=1e-9)
        assert check.status == "warned" and check.threshold == 0.18


def test_by_hand() -> None:
    # Residuals: 2, 2, 2, -6 of the control and -1, 1 of the treated; the largest is the -6.
    control, treated = np.array([9.0, 9, 9, 1]), np.array([1.0, 3])
    lopsided = (1 / 4 - 1 / 16) / (1 / 2 + 1 / 4) ** 1.5
    whole, rest = (216 - 24) / 6 / (50 / 6) ** 1.5, 0.0  # the other cubes add up to 24, of the other sign
    assert look(control, treated).audit["tail"].value == pytest.approx(lopsided * max(rest, whole / 3), rel=1e-12)


def test_arms_of_one_size_take_each_other_away() -> None:
    rng = np.random.default_rng(4)
    y = np.exp(rng.normal(0, 3, 4_000))
    found = look(y[:2_000], y[2_000:])
    assert found.audit["tail"].status == "passed" and found.audit["tail"].value == 0.0
    assert found.audit["leverage"].status == "warned", "and one unit carries much of the variance all the same"
    assert found.spoken == 0


def test_one_unit_cannot_hide() -> None:
    y = np.zeros(1_000)
    y[[3, 950]] = 1.0, 1e6
    check = look(y[:900], y[900:]).audit["tail"]
    assert check.status == "warned" and "without its largest unit" in check.message
    y[3] = 0.0
    assert look(y[:900], y[900:]).audit["tail"].status == "warned", "without it nothing is left that has a shape"
