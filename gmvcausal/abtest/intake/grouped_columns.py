"""The columns of a test on an engine: their types, the rules on them, and what one scan finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gmvcausal.abtest.intake import sentences
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.blocks import Col
from gmvcausal.abtest.intake.grouped import Totals
from gmvcausal.abtest.metrics import Gmv, Proportion, Ratio, covariates, parts
from gmvcausal.errors import InputError
from gmvcausal.frames import rules, sql
from gmvcausal.frames.arms import find_control
from gmvcausal.frames.columns import no_label
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.table import quote

MOST_LABELS = 1_000
_TEXT = ("VARCHAR", "ENUM")


class Rule(NamedTuple):
    """A condition that no row may fulfil, the error of those that do, and the value that is shown of them."""

    condition: str
    build: Callable[[int, list[int], str], InputError]
    value: str


@dataclass(eq=False)
class Sheet:
    """The columns of a call as expressions over the data, and the rules on them in the order in which they are told.

    Attributes
    ----------
    space : Engine
    source : str
        The data: what stands after FROM.
    types : mapping of str to str
    numbers : dict of str to str
        Columns of numbers -> DOUBLE, NULL where missing.
    ids : dict of str to str
        Columns of labels and ids -> expressions.
    rules : dict of str to list of Rule
        By the step of the reading at which they are told.
    """

    space: Engine
    source: str
    types: Mapping[str, str]
    numbers: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)

    def number(self, column: str, role: str, step: str, missing: str | None) -> None:
        """Take a column of numbers; with `missing` as the remedy, missing ones are refused."""
        own, dtype = self.rules.setdefault(step, []), self.types[column]
        base, q = _base(dtype), quote(column)
        if base == "NULL":
            self.numbers[column] = "CAST(NULL AS DOUBLE)"
        else:
            plan = sql.number_plan(q, column, role, base, dtype)
            self.numbers[column] = plan.expression
            own += [Rule(condition, build, q) for condition, build in plan.refuse]
            if base in _TEXT:
                own[-1] = Rule(own[-1].condition, partial(self._text, column, role), q)
        x = self.numbers[column]
        if missing is not None:
            own.append(Rule(f"{x} IS NULL", lambda k, rows, _: rules.missing(column, role, k, rows, missing), "NULL"))

    def _text(self, column: str, role: str, count: int, rows: list[int], example: str) -> InputError:
        """Text where numbers are needed; what to do depends on what it says."""
        seen = f"SELECT {quote(column)} FROM {self.source} WHERE {quote(column)} IS NOT NULL LIMIT 1000"
        texts = [str(v) for (v,) in self.space.rows(seen, "data")]
        return rules.text_number(column, role, example, rows, count, texts)

    def label(self, column: str, role: str, step: str) -> None:
        """Take a column of labels or ids; missing ones are refused."""
        own, dtype = self.rules.setdefault(step, []), self.types[column]
        base, q = _base(dtype), quote(column)
        gone = f"{q} IS NULL" + (f" OR isnan({q})" if base in ("FLOAT", "DOUBLE") else "")
        own.append(Rule(gone, lambda k, rows, _: rules.missing(column, role, k, rows, no_label(role)), "NULL"))
        if base == "NULL":
            self.ids[column] = "CAST(NULL AS VARCHAR)"
            return
        plan = sql.id_plan(q, column, role, base, dtype)
        self.ids[column] = plan.expression
        own += [Rule(condition, build, q) for condition, build in plan.refuse]

    def is_text(self, column: str) -> bool:
        """Whether a column holds text."""
        return _base(self.types[column]) in _TEXT


def _base(dtype: str) -> str:
    return dtype.split("(")[0].strip('"')


def read_columns(space: Engine, source: str, types: Mapping[str, str], ask: Columns) -> Sheet:
    """Every column of the call, with its rules."""
    sheet = Sheet(space, source, types)
    sheet.label(ask.arm, "arm", "arm")
    if ask.cluster is not None:
        sheet.label(ask.cluster, "cluster", "cluster")
    for column in ask.strata:
        sheet.label(column, "strata", "strata")
    outcomes = list(dict.fromkeys(p for m in ask.metrics for p in parts(m)))
    for column in outcomes:
        sheet.number(column, "outcome", "values", None)
    _rules_of_outcomes(sheet, ask, outcomes)
    if ask.received is not None and ask.received not in outcomes:
        sheet.number(ask.received, "received", "values", rules.missing_flags("received"))
    if ask.received is not None:
        column, x = ask.received, sheet.numbers[ask.received]
        flags = Rule(
            f"{x} <> 0 AND {x} <> 1", lambda k, rows, v: rules.not_flags(column, "received", float(v), k, rows), x
        )
        sheet.rules["values"].append(flags)
    for column in dict.fromkeys(c for m in ask.metrics for c in covariates(m)):
        if sheet.is_text(column):
            sheet.label(column, "covariate", "values")
        elif column not in sheet.numbers:
            sheet.number(column, "covariate", "values", sentences.NO_PAST)
    return sheet


def _rules_of_outcomes(sheet: Sheet, ask: Columns, outcomes: Sequence[str]) -> None:
    own, x = sheet.rules.setdefault("values", []), sheet.numbers
    for m in ask.metrics:
        if isinstance(m, Ratio):
            apart = f"({x[m.numerator]} IS NULL) <> ({x[m.denominator]} IS NULL)"
            own.append(Rule(apart, _plain(sentences.missing_apart, m), "NULL"))
    if ask.missing == "raise":
        for c in outcomes:
            own.append(Rule(f"{x[c]} IS NULL", partial(_missing_outcome, c), "NULL"))
    full = {c: f"coalesce({x[c]}, 0e0)" for c in outcomes}
    for m in ask.metrics:
        if isinstance(m, Gmv):
            paid = f"{full[m.gmv]} > 0 AND {full[m.orders]} = 0"
            own.append(Rule(paid, _plain(sentences.without_order, m), "NULL"))
            if m.visits is not None:
                bought = f"{full[m.orders]} <> 0 AND {full[m.visits]} = 0"
                own.append(Rule(bought, _plain(sentences.without_visit, m), "NULL"))
        if isinstance(m, Proportion):
            other = f"{full[m.column]} <> 0 AND {full[m.column]} <> 1"
            own.append(Rule(other, partial(_no_share, m), full[m.column]))


def _plain(
    build: Callable[[Any, int, list[int]], InputError], metric: Any
) -> Callable[[int, list[int], str], InputError]:
    return lambda count, rows, _: build(metric, count, rows)


def _no_share(metric: Proportion, count: int, rows: list[int], value: str) -> InputError:
    return sentences.no_share(metric, float(value), count, rows)


def _missing_outcome(column: str, count: int, rows: list[int], _: str) -> InputError:
    return rules.missing(column, "outcome", count, rows, sentences.BOUGHT_NOTHING)


# --- one scan ---------------------------------------------------------------------------------------------------------
@dataclass(eq=False)
class Scan:
    """What one scan found.

    Attributes
    ----------
    labels : list
        Of the arms, sorted; None where one is missing.
    sizes : ndarray of int, shape (arms,)
    totals : dict of Col to Totals
        Of all columns of numbers, missing values as zeros.
    largest : dict of str to float
        The largest value without its sign.
    gone : dict of str to int
        Missing values.
    broken : dict of int to int
        Place of a rule -> rows that break it.
    """

    labels: list[Any]
    sizes: np.ndarray[Any, np.dtype[np.int64]]
    totals: dict[Col, Totals]
    largest: dict[str, float]
    gone: dict[str, int]
    broken: dict[int, int]


_EACH = (
    "count(x{0})",
    "count(CASE WHEN x{0} <> 0 THEN 1 END)",
    "max(abs(x{0}))",
    "min(x{0})",
    "max(x{0})",
    "sum(x{0})",
)


def scan(space: Engine, source: str, arm: str, numbers: Mapping[str, str], broken: Sequence[Rule] = ()) -> Scan:
    """Sizes of the arms, sums of the columns, and how many rows break each rule."""
    listed = [f"{arm} AS l", *(f"{x} AS x{i}" for i, x in enumerate(numbers.values()))]
    listed += [f"CASE WHEN {rule.condition} THEN 1 END AS r{k}" for k, rule in enumerate(broken)]
    wanted = ["l", "count(*)", *(e.format(i) for i in range(len(numbers)) for e in _EACH)]
    wanted += [f"count(r{k})" for k in range(len(broken))]
    text = f"SELECT {', '.join(wanted)} FROM (SELECT {', '.join(listed)} FROM {source}) AS t GROUP BY l"
    rows = sorted(space.rows(f"{text} LIMIT {MOST_LABELS}", "data"), key=lambda row: (row[0] is None, row[0]))
    if not rows:
        raise InputError("data has no rows", remedy="check the filter that made it")
    sizes = np.array([row[1] for row in rows], dtype=np.int64)
    n, totals, largest, gone = int(sizes.sum()), {}, {}, {}
    for i, c in enumerate(numbers):
        there, live, size, low, top, total = zip(
            *(row[2 + len(_EACH) * i :][: len(_EACH)] for row in rows), strict=True
        )
        gone[c] = n - sum(there)
        largest[c] = max((float(v) for v in size if v is not None), default=0.0)
        most = max((float(v) for v in top if v is not None), default=0.0)
        least = min((float(v) for v in low if v is not None), default=0.0)
        whole = float(sum(v for v in total if v is not None))
        least, most = (min(least, 0.0), max(most, 0.0)) if gone[c] else (least, most)
        totals[Col(c)] = Totals((n - sum(live)) / n, least, most, whole, whole / n)
    at = 2 + len(_EACH) * len(numbers)
    counts = {k: sum(int(row[at + k]) for row in rows) for k in range(len(broken))}
    return Scan([row[0] for row in rows], sizes, totals, largest, gone, counts)


def refuse(sheet: Sheet, step: str, found: Scan) -> None:
    """Raise the first of the rules of a step that is broken."""
    place = 0
    for own, listed in sheet.rules.items():
        for rule in listed:
            count = found.broken[place]
            place += 1
            if own == step and count:
                rows, example = sql.first_bad(sheet.space, sheet.source, rule.condition, "data", rule.value)
                raise rule.build(count, rows, str(example))


def arms_of(sheet: Sheet, ask: Columns, found: Scan) -> tuple[tuple[Any, ...], int]:
    """Labels of the arms, and the position of the control."""
    labels = tuple(found.labels)
    if len(labels) == MOST_LABELS:  # told by their number
        text = f"SELECT count(DISTINCT l) FROM (SELECT {sheet.ids[ask.arm]} AS l FROM {sheet.source}) AS t"
        labels = tuple(range(int(sheet.space.row(text, "data")[0])))
    return labels, find_control(ask.arm, labels, ask.control)
