"""Canaries: users bear ids that nothing else looks like, and no output of any verb may hold one.

What belongs to a single user by request (rows handed back with their ids: the tables of `Logs`, a matched frame, an
assignment) is data and no output; rooms, hosts, cities and cohorts are labels that the user chose to show.
"""

# ruff: noqa: E501  # verbs and errors are tables: one case a line

from __future__ import annotations

import inspect
import logging
import re
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import gmvcausal as gc
from gmvcausal.present import figures, style
from gmvcausal.results import Result
from gmvcausal.results.shown import Shown

# As text, as a number, as a number with its thousands apart, as a float, and in the exponents of either.
CANARY = re.compile(r"CANARY|(?<![\d.])7700\d{8}(?!\d)|770,0\d\d,\d{3},\d{3}|7\.700\d{6,}e\+?11", re.IGNORECASE)
N = 240
# Numbers are printed in more ways than texts are, but take the same roads: they are sent where ids are read.
NUMBERS = ("ab_test by cluster of users", "did", "synthetic control", "uplift policy", "adjust", "match", "spillover",
           "logs to ab_test", "logs to did", "describe")  # fmt: skip


def ids(kind: str, n: int = N) -> Any:
    k = np.arange(n)
    return np.array([f"CANARY-8f3a-{i:04d}" for i in k], dtype=object) if kind == "text" else 770_012_340_000 + 7 * k


@cache
def people(kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    arm = np.arange(N) % 2
    age, spend = rng.normal(35, 8, N), rng.gamma(2, 20, N)
    gmv = np.maximum(0, 20 + 0.4 * spend + 5 * arm + rng.normal(0, 8, N))
    return pd.DataFrame({
        "user": ids(kind), "arm": arm, "gmv": gmv, "gmv_pre": spend, "age": age, "orders": 1 + np.arange(N) % 3,
        "tier": np.array(["new", "gold", "black"])[np.minimum(np.arange(N) % 5, 2)], "room": np.arange(N) // 10,
        "chosen": (spend + rng.normal(0, 20, N) > 40).astype(int), "watch": 0.3 * arm + rng.normal(size=N), "p": 0.5,
        "score": rng.uniform(0, 600, N), "buyers": 1,
    })  # fmt: skip


@cache
def panel(kind: str, units: int = 60, periods: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    u, t = np.divmod(np.arange(units * periods), periods)
    start = np.where(u % 3 == 0, 4, np.where(u % 3 == 1, 6, np.nan))
    gmv = 5 + 0.1 * u + 0.3 * t + 2 * (t >= np.nan_to_num(start, nan=99)) + rng.normal(size=len(u))
    return pd.DataFrame({
        "user": ids(kind, units)[u], "period": t, "gmv": gmv, "first_treated": start, "tier": u % 2, "on": (t >= start) * 1,
    })  # fmt: skip


@cache
def logs(kind: str) -> gc.Logs:
    rng = np.random.default_rng(10)
    who = ids(kind, 80)
    orders = pd.DataFrame({
        "user": who[rng.integers(0, 80, 900)], "gmv": rng.lognormal(3, 0.5, 900), "order": np.arange(900),
        "time": pd.Timestamp("2025-01-06") + pd.to_timedelta(rng.integers(0, 70 * 86400, 900), unit="s"),
    })  # fmt: skip
    sent = pd.DataFrame({"user": who[:40], "tactic": "coupon", "start": pd.Timestamp("2025-02-17 10:00")})
    roles = {"user": "user", "time": "time", "gmv": "gmv", "order": "order", "tactic": "tactic", "start": "start"}
    users = pd.DataFrame({"user": who, "tier": np.arange(80) % 2})
    return gc.Logs(orders=orders, exposures=sent, users=users, columns=roles)


def one_treated(kind: str) -> pd.DataFrame:
    frame = panel(kind, 20)
    return frame.assign(first_treated=np.where(frame["user"] == frame["user"].iloc[0], 5, np.nan))


def links(kind: str) -> pd.DataFrame:
    who = ids(kind)
    return pd.DataFrame({"user": who, "friend": np.roll(who, 1)})


def uplift(kind: str) -> Any:
    return gc.uplift(people(kind), treatment="arm", control=0, features=["age", "gmv_pre", "tier"], learner="s", unit="user",
                     folds=2, cost=1.0)  # fmt: skip


def fresh(kind: str) -> pd.DataFrame:
    return people(kind).assign(age=people(kind)["age"] + 1, gmv=people(kind)["gmv"] + 0.5)


def did(kind: str, **options: Any) -> Any:
    return gc.did(panel(kind), unit="user", time="period", **options)


VERBS: dict[str, Callable[[str], Any]] = {
    "ab_test": lambda k: gc.ab_test(people(k), metrics=[gc.Mean("gmv", pre="gmv_pre"), gc.Proportion("chosen")]),
    "ab_test by cluster of users": lambda k: gc.ab_test(people(k), metrics="gmv", cluster="user"),
    "ab_test by": lambda k: gc.ab_test(people(k), metrics="gmv").by("tier"),
    "did": lambda k: did(k),
    "did by": lambda k: did(k).by("tier"),
    "did twfe": lambda k: did(k, estimator="twfe"),
    "did imputation": lambda k: did(k, estimator="imputation"),
    "did placebo": lambda k: did(k).placebo("unit", reps=99),
    "did leave one out": lambda k: did(k).robustness(),
    "did one treated": lambda k: gc.did(one_treated(k), unit="user", time="period", estimator="twfe"),
    "synthetic control": lambda k: gc.did(one_treated(k), unit="user", time="period", estimator="synthetic_control"),
    "synthetic did": lambda k: gc.did(one_treated(k), unit="user", time="period", estimator="synthetic_did"),
    "money": lambda k: did(k).incremental_gmv(cost=10, cost_is="other", gmv_is="paid"),
    "uplift": uplift,
    "uplift by": lambda k: uplift(k).by("tier"),
    "uplift evaluate": lambda k: uplift(k).evaluate(fresh(k)),
    "uplift policy": lambda k: uplift(k).policy(fresh(k), budget=20),
    "adjust": lambda k: gc.adjust(people(k), "gmv", "chosen", ["age", "gmv_pre"], folds=2, cluster="user"),
    "match": lambda k: gc.match(people(k), "chosen", ["age", "gmv_pre"], unit="user"),
    "iv": lambda k: gc.iv(people(k), "gmv", "chosen", "arm", unit="user"),
    "threshold": lambda k: gc.threshold(people(k), "gmv", "score", 300.0, cluster="user"),
    "mediate": lambda k: gc.mediate(people(k), "gmv", "arm", ["watch"], reps=99, unit="user"),
    "decompose": lambda k: gc.decompose(people(k), ["buyers", "orders", "gmv"], by="arm", unit="user"),
    "spillover": lambda k: gc.spillover(people(k), "gmv", "chosen", "user", links(k), probability="p", reps=0),
    "efficiency": lambda k: gc.efficiency(people(k)[:30].assign(shop=np.arange(30)), "shop", ["gmv_pre"], ["gmv"], reps=99,
                                          progress=False),
    "surrogate": lambda k: gc.surrogate(people(k).drop(columns="gmv"), people(k).assign(user=range(N)), "gmv", "arm",
                                        ["watch", "orders"], unit="user"),
    "combine": lambda k: gc.combine([did(k), did(k, estimator="imputation")], how="triangulate"),
    "describe": lambda k: gc.describe(people(k), by="tier", control="new"),
    "scan": lambda k: gc.privacy.scan(people(k)),
    "retention": lambda k: logs(k).retention(horizon=6),
    "logs to ab_test": lambda k: gc.ab_test(logs(k).users(tactic="coupon", pre="14D", post="7D", anchor="2025-02-17"),
                                            arm="arm", control="none", metrics="gmv"),
    "logs to did": lambda k: gc.did(logs(k).panel(unit="user", freq="W", tactic="coupon")),
}  # fmt: skip


# --- every output of a result -----------------------------------------------------------------------------------------
# Rows of users handed back on request, or what a test of its own looks at; writers are called below, with a path.
DATA = {
    "frame", "matched", "to_pandas", "predict", "predict_interval", "evaluate", "save", "score", "apply",
    "to_html", "to_latex", "to_docx", "to_csv", "plot", "placebo", "robustness", "refute", "known_origin", "by",
    "report_parts", "sensitivity", "incremental_gmv", "made", "matched_frame", "panel", "origin",
}  # fmt: skip


def told(thing: Any) -> str:
    """What somebody sees of it."""
    if isinstance(thing, pd.DataFrame | pd.Series):
        return str(thing.to_csv()) + str(thing.attrs)
    if isinstance(thing, Figure):
        return "\n".join(t.get_text() for t in thing.findobj(Text))
    return thing if isinstance(thing, str) else ""


def outputs(result: Any, folder: Path) -> Iterator[tuple[str, str]]:
    for name in dir(result):
        if name.startswith("_") or name in DATA:
            continue
        try:
            found = getattr(result, name)
            if callable(found) and not inspect.isclass(found):
                needs = [p for p in inspect.signature(found).parameters.values() if p.default is p.empty]
                if any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in needs):
                    continue
                found = found()
        except (gc.GmvCausalError, KeyError) as error:
            yield name, str(error)
            continue
        listed = list(found) if isinstance(found, list | tuple) else [found]
        for one in listed:
            yield name, told(one)
            if isinstance(one, Shown) and one is not result:
                yield name, one.summary() + told(one.to_frame())
    yield "repr", repr(result) + str(result)
    yield "notebook", getattr(result, "_repr_html_", str)()
    for name in ("to_html", "to_latex", "to_csv", "to_docx"):
        write = getattr(result, name, None)
        if write is None:
            continue
        write(folder / name)
        yield name, contents(folder / name)
    if isinstance(result, Result):
        yield "manifest", result.manifest.to_json() + repr(result.manifest)
        yield "audit", told(result.audit.to_frame()) + repr(result.audit)
        for kind in figures.kinds(result):
            yield f"plot {kind}", told(result.plot(kind)) + figures.describe(result, kind)
    elif hasattr(result, "plot"):
        yield "plot", told(result.plot())
    if hasattr(result, "report_parts"):
        for part in result.report_parts():
            yield "report_parts", told(part) or str(part)


def contents(path: Path) -> str:
    """The text of a file, of a Word file with all its parts, tags taken out."""
    if not zipfile.is_zipfile(path):
        return path.read_text(encoding="utf-8-sig")
    with zipfile.ZipFile(path) as parts:
        return "\n".join(re.sub(r"<[^>]+>", "", parts.read(n).decode("utf-8", "replace")) for n in parts.namelist())


@pytest.mark.parametrize(("verb", "kind"), [*((v, "text") for v in VERBS), *((v, "number") for v in NUMBERS)])
def test_no_output_holds_an_id(
    verb: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = VERBS[verb](kind)
        found = {name for name, text in outputs(result, tmp_path) if CANARY.search(text)}
    assert not found
    assert not CANARY.search("\n".join(str(w.message) for w in said) + caplog.text + "".join(capfd.readouterr()))


def test_a_report_a_table_and_a_picture_hold_none(tmp_path: Path) -> None:
    results = {"did": did("text"), "test": VERBS["ab_test"]("number"), "alone": VERBS["synthetic control"]("text")}
    for name, language in (("page.html", "en"), ("chapter.docx", "zh")):
        gc.report(results, tmp_path / name, language=language)
        assert not CANARY.search(contents(tmp_path / name))
    assert not CANARY.search(str(gc.table(*results.values())))
    for result in results.values():
        assert not CANARY.search(style.svg(result.plot()))


# --- errors -----------------------------------------------------------------------------------------------------------
def put(frame: pd.DataFrame, column: str, row: int, value: Any) -> pd.DataFrame:
    frame = frame.copy()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.head(3).assign(gmv=1.0)])


def orders(kind: str) -> pd.DataFrame:
    return pd.DataFrame({"user": ids(kind, 6), "time": pd.Timestamp("2025-01-06"), "gmv": 5.0})


def log(**tables: Any) -> Any:
    return gc.Logs(**tables, columns={c: c for c in ("user", "time", "gmv", "tactic", "start")})


def sent(kind: str, **columns: Any) -> pd.DataFrame:
    base = {"user": ids(kind, 6), "tactic": "a", "start": pd.Timestamp("2025-01-06")}
    return pd.DataFrame(base | columns)


KEY = "3b0c9e6f1a7d4482b5e1c0f7d9a2e864"

ERRORS: dict[str, Callable[[str], Any]] = {
    "unit-periods twice": lambda k: gc.did(twice(panel(k)), unit="user", time="period"),
    "dates that vary within a user": lambda k: gc.did(put(panel(k), "first_treated", 3, 7.0), unit="user", time="period"),
    "off the grid": lambda k: gc.did(put(panel(k), "first_treated", 0, 2.5), unit="user", time="period"),
    "gmv missing": lambda k: gc.did(put(panel(k), "gmv", 3, np.nan), unit="user", time="period"),
    "gmv as text": lambda k: gc.did(put(panel(k), "gmv", 3, "12 yuan"), unit="user", time="period"),
    "the id as the outcome": lambda k: gc.did(panel(k), outcome="user", unit="tier", time="period"),
    "the id as the time": lambda k: gc.did(panel(k), unit="period", time="user"),
    "the id as the date": lambda k: gc.did(panel(k), unit="user", time="period", first_treated="user"),
    "the id as a covariate": lambda k: gc.did(panel(k), unit="user", time="period", covariates=["user"]),
    "the id as a cluster of the period": lambda k: gc.did(panel(k), unit="tier", time="period", cluster="user"),
    "switching off": lambda k: gc.did(put(panel(k), "on", 7, 0), unit="user", time="period", treated="on"),
    "a missing id": lambda k: gc.did(put(panel(k), "user", 5, None), unit="user", time="period"),
    "kinds mixed": lambda k: gc.did(put(panel(k), "user", 5, ("CANARY-8f3a", 1)), unit="user", time="period"),
    "the id as the arm": lambda k: gc.ab_test(people(k), arm="user", metrics="gmv"),
    "the id as the arm, with a control": lambda k: gc.ab_test(people(k), arm="user", control=ids(k)[0], metrics="gmv"),
    "the id as the metric": lambda k: gc.ab_test(people("text"), metrics="user"),  # of numbers it shows a mean
    "the id as the stratum": lambda k: gc.ab_test(people(k), metrics="gmv", strata="user"),
    "the id as the segment": lambda k: gc.ab_test(people(k), metrics="gmv").by("user"),
    "users in two arms": lambda k: gc.ab_test(pd.concat([people(k), people(k).assign(arm=1 - people(k)["arm"])]), metrics="gmv"),
    "the id as the treatment": lambda k: gc.uplift(people(k), treatment="user", features=["age"]),
    "the id as a feature": lambda k: gc.uplift(people(k), treatment="arm", control=0, features=["user"], folds=2),
    "the id as what is adjusted for": lambda k: gc.adjust(people(k), "gmv", "arm", ["user"]),
    "the id as the mediator": lambda k: gc.mediate(people(k), "gmv", "arm", ["user"], reps=99),
    "the id as the score": lambda k: gc.threshold(people(k), "gmv", "user", 5.0),
    "the id as the basket": lambda k: gc.bunching(people(k), "user", 300.0),
    "the id as the instrument": lambda k: gc.iv(people(k), "gmv", "chosen", "user"),
    "the id as a factor": lambda k: gc.decompose(people(k), ["user", "gmv"], by="arm"),
    "the id as the groups": lambda k: gc.decompose(people(k), ["orders", "gmv"], by="user"),
    "the id matched on": lambda k: gc.match(people(k), "user", ["age"]),
    "users twice in a network": lambda k: gc.spillover(twice(people(k)), "gmv", "arm", "user", links(k), probability="p"),
    "links to strangers": lambda k: gc.spillover(people(k)[5:], "gmv", "arm", "user", links(k), probability="p"),
    "a link to oneself": lambda k: gc.spillover(people(k), "gmv", "arm", "user", links(k).assign(friend=ids(k)), probability="p"),
    "the id described": lambda k: gc.describe(people(k), ["user"]),
    "the id as groups described": lambda k: gc.describe(people(k), ["gmv"], by="user"),
    "twice assigned": lambda k: gc.assign(pd.concat([people(k)] * 2), unit="user", arms=["a", "b"]),
    "the id as the stratum of a lot": lambda k: gc.assign(people(k), unit="room", arms=["a", "b"], strata="user"),
    "orders without a time": lambda k: log(orders=put(orders(k), "time", 2, None)),
    "times that are none": lambda k: log(orders=put(orders(k), "time", 2, "CANARY-8f3a-0002")),
    "gmv that is the id": lambda k: log(orders=orders(k).assign(gmv=ids("text", 6))),
    "users twice": lambda k: log(orders=orders(k), users=pd.DataFrame({"user": ids(k, 6)[[0, 0, 1]], "gmv": 1})),
    "two arms at once": lambda k: log(orders=orders(k), exposures=pd.concat([sent(k), sent(k, tactic="b")])).users(
        tactic=["a", "b"], pre="1D", post="1D", anchor="2025-01-06"),
    "the id as the tactic": lambda k: log(orders=orders(k), exposures=pd.concat([sent(k)] * 5).assign(tactic=ids(k, 30))).panel(
        unit="user", freq="D", tactic="none of them"),
    "a pseudonym of a fraction": lambda k: gc.privacy.pseudonyms(people(k), "gmv", key=KEY),
    "ids of two kinds": lambda k: gc.privacy.pseudonyms(put(people(k), "user", 3, 7.5), "user", key=KEY),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "number"])
def test_no_error_holds_an_id(kind: str) -> None:
    silent, loud = [], []
    for name, call in ERRORS.items():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                result = call(kind)
            except gc.GmvCausalError as error:
                shown = "".join(traceback.format_exception_only(error)) + repr(vars(error))
                for link in (error.__cause__, error.__context__ if not error.__suppress_context__ else None):
                    shown += str(link)
            else:
                silent.append(name)
                shown = result.summary() if hasattr(result, "summary") else ""
        if CANARY.search(shown + "".join(str(w.message) for w in said)):
            loud.append((name, CANARY.split(shown)[0][-80:]))
    assert not loud
    assert len(silent) < len(ERRORS) / 3, silent
