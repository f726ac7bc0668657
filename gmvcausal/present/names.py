"""The user's own names in a result: columns, arms and levels, which no translation may take for words of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gmvcausal.present.chinese import translate
from gmvcausal.present.digits import inline

# What these options name is measured or compared by: also a plain word such as "orders" or "loss" stays.
_MEASURED = ("outcome", "metrics", "covariates", "features", "pre", "mediators", "moderator", "segment", "columns")
# Units, periods and groups keep a name that is no plain word: "unit", "user" and "control" are our words too.
_ROLES = (
    *("unit", "time", "first_treated", "treated", "treatment", "arm", "control", "cluster", "strata", "weights"),
    *("dose", "block", "received", "triggered", "instrument", "running", "stack", "group", "eligible", "fixed"),
)
_LEVELS = ("arm", "control", "level", "metric")
# Heads and entries of our own tables: a column of the user called "p" does not take them over.
HEADS = frozenset(
    [
        "",
        "n",
        "p",
        "no",
        "yes",
        "unit",
        "term",
        "estimate",
        "relative",
        "check",
        "status",
        "finding",
        "what to do",
        "answer",
        "verb",
        "seed",
        "rows",
        "std. error",
        "passed",
        "failed",
        "warned",
        "not run",
        "no interval",
    ]
)


def known(results: Any, language: str, labels: Mapping[str, str]) -> dict[str, str]:
    """`labels`, and in Chinese also the names of `results`, each kept as it is, and their titles.

    Parameters
    ----------
    results : Result, something with a table, or several of them
    language : {"en", "zh"}
    labels : mapping of str to str
        What the user wants printed goes before what the name is.
    """
    if language != "zh":
        return dict(labels)
    listed = results if isinstance(results, list | tuple) else [results]
    made = {name: name for one in listed for name in of(one)} | dict(labels)
    # Where nobody gave a name, a page calls a result by its title: a phrase of ours, with any punctuation inside.
    titles = {inline(title) for one in listed if (title := getattr(one, "title", ""))}
    return {title: translate(title, made) for title in sorted(titles)} | made


def every(result: Any) -> tuple[str, ...]:
    """All names that a result was given, also those that are plain words of ours."""
    options = getattr(getattr(result, "manifest", None), "options", {})
    given = [name for key in (*_MEASURED, *_ROLES) for name in _texts(options.get(key))]
    return tuple(dict.fromkeys([*given, *of(result)]))


def of(result: Any) -> tuple[str, ...]:
    """The names of columns, arms and levels that a result holds: in its manifest and frame, or as its table says."""
    manifest = getattr(result, "manifest", None)
    if manifest is None:
        return tuple(inline(name) for name in getattr(result, "own", ()) if name.strip())
    found = [name for key in _MEASURED for name in _texts(manifest.options.get(key))]
    found += [name for key in _ROLES for name in _texts(manifest.options.get(key)) if not _plain(name)]
    frame = result.to_frame()
    for column in _LEVELS:
        if column in frame:
            found += [name for name in map(str, frame[column].unique()) if not _plain(name) and _worded(name)]
    return tuple(dict.fromkeys(inline(name) for name in found if name.strip()))


def written(result: Any) -> tuple[str, ...]:
    """Every name of a result, plain words too: none is given a capital where it begins a sentence of ours."""
    manifest = getattr(result, "manifest", None)
    if manifest is None:
        return ()
    found = [name for key in (*_MEASURED, *_ROLES) for name in _texts(manifest.options.get(key))]
    frame = result.to_frame()
    found += [str(name) for column in _LEVELS if column in frame for name in frame[column].unique()]
    return tuple(dict.fromkeys(inline(name) for name in found if name.strip()))


def _texts(value: Any) -> Iterator[str]:
    """The names in an option: itself, those of a list, those that a written metric quotes."""
    if isinstance(value, str):
        yield from re.findall(r"'([^']+)'", value) if re.match(r"\w+\(.*\)$", value) and "='" in value else [value]
    elif isinstance(value, Iterable) and not isinstance(value, Mapping):
        for one in value:
            yield from _texts(one)


def _plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_]+", name) is not None


def _worded(name: str) -> bool:
    return re.search(r"[^\W\d_]", name) is not None
