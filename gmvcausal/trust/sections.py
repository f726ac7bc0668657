"""The sections of the page, each from a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gmvcausal.trust import prose
from gmvcausal.trust.bounds import firing
from gmvcausal.trust.figures import confusion
from gmvcausal.trust.gates import Gate, passes_at
from gmvcausal.trust.markdown import (
    Column,
    amount,
    grid,
    name_of,
    number,
    percent,
    reps_of,
    share_of,
    share_with_error,
    table,
)
from gmvcausal.trust.report import CellResult, Report

_ALL = "How often each check fired on valid worlds"
_STATUSES = ("warned", "failed")


def roles(report: Report, *wanted: str) -> list[CellResult]:
    """The cells of some roles; those drawn without logs have a section of their own."""
    return [r for r in report.results if r.cell.role in wanted and not r.cell.apart]


def _worlds(report: Report, sentences: Mapping[str, str]) -> str:
    """The sentences about worlds that have cells: a sentence belongs to the beginning of ids."""
    return "".join(
        text for start, text in sentences.items() if any(r.cell.id.startswith(start) for r in report.results)
    )


def coverage(report: Report) -> str:
    """How often intervals hold the truth."""
    columns: list[Column] = [
        ("cell", name_of),
        ("runs", reps_of),
        ("95 %", share_with_error("coverage95")),
        ("below", share_of("below95")),
        ("above", share_of("above95")),
        ("90 %", share_of("coverage90")),
        ("99 %", share_of("coverage99")),
        ("bias/sd", lambda r: number(r.scores["bias_sd"])),
        ("SE/sd", lambda r: f"{number(r.scores['se_ratio'], 3)} ± {number(r.scores['se_ratio_mc'], 3)}"),
        ("length", lambda r: number(report.length_ratio(r))),
        ("no interval", share_of("no_interval")),
        ("refused", share_of("refused")),
        ("if credible", share_of("coverage95_if_credible")),
    ]
    return (
        prose.COVERAGE + _worlds(report, prose.COVERAGE_WORLDS) + "\n" + table(roles(report, "valid", "shown"), columns)
    )


def size(report: Report) -> str:
    """How often an effect is found where there is none."""
    columns: list[Column] = [
        ("cell", name_of),
        ("runs", reps_of),
        ("at 5 %", share_with_error("type1_5")),
        ("at 10 %", share_of("type1_10")),
        ("at 1 %", share_of("type1_1")),
        ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
        ("no interval", share_of("no_interval")),
        ("refused", share_of("refused")),
        ("length", lambda r: number(report.length_ratio(r))),
    ]
    rows = roles(report, "size")
    text = prose.SIZE + _worlds(report, prose.SIZE_WORLDS) + "\n" + table(rows, columns)
    reasons = {why: r.cell.id for r in reversed(rows) for why in r.scores["reasons"] if r.scores["no_interval"] > 0}
    if reasons:
        text += "\nWhere no interval is given, the result says why:\n\n"
        text += "".join(f"- `{cell}`: {why.rstrip('.')}.\n" for why, cell in reversed(reasons.items()))
    return text


def power(report: Report) -> str:
    """How often an effect of a stated size is found."""
    columns: list[Column] = [
        ("cell", name_of),
        ("runs", reps_of),
        ("effect", lambda r: amount(r.cell.mde if r.cell.mde is not None else math.nan)),
        ("found at 5 %", share_with_error("power_5")),
        ("said", lambda r: amount(r.scores["detectable"])),
    ]
    return prose.POWER + "\n" + table(roles(report, "power"), columns)


def bands(report: Report) -> str:
    """How often a band holds the whole path."""
    rows = [r for r in roles(report, "valid") if not math.isnan(r.scores["band"])]
    return (
        prose.BANDS
        + "\n"
        + table(rows, [("cell", name_of), ("runs", reps_of), ("whole path held", share_with_error("band"))])
    )


def audit(report: Report) -> str:
    """What the checks fire on."""
    rows = [
        [
            f"`{cell.cell.check}`",
            name_of(cell),
            percent(firing(cell.scores, cell.cell.check)),
            percent(firing(clean.scores, cell.cell.check)),
            percent(cell.scores["refused"]),
            percent(clean.scores["refused"]),
        ]
        for cell, clean in confusion(report)
    ]
    head = ("check", "violation", "fires on it", "fires on clean", "violation refused", "clean refused")
    return prose.AUDIT + "\n" + grid(head, rows) + fired_on(roles(report, "valid"))


def fired_on(rows: Sequence[CellResult]) -> str:
    """How often each check fired on valid worlds; empty where none ever did."""
    valid = [r for r in rows if "refused_valid" in r.cell.applying]
    names = sorted({name for r in valid for name in r.scores["audit"]})
    runs = sum(r.scores["reps"] for r in valid)
    every = []
    for name in names:
        having = [r for r in valid if name in r.scores["audit"]]
        weight = sum(r.scores["reps"] for r in having)
        shares = [sum(r.scores["audit"][name][s] * r.scores["reps"] for r in having) / weight for s in _STATUSES]
        if sum(shares) > 0:
            every.append([f"`{name}`", f"{weight:,}", *(percent(s) for s in shares)])
    if not every:
        return ""
    return f"\n{_ALL} ({runs:,} runs; checks that never did are left out):\n\n" + grid(
        ("check", "runs", *_STATUSES), every
    )


def purpose(report: Report) -> str:
    """Cells that are to be seen failing."""
    columns: list[Column] = [
        ("cell", name_of),
        ("runs", reps_of),
        ("95 %", share_with_error("coverage95")),
        ("bias/sd", lambda r: number(r.scores["bias_sd"])),
        ("truth", lambda r: amount(r.scores["truth"])),
        ("bias", lambda r: amount(r.scores["bias"])),
        ("refused by the audit", share_of("refused")),
    ]
    return (
        prose.PURPOSE + _worlds(report, prose.PURPOSE_WORLDS) + "\n" + table(roles(report, "fails on purpose"), columns)
    )


def gates(report: Report) -> str:
    """Every gate, with what was found and what would have passed."""
    text = prose.GATES
    for title, found in (("Not met", report.failed), ("Not met, with the reason recorded", report.explained)):
        if found:
            text += f"\n{title}:\n\n"
            for gate in found:
                why = f" Recorded: {gate.explanation}." if gate.explanation else ""
                text += f"- `{gate.cell}`: {gate.words}.{why}\n"
    wide = [gate for gate in report.gates if gate.passed and gate.warning]
    if wide:
        text += "\nMet, and worth a look:\n\n"
        text += "".join(f"- `{gate.cell}`: {gate.warning}; {gate.words}.\n" for gate in wide)
    judged = [gate for gate in report.gates if gate.name != "runs"]
    if judged:
        rows = [(f"`{g.cell}`", g.name, _found(g), passes_at(g), g.verdict) for g in judged]
        text += "\n" + prose.RANGES + "\n" + grid(("cell", "gate", "found", "passes at", "verdict"), rows)
    return text


def _found(gate: Gate) -> str:
    return number(gate.value, 3) if gate.name == "se" else percent(gate.value)


def made(report: Report) -> str:
    """How the page was made."""
    versions: dict[str, set[str]] = {}
    for r in report.results:
        for name, value in r.versions.items():
            versions.setdefault(name, set()).add(value)
    known = ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in versions.items())
    markets: dict[str, int] = {}
    for r in report.results:
        markets[r.cell.market] = max(markets.get(r.cell.market, 0), r.scores["reps"])
    return prose.MADE.format(
        cells=len(report.results),
        markets=sum(markets.values()),
        calls=sum(r.scores["reps"] for r in report.results),
        minutes=sum(r.seconds for r in report.results) / 60,
        seed=report.seed,
        versions=known,
    )
