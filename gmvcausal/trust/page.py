"""The page "How right we are": made from a folder of JSON files, one per cell, and from nothing else.

``python -m gmvcausal.trust.page`` makes it again from ``docs/trust`` of a checkout; with the folder of a run of a whole
plan, from that run; with a second folder, the page, its figures and its data go there.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmvcausal.errors import GmvCausalError, InputError
from gmvcausal.trust import prose
from gmvcausal.trust.figures import KINDS, confusion, few_treated, plot
from gmvcausal.trust.gates import Gate, firing, passes_at
from gmvcausal.trust.plans import plan
from gmvcausal.trust.report import CellResult, Report, read_report

_Column = tuple[str, Callable[[CellResult], str]]

_ALL = "How often each check fired on valid worlds"


def percent(value: Any, digits: int = 1) -> str:
    """A share as the page prints it; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f} %"


def _with_error(value: float, error: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} ± {100 * error:.1f} %"


def _number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def _amount(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.3g}".replace("-", "−") if abs(value) < 1000 else f"{value:,.0f}"


def _of(name: str) -> Callable[[CellResult], str]:
    return lambda r: percent(r.scores.get(name, math.nan))


def _pair(name: str) -> Callable[[CellResult], str]:
    return lambda r: _with_error(r.scores.get(name, math.nan), r.scores.get(f"{name}_mc", math.nan))


def table(rows: Sequence[CellResult], columns: Sequence[_Column]) -> str:
    """A table of the cells in Markdown."""
    return grid([name for name, _ in columns], [[make(r) for _, make in columns] for r in rows])


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: names to the left, numbers to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)]) + "\n"


def _name(r: CellResult) -> str:
    return f"`{r.cell.id}`"


def _reps(r: CellResult) -> str:
    return f"{r.scores['reps']:,}"


def _roles(report: Report, *roles: str) -> list[CellResult]:
    return [r for r in report.results if r.cell.role in roles]


def _worlds(report: Report, sentences: Mapping[str, str]) -> str:
    """The sentences about worlds that have cells: a sentence belongs to the beginning of ids."""
    return "".join(
        text for start, text in sentences.items() if any(r.cell.id.startswith(start) for r in report.results)
    )


def _source(report: Report) -> str:
    """Which plan the report is of, and how many replicates its cells have."""
    found = [(r.cell.id, r.scores["reps"]) for r in report.results]
    named = {"full": plan(), "quick": plan(quick=True)}
    names = [name for name, cells in named.items() if [(c.id, c.reps) for c in cells] == found]
    reps = sorted({n for _, n in found})
    many = f"{reps[0]:,}" if len(reps) == 1 else f"{reps[0]:,} to {reps[-1]:,}"
    which = f"the {names[0]} plan" if names else "a part of a plan, or another one"
    return f"{which}: {len(found)} cells, {many} replicates each"


def _coverage(report: Report) -> str:
    columns: list[_Column] = [
        ("cell", _name),
        ("runs", _reps),
        ("95 %", _pair("coverage95")),
        ("below", _of("below95")),
        ("above", _of("above95")),
        ("90 %", _of("coverage90")),
        ("99 %", _of("coverage99")),
        ("bias/sd", lambda r: _number(r.scores["bias_sd"])),
        ("SE/sd", lambda r: f"{_number(r.scores['se_ratio'], 3)} ± {_number(r.scores['se_ratio_mc'], 3)}"),
        ("length", lambda r: _number(report.length_ratio(r))),
        ("no interval", _of("no_interval")),
        ("refused", _of("refused")),
        ("if credible", _of("coverage95_if_credible")),
    ]
    return (
        prose.COVERAGE
        + _worlds(report, prose.COVERAGE_WORLDS)
        + "\n"
        + table(_roles(report, "valid", "shown"), columns)
    )


def _size(report: Report) -> str:
    columns: list[_Column] = [
        ("cell", _name),
        ("runs", _reps),
        ("at 5 %", _pair("type1_5")),
        ("at 10 %", _of("type1_10")),
        ("at 1 %", _of("type1_1")),
        ("SE/sd", lambda r: _number(r.scores["se_ratio"], 3)),
        ("no interval", _of("no_interval")),
        ("refused", _of("refused")),
        ("length", lambda r: _number(report.length_ratio(r))),
    ]
    rows = _roles(report, "size")
    text = prose.SIZE + _worlds(report, prose.SIZE_WORLDS) + "\n" + table(rows, columns)
    reasons = {why: r.cell.id for r in reversed(rows) for why in r.scores["reasons"] if r.scores["no_interval"] > 0}
    if reasons:
        text += "\nWhere no interval is given, the result says why:\n\n"
        text += "".join(f"- `{cell}`: {why.rstrip('.')}.\n" for why, cell in reversed(reasons.items()))
    return text


def _power(report: Report) -> str:
    columns: list[_Column] = [
        ("cell", _name),
        ("runs", _reps),
        ("effect", lambda r: _amount(r.cell.mde if r.cell.mde is not None else math.nan)),
        ("found at 5 %", _pair("power_5")),
        ("said", lambda r: _amount(r.scores["detectable"])),
    ]
    return prose.POWER + "\n" + table(_roles(report, "power"), columns)


def _bands(report: Report) -> str:
    rows = [r for r in _roles(report, "valid") if not math.isnan(r.scores["band"])]
    return prose.BANDS + "\n" + table(rows, [("cell", _name), ("runs", _reps), ("whole path held", _pair("band"))])


def _audit(report: Report) -> str:
    rows = [
        [
            f"`{cell.cell.check}`",
            _name(cell),
            percent(firing(cell.scores, cell.cell.check)),
            percent(firing(clean.scores, cell.cell.check)),
            percent(cell.scores["refused"]),
            percent(clean.scores["refused"]),
        ]
        for cell, clean in confusion(report)
    ]
    head = ("check", "violation", "fires on it", "fires on clean", "violation refused", "clean refused")
    valid = [r for r in _roles(report, "valid") if "refused_valid" in r.cell.applying]
    names = sorted({name for r in valid for name in r.scores["audit"]})
    runs = sum(r.scores["reps"] for r in valid)
    every = []
    for name in names:
        shares = [
            sum(r.scores["audit"].get(name, {}).get(s, 0.0) * r.scores["reps"] for r in valid) / runs
            for s in ("warned", "failed")
        ]
        if sum(shares) > 0:
            every.append([f"`{name}`", *(percent(s) for s in shares)])
    text = prose.AUDIT + "\n" + grid(head, rows)
    if every:
        text += f"\n{_ALL} ({runs:,} runs; checks that never did are left out):\n\n"
        text += grid(("check", "warned", "failed"), every)
    return text


def _purpose(report: Report) -> str:
    columns: list[_Column] = [
        ("cell", _name),
        ("runs", _reps),
        ("95 %", _pair("coverage95")),
        ("bias/sd", lambda r: _number(r.scores["bias_sd"])),
        ("truth", lambda r: _amount(r.scores["truth"])),
        ("bias", lambda r: _amount(r.scores["bias"])),
        ("refused by the audit", _of("refused")),
    ]
    return (
        prose.PURPOSE
        + _worlds(report, prose.PURPOSE_WORLDS)
        + "\n"
        + table(_roles(report, "fails on purpose"), columns)
    )


def _gates(report: Report) -> str:
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
    return _number(gate.value, 3) if gate.name == "se" else percent(gate.value)


def _made(report: Report) -> str:
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


_FIGURES = {
    "coverage": (_coverage, "Share of 95 % intervals that hold the truth, by cell"),
    "size": (_size, "Rejections at 5 % without an effect, by number of treated rooms"),
    "audit": (_audit, "How often checks fire on clean and on violating data"),
}


def page_text(report: Report, assets: str = "assets") -> str:
    """The page in Markdown.

    Parameters
    ----------
    report : Report
    assets : str
        Folder of the figures as the page sees it.
    """
    explained, total = len(report.explained), len(report.gates)
    verdict = report.verdict.replace(" gates do not hold.", " gates do not hold; they are listed below.")
    if not report.failed and not report.undecided and not any(r.unjudged for r in report.results):
        verdict = f"All {total} gates hold."
    counts = f"Of these, {explained} are not met for a reason recorded beside the cell." if explained else ""
    parts = [prose.INTRO.format(source=_source(report), verdict=verdict, counts=counts).rstrip() + "\n"]
    needs = {_size: ("size",), _power: ("power",), _bands: ("valid",), _purpose: ("fails on purpose",)}
    drawn = {_coverage: "coverage", _size: "size", _audit: "audit"}
    for section in (_coverage, _size, _power, _bands, _audit, _purpose, _gates, _made):
        if section in needs and not _roles(report, *needs[section]):
            continue
        parts.append(section(report))
        kind = drawn.get(section)
        if kind is not None and _has(report, kind):
            parts.append(f"![{_FIGURES[kind][1]}]({assets}/trust-{kind}.svg)\n")
    return "\n".join(parts)


def _has(report: Report, kind: str) -> bool:
    """Whether there is something to draw."""
    return {
        "coverage": bool(_roles(report, "valid")),
        "size": bool(few_treated(report)),
        "audit": bool(confusion(report)),
    }[kind]


def write_page(folder: str | os.PathLike[str], page: str | os.PathLike[str], assets: str | os.PathLike[str]) -> Path:
    """Write the page and its figures from a folder of JSON files.

    Parameters
    ----------
    folder, page, assets : path
        Where the JSON files are; the Markdown file to write; the folder of the figures.

    Returns
    -------
    Path
        The page.
    """
    from gmvcausal.present.style import svg

    report, to, figures = read_report(folder), Path(page), Path(assets)
    figures.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        if _has(report, kind):
            (figures / f"trust-{kind}.svg").write_text(svg(plot(report, kind)), encoding="utf-8")
    seen = Path(os.path.relpath(figures.resolve(), to.resolve().parent)).as_posix()
    to.write_text(page_text(report, seen), encoding="utf-8")
    return to


def renew(run: str = "", docs: str = "") -> list[Path]:
    """Make the page again.

    Parameters
    ----------
    run : str
        Folder of a run of the full or of the quick plan; empty: the data that the page was made from last.
    docs : str
        Folder of the page, of its figures (``assets``) and of its data (``trust``); empty: the docs of a checkout.

    Returns
    -------
    list of Path
        What was written: the page, and the folders of figures and of data.

    Raises
    ------
    InputError
        No such folder, an unfinished run, or no folder to write to.
    """
    to = Path(docs) if docs else Path(__file__).resolve().parents[2] / "docs"
    page, assets, data = to / "trust.md", to / "assets", to / "trust"
    if not docs and not page.is_file():
        raise InputError(
            "there is no checkout with a docs folder to write the page into",
            remedy="name the folder to write to: python -m gmvcausal.trust.page DIR DOCS",
        )
    if not run:
        write_page(_folder(data), page, assets)
        return [page, assets]
    report = _whole_plan(_folder(Path(run)))
    if data.resolve() == Path(run).resolve():
        raise InputError(
            f"the data of the page would replace the run in {run!r}", remedy="name another folder to write to"
        )
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {str(to)!r} cannot be made ({error.strerror or error})", remedy="name another folder"
        ) from None
    report.write_page(page, assets=assets, data=data)
    return [page, assets, data]


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(
            f"there is no folder {str(path)!r}", remedy="name the folder that gmvcausal trust --out wrote into"
        )
    return path


def _whole_plan(folder: Path) -> Report:
    """The run in a folder in the order of its plan: the quick one if just its cells are there, else the full one."""
    found = read_report(folder)
    known = {r.cell.id: r for r in found.results}
    quick = [cell.id for cell in plan(quick=True)]
    wanted = quick if set(known) == set(quick) else [cell.id for cell in plan()]
    absent = [name for name in wanted if name not in known]
    if absent:
        raise InputError(
            f"the run in {str(folder)!r} lacks {len(absent)} of the {len(wanted)} cells of the plan, first {absent[0]}",
            remedy="finish it with gmvcausal trust --out and the same folder",
        )
    return Report(tuple(known[name] for name in wanted), found.seed)


def main(words: Sequence[str]) -> int:
    """Make the page and print what was written; an error of our own is one message and exit code 2."""
    try:
        if len(words) > 2 or any(word.startswith("-") for word in words):
            raise InputError(
                "the page takes the folder of a run and the folder to write to",
                remedy="write python -m gmvcausal.trust.page DIR DOCS",
            )
        for path in renew(*words):
            sys.stdout.write(f"{path}\n")
    except GmvCausalError as error:
        sys.stderr.write(f"gmvcausal: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
