"""Run a study: read the logs once, build each answer's table, estimate, audit."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import GmvCausalError, InputError
from gmvcausal.frames.rules import nearest
from gmvcausal.results.shown import Shown
from gmvcausal.study.file import ASKED, DATASETS, MAKERS, TABLES, Study, keywords, read_study
from gmvcausal.study.result import StudyResult
from gmvcausal.study.verbs import PLAIN, load

if TYPE_CHECKING:
    from gmvcausal.results import Result
    from gmvcausal.study.targeting import Targeted


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
    ...     dict(unit=u, period=t, gmv=10 + u % 7 + t + 3 * (u < 15 and t >= 3), first_treated=3 if u < 15 else None)
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
    targeted: dict[str, Targeted] = {}
    compared: dict[str, Shown] = {}
    for answer in tqdm(study.answers, desc="answers", unit="answer", disable=not progress, leave=False):
        name = answer["name"]
        with of_answer(name):
            if "combine" in answer:
                found = _combined(answer["combine"], answers)
                if isinstance(found, Shown):
                    compared[name] = found
                else:
                    answers[name] = found
                continue
            frame = open_file(study, answer["frame"], "frame") if "frame" in answer else _table(source, answer, made)
            if "uplift" in answer:
                answers[name], targeted[name] = _uplift(study, answer, frame)
                continue
            answers[name] = result = _displaced(study, answer, _verb(study, answer, frame))
            extra = {
                outcome: _estimate(study, frame, {**answer.get("did", {}), "outcome": outcome})
                for outcome in answer.get("also", [])
            }
            if extra:
                also[name] = extra
            if "money" in answer:
                money[name] = _money(result, answer["money"])
    return StudyResult(study, answers, also, money, targeted, compared)


@contextmanager
def of_answer(name: str) -> Iterator[None]:
    """Errors inside carry the name of the answer in front."""
    try:
        yield
    except GmvCausalError as error:
        raise type(error)(
            f"answer {name!r}: {error.rule}",
            column=error.column,
            count=error.count,
            rows=error.rows,
            remedy=error.remedy,
        ) from None


def _open(study: Study) -> Any:
    """The logs of the study, or its ready frame."""
    from gmvcausal.logs.logs import Logs

    data = study.data
    if not data:
        return None  # every answer brings its own table
    if "frame" in data:
        return open_file(study, data["frame"], "[data]")
    if "dataset" in data:
        inputs = open_dataset(data["dataset"])
    else:
        inputs = {name: open_file(study, data[name], "[data]") for name in TABLES if name in data}
    columns = {**inputs.pop("columns", {}), **study.columns}
    logs = Logs(**inputs, columns=columns, **study.logs)
    return logs, inputs.get("exposures"), columns


def open_dataset(name: Any) -> dict[str, Any]:
    """The tables and roles of a data set of the library."""
    from gmvcausal import datasets

    if name not in DATASETS:
        raise InputError(f"there is no dataset {name!r}", remedy=f"name one of {', '.join(DATASETS)}, or files")
    found: dict[str, Any] = getattr(datasets, name)()
    return found


def open_file(study: Study, name: Any, where: str, rows: int | None = None) -> Any:
    """A file that the study names, beside which its path begins: the path of parquet, the table of a CSV.

    Parameters
    ----------
    study : Study
    name : object
        As the study has it.
    where : str
        In which key.
    rows : int, optional
        Read so many lines of a CSV; all by default.
    """
    if not isinstance(name, str):
        raise InputError(f"{where} must name files as text, but holds {name!r}")
    path = study.folder / name
    if path.suffix.lower() != ".csv":
        return os.fspath(path)
    import pandas as pd

    try:
        return pd.read_csv(path, nrows=rows)
    except UnicodeDecodeError:
        raise InputError(
            f"the file {name!r} is not written in UTF-8",
            remedy='save it as UTF-8 (in Excel "CSV UTF-8"; a Chinese Excel writes GBK otherwise), or as parquet',
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"the file {name!r} cannot be read: {error}", remedy="check the path and that it is CSV"
        ) from None


def _table(source: Any, answer: dict[str, Any], made: dict[str, Any]) -> Any:
    """The table that an answer stands on; equal tables are built once."""
    if not isinstance(source, tuple):
        return source
    logs, exposures, columns = source
    kind = next(maker for maker in MAKERS if maker in answer)
    options = keywords(answer[kind], kind)
    if "where" in answer:
        options["tactic"] = _tactics(exposures, columns, answer["where"])
    key = json.dumps([kind, options], sort_keys=True, default=str)
    if key not in made:
        made[key] = _call(getattr(logs, kind), options, kind)
    return made[key]


def _verb(study: Study, answer: dict[str, Any], frame: Any) -> Any:
    """The answer's own verb on its table."""
    plain = next((verb for verb in PLAIN if verb in answer), None)
    if plain is not None:
        options = dict(answer[plain])
        options |= {key: open_file(study, options[key], key) for key in PLAIN[plain].files if key in options}
        return _call(load(plain), options, plain, frame)
    if "ab_test" not in answer:
        return _estimate(study, frame, answer.get("did", {}))
    from gmvcausal.abtest.verb import ab_test
    from gmvcausal.study.ab_test import read_options

    return _call(ab_test, read_options(answer["ab_test"]), "ab_test", frame)


def _displaced(study: Study, answer: dict[str, Any], result: Any) -> Any:
    """What the effect took from elsewhere, where the answer asks for that."""
    asked = next((key for key in ASKED if key in answer), None)
    if asked is None:
        return result
    options = dict(answer[asked])
    if "edges" in options:
        options["edges"] = open_file(study, options["edges"], "edges")
    return _call(getattr(result, asked), options, asked)


def _combined(options: Mapping[str, Any], answers: Mapping[str, Result]) -> Any:
    """Answers above, pooled or side by side."""
    from gmvcausal.mechanism.pooled.verb import combine

    chosen = {}
    for name in options["answers"]:
        if name not in answers:
            raise InputError(f"{name!r} stands side by side itself and has no estimate to combine")
        chosen[name] = answers[name]
    return _call(combine, {k: v for k, v in options.items() if k != "answers"}, "combine", chosen)


def _money(result: Any, options: Mapping[str, Any]) -> Any:
    return _call(result.incremental_gmv, options, "money")


def _uplift(study: Study, answer: dict[str, Any], frame: Any) -> tuple[Any, Targeted]:
    """The model, and its ranking, plan and value."""
    from gmvcausal.study.targeting import PLAN_OPTIONS, learn_and_target
    from gmvcausal.targeting.verb import uplift

    for option in answer.get("policy", {}):
        if option not in PLAN_OPTIONS:
            raise InputError(
                f"policy has no option {option!r}", remedy=nearest(option, list(PLAN_OPTIONS), "use one of")
            )
    return learn_and_target(
        answer,
        frame,
        learn=lambda table: _call(uplift, answer["uplift"], "uplift", table),
        read=lambda name, where: open_file(study, name, where),
    )


def _estimate(study: Study, frame: Any, options: Mapping[str, Any]) -> Any:
    from gmvcausal.rollout.verb import did

    read = dict(options)
    if read.get("unit") == "none":
        read["unit"] = None  # TOML has no word for it
    if "edges" in read:
        read["edges"] = open_file(study, read["edges"], "edges")
    return _call(did, read, "did", frame)


def _call(verb: Callable[..., Any], options: Mapping[str, Any], name: str, *data: Any) -> Any:
    """Call a verb with the options of the file."""
    refuse_unknown(verb, options, name, len(data))
    return verb(*data, **options)


def refuse_unknown(verb: Callable[..., Any], options: Mapping[str, Any], name: str, data: int) -> None:
    """An option that a verb does not have is the user's to mend; its first `data` parameters are tables."""
    known = [p.name for p in inspect.signature(verb).parameters.values()][data:]
    for option in options:
        if option not in known:
            raise InputError(f"{name} has no option {option!r}", remedy=nearest(option, known, "use one of"))


def _tactics(exposures: Any, columns: Mapping[str, str], where: Any) -> list[Any]:
    """Labels of the tactics whose exposures match every condition."""
    from gmvcausal.frames.columns import id_values
    from gmvcausal.frames.table import open_table

    if exposures is None:
        raise InputError("where = {...} selects tactics by a column of the exposures, but there are none")
    conditions = keywords(where, "where")
    label = columns.get("tactic", "tactic")
    table = open_table(exposures, "exposures", [label, *conditions])
    labels = id_values(table, label, "tactic")
    keep = None
    for column, wanted in conditions.items():
        values = id_values(table, column, "where")
        # Flags are read as 0 and 1.
        chosen = {str(int(w) if isinstance(w, bool) else w) for w in (wanted if isinstance(wanted, list) else [wanted])}
        hit = [str(v) in chosen for v in values]
        keep = hit if keep is None else [a and b for a, b in zip(keep, hit, strict=True)]
    found = list(dict.fromkeys(v for v, k in zip(labels.tolist(), keep or [], strict=False) if k))
    if not found:
        raise InputError("where = {...} matches no tactic", remedy="check the column and its values")
    return found
