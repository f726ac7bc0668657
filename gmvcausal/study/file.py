"""A study written as a TOML file: read, and every key checked before anything runs."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.frames.rules import nearest
from gmvcausal.study.verbs import PLAIN

TABLES = ("orders", "exposures", "users", "rooms", "coverage")
DATASETS = ("complete_journey",)
# What an answer's table is made by from logs, and what is asked of it.
MAKERS = ("panel", "stack", "users")
VERBS = ("did", "ab_test", "uplift", "combine", *PLAIN)
# What is asked of the effect: the answer is then what it took from elsewhere and what is left.
ASKED = ("pull_forward", "cannibalisation")
_KEYS: dict[str, tuple[str, ...]] = {
    "the file": ("study", "data", "columns", "logs", "labels", "answer"),
    "[study]": ("title", "question", "currency", "language"),
    "[data]": ("dataset", "frame", *TABLES),
    "[logs]": ("gmv", "gmv_is", "refund_window", "timezone", "dedupe", "memory_limit"),
    "[[answer]]": (
        "name",
        "benchmark",
        "frame",
        *MAKERS,
        "where",
        *VERBS,
        *ASKED,
        "test",
        "policy",
        "also",
        "money",
    ),
}


@dataclass(frozen=True)
class Study:
    """A study file, read and checked.

    Attributes
    ----------
    title, question, currency : str
    language : {"en", "zh"}
        Of the report and the chapter.
    labels : dict of str to str
        Names to print in place of the data's own.
    data, columns, logs : dict
        The file's sections.
    answers : tuple of dict
    folder : Path
        Where the file lies; paths in it are relative to it.
    """

    title: str
    question: str
    currency: str
    language: str
    labels: dict[str, str]
    data: dict[str, Any]
    columns: dict[str, str]
    logs: dict[str, Any]
    answers: tuple[dict[str, Any], ...]
    folder: Path


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file.

    Raises
    ------
    InputError
        A file that is missing or is not TOML, an unknown key (with the nearest known one), or no answer.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a study is a path to a TOML file, but is {path!r}")
    file = Path(path)
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the study file {file.name!r} is not TOML: {error}", remedy="mend that line") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        why = getattr(error, "strerror", None) or error
        raise InputError(f"the study file {str(file)!r} cannot be read: {why}", remedy="check the path") from None
    _known("the file", raw)
    for section in ("study", "data", "logs"):
        _known(f"[{section}]", _section(raw, section))
    data = _section(raw, "data")
    answers = raw.get("answer", [])
    if not isinstance(answers, list) or not answers:
        raise InputError("the study file has no [[answer]]", remedy="describe at least one design under [[answer]]")
    if data:
        _one_source(raw, data)
    elif not all(isinstance(a, dict) and ("frame" in a or "combine" in a) for a in answers):
        raise InputError("the study file has no [data]", remedy="name a dataset, files, or a frame under [data]")
    names: list[str] = []
    for answer in answers:
        _known("[[answer]]", answer)
        if not isinstance(answer.get("name"), str):
            raise InputError("an [[answer]] has no name", remedy="give every answer a name")
        own = "combine" in answer or "frame" in answer
        if sum(maker in answer for maker in MAKERS) + (own or "frame" in data) != 1:
            raise InputError(
                f"the answer {answer['name']!r} must be made from exactly one table",
                remedy='give it panel = {...}, stack = {...} or users = {...}, or frame = "file.parquet"; none where '
                "[data] names a ready frame, and none beside combine",
            )
        _one_verb(answer)
        if (own or "frame" in data) and "where" in answer:
            raise _not_for_frames("where is")
        if "combine" in answer:
            _combined(answer, names)
        _check_answer(answer)
        names.append(answer["name"])
    if len(set(names)) < len(names):
        raise InputError("two answers have the same name", remedy="give each its own")
    about = _section(raw, "study")
    return Study(
        str(about.get("title", file.stem)),
        str(about.get("question", "")),
        str(about.get("currency", "")),
        check("language", about.get("language", "en")),
        dict(check("labels", _section(raw, "labels"))),
        data,
        _section(raw, "columns"),
        _section(raw, "logs"),
        tuple(answers),
        file.parent,
    )


def _check_answer(answer: Mapping[str, Any]) -> None:
    """Types of the keys of one answer; what the options mean is checked by the verbs."""
    for key in (*MAKERS, *VERBS, *ASKED, "policy", "money", "where"):
        keywords(answer.get(key, {}), key)
    also = answer.get("also", [])
    if not isinstance(also, list) or not all(isinstance(a, str) for a in also):
        raise InputError(f"also must be a list of columns, but is {also!r}", remedy='write also = ["orders"]')
    if not isinstance(answer.get("benchmark", False), bool):
        raise InputError(f"benchmark must be true or false, but is {answer['benchmark']!r}")


def _one_verb(answer: Mapping[str, Any]) -> None:
    """An answer is a roll-out, a test or a model of uplift, and each has its own table."""
    name, verbs = answer["name"], [verb for verb in VERBS if verb in answer]
    by_user = "ab_test" in answer or "uplift" in answer
    plain = next((verb for verb in verbs if verb in PLAIN), None)
    if len(verbs) > 1:
        raise InputError(
            f"the answer {name!r} is both {verbs[0]} and {verbs[1]}",
            remedy="make two answers of it, each with its own name",
        )
    if by_user and ("panel" in answer or "stack" in answer):
        raise InputError(
            f"the answer {name!r} compares arms, which needs one row per user, not a panel",
            remedy="write users = { tactic = ..., pre = '28D', post = '7D' } in its place",
        )
    wrong = next((m for m in MAKERS if plain and m in answer and m not in PLAIN[plain].makers), None)
    if plain and wrong:
        raise InputError(
            f"the answer {name!r} is {plain}, which cannot take a table of {wrong}",
            remedy=" or ".join(
                [*(f"write {m} = {{...}}" for m in PLAIN[plain].makers[:1]), 'write frame = "file.parquet"']
            )
            + " in its place",
        )
    if "users" in answer and not by_user and not plain:
        raise InputError(
            f"the answer {name!r} has one row per user, which gc.did cannot take",
            remedy="write ab_test = { control = 'none', metrics = [...] } beside it, or uplift = {...}",
        )
    if (by_user or plain or "combine" in answer) and "also" in answer:
        raise InputError(
            f"the answer {name!r} has also=, which is for roll-outs",
            remedy="name further outcomes in its metrics" if "ab_test" in answer else "make an answer of each outcome",
        )
    if "combine" in answer and "money" in answer:
        raise InputError(
            f"the answer {name!r} combines others, and their money is their own", remedy="leave money= out"
        )
    if "uplift" in answer and "money" in answer:
        raise InputError(
            f"the answer {name!r} has money=, which is for tests and roll-outs",
            remedy="write cost and margin among the options of uplift: plans and their values are net of them",
        )
    _asked(answer, verbs[0] if verbs else "did")
    lost = [key for key in ("test", "policy") if key in answer]
    if lost and "uplift" not in answer:
        raise InputError(
            f"the answer {name!r} has {lost[0]}=, which is for uplift", remedy="write uplift = {...} beside it"
        )


def _asked(answer: Mapping[str, Any], verb: str) -> None:
    """What may be asked of which effect."""
    name, asked = answer["name"], [key for key in ASKED if key in answer]
    if len(asked) > 1:
        raise InputError(
            f"the answer {name!r} has {asked[0]} and {asked[1]}",
            remedy="make two answers of it, each with its own name",
        )
    if asked and verb not in (("did", "ab_test") if asked[0] == "pull_forward" else ("did",)):
        raise InputError(
            f"the answer {name!r} has {asked[0]}, which is asked of roll-outs"
            + (" and of tests by day" if asked[0] == "pull_forward" else ""),
            remedy=f"leave it out, or write did = {{...}} in the place of {verb}",
        )
    if asked and "also" in answer:
        raise InputError(f"the answer {name!r} has also= beside {asked[0]}", remedy="make an answer of each outcome")


def _combined(answer: Mapping[str, Any], before: list[str]) -> None:
    """What is combined stands above."""
    wanted = keywords(answer["combine"], "combine").get("answers")
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise InputError(
            f"the answer {answer['name']!r} combines no answers", remedy='write combine = { answers = ["A", "B"] }'
        )
    for name in wanted:
        if name not in before:
            raise InputError(
                f"the answer {answer['name']!r} combines {name!r}, which no answer above it is called",
                remedy=nearest(name, before, "above it stand"),
            )


def keywords(options: Any, name: str) -> dict[str, Any]:
    """The options of one verb, as a table."""
    if not isinstance(options, dict):
        raise InputError(f"{name} must be a table of options, for example {name} = {{ freq = 'W' }}")
    return dict(options)


def _one_source(raw: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Refuse sections that would be ignored: a dataset beside files, or rules on logs beside a ready frame."""
    kinds = [kind for kind in ("dataset", "frame") if kind in data]
    files = [name for name in TABLES if name in data]
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
            hint = f"write {near[0]!r} if you mean that" if near else f"use one of {', '.join(_KEYS[where])}"
            raise InputError(f"{where} of the study file has the unknown key {key!r}", remedy=hint)
