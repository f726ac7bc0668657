"""The page "How right we are": made from a folder of JSON files, one per cell, and from nothing else.

``python -m gmvcausal.trust.page`` makes it again from ``docs/trust`` of a checkout; with the folder of a run, from that
run, and for cells that the run left out from what is kept; with a second folder, the page, its figures and its data go
there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gmvcausal.errors import GmvCausalError, InputError
from gmvcausal.trust import (
    page_ab,
    page_designs,
    page_did,
    page_uplift,
    prose,
    sections,
)
from gmvcausal.trust.figures import KINDS, confusion, few_treated, plot
from gmvcausal.trust.plans import plan
from gmvcausal.trust.report import Report, read_report


def _source(report: Report) -> str:
    """Which plan the report is of, and how many replicates its cells have."""
    found = [(r.cell.id, r.scores["reps"]) for r in report.results]
    named = {"full": plan(), "quick": plan(quick=True)}
    names = [name for name, cells in named.items() if [(c.id, c.reps) for c in cells] == found]
    reps = sorted({n for _, n in found})
    many = f"{reps[0]:,}" if len(reps) == 1 else f"{reps[0]:,} to {reps[-1]:,}"
    which = f"the {names[0]} plan" if names else "a part of a plan, or another one"
    return f"{which}: {len(found)} cells, {many} replicates each"


# Sections in their order: what makes each, the roles it needs, the kind of its figure.
_SECTIONS: tuple[tuple[Callable[[Report], str], tuple[str, ...], str], ...] = (
    (sections.coverage, (), "coverage"),
    (sections.size, ("size",), "size"),
    (sections.power, ("power",), ""),
    (sections.bands, ("valid",), ""),
    (sections.audit, (), "audit"),
    (sections.purpose, ("fails on purpose",), ""),
    (page_did.section, (), ""),
    (page_ab.section, (), ""),
    (page_uplift.section, (), ""),
    *((partial(page_designs.section, name=name), (), "") for name in page_designs.SECTIONS),
    (sections.gates, (), ""),
    (sections.made, (), ""),
)
_FIGURES = {
    "coverage": "Share of 95 % intervals that hold the truth, by cell",
    "size": "Rejections at 5 % without an effect, by number of treated rooms",
    "audit": "How often checks fire on clean and on violating data",
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
        verdict = f"{total - explained:,} of {total:,} gates hold." if explained else f"All {total:,} gates hold."
    are = "is" if explained == 1 else "are"
    counts = f"{explained} {are} not met, for a reason recorded beside the cell." if explained else ""
    parts = [prose.INTRO.format(source=_source(report), verdict=verdict, counts=counts).rstrip() + "\n"]
    for make, needed, kind in _SECTIONS:
        if needed and not sections.roles(report, *needed):
            continue
        if text := make(report):
            parts.append(text)
        if kind and _has(report, kind):
            parts.append(f"![{_FIGURES[kind]}]({assets}/trust-{kind}.svg)\n")
    return "\n".join(parts)


def _has(report: Report, kind: str) -> bool:
    """Whether there is something to draw."""
    return {
        "coverage": bool(sections.roles(report, "valid")),
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
    from gmvcausal.present.files import write
    from gmvcausal.present.style import svg

    report, to, figures = read_report(folder), Path(page), Path(assets)
    figures.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        if _has(report, kind):
            write(figures / f"trust-{kind}.svg", svg(plot(report, kind)))
    seen = Path(os.path.relpath(figures.resolve(), to.resolve().parent)).as_posix()
    return write(to, page_text(report, seen))


def renew(run: str = "", docs: str = "") -> list[Path]:
    """Make the page again.

    Parameters
    ----------
    run : str
        Folder of a run of the full or of the quick plan, or of a part of the full one where the data that the page was
        made from last hold the other cells; empty: those data.
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
    report = _whole_plan(_folder(Path(run)), data)
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


def _whole_plan(folder: Path, kept: Path) -> Report:
    """The run in a folder in the order of its plan: the quick one if just its cells are there, else the full one.

    What a run of a part of the full plan lacks is taken from the data `kept` of the page, where these were made from
    the same cell and seed.
    """
    found = read_report(folder)
    known = {r.cell.id: r for r in found.results}
    quick = [cell.id for cell in plan(quick=True)]
    wanted = plan(quick=True) if set(known) == set(quick) else plan()
    before = read_report(kept) if kept.is_dir() and any(kept.glob("*.json")) else None
    if before is not None and before.seed == found.seed:
        same = {cell.id: cell for cell in wanted}
        known = {r.cell.id: r for r in before.results if r.cell == same.get(r.cell.id)} | known
    absent = [cell.id for cell in wanted if cell.id not in known]
    if absent:
        raise InputError(
            f"the run in {str(folder)!r} lacks {len(absent)} of the {len(wanted)} cells of the plan, first {absent[0]}",
            remedy="finish it with gmvcausal trust --out and the same folder",
        )
    return Report(tuple(known[cell.id] for cell in wanted), found.seed)


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
