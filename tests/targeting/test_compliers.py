"""Assigned against received: against the test of encouragement, by formulas of their own, relations, known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.targeting.compliers import compliers

RNG = np.random.default_rng(5)
N = 1200
USERS = pd.DataFrame({"tier": RNG.integers(0, 4, N), "city": np.array(["Hefei", "上海"])[RNG.integers(0, 2, N)]})
USERS["push"] = RNG.permutation(np.arange(N) % 2)
REACHABLE = RNG.random(N) < 0.3 + 0.15 * USERS["tier"]
USERS["seen"] = (USERS["push"] * REACHABLE).astype(int)
USERS["gmv"] = 10 + 4 * USERS["tier"] + 6 * REACHABLE + 5 * USERS["seen"] + RNG.normal(size=N) * 4
CALL: dict[str, Any] = {
    "treatment": "push",
    "features": ["tier", "city"],
    "propensity": 0.5,
    "received": "seen",
    "learner": "t",
    "folds": 2,
}
LATE = "1 among compliers"


def row(m: Any, term: str = LATE) -> pd.Series[Any]:
    return m.to_frame().set_index("term").loc[term]


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_without_features_it_is_the_test_of_encouragement(two_sided: bool, clustered: bool) -> None:
    """Wald's ratio with Anderson-Rubin's interval: another computation, from sums, has the same digits."""
    users = USERS.assign(arm=USERS["push"])
    if two_sided:
        users["seen"] = users["seen"] | (np.arange(N) % 9 == 0)
    more = {}
    if clustered:
        users["room"] = 2 * (users.groupby("push").cumcount() % 60) + users["push"]  # of one size
        more = {"cluster": "room"}
    shares = {0: 0.5, 1: 0.5}
    m = gc.uplift(users, treatment="push", received="seen", propensity=shares, **more)
    t = gc.ab_test(users, metrics=[gc.Mean("gmv", cap=None)], received="seen", **more)
    mine, theirs = row(m), t.to_frame().set_index("term").loc["gmv among compliers"]
    columns = ["estimate", "std_error", "conf_low", "conf_high", "p_value", "df"]
    np.testing.assert_allclose(mine[columns].to_numpy(float), theirs[columns].to_numpy(float), rtol=1e-8)
    assert m.audit["first_stage"].value == pytest.approx(t.audit["first_stage"].value, rel=1e-8)
    assert ("nobody refuses only when assigned" in m.summary().replace("\n            ", " ")) == two_sided


def test_eight_rows_by_hand() -> None:
    y = np.array([1.0, 3, 2, 2, 4, 6, 5, 9])
    arm = np.repeat([0, 1], 4)
    got = np.array([0.0, 0, 0, 0, 1, 1, 0, 1])
    half = np.full((8, 2), 0.5)
    found = compliers(y, got, arm, half, np.tile([2.0, 6.0], (8, 1)), np.tile([0.0, 0.75], (8, 1)))
    # The assigned have 4 more, three of four received: 4 / .75.
    assert found.found.estimate[0] == pytest.approx(4 / 0.75)
    rest = (y - np.where(arm == 1, 6, 2)) - 16 / 3 * (got - np.where(arm == 1, 0.75, 0))
    variance = (rest[:4] @ rest[:4] + rest[4:] @ rest[4:]) / 12 / 0.75**2
    assert found.found.cov[0, 0] == pytest.approx(variance)
    assert found.receipts[0][:3] == (0.75, 0.0, 0.75)
    assert found.receipts[0].strength == pytest.approx(0.75**2 / (0.75 / 12))


@pytest.mark.parametrize("estimand", ["ate", "att", "overlap"])
def test_given_features_it_is_a_direct_computation(estimand: str) -> None:
    """The interactive IV estimator of Chernozhukov et al. (2018), section 5.2, from the same predictions."""
    m = gc.uplift(USERS, **CALL, estimand=estimand)
    t, mu, p = m.trial, m.fit.mu, m.fit.receipt
    assert t.received is not None and p is not None
    assert (p[:, 0] == 0).all()  # nobody of the control received
    z, got = t.arm == 1, t.received

    def score(v: Any, g: Any) -> Any:
        if estimand == "att":
            return z * (v - g[:, 0]) - ~z * (v - g[:, 0])
        return g[:, 1] - g[:, 0] + 2 * z * (v - g[:, 1]) - 2 * ~z * (v - g[:, 0])

    top, bottom = score(t.y, mu), score(got, p)
    theta = top.sum() / bottom.sum()
    rest = (top - theta * bottom) / bottom.sum()
    size = m.trial.sizes
    if estimand == "att":  # the influence counts the treated, whose number varies
        rest = rest - (z * (top.sum() / size[1] - theta * bottom.sum() / size[1])) / bottom.sum()
    variance = sum((rest[z == a] ** 2).sum() * size[a] / (size[a] - 1) for a in (False, True))
    assert row(m)["estimate"] == pytest.approx(theta, rel=1e-10)
    assert row(m)["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-8)


def test_the_interval_inverts_the_test_value_by_value() -> None:
    m = gc.uplift(USERS, **CALL)
    t, e, mu, p = m.trial, m.fit.e, m.fit.mu, m.fit.receipt
    from gmvcausal.stats.nuisance.aipw import averages

    assert t.received is not None and p is not None
    for end in row(m)[["conf_low", "conf_high"]]:
        found = averages(t.y - end * t.received, t.arm, e, mu - end * p)
        from scipy import stats

        z = abs(found.estimate[0]) / np.sqrt(found.cov[0, 0])
        assert z == pytest.approx(stats.t.ppf(0.975, found.spread.df[0]), rel=1e-7)
    assert row(m)["p_value"] == m.p_value


def test_relations() -> None:
    base = gc.uplift(USERS, **CALL)
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    mixed = gc.uplift(USERS.sample(frac=1, random_state=1), **CALL)
    np.testing.assert_array_equal(row(mixed)[columns].to_numpy(float), row(base)[columns].to_numpy(float))
    cents = gc.uplift(USERS.assign(gmv=USERS["gmv"] * 100), **CALL)
    np.testing.assert_allclose(row(cents)[columns].to_numpy(float), 100 * row(base)[columns].to_numpy(float), rtol=1e-5)
    flags = gc.uplift(USERS.assign(seen=USERS["seen"] == 1), **CALL)
    np.testing.assert_array_equal(row(flags)[columns].to_numpy(float), row(base)[columns].to_numpy(float))
    without = gc.uplift(USERS, **{**CALL, "received": None})
    rows = base.to_frame().drop(index=base.to_frame().index[-1])
    pd.testing.assert_frame_equal(without.to_frame(), rows)  # the assigned stay as they are
    np.testing.assert_array_equal(without.effects, base.effects)
    everyone = gc.uplift(USERS.assign(seen=USERS["push"]), **CALL)
    np.testing.assert_allclose(row(everyone)[columns].to_numpy(float), everyone.to_frame()[columns].iloc[0], rtol=1e-9)


def test_several_arms_and_a_file(tmp_path: Path) -> None:
    users = USERS.assign(push=np.array(["none", "one", "two"])[np.arange(N) % 3])
    users["seen"] = (users["push"] != "none") & REACHABLE
    m = gc.uplift(users, treatment="push", control="none", features=["tier"], received="seen")
    assert_protocol(m)
    assert m.to_frame()["term"].tolist()[-2:] == ["one among compliers", "two among compliers"]
    told = " ".join(m.summary().split())
    assert "as nobody of none received it, that is the effect on all who received it (ATT)" in told
    assert "acts through 'seen' alone (exclusion)" in m.assumption
    m.save(tmp_path / "m.uplift")
    again = gc.load_uplift(tmp_path / "m.uplift")
    pd.testing.assert_frame_equal(again.to_frame(), m.to_frame())
    assert again.summary() == m.summary()
    test = users.assign(gmv=users["gmv"] + 1).drop(columns="seen")
    assert again.evaluate(test).qini.estimate == m.evaluate(test).qini.estimate  # receipt is not needed there


def test_hardly_anybody_received() -> None:
    """A weak first stage: no end, and said so; one that goes the wrong way fails."""
    got = np.arange(N) % 2 == 0
    got[np.flatnonzero((USERS["push"] == 1) & ~got)[: 20 - int(got @ (2 * USERS["push"] - 1))]] = True
    few = USERS.assign(seen=got)  # twenty more of those who were assigned
    m = gc.uplift(few, **CALL)
    assert m.audit["first_stage"].status == "warned" and m.audit.credible
    assert np.isinf(row(m)["conf_low"]) and np.isinf(row(m)["conf_high"])
    assert "the interval has no end" in " ".join(m.summary().split())
    turned = gc.uplift(USERS.assign(seen=1 - USERS["push"]), **CALL)
    assert turned.audit["first_stage"].status == "failed" and not turned.audit.credible


def test_the_world_of_pushes() -> None:
    """D14: who can be reached orders more anyway; the truth is 15 per user reached."""
    market = gc.simulate.world("D14", n=30_000, seed=2)
    users = market.table()
    m = gc.uplift(users, treatment="sent", features=["platform"], propensity=0.5, received="delivered", learner="t")
    late = row(m)
    assert abs(late["estimate"] - market.truth["late"]) < 3 * late["std_error"]
    assert abs(m.estimate - market.truth["itt"]) < 3 * m.std_error
    as_treated = users.groupby("delivered")["gmv"].mean().diff().iloc[-1]
    assert as_treated > late["conf_high"]
    assert m.audit.credible


def test_coverage_given_features() -> None:
    """200 small trials, half of them reached by features, receipt in both arms: 95 % intervals hold 3."""
    held = np.zeros(200)
    for s in range(200):
        rng = np.random.default_rng(s)
        x = rng.normal(size=400)
        z = rng.permutation(np.arange(400) % 2)
        share = 1 / (1 + np.exp(-x))
        kind = rng.random(400) < share  # compliers
        got = np.where(kind, z, rng.random(400) < 0.2).astype(float)
        y = x + 2 * kind + 3 * got + rng.normal(size=400)
        p = 0.2 * (1 - share)[:, None] + share[:, None] * [0, 1]
        g = (x + 2 * share)[:, None] + 3 * p
        found = compliers(y, got, z, np.full((400, 2), 0.5), g, p).effects[0].accepted(0.95)
        held[s] = found.low <= 3 <= found.high
    assert 0.90 <= held.mean() <= 0.99  # three Monte Carlo errors
