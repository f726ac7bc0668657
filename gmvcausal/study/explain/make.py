"""From a study file to its plan: every key is checked as `run` checks it, and only footers are read."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from gmvcausal.abtest.metrics import covariates, parts
from gmvcausal.abtest.verb import ab_test
from gmvcausal.frames.engines.duck import room
from gmvcausal.frames.facts import frame_facts
from gmvcausal.frames.files import Files, find_files
from gmvcausal.frames.params import check, column_name
from gmvcausal.frames.rules import no_such_column
from gmvcausal.frames.table import open_relation
from gmvcausal.logs.contract import check_mapping, read_roles
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import machine
from gmvcausal.rollout.intake.scan import BUFFERS
from gmvcausal.rollout.verb import did
from gmvcausal.study.ab_test import read_options
from gmvcausal.study.explain import of_logs, of_tables, rates, sources
from gmvcausal.study.explain.of_ab_test import ab_step
from gmvcausal.study.explain.of_ab_test import ask_of as columns_of_test
from gmvcausal.study.explain.of_did import FRAME_BYTES, ask_of, did_step
from gmvcausal.study.explain.of_logs import Opened
from gmvcausal.study.explain.of_rows import memory_step, named_columns, rows_step
from gmvcausal.study.explain.plan import Pass, Plan, Rates, Source, Step
from gmvcausal.study.file import ASKED, MAKERS, TABLES, Study, keywords, read_study
from gmvcausal.study.run import of_answer, open_dataset, open_file, refuse_unknown
from gmvcausal.study.verbs import PLAIN, load
from gmvcausal.targeting.intake.read import columns_needed
from gmvcausal.targeting.intake.trial import Asked
from gmvcausal.targeting.verb import uplift

_STEPS = {"panel": of_tables.panel_step, "stack": of_tables.stack_step, "users": of_tables.users_step}
_TRIAL = 4  # columns of the trial


def explain_study(path: str | os.PathLike[str], *, trial: bool = True) -> Plan:
    """What a study will scan, hold and refuse, from its file and the footers of its data.

    Parameters
    ----------
    path : str or path-like
        The study file.
    trial : bool
        Time a hash over the first rows of the largest file (under a second), so that the estimate of the time is of
        this machine. Without it nothing but footers is read (of a CSV, its first thousand lines).

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        As `run_study` raises it where a key, a file or a column is wrong.

    Examples
    --------
    >>> import tempfile, pathlib, pandas as pd
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> pd.DataFrame([dict(unit=u, period=t, gmv=1.0 * u, first_treated=3 if u < 15 else None)
    ...     for u in range(40) for t in range(1, 5)]).to_parquet(folder / "panel.parquet")
    >>> _ = (folder / "study.toml").write_text('[data]\\nframe = "panel.parquet"\\n[[answer]]\\nname = "roll-out"\\n')
    >>> plan = explain_study(folder / "study.toml")
    >>> plan.passes
    {'panel.parquet': 4}
    """
    study = read_study(path)
    making = _Making(study)
    logs = making.open_data()
    for answer in study.answers:
        with of_answer(answer["name"]):
            making.add(answer, logs)
    return Plan(
        study.title,
        making.sources,
        tuple(making.steps),
        making.holds,
        making.buffers if isinstance(logs, Opened) else BUFFERS,
        machine(),
        making.rates(trial),
    )


class _Making:
    """Sources and steps as they are found, in the order in which `run` comes to them."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.sources: dict[str, Source] = {}
        self.files: dict[str, Files] = {}
        self.steps: list[Step] = []
        self.made: dict[str, tuple[int, int]] = {}  # a table of logs -> its step, and its rows
        asked = check("memory_limit", study.logs.get("memory_limit"))
        self.buffers, self.holds = room(asked)

    # --- what there is ----------------------------------------------------------------------------------------------
    def open(self, shown: Any, where: str, name: str = "data", key: str = "") -> str:
        """Note a file that the study names; it is known by its path, or by `key`."""
        data = open_file(self.study, shown, where, rows=sources.CSV_HEAD)
        key = key or str(shown)
        if key in self.sources:
            return key
        if isinstance(data, str):
            self.files[key] = find_files(data, name)
            self.sources[key] = sources.of_parquet(self.files[key], key, str(shown))
        else:
            self.sources[key] = sources.of_csv(key, str(shown), os.fspath(self.study.folder / shown), data)
        return key

    def open_data(self) -> Opened | str | None:
        """The logs of the study, or the name of its ready frame."""
        data = self.study.data
        if not data:
            return None
        if "frame" in data:
            # A CSV is read at once, and parquet by each answer: so what is wrong is told of the same.
            return self.open(data["frame"], "[data]") if str(data["frame"]).lower().endswith(".csv") else "[data]"
        own: Mapping[str, str] = {}
        if "dataset" in data:
            found = open_dataset(data["dataset"])
            own = found.pop("columns", {})
            self.sources |= {name: sources.of_frame(name, data["dataset"], found[name]) for name in found}
        else:
            for name in TABLES:
                if name in data:
                    self.open(data[name], "[data]", name, name)
        refuse_unknown(Logs, self.study.logs, "[logs]", 0)
        mapping = check_mapping({**own, **self.study.columns})
        roles = read_roles({name: source.columns for name, source in self.sources.items()}, mapping)
        for name, files in self.files.items():
            files.check(list(roles[name].values()))
        logs = Opened(dict(self.sources), roles, self.study.logs, self.holds, self.buffers)
        self.steps.append(of_logs.open_step(logs))
        return logs

    # --- what is done -----------------------------------------------------------------------------------------------
    def add(self, answer: Mapping[str, Any], data: Opened | str | None) -> None:
        """The steps of one answer."""
        name = answer["name"]
        if "combine" in answer:
            self.steps.append(Step(f"{name!r}: combine", notes=("from the answers above",)))
            return
        asked = next((key for key in ASKED if key in answer), None)
        if "frame" in answer or isinstance(data, str):
            shown = answer.get("frame", self.study.data.get("frame"))
            key = self.open(shown, "frame" if "frame" in answer else "[data]")
            for outcome in [None, *answer.get("also", [])]:
                self.steps.append(self._of_file(answer, key, outcome))
            if asked:
                self.steps.append(self._again(f"{name!r}: {asked}", key))
            return
        assert isinstance(data, Opened)  # a study without data has frames of its answers
        kind, rows = self._table(answer, data)
        verb = next((v for v in ("did", "ab_test", "uplift", *PLAIN) if v in answer), "did")
        for outcome in [None, *answer.get("also", [])]:
            title = f"{name!r}: {verb}" + (f" of {outcome}" if outcome else "")
            self.steps.append(memory_step(title, f"the table made by {kind}", rows, FRAME_BYTES))

    def _table(self, answer: Mapping[str, Any], logs: Opened) -> tuple[str, int]:
        """The table of an answer, made once however many answers share it."""
        kind = next(maker for maker in MAKERS if maker in answer)
        options = keywords(answer[kind], kind)
        refuse_unknown(getattr(Logs, kind), options, kind, 1)
        if "where" in answer:
            conditions = keywords(answer["where"], "where")
            named = (logs.roles["exposures"]["tactic"], *conditions)
            why = f"tactics where {', '.join(conditions)} match"
            self.steps.append(Step(f"{answer['name']!r}: choose tactics", (Pass("exposures", why, named, "table"),)))
            options["where"] = dict(conditions)
        key = json.dumps([kind, options], sort_keys=True, default=str)
        title = f"Table {len(self.made) + 1}: {kind}({_said(options)})"
        if key not in self.made:
            if "where" in options:
                options["tactic"] = ()  # which they are is known when the exposures are read
            step, rows = _STEPS[kind](logs, title, options)
            self.made[key] = (len(self.made) + 1, rows)
            self.steps.append(step)
        number, rows = self.made[key]
        return f"{kind} (table {number})", rows

    def _of_file(self, answer: Mapping[str, Any], key: str, outcome: str | None) -> Step:
        """An answer on a file of its own."""
        source, files = self.sources[key], self.files.get(key)
        plain = next((v for v in (*PLAIN, "uplift") if v in answer), None)
        verb = plain or ("ab_test" if "ab_test" in answer else "did")
        options = keywords(answer.get(verb, {}), verb)
        title = f"{answer['name']!r}: {verb}" + (f" of {outcome}" if outcome else "")
        options |= {"outcome": outcome} if outcome else {}
        own: dict[str, Callable[..., Any]] = {"did": did, "ab_test": ab_test, "uplift": uplift}
        call = own[verb] if verb in own else load(verb)
        refuse_unknown(call, options, verb, 1)
        if plain or files is None:
            beside = {"test": answer.get("test"), "users": answer.get("policy", {}).get("users")}
            beside |= {option: options.get(option) for option in (PLAIN[verb].files if verb in PLAIN else ())}
            for option, shown in beside.items():
                if isinstance(shown, str):
                    self.open(shown, option)
            for column, role in () if plain else _named(verb, options).items():
                if column not in source.columns:
                    raise no_such_column(column, source.columns, role, "data")
            if verb == "uplift" and files is not None:
                open_relation(files, "data", columns_of_users(options))
            return rows_step(title, source, named_columns(source, call, options))
        if verb == "ab_test":
            return ab_step(title, source, files, read_options(options))
        facts = frame_facts(files.paths[0]) if len(files.paths) == 1 else {}
        ask = ask_of(options, str(facts.get("outcome", "gmv")))
        return did_step(title, source, files, ask, options.get("memory_limit"))

    def _again(self, title: str, key: str) -> Step:
        source = self.sources[key]
        return rows_step(title, source, source.columns, "reads the rows once more")

    def rates(self, trial: bool) -> Rates:
        """Of this machine, by a trial on the largest file."""
        scanned = {one.source for step in self.steps for one in step.passes} & set(self.files)
        if not trial or not scanned:
            return Rates(rates.RECORDED)
        key = max(scanned, key=lambda k: self.sources[k].rows)
        every = [one for step in self.steps for one in step.passes]
        used = [c for c in of_logs.columns_used(every, key) if self.sources[key].stored.get(c)]
        return rates.measure(self.files[key], used[:_TRIAL], self.sources[key].rows)


def _named(verb: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Columns that a call names, and what for, in the order in which the verb looks for them in a table."""
    if verb == "ab_test":
        ask, _ = columns_of_test(read_options(options))
        found = {ask.arm: "arm"} | {c: "outcome" for m in ask.metrics for c in parts(m)}
        return found | {c: "covariate" for m in ask.metrics for c in covariates(m)}
    needed = ask_of(options, "gmv").needed
    first = {c: role for c, role in needed.items() if role in ("unit", "outcome")}
    return dict(sorted(first.items(), key=lambda pair: pair[1] != "unit")) | needed


def columns_of_users(options: Mapping[str, Any]) -> list[str]:
    """The columns that a call of `uplift` names."""
    given = {k: p.default for k, p in inspect.signature(uplift).parameters.items()} | dict(options)
    asked = {field.name: given[field.name] for field in fields(Asked)}
    for name in ("outcome", "treatment", "cluster"):
        column_name(name, asked.get(name), optional=True)
    return columns_needed(Asked(**asked | {"features": tuple(check("features", given["features"]))}))


def _said(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" if isinstance(v, dt.date) else f"{k}={v!r}" for k, v in options.items())
