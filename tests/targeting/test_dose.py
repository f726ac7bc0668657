"""A treatment by amounts: a second implementation, by hand, relations, known truth, what the audit finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.stats.inference import critical_value
from gmvcausal.targeting.audit.checks import OF_ROWS
from gmvcausal.targeting.dose import audit
from gmvcausal.targeting.dose.rules import TABLE
from gmvcausal.targeting.dose.slope import bend, slope

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "uplift.md"
N = 900
RNG = np.random.default_rng(5)
USERS = pd.DataFrame({
    "tier": RNG.integers(0, 3, N), "age": RNG.normal(size=N), "city": np.array(["上海", "b"])[RNG.integers(0, 2, N)],
    "room": np.repeat(np.arange(N // 20), 20),
})  # fmt: skip
# Those who spend more anyway were given more; only the last tier answers.
USERS["yuan"] = (6 + 3 * (USERS["age"] > 0) + RNG.uniform(-5, 5, N)).round(2)
USERS["gmv"] = 40 + 12 * (USERS["age"] > 0) + 2.0 * USERS["yuan"] * (USERS["tier"] == 2) + RNG.normal(size=N) * 3
USERS.loc[RNG.random(N) < 0.05, "city"] = None
CALL: dict[str, Any] = {"treatment": "yuan", "features": ["tier", "age", "city"], "dose": True, "folds": 2}
LOT = USERS.assign(yuan=RNG.permutation(np.arange(N) % 5) * 5.0)
LOT["gmv"] = 30 + 2 * LOT["age"] + 0.5 * LOT["yuan"] + np.random.default_rng(8).normal(size=N) * 3


@pytest.fixture(scope="module")
def fitted() -> Any:
    return gc.uplift(USERS.drop(columns="room"), **CALL)


def test_the_regression_of_residuals_is_statsmodels_and_econmls(fitted: Any) -> None:
    import statsmodels.api as sm
    from econml.dml import LinearDML
    from sklearn.base import BaseEstimator, RegressorMixin

    d, y, found = fitted.fit.d, fitted.fit.y, slope(fitted.fit.d, fitted.fit.y)
    for kind, factor in (("HC1", N / (N - 1)), ("HC2", None)):
        other = sm.OLS(y, d[:, None]).fit(cov_type=kind)
        own = found.std_error if factor is None else np.sqrt(factor * float(found.influence @ found.influence))
        np.testing.assert_allclose([found.estimate, own], [other.params[0], other.bse[0]], rtol=1e-10)
    assert fitted.estimate == found.estimate and fitted.std_error == pytest.approx(found.std_error, rel=1e-12)

    class Nothing(RegressorMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, x: Any, y: Any) -> Any:
            self.fitted_ = True
            return self

        def predict(self, x: Any) -> Any:
            return np.zeros(len(x))

    theirs = LinearDML(model_y=Nothing(), model_t=Nothing(), cv=2, random_state=0).fit(y, d, W=np.ones((N, 1)))
    assert float(np.ravel(theirs.intercept_)[0]) == pytest.approx(found.estimate, rel=1e-8)
    hc1 = float(np.sqrt(N / (N - 1) * (found.influence @ found.influence)))
    assert float(np.ravel(theirs.intercept__inference().stderr)[0]) == pytest.approx(hc1, rel=1e-8)


@pytest.mark.parametrize("clustered", [False, True])
def test_spread_and_degrees_of_freedom_are_those_of_the_matrices(clustered: bool) -> None:
    """HC2 and CR2 with the degrees of freedom of Bell and McCaffrey, computed as defined."""
    rng = np.random.default_rng(1)
    d, y = rng.lognormal(size=24), rng.normal(size=24)
    code = np.sort(rng.integers(0, 6, 24)) if clustered else np.arange(24)
    found = slope(d, y, np.unique(code, return_inverse=True)[1] if clustered else None)
    x, total = d[:, None], float(d @ d)
    left, e = np.eye(24) - x @ x.T / total, y - d * found.estimate
    scores, rows = [], []
    for c in np.unique(code):
        own = code == c
        values, vectors = np.linalg.eigh(left[np.ix_(own, own)])
        half = vectors @ np.diag(values**-0.5) @ vectors.T
        scores.append(float(d[own] @ half @ e[own]) / total)
        rows.append(left[:, own] @ half @ d[own] / total)
    g = np.array(rows) @ np.array(rows).T
    assert found.std_error == pytest.approx(np.sqrt(np.square(scores).sum()), rel=1e-10)
    assert found.df == pytest.approx(np.trace(g) ** 2 / np.trace(g @ g), rel=1e-10)


def test_eight_rows_by_hand() -> None:
    """Doses 0, 1, 2, 3 twice: dose less its mean is -1.5, -.5, .5, 1.5, with squares that add up to 10."""
    frame = pd.DataFrame({"yuan": [0, 1, 2, 3] * 2, "gmv": [10.0, 12, 11, 15, 12, 12, 17, 17]})
    m = gc.uplift(frame, treatment="yuan", dose=True, cost=1, margin=0.5)
    # -1.5 * 22 - .5 * 24 + .5 * 28 + 1.5 * 32 = 17
    assert m.estimate == pytest.approx(1.7)
    # What the line leaves, about 13.25 + 1.7 (d - 1.5), times the centred dose, over root(1 - h) with h = .225, .025:
    left = np.array([-0.7, -0.4, -3.1, -0.8, 1.3, -0.4, 2.9, 1.2])
    squares = left**2 * np.array([2.25, 0.25, 0.25, 2.25] * 2) / np.array([0.775, 0.975, 0.975, 0.775] * 2)
    assert m.std_error == pytest.approx(np.sqrt(squares.sum()) / 10)
    assert m.unit == "gmv per unit per unit of yuan" and m.learner == "none"
    np.testing.assert_allclose(m.predict(frame.head(3)), np.full((3, 1), 1.7))
    assert m.advice[0].startswith("Each further unit of yuan adds 1.7 of gmv per unit, among the doses given: 0 to 3")
    assert m.advice[1].startswith("One more unit for everyone earns -0.15 per unit")  # half of 1.7, less 1
    assert "failed on effective_sample_size" in m.summary()  # eight rows are no evidence


def test_relations(fitted: Any) -> None:
    plain = USERS.drop(columns="room")
    order = np.random.default_rng(2).permutation(N)
    mixed = gc.uplift(plain.iloc[order].reset_index(drop=True), **CALL)
    assert mixed.estimate == fitted.estimate and mixed.std_error == fitted.std_error
    np.testing.assert_array_equal(mixed.effects, fitted.effects[order])
    for name, changed, factor in (
        ("money in cents", plain.assign(gmv=plain["gmv"] * 100), 100.0),
        ("dose in fen", plain.assign(yuan=plain["yuan"] * 100), 0.01),
        ("a common amount", plain.assign(gmv=plain["gmv"] + 1e7), 1.0),
        ("a fee on top", plain.assign(yuan=plain["yuan"] + 1e4), 1.0),
    ):
        other = gc.uplift(changed, **CALL)
        found = np.array([other.estimate, other.std_error, *other.conf_int()]) / factor
        np.testing.assert_allclose(
            found, [fitted.estimate, fitted.std_error, *fitted.conf_int()], rtol=1e-6, err_msg=name
        )
        np.testing.assert_allclose(other.effects / factor, fitted.effects, atol=1e-4, err_msg=name)


def test_known_truth(fitted: Any) -> None:
    """A third of the users has a slope of 2, the others none; the naive slope takes the spenders for an effect."""
    truth = float(np.average(2.0 * (USERS["tier"] == 2), weights=np.ones(N)))
    naive = gc.uplift(USERS[["yuan", "gmv"]], treatment="yuan", dose=True)
    assert abs(fitted.estimate - truth) < 4 * fitted.std_error and naive.estimate - truth > 6 * naive.std_error
    told = pd.Series(fitted.effects[:, 0]).groupby(USERS["tier"]).mean()
    assert told[2] > 1.2 and told[0] < 0.5 and told[1] < 0.5
    # The mean of the slopes, weighted as the estimate is, is the estimate.
    weight = fitted.fit.d**2
    assert float(weight @ fitted.fit.slopes / weight.sum()) == pytest.approx(fitted.estimate, rel=1e-12)
    new = USERS.assign(age=USERS["age"] + 1e-3)
    groups = fitted.calibration(new, groups=3)
    assert groups["n"].sum() == N and groups["conf_low"].iloc[-1] > groups["conf_high"].iloc[0]
    with pytest.raises(gc.DesignError, match="trained the model"):
        fitted.calibration(USERS)


def test_coverage() -> None:
    """Skewed doses, spread that grows with the dose, and twelve rooms of unequal size: the interval holds."""
    rng = np.random.default_rng(3)
    held, rooms, bent = [], [], []
    code = np.repeat(np.arange(14), rng.integers(5, 30, 14))
    for _ in range(400):
        d = rng.lognormal(size=120)
        d -= d.mean()
        found = slope(d, 0.5 * d + rng.normal(size=120) * (1 + 0.5 * np.abs(d)))
        held.append(abs(found.estimate - 0.5) < critical_value(0.95, found.df) * found.std_error)
        d = rng.uniform(-1, 1, 14)[code]
        y = 0.5 * d + rng.normal(size=14)[code] + rng.normal(size=len(code))
        found = slope(d, y, code)
        rooms.append(abs(found.estimate - 0.5) < critical_value(0.95, found.df) * found.std_error)
        d = rng.uniform(-1, 1, 120)
        test = bend(d, d * d - (d * d).mean(), rng.normal(size=120) * (1 + d))
        assert test is not None
        bent.append(test.p_value < 0.05)
    assert 0.90 < np.mean(held) <= 1 and 0.90 < np.mean(rooms) <= 1 and 0.01 < np.mean(bent) < 0.10


def test_protocol_and_file(fitted: Any, tmp_path: Path) -> None:
    assert_protocol(fitted, tmp_path)
    m = gc.uplift(LOT, **CALL, propensity=10, cost=0.5, margin=0.3, cluster="room")
    assert list(m.to_frame()["method"]) == ["residual on residual", "slope of outcome on dose"]
    assert abs(m.estimate - 0.5) < 4 * m.std_error and m.audit["expected_dose"].status == "passed"
    for one in (fitted, m, gc.uplift(LOT[["yuan", "gmv"]], treatment="yuan", dose=True)):
        path = tmp_path / "优惠.uplift"
        one.save(path)
        again = gc.load_uplift(path)
        np.testing.assert_array_equal(again.predict(USERS), one.predict(USERS))
        pd.testing.assert_frame_equal(again.to_frame(), one.to_frame())
        assert again.summary() == one.summary() and again.manifest.to_dict() == one.manifest.to_dict()
        assert again.arms == ("yuan",) and again.learner == one.learner
        with pytest.raises(gc.InputError, match="not in the file"):
            _ = again.effects
    again.save(tmp_path / "second")
    fitted.save(path)
    pd.testing.assert_frame_equal(
        gc.load_uplift(path).calibration(LOT.assign(age=0.1 * LOT["age"])),
        fitted.calibration(LOT.assign(age=0.1 * LOT["age"])),
    )
    with pytest.raises(gc.DesignError, match="trained the model"):
        gc.load_uplift(path).calibration(USERS)


def test_what_belongs_to_arms_is_refused(fitted: Any) -> None:
    with pytest.raises(gc.DesignError, match=r"a dose has no arms.*calibration"):
        fitted.evaluate(USERS)
    with pytest.raises(gc.DesignError, match=r"the least or the most"):
        fitted.policy(USERS, budget=10)
    with pytest.raises(gc.DesignError, match="same predicted slope"):
        gc.uplift(LOT[["yuan", "gmv"]], treatment="yuan", dose=True).calibration(USERS)
    for scoring in ("qini", "value"):
        model = gc.UpliftEstimator("yuan", dose=True, scoring=scoring, folds=2).fit(LOT[["yuan", "age"]], LOT["gmv"])
        assert model.predict(LOT).shape == (N, 1) and model.arms_ == ("yuan",)
        with pytest.raises(gc.DesignError, match="a dose has no arms"):
            model.score(LOT[["yuan", "age"]], LOT["gmv"])


def status(frame: pd.DataFrame, name: str, **options: Any) -> str:
    return gc.uplift(frame, **{"treatment": "yuan", "dose": True, "folds": 2, **options}).audit[name].status


def test_what_the_audit_finds(fitted: Any) -> None:
    assert fitted.audit.credible and fitted.audit["curvature"].status == "passed"
    assert fitted.audit["expected_dose"].status == "not_run"
    assert 0.05 < fitted.audit["dose_variation"].value < 0.5
    plain = LOT[["yuan", "gmv", "age", "tier"]]
    bent = plain.assign(gmv=plain["gmv"] + 0.05 * plain["yuan"] ** 2)
    assert status(plain, "curvature") == "passed" and status(bent, "curvature") == "warned"
    assert status(bent, "curvature", features=["age"]) == "warned"
    assert "curvature" not in gc.uplift(plain.assign(yuan=(plain["yuan"] > 5) * 5), treatment="yuan", dose=True).audit
    assert status(plain, "expected_dose", propensity=11) == "failed"
    assert status(plain, "expected_dose", propensity=10.0) == "passed"
    steered = plain.assign(yuan=plain["yuan"] + 3 * plain["age"])
    assert status(steered, "dose_balance", propensity=10, features=["age"]) == "warned"
    assert status(plain, "dose_balance", propensity=10, features=["age"]) == "passed"
    assert status(
        steered.assign(mean=10 + 3 * steered["age"]), "dose_balance", propensity="mean", features=["age"]
    ) == ("passed")
    told = plain.assign(yuan=plain["tier"] * 5 + 0.2 * plain["age"])
    assert status(told, "dose_variation", features=["tier"]) == "failed"
    assert status(told.assign(yuan=plain["tier"] * 5 + plain["age"]), "dose_variation", features=["tier"]) == "warned"
    assert status(plain.head(150), "effective_sample_size") == "warned"
    assert status(plain.assign(yuan=plain["yuan"] + 1e4 * (np.arange(N) == 7)), "effective_sample_size") == "failed"
    one = plain.assign(gmv=plain["gmv"] + 1e5 * (np.arange(N) == int(np.argmax(plain["yuan"]))))
    assert status(one, "leverage") == "warned" and status(one, "tail") == "warned"
    rooms = LOT.assign(yuan=LOT["room"] % 4)[["yuan", "gmv", "room"]]
    with pytest.warns(gc.GmvCausalWarning, match="room"):
        found = gc.uplift(rooms, treatment="yuan", dose=True)
    assert found.audit["cluster_level"].status == "warned" and len(found.fit.d) == N
    few = gc.uplift(rooms[rooms["room"] < 8], treatment="yuan", dose=True, cluster="room")
    assert few.audit["few_clusters"].status == "failed" and np.isnan(few.std_error) and few.estimates.withheld
    arms = gc.uplift(LOT.assign(yuan=np.arange(N) % 7), treatment="yuan", control=0)
    assert "dose=True" in arms.audit["dose"].remedy


def test_the_page_has_the_rules_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks of a dose\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE
    assert [check.__name__ for check in (*audit.CHECKS, *OF_ROWS)] == list(TABLE)
