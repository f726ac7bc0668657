"""The passes of `ab_test` over a file, in the order of the statements in `abtest/intake/`.

Sums are grouped, and every question is a statement of its own. Which questions there are follows from the metrics;
whether a tail is heavy, and so capped, from the values: the plan counts as if it were. Independent rows most of which
are zero are read in blocks instead, fewer times: the plan does not count on it.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

from gmvcausal.abtest.designs.designs import read_budget
from gmvcausal.abtest.intake import stream
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.gathered import by_rows
from gmvcausal.abtest.metrics import (
    Mean,
    Proportion,
    Quantile,
    Ratio,
    covariates,
    parts,
    read_metrics,
)
from gmvcausal.abtest.verb import ab_test
from gmvcausal.frames.facts import COARSER, named_unit, says_unit
from gmvcausal.frames.files import Files
from gmvcausal.frames.table import open_relation
from gmvcausal.study.explain.of_logs import distinct
from gmvcausal.study.explain.of_rows import named_columns, rows_step
from gmvcausal.study.explain.plan import Count, Pass, Source, Step

GROUPED = "ab_grouped"  # route
CELL_BYTES = 64  # an arm and cluster: its count, and sums of a few columns
_QUANTILE = 8  # statements of a quantile: where it lies, how dense it is there, and again for its interval


def ask_of(options: Mapping[str, Any]) -> tuple[Columns, str]:
    """The columns that a call of `ab_test` names, and its `inference`."""
    given = {k: p.default for k, p in inspect.signature(ab_test).parameters.items()} | dict(options)
    strata = given["strata"]
    asked = Columns(
        given["arm"], given["control"], read_metrics(given["metrics"]), given["cluster"],
        () if strata is None else (strata,) if isinstance(strata, str) else tuple(strata), given["unit"],
        given["missing"], given["rule"], given["time"], given["washout"], given["triggered"], given["assigned_at"],
        given["exposed_at"], read_budget(given["budget"]), given["received"], block=given["block"],
    )  # fmt: skip
    return asked, str(given["inference"])


def ab_step(title: str, source: Source, files: Files, options: Mapping[str, Any]) -> Step:
    """`ab_test` on parquet files.

    Raises
    ------
    InputError
        A column that the call names and the files lack.
    """
    ask, inference = ask_of(options)
    open_relation(files, "data", ask.roles)
    why = by_rows(ask, inference)
    if why:
        columns = named_columns(source, ab_test, {**options, "needed": ask.needed})
        return rows_step(title, source, columns, f"{why} takes rows one by one")
    asked = _Passes(source, ask)
    arms = distinct(source, ask.arm)
    counts = [Count("arms", arms)] if arms < source.rows else []
    if ask.cluster or ask.strata or ask.rule != "raise" or ask.received:
        passes, maybe = asked.grouped()
        memory = 0
        if ask.cluster:
            clusters = distinct(source, ask.cluster)
            counts.append(Count("clusters", clusters))
            memory = clusters * CELL_BYTES * max(len(asked.numbers), 1)
    else:
        passes, maybe = asked.independent()
        memory = min(stream.HELD, source.rows * asked.width)
    return Step(title, tuple(passes), tuple(maybe), tuple(counts), memory)


class _Passes:
    """The passes of one call."""

    def __init__(self, source: Source, ask: Columns) -> None:
        self.source, self.ask = source, ask
        self.numbers = list(dict.fromkeys(c for m in ask.metrics for c in (*parts(m), *covariates(m))))
        self.numbers += [ask.received] if ask.received else []
        ids = [c for c, kind in source.types.items() if kind in ("whole", "text", "flag")]
        own = ask.cluster if says_unit(ask.cluster) else None
        self.unit = ask.unit or own or named_unit(ids, (ask.arm, ask.cluster, *ask.strata))
        self.places = [c for c in COARSER if c in ids and c not in ask.needed and ask.cluster is None]
        self.width = 1 + sum(8 if source.types[c] == "number" else 4 for c in self.numbers)

    def over(self, why: str, *columns: str, share: float = 1.0) -> Pass:
        """A pass over some columns."""
        return Pass(self.source.name, why, tuple(dict.fromkeys(columns)), GROUPED, share)

    def independent(self) -> tuple[list[Pass], list[Pass]]:
        """Independent rows: whether their values are mostly zero is looked at first, then as `grouped`.

        Mostly zero ones are read in blocks, which takes fewer passes; the footers do not tell.
        """
        # A thread reads a row group of its own to find the first rows.
        share = min(1.0, (os.cpu_count() or 1) / max(self.source.row_groups, 1))
        passes, maybe = self.grouped()
        look = self.over("which values are mostly zero, on the first rows", *self.numbers, share=share)
        return [*(self.over(f"arms within {c}", c, self.ask.arm) for c in self.places), look, *passes], maybe

    def grouped(self) -> tuple[list[Pass], list[Pass]]:
        """Clusters, strata and rules, as `intake.grouped_open` asks for them."""
        ask = self.ask
        cells = (ask.arm, *ask.strata, *self.numbers)
        named = [c for c in (ask.cluster, self.unit) if c is not None]
        passes = [self.over("check columns", ask.arm, *self.numbers, *named)]
        passes += [self.over("units", self.unit, ask.arm)] if self.unit is not None else []
        passes += [self.over(f"arms within {c}", c, ask.arm) for c in self.places]
        passes += [self.over("strata", *ask.strata, ask.arm)] if ask.strata else []
        passes += [self.over("where to cap", *self._caps())] if self._caps() else []
        passes.append(self.over("sums", *cells))
        if ask.cluster:
            passes += [self.over("sums by cluster", ask.cluster, *cells), self.over("clusters", ask.cluster, ask.arm)]
        else:
            passes.append(self.over("residuals", *cells))
        capped = dict.fromkeys(parts(m)[0] for m in ask.metrics if _capped(m))
        passes += [self.over("large values by arm", ask.arm, *capped)] if capped else []
        levels = dict.fromkeys(parts(m)[0] for m in ask.metrics if not isinstance(m, Proportion))
        passes += [self.over("units of money", c) for c in levels] + self._quantiles()
        maybe = [self.over("where few have a value", ask.arm, *self.numbers)]
        maybe += [self.over("where a unit is in two arms", *cells)] if ask.rule != "raise" else []
        return passes, [*maybe, self.over("skewness, where most values are not zero", *self.numbers)]

    def _quantiles(self) -> list[Pass]:
        found = [m.column for m in self.ask.metrics if isinstance(m, Quantile)]
        return [self.over("quantiles", self.ask.arm, c) for c in found for _ in range(_QUANTILE)]

    def _caps(self) -> list[str]:
        return [c for m in self.ask.metrics if _capped(m) for c in parts(m)]


def _capped(metric: Any) -> bool:
    return isinstance(metric, Mean | Ratio) and metric.cap is not None
