"""A panel of which only sums are held gives the numbers, the tables and the audit of the same panel as a matrix."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.rollout.intake import added_up
from gmvcausal.rollout.intake.facts import MatrixFacts, tally
from gmvcausal.rollout.intake.opened import LargerThanMemory, Located, machine_memory, room, size_text
from gmvcausal.rollout.intake.summed import AGGREGATE, NoRows

SUMMED = ("callaway_santanna", "sun_abraham", "imputation", "two_stage", "etwfe", "twfe")
Sums = Callable[..., Any]


def panel(
    units: int = 240, periods: int = 9, starts: tuple[float, ...] = (np.nan, 4, 6), seed: int = 3
) -> pd.DataFrame:
    """Units that buy now and then; treated ones gain 4 from their start on. Rows in no order."""
    rng = np.random.default_rng(seed)
    u, t = np.repeat(np.arange(units), periods), np.tile(np.arange(1, periods + 1), units)
    first = np.repeat(rng.choice(starts, units), periods)
    level = np.repeat(rng.gamma(2.0, 5.0, units), periods)
    gmv = level * (rng.random(len(u)) < 0.6) + rng.normal(0, 1, len(u)) + 4.0 * (t >= first)
    frame = pd.DataFrame({"unit": u, "period": t, "gmv": gmv, "first_treated": first, "place": u % 48})
    return frame.sample(frac=1.0, random_state=seed, ignore_index=True)


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sums:
    """The verb on a file that no matrix can be made of, in small pieces."""

    def run(frame: pd.DataFrame, **options: Any) -> Any:
        halves = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        frame.iloc[::2].to_parquet(halves[0], index=False)
        frame.iloc[1::2].to_parquet(halves[1], index=False)
        with monkeypatch.context() as patch:
            patch.setattr(Located, "fits", False)
            patch.setattr(added_up, "_ROWS", 500)
            result = gc.did([str(half) for half in halves], **options)
        assert result.panel.summed is not None
        return result

    return run


def same(whole: Any, parts: Any) -> None:
    """The same result, but for the note that says how it was made."""
    close: Any = {"rtol": 1e-9, "atol": 1e-10}
    pd.testing.assert_frame_equal(whole.to_frame(), parts.to_frame(), **close)
    pd.testing.assert_frame_equal(whole.event_study(), parts.event_study(), **close)
    pd.testing.assert_frame_equal(whole.trends(), parts.trends(), **close)
    same_audit(whole, parts, {"leverage"})
    said = [note for note in parts.manifest.notes if "only sums by cohort are held" not in note]
    assert tuple(said) == whole.manifest.notes and len(said) + 1 == len(parts.manifest.notes)
    assert (parts.manifest.dropped, parts.manifest.rows) == (whole.manifest.dropped, whole.manifest.rows)
    for field in ("treated", "untreated", "before", "never_low", "never_high"):
        assert getattr(parts.naive, field) == pytest.approx(getattr(whole.naive, field), rel=1e-10, nan_ok=True)


def same_audit(whole: Any, parts: Any, shorter: set[str]) -> None:
    """The same audit; messages may end earlier in the checks `shorter`, which would run again on other outcomes."""
    left, right = whole.audit.to_frame(), parts.audit.to_frame()
    words = left["name"].isin(shorter)
    for one, other in zip(left["message"][words], right["message"][words], strict=True):
        assert one.startswith(other.partition(" (no cap is tried")[0])
    left.loc[words, "message"] = right.loc[words, "message"]
    pd.testing.assert_frame_equal(left, right, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "cluster"),
    [
        *((estimator, None) for estimator in SUMMED),
        *((e, "place") for e in ("callaway_santanna", "imputation", "twfe")),
    ],
)
def test_every_estimator_that_lives_on_moments(sums: Sums, estimator: str, cluster: str | None) -> None:
    frame = panel()
    whole = gc.did(frame, estimator=estimator, cluster=cluster)
    parts = sums(frame, estimator=estimator, cluster=cluster)
    same(whole, parts)
    if estimator == "twfe":
        pd.testing.assert_frame_equal(whole.bacon(), parts.bacon(), rtol=1e-9)
        return
    pd.testing.assert_frame_equal(whole.att_gt(), parts.att_gt(), rtol=1e-9, atol=1e-10)
    pd.testing.assert_frame_equal(whole.by_cohort(), parts.by_cohort(), rtol=1e-9)
    money = [r.incremental_gmv().to_frame() for r in (whole, parts)]
    pd.testing.assert_frame_equal(*money, rtol=1e-9)


PANELS: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "no unit is never treated": (panel(starts=(3, 5, 8)), {}),
    "anticipation": (panel(), {"anticipation": 1, "control": "not_yet_treated"}),
    "a large common level": (panel().assign(gmv=lambda d: d["gmv"] + 1e7), {}),
    "codes, late starts and starts before the data": (panel(starts=(-1, 1, 5, 12)), {"never": -1}),
    "dates, text and gaps": (
        panel().assign(
            unit=lambda d: "u" + d["unit"].astype(str),
            period=lambda d: pd.Timestamp("2026-01-05") + pd.to_timedelta(7 * d["period"], "D"),
            first_treated=lambda d: pd.Timestamp("2026-01-05") + pd.to_timedelta(7 * d["first_treated"], "D"),
            gmv=lambda d: d["gmv"].where(d["gmv"] > 1.0),
        ),
        {"missing": "zero"},
    ),
    "float32 amounts": (panel().astype({"gmv": "float32"}), {}),
}


@pytest.mark.parametrize("which", PANELS)
@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation"])
def test_panels_of_every_kind(sums: Sums, which: str, estimator: str) -> None:
    frame, options = PANELS[which]
    if estimator == "imputation":
        options = {k: v for k, v in options.items() if k != "control"}
    same(gc.did(frame, estimator=estimator, **options), sums(frame, estimator=estimator, **options))


def test_by_hand(sums: Sums) -> None:
    gmv = {0: (1.0, 7.0), 1: (3.0, 7.0), 2: (2.0, 3.0), 3: (4.0, 7.0)}  # changes 6 and 4 treated, 1 and 3 not
    frame = pd.DataFrame(
        [
            {"unit": u, "period": t, "gmv": y[t - 1], "first_treated": 2 if u < 2 else None}
            for u, y in gmv.items()
            for t in (1, 2)
        ]
    )
    result = sums(frame)
    assert result.estimate == pytest.approx(5.0 - 2.0, rel=1e-14)
    assert np.isnan(result.std_error)
    assert "only sums are held" in result.estimates.withheld and "GROUP BY ALL" in result.estimates.withheld


def test_levels_of_assignment_are_found_alike(sums: Sums) -> None:
    frame = panel(units=120)
    first = frame.groupby("unit")["first_treated"].first()
    of_room = {u: f"room {int(0 if np.isnan(f) else f)}-{u % 12}" for u, f in first.items()}
    frame["team"] = frame["unit"].map(of_room)  # treatment does not vary within it, and nobody named it
    whole, parts = gc.did(frame), sums(frame)
    same(whole, parts)
    assert whole.audit["cluster_level"].status == "warned"
    frame = frame.rename(columns={"team": "room"}).assign(city=lambda d: d["period"] % 2)
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'"):
        whole = gc.did(frame)
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'") as told:
        parts = sums(frame)
    assert parts.panel.cluster_name == "room" and told[0].filename == __file__
    same(whole, parts)
    frame = frame.drop(columns="room")  # a unit lies in several cities: one id for two, perhaps
    whole, parts = gc.did(frame), sums(frame)
    same(whole, parts)
    assert whole.audit["id_reuse"].status == "warned"


@pytest.mark.parametrize("trouble", ["one large unit", "two currencies", "late entry", "logs", "nothing sold"])
def test_the_audit_warns_alike(sums: Sums, trouble: str) -> None:
    frame = panel(units=300)
    unit = frame["unit"]
    if trouble == "one large unit":
        frame.loc[(unit == unit[frame["first_treated"] == 4].iloc[0]) & (frame["period"] > 4), "gmv"] += 5_000
    elif trouble == "two currencies":
        frame["gmv"] = frame["gmv"].abs() * np.where(unit % 10 == 0, 1e4, 1.0)
    elif trouble == "late entry":
        frame.loc[(frame["period"] < 4) & frame["first_treated"].notna() & (unit % 2 == 0), "gmv"] = 0.0
    elif trouble == "logs":
        frame["gmv"] = np.log1p(np.round(np.maximum(frame["gmv"], 0.0), 2))
    else:
        frame["gmv"] = 0.0
    whole, parts = gc.did(frame), sums(frame)
    named = {"one large unit": "leverage", "two currencies": "scale_mix", "late entry": "late_entry"}
    name = named.get(trouble, "log_zeros" if trouble == "logs" else "all_zero")
    assert whole.audit[name].status == "warned"
    same_audit(whole, parts, {"leverage", "log_zeros"})


def test_facts_of_the_outcomes() -> None:
    y = np.log1p(np.array([[0.0, 12.34, 5.0], [0.0, 0.0, 99.99]]))
    pieces, matrix = tally(y[:1]) + tally(y[1:]), MatrixFacts(y)
    for facts in (pieces, matrix):
        assert (facts.zeros, facts.nothing, facts.of_cents, facts.may_be_logs) == (0.5, False, True, True)
        assert facts.levels.units == 2
    assert not (tally(y) + tally(np.array([[0.123, 0.0, 1.0]]))).of_cents
    assert not MatrixFacts(np.vstack([y, [[0.123, 0.0, 1.0]]])).of_cents
    assert tally(np.zeros((2, 2))).nothing and MatrixFacts(np.zeros((2, 2))).nothing


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "repeated": (lambda d: pd.concat([d, d.iloc[[5, 6]]]), "2 unit-periods .*at row positions.*repeats are identical"),
    "repeated otherwise": (lambda d: pd.concat([d, d.iloc[[5]].assign(gmv=0.5)]), "1 unit-period .*repeats disagree"),
    "absent": (lambda d: d.drop(index=[0, 7, 9]), "3 unit-periods are absent .*units concerned have rows at positions"),
    "dates vary": (lambda d: d.assign(first_treated=d["first_treated"].where(d.index != 3, 5)), "first_treated"),
    "missing": (lambda d: d.assign(gmv=d["gmv"].where(d.index > 3)), "missing.*column 'gmv'; 4 found; first at row"),
    "infinite": (lambda d: d.assign(gmv=d["gmv"].where(d.index != 3, np.inf)), "infinite.*column 'gmv'; 1 found"),
    "text": (lambda d: d.assign(gmv=d["gmv"].astype(str)), "column 'gmv'"),
    "no unit": (lambda d: d.assign(unit=d["unit"].where(d.index != 3)), "missing.*column 'unit'; 1 found"),
    "between periods": (
        lambda d: d.assign(period=2 * d["period"], first_treated=7),
        "between two periods for 240 units",
    ),
    "a code": (lambda d: d.assign(first_treated=d["first_treated"].fillna(9999)), "looks like a code.*never=9999"),
}


@pytest.mark.parametrize("which", BAD)
def test_bad_rows_are_named(sums: Sums, which: str) -> None:
    spoil, said = BAD[which]
    with pytest.raises(gc.InputError, match=said):
        sums(spoil(panel()))


def test_clusters_must_hold_whole_units(sums: Sums) -> None:
    frame = panel().assign(place=lambda d: d["place"].where(d.index != 3, 99))
    with pytest.raises(gc.InputError, match="cluster varies within units for 1 of them"):
        sums(frame, cluster="place")


def test_missing_ids_read_as_in_memory(sums: Sums) -> None:
    frame = panel().assign(room=lambda d: "r" + d["place"].astype(str))
    for column in ("room", "unit"):
        spoilt = frame.assign(**{column: frame[column].where(frame.index >= 2)})
        with pytest.raises(gc.InputError) as whole:
            gc.did(spoilt, cluster="room")
        with pytest.raises(gc.InputError) as parts:
            sums(spoilt, cluster="room")
        facts = [(e.value.rule, e.value.column, e.value.count, e.value.remedy) for e in (whole, parts)]
        assert facts[0] == facts[1]


@pytest.mark.parametrize("trouble", ["fractions", "text", "no time"])
def test_bad_dates_are_counted_and_placed_by_rows(sums: Sums, trouble: str) -> None:
    frame = panel()
    late = frame["unit"] % 20 == 0
    if trouble == "fractions":
        frame.loc[late, "first_treated"] = 4.5 + frame.loc[late, "unit"] // 20
    elif trouble == "text":
        frame["first_treated"] = np.where(late, "soon", "2026-01-05")
    else:
        frame["period"] = frame["period"].where(~late)
    with pytest.raises(gc.InputError) as whole:
        gc.did(frame)
    with pytest.raises(gc.InputError) as parts:
        sums(frame.iloc[np.arange(len(frame)).reshape(2, -1).T.reshape(-1)])  # which the fixture deals out again
    assert whole.value.count == late.sum()
    assert str(parts.value).partition(", for")[0] == str(whole.value).partition(", for")[0]
    assert (parts.value.count, parts.value.rows) == (whole.value.count, whole.value.rows)


def test_counts_of_codes_are_those_of_the_matrix(sums: Sums) -> None:
    frame = panel().assign(first_treated=lambda d: d["first_treated"].fillna(9999))
    with pytest.raises(gc.InputError) as parts:
        sums(frame)
    assert parts.value.count == frame.loc[frame["first_treated"] == 9999, "unit"].nunique()


@pytest.mark.parametrize(
    "options",
    [
        {"estimator": "poisson"},
        {"estimator": "two_by_two"},
        {"weights": "place"},
        {"covariates": ["place"]},
        {"winsorise": 0.99},
        {"inference": "wild"},
        {"dedupe": "exact"},
    ],
    ids=str,
)
def test_what_takes_units_one_by_one_is_refused_before_the_rows_are_read(sums: Sums, options: dict[str, Any]) -> None:
    with pytest.raises(gc.InputError, match="one by one") as told:
        sums(panel(), **options)
    assert str(told.value).endswith(AGGREGATE[1:] + ".")


@pytest.mark.parametrize(
    "ask",
    [
        lambda r: r.placebo(reps=99),
        lambda r: r.by("place"),
        lambda r: r.leave_one_out(),
        lambda r: r.cluster_influence(),
        lambda r: r.panel.y[0],
        lambda r: np.isfinite(r.panel.y),
        lambda r: np.mean(r.panel.unit),
        lambda r: r.panel.y.mean(),
        lambda r: r.panel.y + 1,
    ],
)
def test_what_is_asked_of_the_units_later_is_refused(sums: Sums, ask: Callable[[Any], Any]) -> None:
    with pytest.raises(gc.InputError, match="only sums are held"):
        ask(sums(panel()))


def test_sensitivity_power_and_figures(sums: Sums, tmp_path: Path) -> None:
    frame = panel()
    whole, parts = gc.did(frame), sums(frame)
    pd.testing.assert_frame_equal(whole.sensitivity().to_frame(), parts.sensitivity().to_frame(), rtol=1e-6)
    pd.testing.assert_frame_equal(whole.power().to_frame(), parts.power().to_frame(), rtol=1e-9)
    assert parts.summary() != "" and parts.plot() is not None
    gc.report(parts, tmp_path / "r.html")
    assert "only sums by cohort are held" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_pickled_result_keeps_its_numbers(sums: Sums) -> None:
    result = sums(panel())
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(again.to_frame(), result.to_frame())
    assert again.audit["leverage"].status == "not_run" and result.audit["leverage"].status == "passed"
    assert again.manifest.data_sha256 == result.manifest.data_sha256


def test_the_aggregation_of_the_message_gives_the_same_points(sums: Sums, tmp_path: Path) -> None:
    frame = panel()
    whole = sums(frame)
    statement = AGGREGATE[AGGREGATE.index("SELECT") : AGGREGATE.index(" makes groups")].replace("1000", "40")
    with duckdb.connect() as connection:
        connection.register("panel", frame)
        grouped = connection.sql(statement).df()
    assert len(grouped) < len(frame)
    result = gc.did(grouped, weights="members")
    assert result.estimate == pytest.approx(whole.estimate, rel=1e-10)
    assert result.std_error == pytest.approx(whole.std_error, rel=0.5)


def test_data_that_changed_are_not_looked_at_again(sums: Sums, tmp_path: Path) -> None:
    result = sums(panel())
    panel(units=100).to_parquet(tmp_path / "a.parquet", index=False)
    found = result.audit["leverage"]
    assert found.status == "not_run" and "when the effect was estimated" in found.message


def test_columns_of_any_name_in_a_relation_that_is_closed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"unit": "y", "period": "c", "gmv": 'u"t', "first_treated": "v", "place": "f"}  # such as statements use
    frame = panel(units=120).rename(columns=names)
    options: Any = {"unit": "y", "time": "c", "outcome": 'u"t', "first_treated": "v", "cluster": "f"}
    whole = gc.did(frame, **options)
    monkeypatch.setattr(Located, "fits", False)
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        parts = gc.did(connection.sql("SELECT * FROM frame"), **options)
        assert parts.audit["leverage"].value == pytest.approx(whole.audit["leverage"].value, rel=1e-9)
        later = gc.did(connection.sql("SELECT * FROM frame"), **options)
    same(whole, parts)
    assert "cannot be looked at again" in later.audit["leverage"].message


def rooms(treated: int) -> pd.DataFrame:
    """36 rooms of different sizes, each of one start."""
    rng = np.random.default_rng(5)
    frame = panel(units=360, starts=(np.nan,))
    frame["room"] = frame["unit"].map(dict(enumerate(np.sort(rng.integers(0, 36, 360)))))
    shock = rng.normal(0, 2, (36, 9))
    frame["gmv"] += shock[frame["room"], frame["period"] - 1] + 5.0 * (
        (frame["room"] < treated) & (frame["period"] > 5)
    )
    return frame.assign(first_treated=np.where(frame["room"] < treated, 6.0, np.nan))


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        ("callaway_santanna", {"assignment": "random"}),
        ("callaway_santanna", {"inference": "conley_taber"}),
        ("twfe", {}),
    ],
    ids=str,
)
def test_few_treated_rooms_keep_their_placebo_runs(sums: Sums, estimator: str, options: dict[str, Any]) -> None:
    frame = rooms(treated=2)
    whole = gc.did(frame, estimator=estimator, cluster="room", **options)
    parts = sums(frame, estimator=estimator, cluster="room", **options)
    assert np.isfinite(whole.conf_int()[0])
    assert parts.conf_int() == pytest.approx(whole.conf_int(), rel=1e-9)
    assert parts.p_value == whole.p_value and parts.estimates.method == whole.estimates.method
    same(whole, parts)


def test_the_limit_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = DuckEngine(memory_limit=512 * 2**20)
    try:
        assert engine.holds is not None
        edge = engine.holds // 16
        assert Located(engine, "x", {}, edge).fits and not Located(engine, "x", {}, edge + 1).fits
        engine.holds = None
        assert room(engine) > 2**28  # half of the machine's memory
        monkeypatch.setattr(DuckEngine, "positions", False)
        assert room(engine) == 2**29  # of rows that do not lie on this machine
    finally:
        engine.close()
    with pytest.raises(gc.InputError, match="memory_limit"):
        gc.did(panel(), memory_limit="a lot")
    assert [size_text(s) for s in (999, 1e4, 5e15)] == ["999 bytes", "10 KB", "5,000 TB"]


def test_the_memory_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [tmp_path / "max", tmp_path / "limit", tmp_path / "none"]
    limits[0].write_text("max\n")
    limits[1].write_text("4096\n")
    monkeypatch.setattr("gmvcausal.rollout.intake.opened._CONTAINER", tuple(map(str, limits[::2])))
    whole = machine_memory()
    assert whole > 2**28
    monkeypatch.setattr("gmvcausal.rollout.intake.opened._CONTAINER", tuple(map(str, limits)))
    assert machine_memory() == 4096
    monkeypatch.delattr("os.sysconf")  # as on Windows
    assert machine_memory() == 4096


@pytest.mark.parametrize(
    ("memory", "cluster", "said"),
    [
        (15_000, None, "sums by 3 cohorts over 9 periods take 15.6 KB.*weeks for days"),
        (20_000, "pair", "sums by 120 clusters take 34.6 KB.*Aggregate by 'pair' first"),
    ],
)
def test_sums_that_are_too_large_themselves(
    sums: Sums, monkeypatch: pytest.MonkeyPatch, memory: int, cluster: str | None, said: str
) -> None:
    monkeypatch.setattr("gmvcausal.rollout.intake.opened.room", lambda _: memory)
    with pytest.raises(LargerThanMemory, match=said):
        sums(panel().assign(pair=lambda d: d["unit"] // 2), cluster=cluster)


def test_few_rows_of_many_cells_are_not_read_again_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = panel()
    frame = frame[frame["period"] % 9 == frame["unit"] % 9]  # one row a unit
    frame.to_parquet(tmp_path / "thin.parquet", index=False)
    monkeypatch.setattr("gmvcausal.rollout.intake.opened.room", lambda _: 16 * len(frame))
    monkeypatch.setattr("gmvcausal.rollout.intake.read.from_table", None)
    with pytest.raises(LargerThanMemory, match="240 units x 9 periods, absent ones among them"):
        gc.did(tmp_path / "thin.parquet")


def test_a_stand_in_has_nothing_but_a_shape() -> None:
    none = NoRows(3, 2)
    assert none.shape == (3, 2) and not hasattr(none, "__array_interface__")
    with pytest.raises(gc.InputError, match="only sums are held"):
        np.asarray(none)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pickle.loads(pickle.dumps(none)).shape == (3, 2)


def test_an_engine_is_a_session() -> None:
    with pytest.raises(gc.InputError, match="must be a Spark session, but is 'spark'"):
        gc.did(panel(), engine="spark")
