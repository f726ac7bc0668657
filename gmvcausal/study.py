"""A study written as a TOML file: logs, tactics, designs, money; run from raw logs to a report."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import GmvCausalError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.present.words import Headline
    from gmvcausal.results import Result

_TABLES = ("orders", "exposures", "users", "rooms", "coverage")
_DATASETS = ("complete_journey",)
_KEYS: dict[str, tuple[str, ...]] = {
    "the file": ("study", "data", "columns", "logs", "answer"),
    "[study]": ("title", "question", "currency"),
    "[data]": ("dataset", "frame", *_TABLES),
    "[logs]": ("gmv", "gmv_is", "refund_window", "timezone", "dedupe"),
    "[[answer]]": ("name", "benchmark", "panel", "stack", "where", "did", "also", "money"),
}


@dataclass(frozen=True)
class Study:
    """A study file, read and checked.

    Attributes
    ----------
    title, question, currency : str
    data, columns, logs : dict
        The file's sections.
    answers : tuple of dict
    folder : Path
        Where the file lies; paths in it are relative to it.
    """

    title: str
    question: str
    currency: str
    data: dict[str, Any]
    columns: dict[str, str]
    logs: dict[str, Any]
    answers: tuple[dict[str, Any], ...]
    folder: Path


@dataclass(frozen=True)
class StudyResult:
    """The answers of a study.

    Attributes
    ----------
    study : Study
    answers : dict of str to Result
        In the order of the file.
    also : dict of str to dict of str to Result
        The same designs on further outcomes: answer -> outcome -> result.
    money : dict of str to Result
        Incremental GMV and profit, where the file asks for them.
    """

    study: Study
    answers: dict[str, Result]
    also: dict[str, dict[str, Result]] = field(default_factory=dict)
    money: dict[str, Result] = field(default_factory=dict)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the answers that are shown but never believed."""
        return tuple(a["name"] for a in self.study.answers if a.get("benchmark"))

    @cached_property
    def headline(self) -> Headline:
        """What to believe, in plain words: an effect, none found, or a refusal, and why not the others."""
        from gmvcausal.present import words

        return words.lead(self.answers, benchmarks=self.benchmarks, currency=self.study.currency)

    @property
    def refused(self) -> bool:
        """Whether no design passed its audit with an interval."""
        return self.headline.name is None

    def summary(self) -> str:
        """The headline and every answer with its estimate, as text."""
        from gmvcausal.present import text

        return text.study(self.study.title, self.study.question, self.headline, self.answers, self.study.currency)

    def to_frame(self) -> pd.DataFrame:
        """All estimates of all answers under a column ``answer``; the rest as in every `to_frame()`."""
        import pandas as pd

        parts = {**self.answers}
        parts |= {f"{name}, {outcome}": r for name, more in self.also.items() for outcome, r in more.items()}
        parts |= {f"{name}, money": r for name, r in self.money.items()}
        frames = [r.to_frame().assign(answer=name) for name, r in parts.items()]
        frame = pd.concat(frames, ignore_index=True)
        return frame[["answer", *(c for c in frame.columns if c != "answer")]]

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.html, answers.png, results.csv, audit.csv and manifest.json into `folder`.

        Returns
        -------
        Path
            Of the report.
        """
        import pandas as pd

        from gmvcausal.present import figures, tables
        from gmvcausal.present.report import report

        out = Path(folder)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the folder {str(out)!r} cannot be made: {error.strerror}", remedy="name another with --out") from None
        page = out / "report.html"
        report(
            self.answers, page, title=self.study.title, question=self.study.question, benchmarks=self.benchmarks,
            currency=self.study.currency, extra=self._evidence(),
        )  # fmt: skip
        figures.compare(self.answers, benchmarks=self.benchmarks, currency=self.study.currency).savefig(
            out / "answers.png", dpi=150, bbox_inches="tight"
        )
        tables.to_csv(self.to_frame(), out / "results.csv")
        audits = [r.audit.to_frame().assign(answer=name) for name, r in self.answers.items()]
        tables.to_csv(pd.concat(audits, ignore_index=True), out / "audit.csv")
        manifests = {name: r.manifest.to_dict() for name, r in self.answers.items()}
        (out / "manifest.json").write_text(json.dumps(manifests, indent=2, ensure_ascii=False), encoding="utf-8")
        return page

    def _evidence(self) -> list[tuple[str, Any]]:
        """What a referee asks for beside the headline: other outcomes, weights over campaigns, money."""
        found: list[tuple[str, Any]] = []
        for name, more in self.also.items():
            sentences = [
                f"On {outcome} the same design gives {r.estimate:+.4g} (standard error {r.std_error:.4g}) {r.unit}."
                for outcome, r in more.items()
            ]
            found.append((f"{name}: other outcomes", sentences))
        for name, result in self.answers.items():
            if result.manifest.options.get("estimator") == "stacked":
                found.append((f"{name}: weight of each campaign", result.by_stack()))  # type: ignore[attr-defined]  # stacked results have it
        for name, result in self.money.items():
            found.append((f"{name}: money", result.to_frame().drop(columns=["statistic", "n"])))
        return found


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file.

    Raises
    ------
    InputError
        A file that is missing or is not TOML, an unknown key (with the nearest known one), or no answer.
    """
    file = Path(path)
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the study file {str(file)!r} cannot be read: {error.strerror}", remedy="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the study file {file.name!r} is not TOML: {error}", remedy="mend that line") from None
    _known("the file", raw)
    for section in ("study", "data", "logs"):
        _known(f"[{section}]", _section(raw, section))
    data = _section(raw, "data")
    if not data:
        raise InputError("the study file has no [data]", remedy="name a dataset, files, or a frame under [data]")
    _one_source(raw, data)
    answers = raw.get("answer", [])
    if not isinstance(answers, list) or not answers:
        raise InputError("the study file has no [[answer]]", remedy="describe at least one design under [[answer]]")
    names = []
    for answer in answers:
        _known("[[answer]]", answer)
        if not isinstance(answer.get("name"), str):
            raise InputError("an [[answer]] has no name", remedy="give every answer a name")
        if ("panel" in answer) + ("stack" in answer) + ("frame" in data) != 1:
            raise InputError(
                f"the answer {answer['name']!r} must be made from exactly one table",
                remedy="give it panel = {...} or stack = {...}; neither where [data] names a ready frame",
            )
        if "frame" in data and "where" in answer:
            raise _not_for_frames("where is")
        names.append(answer["name"])
    if len(set(names)) < len(names):
        raise InputError("two answers have the same name", remedy="give each its own")
    about = _section(raw, "study")
    return Study(
        str(about.get("title", file.stem)), str(about.get("question", "")), str(about.get("currency", "")),
        data, _section(raw, "columns"), _section(raw, "logs"), tuple(answers), file.parent,
    )  # fmt: skip


def _one_source(raw: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Refuse sections that would be ignored: a dataset beside files, or rules on logs beside a ready frame."""
    kinds = [kind for kind in ("dataset", "frame") if kind in data]
    files = [name for name in _TABLES if name in data]
    if len(kinds) + bool(files) != 1:
        raise InputError(
            f"[data] must name exactly one source, but names {', '.join([*kinds, *files]) or 'none'}",
            remedy="give a dataset, or a ready frame, or orders with exposures and the like",
        )
    if "frame" in data and (raw.get("logs") or raw.get("columns")):
        raise _not_for_frames("[logs] and [columns] are")


def _not_for_frames(what: str) -> InputError:
    return InputError(
        f"{what} about raw logs, but [data] names a ready frame",
        remedy="remove them, or name orders and exposures instead of the frame",
    )


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"{name} in the study file must be a section", remedy=f"write it as [{name}]")
    return found


def _known(where: str, found: Any) -> None:
    if not isinstance(found, dict):
        raise InputError(f"{where} in the study file must hold keys and values")
    for key in found:
        if key not in _KEYS[where]:
            near = difflib.get_close_matches(key, _KEYS[where], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(_KEYS[where])}"
            raise InputError(f"{where} of the study file has the unknown key {key!r}", remedy=hint.rstrip("?") + ("" if not near else " or remove it"))


def run_study(path: str | os.PathLike[str], *, progress: bool = True) -> StudyResult:
    """Run a study file: read the logs once, build each answer's table, estimate, audit.

    Parameters
    ----------
    path : str or path-like
        A TOML file; see the page on study files.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    StudyResult
        `answers`, `headline`, `summary()`, `to_frame()`, `write(folder)`.

    Raises
    ------
    InputError, DesignError
        As the verbs raise them, with the name of the answer concerned in front.

    Examples
    --------
    >>> import tempfile, pathlib, pandas as pd, gmvcausal as gc
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> pd.DataFrame([
    ...     dict(unit=u, period=t, gmv=10 + u % 7 + t + (3 if u < 15 and t >= 3 else 0), first_treated=3 if u < 15 else None)
    ...     for u in range(40) for t in range(1, 5)]).to_parquet(folder / "panel.parquet")
    >>> _ = (folder / "study.toml").write_text('[data]\\nframe = "panel.parquet"\\n[[answer]]\\nname = "roll-out"\\n')
    >>> study = gc.run_study(folder / "study.toml", progress=False)
    >>> round(study.answers["roll-out"].estimate, 6)
    3.0
    """
    from tqdm import tqdm

    study = read_study(path)
    source = _open(study)
    answers: dict[str, Result] = {}
    also: dict[str, dict[str, Result]] = {}
    money: dict[str, Result] = {}
    made: dict[str, Any] = {}
    for answer in tqdm(study.answers, desc="answers", unit="answer", disable=not progress, leave=False):
        name = answer["name"]
        try:
            result, frame = _answer(source, answer, made)
            answers[name] = result
            extra = {outcome: _estimate(frame, {**answer.get("did", {}), "outcome": outcome}) for outcome in answer.get("also", [])}
            if extra:
                also[name] = extra
            if "money" in answer:
                money[name] = result.incremental_gmv(**_keywords(answer["money"], "money"))
        except GmvCausalError as error:
            raise type(error)(
                f"answer {name!r}: {error.rule}", column=error.column, count=error.count, rows=error.rows, remedy=error.remedy
            ) from None
        except TypeError as error:
            # A misspelt option is the user's, and Python names it; it must not surface as a traceback.
            raise InputError(f"answer {name!r} has an option that the verb does not know: {error}") from None
    return StudyResult(study, answers, also, money)


def _open(study: Study) -> Any:
    """The logs of the study, or its ready frame."""
    from gmvcausal import datasets
    from gmvcausal.logs.logs import Logs

    data = study.data
    if "frame" in data:
        return _file(study, data["frame"])
    if "dataset" in data:
        if data["dataset"] not in _DATASETS:
            raise InputError(f"there is no dataset {data['dataset']!r}", remedy=f"name one of {', '.join(_DATASETS)}, or files")
        inputs = getattr(datasets, data["dataset"])()
    else:
        inputs = {name: _file(study, data[name]) for name in _TABLES if name in data}
    columns = {**inputs.pop("columns", {}), **study.columns}
    logs = Logs(**inputs, columns=columns, **study.logs)
    return logs, inputs.get("exposures"), columns


def _file(study: Study, name: Any) -> Any:
    if not isinstance(name, str):
        raise InputError(f"[data] must name files as text, but holds {name!r}")
    path = study.folder / name
    if path.suffix.lower() != ".csv":
        return os.fspath(path)
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"the file {name!r} cannot be read: {error}", remedy="check the path and that it is CSV") from None


def _answer(source: Any, answer: dict[str, Any], made: dict[str, Any]) -> tuple[Any, Any]:
    """The result of one answer and the table it stands on; equal tables are built once."""
    if not isinstance(source, tuple):
        return _estimate(source, answer.get("did", {})), source
    logs, exposures, columns = source
    kind = "panel" if "panel" in answer else "stack"
    options = _keywords(answer[kind], kind)
    if "where" in answer:
        options["tactic"] = _tactics(exposures, columns, answer["where"])
    if "window" in options:
        options["window"] = tuple(options["window"])
    key = json.dumps([kind, options], sort_keys=True, default=str)
    if key not in made:
        made[key] = getattr(logs, kind)(**options)
    return _estimate(made[key], answer.get("did", {})), made[key]


def _estimate(frame: Any, options: Any) -> Any:
    from gmvcausal.rollout.verb import did

    return did(frame, **_keywords(options, "did"))


def _keywords(options: Any, name: str) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise InputError(f"{name} must be a table of options, for example {name} = {{ freq = 'W' }}")
    return dict(options)


def _tactics(exposures: Any, columns: Mapping[str, str], where: Any) -> list[Any]:
    """Labels of the tactics whose exposures match every condition."""
    from gmvcausal.frames.columns import id_values
    from gmvcausal.frames.table import open_table

    if exposures is None:
        raise InputError("where = {...} selects tactics by a column of the exposures, but there are none")
    conditions = _keywords(where, "where")
    label = columns.get("tactic", "tactic")
    table = open_table(exposures, "exposures", [label, *conditions])
    labels = id_values(table, label, "tactic")
    keep = None
    for column, wanted in conditions.items():
        values = id_values(table, column, "where")
        chosen = {str(w) for w in (wanted if isinstance(wanted, list) else [wanted])}
        hit = [str(v) in chosen for v in values]
        keep = hit if keep is None else [a and b for a, b in zip(keep, hit, strict=True)]
    found = list(dict.fromkeys(v for v, k in zip(labels.tolist(), keep or [], strict=False) if k))
    if not found:
        raise InputError("where = {...} matches no tactic", remedy="check the column and its values")
    return found
