"""Two-way fixed effects from the moments of cohorts: the numbers of the path through the units, to ten digits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.chance.inference import cluster_scores
from gmvcausal.rollout.fitted import Fitted
from gmvcausal.rollout.methods import METHODS, estimate

PERIODS = 8


def frame_of(
    seed: int, starts: list[int | None], units: int = 120, gaps: tuple[int, ...] = (), offset: float = 0.0
) -> pd.DataFrame:
    """A staggered roll-out with effects that grow; `starts` are drawn from, None is never."""
    rng = np.random.default_rng(seed)
    first = rng.choice([np.inf if s is None else float(s) for s in starts], units)
    times = np.array([t for t in range(1, PERIODS + 1) if t not in gaps])
    on = times >= first[:, None]
    y = rng.normal(20, 5, (units, 1)) + 0.5 * times + rng.normal(0, 3, (units, len(times))).cumsum(axis=1)
    y += on * (2 + 0.3 * np.where(on, times - np.where(np.isfinite(first), first, 0)[:, None], 0))
    weight = rng.uniform(0.2, 3.0, units)
    room = rng.integers(0, 40, units)
    return pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), len(times)),
            "period": np.tile(times, units),
            "gmv": offset + y.ravel(),
            "first_treated": np.repeat(np.where(np.isfinite(first), first, np.nan), len(times)),
            "w": np.repeat(weight, len(times)),
            "place": np.repeat(room, len(times)),
        }
    )


DESIGNS = {
    "staggered": frame_of(1, [3, 4, 6, None]),
    "always treated": frame_of(2, [1, 3, 5, None]),
    "always treated, no untreated": frame_of(3, [1, 4, 6]),
    "two cohorts": frame_of(4, [3, 6]),
    "no untreated": frame_of(5, [2, 3, 5, 7]),
    "one start": frame_of(6, [4, None]),
    "gaps": frame_of(7, [4, 6, None], gaps=(3, 5)),
    "many cohorts": frame_of(8, [2, 3, 4, 5, 6, 7, 8, None], units=300),
}


def both(result: gc.DidResult, estimator: str) -> tuple[Fitted, Fitted]:
    """The fit of a panel by its moments and by its units."""
    options = replace(result.options, estimator=estimator)
    slow = replace(result.panel)
    slow.__dict__["moments"] = None
    assert result.panel.moments is not None
    return METHODS[estimator].run(result.panel, options), METHODS[estimator].run(slow, options)


def close(a: object, b: object, scale: float) -> None:
    np.testing.assert_allclose(np.asarray(a, dtype=float), np.asarray(b, dtype=float), rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize(
    ("design", "cluster", "weights", "ssc"),
    [
        (d, c, w, s)
        for (d, c, w), s in zip(
            product(DESIGNS, (None, "place"), (None, "w")),
            ("nested", "full", "none", "nested", "full") * 8,
            strict=False,
        )
    ],
)
def test_the_same_by_moments_and_by_units(design: str, cluster: str | None, weights: str | None, ssc: str) -> None:
    result = gc.did(DESIGNS[design], estimator="twfe", cluster=cluster or "unit", weights=weights, ssc=ssc)
    fast, slow = both(result, "twfe")
    scale = float(slow.estimates.std_error[0])
    close(fast.estimates.estimate, slow.estimates.estimate, scale)
    close(fast.estimates.std_error, slow.estimates.std_error, scale)
    assert fast.estimates.n == slow.estimates.n
    assert fast.clusters == slow.clusters
    assert fast.treated_cells == slow.treated_cells
    close(fast.estimates.spread.df, slow.estimates.spread.df, 1.0)
    close(fast.estimates.spread.factor, slow.estimates.spread.factor, 1.0)
    close(fast.influence(), slow.influence(), scale)
    assert (fast.treated == slow.treated).all() and (fast.control == slow.control).all()
    assert fast.on is not None and slow.on is not None and (fast.on() == slow.on()).all()
    assert fast.residual is not None and slow.residual is not None
    close(fast.residual(), slow.residual(), 1.0)
    ours, theirs = fast.event(), slow.event()
    assert ours is not None and theirs is not None
    assert (ours.at == theirs.at).all() and ours.reference == theirs.reference
    assert (ours.n == theirs.n).all() and (ours.clusters == theirs.clusters).all()
    scale = float(np.sqrt(np.diag(theirs.cov)).max())
    close(ours.estimate, theirs.estimate, scale)
    close(ours.cov, theirs.cov, scale**2)
    close(ours.spread.df, theirs.spread.df, 1.0)
    # Clusters of influences give the variance that is printed.
    total = np.bincount(result.panel.cluster, fast.influence())
    close(total @ total, slow.estimates.cov[0, 0], scale**2)


@pytest.mark.parametrize("offset", [1e7, 1e10])
def test_a_large_level_costs_no_digits(offset: float) -> None:
    plain = gc.did(DESIGNS["staggered"].round({"gmv": 2}), estimator="twfe", cluster="unit")
    moved = gc.did(frame_of(1, [3, 4, 6, None], offset=offset).round({"gmv": 2}), estimator="twfe", cluster="unit")
    near = 1e-9 if offset < 1e9 else 1e-5  # cents beside ten billion are written with six digits after the point
    assert moved.estimate == pytest.approx(plain.estimate, rel=near)
    assert moved.std_error == pytest.approx(plain.std_error, rel=near)
    np.testing.assert_allclose(moved.event_study()["std_error"], plain.event_study()["std_error"], rtol=near)


def test_by_hand() -> None:
    """Two units treated in the second period and two never: means by hand, scores by hand."""
    y = {0: (1.0, 5.0), 1: (2.0, 8.0), 2: (3.0, 4.0), 3: (0.0, 2.0)}
    frame = pd.DataFrame(
        [
            {"unit": u, "period": t, "gmv": v[t], "first_treated": 1 if u < 2 else np.nan}
            for u, v in y.items()
            for t in (0, 1)
        ]
    )
    panel = gc.did(frame, estimator="naive", cluster="unit").panel
    options = replace(gc.did(DESIGNS["one start"], estimator="twfe", cluster="unit").options, ssc="none")
    fit = METHODS["twfe"].run(panel, options)
    # Changes 4, 6 against 1, 2: 5 - 1.5; deviations -1, 1 and -.5, .5, each over its group's two units.
    assert fit.estimates.estimate[0] == pytest.approx(3.5, abs=1e-12)
    np.testing.assert_allclose(fit.influence(), [-0.5, 0.5, 0.25, -0.25], atol=1e-12)


def test_the_decomposition_adds_up_to_the_coefficient() -> None:
    for weights, design in product((None, "w"), ("staggered", "always treated", "no untreated", "gaps")):
        result = gc.did(DESIGNS[design], estimator="twfe", cluster="unit", weights=weights)
        table = result.bacon()
        assert float(table["weight"] @ table["estimate"]) == pytest.approx(result.estimate, rel=1e-10)


def test_wild_intervals_do_not_depend_on_the_path() -> None:
    result = gc.did(DESIGNS["staggered"], estimator="twfe", cluster="place", inference="wild", weights="w")
    slow = replace(result.panel)
    slow.__dict__["moments"] = None
    again = estimate(slow, result.options)
    np.testing.assert_allclose(result.conf_int(), again.estimates.special[0](0.95), rtol=1e-8)
    np.testing.assert_allclose(
        cluster_scores(result.panel, result.fitted), cluster_scores(slow, again), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("estimator", ["sun_abraham", "imputation", "two_stage", "etwfe"])
@pytest.mark.parametrize("cluster", ["unit", "place"])
def test_the_family_by_weighted_moments_and_by_units(estimator: str, cluster: str) -> None:
    for design in ("staggered", "always treated", "no untreated"):
        result = gc.did(DESIGNS[design], estimator=estimator, cluster=cluster, weights="w")
        fast, slow = both(result, estimator)
        scale = float(np.max(slow.estimates.std_error))
        close(fast.estimates.estimate, slow.estimates.estimate, scale)
        close(fast.estimates.cov, slow.estimates.cov, scale**2)
        close(fast.estimates.spread.df, slow.estimates.spread.df, 1.0)
        ours, theirs = fast.event(), slow.event()
        assert ours is not None and theirs is not None
        close(ours.cov, theirs.cov, scale**2)
        for name in ("cohort", "period", "cells"):
            close(fast.series[name]().cov, slow.series[name]().cov, scale**2)


def test_absent_rows_go_by_the_units() -> None:
    frame = DESIGNS["staggered"].drop(index=[5, 17])
    result = gc.did(frame, estimator="twfe", cluster="unit")
    assert result.panel.moments is None
    flags = DESIGNS["staggered"].assign(on=lambda f: (f["period"] >= f["first_treated"]).astype(int))
    by_flags = gc.did(flags, estimator="twfe", treated="on", cluster="unit")
    by_dates = gc.did(DESIGNS["staggered"], estimator="twfe", cluster="unit")
    assert by_flags.std_error == pytest.approx(by_dates.std_error, rel=1e-10)
    assert by_flags.panel.on is not None
