"""Tactics that switch on and off: by hand, formulas written out, numbers of the authors' package, coverage."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout, switching, thinned

import gmvcausal as gc
from gmvcausal.errors import GmvCausalWarning


def did(frame: pd.DataFrame, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)  # a column named place is found to be coarser than the unit
        return gc.did(frame, **({"estimator": "switching", "treated": "treated"} | options))


def panel(on: list[list[int]], y: list[list[float]]) -> pd.DataFrame:
    a = np.array(on)
    return pd.DataFrame({
        "unit": np.repeat(np.arange(len(a)), a.shape[1]), "period": np.tile(np.arange(a.shape[1]), len(a)),
        "treated": a.ravel(), "gmv": np.array(y, dtype=float).ravel(),
    })  # fmt: skip


# --- by hand ---------------------------------------------------------------------------------------------------------
def test_eight_rows_by_hand() -> None:
    """A joiner, a leaver, one that stays off, one that stays on, two periods."""
    result = did(panel([[0, 1], [1, 0], [0, 0], [1, 1]], [[10, 17], [30, 24], [12, 14], [40, 43]]))
    joiner = (17 - 10) - (14 - 12)
    leaver = (43 - 40) - (24 - 30)
    terms = result.to_frame().set_index("term")["estimate"]
    assert terms.to_dict() == {
        "per period on": (joiner + leaver) / 2, "at the switch": (joiner + leaver) / 2, "joiners": joiner,
        "leavers": leaver,
    }  # fmt: skip
    assert math.isnan(result.std_error)  # one of each kind
    assert result.fitted.treated_cells == 2  # one of the joiner, one of the leaver


def test_nine_rows_by_hand() -> None:
    """On for one period of two: the effect after it counts, the periods under the tactic divide."""
    result = did(panel([[0, 1, 0], [0, 0, 0], [0, 0, 1]], [[10, 16, 13], [20, 21, 22], [30, 30, 37]]))
    first = (16 - 10) - ((21 - 20) + (30 - 30)) / 2  # against both that are still off
    later = (13 - 10) - (22 - 20)
    other = (37 - 30) - (22 - 21)
    assert result.estimate == pytest.approx((first + later + other) / (1 + 0 + 1), abs=1e-12)
    # At every switch: joiners in the second and third period; the leaver has nobody that stays on beside it.
    terms = result.to_frame().set_index("term")["estimate"]
    assert terms["at the switch"] == terms["joiners"] == pytest.approx((first + other) / 2, abs=1e-12)
    assert "leavers" not in terms
    event = result.event_study().set_index("event_time")["estimate"]
    assert event[0] == pytest.approx((first + other) / 2, abs=1e-12)
    assert event[1] == pytest.approx(later, abs=1e-12)
    # The third unit's placebo one period before its base needs a unit that is off one period after it: the second.
    assert event[-2] == pytest.approx((30 - 30) - (20 - 21), abs=1e-12)


def test_what_is_left_from_before_misleads_the_terms_at_the_switch() -> None:
    """An effect of 8, and 4 in the next period: whoever left a period ago falls by 4, beside a joiner."""
    on = [[0, 0, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]]
    left = [[0, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]]
    result = did(panel(on, (8 * np.array(on) + 4 * np.array(left) + [[50], [60], [70], [80]]).tolist()))
    terms = result.to_frame().set_index("term")["estimate"]
    assert terms["joiners"] == 8 - (-4 + 0) / 2
    # The first switch against those that never switch: 8 in one period on; 12 becomes 4, then 0, in two periods off.
    assert terms["per period on"] == pytest.approx((8 + (12 - 4) + (12 - 0)) / 3)


# --- the formulas written out ----------------------------------------------------------------------------------------
def written_out(on: np.ndarray, y: np.ndarray, w: np.ndarray) -> dict[Any, Any]:
    """Every number of the estimator, unit by unit, as the two papers define them; weights may be complex."""
    n, width = on.shape
    seen = np.isfinite(on)
    began = [on[g, seen[g]][0] for g in range(n)]
    first = [next((t for t in range(width) if seen[g, t] and on[g, t] != began[g]), width) for g in range(n)]
    total, dose, events = 0, 0, {}
    for g in range(n):
        for length in range(1, width - first[g] + 1):
            base, now = first[g] - 1, first[g] - 1 + length
            beside = [h for h in range(n) if began[h] == began[g] and first[h] > now and seen[h, [base, now]].all()]
            if not beside or not seen[g, [base, now]].all():
                continue
            sign = 1 if began[g] == 0 else -1
            size = sum(w[h] for h in beside)
            mean = sum(w[h] * (y[h, now] - y[h, base]) for h in beside) / size
            effect = sign * (y[g, now] - y[g, base] - mean)
            total, dose = total + w[g] * effect, dose + w[g] * abs(on[g, now] - began[g])
            parts = [(length - 1, effect)]
            before = base - length
            if before >= 0:
                mean = sum(w[h] * (y[h, before] - y[h, base]) for h in beside) / size
                parts.append((-1 - length, sign * (y[g, before] - y[g, base] - mean)))
            for e, value in parts:
                s, k = events.get(e, (0, 0))
                events[e] = (s + w[g] * value, k + w[g])
    out: dict[Any, Any] = {e: s / k for e, (s, k) in events.items()} | {"per period on": total / dose}
    kinds = {"joiners": (0, 1, 1), "leavers": (1, 0, -1)}
    whole = [0, 0]
    for name, (came, went, sign) in kinds.items():
        s, k = 0, 0
        for t in range(1, width):
            own = [g for g in range(n) if on[g, t - 1] == came and on[g, t] == went]
            stay = [g for g in range(n) if on[g, t - 1] == came and on[g, t] == came]
            if own and stay:
                change = y[:, t] - y[:, t - 1]
                size = sum(w[g] for g in own)
                gap = sum(w[g] * change[g] for g in own) / size - sum(w[g] * change[g] for g in stay) / sum(
                    w[g] for g in stay
                )
                s, k = s + sign * size * gap, k + size
        if k:
            out[name] = s / k
            whole = [whole[0] + s, whole[1] + k]
    return out | {"at the switch": whole[0] / whole[1]}


def matrices(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    wide = frame.pivot(index="unit", columns="period")
    return wide["treated"].to_numpy(float), wide["gmv"].to_numpy()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cluster", ["unit", "place"])
def test_points_and_standard_errors_written_out(weighted: bool, cluster: str) -> None:
    """The influence of a unit is the derivative of the estimate with respect to its weight: here by a complex step."""
    frame = switching(n=60, periods=5, seed=4, after=0.7)
    on, y = matrices(frame)
    weight = frame.groupby("unit")["w"].first().to_numpy() if weighted else np.ones(len(on))
    result = did(frame, cluster=cluster, weights="w" if weighted else None)
    plain = written_out(on, y, weight)
    slopes: dict[Any, np.ndarray] = {name: np.zeros(len(on)) for name in plain}
    step = 1e-30
    for g in range(len(on)):
        nudged = weight.astype(complex)
        nudged[g] += 1j * step * weight[g]
        for name, value in written_out(on, y, nudged).items():
            slopes[name][g] = value.imag / step
    code = pd.factorize(frame.groupby("unit")[cluster].first() if cluster == "place" else np.arange(len(on)))[0]
    error = {name: float(np.linalg.norm(np.bincount(code, slope))) for name, slope in slopes.items()}
    terms = result.to_frame().set_index("term")
    for name in terms.index:
        assert terms["estimate"][name] == pytest.approx(plain[name], rel=1e-10)
        assert terms["std_error"][name] == pytest.approx(error[name], rel=1e-10)
    event = result.event_series
    assert set(event.at) == {name for name in plain if isinstance(name, int)}
    for e, value, variance in zip(event.at, event.estimate, np.diag(event.cov), strict=True):
        assert value == pytest.approx(plain[int(e)], rel=1e-10, abs=1e-12)
        assert math.sqrt(variance) == pytest.approx(error[int(e)], rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_absent_rows_written_out(weighted: bool) -> None:
    """The documented sums, unit by unit: cells count with the units that are seen in them."""
    frame = thinned(switching(n=60, periods=5, seed=4, after=0.7), 0.15)
    on, y = matrices(frame)
    weight = frame.groupby("unit")["w"].first().to_numpy() if weighted else np.ones(len(on))
    result = did(frame, cluster="unit", weights="w" if weighted else None)
    assert result.estimate == pytest.approx(written_out(on, y, weight)["per period on"].real, rel=1e-10)
    slope = np.zeros(len(on))
    for g in range(len(on)):
        nudged = weight.astype(complex)
        nudged[g] += 1e-30j * weight[g]
        slope[g] = written_out(on, y, nudged)["per period on"].imag / 1e-30
    assert result.std_error == pytest.approx(float(np.linalg.norm(slope)), rel=1e-10)
    np.testing.assert_allclose(result.fitted.influence(), slope, atol=1e-12)


def test_cohorts_that_leave_count_with_the_periods_in_which_they_are_seen() -> None:
    """An effect of 1 on an early cohort, half of which leaves, and of 5 on a late one."""
    n, weeks = 80, np.arange(1, 9)
    start = np.where(np.arange(n) < 24, 3.0, np.where(np.arange(n) < 48, 6.0, np.inf))
    on = (weeks >= start[:, None]).astype(int)
    kept = ~((np.arange(n)[:, None] < 12) & (weeks >= 5))
    effect = np.where(start == 3, 1.0, 5.0)[:, None]
    y = np.arange(n)[:, None] % 7 + weeks + on * effect
    frame = panel(on.tolist(), y.tolist())[kept.ravel()]
    result = did(frame)
    total = float((on * effect)[kept].sum())
    assert result.estimate == pytest.approx(total / on[kept].sum(), rel=1e-12)
    money = result.incremental_gmv(gmv_is="paid").to_frame()["estimate"]
    assert float(money[0]) == pytest.approx(total, rel=1e-12)


# --- the authors' package --------------------------------------------------------------------------------------------
def made(kind: str) -> pd.DataFrame:
    i, t = np.arange(40)[:, None], np.arange(6)[None, :]
    y = ((i * 37 + t * 53 + i * t * 11) % 97).astype(float)
    if kind == "paths":
        on = ((((i * 7) % 11) + t * (1 + i % 3)) % 5 < 2).astype(int)
        on[i[:, 0] % 4 == 0] = 0
        on[i[:, 0] % 8 == 1] = 1
    else:
        on = ((i < 15) & (t >= 3)).astype(int)
        on[:5, 5] = 0
    return panel(on.tolist(), (y + 7 * on).tolist())


# py_did_multiplegt_dyn 0.1.9: estimates by event time (where one cohort switches, standard errors too), the average.
PUBLISHED = {
    "paths": (
        {0: -7.5893852814, 1: -26.116, 2: -16.548, 3: -17.3125, 4: -17.1142857143, -2: 13.0477272727, -3: -4.0},
        -32.7618489038,
    ),
    "one": ({0: 10.7466666667, 1: 4.1466666667, 2: -12.5466666667, -2: -21.8533333333, -3: 0.2666666667}, 0.88),
}
PUBLISHED_ERRORS = {0: 11.8662340745, 1: 12.0137614215, 2: 12.0157034816, -2: 14.2982345453, -3: 16.5900189921}
# diff-diff 3.13, ChaisemartinDHaultfoeuille: DID_M, its joiners (with the standard error) and its leavers.
DID_M = {"at the switch": 1.335, "joiners": 10.7466666667, "leavers": -26.9}


@pytest.mark.parametrize("kind", list(PUBLISHED))
def test_the_authors_package(kind: str) -> None:
    result = did(made(kind))
    events, average = PUBLISHED[kind]
    event = result.event_series
    found = dict(zip(event.at.tolist(), event.estimate.tolist(), strict=True))
    assert found == pytest.approx(events, abs=1e-9)
    assert result.estimate == pytest.approx(average, abs=1e-9)
    if kind == "one":
        # One cohort beside those that never switch: the package's n / (n - 1) is the factor of the interval here.
        widened = np.sqrt(np.diag(event.cov)) * event.spread.factor
        assert dict(zip(event.at.tolist(), widened, strict=True)) == pytest.approx(PUBLISHED_ERRORS, abs=1e-9)
        terms = result.to_frame().set_index("term")
        assert terms["estimate"][list(DID_M)].to_dict() == pytest.approx(DID_M, abs=1e-9)
        assert terms["std_error"]["joiners"] == pytest.approx(11.54002806338458, rel=1e-12)
        assert math.isnan(terms["std_error"]["leavers"])  # five leave
        assert "leavers" in result.fitted.estimates.withheld


# --- what it must agree with -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("thin", [False, True])
def test_a_tactic_that_stays_on_is_the_default_estimator(thin: bool) -> None:
    """Effects are those of Callaway and Sant'Anna with the not yet treated; so is the headline, by unit-periods."""
    frame = rollout(n=200, periods=6, cohorts=(3, 5), seed=6).drop(columns="place")
    if thin:
        frame = thinned(frame, 0.1)
    ours = gc.did(frame, estimator="switching")
    theirs = gc.did(frame, control="not_yet_treated", base_period="universal")
    whole = theirs.to_frame().set_index("term").loc["per unit-period" if thin else "overall"]
    assert ours.estimate == pytest.approx(whole["estimate"], rel=1e-10)
    # Whether a unit is seen is chance here, and given there.
    assert ours.std_error == pytest.approx(whole["std_error"], rel=0.02 if thin else 1e-10)
    columns = ["event_time", "estimate", "std_error", "conf_low", "conf_high", "n"]
    a, b = (r.event_study().query("event_time >= 0")[columns] for r in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-10)
    a, b = (r.att_gt().query("event_time >= 0")[columns] for r in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-10)


def test_swapping_on_and_off_turns_the_sign() -> None:
    frame = switching(n=100, seed=9)
    a, b = did(frame), did(frame.assign(treated=1 - frame["treated"]))
    assert b.estimate == pytest.approx(-a.estimate, rel=1e-10)
    assert b.std_error == pytest.approx(a.std_error, rel=1e-10)
    turned = b.to_frame().set_index("term")["estimate"]
    assert turned["leavers"] == pytest.approx(-a.to_frame().set_index("term")["estimate"]["joiners"], rel=1e-10)


def test_one_effect_without_carry_over_or_noise_is_found_exactly() -> None:
    rng = np.random.default_rng(0)
    frame = switching(n=60, seed=1)
    level = pd.Series(rng.integers(0, 50, 60)).loc[frame["unit"]].to_numpy()
    frame["gmv"] = level + 3.0 * frame["period"] + 2.5 * frame["treated"]
    result = did(frame)
    np.testing.assert_allclose(result.to_frame()["estimate"].astype(float), 2.5, rtol=1e-12)
    leads = result.event_study().query("event_time < 0")["estimate"]
    np.testing.assert_allclose(leads, 0, atol=1e-10)


# --- chance ----------------------------------------------------------------------------------------------------------
def test_coverage_with_and_without_carry_over() -> None:
    reps = 80
    slack = 3.2 * math.sqrt(0.95 * 0.05 / reps)
    for after in (0.0, 3.0):
        hits = np.zeros((reps, 4))
        for seed in range(reps):
            frame = switching(n=90, periods=5, seed=seed, after=after).drop(columns="place")
            on, _ = matrices(frame)
            yesterday = np.column_stack([on[:, 0], on[:, :-1]]).ravel()
            truth = did(frame.assign(gmv=2.0 * frame["treated"] + after * yesterday)).estimate
            interval = did(frame).to_frame()[["conf_low", "conf_high"]].astype(float).to_numpy()
            hits[seed] = [low <= t <= high for (low, high), t in zip(interval, [truth, 2, 2, 2], strict=True)]
        share = hits.mean(axis=0)
        # Carried over, effects differ by path, and the interval may be too wide for the mean over these very paths.
        assert (share[0] >= 0.95 - slack) if after else (abs(share - 0.95).max() <= slack)


def test_switches_at_many_dates_widen_the_intervals() -> None:
    """The rows of DID_M: C switches fall on S dates, each with a mean of its own."""
    frame = switching(n=100, seed=12)
    on, _ = matrices(frame)
    result = did(frame, cluster="unit")
    found = result.fitted.switching
    for k, part, (came, went) in ((2, found.joiners, (0, 1)), (3, found.leavers, (1, 0))):
        own = (on[:, :-1] == came) & (on[:, 1:] == went)
        assert (part.changes, part.pairs) == (own.sum(), own.any(axis=0).sum())
        changes, dates = int(own.sum()), int(own.any(axis=0).sum())
        assert result.fitted.estimates.spread.factor[k] ** 2 > changes / (changes - dates)
        assert result.fitted.estimates.spread.df[k] < own.any(axis=1).sum() + (~own.any(axis=1)).sum()


def test_few_clusters_have_no_standard_error() -> None:
    frame = switching(n=60, seed=2)
    rare = frame.assign(treated=np.where(frame["unit"] < 8, frame["treated"], 0))
    result = did(rare, cluster="unit")
    assert math.isnan(result.std_error)
    assert np.isnan(result.conf_int()).all()
    assert "treatment that stays on" in result.fitted.estimates.withheld
    assert {c.name: c.status for c in result.audit.checks}["few_clusters"] == "failed"
    # Where it does stay on and one start is shared, placebo runs hold as they do for the default estimator.
    stays = rare.assign(treated=((rare["unit"] < 3) & (rare["period"] >= 4)).astype(int))
    assert did(stays, cluster="unit").conf_int() == pytest.approx(
        did(stays, cluster="unit", estimator="callaway_santanna").conf_int(), rel=1e-9
    )


# --- audit and refusals ----------------------------------------------------------------------------------------------
def status(result: Any) -> dict[str, str]:
    return {c.name: c.status for c in result.audit.checks}


def test_carry_over_is_seen() -> None:
    assert status(did(switching(n=300, seed=0, after=2.0)))["carry_over"] == "warned"
    assert status(did(switching(n=300, seed=0, after=0.0)))["carry_over"] == "passed"
    stays = gc.did(rollout(n=100, seed=1).drop(columns="place"), estimator="switching")
    assert status(stays)["carry_over"] == "not_run"


def test_switches_that_nobody_stands_beside_are_counted() -> None:
    """Those that begin under the tactic all leave in one period: nobody is left that began alike."""
    frame = switching(n=120, seed=3)
    began = frame.groupby("unit")["treated"].transform("first") == 1
    frame.loc[began, "treated"] = (frame.loc[began, "period"] < 4).astype(int)
    check = next(c for c in did(frame).audit.checks if c.name == "switchers")
    alone = int(frame.loc[began, "unit"].nunique())
    every = int((frame.groupby("unit")["treated"].nunique() > 1).sum())
    assert check.status in ("warned", "failed")
    assert check.value == pytest.approx(alone / every)
    assert f"{every - alone:,} of {every:,} units" in check.message


def test_absent_rows_are_told() -> None:
    frame = thinned(switching(n=120, seed=5), 0.1)
    result = did(frame)
    late = (frame.groupby("unit")["period"].min() > 1).sum()
    assert any(f"{late:,} units are first seen after the first period" in note for note in result.manifest.notes)
    assert result.to_frame()["estimate"].astype(float).between(1.0, 3.0).all()


def test_refusals() -> None:
    frame = switching(n=40)
    with pytest.raises(gc.DesignError, match="treatment of no unit changes"):
        did(frame.assign(treated=(frame["unit"] < 20).astype(int)))
    with pytest.raises(gc.DesignError, match="none of the 40 units that switch can be compared"):
        did(frame.assign(treated=(frame["period"] > 3).astype(int)))
    with pytest.raises(gc.InputError, match="anticipation= has no meaning"):
        did(frame, anticipation=1)
    with pytest.raises(gc.InputError, match="covariates= has no meaning"):
        did(frame, covariates=["w"])
    with pytest.raises(gc.InputError, match="control= has no meaning"):
        did(frame, control="not_yet_treated")
    with pytest.raises(gc.InputError, match="has no meaning as 'wild'"):
        did(frame, inference="wild")


def test_tables_say_which_way_a_cohort_switched() -> None:
    result = did(switching(n=150, seed=1))
    assert set(result.att_gt()["switch"]) == set(result.by_cohort()["switch"]) == {"on", "off"}
    assert result.figure_kinds == ()  # a period of first switch names two cohorts
    assert len(result.by_period()) == 5
