"""The section on roll-outs: zeros, covariates, few rooms, neighbours, bounds, and the tests of the referee's kit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gmvcausal.trust import prose_did as prose
from gmvcausal.trust.bounds import firing
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
    with_error,
)
from gmvcausal.trust.page_ab import verdict
from gmvcausal.trust.report import CellResult, Report
from gmvcausal.trust.sections import fired_on

_BASE = "callaway_santanna"
_SIZE: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("at 5 %", share_with_error("type1_5")),
    ("at 10 %", share_of("type1_10")),
    ("at 1 %", share_of("type1_1")),
    ("no interval", share_of("no_interval")),
    ("verdict", verdict),
)
_COVERAGE: tuple[Column, ...] = (
    ("cell", name_of),
    ("runs", reps_of),
    ("true", lambda r: amount(r.scores["truth"])),
    ("bias", lambda r: number(r.scores["bias"])),
    ("RMSE", lambda r: number(r.scores["rmse"])),
    ("95 %", share_with_error("coverage95")),
    ("SE/sd", lambda r: number(r.scores["se_ratio"], 3)),
    ("band", share_of("band")),
    ("no interval", share_of("no_interval")),
    ("refused", share_of("refused")),
    ("verdict", verdict),
)


def section(report: Report) -> str:
    """The section; empty where the report has none of its cells."""
    known = [r for r in report.results if r.cell.apart and "trust.trials:" not in r.cell.world]
    known = [r for r in known if "trust.asks_uplift:" not in r.cell.verb]
    known = [r for r in known if not r.cell.id.startswith(("spillover/", "series/"))]
    parts = [
        text
        for start, make in (
            ("ratio/", _ratios),
            ("given/", _given),
            ("design/", _designs),
            ("few/", _few),
            ("far/", _places),
            ("unlike/", _unlike),
            ("trend/", _honest),
            ("kit/", _kit),
            ("pull/", _pull),
        )
        if (text := make([r for r in known if r.cell.id.startswith(start)]))
    ]
    if not parts:
        return ""
    fired = fired_on([r for r in known if r.cell.role == "valid"])
    return "\n".join([prose.ROLL_OUTS, *parts]) + (f"\n{prose.FIRED}{fired}" if fired else "")


def _named(rows: Sequence[CellResult], columns: Sequence[Column], title: str) -> str:
    return f"{title}\n{table(rows, columns)}" if rows else ""


# --- zeros ------------------------------------------------------------------------------------------------------------
def _ratios(rows: Sequence[CellResult]) -> str:
    known = {r.cell.id: r for r in rows}
    alike = [r for r in rows if "/alike/" in r.cell.id]
    larger = [r for r in rows if "/larger/" in r.cell.id]
    parts = [
        f"{title}\n{_errors(found, known)}"
        for title, found in ((f"{prose.RATIOS}", alike), (prose.LARGER, larger))
        if found
    ]
    if alike:
        parts.append(prose.LIMITS)
    parts.append(_named([r for r in rows if "/capped/" in r.cell.id], _COVERAGE, prose.CAPPED))
    return "\n".join(part for part in parts if part)


def _errors(rows: Sequence[CellResult], known: dict[str, CellResult]) -> str:
    """Bias, root mean squared error and coverage, beside the default's of the same draws."""
    lines = []
    for r in rows:
        _, calendar, _, lasting, name = r.cell.id.split("/")
        base, s = known[f"{r.cell.id.rpartition('/')[0]}/{_BASE}"].scores, r.scores
        less = 1 - s["rmse"] / base["rmse"]
        error = (1 - less) * math.hypot(s["rmse_mc"] / s["rmse"], base["rmse_mc"] / base["rmse"])
        lines.append(
            [
                calendar.replace("-", " "),
                lasting if lasting != "no" else "nothing",
                name,
                reps_of(r),
                number(s["truth"]),
                f"{number(s['bias'])} ± {number(s['bias_mc'])}",
                number(s["rmse"]),
                "–" if name == _BASE else with_error(less, error).replace("-", "−"),
                with_error(s["coverage95"], s["coverage95_mc"]),
                number(s["se_ratio"], 3),
                percent(s["band"]),
                verdict(r),
            ]
        )
    head = ("calendar", "lasting", "estimator", "runs", "true", "bias", "RMSE", "less", "95 %", "SE/sd", "band")
    return grid((*head, "verdict"), lines)


# --- covariates, neighbours, rooms unlike the others ------------------------------------------------------------------
def _given(rows: Sequence[CellResult]) -> str:
    return _named(rows, _COVERAGE, prose.GIVEN)


def _designs(rows: Sequence[CellResult]) -> str:
    return _named(rows, _COVERAGE, prose.DESIGNS)


def _places(rows: Sequence[CellResult]) -> str:
    return _named(rows, _SIZE, prose.PLACES)


def _unlike(rows: Sequence[CellResult]) -> str:
    columns = [c for c in _COVERAGE if c[0] not in ("SE/sd", "band")]
    return _named(rows, columns, prose.UNLIKE)


# --- few rooms --------------------------------------------------------------------------------------------------------
def _few(rows: Sequence[CellResult]) -> str:
    lots = [r for r in rows if r.cell.id.split("/")[1] in ("equal", "largest", "zeros")]
    if not rows:
        return ""
    text = prose.FEW + "\n" + _by_treated(lots)
    reasons = {why: r.cell.id for r in reversed(lots) for why in r.scores["reasons"] if r.scores["no_interval"] > 0}
    if reasons:
        text += "\nWhere no interval is given, the result says why:\n\n"
        text += "".join(f"- `{cell}`: {why.rstrip('.')}.\n" for why, cell in reversed(reasons.items()))
    sized = [r for r in rows if r not in lots]
    return text + ("\n" + _named(sized, _SIZE, prose.SIZED) if sized else "")


def _by_treated(rows: Sequence[CellResult]) -> str:
    """Rejections, one line per way of asking, one column per number of treated rooms."""
    counts = sorted({r.cell.dials["treated"] for r in rows})
    lines: dict[tuple[str, str], dict[int, CellResult]] = {}
    for r in rows:
        _, world, _, name = r.cell.id.split("/")
        lines.setdefault((world, name), {})[r.cell.dials["treated"]] = r
    out = []
    for (world, name), found in lines.items():
        shown = [_rejected(found[k]) if k in found else "–" for k in counts]
        out.append([f"{world}, {'default' if name == _BASE else name}", *shown])
    return grid(("rooms, how", *(f"{k} treated" for k in counts)), out)


def _rejected(r: CellResult) -> str:
    s = r.scores
    text = with_error(s.get("type1_5", math.nan), s.get("type1_5_mc", math.nan))
    # Refused, or answered without an interval.
    none = s["failed"] + (1 - s["failed"]) * (0.0 if math.isnan(s["no_interval"]) else s["no_interval"])
    text += f", {percent(none)} none" if none >= 0.005 else ""
    return f"{text} (fails)" if verdict(r) == "fails" else text


# --- bounds and tests -------------------------------------------------------------------------------------------------
def _honest(rows: Sequence[CellResult]) -> str:
    if not rows:
        return ""
    lines = []
    for r in rows:
        dials, s = r.cell.dials, r.scores
        parallel = "bound" not in r.cell.call
        shape = dials.get("shape", "moves")
        lines.append(
            [
                "parallel trends" if parallel else f"{shape}, {'M̄' if shape == 'moves' else 'M'} = {dials['bound']:g}",
                f"{dials['move']:g}" if "move" in dials else "–",
                reps_of(r),
                with_error(s["coverage95"], s["coverage95_mc"]),
                percent(s["below95"]),
                percent(s["above95"]),
                amount(s["length95"]),
                verdict(r),
            ]
        )
    return prose.HONEST + "\n" + grid(("bound", "move", "runs", "95 %", "below", "above", "length", "verdict"), lines)


def _kit(rows: Sequence[CellResult]) -> str:
    return _named(rows, _SIZE, prose.KIT)


# --- gains taken from elsewhere ---------------------------------------------------------------------------------------
def _pull(rows: Sequence[CellResult]) -> str:
    columns = [c for c in _COVERAGE if c[0] not in ("SE/sd", "band", "RMSE")]
    fires: tuple[Column, ...] = (
        ("cell", name_of),
        ("runs", reps_of),
        ("the check warns", lambda r: percent(firing(r.scores, r.cell.check))),
        ("verdict", verdict),
    )
    of_role = {role: [r for r in rows if r.cell.role == role] for role in ("valid", "audit violation", "size")}
    alarms: tuple[Column, ...] = (*_SIZE[:2], ("false alarms", share_with_error("type1_5")), *_SIZE[5:])
    parts = (
        _named(of_role["valid"], columns, prose.PULL),
        _named(of_role["audit violation"], fires, prose.PULL_FIRES),
        _named(of_role["size"], alarms, prose.PULL_ALARMS),
    )
    return "\n".join(part for part in parts if part)
