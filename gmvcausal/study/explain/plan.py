"""What a plan is made of: plain numbers, which no engine has to be asked for twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Source:
    """A table that the study names, as its footers tell of it.

    Attributes
    ----------
    name : str
        What messages call it: "orders", or the file of an answer.
    path : str
        As the study names it.
    kind : {"parquet", "csv", "memory"}
        A CSV is loaded whole before anything else; its rows are an estimate.
    files, rows, row_groups, size : int
        Files, rows, row groups and bytes on disk.
    stored : mapping of str to int
        Column -> bytes as stored (compressed), in all files.
    types : mapping of str to str
        Column -> "whole", "number", "time", "text", "flag" or "other".
    ranges : mapping of str to (least, largest)
        Of columns whose statistics every row group has.
    """

    name: str
    path: str
    kind: str
    files: int
    rows: int
    row_groups: int
    size: int
    stored: Mapping[str, int]
    types: Mapping[str, str]
    ranges: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.types)


@dataclass(frozen=True)
class Pass:
    """One statement that goes over all rows of a table.

    Attributes
    ----------
    source : str
        Name of the table.
    why : str
        In words: "check columns", "panel sums".
    columns : tuple of str
        The user's columns that are read.
    route : str
        Whose rate tells its time, see `rates`.
    share : float
        Of the rows, at most.
    """

    source: str
    why: str
    columns: tuple[str, ...]
    route: str
    share: float = 1.0


@dataclass(frozen=True)
class Count:
    """How many there are of something.

    Attributes
    ----------
    what : str
        "users", "weeks", "cells".
    n : int
    how : {"exactly", "at most", "about"}
    """

    what: str
    n: int
    how: str = "at most"


@dataclass(frozen=True)
class Step:
    """One part of the run.

    Attributes
    ----------
    title : str
    passes : tuple of Pass
    maybe : tuple of Pass
        Those that only some data need, with the reason in `Pass.why`.
    counts : tuple of Count
        What comes out.
    memory : int
        Bytes that the step holds beside the engine's own buffers while it runs.
    kept : int
        Bytes of them that stay until the study ends: a table that answers share.
    loaded : int
        Bytes of rows that are read into memory one by one (part of `memory`); 0 where only sums are.
    spill : int
        Bytes of temporary files, at most.
    refusal : str
        The error that `run` will raise here; empty where none is foreseen.
    notes : tuple of str
    """

    title: str
    passes: tuple[Pass, ...] = ()
    maybe: tuple[Pass, ...] = ()
    counts: tuple[Count, ...] = ()
    memory: int = 0
    kept: int = 0
    loaded: int = 0
    spill: int = 0
    refusal: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rates:
    """How long a pass takes.

    Attributes
    ----------
    seconds : mapping of str to float
        Route -> processor seconds for a million rows and pass.
    factor : float
        This machine and file beside those of the benchmarks.
    measured : int
        Rows on which the factor was measured; 0 where the benchmarks' own machine is taken.
    """

    seconds: Mapping[str, float]
    factor: float = 1.0
    measured: int = 0


@dataclass(frozen=True)
class Plan:
    """What a study will do.

    Attributes
    ----------
    title : str
    sources : mapping of str to Source
    steps : tuple of Step
    holds : int or None
        Bytes that tables may take by `memory_limit`; None where nobody sets one, and half of the machine counts.
    buffers : int
        Bytes of the engine's own buffers, beyond which it spills.
    machine : int or None
        Bytes of memory of this machine; None where the system does not say.
    rates : Rates
    """

    title: str
    sources: Mapping[str, Source]
    steps: tuple[Step, ...]
    holds: int | None
    buffers: int
    machine: int | None
    rates: Rates

    @property
    def limit(self) -> int | None:
        """Bytes that tables may take."""
        return self.holds if self.holds is not None else None if self.machine is None else self.machine // 2

    def bytes_of(self, one: Pass) -> int:
        """Bytes as stored that a pass reads; nothing where the table lies in memory."""
        source = self.sources[one.source]
        stored = sum(source.stored.get(c, 0) for c in one.columns) if source.kind == "parquet" else 0
        return round(stored * one.share)

    def seconds_of(self, one: Pass) -> float:
        """Processor seconds of a pass."""
        rows = self.sources[one.source].rows * one.share
        return rows / 1e6 * self.rates.seconds[one.route] * self.rates.factor

    @cached_property
    def passes(self) -> dict[str, int]:
        """Passes over each table."""
        found = dict.fromkeys(self.sources, 0)
        for step in self.steps:
            for one in step.passes:
                found[one.source] += 1
        return found

    @cached_property
    def scanned(self) -> int:
        """Bytes that all passes read."""
        return sum(self.bytes_of(one) for step in self.steps for one in step.passes)

    @cached_property
    def seconds(self) -> float:
        """Processor seconds of all passes."""
        return sum(self.seconds_of(one) for step in self.steps for one in step.passes)

    @property
    def memory(self) -> int:
        """Bytes at the fullest moment: the engine's buffers, the tables made so far, and what a step holds."""
        kept = most = 0
        for step in self.steps:
            if not step.refusal:
                most = max(most, kept + step.memory)
                kept += step.kept
        return self.buffers + most

    @property
    def refusals(self) -> list[str]:
        """What `run` will refuse, in the order of the steps."""
        return [step.refusal for step in self.steps if step.refusal]

    def to_dict(self) -> dict[str, Any]:
        """All numbers of the plan, as JSON takes them."""
        steps = []
        for step in self.steps:
            told = dataclasses.asdict(step)
            for kind in ("passes", "maybe"):
                for one, shown in zip(getattr(step, kind), told[kind], strict=True):
                    shown |= {"bytes": self.bytes_of(one), "seconds": round(self.seconds_of(one), 3)}
            steps.append(told)
        sources = {}
        for name, source in self.sources.items():
            told = dataclasses.asdict(source)
            del told["ranges"]
            sources[name] = told
        return {
            "title": self.title,
            "sources": sources,
            "steps": steps,
            "passes": self.passes,
            "bytes_scanned": self.scanned,
            "cpu_seconds": round(self.seconds, 3),
            "memory": self.memory,
            "memory_for_tables": self.limit,
            "temporary_files": max((step.spill for step in self.steps), default=0),
            "refusals": self.refusals,
            "rates": dataclasses.asdict(self.rates),
        }
