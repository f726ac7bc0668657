"""The section on randomised tests: the table of heavy tails, the older interval beside it, clusters, many looks."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from gmvcausal.trust import prose_ab as prose
from gmvcausal.trust.bounds import firing
from gmvcausal.trust.gates_ab import MISS_BOUNDS
from gmvcausal.trust.markdown import grid, name_of, number, percent, reps_of, share_of, share_with_error, table
from gmvcausal.trust.plans_ab import DAYS, ROOMS, TWO_PART
from gmvcausal.trust.report import CellResult, Report

# How the verdicts of several gates make one.
_WORST = ("fails", "explained", "undecided", "holds")


def section(report: Report) -> str:
    """The section, of the cells that are drawn without logs; empty where there are none."""
    parts = []
    for world, make in ((TWO_PART, _heavy), (ROOMS, _rooms), (DAYS, _looks)):
        rows = [r for r in report.results if r.cell.world == world]
        if rows:
            parts.append(make(rows))
    return "\n".join([prose.TESTS, *parts]) if parts else ""


def missed(r: CellResult) -> str:
    """How often the 95 % interval missed, with its Monte Carlo error."""
    value, error = 1 - r.scores["coverage95"], r.scores["coverage95_mc"]
    return "–" if math.isnan(value) else f"{100 * value:.1f} ± {100 * error:.1f} %"


def verdict(r: CellResult) -> str:
    """The worst verdict of the gates of a cell, but that all runs ended; a dash without such gates."""
    if r.cell.role == "fails on purpose" and not any(gate.failed for gate in r.gates):
        return "fails, as it must"
    found = {gate.verdict for gate in r.gates if gate.name != "runs"}
    return next((word for word in _WORST if word in found), "–")


def _heavy(rows: Sequence[CellResult]) -> str:
    tests: dict[str, dict[str, CellResult]] = {}
    for r in rows:
        test, _, row = r.cell.id.rpartition("/")
        tests.setdefault(test, {})[row] = r
    both = [found for found in tests.values() if "capped" in found and "plain" in found]
    lines = []
    for found in both:
        capped, plain = found["capped"], found["plain"]
        dials, s, t = plain.cell.dials, capped.scores, plain.scores
        lines.append(
            [
                f"{dials['sigma']:g}",
                f"{plain.cell.n:,}",
                str(dials["split"]),
                f"+{100 * dials['lift']:.0f} %" if dials["lift"] else "none",
                reps_of(plain),
                missed(capped),
                percent(s["below95"]),
                percent(s["above95"]),
                verdict(capped),
                missed(plain),
                percent(t["below95"]),
                percent(t["above95"]),
                percent(t["no_interval"]),
                percent(firing(t, plain.cell.check)),
                verdict(plain),
            ]
        )
    head = (
        *("σ", "smaller arm", "split", "effect", "runs", "capped misses", "below", "above", "verdict"),
        *("plain misses", "below", "above", "none", "flagged", "verdict"),
    )
    text = prose.HEAVY + "\n" + grid(head, lines) + _flagged([found["plain"] for found in both])
    older = [found for found in tests.values() if "log-delta" in found and "plain" in found]
    if older:
        text += "\n" + prose.LOG_DELTA + "\n" + _older(older)
    return text


def _flagged(plain: Sequence[CellResult]) -> str:
    """How the flag told failing tests from sound ones, in a sentence."""
    failing = [r for r in plain if 1 - r.scores["coverage95"] > MISS_BOUNDS[1]]
    sound = [r for r in plain if r not in failing]
    said = []
    if failing:
        least = min(firing(r.scores, r.cell.check) for r in failing)
        said.append(f"in at least {percent(least)} of the runs of each of the {len(failing)} tests that miss more")
    if sound:
        most = max(firing(r.scores, r.cell.check) for r in sound)
        said.append(f"in at most {percent(most)} of those of each of the {len(sound)} that do not")
    text = f"The plain row is to miss at most {percent(MISS_BOUNDS[1])}; it was flagged {', and '.join(said)}."
    return f"\n{textwrap.fill(text, 120)}\n"


def _older(tests: Sequence[dict[str, CellResult]]) -> str:
    rows = []
    for found in tests:
        log, plain = found["log-delta"], found["plain"]
        dials = plain.cell.dials
        rows.append(
            [
                f"{dials['sigma']:g}",
                str(dials["split"]),
                reps_of(log),
                missed(plain),
                missed(log),
                percent(log.scores["below95"]),
                percent(log.scores["above95"]),
            ]
        )
    return grid(("σ", "split", "runs", "Fieller misses", "log-delta misses", "below", "above"), rows)


def _rooms(rows: Sequence[CellResult]) -> str:
    return prose.ROOMS + "\n" + table(
        rows,
        [
            ("rooms", lambda r: str(r.cell.n)),
            ("runs", reps_of),
            ("at 5 %", share_with_error("type1_5")),
            ("at 10 %", share_of("type1_10")),
            ("at 1 %", share_of("type1_1")),
            ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
            ("verdict", verdict),
        ],
    )  # fmt: skip


def _looks(rows: Sequence[CellResult]) -> str:
    return prose.LOOKS + "\n" + table(
        rows,
        [
            ("cell", name_of),
            ("runs", reps_of),
            ("found at some look", share_with_error("type1_5")),
            ("verdict", verdict),
        ],
    )  # fmt: skip
