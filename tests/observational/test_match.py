"""Matching by propensity: a second implementation, a case by hand, what must not matter, and PSM-DID end to end."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

import gmvcausal as gc
from gmvcausal.observational.nearest import with_replacement, without_replacement
from gmvcausal.observational.rules import RULES


def people(n: int = 300, seed: int = 0, strength: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age, spend = rng.normal(35, 8, n), rng.gamma(2, 40, n)
    odds = -1.2 + strength * (age - 35) / 8 + 0.5 * strength * (spend - 80) / 57
    member = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
    city = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    return pd.DataFrame({"user": np.arange(n) * 7 + 3, "member": member, "age": age, "spend": spend, "city": city})


def rooms(n: int = 300, seed: int = 0, effect: float = 3.0) -> pd.DataFrame:
    """Large rooms are chosen, and large rooms grow faster."""
    rng = np.random.default_rng(seed)
    size, t = rng.normal(0, 1, n), np.arange(1, 9)
    on = rng.random(n) < 1 / (1 + np.exp(1.2 - size))
    y = 50 + 0.8 * size[:, None] * t + rng.normal(0, 4, (n, 1)) + rng.normal(0, 2, (n, 8))
    y = y + effect * (on[:, None] & (t >= 5))
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), 8), "period": np.tile(t, n), "gmv": y.ravel(), "size": np.repeat(size, 8),
        "first_treated": np.repeat(np.where(on, 5.0, np.nan), 8)})  # fmt: skip


def brute(frame: pd.DataFrame, x: list[str], caliper: float, replace: bool) -> pd.Series:
    """Weights by user: statsmodels' logit, then all distances one by one."""
    X = sm.add_constant(frame[x].to_numpy(float))
    fit = sm.Logit(frame["member"], X).fit(disp=0, method="newton", maxiter=100, tol=1e-14)
    odds = X @ np.asarray(fit.params)
    on = frame["member"].to_numpy() == 1
    width = caliper * np.sqrt((odds[on].var(ddof=1) + odds[~on].var(ddof=1)) / 2)
    weight = np.zeros(len(frame))
    free = np.flatnonzero(~on)
    for i in sorted(np.flatnonzero(on), key=lambda i: -odds[i]):
        if not odds[~on].min() <= odds[i] <= odds[~on].max():
            continue
        gap = np.abs(odds[free] - odds[i])
        if len(gap) and gap.min() <= width:
            nearest = free[np.argmin(gap)]
            weight[i], weight[nearest] = 1.0, weight[nearest] + 1
            if not replace:
                free = free[free != nearest]
    return pd.Series(weight, frame["user"]).loc[lambda w: w > 0]


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("caliper", [0.2, 0.02, 5.0])
def test_against_a_second_implementation(replace: bool, caliper: float) -> None:
    frame = people()
    m = gc.match(frame, "member", ["age", "spend"], unit="user", caliper=caliper, replace=replace)
    expected = brute(frame, ["age", "spend"], caliper, replace)
    found = m.frame.set_index("user")["weight"]
    pd.testing.assert_series_equal(found.sort_index(), expected.sort_index(), check_names=False)
    on = m.frame["member"] == 1
    assert m.frame.loc[~on, "weight"].sum() == pytest.approx(on.sum()) == pytest.approx(m.counts["matched_treated"])
    lost = m.counts["off_support"] + m.counts["beyond_caliper"] + m.counts["matched_treated"]
    assert lost == m.counts["treated"] == frame["member"].sum()


def test_by_hand() -> None:
    """Log odds in the open: treated 2, 1, -9 and controls 1.8, 1.1, 0."""
    on, off = np.array([2.0, 1.0, -9.0]), np.array([1.8, 1.1, 0.0])
    distance, weight = with_replacement(on, off, 0.5)
    np.testing.assert_allclose(distance, [0.2, 0.1, np.nan])
    assert weight.tolist() == [1, 1, 0]
    # without replacement 2 goes first and takes 1.8, 1 takes 1.1, and -9 the only one left where nothing forbids it
    distance, weight = without_replacement(on, off, np.inf)
    np.testing.assert_allclose(distance, [0.2, 0.1, 9.0])
    assert weight.tolist() == [1, 1, 1]
    both = without_replacement(np.array([0.0, 0.1]), np.array([0.1, 5.0]), 1.0)
    np.testing.assert_allclose(both[0], [np.nan, 0.0])
    assert with_replacement(np.array([1.0]), np.array([0.0, 2.0, 2.0]), 3.0)[1].tolist() == pytest.approx([1 / 3] * 3)


def test_balance_by_hand() -> None:
    frame = pd.DataFrame({"m": [1, 1, 0, 0, 0, 0], "x": [3.0, 5.0, 3.1, 4.9, 0.0, 8.0]})
    row = gc.match(frame, "m", ["x"], caliper=None, support=False).balance().set_index("covariate").loc["x"]
    before = np.sqrt((np.var([3, 5], ddof=1) + np.var([3.1, 4.9, 0, 8], ddof=1)) / 2)
    assert row["smd_before"] == pytest.approx((4 - 4.0) / before, abs=1e-12)
    assert row["smd_after"] == pytest.approx(0, abs=1e-12)
    assert row["variance_ratio_after"] == pytest.approx(2 / np.var([3.1, 4.9], ddof=1))
    assert row["ks_before"] == pytest.approx(0.25) and row["treated_after"] == 4


@pytest.mark.parametrize("replace", [True, False])
def test_the_order_of_rows_and_the_kind_of_frame_do_not_matter(replace: bool, tmp_path: Path) -> None:
    frame = people(200)
    frame[["age", "spend"]] = frame[["age", "spend"]].round(-1)  # many ties
    for unit in ("user", None):
        base = gc.match(frame, "member", ["age", "spend", "city"], unit=unit, replace=replace).frame
        mixed = frame.sample(frac=1, random_state=1)
        before = mixed.copy()
        found = gc.match(mixed, "member", ["age", "spend", "city"], unit=unit, replace=replace).frame
        pd.testing.assert_frame_equal(mixed, before)
        a, b = (f.sort_values("user", ignore_index=True) for f in (base, found))
        pd.testing.assert_frame_equal(a, b)
        frame.to_parquet(tmp_path / "p.parquet")
        for other in (pl.from_pandas(frame), str(tmp_path / "p.parquet")):
            again = gc.match(other, "member", ["age", "spend", "city"], unit="user", replace=replace).frame
            if unit:
                assert again["user"].tolist() == base["user"].tolist()
                assert again["weight"].tolist() == base["weight"].tolist()


def test_the_seed_decides_ties_without_replacement_only() -> None:
    frame = people(200)
    frame[["age", "spend"]] = frame[["age", "spend"]].round(-1)
    found = [
        [set(gc.match(frame, "member", ["age"], unit="user", replace=r, seed=s).frame["user"]) for s in (0, 0, 1)]
        for r in (True, False)
    ]
    assert found[0][0] == found[0][1] == found[0][2]
    assert found[1][0] == found[1][1] != found[1][2]


def test_units_and_copies_of_covariates_do_not_matter() -> None:
    frame = people()
    base = gc.match(frame, "member", ["age", "city"], unit="user")
    other = frame.assign(age=frame["age"] * 1e8 + 5, half=frame["age"] / 2, one=3)
    found = gc.match(other, "member", ["age", "half", "one", "city"], unit="user")
    assert found.frame["user"].tolist() == base.frame["user"].tolist()
    assert any("'half' was dropped" in note for note in found.manifest.notes)
    assert any("'one' is constant" in note for note in found.manifest.notes)
    assert list(found.balance()["covariate"]) == ["age", "city = b", "city = c", "log odds of treatment"]


def test_matching_makes_alike_what_was_not() -> None:
    m = gc.match(people(3000, strength=1.0), "member", ["age", "spend"], unit="user")
    table = m.balance().set_index("covariate")
    assert (table["smd_before"].abs() > 0.3).all() and (table["smd_after"].abs() < 0.1).all()
    assert m.audit.credible and m.audit["balance"].status == "passed"
    assert "SMD after" in m.summary() and "Caliper" in repr(m)
    assert max(len(line) for line in m.summary().splitlines()) <= 92


def test_checks_fire() -> None:
    apart = people(400, strength=6.0)
    m = gc.match(apart, "member", ["age", "spend"], unit="user", caliper=None, support=False)
    assert m.audit["balance"].status in ("warned", "failed") and m.audit["matched_controls"].status != "passed"
    strict = gc.match(apart, "member", ["age", "spend"], unit="user")
    assert strict.audit["unmatched"].value == 1 - strict.counts["matched_treated"] / strict.counts["treated"] > 0.1
    assert {check.name for check in m.audit} <= set(RULES)


def test_figures() -> None:
    m = gc.match(people(), "member", ["age", "spend", "city"], unit="user")
    for kind, words in (("love", "Balance"), ("density", "Propensity")):
        figure = m.plot(kind)
        assert words in figure.axes[0].get_title(loc="left")
    for line in m.curves("density").lines:
        assert np.sum(line.y) * (line.x[1] - line.x[0]) == pytest.approx(1, abs=0.08)
    np.testing.assert_allclose(m.curves("love").lines[1].y, m.balance()["smd_after"].abs())
    with pytest.raises(gc.InputError, match="'love', 'density'"):
        m.plot("pie")


@pytest.mark.parametrize("treatment", ["first_treated", "on", "ever"])
def test_psm_did(treatment: str) -> None:
    """Without the size of the rooms the answer is wrong; matched on it, it is right and its leads are flat."""
    frame = rooms(1500, seed=3)
    frame["on"] = (frame["period"] >= frame["first_treated"]).astype(int)
    frame["ever"] = frame["first_treated"].notna()
    plain = gc.did(frame)
    m = gc.match(frame, treatment, ["size"], unit="unit", time="period")
    result = gc.did(m.frame, weights="weight")
    assert abs(plain.estimate - 3) > 4 * plain.std_error
    assert abs(result.estimate - 3) < 3 * result.std_error
    assert result.audit.credible and result.audit["balance"].status == "passed"
    assert any("matched by propensity" in note for note in result.manifest.notes)
    units = m.frame.groupby("unit")["weight"]
    assert (units.nunique() == 1).all() and (units.count() == 8).all()
    with pytest.warns(gc.GmvCausalWarning, match="pass weights='weight'"):
        gc.did(m.frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.did(m.frame, weights="weight")


def test_psm_did_is_the_weighted_difference_of_means() -> None:
    m = gc.match(rooms(200), "first_treated", ["size"], unit="unit", time="period")
    f = m.frame
    result = gc.did(f, weights="weight")
    base = f[f["period"] == 4].set_index("unit")["gmv"]
    gain = f[f["period"] >= 5].groupby("unit")["gmv"].mean() - base
    on = f.groupby("unit")["first_treated"].first().notna()
    w = f.groupby("unit")["weight"].first()
    expected = gain[on].mean() - np.average(gain[~on], weights=w[~on])
    assert result.estimate == pytest.approx(expected, rel=1e-10)
    psi = np.where(
        on, (gain - gain[on].mean()) / on.sum(), -w * (gain - np.average(gain[~on], weights=w[~on])) / w[~on].sum()
    )
    assert result.std_error == pytest.approx(np.sqrt((psi**2).sum()), rel=1e-8)


def test_only_what_lies_before_the_tactic_counts() -> None:
    frame = rooms(300)
    base = gc.match(frame, "first_treated", ["gmv"], unit="unit", time="period")
    later = frame.assign(gmv=frame["gmv"] + 1e3 * (frame["period"] >= 5) * (frame["unit"] % 7))
    found = gc.match(later, "first_treated", ["gmv"], unit="unit", time="period")
    assert found.frame["unit"].tolist() == base.frame["unit"].tolist()
    assert found.audit["regression_to_mean"].value > 0
    mean = frame[frame["period"] < 5].groupby("unit")["gmv"].mean()
    on = frame.groupby("unit")["first_treated"].first().notna()
    row = base.balance().set_index("covariate").loc["gmv"]
    assert row["treated_before"] == pytest.approx(mean[on].mean())
    ever = frame.assign(ever=frame["first_treated"].notna())
    again = gc.match(ever, "ever", ["gmv"], unit="unit", time="period", before=5)
    assert again.frame["unit"].tolist() == base.frame["unit"].tolist()


def test_matching_on_past_outcomes_is_warned_of() -> None:
    """Daw and Hatfield's trap: groups of other levels, matched on noisy outcomes, drift apart again."""
    rng = np.random.default_rng(5)
    n, t = 4000, np.arange(1, 9)
    on = np.arange(n) < 1000
    y = 50 + 6.0 * on[:, None] + rng.normal(0, 3, (n, 1)) + rng.normal(0, 12, (n, 8))
    frame = pd.DataFrame({
        "unit": np.repeat(np.arange(n), 8), "period": np.tile(t, n), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(on, 5.0, np.nan), 8)})  # fmt: skip
    m = gc.match(frame, "first_treated", ["gmv"], unit="unit", time="period")
    assert m.audit["regression_to_mean"].status == "warned"
    post = m.frame[m.frame["period"] >= 5].assign(on=lambda f: f["first_treated"].notna())
    gap = [np.average(g["gmv"], weights=g["weight"]) for _, g in post.groupby("on")]
    assert gap[1] - gap[0] > 2  # no effect at all, and yet the matched groups part


def test_lalonde_comes_near_the_experiment(data_dir: Path) -> None:
    """Trainees and survey respondents: the plain means say -8,498, the experiment 1,794 (Dehejia and Wahba 1999)."""
    file = data_dir / "lalonde.parquet"
    if not file.is_file():
        pytest.skip(f"no {file.name} in {data_dir}")  # the file may not be shipped with the project
    frame = pd.read_parquet(file)
    trained = frame[(frame["source"] == "nsw_dw") & (frame["treat"] == 1)]
    frame = pd.concat([trained, frame[frame["source"] == "cps_controls"]], ignore_index=True)
    frame = frame.assign(u74=frame["re74"] == 0, u75=frame["re75"] == 0, age2=frame["age"] ** 2)
    x = ["age", "age2", "education", "black", "hispanic", "married", "nodegree", "re74", "re75", "u74", "u75"]
    m = gc.match(frame, "treat", x)
    means = [np.average(g["re78"], weights=g["weight"]) for _, g in m.frame.groupby("treat")]
    assert abs(means[1] - means[0] - 1794) < 1000
    assert m.counts["matched_treated"] > 170
    assert m.balance()["smd_before"].abs().max() > 2 > 0.2 > m.balance()["smd_after"].abs().max()
