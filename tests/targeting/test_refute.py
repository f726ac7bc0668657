"""Refuters: what is dealt anew keeps its design, fabricated runs are judged by hand, clean data pass."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.results import refutation
from gmvcausal.stats.redeal import dealt_anew, drawn_again, part_of
from gmvcausal.targeting.referee import refute as rooms

RNG = np.random.default_rng(4)
N = 400
USERS = pd.DataFrame({"age": RNG.normal(size=N), "tier": RNG.integers(0, 3, N)})
USERS["coupon"] = (RNG.random(N) < 1 / (1 + np.exp(-0.7 * USERS["age"]))).astype(int)
USERS["gmv"] = 10 + USERS["age"] + USERS["tier"] + 2 * USERS["coupon"] + RNG.normal(size=N)
CALL: dict[str, Any] = {"treatment": "coupon", "features": ["age", "tier"], "learner": "t", "folds": 2}


@functools.cache
def model() -> Any:
    return gc.uplift(USERS, **CALL)


@functools.cache
def found() -> Any:
    return model().refute(draws=5)


def test_clean_data_pass() -> None:
    assert found().audit.credible and {c.name for c in found().audit} == set(refutation.NAMES)
    frame = found().to_frame().set_index("refuter")
    assert (frame["estimate"] == model().estimate).all() and (frame["std_error"] == model().std_error).all()
    assert abs(frame.loc["placebo_treatment", "new_effect"]) < model().std_error
    assert abs(frame.loc["data_subset", "new_effect"] - model().estimate) < model().std_error
    assert 0.3 < frame.loc["bootstrap", "spread"] / model().std_error < 3
    assert "no refuter sees that" in " ".join(found().summary().split())
    found().plot()


def test_the_same_seed_in_any_order_of_rows() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global state is what must not change
    again = gc.uplift(USERS.sample(frac=1, random_state=1), **CALL).refute(draws=5)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002  # as above
    for name in refutation.NAMES:
        np.testing.assert_array_equal(again.runs[name], found().runs[name])


def test_what_is_dealt_anew_keeps_its_design() -> None:
    rng = np.random.default_rng(0)
    arm = np.repeat([0, 1, 2], [50, 30, 20])
    shuffled = dealt_anew(arm, 3, rng)
    assert np.bincount(shuffled).tolist() == [50, 30, 20] and (shuffled != arm).any()
    e = np.tile([0.7, 0.2, 0.1], (100_000, 1))
    drawn = dealt_anew(np.zeros(100_000, int), 3, rng, None, e)
    np.testing.assert_allclose(np.bincount(drawn) / 1e5, [0.7, 0.2, 0.1], atol=0.005)
    cluster = np.repeat(np.arange(20), 5)
    whole = dealt_anew(cluster % 2, 2, rng, cluster).reshape(20, 5)
    assert (whole == whole[:, :1]).all() and whole[:, 0].sum() == 10
    crossed = rng.integers(0, 2, 100)
    across = dealt_anew(crossed, 2, rng, cluster)
    assert across.sum() == crossed.sum() and (np.bincount(cluster, across) != np.bincount(cluster, crossed)).any()
    part = part_of(arm, 0.8, rng)
    assert np.bincount(arm[part]).tolist() == [40, 24, 16]
    kept = part_of(cluster % 2, 0.8, rng, cluster)
    assert len(kept) == 80 and len(np.unique(cluster[kept])) == 16
    again = drawn_again(arm, rng)
    assert np.bincount(arm[again]).tolist() == [50, 30, 20] and len(np.unique(again)) < 90
    copies = drawn_again(cluster % 2, rng, cluster)
    _, counts = np.unique(copies, return_counts=True)
    assert (np.bincount(cluster[copies], minlength=20) % 5 == 0).all() and counts.max() > 1
    n = len(cluster)
    rows = rooms._Rows(
        np.zeros((n, 1), np.float32), np.arange(n, dtype=float), cluster % 2, None, cluster, np.arange(n) % 2
    )
    taken = rows.take(copies)
    assert taken.cluster is not None and taken.cluster.max() + 1 == len(np.unique(cluster[copies]))


def test_fabricated_runs_are_judged_by_hand() -> None:
    base = (np.array([2.0]), np.array([0.5]))
    still = {name: np.full((10, 1), 2.0) for name in refutation.NAMES}
    even = np.array([1.0, -1.0] * 5)[:, None]  # t statistics of mean 0 and mean square 1
    checks = {c.name: c for c in refutation.judged(("a",), base, {**still, "bootstrap": 2 + even / 2}, even)}
    assert {c.status for c in checks.values()} == {"passed"}
    assert checks["placebo_treatment"].value == pytest.approx(2 * 0.4405, abs=1e-3)  # of chi-square 10 on 10
    loud = {c.name: c for c in refutation.judged(("a",), base, still, 2 * even)}
    assert loud["placebo_treatment"].status == "failed"  # chi-square 40 on 10: p = 1.7e-5
    tilted = {c.name: c for c in refutation.judged(("a",), base, still, np.ones((10, 1)))}
    assert tilted["placebo_treatment"].status == "warned"  # z = 3.16, p = .0016, twice
    moved = {c.name: c for c in refutation.judged(("a",), base, {**still, "data_subset": np.full((10, 1), 2.4)}, even)}
    assert moved["data_subset"].status == "warned" and moved["data_subset"].value == pytest.approx(0.8)
    far = {
        c.name: c
        for c in refutation.judged(("a",), base, {**still, "random_common_cause": np.full((10, 1), 3.0)}, even)
    }
    assert far["random_common_cause"].status == "failed"
    wide = {c.name: c for c in refutation.judged(("a",), base, {**still, "bootstrap": 2 + 2 * even}, even)}
    assert wide["bootstrap"].status == "failed"
    assert wide["bootstrap"].value == pytest.approx(4 * math.sqrt(10 / 9) * math.sqrt(9 / 21.666), rel=1e-4)


def test_a_standard_error_that_is_too_small_is_caught_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by rows that are taken for independent and are not: t statistics of false arms are too large."""
    right = rooms.averages
    monkeypatch.setattr(rooms, "averages", lambda *a, **k: (f := right(*a, **k))._replace(cov=f.cov / 25))
    assert model().refute(draws=5).audit["placebo_treatment"].status == "failed"


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(gc.InputError, match="draws must be a whole number from 5"):
        model().refute(draws=2)
    with pytest.raises(gc.InputError, match="seed must be"):
        model().refute(seed=-1)
    with pytest.raises(gc.DesignError, match="without features"):
        gc.uplift(USERS, treatment="coupon").refute()
    with pytest.raises(gc.DesignError, match="no standard error"):
        gc.uplift(USERS.assign(room=np.arange(N) % 4), **CALL, cluster="room").refute()
    with pytest.raises(gc.InputError, match="arm is 'ten'"):
        found().plot("ten")
    model().save(tmp_path / "m.uplift")
    for ask in ("refute", "sensitivity"):
        with pytest.raises(gc.InputError, match="not in the file"):
            getattr(gc.load_uplift(tmp_path / "m.uplift"), ask)()


def test_more_rows_than_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MOST", 200)
    found = model().refute(draws=5)
    assert (found.rows, found.of) == (200, N) and f"200 of {N} rows" in found.summary()
    assert found.estimate[0] != model().estimate


def test_the_page_has_these_thresholds() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/estimators/hidden-confounding.md").read_text(encoding="utf-8")
    table = text.split("\n## Refuters\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `")]
    moved, placebo, spread = (
        [f"{v:g}" for v in pair] for pair in (refutation.MOVED, refutation.PLACEBO, refutation.SPREAD)
    )
    assert {c[0].strip("`"): (c[2], c[3]) for c in cells} == {
        "placebo_treatment": (f"< {placebo[0]}", f"< {placebo[1]}"),
        "random_common_cause": (f"> {moved[0]}", f"> {moved[1]}"),
        "data_subset": (f"> {moved[0]}", f"> {moved[1]}"),
        "bootstrap": (f"> {moved[0]}; spread > {spread[0]}", f"> {moved[1]}; spread > {spread[1]}"),
    }
