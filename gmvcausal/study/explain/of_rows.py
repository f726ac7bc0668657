"""Verbs that take rows one by one: what is read into memory, and what it weighs there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gmvcausal.frames.facts import COARSER, UNIT_NAMES, folded
from gmvcausal.study.explain.plan import Pass, Source, Step

ROWS = "rows"  # route
# Bytes of a value in memory: text is an object with its own head.
_WIDTH = {"flag": 1, "whole": 8, "number": 8, "time": 8, "text": 60, "other": 60}
# Columns of float64 that verbs make from them; models, folds and draws come on top.
_COPIES = 3


def loaded(source: Source, columns: list[str] | tuple[str, ...]) -> int:
    """Bytes of some columns in memory."""
    return source.rows * sum(_WIDTH[source.types.get(c, "other")] for c in columns)


def rows_step(title: str, source: Source, columns: list[str], why: str = "") -> Step:
    """Rows read into memory for a verb that takes them one by one."""
    held = loaded(source, columns)
    notes = (why,) if why else ()
    read = Pass(source.name, "read the rows into memory", tuple(columns), ROWS)
    return Step(title, (read,), memory=held * _COPIES, loaded=held, notes=notes)


def memory_step(title: str, what: str, rows: int, each: int, why: str = "") -> Step:
    """An estimate on a table that an earlier step has made: nothing is scanned."""
    notes = (f"in memory, on {what}" + (f"; {why}" if why else ""),)
    return Step(title, memory=rows * each, notes=notes)


def named_columns(source: Source, verb: Callable[..., Any], options: Mapping[str, Any]) -> list[str]:
    """Columns of a table that a call names, or that the verb takes where the call names none; units by their name."""
    given = {k: p.default for k, p in inspect.signature(verb).parameters.items() if isinstance(p.default, str)}
    wanted = set(_texts({**given, **options}))
    also = {folded(name) for name in (*UNIT_NAMES, *COARSER)}
    return [c for c in source.columns if c in wanted or folded(c) in also]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield str(key)
            yield from _texts(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _texts(inside)
