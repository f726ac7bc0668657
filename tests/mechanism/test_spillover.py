"""`gc.spillover`: the protocol, what must not matter, designs, the audit, coverage, money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.mechanism.exposure.rules import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "network-spillover.md"
MAIN = ["direct", "spillover", "total"]
N = 900


def town(n: int = N, seed: int = 0, degree: float = 4.0) -> pd.DataFrame:
    """Links between users of one block of 30."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, n, int(n * degree / 2))
    other = one // 30 * 30 + rng.integers(0, 30, len(one))
    pairs = np.unique(np.sort(np.column_stack([one, other])[one != other], axis=1), axis=0)
    return pd.DataFrame({"user": pairs[:, 0], "friend": pairs[:, 1]})


def reached(links: pd.DataFrame, t: Any, n: int) -> tuple[Any, Any]:
    """Share of treated neighbours and the number of neighbours."""
    ends, others = (np.concatenate([links[a], links[b]]) for a, b in (("user", "friend"), ("friend", "user")))
    degree = np.bincount(ends, minlength=n)
    return np.bincount(ends, t[others], n) / np.maximum(degree, 1), degree


def shop(
    links: pd.DataFrame, seed: int = 0, n: int = N, direct: float = 5.0, spill: float = 4.0, **given: Any
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    t = given.get("t", (rng.random(n) < 0.5).astype(float))
    share, degree = reached(links, t, n)
    before = rng.gamma(1.0, 10.0, n)
    y = before + 2 * np.log1p(degree) + direct * t + spill * share + rng.gamma(1.0, 5.0, n)
    return pd.DataFrame({"user": np.arange(n), "treatment": t.astype(int), "gmv": y, "before": before})


LINKS = town()
USERS = shop(LINKS)


def run(users: Any = USERS, links: Any = LINKS, **options: Any) -> Any:
    return gc.spillover(users, edges=links, **({"probability": 0.5, "reps": 199} | options))


def numbers(result: Any) -> Any:
    return result.to_frame()[["estimate", "std_error"]].to_numpy(float)


# --- the protocol -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("exposure", ["line", "any", 0.5, 2])
def test_protocol(exposure: Any, tmp_path: Path) -> None:
    result = run(exposure=exposure)
    assert_protocol(result, tmp_path, ("estimates", *result.curve_kinds))
    frame = result.to_frame()
    assert list(frame["term"][:3]) == MAIN and frame["term"].iloc[-1] == "difference of means"
    assert list(result.conditions()["condition"]) == ["control", "spillover only", "direct only", "both"]
    assert list(result.tests()["test"]) == ["fisher", "linear_share", "second_order"]


def test_protocol_of_saturations(tmp_path: Path) -> None:
    result = gc.spillover(two_stage(), group="room", saturation="share")
    assert_protocol(result, tmp_path, (None, "estimates"))
    assert list(result.to_frame()["term"][:3]) == MAIN
    with pytest.raises(gc.InputError, match="need edges="):
        result.tests()


def test_the_line_adds_up_and_says_what_it_is() -> None:
    result = run()
    direct, spill, total = result.to_frame()["estimate"][:3]
    assert total == pytest.approx(direct + spill, rel=1e-12)
    summary = " ".join(result.summary().split())
    assert "from everyone treated against nobody" in summary and "Fisher's test of no spillover" in summary
    assert "taken to hold in both directions" in summary


# --- what must not matter ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("exposure", ["line", "any"])
def test_order_names_and_kinds_of_ids_do_not_matter(exposure: Any) -> None:
    base = run(exposure=exposure)
    mixed = run(USERS.sample(frac=1, random_state=1), LINKS.sample(frac=1, random_state=2), exposure=exposure)
    np.testing.assert_allclose(numbers(mixed), numbers(base), rtol=1e-10)
    assert mixed.tests().equals(base.tests()) and mixed.manifest.data_sha256 == base.manifest.data_sha256
    turned = run(links=LINKS.rename(columns={"user": "friend", "friend": "user"}), exposure=exposure)
    np.testing.assert_allclose(numbers(turned), numbers(base), rtol=1e-10)
    text = run(USERS.assign(user="u" + USERS["user"].astype(str)), "u" + LINKS.astype(str), exposure=exposure)
    np.testing.assert_allclose(numbers(text), numbers(base), rtol=1e-8)


def test_scale_and_level_of_gmv() -> None:
    base = numbers(run())
    np.testing.assert_allclose(numbers(run(USERS.assign(gmv=100 * USERS["gmv"]))), 100 * base, rtol=1e-9)
    np.testing.assert_allclose(numbers(run(USERS.assign(gmv=1e7 + USERS["gmv"]))), base, rtol=1e-6)
    flat = numbers(run(exposure="any"))
    shifted = numbers(run(USERS.assign(gmv=1e5 + USERS["gmv"]), exposure="any"))
    np.testing.assert_allclose(shifted[:3], flat[:3], rtol=1e-6)  # Hájek; Horvitz-Thompson does move with the level


def test_other_tables_and_labels_and_files(tmp_path: Path) -> None:
    import polars as pl

    base = numbers(run())
    np.testing.assert_allclose(numbers(run(pl.from_pandas(USERS), pl.from_pandas(LINKS))), base, rtol=1e-12)
    USERS.to_parquet(tmp_path / "users.parquet")
    LINKS.to_parquet(tmp_path / "links.parquet")
    np.testing.assert_allclose(numbers(run(tmp_path / "users.parquet", tmp_path / "links.parquet")), base, rtol=1e-12)
    arms = USERS.assign(treatment=np.where(USERS["treatment"] == 1, "community", "none"))
    named = run(arms, control="none", probability={"none": 0.5, "community": 0.5})
    np.testing.assert_allclose(numbers(named), base, rtol=1e-12)
    np.testing.assert_allclose(numbers(run(USERS.assign(p=0.5), probability="p")), base, rtol=1e-12)


def test_weights_of_links_that_are_all_alike_do_not_matter_and_others_do() -> None:
    alike = run(links=LINKS.assign(w=3.0), weight="w")
    np.testing.assert_allclose(numbers(alike), numbers(run()), rtol=1e-10)
    rng = np.random.default_rng(5)
    links = LINKS.assign(w=rng.uniform(0.1, 5, len(LINKS)))
    assert abs(numbers(run(links=links, weight="w"))[1, 0] - numbers(run())[1, 0]) > 1e-3


def test_directions() -> None:
    """The treatment of the second end reaches the first, and nothing comes back."""
    t = (np.random.default_rng(0).random(N) < 0.5).astype(float)
    links = pd.DataFrame({"unit": np.arange(N), "neighbour": (np.arange(N) + 1) % N})
    users = pd.DataFrame({"user": np.arange(N), "treatment": t.astype(int), "gmv": 10 + 5 * t + 3 * np.roll(t, -1)})
    there = run(users, links, directed=True).to_frame()["estimate"]
    np.testing.assert_allclose(there[:3], [5, 3, 8], atol=1e-9)
    back = run(users, links.rename(columns={"unit": "neighbour", "neighbour": "unit"}), directed=True)
    assert abs(back.to_frame()["estimate"][1]) < 1.0
    both = pd.concat([links, links.rename(columns={"unit": "neighbour", "neighbour": "unit"})])
    once = run(users, links)
    twice = run(users, both)
    np.testing.assert_allclose(numbers(twice), numbers(once), rtol=1e-10)
    assert any("listed in both directions" in note for note in twice.manifest.notes)


def test_the_frames_and_the_random_state_are_left_alone() -> None:
    users, links = USERS.copy(), LINKS.copy()
    np.random.seed(3)  # noqa: NPY002  # the global state is what is looked at
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]  # noqa: NPY002  # as above
    run(users, links, exposure="any")
    pd.testing.assert_frame_equal(users, USERS)
    pd.testing.assert_frame_equal(links, LINKS)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # type: ignore[index]  # noqa: NPY002  # as above


# --- designs ----------------------------------------------------------------------------------------------------------
def test_an_unknown_probability_is_said() -> None:
    result = run(probability=None)
    assert "sample_ratio" not in result.audit
    assert any("is taken as the share that was treated" in note for note in result.manifest.notes)
    assert result.manifest.choices[1] == "users drawn in a fixed number"


def test_clusters_strata_and_assignments_find_the_effects() -> None:
    rng = np.random.default_rng(1)
    n, cluster = N, np.arange(N) // 3
    t = (rng.random(n // 3) < 0.5).astype(float)[cluster]
    share, degree = reached(LINKS, t, n)
    users = pd.DataFrame(
        {"user": np.arange(n), "treatment": t.astype(int), "trio": cluster, "half": np.arange(n) // 450}
    )
    users["gmv"] = 10 + degree + 5 * t + 4 * share + rng.normal(0, 0.1, n)
    for options in ({"cluster": "trio"}, {"cluster": "trio", "probability": None}):
        np.testing.assert_allclose(
            run(users, **options).to_frame()["estimate"][:2], [5, 4 * (degree > 0).mean()], atol=0.2
        )
    t = (rng.random(n) < 0.5).astype(float)
    users = shop(LINKS, t=t).assign(half=np.arange(n) // 450)
    strata = run(users, strata="half", probability=None, reps=0)
    np.testing.assert_allclose(strata.to_frame()["estimate"][:2], run(users).to_frame()["estimate"][:2], atol=0.3)
    draws = (rng.random((n, 4000)) < 0.5).astype(int)
    given = run(users, probability=None, assignments=draws, exposure="any").to_frame()
    exact = run(users, exposure="any").to_frame()
    np.testing.assert_allclose(given["estimate"][:2], exact["estimate"][:2], atol=1.5)
    assert "4,000 assignments" in run(users, probability=None, assignments=draws).summary()


def test_those_without_a_neighbour_are_counted_out_of_the_conditions() -> None:
    lone = 100
    users = shop(LINKS, n=N + lone, seed=2)
    result = run(users, exposure="any")
    least = N + lone - int((reached(LINKS, np.zeros(N + lone), N + lone)[1] == 0).sum())
    assert result.n == least and f"{least:,} users with at least one neighbour" in result.estimand
    assert "cannot be in all four conditions" in result.summary()
    on_line = run(users)
    assert on_line.n == N + lone and "without neighbours" in on_line.to_frame()["estimand"][1]
    with pytest.raises(gc.DesignError, match="drawn together with the user"):
        gc.spillover(
            users[:N].assign(b=np.arange(N) // 30, treatment=(np.arange(N) // 30) % 2), edges=LINKS, cluster="b"
        )


def two_stage(seed: int = 0, groups: int = 60, size: int = 20, direct: float = 5.0, spill: float = 6.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    share = rng.permutation(np.repeat([0.0, 0.5, 1.0], groups // 3))
    group = np.repeat(np.arange(groups), size)
    order = np.argsort(np.argsort(rng.random((groups, size)), axis=1), axis=1).ravel()
    t = (order < share[group] * size).astype(int)
    y = 20 + rng.normal(0, 2, groups)[group] + direct * t + spill * share[group] + rng.gamma(1.0, 5.0, len(t))
    return pd.DataFrame({"user": np.arange(len(t)), "room": group, "share": share[group], "treatment": t, "gmv": y})


def test_saturations_cover() -> None:
    held = []
    for seed in range(80):
        frame = gc.spillover(two_stage(seed), group="room", saturation="share").to_frame().set_index("term")
        truth = {"direct": 5.0, "spillover": 3.0, "total": 8.0, "total, all treated": 11.0}
        held.append([frame.conf_low[k] <= v <= frame.conf_high[k] for k, v in truth.items()])
    assert (np.mean(held, axis=0) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 80)).all()


# --- known truth ------------------------------------------------------------------------------------------------------
def test_the_line_covers_on_the_named_world() -> None:
    held = []
    for seed in range(40):
        world = gc.simulate.world("D18", n=800, seed=seed)
        frame = gc.spillover(world.table(), reps=0, **world.design.call).to_frame().set_index("term")
        held.append([frame.conf_low[k] <= world.truth[k] <= frame.conf_high[k] for k in MAIN])
    assert (np.mean(held, axis=0) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 40)).all()


def test_conditions_cover_what_they_compare() -> None:
    """The outcome moves with having a treated neighbour at all: then the conditions are right."""
    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        t = (rng.random(N) < 0.3).astype(float)
        share, _ = reached(LINKS, t, N)
        users = pd.DataFrame({"user": np.arange(N), "treatment": t.astype(int)})
        users["gmv"] = rng.gamma(2.0, 5.0, N) + 5 * t + 4 * (share > 0)
        frame = run(users, probability=0.3, exposure="any", reps=0).to_frame()
        truth = np.array([5, 4, 9] * 2)
        held.append((frame.conf_low[:6] <= truth) & (frame.conf_high[:6] >= truth))
    assert (np.mean(held, axis=0) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 60)).all()


def test_covariates_make_it_narrower() -> None:
    plain, adjusted = run(), run(covariates=["before"])
    assert (numbers(adjusted)[:3, 1] < 0.75 * numbers(plain)[:3, 1]).all()
    assert all(low <= truth <= high for low, truth, high in zip(
        adjusted.to_frame()["conf_low"], [5, 4, 9], adjusted.to_frame()["conf_high"], strict=False))  # fmt: skip


# --- the audit --------------------------------------------------------------------------------------------------------
def test_the_audit_sees_what_is_wrong() -> None:
    rng = np.random.default_rng(4)
    share, degree = reached(LINKS, USERS["treatment"].to_numpy(float), N)
    # Treatment goes to those with many friends.
    popular = shop(LINKS, t=(rng.random(N) < np.clip(0.1 + 0.1 * degree, 0, 0.9)).astype(float))
    assert run(popular, probability=None).audit["degree_balance"].status == "failed"
    # Friends of friends matter too.
    twice, _ = reached(LINKS, share, N)
    assert run(USERS.assign(gmv=USERS["gmv"] + 60 * twice)).audit["second_order"].status == "warned"
    # The first treated friend counts for more than the next.
    assert run(USERS.assign(gmv=USERS["gmv"] + 40 * np.abs(share - 0.5))).audit["linear_share"].status == "failed"
    assert run(probability=0.4).audit["sample_ratio"].status == "failed"
    whale = USERS["gmv"].where(USERS["user"] != 5, 1e6)
    assert run(USERS.assign(gmv=whale)).audit["leverage"].status == "warned"
    late = LINKS.assign(made=np.where(np.arange(len(LINKS)) % 4 == 0, "2026-11-05", "2026-10-01"))
    assert (
        run(links=late, ends=("user", "friend"), edge_time="made", start="2026-11-01").audit.failed[0].name
        == "edges_after_treatment"
    )
    dense = run(links=town(degree=60))
    assert dense.audit["extrapolation"].status == "warned"
    few = gc.spillover(two_stage(groups=12), group="room", saturation="share")
    assert few.audit["few_groups"].status == "failed" and np.isnan(few.std_error)
    clean = run()
    assert {c.name for c in clean.audit if c.status == "failed"} == set() and set(TABLE) >= {
        c.name for c in clean.audit
    }


# --- money, tables ----------------------------------------------------------------------------------------------------
def test_money_is_everyone_against_nobody() -> None:
    result = run()
    money = result.incremental_gmv(gmv_is="paid", cost=100.0, cost_is="other")
    total = result.to_frame().set_index("term").loc["total"]
    assert money.estimate == pytest.approx(N * total["estimate"], rel=1e-12)
    assert money.std_error == pytest.approx(N * total["std_error"], rel=1e-12)
    assert "projection along the line" in money.summary()
    stage = gc.spillover(two_stage(), group="room", saturation="share")
    everyone = stage.to_frame().set_index("term").loc["total, all treated", "estimate"]
    assert stage.incremental_gmv().estimate == pytest.approx(1200 * everyone, rel=1e-12)
    with pytest.raises(gc.InputError, match="this is a spillover"):
        result.incremental_gmv(metric="gmv")


def test_tables_and_reports_take_it(tmp_path: Path) -> None:
    result = run()
    assert "everyone" in gc.table(result, run(exposure="any")).to_html()
    gc.report([result], tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000


# --- the page ---------------------------------------------------------------------------------------------------------
def test_the_table_of_the_page_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_neighbours_who_follow_from_oneself_tell_nothing() -> None:
    n = 200
    users = pd.DataFrame({"user": range(n), "sent": np.arange(n) % 2, "gmv": np.arange(n) % 7})
    chain = pd.DataFrame({"a": range(n - 1), "b": range(1, n)})
    with pytest.raises(gc.DesignError, match=r"follows from a user's own treatment"):
        gc.spillover(users, "gmv", "sent", "user", chain, probability=0.5, reps=99)
