"""Refuters of `gc.adjust`: clean data pass, planted defects do not, and nothing but the rows is changed."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.adjustment import refute as room
from gmvcausal.observational.adjustment.numbers import spread_of
from gmvcausal.results.refutation import NAMES


def people(n: int, seed: int, *, tails: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    got = rng.random(n) < 1 / (1 + np.exp(0.4 * x[:, 1] - 0.6 * x[:, 0]))
    rest = (rng.random(n) < 0.3) * rng.lognormal(1, 1, n) if tails else rng.standard_normal(n)
    y = 10 + 2 * x[:, 0] - x[:, 1] + got * (2 + 0.5 * x[:, 0]) + rest
    return pd.DataFrame(x, columns=list("abc")).assign(got=got.astype(int), gmv=y)


def asked(data: Any, estimator: str = "regression", **options: Any) -> Any:
    return gc.adjust(data, treatment="got", covariates=list("abc"), estimator=estimator, **options)


def alarms(r: Any) -> list[str]:
    return [c.name for c in r.audit if c.name in NAMES and c.status != "passed"]


@pytest.mark.parametrize("estimator", ["regression", "ipw", "matching"])
def test_clean_data_pass_in_the_audit(estimator: str) -> None:
    """Alarms of all refuters together, over 20 clean sets, half of them with heavy tails: 7 % are allowed."""
    found = [bool(alarms(asked(people(250, 100 + k, tails=k % 2 == 0), estimator))) for k in range(20)]
    assert np.mean(found) <= 0.07 + 2.6 * np.sqrt(0.07 * 0.93 / 20)
    own = {c.name for c in asked(people(300, 1), estimator).audit}
    assert set(NAMES) - own == ({"bootstrap"} if estimator == "matching" else set())


def test_what_costs_much_is_asked_for() -> None:
    r = asked(people(200, 3), "dml", folds=2)
    check = r.audit["refuters"]
    assert (
        check.status == "not_run" and "about 60 times" in check.message and not set(NAMES) & {c.name for c in r.audit}
    )
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global state is what must not change
    found = r.refute(draws=5)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002  # as above
    assert found.audit.credible and found.to_frame()["refuter"].tolist() == list(NAMES[:3])
    assert "Refuters of 1, 200 of 200 rows" in found.summary()
    assert asked(people(room.QUICK_ROWS + 1, 3)).audit["refuters"].status == "not_run"


def test_the_same_in_any_order_of_rows_and_after_pickling() -> None:
    data = people(200, 4)
    one, other = asked(data), asked(data.sample(frac=1, random_state=1))
    for name in NAMES:
        assert other.audit[name].value == pytest.approx(one.audit[name].value, rel=1e-6, abs=1e-9)
    again = pickle.loads(pickle.dumps(one))
    pd.testing.assert_frame_equal(again.audit.to_frame(), one.audit.to_frame())
    money = asked(data.assign(gmv=100 * data["gmv"] + 1e7))
    for name in NAMES:
        assert money.audit[name].value == pytest.approx(one.audit[name].value, rel=1e-4, abs=1e-6)


def test_a_standard_error_that_is_too_small_is_caught_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from gmvcausal.observational.adjustment import make

    def short(*a: Any) -> Any:
        variance, spread = spread_of(*a)
        return variance / 9, spread

    caught = 0
    monkeypatch.setattr(room, "spread_of", short)
    monkeypatch.setattr(make, "spread_of", short)
    for k in range(5):
        caught += bool({"placebo_treatment", "bootstrap"} & {c.name for c in asked(people(300, k)).audit.failed})
    assert caught == 5


def test_an_estimator_that_finds_effects_of_nothing_is_caught_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = room.ESTIMATORS["regression"]
    shifted = dict(room.ESTIMATORS, regression=lambda *a: (f := right(*a))._replace(estimate=f.estimate + 0.4))
    monkeypatch.setattr(room, "ESTIMATORS", shifted)
    assert asked(people(300, 5)).audit["placebo_treatment"].status == "failed"


def test_clusters_are_dealt_whole() -> None:
    rng = np.random.default_rng(6)
    data = people(400, 6).assign(room=np.repeat(np.arange(80), 5))
    data["got"] = (rng.random(80) < 0.5).astype(int)[data["room"]]
    data["gmv"] += rng.normal(0, 3, 80)[data["room"]]
    assert alarms(asked(data, cluster="room")) == []
    few = asked(data.assign(room=data["room"] % 6), cluster="room")
    assert not set(NAMES) & {c.name for c in few.audit}
    with pytest.raises(gc.DesignError, match="no standard error"):
        few.refute()


def test_more_rows_than_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 150)
    found = asked(people(300, 7)).refute(draws=5)
    assert (found.rows, found.of) == (150, 300)
    with pytest.raises(gc.InputError, match="draws must be a whole number from 5"):
        asked(people(300, 7)).refute(draws=2)
